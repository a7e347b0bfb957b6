/** Days, time bands, numbers of seats and ids as the CoWIN surface writes them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { coarse } from '../../src/cowin/availability.ts';
import { appointmentIdOf, referenceOf, sessionIdOf } from '../../src/cowin/ids.ts';
import { bandOf, bandText, dayOf, dayText, secondsText } from '../../src/cowin/words.ts';
import { addDays } from '../../src/lib/days.ts';
import { createSecrets } from '../../src/lib/secrets.ts';
import { secrets } from '../support/app.ts';

const DAY_MS = 86_400_000;
const isoOf = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);
/** Every day of this century. */
const FIRST = Date.UTC(2000, 0, 1) / DAY_MS;
const DAYS = Array.from({ length: Date.UTC(2100, 0, 1) / DAY_MS - FIRST }, (_day, index) =>
  isoOf(FIRST + index),
);

describe('a day', () => {
  test('is one in all its spellings, and is written in one', () => {
    const wrong: string[] = [];
    for (const iso of DAYS) {
      const [year = '', month = '', day = ''] = iso.split('-');
      const spelt = [day, String(Number(day))].flatMap((one) =>
        [month, String(Number(month))].flatMap((other) =>
          [year, year.slice(2)].flatMap((third) =>
            ['-', '/', '.'].map((mark) => [one, other, third].join(mark)),
          ),
        ),
      );
      wrong.push(...spelt.filter((text) => dayOf(text) !== iso));
      if (dayText(iso) !== `${day}-${month}-${year}`) wrong.push(iso);
    }
    expect(wrong).toEqual([]);
    expect(dayOf(' 17-09-2021 ')).toBe('2021-09-17');
  });

  test('that is in no calendar is none', () => {
    const known = new Set(DAYS.filter((iso) => iso < '2024-03-01' && iso >= '2023-02-01'));
    for (const year of [2023, 2024])
      for (let month = 0; month <= 13; month++)
        for (let day = 0; day <= 32; day++) {
          const iso = [year, month, day].map((part) => String(part).padStart(2, '0')).join('-');
          if (iso < '2023-02-01' || iso >= '2024-03-01') continue;
          expect(dayOf(`${day}-${month}-${year}`), iso).toBe(known.has(iso) ? iso : undefined);
        }
    expect(dayOf('29-02-2100')).toBeUndefined();
  });

  test('is nothing else, whatever the text', () => {
    for (const text of [
      '',
      '-',
      '2021-09-17',
      '17-09',
      '1-1-021',
      '001-1-2021',
      '1-1-2021x',
      '١-١-٢٠٢١',
    ])
      expect(dayOf(text), text).toBeUndefined();
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const day = dayOf(text);
        expect(day === undefined || dayOf(dayText(day)) === day).toBe(true);
      }),
    );
  });

  test('comes so many days after another', () => {
    fc.assert(
      fc.property(fc.nat(DAYS.length - 10), fc.nat(9), (from, count) => {
        expect(addDays(DAYS[from] ?? '', count)).toBe(DAYS[from + count]);
      }),
    );
  });
});

describe('a time band', () => {
  const time = fc
    .tuple(fc.nat(23), fc.nat(59))
    .map((parts) => parts.map((part) => String(part).padStart(2, '0')).join(':'));

  test('is found by what it is shown as, also with spaces, small letters and one digit', () => {
    fc.assert(
      fc.property(time, time, (from, to) => {
        const shown = bandText({ from, to });
        expect(shown).toMatch(/^(?:0[1-9]|1[0-2]):[0-5]\d[AP]M-(?:0[1-9]|1[0-2]):[0-5]\d[AP]M$/);
        const short = shown.replaceAll(/(^|-)0/g, '$1');
        for (const text of [shown, shown.toLowerCase(), short, short.replace('-', ' - ')])
          expect(bandOf(text)).toBe(shown);
      }),
    );
  });

  test('has one text for each of its times', () => {
    const all = Array.from({ length: 1_440 }, (_minute, index) =>
      [Math.floor(index / 60), index % 60].map((part) => String(part).padStart(2, '0')).join(':'),
    );
    expect(new Set(all.map((from) => bandText({ from, to: '23:59' }))).size).toBe(1_440);
    expect(bandText({ from: '00:00', to: '12:00' })).toBe('12:00AM-12:00PM');
    expect(bandText({ from: '09:30', to: '13:05' })).toBe('09:30AM-01:05PM');
    expect(secondsText('09:30')).toBe('09:30:00');
  });
});

describe('a number of seats, made coarse', () => {
  test('never falls where seats rise, is not above them, and is 0 for 0 only', () => {
    expect(coarse(0)).toBe(0);
    let before = 0;
    const wrong: number[] = [];
    for (let seats = 1; seats <= 100_000; seats++) {
      const shown = coarse(seats);
      const isFit = shown <= seats && shown > seats / 2.5 && shown >= before;
      if (!isFit || !/^[125]0*$/.test(`${shown}`)) wrong.push(seats);
      before = shown;
    }
    expect(wrong).toEqual([]);
  });
});

const session = {
  session: 'c1-20990101-d1',
  centre: '12',
  date: '2099-01-01',
  service: 'COVISHIELD',
  dose: 1,
  min_age: 18,
  max_age: null,
};

describe('the id of a session', () => {
  test('is one for its doses and fees, and another for anything else', () => {
    const id = sessionIdOf('release', session);
    for (const same of [{ dose: 2 }, { session: 'c1-20990101-d2' }, { fee: 250 }])
      expect(sessionIdOf('release', { ...session, ...same })).toBe(id);
    const others = [
      { centre: '1' },
      { date: '2099-01-02' },
      { service: 'COVAXIN' },
      { min_age: 45 },
      { max_age: 44 },
      { min_age: 1, max_age: 8 },
      { min_age: 18, max_age: 0 },
    ].map((other) => sessionIdOf('release', { ...session, ...other }));
    expect(new Set([id, sessionIdOf('other', session), ...others]).size).toBe(9);
    expect(sessionIdOf('release', session)).toBe(id);
  });

  test('is that of the reply which was imported, whatever the release', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.integer({ max: 9, min: 1 }), (uuid, dose) => {
        const imported = { ...session, session: `${uuid}-d${dose}`, dose };
        expect(sessionIdOf('release', imported)).toBe(uuid);
        expect(sessionIdOf('other', imported)).toBe(uuid);
      }),
    );
  });
});

describe('a reference', () => {
  test('has fourteen digits, is the same always, and is keyed', () => {
    const other = createSecrets('another secret of more than 32 characters');
    const seen = new Set<string>();
    for (let one = 0; one < 2_000; one++) {
      const reference = referenceOf(secrets, `person ${one}`);
      expect(reference).toMatch(/^[1-9]\d{13}$/);
      expect(referenceOf(secrets, `person ${one}`)).toBe(reference);
      expect(referenceOf(other, `person ${one}`)).not.toBe(reference);
      seen.add(reference);
    }
    expect(seen.size).toBe(2_000);
    // over all there are, not only a part of them
    expect(new Set([...seen].map(([first]) => first)).size).toBe(9);
  });

  test('and an appointment has an id of its own, a UUID', () => {
    const ids = ['a.b.0', 'a.b.1', 'a.c.0'].map(appointmentIdOf);
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab]/);
    expect(appointmentIdOf('a.b.0')).toBe(ids[0]);
  });
});
