/**
 * The sealed list of a round, column by column: a million entries as a dozen allocations. Rows
 * ascend by entry id bytes, which is the order of the Merkle tree's leaves (docs/draw.md).
 */
import { assert, present } from '../../lib/assert.ts';
import { sha256Hex, sha256Into } from '../../lib/hash.ts';
import { leafHash } from '../../lib/merkle.ts';
import type { DrawnManifest } from '../../releases/manifest.ts';
import { ascending, compareKeys, withRoom } from './bytes.ts';
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

/** What later rounds need of it. */
export type EntryColumns = {
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
};

export type EntryTable = EntryColumns & {
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

export const entryDocument = (
  manifest: Pick<DrawnManifest, 'slots'>,
  row: EntryRow,
): EntryDocument => ({
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
 * JCS (RFC 8785) of an entry's document, from the JSON of its parts. Much faster than any
 * serializer, and this runs once an entry; members ascend, and every string is ASCII without
 * escapes.
 */
export const documentText = (cats: string, entry: string, prefs: string, size: number): string =>
  `{"cats":${cats},"entry":"${entry}","prefs":${prefs},"size":${size}}`;

/** Leaf hash of an entry: 32 bytes. */
export const leafOf = ({ cats, entry, prefs, size }: EntryDocument): Buffer =>
  leafHash(Buffer.from(documentText(JSON.stringify(cats), entry, JSON.stringify(prefs), size)));

/** Makes leaf hashes of many documents, in hex: they share the buffer that each is hashed from. */
export function leafHashes(): (document: string) => string {
  const message = leafMessages();
  return (document) => sha256Hex(message(document));
}

/** A leaf is the hash of a zero byte and the document. Each message is good until the next one. */
function leafMessages(): (document: string) => Buffer {
  let buffer = Buffer.alloc(1_024);
  return (document) => {
    buffer = withRoom(buffer, 1 + document.length);
    return buffer.subarray(0, 1 + buffer.write(document, 1, 'latin1'));
  };
}

export const entryAt = (table: EntryColumns, row: number): string =>
  table.ids.toString('base64url', row * ENTRY_ID_BYTES, (row + 1) * ENTRY_ID_BYTES);

/** Slot numbers that the entry in a row prefers, best first. */
export const prefsAt = ({ prefStart, prefs }: EntryColumns, row: number): Uint16Array =>
  prefs.subarray(present(prefStart[row], 'row'), present(prefStart[row + 1], 'row'));

const ascends = (names: readonly string[]): boolean =>
  names.every((name, i) => i === 0 || present(names[i - 1], 'name') < name);
const within = (value: number, low: number, high: number): boolean =>
  Number.isInteger(value) && value >= low && value <= high;

/** What in a row breaks the manifest's rules, if anything. `categories`: categoriesOf(manifest). */
export function rowProblem(
  manifest: DrawnManifest,
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

/** JSON of what the rows of a table hold, as documents and transcripts have it. */
export function rowTexts(manifest: DrawnManifest, table: EntryColumns) {
  const slots = manifest.slots.map(({ slot }) => JSON.stringify(slot));
  const categories = categoriesOf(manifest);
  const catsByMask = new Map<number, string>();
  const catsOf = (mask: number): string => {
    const text = JSON.stringify(categories.filter((_, bit) => (mask & (1 << bit)) !== 0));
    catsByMask.set(mask, text);
    return text;
  };
  const cats = (row: number): string => {
    const mask = present(table.categories[row], 'categories');
    return catsByMask.get(mask) ?? catsOf(mask);
  };
  const prefs = (row: number): string => {
    const end = present(table.prefStart[row + 1], 'row');
    let text = '[';
    for (let at = present(table.prefStart[row], 'row'); at < end; at++) {
      const slot = present(slots[present(table.prefs[at], 'preference')], 'slot');
      text += text === '[' ? slot : `,${slot}`;
    }
    return `${text}]`;
  };
  return { cats, prefs };
}

/** Leaf hashes by row, laid end to end. */
export function leavesOf(manifest: DrawnManifest, table: EntryColumns): Buffer {
  const texts = rowTexts(manifest, table);
  const leaves = Buffer.alloc(table.count * HASH_BYTES);
  const message = leafMessages();
  for (let row = 0; row < table.count; row++) {
    const size = present(table.sizes[row], 'size');
    const document = documentText(texts.cats(row), entryAt(table, row), texts.prefs(row), size);
    sha256Into(leaves, row * HASH_BYTES, message(document));
  }
  return leaves;
}

/** Rows that a table has room for before it grows. */
const FIRST_ROWS = 1_024;

type Columns = { -readonly [Name in keyof EntryColumns]: EntryColumns[Name] };

const columns = (rows: number, prefs: number): Columns => ({
  count: 0,
  ids: Buffer.alloc(rows * ENTRY_ID_BYTES),
  sizes: new Uint8Array(rows),
  categories: new Uint32Array(rows),
  prefStart: new Uint32Array(rows + 1),
  prefs: new Uint16Array(prefs),
});

/** Room for one more row with this many preferences. */
function makeRoom(table: Columns, prefs: number): void {
  const rows = table.count + 1;
  table.ids = withRoom(table.ids, rows * ENTRY_ID_BYTES);
  table.sizes = withRoom(table.sizes, rows);
  table.categories = withRoom(table.categories, rows);
  table.prefStart = withRoom(table.prefStart, rows + 1);
  table.prefs = withRoom(table.prefs, present(table.prefStart[table.count], 'row') + prefs);
}

/** Appends a row of another table. */
function copyRow(from: Columns, row: number, to: Columns): void {
  const at = to.count++;
  from.ids.copy(to.ids, at * ENTRY_ID_BYTES, row * ENTRY_ID_BYTES, (row + 1) * ENTRY_ID_BYTES);
  to.sizes[at] = present(from.sizes[row], 'size');
  to.categories[at] = present(from.categories[row], 'categories');
  const end = present(from.prefStart[row + 1], 'row');
  let next = present(to.prefStart[at], 'row');
  for (let pref = present(from.prefStart[row], 'row'); pref < end; pref++)
    to.prefs[next++] = present(from.prefs[pref], 'preference');
  to.prefStart[at + 1] = next;
}

/** Of rows in order, one for each id; two entries with one id are a fault. */
function distinct(table: EntryColumns, rows: Uint32Array): Uint32Array {
  return rows.filter((row, place) => {
    const last = place === 0 ? row : present(rows[place - 1], 'row');
    if (place === 0 || compareKeys(table.ids, last, table.ids, row, ENTRY_ID_BYTES) !== 0)
      return true;
    const same =
      table.sizes[row] === table.sizes[last] &&
      table.categories[row] === table.categories[last] &&
      prefsAt(table, row).join() === prefsAt(table, last).join();
    assert(same, `entry ${entryAt(table, row)} is there twice`);
    return false;
  });
}

/** Some rows of a table, in an order. */
function permuted(from: Columns, rows: Uint32Array): EntryColumns {
  const to = columns(rows.length, present(from.prefStart[from.count], 'row'));
  for (const row of rows) copyRow(from, row, to);
  return to;
}

export type EntryTableBuilder = {
  readonly count: () => number;
  /** `row` has no rowProblem. */
  readonly add: (row: EntryRow) => void;
  /**
   * Sorts by id. An entry that was added twice is there once; two entries with one id are a fault.
   * `added`: by row, the how manieth that was added it is.
   */
  readonly finish: () => { readonly table: EntryColumns; readonly added: Uint32Array };
};

/**
 * Takes rows one at a time and in any order, so that a long list need never exist as objects. It
 * takes memory as rows come, however many there may be: `most`.
 */
export function entryTableBuilder(manifest: DrawnManifest, most: number): EntryTableBuilder {
  assert(most <= ENTRIES_MAX, `a round seals at most ${ENTRIES_MAX} entries`);
  const bits = new Map(categoriesOf(manifest).map((name, bit) => [name, 1 << bit]));
  const table = columns(Math.min(most, FIRST_ROWS), FIRST_ROWS);
  const add = (row: EntryRow): void => {
    assert(table.count < most, 'the table has more rows than it was made for');
    makeRoom(table, row.prefs.length);
    const at = table.count++;
    table.ids.write(row.entry, at * ENTRY_ID_BYTES, ENTRY_ID_BYTES, 'base64url');
    table.sizes[at] = row.size;
    let mask = 0;
    for (const name of row.categories) mask |= present(bits.get(name), 'category');
    table.categories[at] = mask;
    let next = present(table.prefStart[at], 'row');
    for (const pref of row.prefs) table.prefs[next++] = pref;
    table.prefStart[at + 1] = next;
  };
  const finish = (): ReturnType<EntryTableBuilder['finish']> => {
    const ids = table.ids.subarray(0, table.count * ENTRY_ID_BYTES);
    const added = distinct(table, ascending(ids, ENTRY_ID_BYTES));
    return { table: permuted(table, added), added };
  };
  return { count: () => table.count, add, finish };
}

/** The rows of a list that comes one by one; a row that breaks the manifest's rules is a fault. */
export function checkedBuilder(manifest: DrawnManifest, most: number): EntryTableBuilder {
  const builder = entryTableBuilder(manifest, most);
  const categories = categoriesOf(manifest);
  const add = (row: EntryRow): void => {
    const problem = rowProblem(manifest, categories, row);
    if (problem !== undefined) assert(false, `entry ${row.entry}: ${problem}`);
    builder.add(row);
  };
  return { ...builder, add };
}

/**
 * `rows` in any order; a row that breaks the manifest's rules and an id that two entries have are
 * faults.
 */
export function buildEntryTable(manifest: DrawnManifest, rows: readonly EntryRow[]): EntryTable {
  const builder = checkedBuilder(manifest, rows.length);
  for (const row of rows) builder.add(row);
  const { table } = builder.finish();
  return { ...table, leaves: leavesOf(manifest, table) };
}
