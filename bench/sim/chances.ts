/** Whole numbers left to chance, exactly: what a persona's luck may come to. */
import type { Chances } from '../../src/demo/tally.ts';
import { present } from '../../src/lib/assert.ts';

export { type Chances, hypergeometric, rangeOf } from '../../src/demo/tally.ts';

/** Always `value`. */
export const certainly = (value: number): Chances => ({ first: value, chances: [1] });

/** 1 with this chance, else 0. */
export const onceIn = (chance: number): Chances => ({ first: 0, chances: [1 - chance, chance] });

export const meanOf = ({ first, chances }: Chances): number =>
  chances.reduce((sum, chance, i) => sum + chance * (first + i), 0);

/** Chances that are too small to matter for any range that is asked for. */
const NEGLIGIBLE = 1e-15;

/** The sum of two independent ones. */
export function plus(left: Chances, right: Chances): Chances {
  const chances = Array.from({ length: left.chances.length + right.chances.length - 1 }, () => 0);
  for (const [i, a] of left.chances.entries())
    for (const [j, b] of right.chances.entries())
      chances[i + j] = present(chances[i + j], 'chance') + a * b;
  const from = chances.findIndex((chance) => chance > NEGLIGIBLE);
  const to = chances.findLastIndex((chance) => chance > NEGLIGIBLE);
  return { first: left.first + right.first + from, chances: chances.slice(from, to + 1) };
}

/** The sum of `times` independent numbers with these chances. */
export function summed(one: Chances, times: number): Chances {
  if (times === 0) return certainly(0);
  const half = summed(one, Math.floor(times / 2));
  const both = plus(half, half);
  return times % 2 === 0 ? both : plus(both, one);
}
