import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { sha256 } from '../../src/lib/hash.ts';
import { jcs } from '../../src/lib/jcs.ts';
import { hashChainBeacon } from '../../src/rounds/beacon/beacon.ts';
import { drawRound } from '../../src/rounds/draw/draw.ts';
import { buildEntryTable } from '../../src/rounds/draw/entry-table.ts';
import { NOTHING_SINCE as since } from '../../src/rounds/draw/ledger.ts';
import { sealRound, seedOf } from '../../src/rounds/draw/seal.ts';
import { finishRound } from '../../src/rounds/draw/transcript.ts';
import { linesOf } from './files.ts';
import { CHAIN, createLedger, lottery, playRound, sealedAt, wants } from './release.ts';

const manifest = lottery({ 'hall-1': { senior: 1, open: 2 }, 'hall-2': { open: 1 } });
const rows = Array.from({ length: 500 }, (_, i) =>
  wants(`person ${i}`, i % 2 === 0 ? [0, 1] : [1], {
    size: 1 + (i % 3),
    categories: i % 5 === 0 ? ['senior'] : [],
  }),
);

test('every line is canonical JSON', async () => {
  const { bytes } = await playRound(createLedger(manifest), rows);
  for (const line of linesOf(bytes)) expect(jcs(JSON.parse(line))).toBe(line);
});

test('a finished round is the same bytes in gzip, and moves the ledger on', async () => {
  const plain = await playRound(createLedger(manifest), rows);
  const ledger = createLedger(manifest);
  const table = buildEntryTable(manifest, rows.toReversed());
  const seal = sealRound({ ledger, table, since, cutAt: sealedAt(0) });
  const beacon = await hashChainBeacon(CHAIN).value(seal.beacon);
  if (beacon === 'NOT_YET') throw new Error('a hash chain always has a value');
  const drawn = drawRound({ ledger, table, since, seed: seedOf(manifest.beacon, seal, beacon) });
  const transcript: Buffer[] = [];
  const finished = await finishRound(
    { ledger, table, since, seal, beacon, drawn },
    async (chunk, number) => transcript.push(chunk) === number + 1,
  );
  const { record, digest } = finished!;
  expect(gunzipSync(Buffer.concat(transcript)).equals(plain.bytes)).toBe(true);
  expect(record).toEqual(plain.record);
  expect(digest).toBe(plain.digest);
  expect(digest).toBe(sha256(Buffer.from(jcs(record))).toString('hex'));
  expect(ledger).toMatchObject({ nextRound: 1, previousDigest: digest, previousBeacon: beacon });
});

test('nothing in it tells when anybody entered, or who they are', async () => {
  const { bytes } = await playRound(createLedger(manifest), rows.slice(0, 1));
  const entry: unknown = JSON.parse(linesOf(bytes)[4]!);
  expect(Object.keys(entry as object)).toEqual([
    'cats',
    'entry',
    'key',
    'kind',
    'leaf',
    'pool',
    'prefs',
    'size',
    'slot',
  ]);
});
