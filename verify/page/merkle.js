// @ts-check
/** Merkle trees as in RFC 6962, section 2.1, and proofs as in RFC 9162, section 2.1.3.2. */
import { sha256 } from './vendor/noble.js';
import { hash } from './bytes.js';

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** @param {string} entry its canonical JSON */
export const leafOf = (entry) => hash(LEAF, entry);

/**
 * The root of `count` leaves of 32 bytes, which are used up. Two neighbours become a node, level by
 * level, and one without a neighbour moves up: that splits at powers of two.
 *
 * @param {Uint8Array} leaves
 * @param {number} count
 */
export function rootOf(leaves, count) {
  if (count === 0) return hash('');
  for (let left = count; left > 1; left = Math.ceil(left / 2)) {
    for (let at = 0; at + 1 < left; at += 2)
      leaves.set(
        sha256
          .create()
          .update(NODE)
          .update(leaves.subarray(32 * at, 32 * at + 64))
          .digest(),
        16 * at,
      );
    if (left % 2 === 1) leaves.copyWithin(16 * (left - 1), 32 * (left - 1), 32 * left);
  }
  return leaves.slice(0, 32);
}

/**
 * The root that a proof leads to; undefined when its path does not fit place and count.
 *
 * @param {Uint8Array} leaf
 * @param {number} index
 * @param {number} count
 * @param {readonly Uint8Array[]} path
 */
export function rootByProof(leaf, index, count, path) {
  if (index >= count) return undefined;
  let place = index;
  let last = count - 1;
  let node = leaf;
  for (const neighbour of path) {
    if (last === 0) return undefined;
    if (place % 2 === 1 || place === last) {
      node = hash(NODE, neighbour, node);
      while (place % 2 === 0 && place !== 0) {
        place = Math.floor(place / 2);
        last = Math.floor(last / 2);
      }
    } else node = hash(NODE, node, neighbour);
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? node : undefined;
}
