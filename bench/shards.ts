/**
 * How a country of releases lies on the shards of a Redis Cluster: by the client's own hash slots of
 * the engine's own keys, with what was measured for one entry (bench/data/cost.json). All of one
 * release is on one shard, so that the hottest decides how many are needed.
 */
import { Option } from 'commander';
import type { Progress } from '../src/progress.ts';
import { present } from '../src/lib/assert.ts';
import { assumed, largestReleaseOf, ratesOf } from './cost/model.ts';
import { readRecorded } from './cost/recorded.ts';
import { INDIA, spreadOf } from './shards/country.ts';
import {
  eveningsOf,
  noticing,
  type OnShards,
  onShards,
  type Placed,
  rangeOf,
  type Unevenness,
  unevennessOf,
  type Work,
  workOf,
} from './shards/evenings.ts';
import { evenLayout, type Layout, rebalanced, shardLoads, slotLoads } from './shards/layout.ts';
import { amount } from './support/options.ts';
import type { Chart, Goal, Scenario } from './support/scenario.ts';

export type ShardsOptions = {
  readonly people: number;
  readonly districts: number;
  readonly evenings: number;
  readonly seed: string;
};

const HOUR_S = 3_600;
/** What is simulated: the busiest second of a window, and of everybody looking after the draw. */
const SCENES = [
  { name: 'window of 1 h', phase: 'window', windowS: HOUR_S },
  { name: 'window of 24 h', phase: 'window', windowS: 24 * HOUR_S },
  { name: 'results', phase: 'results', windowS: 24 * HOUR_S },
] as const;
const COUNTS = [3, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];
const LAYOUTS = ['asNamed', 'ofTwoNames', 'rebalanced'] as const;
type LayoutName = (typeof LAYOUTS)[number];
/** Where a shard has tens of releases, and theory holds: how far it may be off. */
const FEW_SHARDS = 16;
const NEAR = { atLeast: 0.9, atMost: 1.1 };

export const shards: Scenario<ShardsOptions> = {
  name: 'shards',
  summary: 'a country of releases on the shards of a cluster: the hottest, and what evens it out',
  options: [
    amount('people', 'who enter in all releases together', 100_000_000),
    amount('districts', 'releases, one each', INDIA.districts),
    amount('evenings', 'evenings, each with sizes and names of its own', 100),
    new Option('--seed <word>', 'of sizes and names').default('india'),
  ],
  inAll: { mostS: 30, options: { evenings: 20 } },
  quick: { evenings: 2 },
  run: async (options, progress) => simulate(options, progress),
};

type Scene = {
  readonly name: string;
  readonly work: Work;
  readonly byShards: readonly OnShards[];
  readonly advised: Readonly<Record<LayoutName, number | undefined>>;
};

function simulate(options: ShardsOptions, progress: Progress) {
  const { measured, date } = readRecorded();
  const evenings = eveningsOf(options, options.evenings);
  const first = present(evenings[0], 'an evening');
  const { load } = assumed();
  const phase = progress('placing releases', SCENES.length * COUNTS.length);
  const scenes = SCENES.map(({ name, phase: which, windowS }): Scene => {
    const evening = { people: options.people, windowS, largestRelease: 0 };
    const work = workOf(measured, ratesOf(evening, assumed()), which);
    const byShards = COUNTS.map((shards) => {
      const placed = onShards(evenings, work, shards, load);
      phase.advance();
      return placed;
    });
    return { name, work, byShards, advised: advisedOf(byShards, load) };
  });
  phase.done();
  const largest = rangeOf(
    evenings.map((one) => Math.max(...one.map(({ part }) => part)) * options.people),
  );
  const tagsEach = Object.keys(measured.entry.tags).filter(
    (tag) => tag.length === 1 && tag !== 'r',
  ).length;
  const unevenness = COUNTS.map((shards) => unevennessOf(evenings, shards, options.seed));
  const figures = {
    ...options,
    measured: date,
    /** Cores of its one thread that a shard should have at most. */
    capacity: load,
    spread: spreadOf(INDIA.districts, INDIA.largest / (INDIA.people / INDIA.districts)),
    largestRelease: largest,
    /** People that a shard takes in one release which it has to itself. */
    largestReleaseOfAShard: {
      in1h: Math.round(largestReleaseOf(measured, HOUR_S)),
      in24h: Math.round(largestReleaseOf(measured, 24 * HOUR_S)),
    },
    unevenness,
    scenes: scenes.map(({ name, work, byShards, advised }) => ({
      name,
      work,
      tooHotShared: work.shared.filter(({ cores }) => cores > load),
      advised,
      byShards,
    })),
    oneShardAway: COUNTS.map((shards) => ({ shards, ...noticing(first, shards, tagsEach) })),
  };
  return {
    figures,
    goals: [...scenes.map((scene) => goalOf(scene, load)), ...theoryGoals(unevenness)],
    charts: [unevennessChart(unevenness), ...scenes.map((one) => sortedChart(one, first, load))],
    errors: 0,
  };
}

