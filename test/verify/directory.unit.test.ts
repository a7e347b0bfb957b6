/** What a manifest says of centres for people is nothing to a draw: every verifier takes it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { PUNE, puneCalendar } from '../../bench/support/calendar.ts';
import { importCalendar, NO_PLACES } from '../../src/releases/import.ts';
import { LotteryManifest } from '../../src/releases/manifest.ts';
import { verifyChain } from '../../src/rounds/verify/verify.ts';
import { file } from '../rounds/files.ts';
import { createLedger, lottery, playRound, wants } from '../rounds/release.ts';
import { granted, placesOf } from '../support/engine.ts';
import { findPython } from '../support/python.ts';
import { source, verifyDraw } from './page-files.ts';

const directory = mkdtempSync(join(tmpdir(), 'fairslot-directory-'));
afterAll(() => rmSync(directory, { recursive: true }));

test('all verifiers accept a round of a release with a directory and prices', async () => {
  const { centers } = puneCalendar('2099-09-17');
  const [first, ...others] = centers.filter(({ fee_type }) => fee_type === 'Paid').slice(0, 20);
  const south = { ...first, lat: -34, long: -58 };
  const places = granted(placesOf(importCalendar(NO_PLACES, [south, ...others], PUNE)));
  const manifest = LotteryManifest.parse({ ...lottery({}), ...places });
  expect(manifest.sessions[0]).toHaveProperty('fee');
  const { digest, bytes } = await playRound(
    createLedger(manifest),
    Array.from({ length: 40 }, (_, i) => wants(`citizen ${i}`, [i, i + 1])),
  );
  expect(await verifyChain([file('0', bytes)], { digest })).toMatchObject({ accepted: true });
  const page = await verifyDraw([source('0', bytes)], { digest });
  expect(page.report).toMatchObject({ accepted: true });
  const path = join(directory, '0.ndjson');
  writeFileSync(path, bytes);
  const script = join(import.meta.dirname, '../../verify/verify_draw.py');
  const python = spawnSync(findPython(), ['-B', script, '--json', '--digest', digest, path]);
  expect(JSON.parse(String(python.stdout))).toMatchObject({ accepted: true });
}, 60_000);
