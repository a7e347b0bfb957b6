import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { verifyChain } from '../../src/rounds/verify/verify.ts';
import { file } from '../rounds/files.ts';
import { findPython } from '../support/python.ts';
import { forgeriesOf } from './corpus.ts';
import { source, verifyDraw } from './page-files.ts';
import { SAMPLES } from './samples.ts';

const folder = new URL('../../verify/samples/', import.meta.url);

test.each(SAMPLES)('the sample $name is the one that is handed out', ({ name, files, digest }) => {
  for (const [round, bytes] of files.entries()) {
    const packed = readFileSync(new URL(`${name}/round-${round}.ndjson.gz`, folder));
    expect(gunzipSync(packed).equals(bytes)).toBe(true);
  }
  expect(readFileSync(new URL('README.md', folder), 'utf8')).toContain(digest);
});

test.each(SAMPLES)('the sample $name has everything that a release can have', ({ files }) => {
  const text = files.map(String).join('');
  for (const part of [
    '"kind":"offer"',
    '"size":4',
    '"pool":"elder"',
    '"pool":"frontline"',
    '"slot":null',
    '"lost":[[',
    '"closed":["',
    '"cancelled":["',
    '"expired":["',
    '"withdrawn":["',
  ])
    expect(text).toContain(part);
});

test.each(SAMPLES)('each forgery of the sample $name is one, and is like no other', (sample) => {
  const forgeries = forgeriesOf(sample);
  expect(forgeries.length).toBeGreaterThan(100);
  const told = forgeries.map(({ files }) =>
    files.map(({ bytes }) => bytes.toString('base64')).join('|'),
  );
  expect(new Set(told).size).toBe(forgeries.length);
  expect(told).not.toContain(sample.files.map((bytes) => bytes.toString('base64')).join('|'));
});

test('no verifier says of files alone that a seal is older than the public value that it names', async () => {
  const { name, files } = SAMPLES.find((sample) => sample.name === 'drand')!;
  const script = fileURLToPath(new URL('../../verify/verify_draw.py', import.meta.url));
  const packed = files.map((_, round) =>
    fileURLToPath(new URL(`${name}/round-${round}.ndjson.gz`, folder)),
  );
  const reports = [
    await verifyChain(files.map((bytes, round) => file(`${round}`, bytes))),
    JSON.parse(execFileSync(findPython(), [script, '--json', ...packed], { encoding: 'utf8' })),
    (await verifyDraw(files.map((bytes, round) => source(`${round}`, bytes)))).report,
  ] as { checked: string[]; notChecked: string[] }[];
  const untold = 'that the seals are older than their values';
  for (const { checked } of reports) expect(checked.join()).not.toMatch(/in advance|was known/);
  // The page says it of every release, under what no program can see.
  for (const { notChecked } of reports.slice(0, 2)) expect(notChecked.join()).toContain(untold);
});
