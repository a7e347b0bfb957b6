/**
 * Tests of whether a draw is fair. Each answers a p-value: the chance that a fair draw looks at
 * least as uneven.
 */
import { gammaln, wilcoxonRankSum } from 'simple-statistics';
import { present } from '../../src/lib/assert.ts';

const TERMS_MOST = 10_000;
const PRECISION = 1e-15;
const TINY = 1e-300;

/**
 * Q(a, x), the regularised upper incomplete gamma function: a series for small x (NIST Digital
 * Library of Mathematical Functions, 8.7.1), a continued fraction elsewhere (8.9.2, evaluated as
 * Lentz does it).
 */
export function gammaTail(a: number, x: number): number {
  if (x <= 0) return 1;
  const scale = Math.exp(a * Math.log(x) - x - gammaln(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < TERMS_MOST && term > sum * PRECISION; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return 1 - sum * scale;
  }
  let b = x + 1 - a;
  let c = 1 / TINY;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1; n < TERMS_MOST; n++) {
    const numerator = n * (a - n);
    b += 2;
    d = 1 / (numerator * d + b || TINY);
    c = b + numerator / c || TINY;
    fraction *= c * d;
    if (Math.abs(c * d - 1) < PRECISION) break;
  }
  return fraction * scale;
}

export const chiSquareTail = (value: number, freedom: number): number =>
  gammaTail(freedom / 2, value / 2);

/** That a standard normal is at least as far from zero, on either side. */
export const normalTail = (z: number): number => gammaTail(0.5, (z * z) / 2);

/** Kolmogorov (1933): the limit for large samples; the series alternates and falls fast. */
export function kolmogorovTail(distance: number): number {
  if (distance < 0.2) return 1; // the series is 1 to within 10^-12 here, and slow
  let sum = 0;
  for (let k = 1; k <= 20; k++)
    sum += (k % 2 === 1 ? 2 : -2) * Math.exp(-2 * k * k * distance * distance);
  return Math.min(1, Math.max(0, sum));
}

/** Who won in one round: by place of arrival, the first to come first. */
export type Arrivals = readonly boolean[];

const ranksOf = (arrivals: Arrivals, won: boolean): number[] =>
  arrivals.flatMap((one, rank) => (one === won ? [rank] : []));

export type AucTest = { readonly auc: number; readonly z: number; readonly p: number };

/**
 * How often somebody who won had come before somebody who lost, over all pairs of a round: 1/2 in a
 * fair draw, with standard deviation sqrt((n1 + n2 + 1) / (12 n1 n2)) in a round of n1 winners and
 * n2 losers (Mann and Whitney, 1947). Rounds are pooled by summing the pairs.
 */
export function arrivalAuc(rounds: readonly Arrivals[]): AucTest {
  let before = 0;
  let pairs = 0;
  let variance = 0;
  for (const round of rounds) {
    const winners = ranksOf(round, true);
    const losers = ranksOf(round, false);
    const all = winners.length * losers.length;
    before += wilcoxonRankSum(losers, winners) - (losers.length * (losers.length + 1)) / 2;
    pairs += all;
    variance += (all * (round.length + 1)) / 12;
  }
  const z = (before - pairs / 2) / Math.sqrt(variance);
  return { auc: before / pairs, z, p: normalTail(z) };
}

/**
 * Kolmogorov and Smirnov: the largest distance between the distributions of arrival of winners and
 * of losers, over all rounds. Rounds are of one size, so that places compare.
 */
export function arrivalDistance(rounds: readonly Arrivals[]): {
  readonly distance: number;
  readonly p: number;
} {
  const size = present(rounds[0], 'round').length;
  const winners = rounds.reduce((sum, round) => sum + ranksOf(round, true).length, 0);
  const losers = rounds.length * size - winners;
  let difference = 0;
  let distance = 0;
  for (let rank = 0; rank < size; rank++) {
    for (const round of rounds) difference += round[rank] ? 1 / winners : -1 / losers;
    distance = Math.max(distance, Math.abs(difference));
  }
  const p = kolmogorovTail(distance * Math.sqrt((winners * losers) / (winners + losers)));
  return { distance, p };
}

