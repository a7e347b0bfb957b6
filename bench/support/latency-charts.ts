/** How long people had to wait: one picture of each sort for every scenario that says it. */
import { percentile, percentilesOf } from './numbers.ts';
import type { Chart } from './scenario.ts';
import type { Sample } from './timed.ts';

type Point = readonly [x: number, y: number];

/** One percentile of each phase in each slice of time. */
export function latencyOverTime(
  title: string,
  { phases, samples, sliceMs }: Slices,
  of: 'p50Ms' | 'p99Ms',
): Chart {
  const startMs = samples.reduce((least, { dueMs }) => Math.min(least, dueMs), Infinity);
  const sliceOf = ({ dueMs }: Sample): number => Math.floor((dueMs - startMs) / sliceMs);
  return {
    title,
    description:
      'Milliseconds from when requests were due to their answers, by when they were due; ' +
      'a phase that stands out is where people wait.',
    kind: 'lines',
    x: { label: 'seconds since the first request' },
    y: { label: `${of === 'p50Ms' ? 'median' : '99th percentile'}, ms`, scale: 'logarithmic' },
    series: phases.flatMap((phase) => {
      const slices = Map.groupBy(
        samples.filter((one) => one.phase === phase),
        sliceOf,
      );
      const points = [...slices]
        .toSorted(([one], [other]) => one - other)
        .map(([slice, those]): Point => {
          const times = percentilesOf(those.map(({ ms }) => ms));
          return [(slice * sliceMs) / 1_000, Math.max(LEAST_MS, times[of])];
        });
      return points.length === 0 ? [] : [{ name: phase, points }];
    }),
  };
}

export type Slices = {
  readonly phases: readonly string[];
  readonly samples: readonly Sample[];
  readonly sliceMs: number;
};

/** A logarithmic axis has no zero. */
const LEAST_MS = 0.1;

const PERCENTS = [50, 75, 90, 95, 99, 99.9, 100] as const;

/** How long some, most and nearly all had to wait. `timesMs`: milliseconds of each request, by what the line is to be called. */
export const percentileChart = (
  title: string,
  timesMs: Readonly<Record<string, readonly number[]>>,
): Chart => ({
  title,
  description: 'So many of a hundred requests took no longer. The axis of time is logarithmic.',
  kind: 'lines',
  x: {
    label: 'of a hundred requests',
    categories: PERCENTS.map((percent) => (percent === 100 ? 'all' : String(percent))),
  },
  y: { label: 'milliseconds', scale: 'logarithmic' },
  series: Object.entries(timesMs)
    .filter(([, times]) => times.length > 0)
    .map(([name, times]) => ({
      name,
      points: PERCENTS.map((percent, place) => [place, percentile(times, percent)] as const),
    })),
});
