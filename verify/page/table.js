// @ts-check
/**
 * All entries that a release ever had, in columns. An entry's number is its place in the order that
 * entries have: by round, then by place in it.
 */
import { fromBase64Url, toBase64Url } from './bytes.js';

/** What becomes of an entry. */
export const GONE = 0;
export const WAITS = 1;
export const DISPLACED = 2;
export const HOLDS = 3;

const FIRST_ROOM = 1024;

/**
 * @template {Uint8Array | Uint32Array | Int32Array} Column
 * @param {Column} column
 * @param {number} length
 * @returns {Column}
 */
function withRoomFor(column, length) {
  if (length <= column.length) return column;
  const Type = /** @type {new (length: number) => Column} */ (column.constructor);
  const wider = new Type(Math.max(length, 2 * column.length));
  wider.set(column);
  return wider;
}

export function createTable() {
  return {
    count: 0,
    /** Four words of an id, most significant first. */
    ids: new Uint32Array(4 * FIRST_ROOM),
    size: new Uint32Array(FIRST_ROOM),
    /** Bits of the categories. */
    cats: new Uint32Array(FIRST_ROOM),
    /** Where the preferences end; they begin where those of the entry before end. */
    prefsEnd: new Uint32Array(FIRST_ROOM),
    prefs: new Uint32Array(4 * FIRST_ROOM),
    state: new Uint8Array(FIRST_ROOM),
    /** Whose seats it holds. */
    pool: new Int32Array(FIRST_ROOM).fill(-1),
    /** The round that gave it those seats. */
    seatedIn: new Uint32Array(FIRST_ROOM),
    /** Number + 1 of the latest entry with an id, by a hash of the id; 0 is free. */
    index: new Uint32Array(4 * FIRST_ROOM),
    /** Ids are whatever a file says: unpredictable hashes keep them from colliding on purpose. */
    salt: crypto.getRandomValues(new Uint32Array(4)),
    knownIds: 0,
  };
}

/** @typedef {ReturnType<typeof createTable>} Table */

/** @param {Uint8Array} bytes 16 */
export function wordsOf(bytes) {
  const { buffer } = bytes;
  const view = new DataView(buffer);
  const words = new Uint32Array(4);
  for (let word = 0; word < 4; word++) words[word] = view.getUint32(4 * word);
  return words;
}

/**
 * Four words of a written id; undefined when it is none.
 *
 * @param {unknown} text
 */
export function idOf(text) {
  const bytes = fromBase64Url(text, 16);
  return bytes && wordsOf(bytes);
}

/**
 * @param {Table} table
 * @param {number} number
 */
export function idBytes(table, number) {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (let word = 0; word < 4; word++) view.setUint32(4 * word, table.ids[4 * number + word] ?? 0);
  return bytes;
}

/**
 * How many have not gone.
 *
 * @param {Table} table
 */
export const countOfIn = ({ state, count }) =>
  state.subarray(0, count).reduce((sum, one) => sum + (one === GONE ? 0 : 1), 0);

/**
 * @param {Table} table
 * @param {number} number
 */
export const idText = (table, number) => toBase64Url(idBytes(table, number));

/**
 * @param {Table} table
 * @param {number} a
 * @param {number} b
 */
export function compareIds({ ids }, a, b) {
  for (let word = 0; word < 4; word++) {
    const difference = (ids[4 * a + word] ?? 0) - (ids[4 * b + word] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * @param {Table} table
 * @param {number} number
 * @param {Uint32Array} id
 */
function hasId({ ids }, number, id) {
  const at = 4 * number;
  return (
    ids[at] === id[0] && ids[at + 1] === id[1] && ids[at + 2] === id[2] && ids[at + 3] === id[3]
  );
}

/**
 * Where in the index an id is, or would be.
 *
 * @param {Table} table
 * @param {Uint32Array} id
 */
function placeOf(table, id) {
  const { index, salt } = table;
  let mixed = 0;
  for (let word = 0; word < 4; word++) {
    mixed = Math.imul(mixed ^ (id[word] ?? 0) ^ (salt[word] ?? 0), 0x9e3779b1);
    mixed ^= mixed >>> 15;
  }
  let place = mixed & (index.length - 1);
  for (;;) {
    const found = index[place] ?? 0;
    if (found === 0 || hasId(table, found - 1, id)) return place;
    place = (place + 1) & (index.length - 1);
  }
}

/**
 * Number of the latest entry with this id, or -1.
 *
 * @param {Table} table
 * @param {Uint32Array} id
 */
export const latestWith = (table, id) => (table.index[placeOf(table, id)] ?? 0) - 1;

/**
 * Numbers of all that ever had this id, which differ when someone went and entered again.
 *
 * @param {Table} table
 * @param {Uint32Array} id
 */
export function everyWith(table, id) {
  const found = [];
  for (let number = 0; number < table.count; number++)
    if (hasId(table, number, id)) found.push(number);
  return found;
}

/** @param {Table} table */
function widenIndex(table) {
  const known = table.index;
  table.index = new Uint32Array(2 * known.length);
  for (const entry of known)
    if (entry > 0) {
      const id = table.ids.subarray(4 * (entry - 1), 4 * entry);
      table.index[placeOf(table, id)] = entry;
    }
}

/**
 * Adds one that waits; gives its number.
 *
 * @param {Table} table
 * @param {{id: Uint32Array, size: number, cats: number, prefs: readonly number[]}} entry
 */
export function add(table, { id, size, cats, prefs }) {
  const number = table.count;
  const begin = number === 0 ? 0 : (table.prefsEnd[number - 1] ?? 0);
  table.ids = withRoomFor(table.ids, 4 * number + 4);
  table.size = withRoomFor(table.size, number + 1);
  table.cats = withRoomFor(table.cats, number + 1);
  table.prefsEnd = withRoomFor(table.prefsEnd, number + 1);
  table.prefs = withRoomFor(table.prefs, begin + prefs.length);
  table.state = withRoomFor(table.state, number + 1);
  table.pool = withRoomFor(table.pool, number + 1);
  table.seatedIn = withRoomFor(table.seatedIn, number + 1);
  table.ids.set(id, 4 * number);
  table.size[number] = size;
  table.cats[number] = cats;
  table.prefs.set(prefs, begin);
  table.prefsEnd[number] = begin + prefs.length;
  table.state[number] = WAITS;
  table.pool[number] = -1;
  table.count += 1;
  if (2 * table.knownIds >= table.index.length) widenIndex(table);
  const place = placeOf(table, id);
  if (table.index[place] === 0) table.knownIds += 1;
  table.index[place] = number + 1;
  return number;
}

/**
 * @param {Table} table
 * @param {number} number
 */
export const prefsOf = ({ prefs, prefsEnd }, number) =>
  prefs.subarray(number === 0 ? 0 : prefsEnd[number - 1], prefsEnd[number]);
