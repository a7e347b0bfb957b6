/** A country that enters in one window: a release for each district, of a size like India's. */
import { probit } from 'simple-statistics';
import { logNormal, seededRandom } from '../../src/demo/random.ts';

/** Census of India 2011: districts, people, and those of Thane, the largest district. */
export const INDIA = { districts: 640, people: 1_210_000_000, largest: 11_060_148 } as const;

/**
 * Spread of a log-normal, the standard deviation of its logarithm, at which the largest of `count`
 * is in half of all cases so many times the mean: exp(spread * z - spread^2 / 2), z being the normal
 * quantile below which all of them stay in half of all cases. Of India's districts about 0.64.
 */
export function spreadOf(count: number, largestOverMean: number): number {
  const z = probit(2 ** (-1 / count));
  return z - Math.sqrt(z * z - 2 * Math.log(largestOverMean));
}

export type District = {
  /** The id of its release, and others that it might have. */
  readonly names: readonly string[];
  readonly people: number;
};

export type CountryOptions = {
  readonly people: number;
  readonly districts: number;
  readonly seed: string;
};

/** Names that are tried for a release. */
const NAMES = 2;

/**
 * Sizes are drawn anew for each seed, and scaled so that they add up: log-normal, as populations of
 * places are, as uneven as India's districts.
 */
export function createCountry({ people, districts, seed }: CountryOptions): District[] {
  const random = seededRandom(`country/${seed}`);
  const spread = spreadOf(INDIA.districts, INDIA.largest / (INDIA.people / INDIA.districts));
  const sizes = Array.from({ length: districts }, () => logNormal(random, 1, spread));
  const sum = sizes.reduce((all, size) => all + size, 0);
  return sizes.map((size, index) => ({
    names: Array.from(
      { length: NAMES },
      (_, name) => `district-${index + 1}-${seed}${name === 0 ? '' : `-${name + 1}`}`,
    ),
    people: (people * size) / sum,
  }));
}