/** The fewest shards of which the hottest is within its capacity in 99 of 100 evenings. */
function advisedOf(byShards: readonly OnShards[], load: number): Scene['advised'] {
  const fewest = (layout: LayoutName): number | undefined =>
    byShards.find((_one, index) => byShards.slice(index).every((each) => each[layout].p99 <= load))
      ?.shards;
  return {
    asNamed: fewest('asNamed'),
    ofTwoNames: fewest('ofTwoNames'),
    rebalanced: fewest('rebalanced'),
  };
}

/** The advised count; where no count does, the one that comes nearest. */
function bestOf({ byShards, advised }: Scene): OnShards {
  const nearest = byShards.toSorted((one, other) => one.rebalanced.p99 - other.rebalanced.p99);
  const found = byShards.find(({ shards }) => shards === advised.rebalanced) ?? nearest[0];
  return present(found, 'a count');
}

function goalOf(scene: Scene, load: number): Goal {
  const { shards, rebalanced: by } = bestOf(scene);
  return {
    name: `${scene.name}: hottest of ${shards} shards, largest releases moved / capacity`,
    figure: by.p99 / load,
    unit: 'ratio',
    atMost: 1,
  };
}

function theoryGoals(unevenness: readonly Unevenness[]): Goal[] {
  const { named, atRandom, theory } = present(
    unevenness.find(({ shards }) => shards === FEW_SHARDS),
    'few shards',
  );
  const name = `hottest of ${FEW_SHARDS} shards by the client's slots`;
  return [
    { name: `${name} / by theory`, figure: named / theory, unit: 'ratio', ...NEAR },
    { name: `${name} / by slots at random`, figure: named / atRandom, unit: 'ratio', ...NEAR },
  ];
}

function unevennessChart(unevenness: readonly Unevenness[]): Chart {
  const series = (name: string, what: keyof Unevenness) => ({
    name,
    points: unevenness.map((one) => [one.shards, one[what]] as const),
  });
  return {
    title: 'Hottest shard over the mean, releases alone',
    description: 'The more shards, the smaller the mean, and the further the hottest from it.',
    kind: 'lines',
    x: { label: 'shards', scale: 'logarithmic' },
    y: { label: 'hottest / mean' },
    series: [
      series("the client's slots", 'named'),
      series('slots at random', 'atRandom'),
      series('theory, half of all cases', 'theory'),
      series('theory, leading order', 'leading'),
      series('the better of two names', 'ofTwoNames'),
    ],
  };
}

function sortedChart(scene: Scene, first: readonly Placed[], load: number): Chart {
  const { name, work } = scene;
  const { shards: count } = bestOf(scene);
  const balls = first.map(({ part, slots }) => ({
    slot: present(slots[0], 'slot'),
    load: part * work.releases,
  }));
  const loads = slotLoads(balls, work.spread);
  const even = evenLayout(count);
  const sorted = (layout: Layout) =>
    Array.from(shardLoads(loads, layout, count))
      .toSorted((one, other) => other - one)
      .map((cores, rank) => [rank + 1, cores] as const);
  return {
    title: `Load of ${count} shards, the hottest first, ${name}`,
    description: 'Tags that all share are left out. What is above the capacity has to move.',
    kind: 'lines',
    x: { label: 'shard, by load' },
    y: { label: 'cores of its thread' },
    series: [
      { name: 'as named', points: sorted(even) },
      { name: 'largest moved', points: sorted(rebalanced(loads, even, count, load).layout) },
      { name: 'capacity', points: [1, count].map((rank) => [rank, load] as const) },
    ],
  };
}
