/** Whether an engine that has run for a while is as it was: pure, over what was read of it. */
import { median, percentile, rounded } from '../support/numbers.ts';
import { lowest, type Point, theilSen } from '../support/slope.ts';
import type { Sample } from '../support/timed.ts';
import type { ProcessReading, Reading } from './watch.ts';

const HOUR_MS = 3_600_000;
const MIB = 2 ** 20;
/**
 * Parts of the time of each of which the lowest point counts: so long that a heap is collected
 * whole in each, which takes a minute or two at moderate traffic; memory goes up and down with it.
 */
const PARTS = 6;
/** Windows of a third, the median of whose p99 counts, so that one busy moment decides nothing. */
const WINDOWS = 5;

/** MiB an hour. */
export type Growth = { readonly rssMiBPerHour: number; readonly heapMiBPerHour: number };
export type RedisGrowth = {
  readonly usedMiBPerHour: number;
  readonly keptMiBPerHour: number;
  /** Of what is used beside the data that is kept. */
  readonly netMiBPerHour: number;
};

const perHour = (points: readonly Point[]): number => rounded(theilSen(points) / MIB);
const pointsOf = (
  readings: readonly Reading[],
  of: (one: Reading) => number | undefined,
): Point[] =>
  readings.flatMap((one) => {
    const value = of(one);
    return value === undefined ? [] : [[one.atMs / HOUR_MS, value] as const];
  });

export function growthOf(readings: readonly Reading[]): Record<string, Growth> {
  const names = [...new Set(readings.flatMap(({ processes }) => Object.keys(processes)))];
  return Object.fromEntries(
    names.map((name) => {
      const points = (of: keyof ProcessReading): Point[] =>
        pointsOf(readings, ({ processes }) => processes[name]?.[of]);
      return [
        name,
        {
          rssMiBPerHour: perHour(lowest(points('rssBytes'), PARTS)),
          heapMiBPerHour: perHour(lowest(points('heapBytes'), PARTS)),
        },
      ];
    }),
  );
}

export const redisGrowthOf = (readings: readonly Reading[]): RedisGrowth => ({
  usedMiBPerHour: perHour(pointsOf(readings, ({ redis }) => redis.usedBytes)),
  keptMiBPerHour: perHour(pointsOf(readings, ({ redis }) => redis.keptBytes)),
  netMiBPerHour: perHour(pointsOf(readings, ({ redis }) => redis.usedBytes - redis.keptBytes)),
});

export type Span = { readonly fromMs: number; readonly toMs: number };

/** p99 of each third of the time, the median over windows; and the last over the first. */
export function latencyDrift(samples: readonly Sample[], { fromMs, toMs }: Span) {
  const count = 3 * WINDOWS;
  const width = (toMs - fromMs) / count;
  const windows = Array.from({ length: count }, (_, index) => {
    const since = fromMs + index * width;
    const times = samples
      .filter(({ dueMs }) => dueMs >= since && dueMs < since + width)
      .map(({ ms }) => ms);
    return percentile(times, 99);
  });
  const p99MsOfThirds = [0, 1, 2].map((third) =>
    median(windows.slice(third * WINDOWS, (third + 1) * WINDOWS).filter(Number.isFinite)),
  );
  const [first = Number.NaN, , last = Number.NaN] = p99MsOfThirds;
  return { p99MsOfThirds, p99Ratio: rounded(last / first) };
}
