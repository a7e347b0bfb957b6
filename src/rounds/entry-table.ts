/**
 * The sealed list of a round, column by column: a million entries as a dozen allocations. Rows
 * ascend by entry id bytes, which is the order of the Merkle tree's leaves (docs/draw.md).
 */
import { assert, present } from '../lib/assert.ts';
import { leafHash } from '../lib/merkle.ts';
import type { Manifest } from '../releases/manifest.ts';
import { ascending, compareKeys } from './bytes.ts';
import { categoriesOf } from './pools.ts';

export const ENTRY_ID_BYTES = 16;
export const HASH_BYTES = 32;
/** Entries that one round may seal: what a verifier must be ready to hold. */
export const ENTRIES_MAX = 8_000_000;
/**
 * 16 bytes in base64url; the last character carries two bits, so that each id is written one way
 * only.
 */
export const ENTRY_ID = /^[A-Za-z0-9_-]{21}[AQgw]$/;

export type EntryTable = {
  readonly count: number;
  /** By row, 16 bytes each. */
  readonly ids: Buffer;
  /** By row: people in the entry. */
  readonly sizes: Uint8Array;
  /** By row: bit i for the i-th of categoriesOf(manifest). */
  readonly categories: Uint32Array;
  /** By row, and one more: where its preferences begin in `prefs`. */
  readonly prefStart: Uint32Array;
  /** Slot numbers in the manifest's order, best first. */
  readonly prefs: Uint16Array;
  /** By row: leaf hash of the entry's document, 32 bytes each. */
  readonly leaves: Buffer;
};

export type EntryRow = {
  /** 16 bytes in base64url. */
  readonly entry: string;
  readonly size: number;
  /** The reserve categories that every person of the entry belongs to, ascending. */
  readonly categories: readonly string[];
  /** Slot numbers in the manifest's order, best first. */
  readonly prefs: readonly number[];
};

/** An entry as it is hashed and published: no time, no person, no account. */
export type EntryDocument = {
  readonly cats: readonly string[];
  readonly entry: string;
  readonly prefs: readonly string[];
  readonly size: number;
};

export const entryDocument = (manifest: Manifest, row: EntryRow): EntryDocument => ({
  cats: row.categories,
  entry: row.entry,
  prefs: row.prefs.map((number) => {
    const slot = manifest.slots[number];
    assert(slot, `entry ${row.entry} prefers a slot that is not in the manifest`);
    return slot.slot;
  }),
  size: row.size,
});

/**
 * Leaf hash of an entry: 32 bytes. JSON.stringify gives JCS (RFC 8785) here, since members stand in
 * ascending order and every string is ASCII without escapes; it is several times faster, and this
 * runs once an entry.
 */
export const leafOf = ({ cats, entry, prefs, size }: EntryDocument): Buffer =>
  leafHash(Buffer.from(JSON.stringify({ cats, entry, prefs, size })));

export const entryAt = (table: EntryTable, row: number): string =>
  table.ids.toString('base64url', row * ENTRY_ID_BYTES, (row + 1) * ENTRY_ID_BYTES);

/** Slot numbers that the entry in a row prefers, best first. */
export const prefsAt = ({ prefStart, prefs }: EntryTable, row: number): Uint16Array =>
  prefs.subarray(present(prefStart[row], 'row'), present(prefStart[row + 1], 'row'));

const ascends = (names: readonly string[]): boolean =>
  names.every((name, i) => i === 0 || present(names[i - 1], 'name') < name);
const within = (value: number, low: number, high: number): boolean =>
  Number.isInteger(value) && value >= low && value <= high;

/** What in a row breaks the manifest's rules, if anything. `categories`: categoriesOf(manifest). */
export function rowProblem(
  manifest: Manifest,
  categories: readonly string[],
  row: EntryRow,
): string | undefined {
  const { limits, slots } = manifest;
  if (!ENTRY_ID.test(row.entry)) return 'the entry id is not 16 bytes in base64url';
  if (!within(row.size, 1, limits.group_size)) return `size is not 1 to ${limits.group_size}`;
  if (!within(row.prefs.length, 1, limits.preferences))
    return `there are not 1 to ${limits.preferences} preferences`;
  if (!row.prefs.every((slot) => within(slot, 0, slots.length - 1)))
    return 'a preferred slot is not in the manifest';
  if (new Set(row.prefs).size < row.prefs.length) return 'a slot is preferred twice';
  if (!ascends(row.categories)) return 'the categories are not distinct and ascending';
  if (!row.categories.every((name) => categories.includes(name)))
    return 'a category is not in the manifest';
  return undefined;
}

