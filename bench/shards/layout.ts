/** Hash slots on shards: where keys fall, how full that makes the fullest, and what evens it out. */
import { probit } from 'simple-statistics';
import { present } from '../../src/lib/assert.ts';
import { SLOTS } from '../support/key-slot.ts';

/** The shard of each slot. */
export type Layout = Uint16Array;

/** Ranges of equal length, one a shard, as `redis-cli --cluster create` deals them. */
export function evenLayout(shards: number): Layout {
  const layout = new Uint16Array(SLOTS);
  // From floor(SLOTS * n / shards) to below floor(SLOTS * (n + 1) / shards).
  for (let slot = 0; slot < SLOTS; slot++)
    layout[slot] = Math.ceil(((slot + 1) * shards) / SLOTS) - 1;
  return layout;
}

/** Something that cannot be divided between slots: a release, a tag that all share. */
export type Ball = { readonly slot: number; readonly load: number };

/** Load of each slot: `even` is spread over all of them alike. */
export function slotLoads(balls: readonly Ball[], even: number): Float64Array {
  const loads = new Float64Array(SLOTS).fill(even / SLOTS);
  for (const { slot, load } of balls) loads[slot] = present(loads[slot], 'slot') + load;
  return loads;
}

export function shardLoads(loads: Float64Array, layout: Layout, shards: number): Float64Array {
  const sums = new Float64Array(shards);
  // Indices, not iterators: this is most of a simulation.
  for (let slot = 0; slot < SLOTS; slot++) {
    const shard = layout[slot] ?? 0;
    sums[shard] = (sums[shard] ?? 0) + (loads[slot] ?? 0);
  }
  return sums;
}

export const hottest = (sums: Float64Array): number => Math.max(...sums);

/** The shard that has the most, or the least. */
const extreme = (sums: Float64Array, isMore: (one: number, other: number) => boolean): number => {
  let best = 0;
  for (const [shard, sum] of sums.entries())
    if (isMore(sum, present(sums[best], 'sum'))) best = shard;
  return best;
};

/** Slots that one evening's rebalancing moves, at most: each is a `MIGRATE` of all its keys. */
const MOVES_MOST = 500;

/**
 * `even`, with slots moved from the hottest shard to the coldest, one at a time, until none is over
 * `target` or no move helps: the slot that leaves the larger of the two the least.
 */
export function rebalanced(
  loads: Float64Array,
  even: Layout,
  shards: number,
  target: number,
): { readonly layout: Layout; readonly moved: number } {
  const layout = even.slice();
  const sums = shardLoads(loads, layout, shards);
  const held: number[][] = Array.from({ length: shards }, () => []);
  for (const [slot, shard] of layout.entries()) held[shard]?.push(slot);
  let moved = 0;
  for (; moved < MOVES_MOST; moved++) {
    const [from, to] = [extreme(sums, (a, b) => a > b), extreme(sums, (a, b) => a < b)];
    const [most, least] = [present(sums[from], 'sum'), present(sums[to], 'sum')];
    if (most <= target) break;
    let best = { slot: -1, larger: most };
    for (const slot of present(held[from], 'slots')) {
      const load = present(loads[slot], 'load');
      const larger = Math.max(most - load, least + load);
      if (larger < best.larger) best = { slot, larger };
    }
    if (best.slot < 0) break;
    const load = present(loads[best.slot], 'load');
    sums[from] = most - load;
    sums[to] = least + load;
    layout[best.slot] = to;
    held[from] = present(held[from], 'slots').filter((slot) => slot !== best.slot);
    held[to]?.push(best.slot);
  }
  return { layout, moved };
}

/**
 * Each of these, the largest first, gets the one of its slots whose shard has the least so far: of
 * `d` choices the least full one makes the fullest nearly as full as the mean (Azar, Broder, Karlin,
 * Upfal: Balanced Allocations, 1994). An operator names a release: its id may be tried beforehand.
 */
export function chosen(
  options: readonly { readonly slots: readonly number[]; readonly load: number }[],
  layout: Layout,
  shards: number,
): Ball[] {
  const sums = new Float64Array(shards);
  const shardOf = (slot: number): number => present(layout[slot], 'shard');
  return options
    .toSorted((one, other) => other.load - one.load)
    .map(({ slots, load }) => {
      const slot = slots.reduce((best, one) =>
        present(sums[shardOf(one)], 'sum') < present(sums[shardOf(best)], 'sum') ? one : best,
      );
      sums[shardOf(slot)] = present(sums[shardOf(slot)], 'sum') + load;
      return { slot, load };
    });
}

/**
 * What theory says of balls thrown into bins at random, with what is spread evenly under them. The
 * load of one bin has the mean W / n and the variance S (1/n) (1 - 1/n), where W is the sum of
 * weights and S that of their squares.
 */
export function ballsIntoBins(weights: readonly number[], even: number, bins: number) {
  const mean = (weights.reduce((sum, one) => sum + one, 0) + even) / bins;
  const squares = weights.reduce((sum, one) => sum + one * one, 0);
  const deviation = Math.sqrt((squares / bins) * (1 - 1 / bins));
  return {
    mean,
    /**
     * Of the fullest, in half of all cases: the normal quantile at which n of n bins stay below.
     * Right where a bin has tens of balls; with few of unequal weight the fullest is fuller.
     */
    median: mean + deviation * probit(2 ** (-1 / bins)),
    /**
     * Raab and Steger, "Balls into Bins" – A Simple and Tight Analysis (1998), for many more balls
     * than bins: m/n + sqrt(2 (m/n) ln n); m/n is the variance there, and S/n here.
     */
    leading: mean + Math.sqrt(2 * (squares / bins) * Math.log(bins)),
    /** Nothing is less full than the bin of the largest ball, with its part of what is even. */
    atLeast: Math.max(mean, even / bins + Math.max(0, ...weights)),
  };
}
