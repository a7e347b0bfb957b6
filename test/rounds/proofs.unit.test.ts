import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hex, sha256 } from '../../src/lib/hash.ts';
import { inclusionPath, merkleRoot, treeLevels } from '../../src/lib/merkle.ts';
import { buildEntryTable, entryAt, type EntryTable } from '../../src/rounds/draw/entry-table.ts';
import {
  chunkOf,
  idsOf,
  keptTree,
  pathProblem,
  Proof,
  proofIn,
  subtreeOf,
  treeChunks,
} from '../../src/rounds/proofs.ts';
import { idOf, lottery, wants } from './release.ts';

const MANIFEST = lottery({ hall: { open: 1 } });
const tables = new Map<number, EntryTable>();
function tableOf(count: number): EntryTable {
  const known = tables.get(count);
  if (known) return known;
  const names = Array.from({ length: count }, (_, number) => `person ${number}`);
  const table = buildEntryTable(
    MANIFEST,
    names.map((name) => wants(name, [0])),
  );
  tables.set(count, table);
  return table;
}

function proofOf(table: EntryTable, entry: string): Proof | undefined {
  const { root, roots } = keptTree(table);
  const sealed = { release: MANIFEST.release, round: 0, count: table.count, root };
  const chunk = new Map(treeChunks(table)).get(chunkOf(idsOf(roots), entry));
  return chunk && proofIn(sealed, subtreeOf(roots), subtreeOf(chunk), entry);
}

/** About the edges of chunks. */
const COUNTS = [1, 2, 3, 1_023, 1_024, 1_025, 2_047, 2_048, 2_049, 3_000, 5_121];

describe('a tree in chunks', () => {
  test.each(COUNTS)('has the root of the whole tree of %i leaves', (count) => {
    const table = tableOf(count);
    const { root, roots } = keptTree(table);
    const chunks = Array.from(treeChunks(table), ([, chunk]) => chunk);
    expect(root).toBe(hex(merkleRoot(table.leaves)));
    expect(roots.length).toBe(chunks.length * 48);
    expect(Buffer.concat(chunks).length).toBe(count * 48);
  });

  test('of no leaves is the empty tree', () => {
    expect(keptTree(tableOf(0))).toEqual({
      root: hex(sha256(new Uint8Array())),
      roots: Buffer.alloc(0),
    });
    expect([...treeChunks(tableOf(0))]).toEqual([]);
  });

  test.each(COUNTS)('proves entries of %i just as the whole tree does', (count) => {
    const table = tableOf(count);
    const rows = new Set([0, 1, count - 2, count - 1, 1_023, 1_024, 2_047, 2_048]);
    for (const row of rows) {
      if (row < 0 || row >= count) continue;
      const entry = entryAt(table, row);
      const proof = proofOf(table, entry)!;
      expect(Proof.parse(proof)).toEqual(proof);
      expect(proof).toMatchObject({ entry, index: row, count, round: 0 });
      expect(proof.path).toEqual(inclusionPath(treeLevels(table.leaves), row).map(hex));
      expect(pathProblem(proof)).toBeUndefined();
    }
  });

  test('has no proof for who is not in it', () => {
    const table = tableOf(3_000);
    for (let stranger = 0; stranger < 200; stranger++)
      expect(proofOf(table, idOf(`stranger ${stranger}`))).toBeUndefined();
    for (const edge of ['AAAAAAAAAAAAAAAAAAAAAA', '_____________________w'])
      expect(proofOf(table, edge)).toBeUndefined();
  });
});

test('a proof with anything changed is refused', () => {
  const table = tableOf(2_049);
  fc.assert(
    fc.property(fc.nat(2_048), fc.nat(255), (row, bit) => {
      const proof = proofOf(table, entryAt(table, row))!;
      const flipped = (hash: string): string => {
        const bytes = Buffer.from(hash, 'hex');
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        return hex(bytes);
      };
      const at = bit % proof.path.length;
      const changes: Partial<Proof>[] = [
        { leaf: flipped(proof.leaf) },
        { root: flipped(proof.root) },
        { index: (row + 1 + bit) % 2_049 },
        { path: proof.path.map((node, number) => (number === at ? flipped(node) : node)) },
        { path: proof.path.toSpliced(at, 1) },
        { path: [...proof.path, proof.root] },
        { count: 1 + (row >> 1) },
      ];
      for (const change of changes) expect(pathProblem({ ...proof, ...change })).toBeDefined();
    }),
    { numRuns: 30 },
  );
});
