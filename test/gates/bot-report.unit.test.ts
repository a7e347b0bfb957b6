/** The pure part of the bad-bot report: counting, hours, text and CSV. */
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BotReport,
  callerId,
  CLASSES,
  createEntrantCount,
  doorHours,
  entrantsOf,
  KINDS,
  refusalsOf,
  worstOf,
} from '../../src/gates/bots/report.ts';
import { csvOf, textOf } from '../../src/gates/bots/text.ts';

const HOUR_MS = 3_600_000;

const people = fc.integer({ min: 1, max: 12 });
const kind = fc.constantFrom(...KINDS);
const id = fc.stringMatching(/^[\w-]{6}$/);

describe('entrants', () => {
  it('are counted, classed and ranked as by sorting all of them', () => {
    const many = fc.uniqueArray(fc.tuple(kind, id, people), {
      maxLength: 400,
      selector: ([kind, id]) => `${kind}:${id}`,
    });
    fc.assert(
      fc.property(many, fc.integer({ min: 1, max: 30 }), (all, top) => {
        const count = createEntrantCount(top);
        for (const one of all) count.add(...one);
        for (const kind of KINDS) {
          const own = all.filter(([of]) => of === kind);
          const sorted = own.toSorted(([, a, few], [, b, more]) => more - few || (a < b ? -1 : 1));
          const seen = entrantsOf(kind, count.of(kind), 100, []);
          expect(seen.callers).toBe(own.length);
          expect(seen.people).toBe(own.reduce((sum, [, , people]) => sum + people, 0));
          expect(seen.top.map(({ name, people }) => [name, people])).toEqual(
            sorted.slice(0, top).map(([, id, people]) => [callerId(kind, id), people]),
          );
          const classOf = (people: number): string =>
            people === 1 ? '1' : people < 4 ? '2 to 3' : people < 8 ? '4 to 7' : '8 or more';
          for (const { people, callers } of seen.distribution)
            expect(callers).toBe(own.filter(([, , many]) => classOf(many) === people).length);
        }
      }),
    );
  });

  it('are nobody where nobody entered', () => {
    const nobody = entrantsOf('device', createEntrantCount(3).of('device'), 0, []);
    expect(nobody).toMatchObject({ callers: 0, people: 0, top: [] });
    expect(nobody.distribution).toHaveLength(CLASSES.length);
  });
});

describe('the hours at the door', () => {
  const at = (hours: number): number => hours * HOUR_MS;
  it('begin one before the release opens, and end when it closes', () => {
    expect(doorHours(at(100), at(102), at(500))).toMatchObject({
      hours: [99, 100, 101],
      complete: true,
    });
    expect(doorHours(at(100.5), at(101.5), at(500)).hours).toEqual([99, 100, 101]);
  });
  it('end now where it has not closed, and are none long before it opens', () => {
    expect(doorHours(at(100), at(200), at(100.2)).hours).toEqual([99, 100]);
    expect(doorHours(at(100), at(200), at(50))).toMatchObject({ hours: [], complete: true });
  });
  it('are as many as are kept and read, and say when some are missing', () => {
    const long = doorHours(at(10_000), at(10_400), at(10_400));
    expect(long.hours).toHaveLength(168);
    expect(long).toMatchObject({ complete: false, untilMs: at(10_400) });
    expect(doorHours(at(100), at(102), at(5_000))).toMatchObject({ hours: [], complete: false });
  });
});

const reportOf = (name: string, code = 'TOO_MANY_REQUESTS'): BotReport => {
  const count = createEntrantCount(5);
  count.add('account', 'a', 4);
  count.add('account', 'b', 1);
  count.add('network', name, 5);
  const refused = worstOf(new Map([[callerId('network', name), 30]]), 5);
  const refusals = refusalsOf(new Map([[code, 40]]), refused, [5], 5);
  return {
    release: 'pune-8pm',
    at: '2027-04-10T15:00:00.000Z',
    exact: true,
    people: 5,
    entrants: KINDS.map((kind) => entrantsOf(kind, count.of(kind), 5, [30])),
    refusals,
    door: {
      from: '2027-04-10T13:00:00.000Z',
      until: '2027-04-10T15:00:00.000Z',
      complete: true,
      ...refusals,
    },
  };
};
const read = (csv: string): Record<string, string>[] => parse(csv, { columns: true });

describe('the report as CSV', () => {
  it('reads back as it was written, whatever its names hold', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        const rows = read(csvOf(reportOf(name)));
        const most = rows.find(
          ({ section, kind }) => section === 'entered most' && kind === 'network',
        );
        expect(most).toMatchObject({ name: `network:${name}`, people: '5', refusals: '30' });
        expect(Number(most?.['share_of_people'])).toBe(1);
        expect(rows.find(({ name }) => name === '2 to 3 people')?.['callers']).toBe('0');
        const [reason, offender] = rows.filter(({ section }) => section === 'refused');
        expect(reason).toMatchObject({ kind: 'reason', refusals: '40', share_of_refusals: '1' });
        expect(offender).toMatchObject({ kind: 'network', share_of_refusals: '0.750000' });
      }),
    );
  });

  it('has lines of RFC 4180 of one width', () => {
    const csv = csvOf(reportOf('n'));
    expect(csv.endsWith('\r\n')).toBe(true);
    expect(csv.replaceAll('\r\n', '')).not.toContain('\n');
    expect(
      new Set(
        csv
          .trimEnd()
          .split('\r\n')
          .map((line) => line.split(',').length),
      ).size,
    ).toBe(1);
  });

  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1'])('takes %j for no formula', (text) => {
    const rows = read(csvOf(reportOf('n', text)));
    expect(rows.find(({ kind }) => kind === 'reason')?.['name']).toBe(`'${text}`);
    for (const row of rows)
      for (const value of Object.values(row)) expect(value).not.toMatch(/^[=+\-@\t\r]/);
  });

  it('cannot mistake a class of people for a date', () => {
    expect(csvOf(reportOf('n'))).not.toMatch(/(?:^|,)\d+-\d+(?:,|\r)/m);
  });
});

it('the report as text shows shares as bars, and says what it cannot know', () => {
  const text = textOf(reportOf('f0Zk3vB1mQ2xJcT5wLxEgA'));
  expect(text).toContain('5 people entered');
  expect(text).toMatch(/network:f0Zk3vB1mQ2xJcT5wLxEgA +5 +100\.0 % █{20}\n/);
  expect(text).toMatch(/1 person +1 +50\.0 % █{10}\n/);
  expect(text).toMatch(/TOO_MANY_REQUESTS +40 +100\.0 %/);
  expect(text).toContain('a sign, not a proof');
  const late = { ...reportOf('n'), exact: false };
  expect(textOf({ ...late, door: { ...late.door, complete: false } })).toMatch(
    /ask again when it has closed[\s\S]*Not all of its hours/,
  );
});
