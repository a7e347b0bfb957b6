/**
 * How an entry hangs in its round's Merkle tree (docs/draw.md). The tree is kept in chunks of 1,024
 * leaves. Each is a whole subtree of it, and the roots of the chunks are the leaves of a tree of
 * the same shape: so two of them prove one entry of a million.
 */
import { z } from 'zod';
import { present } from '../lib/assert.ts';
import { hex } from '../lib/hash.ts';
import { inclusionPath, merkleRoot, rootByPath, treeLevels } from '../lib/merkle.ts';
import { compareKeys, rowOf } from './draw/bytes.ts';
import {
  ENTRIES_MAX,
  ENTRY_ID,
  ENTRY_ID_BYTES,
  type EntryTable,
  HASH_BYTES,
} from './draw/entry-table.ts';
import { idBytes } from './draw/ledger.ts';

/** A power of two: only then is every chunk but the last a whole subtree. */
const CHUNK_LEAVES = 1_024;
const ROW_BYTES = ENTRY_ID_BYTES + HASH_BYTES;
/** In a tree of ENTRIES_MAX leaves no path is longer. */
const PATH_MAX = Math.ceil(Math.log2(ENTRIES_MAX));

const Hash = z.string().regex(/^[0-9a-f]{64}$/);

export const Proof = z
  .strictObject({
    count: z.int().min(1).max(ENTRIES_MAX),
    entry: z.string().regex(ENTRY_ID),
    index: z.int().min(0),
    leaf: Hash,
    path: z.array(Hash).max(PATH_MAX),
    release: z.string(),
    root: Hash,
    round: z.int().min(0),
  })
  .meta({ id: 'Proof', description: 'That an entry is in a sealed list: docs/draw.md.' });
export type Proof = z.output<typeof Proof>;

/** The upper part of a round's tree, as it is kept. */
export type KeptTree = {
  /** In hex: what the seal names. */
  readonly root: string;
  /** By chunk: its first entry id and its root, 48 bytes each. */
  readonly roots: Buffer;
};

/** A chunk, or the upper part of a tree, ready to prove from. */
export type Subtree = {
  /** Of its entries, or of the first entry of each chunk: 16 bytes each, ascending. */
  readonly ids: Buffer;
  /** Its hashes, level by level from the bottom up. */
  readonly levels: readonly Buffer[];
};

/** One column of rows of 48 bytes, end to end. */
function columnOf(rows: Buffer, from: number, to: number): Buffer {
  const width = to - from;
  const column = Buffer.alloc((rows.length / ROW_BYTES) * width);
  for (let [row, at] = [0, 0]; row < rows.length; row += ROW_BYTES, at += width)
    rows.copy(column, at, row + from, row + to);
  return column;
}

/** Entry ids of a chunk, or the first of each chunk in the upper part: 16 bytes each. */
export const idsOf = (rows: Buffer): Buffer => columnOf(rows, 0, ENTRY_ID_BYTES);

const hashesOf = (rows: Buffer): Buffer => columnOf(rows, ENTRY_ID_BYTES, ROW_BYTES);

/** `rows`: a chunk, or `roots` of a kept tree. */
export const subtreeOf = (rows: Buffer): Subtree => ({
  ids: idsOf(rows),
  levels: treeLevels(hashesOf(rows)),
});

type Leaves = Pick<EntryTable, 'count' | 'ids' | 'leaves'>;

/** The tree of a sealed list. Its root is that of the whole list's leaves. */
export function keptTree({ count, ids, leaves }: Leaves): KeptTree {
  const rows: Buffer[] = [];
  for (let first = 0; first < count; first += CHUNK_LEAVES) {
    const end = Math.min(first + CHUNK_LEAVES, count);
    rows.push(
      ids.subarray(first * ENTRY_ID_BYTES, (first + 1) * ENTRY_ID_BYTES),
      merkleRoot(leaves.subarray(first * HASH_BYTES, end * HASH_BYTES)),
    );
  }
  const roots = Buffer.concat(rows);
  return { root: hex(merkleRoot(hashesOf(roots))), roots };
}

/** Chunks of a tree, by their number: up to 1,024 times entry id and leaf, 48 bytes each. */
export function* treeChunks({ count, ids, leaves }: Leaves): Generator<[number, Buffer]> {
  for (let first = 0; first < count; first += CHUNK_LEAVES) {
    const size = Math.min(CHUNK_LEAVES, count - first);
    const chunk = Buffer.allocUnsafe(size * ROW_BYTES);
    for (let row = 0; row < size; row++) {
      const from = first + row;
      ids.copy(chunk, row * ROW_BYTES, from * ENTRY_ID_BYTES, (from + 1) * ENTRY_ID_BYTES);
      const at = row * ROW_BYTES + ENTRY_ID_BYTES;
      leaves.copy(chunk, at, from * HASH_BYTES, (from + 1) * HASH_BYTES);
    }
    yield [first / CHUNK_LEAVES, chunk];
  }
}

/**
 * Number of the chunk that an entry is in, if it is in the tree at all; -1 where it is not.
 * `firstIds`: of the chunks, 16 bytes each.
 */
export const chunkOf = (firstIds: Buffer, entry: string): number =>
  chunkOfId(firstIds, idBytes(entry));

function chunkOfId(firstIds: Buffer, id: Buffer): number {
  let [low, high] = [0, firstIds.length / ENTRY_ID_BYTES];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(firstIds, middle, id, 0, ENTRY_ID_BYTES) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Numbers of the chunks that may have an entry between two ids. */
export function chunksBetween(firstIds: Buffer, low: Buffer, high: Buffer): number[] {
  const last = chunkOfId(firstIds, high);
  const first = Math.max(0, chunkOfId(firstIds, low));
  return last < 0 ? [] : Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** `chunk`: the one with the number that chunkOf gives. Undefined where the entry is not in it. */
export function proofIn(
  { release, round, count, root }: Pick<Proof, 'release' | 'round' | 'count' | 'root'>,
  upper: Subtree,
  chunk: Subtree,
  entry: string,
): Proof | undefined {
  const number = chunkOf(upper.ids, entry);
  const row = rowOf(chunk.ids, idBytes(entry));
  if (number < 0 || row < 0) return undefined;
  const path = [...inclusionPath(chunk.levels, row), ...inclusionPath(upper.levels, number)];
  const leaves = present(chunk.levels[0], 'leaves');
  return {
    count,
    entry,
    index: number * CHUNK_LEAVES + row,
    leaf: hex(leaves.subarray(row * HASH_BYTES, (row + 1) * HASH_BYTES)),
    path: path.map(hex),
    release,
    root,
    round,
  };
}

/** What is wrong with a proof in itself, if anything: a file tells whether its root is sealed. */
export function pathProblem({ leaf, index, count, path, root }: Proof): string | undefined {
  const neighbours = path.map((hash) => Buffer.from(hash, 'hex'));
  const reached = rootByPath(Buffer.from(leaf, 'hex'), { index, count }, neighbours);
  if (!reached) return `a list of ${count} has no such path for the index ${index}`;
  return hex(reached) === root ? undefined : 'leaf and path do not lead to the root';
}
