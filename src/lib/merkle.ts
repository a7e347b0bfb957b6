/**
 * The Merkle tree of RFC 6962 section 2.1 (also RFC 9162): leaf = H(0x00 || data), node = H(0x01 ||
 * left || right), split at the largest power of two below n, empty tree = H("").
 */
import { sha256, sha256Into } from './hash.ts';

const LEAF = Buffer.of(0x00);
const NODE = Buffer.of(0x01);
const HASH_BYTES = 32;

/** Hash of one leaf's data: 32 bytes. */
export const leafHash = (data: Uint8Array): Buffer => sha256(Buffer.concat([LEAF, data]));

/**
 * Root of the tree over leaf hashes laid end to end (32 bytes each). Works level by level: pairing
 * neighbours and carrying an odd last node up unchanged gives the same tree as the RFC's recursive
 * split.
 */
export function merkleRoot(leafHashes: Uint8Array): Buffer {
  let width = leafHashes.length / HASH_BYTES;
  if (width === 0) return sha256(new Uint8Array());
  const level = Buffer.from(leafHashes);
  while (width > 1) width = hashPairs(level, width, level);
  return Buffer.from(level.subarray(0, HASH_BYTES));
}

/** Writes the level above one of `width` hashes, which may be over it. How wide that one is. */
function hashPairs(level: Buffer, width: number, above: Buffer): number {
  const pairs = width >> 1;
  const pair = Buffer.alloc(1 + 2 * HASH_BYTES);
  NODE.copy(pair);
  for (let i = 0; i < pairs; i++) {
    level.copy(pair, 1, i * 2 * HASH_BYTES, (i + 1) * 2 * HASH_BYTES);
    sha256Into(above, i * HASH_BYTES, pair);
  }
  if (width % 2 === 1)
    level.copy(above, pairs * HASH_BYTES, (width - 1) * HASH_BYTES, width * HASH_BYTES);
  return pairs + (width % 2);
}

/** All levels of a tree from its leaf hashes, which are not copied, up to the root. */
export function treeLevels(leafHashes: Buffer): Buffer[] {
  const levels = [leafHashes];
  let width = leafHashes.length / HASH_BYTES;
  for (let level = leafHashes; width > 1; levels.push(level)) {
    const above = Buffer.alloc(Math.ceil(width / 2) * HASH_BYTES);
    width = hashPairs(level, width, above);
    level = above;
  }
  return levels;
}

/**
 * The neighbours of one leaf from the bottom up, which with it give the root (RFC 9162, section
 * 2.1.3.1). `levels`: those of treeLevels.
 */
export function inclusionPath(levels: readonly Buffer[], index: number): Buffer[] {
  const path: Buffer[] = [];
  let at = index;
  for (const level of levels) {
    const neighbour = (at ^ 1) * HASH_BYTES;
    // A node without a neighbour goes up as it is; so does the root.
    if (neighbour < level.length) path.push(level.subarray(neighbour, neighbour + HASH_BYTES));
    at >>= 1;
  }
  return path;
}

/**
 * The root that a leaf and its neighbours lead to (RFC 9162, section 2.1.3.2, whose names these
 * are); undefined where a tree of `count` leaves has no such path.
 */
export function rootByPath(
  leaf: Uint8Array,
  place: { readonly index: number; readonly count: number },
  path: readonly Uint8Array[],
): Buffer | undefined {
  let [fn, sn] = [place.index, place.count - 1];
  if (fn < 0 || fn > sn) return undefined;
  let r: Buffer = Buffer.from(leaf);
  for (const p of path) {
    if (sn === 0) return undefined;
    if (fn % 2 === 1 || fn === sn) {
      r = sha256(Buffer.concat([NODE, p, r]));
      for (; fn % 2 === 0 && fn > 0; fn >>>= 1) sn >>>= 1;
    } else r = sha256(Buffer.concat([NODE, r, p]));
    fn >>>= 1;
    sn >>>= 1;
  }
  return sn === 0 ? r : undefined;
}
