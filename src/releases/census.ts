/**
 * Counts over all releases, for whoever watches the engine: in which phase they are, what comes
 * next, and how seats and entries stand in those that are live. Work of one census is bounded: a
 * release that has ended is never read again, one that is to open only once it is among the next,
 * and of live ones only so many are counted.
 */
import { present } from '../lib/assert.ts';
import { isoFromMs, monotonicMs } from '../lib/clock.ts';
import { isRefusal } from '../refusal.ts';
import { planBeacon, valueTimeMs } from '../rounds/beacon/beacon.ts';
import type { CensusStore, Holdings, Standing } from './census-store.ts';
import { type ReleaseStateWord, stateOf } from './rules.ts';
import type { ReleaseService } from './service.ts';

export const CENSUS_LIMITS = {
  /** Releases that have opened, and are not known to be over, that one census looks at. */
  looked: 300,
  /** Live ones whose seats and entries are counted, those that opened last. */
  live: 200,
  /** Of those to come, the first to open, whose next events are told. */
  coming: 20,
  /** Releases in one pipeline. */
  batch: 100,
} as const;

export const RELEASE_PHASES = [
  'draft',
  'published',
  'open',
  'drawing',
  'running',
  'ended',
] as const satisfies readonly (ReleaseStateWord | 'draft')[];
export const EVENTS = ['opens', 'closes', 'drawn', 'ends'] as const;
export const SEAT_STATES = ['capacity', 'free', 'offered', 'booked'] as const;
/** Of an entry that has no seat. */
export const ENTRY_STATES = ['new', 'sealed', 'waiting'] as const;

export type EventName = (typeof EVENTS)[number];

export type Census = {
  /** When it was taken, by Redis's clock and by this process's (monotonic). */
  readonly nowMs: number;
  readonly takenMs: number;
  readonly phases: Readonly<Record<(typeof RELEASE_PHASES)[number], number>>;
  /** The first that is to come of each, by Redis's clock. */
  readonly nextMs: Readonly<Partial<Record<EventName, number>>>;
  /** Ids of live releases that were counted, the latest to open first. */
  readonly live: readonly string[];
  /** Those that opened and were not, nor are known to be over. */
  readonly unread: number;
  readonly seats: Readonly<Record<(typeof SEAT_STATES)[number], number>>;
  readonly entries: Readonly<Record<(typeof ENTRY_STATES)[number], number>>;
  readonly offers: number;
  /** When the round was due that is due longest and not published. */
  readonly dueAtMs: number | undefined;
  /** When a round was last published. */
  readonly publishedAtMs: number | undefined;
};

type Live = Standing & Holdings;

type Parts = {
  readonly store: CensusStore;
  readonly releases: Pick<ReleaseService, 'published'>;
};

/** How a census is taken; one at a time. */
export function createCensus({ store, releases }: Parts): () => Promise<Census> {
  const over = new Set<string>();

  /** When a round that was cut should be out: at once, or when its beacon has its value. */
  const outAtMs = async ({ release, round, cutAtMs }: Standing): Promise<number> => {
    const found = await releases.published(release);
    if (isRefusal(found) || found.manifest.mode !== 'lottery') return cutAtMs;
    const { beacon } = found.manifest;
    return valueTimeMs(beacon, planBeacon(beacon, round, isoFromMs(cutAtMs))) ?? cutAtMs;
  };

  return async () => {
    const nowMs = await store.nowMs();
    const [opened, coming, drafts] = await Promise.all([
      store.opened(nowMs),
      store.coming(nowMs, CENSUS_LIMITS.coming),
      store.drafts(),
    ]);
    const notOver = opened.filter((release) => !over.has(release));
    const looked = notOver.slice(0, CENSUS_LIMITS.looked);
    const standings = await inBatches([...looked, ...coming.first], store.standing);
    const phases = { draft: drafts, published: 0, open: 0, drawing: 0, running: 0, ended: 0 };
    const going: Standing[] = [];
    const live: Standing[] = [];
    let endedBefore = 0;
    for (const standing of standings) {
      if (!standing) continue; // about to be published
      const phase = stateOf({ ...standing, nowMs });
      if (phase === 'ended' && standing.opensAtMs > nowMs) endedBefore += 1;
      else if (phase === 'ended') over.add(standing.release);
      else {
        going.push(standing);
        if (phase === 'published') continue;
        phases[phase] += 1;
        live.push(standing);
      }
    }
    phases.published = coming.count - endedBefore;
    phases.ended = over.size + endedBefore;
    const read = await inBatches(
      live.slice(0, CENSUS_LIMITS.live),
      async (one): Promise<Live> => ({
        ...one,
        ...(await store.holdings(one)),
      }),
    );
    const due = await Promise.all(
      read.map(async (one) => (one.phase === 'DRAWING' ? outAtMs(one) : nextRoundMs(one))),
    );
    const byId = new Map(read.map((one) => [one.release, one]));
    return {
      nowMs,
      takenMs: monotonicMs(),
      phases,
      nextMs: nextOf(going, byId, nowMs),
      live: read.map(({ release }) => release),
      unread: live.length - read.length + notOver.length - looked.length,
      ...sumsOf(read),
      dueAtMs: earliest(due.filter((atMs) => atMs !== undefined && atMs <= nowMs)),
      publishedAtMs: latest(read.map(({ publishedAtMs }) => publishedAtMs)),
    };
  };
}

