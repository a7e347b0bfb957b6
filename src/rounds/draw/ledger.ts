/**
 * What stands after a round: free seats, who waits and who holds what. It follows from the
 * published transcripts alone, and changes only by `settle` (what happened between two rounds), a
 * draw and `closeRound`.
 */
import { assert, present } from '../../lib/assert.ts';
import { type DrawnManifest, manifestHash } from '../../releases/manifest.ts';
import type { BeaconValue } from '../beacon/beacon.ts';
import { rowOf } from './bytes.ts';
import { type EntryColumns, entryAt } from './entry-table.ts';
import { layOutPools, type Pools } from './pools.ts';

/** Seats of one pool that an operator took away. */
export type Loss = readonly [slot: string, pool: string, seats: number];

/**
 * What happened since the last round. Entry ids ascend by their bytes, slot ids by theirs (see
 * `inOrder`).
 */
export type Since = {
  /** Entries whose booking was cancelled: the seats are free again, the entry is gone. */
  readonly cancelled: readonly string[];
  /**
   * Slots that an operator closed: their seats are gone, those who held one come first in the next
   * draw.
   */
  readonly closed: readonly string[];
  /** Entries whose offer was not confirmed in time: the seats are free again, the entry is gone. */
  readonly expired: readonly string[];
  /** Seats that an operator took away: free ones, then those of whoever comes last. */
  readonly lost: readonly Loss[];
  /** Entries that gave up waiting. */
  readonly withdrawn: readonly string[];
};

export const NOTHING_SINCE: Since = {
  cancelled: [],
  closed: [],
  expired: [],
  lost: [],
  withdrawn: [],
};

/** In place of the number of the pool that an entry holds. */
export const WAITING = -1;
export const DISPLACED = -2;
export const GONE = -3;

/** The entries of one round. */
export type Cohort = {
  readonly table: EntryColumns;
  /** Row numbers in draw order: the place in the queue that these entries have for good. */
  readonly order: Uint32Array;
  /** By row: number of the pool held, or WAITING, DISPLACED, GONE. */
  readonly standing: Int32Array;
  /** By row: the round that gave the seats, where the entry holds some. */
  readonly seatedIn: Uint32Array;
  /** Entries that are not gone. */
  live: number;
};

export type Ledger = {
  readonly manifest: DrawnManifest;
  readonly manifestHash: string;
  readonly pools: Pools;
  /** By pool: seats that nobody holds. */
  readonly free: Int32Array;
  /** By pool: seats, free or held. */
  readonly capacity: Int32Array;
  readonly closed: Set<string>;
  /** Pools that got seats back since the last draw, or had them moved to them. */
  readonly regained: Set<number>;
  /** Earliest round first; those of whom all are gone are left out. */
  cohorts: Cohort[];
  displaced: number;
  nextRound: number;
  /** Digest of the last round in hex; zeros before round 0. */
  previousDigest: string;
  previousBeacon: BeaconValue | undefined;
  /**
   * By round: when its beacon's value came into being, or it was sealed where the operator had the
   * value before. Nobody knew the result earlier.
   */
  readonly valueAtMs: number[];
};

export function createLedger(manifest: DrawnManifest): Ledger {
  const pools = layOutPools(manifest);
  return {
    manifest,
    manifestHash: manifestHash(manifest),
    pools,
    free: pools.seats.slice(),
    capacity: pools.seats.slice(),
    closed: new Set(),
    regained: new Set(),
    cohorts: [],
    displaced: 0,
    nextRound: 0,
    previousDigest: '0'.repeat(64),
    previousBeacon: undefined,
    valueAtMs: [],
  };
}

export const idBytes = (entry: string): Buffer => Buffer.from(entry, 'base64url');

const byBytes = (entries: readonly string[]): string[] =>
  entries.toSorted((a, b) => idBytes(a).compare(idBytes(b)));

const byPlace = ([slotA, poolA]: Loss, [slotB, poolB]: Loss): number => {
  if (slotA !== slotB) return slotA < slotB ? -1 : 1;
  return poolA < poolB ? -1 : Number(poolA > poolB);
};

