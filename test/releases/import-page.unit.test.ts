/** What docs/import.md shows is imported as it stands. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { importCalendar, importPlaces, NO_PLACES } from '../../src/releases/import.ts';
import { granted, IMPORT_TERMS, placesOf } from '../support/engine.ts';

const page = readFileSync(new URL('../../docs/import.md', import.meta.url), 'utf8');

it('the CSV', () => {
  const csv = present(page.match(/^ {4}centre_id.*(?:\n {4}.*)+/m)?.[0], 'the example');
  const terms = { ...IMPORT_TERMS, minAge: 45, date: undefined };
  const { centres, sessions } = granted(placesOf(importPlaces(NO_PLACES, csv, terms)));
  expect(centres.map(({ directory }) => directory?.pincode)).toEqual([412_209, 411_004]);
  expect(sessions.map(({ session, fee }) => [session, fee])).toEqual([
    ['6291-20270411-covishield-45-d1', undefined],
    ['6291-20270411-covishield-45-d2', undefined],
    ['7001-20270412-covaxin-18-d1', 250],
  ]);
});

it('the reply', () => {
  const reply = present(page.match(/```json\n(.*?)```/s)?.[1], 'the example');
  const { centers } = JSON.parse(reply) as { centers: unknown[] };
  const terms = { stateId: 21, districtId: 376 };
  const { sessions } = granted(placesOf(importCalendar(NO_PLACES, centers, terms)));
  expect(sessions.map(({ session, fee }) => [session, fee])).toEqual([
    ['3fa85f64-5717-4562-b3fc-2c963f66afa6-d1', 250],
    ['3fa85f64-5717-4562-b3fc-2c963f66afa6-d2', 250],
  ]);
});
