/**
 * The seats of a manifest laid out in columns. Pools are numbered through all slots, in the
 * manifest's order.
 */
import { assert } from '../../lib/assert.ts';
import { termsProblem } from '../beacon/beacon.ts';
import { type DrawnManifest, type Manifest, OPEN_POOL } from '../../releases/manifest.ts';

export type Pools = {
  readonly count: number;
  /** By slot number, and one more: the number of its first pool. */
  readonly start: Uint32Array;
  /** By pool: the number of its slot. */
  readonly slot: Uint16Array;
  /** By pool: the bit of the category that it is reserved for; 0 takes everyone. */
  readonly needs: Uint32Array;
  /** By slot number: the number of its pool `open`, or -1. */
  readonly open: Int32Array;
  readonly seats: Int32Array;
};

/** An entry's categories are the bits of one 32-bit mask. */
const CATEGORIES_MAX = 32;

/**
 * The reserve categories of a manifest; an entry's category mask has bit i for the i-th of these.
 */
export function categoriesOf(manifest: Manifest | DrawnManifest): readonly string[] {
  const names = new Set(manifest.slots.flatMap(({ pools }) => pools.map(({ pool }) => pool)));
  names.delete(OPEN_POOL);
  return [...names].toSorted();
}

/** What makes a well-formed manifest impossible to draw, if anything. */
export function manifestProblem(manifest: Manifest | DrawnManifest): string | undefined {
  if (new Set(manifest.slots.map(({ slot }) => slot)).size < manifest.slots.length)
    return 'two slots have the same id';
  for (const { slot, pools } of manifest.slots)
    if (new Set(pools.map(({ pool }) => pool)).size < pools.length)
      return `slot ${slot} has two pools of the same name`;
  if (categoriesOf(manifest).length > CATEGORIES_MAX)
    return `there are more than ${CATEGORIES_MAX} reserve categories`;
  if (manifest.mode !== 'lottery') return undefined;
  const closed = manifest.slots.find(({ pools }) => !pools.some(({ pool }) => pool === OPEN_POOL));
  if (manifest.dereserve_after_round !== null && closed)
    return `slot ${closed.slot} has no pool ${OPEN_POOL} for what is left of its reserves`;
  return termsProblem(manifest.beacon);
}

export function layOutPools(manifest: Manifest | DrawnManifest): Pools {
  const problem = manifestProblem(manifest);
  assert(problem === undefined, `the manifest cannot be drawn: ${problem}`);
  const categories = categoriesOf(manifest);
  const count = manifest.slots.reduce((total, { pools }) => total + pools.length, 0);
  const pools: Pools = {
    count,
    start: new Uint32Array(manifest.slots.length + 1),
    slot: new Uint16Array(count),
    needs: new Uint32Array(count),
    open: new Int32Array(manifest.slots.length).fill(-1),
    seats: new Int32Array(count),
  };
  let next = 0;
  for (const [number, slot] of manifest.slots.entries()) {
    for (const { pool, seats } of slot.pools) {
      pools.slot[next] = number;
      pools.needs[next] = pool === OPEN_POOL ? 0 : 1 << categories.indexOf(pool);
      pools.seats[next] = seats;
      if (pool === OPEN_POOL) pools.open[number] = next;
      next += 1;
    }
    pools.start[number + 1] = next;
  }
  return pools;
}