async function inBatches<Item, Value>(
  items: readonly Item[],
  read: (item: Item) => Promise<Value>,
): Promise<Value[]> {
  const values: Value[] = [];
  for (let i = 0; i < items.length; i += CENSUS_LIMITS.batch)
    values.push(...(await Promise.all(items.slice(i, i + CENSUS_LIMITS.batch).map(read))));
  return values;
}

const known = (times: readonly (number | undefined)[]): number[] =>
  times.filter((one) => one !== undefined);
const earliest = (times: readonly (number | undefined)[]): number | undefined =>
  known(times).toSorted((a, b) => a - b)[0];
const latest = (times: readonly (number | undefined)[]): number | undefined =>
  known(times).toSorted((a, b) => b - a)[0];

/** When the next round takes place, if there is to be one; see lua/rounds/cut.lua. */
function nextRoundMs(one: Standing & Partial<Holdings>): number | undefined {
  if (one.closesAtMs === 0) return undefined; // not by lottery
  const isNew = (one.entering ?? 0) > 0 || (one.happened ?? 0) > 0;
  return one.round <= one.certainRound || isNew ? one.nextRoundAtMs : undefined;
}

function nextOf(
  going: readonly Standing[],
  live: ReadonlyMap<string, Live>,
  nowMs: number,
): Census['nextMs'] {
  const times: Record<EventName, number[]> = { opens: [], closes: [], drawn: [], ends: [] };
  for (const one of going) {
    const counted = live.get(one.release) ?? one;
    if (one.opensAtMs > nowMs) times.opens.push(one.opensAtMs);
    if (one.closesAtMs > nowMs) times.closes.push(one.closesAtMs);
    if (one.endsAtMs > nowMs) times.ends.push(one.endsAtMs);
    const drawnMs = one.phase === 'DRAWING' ? nowMs : nextRoundMs(counted);
    if (drawnMs !== undefined) times.drawn.push(Math.max(nowMs, drawnMs));
  }
  return Object.fromEntries(
    EVENTS.flatMap((event) =>
      times[event].length > 0 ? [[event, present(earliest(times[event]), event)]] : [],
    ),
  );
}

function sumsOf(live: readonly Live[]): Pick<Census, 'seats' | 'entries' | 'offers'> {
  const sum = (valueOf: (one: Live) => number): number =>
    live.reduce((all, one) => all + valueOf(one), 0);
  return {
    seats: {
      capacity: sum(({ capacity }) => capacity),
      free: sum(({ freeSeats }) => freeSeats),
      offered: sum(({ offeredSeats }) => offeredSeats),
      booked: sum(({ bookedSeats }) => bookedSeats),
    },
    entries: {
      new: sum(({ entering }) => entering),
      sealed: sum(({ sealed }) => sealed),
      waiting: sum((one) => Math.max(0, one.entries - one.offeredEntries - one.bookedEntries)),
    },
    offers: sum(({ offeredEntries }) => offeredEntries),
  };
}
