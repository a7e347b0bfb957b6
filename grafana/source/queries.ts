/**
 * The few shapes of PromQL that panels use. `of` is a metric, with its matchers if it has any.
 * Grafana puts in `$__rate_interval`: four scrapes at least, so that no rate is without data.
 */

const by = (...labels: readonly string[]): string =>
  labels.length === 0 ? '' : ` by (${labels.join(', ')})`;

/** How often a second, over all processes. */
export const perSecond = (of: string, ...labels: readonly string[]): string =>
  `sum${by(...labels)} (rate(${of}[$__rate_interval]))`;

/** How many in what a point of the screen stands for. */
export const perStep = (of: string, ...labels: readonly string[]): string =>
  `sum${by(...labels)} (increase(${of}[$__rate_interval]))`;

/** How many in the last minutes, whatever part of the evening is on the screen. */
export const within = (duration: string, of: string, ...labels: readonly string[]): string =>
  `sum${by(...labels)} (increase(${of}[${duration}]))`;

export const sumOf = (of: string, ...labels: readonly string[]): string =>
  `sum${by(...labels)} (${of})`;

/** Of what every worker tells alike, or of the worst of all processes. */
export const most = (of: string, ...labels: readonly string[]): string =>
  `max${by(...labels)} (${of})`;

/** Of a histogram, by its name without `_bucket`: 0.99 is what 99 of 100 stay within. */
export const quantile = (share: number, of: string, ...labels: readonly string[]): string =>
  `histogram_quantile(${share}, sum${by('le', ...labels)} (rate(${bucketsOf(of)}[$__rate_interval])))`;

const bucketsOf = (of: string): string =>
  of.includes('{') ? of.replace('{', '_bucket{') : `${of}_bucket`;

/** For counters that nothing has counted yet: what never happened has happened 0 times. */
export const orZero = (expression: string): string => `(${expression}) or vector(0)`;
