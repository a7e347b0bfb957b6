/**
 * Tables of fixed-width binary keys laid end to end: entry ids (16 bytes) and rank keys (32 bytes).
 */

import { present } from '../lib/assert.ts';

/** Bytes of a key that fit a float exactly, so that most comparisons are one subtraction. */
const PREFIX_BYTES = 6;

/**
 * Negative, zero or positive as the key at row `i` of `left` sorts before, with or after row `j` of
 * `right`.
 */
export function compareKeys(
  left: Buffer,
  i: number,
  right: Buffer,
  j: number,
  width: number,
): number {
  for (let at = 0; at < width; at++) {
    const difference =
      present(left[i * width + at], 'byte') - present(right[j * width + at], 'byte');
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Row numbers in ascending order of their keys; rows with equal keys keep their order. */
export function ascending(keys: Buffer, width: number): Uint32Array {
  const count = keys.length / width;
  const prefixes = new Float64Array(count);
  const rows = new Uint32Array(count);
  for (let row = 0; row < count; row++) {
    prefixes[row] = keys.readUIntBE(row * width, PREFIX_BYTES);
    rows[row] = row;
  }
  return rows.toSorted(
    (a, b) =>
      present(prefixes[a], 'prefix') - present(prefixes[b], 'prefix') ||
      compareKeys(keys, a, keys, b, width) ||
      a - b,
  );
}

/** Row of `key` in an ascending table of distinct keys as wide as it is, or -1. */
export function rowOf(sorted: Buffer, key: Buffer): number {
  let low = 0;
  let high = sorted.length / key.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const order = compareKeys(sorted, middle, key, 0, key.length);
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
