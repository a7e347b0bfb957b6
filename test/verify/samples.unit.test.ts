import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { forgeriesOf } from './corpus.ts';
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
