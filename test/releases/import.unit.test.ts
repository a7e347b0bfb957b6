import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  importPlaces,
  type ImportTerms,
  NO_PLACES,
  type Places,
} from '../../src/releases/import.ts';
import { isRefusal } from '../../src/refusal.ts';
import { granted, IMPORT_TERMS, placesOf } from '../support/engine.ts';

const HEADER = 'centre_id,centre_name,seats';
const imported = (csv: string, terms: Partial<ImportTerms> = {}, places: Places = NO_PLACES) =>
  placesOf(importPlaces(places, csv, { ...IMPORT_TERMS, ...terms }));
type BadRow = { readonly line: number; readonly reason: string };
const badRows = (csv: string, terms: Partial<ImportTerms> = {}): BadRow[] => {
  const refusal = imported(csv, terms);
  if (!isRefusal(refusal)) throw new Error('nothing was refused');
  expect(refusal.refused).toBe('IMPORT_INVALID');
  return refusal.extra?.['rows'] as BadRow[];
};
const seatsOf = ({ slots }: Places): number =>
  slots.flatMap(({ pools }) => pools).reduce((sum, { seats }) => sum + seats, 0);
const TWO_BANDS = [
  { from: '09:00', to: '11:00' },
  { from: '11:00', to: '13:00' },
];

describe('a CSV', () => {
  it('becomes centres, sessions and slots, the earliest band taking the odd seat', () => {
    const places = granted(imported(`${HEADER}\nA1,Ward 1,5\n`, { bands: TWO_BANDS }));
    expect(places.centres).toEqual([{ centre: 'a1', name: 'Ward 1' }]);
    expect(places.sessions).toEqual([
      {
        session: 'a1-20990101-d1',
        centre: 'a1',
        date: '2099-01-01',
        service: 'COVISHIELD',
        dose: 1,
        min_age: 0,
        max_age: null,
      },
    ]);
    const slot = { session: 'a1-20990101-d1', ...TWO_BANDS[0] };
    expect(places.slots).toEqual([
      { ...slot, slot: 'a1-20990101-d1-0900', pools: [{ pool: 'open', seats: 3 }] },
      {
        ...slot,
        ...TWO_BANDS[1],
        slot: 'a1-20990101-d1-1100',
        pools: [{ pool: 'open', seats: 2 }],
      },
    ]);
  });

  it('keeps every seat, whatever the numbers and bands', () => {
    const band = fc.integer({ min: 0, max: 23 });
    const bands = fc.uniqueArray(band, { minLength: 1, maxLength: 24 });
    fc.assert(
      fc.property(fc.array(fc.nat(1_000), { minLength: 1 }), bands, (seats, hours) => {
        const rows = seats.map((count, i) => `c${i},Centre,${count}`);
        const places = imported([HEADER, ...rows].join('\n'), {
          bands: hours.map((hour) => {
            const from = `${String(hour).padStart(2, '0')}:00`;
            return { from, to: from.replace(':00', ':30') };
          }),
        });
        expect(seatsOf(granted(places))).toBe(seats.reduce((sum, count) => sum + count));
      }),
    );
  });

  it('may have quotes, a byte order mark, CRLF, blank lines and further columns', () => {
    const csv = '\uFEFFward,seats,centre_name,centre_id\r\n\r\n3, 7 ,"Ward ""3"", Pune", b-2 \r\n';
    const places = granted(imported(csv));
    expect(places.centres).toEqual([{ centre: 'b-2', name: 'Ward "3", Pune' }]);
    expect(seatsOf(places)).toBe(7);
  });

  it('may name its columns otherwise, as that of Pune on 10 April 2021 does', () => {
    const file = new URL('../../bench/data/pune-2021-04-10.csv', import.meta.url);
    const csv = readFileSync(file, 'utf8');
    const columns = { centre: 'site_id', name: 'site_name', seats: 'doses_given' };
    const places = granted(imported(csv, { columns }));
    expect(places.centres.length).toBeGreaterThan(100);
    expect(seatsOf(places)).toBeGreaterThan(places.centres.length);
  });

  it('leaves out centres that have no seats', () => {
    const places = granted(imported(`${HEADER}\na,Closed,0\nb,Open,1\n`));
    expect(places.centres).toEqual([{ centre: 'b', name: 'Open' }]);
  });

  it('adds to what was imported for another day or dose, and never twice the same', () => {
    const first = granted(imported(`${HEADER}\na,Alpha,1\n`));
    const second = granted(imported(`${HEADER}\na,Alpha,2\n`, { dose: 2 }, first));
    expect(second.slots).toHaveLength(2);
    expect(second.centres).toHaveLength(1);
    expect(imported(`${HEADER}\nb,Beta,1\na,Alpha,3\n`, {}, second)).toMatchObject({
      refused: 'IMPORT_INVALID',
      extra: { rows: [{ line: 3, reason: 'session a-20990101-d1 was imported before' }] },
    });
  });
});

