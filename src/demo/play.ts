/**
 * One evening in one mode, on an engine of its own. A fresh engine each time, rather than two
 * releases on one, lets the very same people come twice: no claim, limit or cache of the first
 * evening reaches into the second.
 */
import { once } from 'node:events';
import { nowMs, sleep } from '../lib/clock.ts';
import { capacities, liveBookings, publishedRounds, type Round } from './audit.ts';
import { createClient, type Client } from './client.ts';
import { startEngine, withLastWords, type Engine } from './engine.ts';
import { followRelease } from './news.ts';
import { CONFIRM_WITHIN_S, createOperator, RELEASE } from './operator.ts';
import { live, register, signIn, type Member, type Mode, type Story } from './personas.ts';
import type { Person, Site } from './population.ts';
import type { Phase, Progress } from '../progress.ts';
import { tallyEvening, type Outcome, type Tally } from './tally.ts';

export type Setting = {
  readonly mode: Mode;
  readonly people: readonly Person[];
  readonly sites: readonly Site[];
  /**
   * False where the machine has one loopback address only; limits by address are then out of the
   * way.
   */
  readonly ownAddresses: boolean;
  readonly progress: Progress;
  /**
   * Ends the evening early: it throws the signal's reason, with everything that it started stopped.
   */
  readonly stopped: AbortSignal;
};

export type Played = {
  readonly tally: Tally;
  /** Epoch ms. */
  readonly openedAtMs: number;
  /** Of a lottery; none in immediate mode. */
  readonly rounds: readonly Round[];
};

/**
 * Requests under way at once while people sign in and are checked; in the evening everyone acts for
 * themselves.
 */
const AT_ONCE = 32;
const ADDRESS_LIMITS = [
  'READ',
  'DISCOVERY',
  'WRITE',
  'ANSWER',
  'OTP',
  'TOKEN',
  'CAPTCHA',
  'DEVICE',
];
/** A city signs in within seconds here. */
const SMS_BUDGETS = [
  'SMS_BUDGET_NEW_PER_MINUTE',
  'SMS_BUDGET_NEW_PER_HOUR',
  'SMS_BUDGET_UNUSED_PER_NETWORK',
];
/** Real work, but little: one machine does that of everybody, and serves them. */
const EASY = { CAPTCHA_DRIVER: 'altcha', CAPTCHA_TRIES: '4', CAPTCHA_TRIES_MOST: '8' };
const OUT_OF_THE_WAY = '1000000';
const raised = (names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, OUT_OF_THE_WAY]));
/** Settings of an engine on which a whole city plays an evening beside it. */
export const EVENING_SETTINGS = { ...EASY, ...raised(SMS_BUDGETS) };

/** Throws when the engine cannot be started, dies, or refuses what it must not refuse. */
export async function playEvening(setting: Setting): Promise<Played> {
  const shared = setting.ownAddresses ? [] : ADDRESS_LIMITS;
  const engine = await startEngine({
    ...EVENING_SETTINGS,
    ...raised(shared.map((name) => `LIMIT_${name}_PER_ADDRESS`)),
  });
  const client = createClient(engine.url, setting.ownAddresses ? 'each' : 'together');
  try {
    return await Promise.race([
      play(setting, engine, client),
      engine.died,
      aborted(setting.stopped),
    ]);
  } catch (error) {
    throw setting.stopped.aborted ? error : withLastWords(error, engine.lastWords());
  } finally {
    client.close();
    await engine.stop();
  }
}

async function aborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  const reason: Error = signal.reason;
  throw reason;
}

async function play(setting: Setting, engine: Engine, client: Client): Promise<Played> {
  const { mode, people, sites, progress } = setting;
  const title = (phase: string): string => `${mode}: ${phase}`;
  const signedIn = await inParallel(people, progress(title('signed in'), people.length), (person) =>
    signIn(client, person),
  );
  const members = await inParallel(signedIn, progress(title('registered'), people.length), (one) =>
    register(client, one),
  );

  const operator = createOperator(client, engine.operatorKey);
  const times = await operator.openRelease(mode, sites);
  const settledAtMs = times.endsAtMs + (mode === 'lottery' ? CONFIRM_WITHIN_S * 1_000 : 0);
  const clock = tick(progress(title('seconds of the evening'), secondsUntil(settledAtMs)));
  const watch = operator.watchSeats(times.opensAtMs);
  const news = followRelease(client, RELEASE);
  const sale = { client, release: RELEASE, news, ...times };
  const evenings = members.map((member) => live(sale, member, mode));
  const [stories] = await Promise.all([Promise.all(evenings), news.ended]);
  // Offers of the last round may still be confirmed, and lapse after that.
  await sleep(Math.max(0, settledAtMs - nowMs()));
  clock.stop();

  const samples = await watch.stop();
  const rounds = mode === 'lottery' ? await publishedRounds(client, RELEASE) : [];
  const checking = progress(title('people checked'), people.length);
  const seats = await inParallel(members, checking, (member) => liveBookings(client, member));
  const evening = {
    mode,
    outcomes: members.map((member, index) =>
      outcomeOf(member, seats[index] ?? [], stories[index] ?? {}, rounds, times.opensAtMs),
    ),
    capacity: await capacities(client, RELEASE),
    operatorView: await operator.seats(),
    samples,
    log: client.log,
  };
  return { tally: tallyEvening(evening), openedAtMs: times.opensAtMs, rounds };
}

function outcomeOf(
  { person }: Member,
  seats: readonly string[],
  { bookedAtMs, round }: Story,
  rounds: readonly Round[],
  openedAtMs: number,
): Outcome {
  const atMs = bookedAtMs ?? (round === undefined ? undefined : rounds[round]?.publishedAtMs);
  return {
    person,
    seats,
    seatAtMs: atMs === undefined ? undefined : atMs - openedAtMs,
    offered: round !== undefined,
  };
}

/** The results of `work` in the order of the items, a few at a time. */
export async function inParallel<T, R>(
  items: readonly T[],
  phase: Phase,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const takeTurns = async (): Promise<void> => {
    for (const [index, item] of queue) {
      results[index] = await work(item);
      phase.advance();
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, takeTurns));
  } finally {
    phase.done();
  }
  return results;
}

const secondsUntil = (epochMs: number): number => Math.ceil((epochMs - nowMs()) / 1_000);

/** Advances a phase each second. */
function tick(phase: Phase): { readonly stop: () => void } {
  const timer = setInterval(phase.advance, 1_000);
  return {
    stop: () => {
      clearInterval(timer);
      phase.done();
    },
  };
}
