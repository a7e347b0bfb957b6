/**
 * Tables of fixed-width binary keys laid end to end: entry ids (16 bytes) and rank keys (32 bytes).
 */

import { assert, present } from '../../lib/assert.ts';

/** A key's first bits and its row in one float, which sorts natively: 30 and 23 bits fit exactly. */
const PREFIX_SHIFT = 2;
const ROWS_MAX = 2 ** 23;

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
  assert(count <= ROWS_MAX, `a table has at most ${ROWS_MAX} rows`);
  const sorted = new Float64Array(count);
  for (let row = 0; row < count; row++)
    sorted[row] = (keys.readUInt32BE(row * width) >>> PREFIX_SHIFT) * ROWS_MAX + row;
  sorted.sort();
  const rows = new Uint32Array(count);
  const prefixAt = (place: number): number => Math.floor(present(sorted[place], 'key') / ROWS_MAX);
  const order = (a: number, b: number): number => compareKeys(keys, a, keys, b, width) || a - b;
  let alike = 0; // where the run of equal prefixes began that ends here
  for (let place = 0; place < count; place++) {
    rows[place] = present(sorted[place], 'key') % ROWS_MAX;
    if (place + 1 < count && prefixAt(place) === prefixAt(place + 1)) continue;
    if (alike < place) rows.subarray(alike, place + 1).sort(order);
    alike = place + 1;
  }
  return rows;
}

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array;

/**
 * The column itself if it is long enough, else a longer one that begins with it: a list whose
 * length is not known, or not to be trusted, takes room as it comes.
 */
export function withRoom<C extends Column>(column: C, length: number): C {
  if (length <= column.length) return column;
  const grown = Buffer.isBuffer(column)
    ? Buffer.alloc(Math.max(length, 2 * column.length))
    : new (column.constructor as new (length: number) => C)(Math.max(length, 2 * column.length));
  grown.set(column);
  return grown as C;
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
