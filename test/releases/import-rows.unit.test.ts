/** CSV with a directory, and with sessions of its rows' own. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRefusal } from '../../src/refusal.ts';
import {
  importPlaces,
  type ImportTerms,
  NO_PLACES,
  type Places,
} from '../../src/releases/import.ts';
import { monotonicMs } from '../../src/lib/clock.ts';
import { granted, IMPORT_TERMS, placesOf } from '../support/engine.ts';

type Row = Readonly<Record<string, string>>;
const BARE: Row = { centre_id: '6291', centre_name: 'Ranjangaon', seats: '4' };
const LISTED: Row = {
  ...BARE,
  state_id: '21',
  state_name: 'Maharashtra',
  district_id: '363',
  district_name: 'Pune',
  pincode: '412209',
};
const quoted = (cell: string): string => `"${cell.replaceAll('"', '""')}"`;
/** All rows have the columns of the first. */
const csvOf = (rows: readonly Row[]): string => {
  const columns = Object.keys(rows[0] ?? {});
  const lines = rows.map((row) => columns.map((column) => quoted(row[column] ?? '')).join(','));
  return [columns.join(','), ...lines].join('\n');
};
const imported = (
  rows: readonly Row[] | string,
  terms: Partial<ImportTerms> = {},
  places: Places = NO_PLACES,
) =>
  placesOf(
    importPlaces(places, typeof rows === 'string' ? rows : csvOf(rows), {
      ...IMPORT_TERMS,
      ...terms,
    }),
  );
const reasons = (
  rows: readonly Row[] | string,
  terms: Partial<ImportTerms> = {},
  places = NO_PLACES,
): readonly (readonly [line: number, reason: string])[] => {
  const refusal = imported(rows, terms, places);
  if (!isRefusal(refusal)) throw new Error('nothing was refused');
  expect(refusal.refused).toBe('IMPORT_INVALID');
  const bad = refusal.extra?.['rows'] as { line: number; reason: string }[];
  return bad.map(({ line, reason }) => [line, reason]);
};
const seatsOf = ({ slots }: Places): number =>
  slots.flatMap(({ pools }) => pools).reduce((sum, { seats }) => sum + seats, 0);
const idsOf = (places: Places) => places.sessions.map(({ session }) => session);

