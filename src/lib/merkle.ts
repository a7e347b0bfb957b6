/**
 * The Merkle tree of RFC 6962 section 2.1 (also RFC 9162): leaf = H(0x00 || data), node = H(0x01 ||
 * left || right), split at the largest power of two below n, empty tree = H("").
 */
import { sha256 } from './hash.ts';

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
  const pair = Buffer.alloc(1 + 2 * HASH_BYTES);
  NODE.copy(pair);
  while (width > 1) {
    const pairs = width >> 1;
    for (let i = 0; i < pairs; i++) {
      level.copy(pair, 1, i * 2 * HASH_BYTES, (i + 1) * 2 * HASH_BYTES);
      sha256(pair).copy(level, i * HASH_BYTES);
    }
    if (width % 2 === 1)
      level.copy(level, pairs * HASH_BYTES, (width - 1) * HASH_BYTES, width * HASH_BYTES);
    width = pairs + (width % 2);
  }
  return Buffer.from(level.subarray(0, HASH_BYTES));
}
