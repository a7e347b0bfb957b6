/** What many measurements of one thing come to. */

/** NaN of nothing; of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
}

/** The smallest value that so many of a hundred do not exceed; NaN of nothing. */
export const percentile = (values: readonly number[], percent: number, digits = 2): number =>
  rounded(ranked(sorted(values), percent), digits);

const sorted = (values: readonly number[]): Float64Array => Float64Array.from(values).toSorted();
const ranked = (values: Float64Array, percent: number): number =>
  values[Math.max(0, Math.ceil((values.length * percent) / 100) - 1)] ?? Number.NaN;

export type Percentiles = {
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
};

export function percentilesOf(values: readonly number[]): Percentiles {
  const those = sorted(values);
  const [p50Ms = 0, p90Ms = 0, p99Ms = 0] = [50, 90, 99].map((at) => rounded(ranked(those, at)));
  return { p50Ms, p90Ms, p99Ms };
}

export type Spread = { readonly least: number; readonly median: number; readonly most: number };

/** How far the runs of one measurement lie from each other. */
export const spread = (values: readonly number[], digits = 2): Spread => ({
  least: rounded(Math.min(...values), digits),
  median: rounded(median(values), digits),
  most: rounded(Math.max(...values), digits),
});

export const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits));

export const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);

/** Points of a chart at 0, 1, 2 …, one for each category. */
export const numbered = (values: readonly number[]) =>
  values.map((value, place) => [place, value] as const);