/** With every list in the order in which it is hashed and published. */
export const inOrder = (since: Since): Since => ({
  cancelled: byBytes(since.cancelled),
  closed: since.closed.toSorted(),
  expired: byBytes(since.expired),
  lost: since.lost.toSorted(byPlace),
  withdrawn: byBytes(since.withdrawn),
});

/**
 * Where an entry stands that is not gone. An id may be in several cohorts, and live in one at most.
 */
export function findLive(
  ledger: Ledger,
  entry: string,
): { readonly cohort: Cohort; readonly row: number } | undefined {
  const id = idBytes(entry);
  for (const cohort of ledger.cohorts) {
    const row = rowOf(cohort.table.ids, id);
    if (row >= 0 && cohort.standing[row] !== GONE) return { cohort, row };
  }
  return undefined;
}

function giveBack(ledger: Ledger, entry: string): string | undefined {
  const found = findLive(ledger, entry);
  const pool = found?.cohort.standing[found.row] ?? GONE;
  if (!found || pool < 0) return `entry ${entry} holds no seat`;
  const size = present(found.cohort.table.sizes[found.row], 'size');
  ledger.free[pool] = present(ledger.free[pool], 'pool') + size;
  ledger.regained.add(pool);
  found.cohort.standing[found.row] = GONE;
  found.cohort.live -= 1;
  return undefined;
}

/** The last round of which one of these entries holds an offer; -1 where none does. */
function lastOffered(ledger: Ledger, entries: readonly string[]): number {
  return entries.reduce((last, entry) => {
    const found = findLive(ledger, entry);
    return found ? Math.max(last, present(found.cohort.seatedIn[found.row], 'row')) : last;
  }, -1);
}

function withdraw(ledger: Ledger, entry: string): string | undefined {
  const found = findLive(ledger, entry);
  const standing = found?.cohort.standing[found.row] ?? GONE;
  if (!found || standing >= 0) return `entry ${entry} does not wait`;
  if (standing === DISPLACED) ledger.displaced -= 1;
  found.cohort.standing[found.row] = GONE;
  found.cohort.live -= 1;
  return undefined;
}

/** Takes away what an entry holds; it comes first in the next draw. */
function displace(ledger: Ledger, { table, standing }: Cohort, row: number): void {
  const pool = present(standing[row], 'standing');
  ledger.free[pool] = present(ledger.free[pool], 'pool') + present(table.sizes[row], 'size');
  standing[row] = DISPLACED;
  ledger.displaced += 1;
}

/** Entries that hold seats of some pools, the last in the order of entries first. */
function* holders(
  { cohorts }: Ledger,
  holds: (pool: number) => boolean,
): Generator<{ readonly cohort: Cohort; readonly row: number }> {
  for (const cohort of cohorts.toReversed())
    for (let place = cohort.order.length - 1; place >= 0; place--) {
      const row = present(cohort.order[place], 'place');
      if (holds(present(cohort.standing[row], 'row'))) yield { cohort, row };
    }
}

/** All in one pass: an operator may close a thousand slots of a release of millions. */
function close(ledger: Ledger, slots: readonly string[], displaced: string[]): string | undefined {
  if (slots.length === 0) return undefined;
  const { manifest, pools, free, capacity } = ledger;
  const numbers = new Map(manifest.slots.map(({ slot }, number) => [slot, number]));
  const closes = new Uint8Array(free.length);
  for (const slot of slots) {
    const number = numbers.get(slot);
    if (number === undefined || ledger.closed.has(slot)) return `slot ${slot} is not open`;
    ledger.closed.add(slot);
    closes.fill(1, pools.start[number], pools.start[number + 1]);
  }
  for (const { cohort, row } of holders(ledger, (pool) => closes[pool] === 1)) {
    displace(ledger, cohort, row);
    displaced.push(entryAt(cohort.table, row));
  }
  for (const [pool, isClosed] of closes.entries())
    if (isClosed === 1) free[pool] = capacity[pool] = 0;
  return undefined;
}