const DECILES = 10;

/**
 * Chi-square on winners by tenth of arrival, with 9 degrees of freedom. In a round of N that gives
 * S seats the counts vary less than independent ones, by (N - S) / (N - 1): nobody wins twice.
 * Rounds are of one size, a multiple of ten, with as many winners each.
 */
export function arrivalDeciles(rounds: readonly Arrivals[]): {
  readonly counts: readonly number[];
  readonly p: number;
} {
  const size = present(rounds[0], 'round').length;
  const seats = ranksOf(present(rounds[0], 'round'), true).length;
  const counts = Array.from({ length: DECILES }, () => 0);
  for (const round of rounds)
    for (const rank of ranksOf(round, true)) {
      const decile = Math.floor((rank * DECILES) / size);
      counts[decile] = present(counts[decile], 'decile') + 1;
    }
  const expected = (rounds.length * seats) / DECILES;
  const pearson = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  return { counts, p: chiSquareTail((pearson * (size - 1)) / (size - seats), DECILES - 1) };
}

/**
 * Whether everyone comes to every place equally often. `orders`: permutations of 0 to n - 1. The
 * n x n counts of who came where are tied by their rows and columns, so that Pearson's sum is
 * n / (n - 1) times a chi-square with (n - 1)^2 degrees of freedom: Q is that sum without the
 * factor. `naive` is the p-value of those who forget it.
 */
export function evenPlaces(orders: readonly (readonly number[])[]): {
  readonly q: number;
  readonly p: number;
  readonly naive: number;
} {
  const n = present(orders[0], 'order').length;
  const counts = new Float64Array(n * n);
  for (const order of orders)
    for (const [place, one] of order.entries())
      counts[place * n + one] = present(counts[place * n + one], 'count') + 1;
  const expected = orders.length / n;
  const pearson = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  const q = ((n - 1) / n) * pearson;
  const freedom = (n - 1) ** 2;
  return { q, p: chiSquareTail(q, freedom), naive: chiSquareTail(pearson, freedom) };
}

/**
 * Holm (1979): which of several tests reject when all of them together may err with a chance of
 * `alpha`.
 */
export function rejected(pValues: readonly number[], alpha: number): readonly boolean[] {
  const order = [...pValues.keys()].toSorted(
    (i, j) => present(pValues[i], 'p') - present(pValues[j], 'p'),
  );
  const firstKept = order.findIndex(
    (test, step) => present(pValues[test], 'p') > alpha / (pValues.length - step),
  );
  const out = new Set(firstKept < 0 ? order : order.slice(0, firstKept));
  return pValues.map((_, test) => out.has(test));
}

/**
 * Chi-square of how often each number came up against how often it should; numbers that should come
 * up less than five times are taken together with their neighbours.
 */
export function goodnessOfFit(
  values: readonly number[],
  { first, chances }: { readonly first: number; readonly chances: readonly number[] },
): number {
  const seen = Map.groupBy(values, (value) => value);
  const bins: { expected: number; count: number }[] = [{ expected: 0, count: 0 }];
  for (const [i, chance] of chances.entries()) {
    let bin = present(bins.at(-1), 'bin');
    if (bin.expected >= 5) bins.push((bin = { expected: 0, count: 0 }));
    bin.expected += chance * values.length;
    bin.count += seen.get(first + i)?.length ?? 0;
  }
  const rest = present(bins.at(-1), 'bin');
  const before = bins.at(-2);
  if (before && rest.expected < 5) {
    before.expected += rest.expected;
    before.count += rest.count;
    bins.pop();
  }
  const pearson = bins.reduce(
    (sum, { count, expected }) => sum + (count - expected) ** 2 / expected,
    0,
  );
  return chiSquareTail(pearson, bins.length - 1);
}