describe('a directory', () => {
  it('comes with its centre, with what a row may leave out said for it', () => {
    const { centres } = granted(imported([LISTED]));
    expect(centres).toStrictEqual([
      {
        centre: '6291',
        name: 'Ranjangaon',
        directory: {
          state_id: 21,
          state_name: 'Maharashtra',
          district_id: 363,
          district_name: 'Pune',
          block_name: '',
          pincode: 412_209,
          address: '',
          lat: 0,
          long: 0,
          from: '09:00',
          to: '17:00',
          fee_type: 'Free',
        },
      },
    ]);
  });

  it('has degrees rounded to whole ones, also south of the equator', () => {
    const more = { block_name: 'Shirur', address: 'Main Road, 3', lat: '-0.4', long: '74.24' };
    const times = { opens: '08:30', closes: '20:00', fee_type: 'Paid' };
    const { centres } = granted(imported([{ ...LISTED, ...more, ...times }]));
    expect(centres[0]?.directory).toMatchObject({
      block_name: 'Shirur',
      address: 'Main Road, 3',
      lat: 0,
      long: 74,
      from: '08:30',
      to: '20:00',
      fee_type: 'Paid',
    });
    expect(Object.is(centres[0]?.directory?.lat, 0)).toBe(true);
    const south = granted(imported([{ ...LISTED, lat: '-33.9' }]));
    expect(south.centres[0]?.directory?.lat).toBe(-34);
  });

  it('leaves no trace where none is imported', () => {
    const { centres, sessions } = granted(imported([{ ...BARE, address: 'Main Road' }]));
    expect(centres).toStrictEqual([{ centre: '6291', name: 'Ranjangaon' }]);
    expect(sessions[0]).not.toHaveProperty('fee');
  });

  it.each(['state_id', 'state_name', 'district_id', 'district_name', 'pincode'])(
    'is whole: %s alone is not enough',
    (column) => {
      const others = Object.keys(LISTED).filter((one) => !(one in BARE) && one !== column);
      expect(reasons([{ ...BARE, [column]: '1' }])).toEqual([
        [1, `the header lacks ${others.join(', ')}`],
      ]);
    },
  );

  it.each([
    ['state_id', '', 'a whole number from 1 to 999'],
    ['state_id', '1000', 'a whole number from 1 to 999'],
    ['state_id', '1e2', 'a whole number from 1 to 999'],
    ['state_name', '', '1 to 60 characters'],
    ['district_id', '0', 'a whole number from 1 to 99999'],
    ['district_name', 'x'.repeat(61), '1 to 60 characters'],
    ['pincode', '41220', 'a whole number from 100000 to 999999'],
    ['pincode', '412 209', 'a whole number from 100000 to 999999'],
    ['block_name', 'x'.repeat(61), '0 to 60 characters'],
    ['address', 'x'.repeat(201), '0 to 200 characters'],
    ['lat', '91', 'a whole number from -90 to 90'],
    ['lat', 'north', 'a whole number from -90 to 90'],
    ['long', '-181', 'a whole number from -180 to 180'],
    ['opens', '9:00', 'a time as in 09:00'],
    ['closes', '24:00', 'a time as in 09:00'],
    ['fee_type', 'free', 'Free or Paid'],
  ])('is refused where %s is "%s"', (column, cell, wanted) => {
    expect(reasons([{ ...LISTED, [column]: cell }])).toEqual([[2, `${column} is not ${wanted}`]]);
  });

  it.each(['0', '0629', '1234567890', 'hall-3'])('is not for the centre id %s', (centre_id) => {
    const whole = 'a whole number from 1 to 999999999';
    expect(reasons([{ ...LISTED, centre_id }])).toEqual([[2, `the centre id is not ${whole}`]]);
    expect(isRefusal(imported([{ ...BARE, centre_id }]))).toBe(false);
  });

  it.each([
    ['centre_name', 'the name'],
    ['state_name', 'state_name'],
    ['district_name', 'district_name'],
    ['block_name', 'block_name'],
    ['address', 'address'],
    ['vaccine', 'vaccine'],
  ])('has no formula, and nothing that cannot be seen, in %s', (column, name) => {
    for (const text of ['=1+1', '+91', '-2', '@cmd'])
      expect(reasons([{ ...LISTED, [column]: text }])).toEqual([
        [2, `${name} is a formula: it begins with =, +, - or @`],
      ]);
    for (const text of ['a\0b', 'a\nb', 'a\u202Eb', 'a\u2028b'])
      expect(reasons([{ ...LISTED, [column]: text }])[0]?.[1]).toBe(
        `${name} is a text with control characters`,
      );
    expect(isRefusal(imported([{ ...LISTED, [column]: 'पुणे क्‍ष' }]))).toBe(false);
  });
});

describe('one centre', () => {
  const another = { ...LISTED, dose: '2' };
  const first = { ...LISTED, dose: '1' };

  it.each([
    ['name', { centre_name: 'Kendur' }],
    ['pincode', { pincode: '412210' }],
    ['state_name', { state_name: 'Goa' }],
  ])('has one %s, in a file and over imports', (member, change) => {
    expect(reasons([first, { ...another, ...change }])).toEqual([
      [3, `${member} of centre 6291 differs from line 2`],
    ]);
    const before = granted(imported([first]));
    expect(reasons([{ ...another, ...change }], {}, before)).toEqual([
      [2, `${member} of centre 6291 differs from an earlier import`],
    ]);
  });

  it('is in a district with one name, and that in one state', () => {
    const elsewhere = { ...LISTED, centre_id: '6303' };
    expect(reasons([LISTED, { ...elsewhere, district_name: 'Poona' }])).toEqual([
      [3, 'district_name of district 363 differs from line 2'],
    ]);
    expect(reasons([LISTED, { ...elsewhere, state_name: 'Goa' }])).toEqual([
      [3, 'state_name of state 21 differs from line 2'],
    ]);
    expect(reasons([LISTED, { ...elsewhere, state_id: '22', state_name: 'Goa' }])).toEqual([
      [3, 'state_id of district 363 differs from line 2'],
    ]);
  });

  it('keeps its directory when more is imported without, and may get it later', () => {
    const listed = granted(imported([LISTED]));
    const both = granted(imported([BARE], { dose: 2 }, listed));
    expect(both.centres).toEqual(listed.centres);
    const bare = granted(imported([BARE]));
    expect(granted(imported([LISTED], { dose: 2 }, bare)).centres).toEqual(listed.centres);
  });
});

