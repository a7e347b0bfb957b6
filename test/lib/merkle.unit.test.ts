import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hex, sha256 } from '../../src/lib/hash.ts';
import {
  inclusionPath,
  leafHash,
  merkleRoot,
  rootByPath,
  treeLevels,
} from '../../src/lib/merkle.ts';

const LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
].map((data) => leafHash(Buffer.from(data, 'hex')));

/** Roots of the first n leaves, from the test vectors of certificate transparency (RFC 6962). */
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

test.each([...ROOTS.entries()])('the root of %i leaves is that of RFC 6962', (count, root) => {
  expect(hex(merkleRoot(Buffer.concat(LEAVES.slice(0, count))))).toBe(root);
});

test('the leaves are not changed by taking their root', () => {
  const leaves = Buffer.concat(LEAVES);
  merkleRoot(leaves);
  expect(leaves.equals(Buffer.concat(LEAVES))).toBe(true);
});

/** PATH(m, D[n]) and MTH(D[n]) as RFC 9162 writes them, sections 2.1.3.1 and 2.1.1. */
const splitOf = (count: number): number => 2 ** (Math.ceil(Math.log2(count)) - 1);
function rootAsWritten(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 1) return leaves[0]!;
  const k = splitOf(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)].map(rootAsWritten);
  return sha256(Buffer.of(1), left!, right!);
}
function pathAsWritten(m: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length === 1) return [];
  const k = splitOf(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return m < k
    ? [...pathAsWritten(m, left), rootAsWritten(right)]
    : [...pathAsWritten(m - k, right), rootAsWritten(left)];
}

const many = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, number) => leafHash(Buffer.from(String(number))));

describe('the path of a leaf', () => {
  test('is the one of RFC 9162 and leads to the root, in every tree of up to 70 leaves', () => {
    for (let count = 1; count <= 70; count++) {
      const leaves = many(count);
      const tree = Buffer.concat(leaves);
      const root = merkleRoot(tree);
      for (const [index, leaf] of leaves.entries()) {
        const path = inclusionPath(treeLevels(tree), index);
        const written = pathAsWritten(index, leaves);
        expect(Buffer.concat(path).equals(Buffer.concat(written))).toBe(true);
        expect(rootByPath(leaf, { index, count }, path)?.equals(root)).toBe(true);
      }
    }
  });

  test('leads to the root in trees of any size', () => {
    const place = fc
      .integer({ min: 1, max: 5_000 })
      .chain((count) => fc.record({ count: fc.constant(count), index: fc.nat(count - 1) }));
    const leaves = many(5_000);
    fc.assert(
      fc.property(place, ({ count, index }) => {
        const tree = Buffer.concat(leaves.slice(0, count));
        const path = inclusionPath(treeLevels(tree), index);
        expect(rootByPath(leaves[index]!, { index, count }, path)).toEqual(merkleRoot(tree));
      }),
      { numRuns: 40 },
    );
  });

  test('leads elsewhere, or nowhere, once anything about it is changed', () => {
    const place = fc
      .integer({ min: 2, max: 70 })
      .chain((count) => fc.record({ count: fc.constant(count), index: fc.nat(count - 1) }));
    fc.assert(
      fc.property(place, fc.nat(), ({ count, index }, salt) => {
        const leaves = many(count);
        const tree = Buffer.concat(leaves);
        const path = inclusionPath(treeLevels(tree), index);
        const root = merkleRoot(tree);
        const changed = path.map((node) => Buffer.from(node));
        changed[salt % changed.length]![salt % 32]! ^= 1 << (salt % 8);
        const leaf = leaves[index]!;
        const other = (index + 1 + (salt % (count - 1))) % count;
        expect(rootByPath(leaf, { index, count }, changed)).not.toEqual(root);
        expect(rootByPath(leaf, { index: other, count }, path)).not.toEqual(root);
        expect(rootByPath(leaves[other]!, { index, count }, path)).not.toEqual(root);
        expect(rootByPath(leaf, { index, count }, path.slice(1))).not.toEqual(root);
        expect(rootByPath(leaf, { index, count }, [...path, root])).toBeUndefined();
        expect(rootByPath(leaf, { index: count, count }, path)).toBeUndefined();
        expect(rootByPath(leaf, { index: -1, count }, path)).toBeUndefined();
      }),
    );
  });

  test('of the only leaf is empty', () => {
    const [leaf] = LEAVES;
    expect(inclusionPath(treeLevels(leaf!), 0)).toEqual([]);
    expect(rootByPath(leaf!, { index: 0, count: 1 }, [])).toEqual(leaf);
    expect(rootByPath(leaf!, { index: 0, count: 0 }, [])).toBeUndefined();
  });
});