type Columns = { -readonly [Name in keyof EntryTable]: EntryTable[Name] };

const columns = (rows: number, prefs: number): Columns => ({
  count: 0,
  ids: Buffer.alloc(rows * ENTRY_ID_BYTES),
  sizes: new Uint8Array(rows),
  categories: new Uint32Array(rows),
  prefStart: new Uint32Array(rows + 1),
  prefs: new Uint16Array(prefs),
  leaves: Buffer.alloc(rows * HASH_BYTES),
});

/** The table with its rows in another order, cut to its size. */
function permuted(from: Columns, rows: Uint32Array): EntryTable {
  const to = columns(from.count, present(from.prefStart[from.count], 'row'));
  for (const row of rows) {
    const at = to.count++;
    from.ids.copy(to.ids, at * ENTRY_ID_BYTES, row * ENTRY_ID_BYTES, (row + 1) * ENTRY_ID_BYTES);
    from.leaves.copy(to.leaves, at * HASH_BYTES, row * HASH_BYTES, (row + 1) * HASH_BYTES);
    to.sizes[at] = present(from.sizes[row], 'size');
    to.categories[at] = present(from.categories[row], 'categories');
    const prefs = prefsAt(from, row);
    const start = present(to.prefStart[at], 'row');
    to.prefs.set(prefs, start);
    to.prefStart[at + 1] = start + prefs.length;
  }
  return to;
}

export type EntryTableBuilder = {
  readonly count: () => number;
  /** `row` has no rowProblem, `leaf` is its leaf hash. */
  readonly add: (row: EntryRow, leaf: Buffer) => void;
  /** Sorts by id; two rows with one id are a fault. */
  readonly finish: () => EntryTable;
};

/** Takes rows one at a time and in any order, so that a long list need never exist as objects. */
export function entryTableBuilder(manifest: Manifest, capacity: number): EntryTableBuilder {
  assert(capacity <= ENTRIES_MAX, `a round seals at most ${ENTRIES_MAX} entries`);
  const categories = categoriesOf(manifest);
  const table = columns(capacity, capacity * manifest.limits.preferences);
  const add = (row: EntryRow, leaf: Buffer): void => {
    const at = table.count++;
    assert(at < capacity, 'the table has more rows than it was made for');
    table.ids.write(row.entry, at * ENTRY_ID_BYTES, ENTRY_ID_BYTES, 'base64url');
    leaf.copy(table.leaves, at * HASH_BYTES);
    table.sizes[at] = row.size;
    table.categories[at] = row.categories.reduce(
      (mask, name) => mask | (1 << categories.indexOf(name)),
      0,
    );
    const start = present(table.prefStart[at], 'row');
    table.prefs.set(row.prefs, start);
    table.prefStart[at + 1] = start + row.prefs.length;
  };
  const finish = (): EntryTable => {
    const ids = table.ids.subarray(0, table.count * ENTRY_ID_BYTES);
    const sorted = permuted(table, ascending(ids, ENTRY_ID_BYTES));
    for (let row = 1; row < sorted.count; row++)
      assert(
        compareKeys(sorted.ids, row - 1, sorted.ids, row, ENTRY_ID_BYTES) < 0,
        `entry ${entryAt(sorted, row)} is there twice`,
      );
    return sorted;
  };
  return { count: () => table.count, add, finish };
}

/**
 * `rows` in any order; a row that breaks the manifest's rules and an id that is there twice are
 * faults.
 */
export function buildEntryTable(manifest: Manifest, rows: readonly EntryRow[]): EntryTable {
  const builder = entryTableBuilder(manifest, rows.length);
  const categories = categoriesOf(manifest);
  for (const row of rows) {
    const problem = rowProblem(manifest, categories, row);
    assert(problem === undefined, `entry ${row.entry}: ${problem}`);
    builder.add(row, leafOf(entryDocument(manifest, row)));
  }
  return builder.finish();
}