describe('sessions of their own', () => {
  const row = (more: Row): Row => ({
    ...BARE,
    date: '',
    vaccine: '',
    dose: '',
    min_age: '',
    max_age: '',
    bands: '',
    fee: '',
    ...more,
  });

  it('say for their rows what the terms say for the others', () => {
    const terms = { service: 'COVAXIN', dose: 2, minAge: 45, maxAge: 60 };
    const own = {
      date: '2099-02-03',
      vaccine: 'Sputnik V',
      dose: '1',
      min_age: '18',
      max_age: '44',
      bands: '14:00-15:00;09:00-10:00',
      fee: '1145',
    };
    const { sessions, slots } = granted(imported([row({}), row(own)], terms));
    const shared = { centre: '6291' };
    expect(sessions).toStrictEqual([
      {
        ...shared,
        session: '6291-20990101-d2',
        date: '2099-01-01',
        service: 'COVAXIN',
        dose: 2,
        min_age: 45,
        max_age: 60,
      },
      {
        ...shared,
        session: '6291-20990203-sputnik-v-18-d1',
        date: '2099-02-03',
        service: 'Sputnik V',
        dose: 1,
        min_age: 18,
        max_age: 44,
        fee: 1145,
      },
    ]);
    expect(slots.map(({ slot, from, to }) => [slot, from, to])).toEqual([
      ['6291-20990101-d2-0900', '09:00', '11:00'],
      ['6291-20990203-sputnik-v-18-d1-0900', '09:00', '10:00'],
      ['6291-20990203-sputnik-v-18-d1-1400', '14:00', '15:00'],
    ]);
  });

  it('have ids of at most 48 characters, whatever the vaccine is called', () => {
    const centre_id = 'c'.repeat(20);
    const named = (vaccine: string) =>
      idsOf(granted(imported([row({ centre_id, vaccine, min_age: '100' })])))[0] ?? '';
    expect(named('COVISHIELD (Oxford)')).toBe(`${centre_id}-20990101-covishield-100-d1`);
    expect(named('Sputnik M V')).toBe(`${centre_id}-20990101-sputnik-m-100-d1`);
    expect(named('कोविशील्ड')).toMatch(/^c{20}-20990101-[0-9a-f]{10}-100-d1$/);
    expect(named('कोविशील्ड')).not.toBe(named('कोवैक्सिन'));
    expect(named('COVISHIELD').length).toBeLessThanOrEqual(48);
  });

  it('let a centre stand on several lines, each with another session', () => {
    const rows = [
      row({}),
      row({ dose: '2' }),
      row({ date: '2099-01-02' }),
      row({ vaccine: 'COVAXIN' }),
      row({ min_age: '45' }),
      row({ dose: '2', max_age: '60' }),
    ];
    const places = granted(imported(rows));
    expect(places.centres).toHaveLength(1);
    expect(idsOf(places)).toEqual([
      '6291-20990101-d1',
      '6291-20990101-d2',
      '6291-20990102-d1',
      '6291-20990101-covaxin-0-d1',
      '6291-20990101-covishield-45-d1',
      '6291-20990101-covishield-0-d2',
    ]);
    expect(idsOf(granted(imported(rows.toReversed()))).toReversed()).toEqual(idsOf(places));
  });

  it('are not repeated, nor by other words or under one id', () => {
    const session = 'session 6291-20990101-covishield-0-d1';
    expect(reasons([row({ dose: '1' }), row({ date: '2099-01-01' })])).toEqual([
      [3, 'session 6291-20990101-d1 repeats line 2'],
    ]);
    expect(reasons([row({}), row({ vaccine: 'COVISHIELD' })])).toEqual([
      [3, `${session} repeats line 2`],
    ]);
    expect(
      reasons([row({ vaccine: 'COVISHIELD', max_age: '44' }), row({ vaccine: 'COVISHIELD' })]),
    ).toEqual([[3, `${session} repeats line 2`]]);
    const closed = row({ seats: '0' });
    expect(reasons([closed, row({})])).toEqual([[3, 'session 6291-20990101-d1 repeats line 2']]);
    const before = granted(imported([row({ vaccine: 'COVISHIELD' })]));
    expect(reasons([row({ vaccine: 'COVISHIELD' })], {}, before)).toEqual([
      [2, `${session} was imported before`],
    ]);
  });

  it.each([
    ['date', '01-02-2099', 'date is not a day as in 2026-11-22'],
    ['date', '2099-02-30', 'date is not a day as in 2026-11-22'],
    ['vaccine', 'x'.repeat(61), 'vaccine is not 1 to 60 characters'],
    ['dose', '0', 'dose is not a whole number from 1 to 9'],
    ['dose', 'first', 'dose is not a whole number from 1 to 9'],
    ['min_age', '131', 'min_age is not a whole number from 0 to 130'],
    ['max_age', '-1', 'max_age is not a whole number from 0 to 130'],
    ['max_age', '17', 'max_age is below min_age'],
    ['bands', '9-11', 'bands: not time bands as in 09:00-11:00,11:00-13:00'],
    ['bands', '11:00-09:00', 'bands: a band ends after it begins'],
    ['bands', '09:00-10:00;09:00-11:00', 'bands: bands begin at different times'],
    ['fee', '100001', 'fee is not a whole number from 0 to 100000'],
    ['fee', '12.50', 'fee is not a whole number from 0 to 100000'],
  ])('are refused where %s is "%s"', (column, cell, reason) => {
    expect(reasons([row({ [column]: cell })], { minAge: 18 })).toEqual([[2, reason]]);
  });

  it('need a date from somewhere', () => {
    expect(reasons([row({})], { date: undefined })).toEqual([
      [2, expect.stringContaining('no date, and no other was said (--date')],
    ]);
    expect(isRefusal(imported([row({ date: '2099-01-01' })], { date: undefined }))).toBe(false);
  });

  it('keep every seat, whatever the rows', () => {
    const hours = fc.uniqueArray(fc.integer({ min: 0, max: 23 }), { minLength: 1, maxLength: 24 });
    const bandsOf = (chosen: readonly number[]) =>
      chosen
        .map((hour) => String(hour).padStart(2, '0'))
        .map((hour) => `${hour}:00-${hour}:30`)
        .join(';');
    const session = fc.record({
      centre_id: fc.integer({ min: 1, max: 5 }).map(String),
      date: fc.constantFrom('', '2099-01-01', '2099-01-02'),
      vaccine: fc.constantFrom('', 'COVISHIELD', 'COVAXIN'),
      dose: fc.constantFrom('', '1', '2'),
      min_age: fc.constantFrom('', '0', '18', '45'),
      seats: fc.nat(1_000).map(String),
      bands: hours.map(bandsOf),
    });
    const same = ({ centre_id, date, vaccine, dose, min_age }: Row): string =>
      [
        centre_id,
        date || '2099-01-01',
        vaccine || 'COVISHIELD',
        dose || '1',
        min_age || '0',
      ].join();
    const rows = fc.uniqueArray(session, { minLength: 1, maxLength: 40, selector: same });
    fc.assert(
      fc.property(rows, (all) => {
        const places = granted(imported(all.map((one) => ({ ...row(one), centre_name: 'C' }))));
        expect(seatsOf(places)).toBe(all.reduce((sum, { seats }) => sum + Number(seats), 0));
        const open = all.filter(({ seats }) => seats !== '0').length;
        expect(new Set(idsOf(places)).size).toBe(open);
        expect(places.slots.every(({ pools }) => pools.every(({ seats }) => seats > 0))).toBe(true);
      }),
    );
  });
});

