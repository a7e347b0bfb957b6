/** Evenings of a country on so many shards: who is hottest, and by which layout. */
import { between, seededRandom } from '../../src/demo/random.ts';
import { present } from '../../src/lib/assert.ts';
import { keys } from '../../src/redis/keys.ts';
import { type Measured, type Rates, type TagLoad, tagLoads } from '../cost/model.ts';
import { SLOTS, slotOf } from '../support/key-slot.ts';
import { median, percentile } from '../support/numbers.ts';
import { createCountry } from './country.ts';
import {
  type Ball,
  ballsIntoBins,
  chosen,
  evenLayout,
  hottest,
  rebalanced,
  shardLoads,
  slotLoads,
} from './layout.ts';

/** A release of one evening: what part of all people it has, and slots of the ids it may have. */
export type Placed = { readonly part: number; readonly slots: readonly number[] };

export type Country = {
  readonly people: number;
  readonly districts: number;
  readonly seed: string;
};

/** Each evening has sizes and names of its own. */
export function eveningsOf({ people, districts, seed }: Country, count: number): Placed[][] {
  return Array.from({ length: count }, (_, evening) =>
    createCountry({ people, districts, seed: `${seed}-${evening + 1}` }).map((district) => ({
      part: district.people / people,
      slots: district.names.map((name) => slotOf(keys.entering(name))),
    })),
  );
}

/** Cores that Redis is busy for a phase: of releases, of what hashing spreads, of shared tags. */
export type Work = {
  readonly releases: number;
  /**
   * Persons, accounts, devices, captchas, transactions: millions of tags, by keyed hashes. Of 100
   * million a slot has 6,104, give or take 1.3 %.
   */
  readonly spread: number;
  readonly shared: readonly { readonly tag: string; readonly cores: number }[];
};

export function workOf(m: Measured, rates: Rates, phase: 'window' | 'results'): Work {
  const tags = tagLoads(m, rates);
  const sum = (those: readonly TagLoad[]): number =>
    those.reduce((all, one) => all + one[phase], 0);
  return {
    releases: sum(tags.filter(({ tag }) => tag === 'r')),
    spread: sum(tags.filter(({ tag, isShared }) => !isShared && tag !== 'r')),
    shared: tags
      .filter(({ isShared }) => isShared)
      .map((one) => ({ tag: one.tag, cores: one[phase] }))
      .filter(({ cores }) => cores > 0)
      .toSorted((one, other) => other.cores - one.cores),
  };
}

/** In half of the evenings at most `median`, in 99 of 100 at most `p99`. */
export type Range = { readonly median: number; readonly p99: number };

export const rangeOf = (values: readonly number[]): Range => ({
  median: median(values),
  p99: percentile(values, 99, 6),
});

export type OnShards = {
  readonly shards: number;
  /** Cores of one shard, if all were alike. */
  readonly mean: number;
  /** Cores of the hottest, without shared tags. */
  readonly asNamed: Range;
  readonly ofTwoNames: Range;
  readonly rebalanced: Range;
  /** Slots moved for that. */
  readonly moved: Range;
  /** With shared tags, whichever layout: at least the busiest of them. */
  readonly withShared: Range;
};

const ballsOf = (releases: readonly Placed[], cores: number): Ball[] =>
  releases.map(({ part, slots }) => ({ slot: present(slots[0], 'slot'), load: part * cores }));

export const sharedBalls = ({ shared }: Work): Ball[] =>
  shared.map(({ tag, cores }) => ({ slot: slotOf(`fs:v1:{${tag}}:`), load: cores }));

