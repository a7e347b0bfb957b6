/** One evening, from publishing a release to looking at what everybody has. */
import { capacities, liveBookings, publishedRounds, verifyRounds } from '../../src/demo/audit.ts';
import { type Client } from '../../src/demo/client.ts';
import { followRelease } from '../../src/demo/news.ts';
import { CONFIRM_WITHIN_S, createOperator } from '../../src/demo/operator.ts';
import type { Mode, Slot } from '../../src/demo/personas.ts';
import { inParallel } from '../../src/demo/play.ts';
import { MINUTE_MS, MOST_WISHES, scaleSites, type Site } from '../../src/demo/population.ts';
import type { Progress } from '../../src/progress.ts';
import { nowMs, sleep } from '../../src/lib/clock.ts';
import { monotonicOf, type Timed } from '../support/timed.ts';
import type { Member } from './arrive.ts';
import { listenTo, newStory, type Stage } from './deeds.ts';
import { drawnIn, judge, type Judged } from './judge.ts';
import { createPlayer, pairsOf, playAll, type Player } from './roles.ts';

export type Script = {
  readonly client: Client;
  readonly timed: Timed;
  readonly operatorKey: string;
  readonly release: string;
  readonly mode: Mode;
  /** What a minute of the evening lasts, in ms. */
  readonly minuteMs: number;
  readonly seats: number;
  readonly sites: readonly Site[];
  /** Seats are given back at the end, so that the same people may come to the next release. */
  readonly isLast: boolean;
};

export type Evening = Judged & {
  readonly mode: Mode;
  readonly rounds: number;
  /** Where and why a published round could not be recomputed; undefined where all could. */
  readonly refused: string | undefined;
  /** Seats that a borrowed name gave back for a buyer, and buyers who got them. */
  readonly offeredOn: number;
  readonly handedOn: number;
};

export async function playEvening(
  script: Script,
  members: readonly Member[],
  progress: Progress,
): Promise<Evening> {
  const { client, release, mode, minuteMs } = script;
  const pace = minuteMs / MINUTE_MS;
  const operator = createOperator(client, script.operatorKey, {
    release,
    title: `Rush ${release}`,
    minuteMs,
  });
  const times = await operator.openRelease(mode, sitesOf(script));
  const settledMs = mode === 'lottery' ? Math.max(1, CONFIRM_WITHIN_S * pace) * 1_000 : 0;
  const phase = progress(release, Math.ceil((times.endsAtMs + settledMs - nowMs()) / 1_000));
  const ticking = setInterval(phase.advance, 1_000);
  try {
    const { slots } = await client.read<{ slots: Slot[] }>(`/v1/releases/${release}/slots`, HERE);
    const news = followRelease(client, release);
    const stage: Stage = {
      ...script,
      opensMs: monotonicOf(times.opensAtMs, nowMs()),
      closesMs: monotonicOf(times.closesAtMs, nowMs()),
      pace,
      slots,
      outMs: listenTo(news),
    };
    const players = members.map((member) => createPlayer(stage, member, newStory()));
    await Promise.all([playAll(stage, players), news.ended]);
    // Offers of the last round may still be confirmed, and lapse after that.
    await sleep(Math.max(0, times.endsAtMs + settledMs - nowMs()));
    const evening = await lookAt(script, players, await operator.seats(), progress);
    if (!script.isLast) await giveAllBack(client, players);
    return evening;
  } finally {
    clearInterval(ticking);
    phase.done();
  }
}

const HERE = '127.3.0.4';

/** The largest ones: as many as an entry may name. */
function sitesOf({ sites, seats }: Script): Site[] {
  const largest = sites.toSorted((one, other) => other.seats - one.seats).slice(0, MOST_WISHES);
  return scaleSites(largest, seats);
}

async function lookAt(
  { client, release, mode }: Script,
  players: readonly Player[],
  operatorView: Parameters<typeof judge>[0]['operatorView'],
  progress: Progress,
): Promise<Evening> {
  const looking = progress(`${release}: people checked`, players.length);
  const outcomes = await inParallel(players, looking, async ({ member, story }) => ({
    role: member.role,
    story,
    live: await seatsOf(client, member),
  }));
  const rounds = mode === 'lottery' ? await publishedRounds(client, release) : [];
  const { refused } = mode === 'lottery' ? await verifyRounds(rounds) : { refused: undefined };
  const capacity = await capacities(client, release);
  const told = { mode, outcomes, rounds: rounds.map(drawnIn), capacity, operatorView };
  const handing = pairsOf(players).filter(([name]) => name.story.handedOn !== undefined);
  const handed = handing.filter(([name, buyer]) =>
    [...buyer.story.bookings.values()].some((slot) => slot === name.story.handedOn),
  );
  return {
    ...judge(told),
    mode,
    rounds: rounds.length,
    refused,
    offeredOn: handing.length,
    handedOn: handed.length,
  };
}

async function seatsOf(client: Client, { person, account, second }: Member): Promise<string[]> {
  const lists = [account, second].map((one) =>
    one ? liveBookings(client, { ...one, person }) : Promise.resolve([]),
  );
  return (await Promise.all(lists)).flat();
}

async function giveAllBack(client: Client, players: readonly Player[]): Promise<void> {
  const all = players.flatMap(({ member, story }) =>
    [...story.bookings.keys()].map((booking) => ({ member, booking })),
  );
  const silent = { advance: () => undefined, done: () => undefined };
  await inParallel(all, silent, async ({ member: { person, account }, booking }) => {
    const path = `/v1/bookings/${booking}`;
    const { address } = person;
    const as = { bearer: account.token, deviceToken: account.device };
    const call = { method: 'DELETE', path, address, ...as } as const;
    const { status, code } = await client.send<unknown>(call);
    if (status !== 204) throw new Error(`a seat could not be given back: ${status} ${code ?? ''}`);
  });
}
