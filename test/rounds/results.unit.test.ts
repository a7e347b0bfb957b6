/** Result files against a reading of the transcript that knows none of their code. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sha256 } from '../../src/lib/hash.ts';
import { jcs } from '../../src/lib/jcs.ts';
import { chunksBetween, idsOf, keptTree, treeChunks } from '../../src/rounds/proofs.ts';
import {
  fileOfPrefix,
  idsBetween,
  keptResultFile,
  offersByFile,
  prefixLengthFor,
  prefixOfEntry,
  prefixOf,
  recomputedResultFile,
  ResultFile,
} from '../../src/rounds/results/results.ts';
import { linesOf } from './files.ts';
import { createLedger, lottery, playRound, wants } from './release.ts';
import { playBoth } from './scenario.ts';

type Played = Awaited<ReturnType<typeof playRound>>;

/** As docs/draw.md says it, line by line, with ids as numbers. */
function naiveFiles(bytes: Buffer, digest: string, length: number): Map<string, ResultFile> {
  const lines = linesOf(bytes).map((line) => JSON.parse(line) as Record<string, string | null>);
  const bitsOf = (id: string): string =>
    Array.from(Buffer.from(id, 'base64url'), (byte) => byte.toString(2).padStart(8, '0')).join('');
  const seal = lines.find(({ kind }) => kind === 'seal')!['seal'] as unknown as {
    release: string;
    round: number;
  };
  const { release, round } = seal;
  const files = new Map<string, ResultFile>();
  for (let file = 0; file < 2 ** length; file++) {
    const prefix = file.toString(2).padStart(length, '0');
    const mine = lines
      .filter(({ kind, entry }) => (kind === 'offer' || kind === 'entry') && entry)
      .filter(({ entry }) => bitsOf(entry!).startsWith(prefix))
      .toSorted((a, b) => (bitsOf(a['entry']!) < bitsOf(b['entry']!) ? -1 : 1));
    files.set(prefix, {
      digest,
      offered: mine
        .filter(({ slot }) => slot !== null)
        .map(({ entry, pool, slot }) => ({ entry: entry!, pool: pool!, slot: slot! })),
      prefix,
      release,
      round,
      waiting: mine.filter(({ slot }) => slot === null).map(({ entry }) => entry!),
    });
  }
  return files;
}

/** All files of a round, as a server makes them from what a worker has kept. */
function keptFiles(
  ledger: Parameters<typeof keptResultFile>[0],
  { table, drawn, digest, seal }: Played,
  length: number,
): ResultFile[] {
  const offers = new Map(offersByFile(ledger, table, drawn, length));
  const { roots } = keptTree(table);
  const chunks = new Map(treeChunks(table));
  return Array.from({ length: 2 ** length }, (_, file) => {
    const prefix = prefixOf(file, length);
    const { low, high } = idsBetween(prefix);
    const ids = chunksBetween(idsOf(roots), low, high).map((chunk) => idsOf(chunks.get(chunk)!));
    const { release, round } = seal;
    return keptResultFile({ ...ledger }, { digest, release, round }, prefix, {
      offers: offers.get(fileOfPrefix(prefix)) ?? Buffer.alloc(0),
      ids: Buffer.concat(ids),
    });
  });
}

describe('the files of a round', () => {
  test('are what its transcript says, each entry in one, byte for byte from both sources', async () => {
    await fc.assert(
      fc.asyncProperty(fc.gen(), fc.integer({ min: 1, max: 6 }), async (pick, length) => {
        await playBoth(pick, ({ fast, ledger }) => {
          const naive = [...naiveFiles(fast.bytes, fast.digest, length).values()];
          const kept = keptFiles(ledger, fast, length);
          expect(kept.map((file) => JSON.stringify(file))).toEqual(naive.map((file) => jcs(file)));
          const { release, round } = fast.seal;
          const head = { release, round, digest: fast.digest };
          const recomputed = naive.map(({ prefix }) =>
            recomputedResultFile(ledger, head, fast.table.count, prefix),
          );
          expect(recomputed.map((file) => JSON.stringify(file))).toEqual(
            kept.map((file) => JSON.stringify(file)),
          );
          for (const file of kept) expect(ResultFile.parse(file)).toEqual(file);
          const named = kept.flatMap(({ offered, waiting }) => [
            ...offered.map(({ entry }) => entry),
            ...waiting,
          ]);
          expect(new Set(named).size).toBe(named.length);
          expect(named.length).toBe(fast.table.count + fast.drawn.carried);
        });
      }),
      { numRuns: 60 },
    );
  });

  test('have every entry where its own id points, over many chunks of the tree', async () => {
    const manifest = lottery({ 'hall-1': { senior: 300, open: 900 }, 'hall-2': { open: 40 } });
    const rows = Array.from({ length: 5_000 }, (_, i) =>
      wants(`person ${i}`, [i % 2], { size: 1 + (i % 3) }),
    );
    const ledger = createLedger(manifest);
    const played = await playRound(ledger, rows);
    const length = prefixLengthFor(rows.length);
    const kept = keptFiles(ledger, played, length);
    const naive = naiveFiles(played.bytes, played.digest, length);
    expect(kept).toEqual([...naive.values()]);
    for (const { entry } of rows.slice(0, 50)) {
      const file = kept[fileOfPrefix(prefixOfEntry(entry, length))]!;
      const named = [...file.offered.map((one) => one.entry), ...file.waiting];
      expect(named).toContain(entry);
    }
  });

  test('of nobody are there, and say so', async () => {
    const ledger = createLedger(lottery({ hall: { open: 1 } }));
    const played = await playRound(ledger, []);
    expect(keptFiles(ledger, played, 1)).toMatchObject([
      { prefix: '0', offered: [], waiting: [] },
      { prefix: '1', offered: [], waiting: [] },
    ]);
  });
});

test.each([
  [0, 1],
  [1_024, 1],
  [1_025, 2],
  [1_000_000, 11],
  [8_000_000, 14],
])('%i entries are cut by %i bits', (entries, length) => {
  expect(prefixLengthFor(entries)).toBe(length);
});

test('a file of 100,000 entries has 256 to 1,024 of them', () => {
  const length = prefixLengthFor(100_000);
  const counts = new Uint32Array(2 ** length);
  for (let i = 0; i < 100_000; i++)
    counts[sha256(Buffer.from(`entry ${i}`)).readUInt32BE() >>> (32 - length)]! += 1;
  expect(Math.min(...counts)).toBeGreaterThan(256);
  expect(Math.max(...counts)).toBeLessThan(1_024);
});
