/** How fast something grows, told so that a few odd values say nothing. */
import { assert } from '../../src/lib/assert.ts';
import { median } from './numbers.ts';

export type Point = readonly [x: number, y: number];

/**
 * The median of the slopes between all pairs of points: Theil (1950), Sen, "Estimates of the
 * regression coefficient based on Kendall's tau", Journal of the American Statistical Association
 * 63 (1968). Up to 29 % of the points may be anything. NaN of fewer than two distinct x.
 */
export function theilSen(points: readonly Point[]): number {
  const slopes: number[] = [];
  for (const [index, [x, y]] of points.entries())
    for (const [otherX, otherY] of points.slice(index + 1))
      if (otherX !== x) slopes.push((otherY - y) / (otherX - x));
  return median(slopes);
}

/**
 * The lowest point of each of `count` equal parts of the time: a heap goes up and down with its
 * collections, and what it holds is what it comes down to.
 */
export function lowest(points: readonly Point[], count: number): Point[] {
  const xs = points.map(([x]) => x);
  const from = Math.min(...xs);
  const width = (Math.max(...xs) - from) / count;
  assert(count > 0, 'there are parts');
  const parts = Map.groupBy(points, ([x]) =>
    width === 0 ? 0 : Math.min(count - 1, Math.floor((x - from) / width)),
  );
  return [...parts.values()].map((those) =>
    those.reduce((least, point) => (point[1] < least[1] ? point : least)),
  );
}
