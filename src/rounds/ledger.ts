/**
 * What stands after a round: free seats, who waits and who holds what. It follows from the
 * published transcripts alone, and changes only by `settle` (what happened between two rounds), a
 * draw and `closeRound`.
 */
import { assert, present } from '../lib/assert.ts';
import { type LotteryManifest, manifestHash } from '../releases/manifest.ts';
import type { BeaconValue } from './beacon.ts';
import { rowOf } from './bytes.ts';
import type { EntryTable } from './entry-table.ts';
import { layOutPools, type Pools } from './pools.ts';

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
  /** Entries that gave up waiting. */
  readonly withdrawn: readonly string[];
};

export const NOTHING_SINCE: Since = { cancelled: [], closed: [], expired: [], withdrawn: [] };

/** In place of the number of the pool that an entry holds. */
export const WAITING = -1;
export const DISPLACED = -2;
export const GONE = -3;

/** The entries of one round. */
export type Cohort = {
  readonly table: EntryTable;
  /** Row numbers in draw order: the place in the queue that these entries have for good. */
  readonly order: Uint32Array;
  /** By row: number of the pool held, or WAITING, DISPLACED, GONE. */
  readonly standing: Int32Array;
  /** Entries that are not gone. */
  live: number;
};

export type Ledger = {
  readonly manifest: LotteryManifest;
  readonly manifestHash: string;
  readonly pools: Pools;
  /** By pool: seats that nobody holds. */
  readonly free: Int32Array;
  readonly closed: Set<string>;
  /** Pools that got seats back since the last draw. */
  readonly regained: Set<number>;
  /** Earliest round first; those of whom all are gone are left out. */
  cohorts: Cohort[];
  displaced: number;
  nextRound: number;
  /** Digest of the last round in hex; zeros before round 0. */
  previousDigest: string;
  previousBeacon: BeaconValue | undefined;
};

export function createLedger(manifest: LotteryManifest): Ledger {
  const pools = layOutPools(manifest);
  return {
    manifest,
    manifestHash: manifestHash(manifest),
    pools,
    free: pools.seats.slice(),
    closed: new Set(),
    regained: new Set(),
    cohorts: [],
    displaced: 0,
    nextRound: 0,
    previousDigest: '0'.repeat(64),
    previousBeacon: undefined,
  };
}

export const idBytes = (entry: string): Buffer => Buffer.from(entry, 'base64url');

const byBytes = (entries: readonly string[]): string[] =>
  entries.toSorted((a, b) => idBytes(a).compare(idBytes(b)));

/** With every list in the order in which it is hashed and published. */
export const inOrder = (since: Since): Since => ({
  cancelled: byBytes(since.cancelled),
  closed: since.closed.toSorted(),
  expired: byBytes(since.expired),
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

function withdraw(ledger: Ledger, entry: string): string | undefined {
  const found = findLive(ledger, entry);
  const standing = found?.cohort.standing[found.row] ?? GONE;
  if (!found || standing >= 0) return `entry ${entry} does not wait`;
  if (standing === DISPLACED) ledger.displaced -= 1;
  found.cohort.standing[found.row] = GONE;
  found.cohort.live -= 1;
  return undefined;
}

function close(ledger: Ledger, slot: string): string | undefined {
  const number = ledger.manifest.slots.findIndex((candidate) => candidate.slot === slot);
  if (number < 0 || ledger.closed.has(slot)) return `slot ${slot} is not open`;
  ledger.closed.add(slot);
  const start = present(ledger.pools.start[number], 'slot');
  const end = present(ledger.pools.start[number + 1], 'slot');
  ledger.free.fill(0, start, end);
  for (const { standing } of ledger.cohorts)
    for (const [row, pool] of standing.entries())
      if (pool >= start && pool < end) {
        standing[row] = DISPLACED;
        ledger.displaced += 1;
      }
  return undefined;
}

/**
 * Applies what happened since the last round. Answers what does not fit the ledger, if anything:
 * then the ledger is half changed and must not be used any more.
 */
export function settle(ledger: Ledger, since: Since): string | undefined {
  assert(ledger.regained.size === 0, 'the ledger was settled already for this round');
  const apply = (
    names: readonly string[],
    change: (ledger: Ledger, name: string) => string | undefined,
  ): string | undefined => {
    for (const name of names) {
      const misfit = change(ledger, name);
      if (misfit !== undefined) return misfit;
    }
    return undefined;
  };
  const misfit =
    apply(since.cancelled, giveBack) ??
    apply(since.expired, giveBack) ??
    apply(since.withdrawn, withdraw) ??
    apply(since.closed, close);
  ledger.cohorts = ledger.cohorts.filter(({ live }) => live > 0);
  return misfit;
}