describe('a whole file', () => {
  it('has every bad row told, those that cannot be read and those that contradict others', () => {
    const rows = [
      { ...LISTED, dose: '1', vaccine: '' },
      { ...LISTED, dose: '7', pincode: 'none' },
      { ...LISTED, dose: '1' },
      { ...LISTED, dose: '2', centre_name: '=cmd' },
      { ...LISTED, dose: '3', vaccine: 'ZYCOV-D', pincode: '412210' },
      { ...LISTED, dose: '2', vaccine: 'ZYCOV-D' },
    ];
    expect(reasons(rows).map(([line]) => line)).toEqual([3, 4, 5, 6]);
  });

  it('gives no dose that its vaccine does not have, except with no seats', () => {
    const rows = [
      { ...BARE, vaccine: 'covishield ', dose: '3' },
      { ...BARE, vaccine: 'COVISHIELD', dose: '2' },
      { ...BARE, vaccine: 'Sputnik Light', dose: '2' },
      { ...BARE, vaccine: 'ZYCOV-D', dose: '3' },
      { ...BARE, vaccine: 'SPUTNIK V', dose: '3', seats: '0' },
      { ...BARE, vaccine: 'Screening', dose: '9' },
    ];
    expect(reasons(rows)).toEqual([
      [2, 'COVISHIELD has no dose 3'],
      [4, 'SPUTNIK LIGHT has no dose 2'],
    ]);
  });

  it('may have a byte order mark, CRLF, quotes and its columns in any order', () => {
    const csv = `\uFEFF${csvOf([{ fee: '0', ...LISTED, address: '"Hall", 3' }])}\r\n`.replaceAll(
      /\r?\n/g,
      '\r\n',
    );
    const { centres, sessions } = granted(imported(csv));
    expect(centres[0]?.directory?.address).toBe('"Hall", 3');
    expect(sessions[0]?.fee).toBe(0);
  });

  it('has no more slots and no more centres than a release holds', () => {
    const header = 'centre_id,centre_name,seats,dose,date\n';
    const centres = (count: number): string =>
      header + Array.from({ length: count }, (_row, i) => `${i + 1},A,1,1,2099-01-01`).join('\n');
    const day = (i: number): string =>
      new Date(Date.UTC(2099, 0, 1 + i)).toISOString().slice(0, 10);
    const slots = (count: number): string =>
      header + Array.from({ length: count }, (_row, i) => `1,A,2,1,${day(i)}`).join('\n');
    const bands = [...IMPORT_TERMS.bands, { from: '11:00', to: '13:00' }];
    const many = 'a release holds at most 20000 slots and 10000 centres';
    expect(granted(imported(centres(10_000))).centres).toHaveLength(10_000);
    expect(reasons(centres(10_001))).toEqual([[1, many]]);
    expect(granted(imported(slots(10_000), { bands })).slots).toHaveLength(20_000);
    expect(reasons(slots(10_001), { bands })).toEqual([[1, many]]);
  });

  it('has each column that is read once', () => {
    expect(reasons('centre_id,centre_name,seats,dose,dose\n1,A,1,1,2')).toEqual([
      [1, 'the header has dose more than once'],
    ]);
    expect(isRefusal(imported('centre_id,centre_name,seats,x,x\n1,A,1,1,2'))).toBe(false);
  });

  it('has up to 64 columns, in every row, whatever its lines end with', () => {
    const cells = (count: number): string => ',"x, ""y"",\n"'.repeat(count);
    const head = `centre_id,centre_name,seats${cells(61)}`;
    expect(
      granted(imported(`${head}\n1,A,1${cells(61)}\r\n2,B,1${cells(61)}`)).centres,
    ).toHaveLength(2);
    const wide = 'more than 64 columns';
    expect(reasons(`${head},\n1,A,1`)).toEqual([[62, wide]]);
    for (const end of ['\n', '\r', '\r\n'])
      expect(reasons(`${head}${end}1,A,1${end}"${end}",2${','.repeat(63)}${end}`)).toEqual([
        [65, wide],
      ]);
  });

  it('is read in bounded time, however long it is', () => {
    const header = 'centre_id,centre_name,seats,dose\n';
    const length = 2 ** 22 - header.length;
    const day = Array.from({ length: 24 }, (_hour, hour) => String(hour).padStart(2, '0'));
    const bands = day.map((hour) => ({ from: `${hour}:00`, to: `${hour}:30` }));
    const files = {
      rubbish: ['x\n'.repeat(length / 2), /^more than 20000 rows$/],
      header: [undefined, /^more than 64 columns$/],
      quotes: [`"${'""'.repeat(length / 2)}`, /quote/i],
      sessions: [
        Array.from({ length: 20_000 }, (_row, i) => `${i + 1},A,1000000,1`).join('\n'),
        /^a release holds at most 20000 slots/,
      ],
      'bad rows': [Array.from({ length: 20_000 }, () => '1,A,1,x').join('\n'), /^dose is not/],
    } as const;
    for (const [name, [rows, reason]] of Object.entries(files)) {
      const startMs = monotonicMs();
      const bad = reasons(rows === undefined ? ','.repeat(length) : `${header}${rows}`, { bands });
      expect(monotonicMs() - startMs, name).toBeLessThan(5_000);
      expect(bad[0]?.[1], name).toMatch(reason);
    }
  });
});