/** Number of a pool by its names; -1 for none. */
function poolNumber({ manifest, pools }: Ledger, slot: string, pool: string): number {
  const number = manifest.slots.findIndex((candidate) => candidate.slot === slot);
  const within = manifest.slots[number]?.pools.findIndex((candidate) => candidate.pool === pool);
  return within === undefined || within < 0 ? -1 : present(pools.start[number], 'slot') + within;
}

function lose(ledger: Ledger, [slot, pool, seats]: Loss, displaced: string[]): string | undefined {
  const number = poolNumber(ledger, slot, pool);
  const capacity = ledger.capacity[number] ?? 0;
  if (seats < 1 || seats > capacity) return `slot ${slot} has no ${seats} seats ${pool} to lose`;
  const freeSeats = (): number => present(ledger.free[number], 'pool');
  if (freeSeats() < seats)
    for (const { cohort, row } of holders(ledger, (held) => held === number)) {
      displace(ledger, cohort, row);
      displaced.push(entryAt(cohort.table, row));
      ledger.regained.add(number); // a group may give back more than is lost
      if (freeSeats() >= seats) break;
    }
  ledger.free[number] = freeSeats() - seats;
  ledger.capacity[number] = capacity - seats;
  return undefined;
}

/** What is left of the reserves is for everyone from the round after the manifest's on. */
function dereserve({ manifest, pools, free, capacity, nextRound, regained }: Ledger): void {
  const after = manifest.dereserve_after_round;
  if (after === null || nextRound <= after) return;
  for (const [number, needs] of pools.needs.entries()) {
    const seats = present(free[number], 'pool');
    if (needs === 0 || seats === 0) continue;
    const open = present(pools.open[present(pools.slot[number], 'pool')], 'slot');
    free[number] = 0;
    capacity[number] = present(capacity[number], 'pool') - seats;
    free[open] = present(free[open], 'pool') + seats;
    capacity[open] = present(capacity[open], 'pool') + seats;
    regained.add(open);
  }
}

/** What settling did to a ledger. */
export type Settled = {
  /** By pool: seats free after the last round. */
  readonly last: Int32Array;
  /** By pool: seats free once those of cancelled and expired entries were back. */
  readonly returned: Int32Array;
  /** By pool: seats, free or held, before reserves were moved. */
  readonly capacity: Int32Array;
  /** The last round of which offers expired; -1 where none did. */
  readonly expiredOf: number;
  /** Entries that lost their seats to an operator's change. */
  readonly displaced: readonly string[];
};

export type Misfit = { readonly misfit: string };

/**
 * Applies what happened since the last round. Answers what does not fit the ledger, if anything:
 * then the ledger is half changed and must not be used any more.
 */
export function settle(ledger: Ledger, since: Since): Settled | Misfit {
  assert(ledger.regained.size === 0, 'the ledger was settled already for this round');
  const last = ledger.free.slice();
  const expiredOf = lastOffered(ledger, since.expired);
  const displaced: string[] = [];
  const apply = <T>(list: readonly T[], change: (item: T) => string | undefined) =>
    list.reduce<string | undefined>((misfit, item) => misfit ?? change(item), undefined);
  const given =
    apply(since.cancelled, (entry) => giveBack(ledger, entry)) ??
    apply(since.expired, (entry) => giveBack(ledger, entry));
  const returned = ledger.free.slice();
  const misfit =
    given ??
    close(ledger, since.closed, displaced) ??
    apply(since.lost, (loss) => lose(ledger, loss, displaced)) ??
    apply(since.withdrawn, (entry) => withdraw(ledger, entry));
  if (misfit !== undefined) return { misfit };
  const capacity = ledger.capacity.slice();
  dereserve(ledger);
  ledger.cohorts = ledger.cohorts.filter(({ live }) => live > 0);
  return { last, returned, capacity, expiredOf, displaced };
}
