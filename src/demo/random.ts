/**
 * Randomness that can be played again: the same seed gives the same people, arrivals and wishes on
 * any machine. Only for the demo; nothing that decides about a seat may use it.
 */
import { sha256 } from '../lib/hash.ts';

/** The next number, uniform in [0, 1). */
export type Random = () => number;

/** Chris Doty-Humphrey's sfc32 (PractRand), its state taken from SHA-256 of the seed. */
export function seededRandom(seed: string): Random {
  const digest = sha256(Buffer.from(seed));
  let a = digest.readUInt32LE(0);
  let b = digest.readUInt32LE(4);
  let c = digest.readUInt32LE(8);
  let counter = digest.readUInt32LE(12);
  return () => {
    const sum = (a + b + counter) >>> 0;
    counter = (counter + 1) >>> 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) >>> 0;
    c = (((c << 21) | (c >>> 11)) + sum) >>> 0;
    return sum / 2 ** 32;
  };
}

/** A whole number from `least` to `most`, both included. */
export const between = (random: Random, least: number, most: number): number =>
  least + Math.floor(random() * (most - least + 1));

/** Log-normal with this median; `spread` is the standard deviation of its logarithm. */
export function logNormal(random: Random, median: number, spread: number): number {
  // Box-Muller; 1 - u keeps the logarithm away from zero.
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return median * Math.exp(spread * normal);
}

/**
 * `count` of the items, best first, each drawn with a chance in proportion to its weight and never
 * twice: Efraimidis and Spirakis (2006), the smallest of -log(u) / weight.
 */
export function drawWeighted<T>(
  random: Random,
  items: readonly T[],
  weightOf: (item: T) => number,
  count: number,
): T[] {
  return items
    .map((item) => ({ item, key: -Math.log(1 - random()) / weightOf(item) }))
    .toSorted((left, right) => left.key - right.key)
    .slice(0, count)
    .map(({ item }) => item);
}