/** `target`: cores that a shard should have at most, for rebalancing. */
export function onShards(
  evenings: readonly (readonly Placed[])[],
  work: Work,
  shards: number,
  target: number,
): OnShards {
  const even = evenLayout(shards);
  const hottestOf = (balls: readonly Ball[]): number =>
    hottest(shardLoads(slotLoads(balls, work.spread), even, shards));
  const played = evenings.map((releases) => {
    const balls = ballsOf(releases, work.releases);
    const options = releases.map(({ slots, part }) => ({ slots, load: part * work.releases }));
    const loads = slotLoads(balls, work.spread);
    const { layout, moved } = rebalanced(loads, even, shards, target);
    return {
      asNamed: hottestOf(balls),
      ofTwoNames: hottestOf(chosen(options, even, shards)),
      rebalanced: hottest(shardLoads(loads, layout, shards)),
      moved,
      withShared: hottestOf([...balls, ...sharedBalls(work)]),
    };
  });
  const range = (what: keyof (typeof played)[number]): Range =>
    rangeOf(played.map((one) => one[what]));
  return {
    shards,
    mean: (work.releases + work.spread) / shards,
    asNamed: range('asNamed'),
    ofTwoNames: range('ofTwoNames'),
    rebalanced: range('rebalanced'),
    moved: range('moved'),
    withShared: range('withShared'),
  };
}

/** The hottest shard over the mean, of releases alone: medians over the evenings. */
export type Unevenness = Readonly<
  Record<'shards' | 'named' | 'atRandom' | 'ofTwoNames' | 'theory' | 'leading', number>
>;

/**
 * Real slots of real names beside slots drawn at random, which says whether CRC16 spreads names that
 * differ in a digit, and beside theory, which knows nothing of either.
 */
export function unevennessOf(
  evenings: readonly (readonly Placed[])[],
  shards: number,
  seed: string,
): Unevenness {
  const even = evenLayout(shards);
  const random = seededRandom(`slots/${seed}`);
  const overMean = (balls: readonly Ball[]): number =>
    hottest(shardLoads(slotLoads(balls, 0), even, shards)) * shards;
  const played = evenings.map((releases) => {
    const options = releases.map(({ slots, part }) => ({ slots, load: part }));
    const drawn = options.map(({ load }) => ({ slot: between(random, 0, SLOTS - 1), load }));
    const { median, leading } = ballsIntoBins(
      releases.map(({ part }) => part),
      0,
      shards,
    );
    return {
      named: overMean(ballsOf(releases, 1)),
      atRandom: overMean(drawn),
      ofTwoNames: overMean(chosen(options, even, shards)),
      theory: median * shards,
      leading: leading * shards,
    };
  });
  const middle = (what: keyof (typeof played)[number]): number =>
    rangeOf(played.map((one) => one[what])).median;
  return {
    shards,
    named: middle('named'),
    atRandom: middle('atRandom'),
    ofTwoNames: middle('ofTwoNames'),
    theory: middle('theory'),
    leading: middle('leading'),
  };
}

/**
 * Tags without whose shard nobody signs in: no OTP goes out. Limits are counted by each process for
 * itself meanwhile (src/gates/limits.ts).
 */
export const NEEDED_BY_ALL: readonly string[] = ['sms', 'outbox:urgent'];

/**
 * What part of those who enter notice that one shard is away, until its replica takes over. Whoever's
 * release is on it does; of the others, whoever has one of `tagsEach` tags of their own (person,
 * device, captcha) on it: 1 - (1 - s)^k, s being its part of all slots.
 */
export function noticing(
  releases: readonly Placed[],
  shards: number,
  tagsEach: number,
): { readonly mean: number; readonly most: number; readonly stoppingAll: number } {
  const layout = evenLayout(shards);
  const slots = new Float64Array(shards);
  for (const shard of layout) slots[shard] = present(slots[shard], 'slots') + 1 / layout.length;
  const balls = ballsOf(releases, 1);
  const parts = shardLoads(slotLoads(balls, 0), layout, shards);
  const shares = Array.from(parts, (part, shard) => {
    const own = 1 - (1 - present(slots[shard], 'slots')) ** tagsEach;
    return part + (1 - part) * own;
  });
  const stopping = new Set(NEEDED_BY_ALL.map((tag) => layout[slotOf(`fs:v1:{${tag}}:`)]));
  return {
    mean: shares.reduce((sum, share) => sum + share, 0) / shards,
    most: Math.max(...shares),
    stoppingAll: stopping.size,
  };
}
