/** A saved calendarByDistrict reply, as places. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CalendarCenter,
  type CalendarSession,
  PUNE,
  puneCalendar,
} from '../../bench/support/calendar.ts';
import { monotonicMs } from '../../src/lib/clock.ts';
import { jcs } from '../../src/lib/jcs.ts';
import { isRefusal } from '../../src/refusal.ts';
import { importCalendar, importPlaces, NO_PLACES, type Places } from '../../src/releases/import.ts';
import { importRequest } from '../../src/releases/import-command.ts';
import { granted, IMPORT_TERMS, placesOf } from '../support/engine.ts';

const UUID = '5E3F1C40-0C0F-4D0B-8E5A-2A0D3B1F6C01';
const uuid = (index: number): string =>
  `5e3f1c40-0c0f-4d0b-8e5a-${String(index).padStart(12, '0')}`;
const session = {
  session_id: UUID,
  date: '17-09-2021',
  available_capacity: 9,
  available_capacity_dose1: 5,
  available_capacity_dose2: 4,
  min_age_limit: 18,
  vaccine: 'COVISHIELD',
  slots: ['09:00AM-11:00AM', '11:00AM-01:00PM'] as unknown[],
};
const center = {
  center_id: 1234,
  name: 'District General Hospital',
  address: '45 M G Road',
  state_name: 'Maharashtra',
  district_name: 'Satara',
  block_name: 'Jaoli',
  pincode: 413_608,
  lat: 28.7,
  long: 77.1,
  from: '10:30:00',
  to: '15:30:00',
  fee_type: 'Paid',
  vaccine_fees: [{ vaccine: 'COVISHIELD', fee: '250' }],
  sessions: [session] as unknown[],
};
const TERMS = { stateId: 21, districtId: 376 };

const imported = (centers: readonly unknown[], places: Places = NO_PLACES) =>
  placesOf(importCalendar(places, centers, TERMS));
const ofSession = (change: object) =>
  imported([{ ...center, sessions: [{ ...session, ...change }] }]);
const problems = (answer: ReturnType<typeof imported>): readonly (readonly string[])[] => {
  if (!isRefusal(answer)) throw new Error('nothing was refused');
  expect(answer.refused).toBe('IMPORT_INVALID');
  const all = answer.extra?.['problems'] as { path: string; message: string }[];
  return all.map(({ path, message }) => [path, message]);
};
const seatsOf = ({ slots }: Places): number =>
  slots.flatMap(({ pools }) => pools).reduce((sum, { seats }) => sum + seats, 0);

describe('a reply', () => {
  it('becomes centres with their directory, a session a dose, and slots', () => {
    const { centres, sessions, slots } = granted(imported([center]));
    expect(centres).toStrictEqual([
      {
        centre: '1234',
        name: 'District General Hospital',
        directory: {
          state_id: 21,
          state_name: 'Maharashtra',
          district_id: 376,
          district_name: 'Satara',
          block_name: 'Jaoli',
          pincode: 413_608,
          address: '45 M G Road',
          lat: 29,
          long: 77,
          from: '10:30',
          to: '15:30',
          fee_type: 'Paid',
        },
      },
    ]);
    const id = UUID.toLowerCase();
    const facts = { centre: '1234', date: '2021-09-17', service: 'COVISHIELD' };
    const ages = { min_age: 18, max_age: null, fee: 250 };
    expect(sessions).toStrictEqual([
      { session: `${id}-d1`, ...facts, dose: 1, ...ages },
      { session: `${id}-d2`, ...facts, dose: 2, ...ages },
    ]);
    expect(slots.map(({ slot, from, to, pools }) => [slot, from, to, pools[0]?.seats])).toEqual([
      [`${id}-d1-0900`, '09:00', '11:00', 3],
      [`${id}-d1-1100`, '11:00', '13:00', 2],
      [`${id}-d2-0900`, '09:00', '11:00', 2],
      [`${id}-d2-1100`, '11:00', '13:00', 2],
    ]);
  });

  it('may lack what nobody needs, say null for it, quote numbers and have more', () => {
    const { address: _a, block_name: _b, vaccine_fees: _f, fee_type: _t, ...rest } = center;
    const loose = { ...rest, pincode: '413608', lat: null, from: '9:00', to: null, extra: [1] };
    const places = granted(imported([{ ...loose, center_id: '1234' }]));
    expect(places.centres[0]).toMatchObject({
      centre: '1234',
      directory: {
        address: '',
        block_name: '',
        lat: 0,
        from: '09:00',
        to: '17:00',
        fee_type: 'Free',
      },
    });
    expect(places.sessions[0]).not.toHaveProperty('fee');
  });

  it.each([
    [
      'dose 1 where no dose is named',
      { available_capacity_dose1: null, available_capacity_dose2: undefined },
      [9],
    ],
    ['one dose where only it is named', { available_capacity_dose1: null }, [undefined, 4]],
    ['a dose each', {}, [5, 4]],
    [
      'neither where there is none',
      { available_capacity_dose1: 0, available_capacity_dose2: 0 },
      [],
    ],
  ])('has its capacity for %s', (_what, change, [first, second]) => {
    const { sessions, slots } = granted(ofSession(change));
    const byDose = [1, 2].flatMap((dose) => {
      const own = sessions.filter((one) => one.dose === dose).map((one) => one.session);
      const seats = slots.filter((slot) => own.includes(slot.session));
      return own.length === 0
        ? []
        : [[dose, seats.reduce((sum, { pools }) => sum + (pools[0]?.seats ?? 0), 0)]];
    });
    expect(byDose).toEqual(
      [
        [1, first],
        [2, second],
      ].filter(([, seats]) => seats !== undefined),
    );
  });

  it('leaves out sessions without capacity, whatever else they say, and centres without sessions', () => {
    const none = { ...session, available_capacity: 0, available_capacity_dose1: 0 };
    const empty = { ...none, available_capacity_dose2: 0, slots: null, date: 'soon' };
    const other = { ...center, center_id: 5, sessions: [empty] };
    const { centres } = granted(
      imported([center, other, { ...other, center_id: 6, sessions: [] }]),
    );
    expect(centres.map(({ centre }) => centre)).toEqual(['1234']);
  });

  it.each([
    [{ max_age_limit: 44, allow_all_age: false }, 44],
    [{ max_age_limit: 44, allow_all_age: true }, null],
    [{ max_age_limit: null }, null],
    [{ max_age_limit: '44' }, 44],
  ])('with %j takes people up to %s', (change, max) => {
    expect(granted(ofSession(change)).sessions[0]?.max_age).toBe(max);
  });

  it.each([
    ['09:00AM-11:00AM', '09:00', '11:00'],
    ['12:00PM-12:30PM', '12:00', '12:30'],
    ['12:15AM-01:00AM', '00:15', '01:00'],
    ['3:00PM - 06:00PM', '15:00', '18:00'],
    ['09:00-17:30', '09:00', '17:30'],
    ['FORENOON', '09:00', '13:00'],
    ['Afternoon', '13:00', '17:00'],
  ])('has the slot %s from %s to %s, as a text or with its seats', (time, from, to) => {
    for (const slot of [time, { time, seats: 3 }])
      expect(granted(ofSession({ slots: [slot] })).slots[0]).toMatchObject({ from, to });
  });

  it('gives the same ids at every import, and is imported once', () => {
    const places = granted(imported([center]));
    expect(granted(imported([center]))).toEqual(places);
    expect(problems(imported([center], places))).toEqual([
      ['centers[0].sessions[0]', `session ${UUID.toLowerCase()}-d1 was imported before`],
      ['centers[0].sessions[0]', `session ${UUID.toLowerCase()}-d2 was imported before`],
    ]);
  });

  it('neither loses nor makes seats', () => {
    const capacity = fc.nat(2_000);
    const hours = fc.uniqueArray(fc.integer({ min: 1, max: 11 }), { minLength: 1 });
    const one = fc.tuple(capacity, capacity, hours);
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 20 }), (all) => {
        const sessions = all.map(([first, second, starts], index) => ({
          ...session,
          session_id: uuid(index),
          available_capacity: 1,
          available_capacity_dose1: first,
          available_capacity_dose2: second,
          slots: starts.map((hour) => `${hour}:00PM-${hour}:30PM`),
        }));
        const places = granted(imported([{ ...center, sessions }]));
        expect(seatsOf(places)).toBe(all.reduce((sum, [first, second]) => sum + first + second, 0));
      }),
    );
  });
});

describe('a reply with faults', () => {
  it.each([
    ['center_id', 0, 'not a whole number from 1 to 999999999'],
    ['center_id', 'hall', 'not a whole number from 1 to 999999999'],
    ['name', '', 'not 1 to 120 characters'],
    ['name', null, 'not a text'],
    ['name', '=1+1', 'a formula: it begins with =, +, - or @'],
    ['address', 'a\u0000b', 'a text with control characters'],
    ['address', '\ud800', 'a text with control characters'],
    ['state_name', 7, 'not a text'],
    ['district_name', undefined, 'not a text'],
    ['block_name', 'x'.repeat(61), 'not 0 to 60 characters'],
    ['pincode', 41_360, 'not a whole number from 100000 to 999999'],
    ['lat', 91, 'not a whole number from -90 to 90'],
    ['long', 'east', 'not a number'],
    ['from', 'early', 'not a time as in 09:00'],
    ['to', '25:00:00', 'not a time as in 09:00'],
    ['fee_type', 'Cheap', 'not Free or Paid'],
  ])('is refused where %s of a centre is %j', (member, value, message) => {
    const bad = imported([center, { ...center, center_id: 2, sessions: [], [member]: value }]);
    expect(problems(bad)).toEqual([[`centers[1].${member}`, message]]);
  });

  it.each([
    ['session_id', '1234', 'not a UUID'],
    ['date', '2021-09-17', 'not a day as in 17-09-2021'],
    ['date', '31-02-2021', 'not a day as in 2026-11-22'],
    ['available_capacity_dose1', -1, 'not a whole number from 0 to 1000000'],
    ['available_capacity_dose2', 1.5, 'not a whole number from 0 to 1000000'],
    ['min_age_limit', 131, 'not a whole number from 0 to 130'],
    ['max_age_limit', 17, 'below min_age_limit'],
    ['vaccine', '', 'not 1 to 60 characters'],
    ['vaccine', '@x', 'a formula: it begins with =, +, - or @'],
    ['slots', null, 'not a list of slots'],
    ['slots', [], 'not 1 to 24 time bands'],
    ['slots', ['11:00AM-09:00AM'], 'a band ends after it begins'],
    ['slots', ['09:00AM-10:00AM', '09:00AM-11:00AM'], 'bands begin at different times'],
    ['slots[0]', ['EVENING'], 'not a slot as in 09:00AM-11:00AM'],
    ['slots[0]', ['13:00PM-14:00PM'], 'not a slot as in 09:00AM-11:00AM'],
    ['slots[0]', ['__proto__'], 'not a slot as in 09:00AM-11:00AM'],
    ['slots[0]', [7], 'no slot'],
  ])('is refused where %s of a session is %j', (member, value, message) => {
    const bad = ofSession({ [member.replace('[0]', '')]: value });
    expect(problems(bad)).toEqual([[`centers[0].sessions[0].${member}`, message]]);
  });

  it('is refused where a price is none', () => {
    const fees = [{ vaccine: 'COVISHIELD', fee: 'much' }];
    expect(problems(imported([{ ...center, vaccine_fees: fees }]))).toEqual([
      ['centers[0].vaccine_fees[0].fee', 'not a whole number from 0 to 100000'],
    ]);
  });

  it('has every bad place told, and nothing is imported', () => {
    const again = { ...session, slots: ['FORENOON'] };
    const bad = imported([
      { ...center, sessions: [session, { ...session, session_id: uuid(1), date: 'x' }] },
      { ...center, pincode: 413_609, sessions: [{ ...session, session_id: uuid(2) }] },
      { ...center, sessions: [again] },
      7,
    ]);
    expect(problems(bad).map(([path]) => path)).toEqual([
      'centers[0].sessions[1].date',
      'centers[3]',
      'centers[1].sessions[0]',
      'centers[1].sessions[0]',
      'centers[2].sessions[0]',
      'centers[2].sessions[0]',
    ]);
    expect(problems(bad)[2]?.[1]).toBe(
      'pincode of centre 1234 differs from centers[0].sessions[0]',
    );
    expect(problems(bad)[4]?.[1]).toMatch(/-d1 repeats centers\[0\]\.sessions\[0\]$/);
  });

  it('is of one district', () => {
    const other = {
      ...center,
      center_id: 2,
      district_name: 'Pune',
      sessions: [{ ...session, session_id: uuid(1) }],
    };
    expect(problems(imported([center, other]))[0]).toEqual([
      'centers[1].sessions[0]',
      'district_name of district 376 differs from centers[0].sessions[0]',
    ]);
  });

  it('is refused in bounded time, however much it holds', () => {
    const many = (count: number, one: unknown) => Array.from({ length: count }, () => one);
    const replies = {
      nothing: [[], /^no centres$/],
      centres: [many(10_000, {}), /./],
      sessions: [many(10, { sessions: many(10_000, {}) }), /^more than 20000 sessions$/],
      slots: [[{ ...center, sessions: many(500, { ...session, slots: many(9_000, 0) }) }], /./],
    } as const;
    for (const [name, [centers, message]] of Object.entries(replies)) {
      const startMs = monotonicMs();
      const bad = problems(imported(centers));
      expect(monotonicMs() - startMs, name).toBeLessThan(5_000);
      expect(bad.length, name).toBeLessThanOrEqual(1_000);
      expect(bad[0]?.[1], name).toMatch(message);
    }
  });
});

describe('a district', () => {
  const calendar = puneCalendar('2099-09-17');
  const doses = ['available_capacity_dose1', 'available_capacity_dose2'] as const;
  const bands: Readonly<Record<string, string>> = {
    '09:00AM-11:00AM,11:00AM-01:00PM,01:00PM-03:00PM': '09:00-11:00;11:00-13:00;13:00-15:00',
    '10:00AM-12:00PM,12:00PM-02:30PM,02:30PM-05:30PM': '10:00-12:00;12:00-14:30;14:30-17:30',
    'FORENOON,AFTERNOON': '09:00-13:00;13:00-17:00',
  };
  const quoted = (cell: string | number | undefined): string =>
    `"${String(cell ?? '').replaceAll('"', '""')}"`;
  const rowsOf = (one: CalendarCenter, of: CalendarSession): string[] =>
    doses.flatMap((member, index) =>
      of[member] === 0
        ? []
        : [
            one.center_id,
            one.name,
            of[member],
            PUNE.stateId,
            one.state_name,
            PUNE.districtId,
            one.district_name,
            one.block_name,
            one.pincode,
            one.address,
            one.lat,
            one.long,
            one.from.slice(0, 5),
            one.to.slice(0, 5),
            one.fee_type,
            of.date.split('-').toReversed().join('-'),
            of.vaccine,
            index + 1,
            of.min_age_limit,
            of.max_age_limit,
            bands[of.slots.join()],
            one.vaccine_fees?.find(({ vaccine }) => vaccine === of.vaccine)?.fee,
          ]
            .map(quoted)
            .join(','),
    );
  const csv = [
    'centre_id,centre_name,seats,state_id,state_name,district_id,district_name,block_name,pincode,' +
      'address,lat,long,opens,closes,fee_type,date,vaccine,dose,min_age,max_age,bands,fee',
    ...calendar.centers.flatMap((one) => one.sessions.flatMap((of) => rowsOf(one, of))),
  ].join('\n');

  /** With the sessions named by what they are, as their ids differ. */
  const factsOf = ({ centres, sessions, slots }: Places) => {
    const named = new Map(sessions.map(({ session: id, ...facts }) => [id, jcs(facts)]));
    return {
      centres,
      sessions: [...named.values()],
      slots: slots.map((slot) => ({ ...slot, slot: '', session: named.get(slot.session) })),
    };
  };

  it('fits into a release, all of its seats', () => {
    const places = granted(placesOf(importCalendar(NO_PLACES, calendar.centers, PUNE)));
    expect(places.centres).toHaveLength(459);
    expect(seatsOf(places)).toBe(7 * 70_830);
  });

  it('gives the same from CSV as from the reply', () => {
    const fromReply = granted(placesOf(importCalendar(NO_PLACES, calendar.centers, PUNE)));
    const fromCsv = granted(
      placesOf(importPlaces(NO_PLACES, csv, { ...IMPORT_TERMS, date: undefined })),
    );
    expect(factsOf(fromCsv)).toEqual(factsOf(fromReply));
  });
});

describe('the command', () => {
  it.each([
    ['pune.json', '[]', 'calendar', 'application/json'],
    ['PUNE.JSON', '[]', 'calendar', 'application/json'],
    ['pune', '\uFEFF {"centers":[]}', 'calendar', 'application/json'],
    ['pune.csv', 'centre_id,centre_name', 'import', 'text/csv'],
    ['pune', '"centre_id",centre_name', 'import', 'text/csv'],
  ])('takes %s with %j for a %s', (file, body, door, type) => {
    const request = importRequest('a', file, body, { stateId: '21', districtId: '363' });
    expect(request).toMatchObject({
      path: `/v1/admin/releases/a/${door}?stateId=21&districtId=363`,
      type,
    });
  });
});
