/** One crowd at one slot of one contender: how fast it was, and whether its books are right. */
import { present } from '../../src/lib/assert.ts';
import { percentilesOf } from '../support/numbers.ts';
import type { ServerProcess } from '../support/processes.ts';
import type { Contender } from './contender.ts';
import { type Ask, ask, type Heard, isBot, someOf } from './crowd.ts';
import type { Books } from './peer.ts';

export type Case = {
  readonly slot: string;
  readonly seats: number;
  readonly workers: number;
  readonly people: number;
  readonly asks: readonly Ask[];
};

export type Verdict = {
  readonly sold: number;
  /** Bookings beyond the seats that there are. */
  readonly oversold: number;
  /** Bookings of people beyond their first. */
  readonly doubled: number;
  /** Seats that are neither free nor booked, or free while people were told that none is. */
  readonly leaked: number;
  /** People who were told that they have a seat, and have none. */
  readonly lost: number;
  /** People without a seat who were never told no: it gave up, or their connection broke. */
  readonly turnedAway: number;
  /** Bookings of bots / all bookings. NaN without bookings. */
  readonly botsShare: number;
};

export type Run = Verdict & {
  readonly bookingsPerS: number;
  readonly requestsPerS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers that no peer should give. */
  readonly unexpected: number;
};

const ANSWERS = { booked: [200, 201], refused: [409], busy: [503] } as const;
const EXPECTED: readonly number[] = Object.values(ANSWERS).flat();
const MS_PER_S = 1_000;

export async function measure(
  contender: Contender,
  server: ServerProcess,
  { slot, seats, workers, people, asks }: Case,
): Promise<Run> {
  const request = await contender.prepare(slot, seats);
  const requests = asks.map((person) => request(server.url, person));
  const { heard, tookMs } = await ask(server.url, workers, requests);
  const verdict = judge(await contender.books(slot), contender.nameOf, {
    seats,
    people,
    asks,
    heard,
  });
  const answers = heard.filter((one) => one !== undefined);
  const { p50Ms, p99Ms } = percentilesOf(answers.map(({ ms }) => ms));
  return {
    ...verdict,
    bookingsPerS: (verdict.sold * MS_PER_S) / tookMs,
    requestsPerS: (answers.length * MS_PER_S) / tookMs,
    p50Ms,
    p99Ms,
    unexpected: answers.filter(({ status }) => !EXPECTED.includes(status)).length,
  };
}

/** Of a hundred requests, those whose client breaks off when it has sent them. */
const BREAK_OFF = 0.01;

/**
 * The server is killed (SIGKILL) when half of the requests have their answer and started again; who
 * had no answer asks again, but for the few who broke off by themselves.
 */
export async function measureKilled(
  contender: Contender,
  first: ServerProcess,
  { slot, seats, workers, people, asks }: Case,
): Promise<Verdict> {
  const request = await contender.prepare(slot, seats);
  const brokenOff = someOf(asks, BREAK_OFF, slot);
  const asked = await ask(
    first.url,
    workers,
    asks.map((person) => request(first.url, person)),
    {
      brokenOff,
      onAnswer: (count) => {
        if (count === Math.floor(asks.length / 2)) process.kill(first.pid, 'SIGKILL');
      },
    },
  );
  await first.stop();
  const heard = [...asked.heard];
  const unanswered = [...asks.keys()].filter(
    (place) => !brokenOff.has(place) && (heard[place]?.status ?? 0) === 0,
  );
  const second = await contender.start();
  try {
    const again = unanswered.map((place) => request(second.url, present(asks[place], 'an ask')));
    const asked = await ask(second.url, workers, again);
    for (const [index, place] of unanswered.entries()) heard[place] = asked.heard[index];
  } finally {
    await second.stop();
  }
  return judge(await contender.books(slot), contender.nameOf, {
    seats,
    people,
    asks,
    heard,
  });
}

type Asked = Pick<Case, 'seats' | 'people' | 'asks'> & {
  readonly heard: readonly (Heard | undefined)[];
};

/** `nameOf`: a person as the books call them. */
export function judge(
  { free, persons }: Books,
  nameOf: Contender['nameOf'],
  { seats, people, asks, heard }: Asked,
): Verdict {
  const sold = persons.length;
  const booked = new Set(persons);
  const has = (person: number): boolean => booked.has(nameOf(person));
  const told = (statuses: readonly number[]): number[] => [
    ...new Set(asks.filter((_person, place) => statuses.includes(heard[place]?.status ?? 0))),
  ];
  const refused = new Set(told(ANSWERS.refused));
  const without = [...new Set(asks)].filter((person) => !has(person));
  const unsold = without.filter((person) => refused.has(person)).length;
  const bots = new Set([...new Set(asks)].filter((person) => isBot(person, people)).map(nameOf));
  return {
    sold,
    oversold: Math.max(0, sold - seats),
    doubled: sold - booked.size,
    leaked: Math.max(0, seats - free - sold) + Math.min(Math.max(0, free), unsold),
    lost: told(ANSWERS.booked).filter((person) => !has(person)).length,
    turnedAway: without.length - unsold,
    botsShare: persons.filter((name) => bots.has(name)).length / sold,
  };
}