describe('a CSV with faults', () => {
  it('is refused with every bad row by its line, and nothing is imported', () => {
    const csv = [
      HEADER,
      'a,Alpha,1',
      '-b,Beta,1',
      'c,,1',
      '',
      'd,Delta,-1',
      'e,Epsilon,1.5',
      'f,Phi,many',
      'g,Gamma,1000001',
      'h,Eta,1,2',
      'A,Alpha again,1',
      `i,${'x'.repeat(121)},1`,
      'j,Iota,2',
    ].join('\n');
    const rows = badRows(csv);
    expect(rows.map(({ line }) => line)).toEqual([3, 4, 6, 7, 8, 9, 10, 11, 12]);
    expect(rows.map(({ reason }) => reason)).toEqual([
      'the centre id is not 1 to 20 letters, digits or hyphens',
      'the name is not 1 to 120 characters',
      ...Array.from({ length: 4 }, () => 'the seats are not a whole number from 0 to 1000000'),
      'another number of columns than the header',
      'the centre id stands on line 2 already',
      'the name is not 1 to 120 characters',
    ]);
  });

  it('has all of them listed, hundreds too, and their number said', () => {
    const csv = [HEADER, ...Array.from({ length: 250 }, () => 'x y,Name,1')].join('\n');
    expect(badRows(csv).map(({ line }) => line)).toEqual(
      Array.from({ length: 250 }, (_row, i) => i + 2),
    );
    expect(imported(csv)).toMatchObject({ detail: '250 bad rows' });
  });

  it('has a thousand of them listed at most, whatever is wrong', () => {
    const rows = (row: (at: number) => string): string =>
      [HEADER, ...Array.from({ length: 1_500 }, (_row, at) => row(at))].join('\n');
    const unreadable = rows(() => 'x y,Name,1');
    expect(badRows(unreadable)).toHaveLength(1_000);
    const good = rows((at) => `c${at},Name,1`);
    const places = granted(imported(good));
    const again = imported(good, {}, places);
    expect(again).toMatchObject({ refused: 'IMPORT_INVALID', detail: '1000 bad rows' });
    const mixed = rows((at) => (at < 999 ? 'x y,Name,1' : `c${at},Name,1`));
    expect(imported(mixed, {}, places)).toMatchObject({ detail: '1000 bad rows' });
  });

  it.each([
    ['no rows', HEADER, 'no rows below the header'],
    ['nothing', '', 'the header lacks centre_id, centre_name, seats'],
    ['another header', 'centre,name,seats\na,b,1', 'the header lacks centre_id, centre_name'],
  ])('that has %s is refused at line 1', (_what, csv, reason) => {
    expect(badRows(csv)).toEqual([{ line: 1, reason }]);
  });

  it('that is no CSV is refused where it breaks', () => {
    const rows = badRows(`${HEADER}\na,Alpha,1\nb,"Beta,1\n`);
    expect(rows).toHaveLength(1);
    expect(rows[0]?.line).toBeGreaterThan(2);
  });

  it('that has more slots than a release may have is refused', () => {
    const rows = Array.from({ length: 10_001 }, (_row, i) => `c${i},Centre,2`);
    expect(badRows([HEADER, ...rows].join('\n'), { bands: TWO_BANDS })).toEqual([
      { line: 1, reason: 'a release holds at most 20000 slots and 10000 centres' },
    ]);
  });
});
