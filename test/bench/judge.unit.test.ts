/** Whether the benches see a seat that is sold twice, a person with two, and one that got lost. */
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { countSold, type Held } from '../../bench/immediate.ts';
import { newStory, type Story } from '../../bench/rush/deeds.ts';
import { unexpectedIn } from '../../bench/rush/expected.ts';
import { drawnIn, judge, type Outcome, type Told } from '../../bench/rush/judge.ts';

const one = (role: Outcome['role'], story: Partial<Story>, live: string[] = []): Outcome => ({
  role,
  story: { ...newStory(), ...story },
  live,
});
const entered = (...ids: string[]) => ({ entries: new Set(ids) });
const seats = (booked: number) => ({ free: 0, offered: 0, booked, capacity: 2 });
const drawn = (entries: string[], winners: string[]) => ({
  entries: new Set(entries),
  winners: new Set(winners),
});
const FAIR: Told = {
  mode: 'lottery',
  outcomes: [
    one('person', { ...entered('a'), bookings: new Map([['r.a.0', 'hall']]) }, ['hall']),
    one('person', entered('b')),
    one('sprinter', entered('c'), ['hall']),
  ],
  rounds: [drawn(['a', 'b', 'c'], ['a', 'c'])],
  capacity: new Map([['hall', 2]]),
  operatorView: seats(2),
};
const playedOtherwise = (change: Partial<Told>) => judge({ ...FAIR, ...change });

describe('the judge of a rush', () => {
  it('counts who was given a seat and who has one', () => {
    expect(judge(FAIR)).toMatchObject({
      oversold: 0,
      doubled: 0,
      lost: 0,
      disagreed: 0,
      given: { people: 2, bots: 1, seatsOfPeople: 1, seatsOfBots: 1 },
      held: { people: 2, bots: 1, seatsOfPeople: 1, seatsOfBots: 1 },
      byRole: { sprinter: { people: 1, given: 1, held: 1 } },
    });
  });

  it('sees a seat that was given twice', () => {
    expect(playedOtherwise({ capacity: new Map([['hall', 1]]) }).oversold).toBe(1);
  });

  it('sees who has two seats, or two entries in a round', () => {
    const outcomes = [...FAIR.outcomes, one('farm', {}, ['hall', 'hall'])];
    expect(playedOtherwise({ outcomes }).doubled).toBe(1);
    const split = [one('idSplitter', entered('a', 'b'))];
    expect(playedOtherwise({ outcomes: split }).doubled).toBe(1);
  });

  it('sees an acknowledged entry that is in no round, and a booking that is in no list', () => {
    expect(playedOtherwise({ rounds: [drawn(['a', 'b'], ['a'])] }).lost).toBe(1);
    const bookings = new Map([['r.a.0', 'hall']]);
    const outcomes = [one('person', { ...entered('a'), bookings })];
    expect(playedOtherwise({ outcomes }).lost).toBe(1);
  });

  it('sees that the operator counts another number', () => {
    expect(playedOtherwise({ operatorView: seats(3) }).disagreed).toBe(1);
  });

  it('reads who was in a round and who got a seat from the published file', () => {
    const lines = [
      { kind: 'manifest', manifest: {} },
      { entry: 'old', kind: 'offer', pool: 'open', slot: 'hall' },
      { entry: 'a', kind: 'entry', pool: 'open', slot: 'hall' },
      { entry: 'b', kind: 'entry', pool: null, slot: null },
    ];
    const transcript = gzipSync(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    expect(drawnIn({ transcript })).toEqual(drawn(['a', 'b'], ['old', 'a']));
  });

  it('takes no refusal for granted that is not part of an evening', () => {
    const due = { phase: 'entry', dueMs: 0, ms: 1 };
    const limited = { ...due, status: 429, code: 'TOO_MANY_REQUESTS' };
    expect(
      unexpectedIn([
        { ...limited, group: 'bots' },
        { ...limited, group: 'people' },
        { ...due, group: 'people', status: 409, code: 'SLOT_FULL' },
        { ...due, group: 'bots', status: 503, code: 'UNAVAILABLE' },
        { ...due, group: 'people', status: 0, code: 'ECONNRESET' },
      ]),
    ).toEqual({
      'people, entry: 429 TOO_MANY_REQUESTS': 1,
      'bots, entry: 503 UNAVAILABLE': 1,
      'people, entry: 0 ECONNRESET': 1,
    });
  });
});

describe('the count of what was sold', () => {
  const SOLD: Held = {
    bookings: [
      { state: 'BOOKED', slot: 0 },
      { state: 'BOOKED', slot: 1 },
      { state: 'CANCELLED', slot: 1 },
    ],
    events: ['booked a', 'booked b', 'cancelled c'],
    freeSeats: [0, 1],
  };
  it.each([
    ['nothing wrong', {}, { booked: 2, oversold: 0, doubled: 0, leaked: 0 }],
    [
      'a slot with one too many',
      { bookings: [...SOLD.bookings, { state: 'BOOKED', slot: 0 }], freeSeats: [0, 0] },
      { oversold: 1, leaked: 0 },
    ],
    ['a seat that is nobody’s', { freeSeats: [0, 0] }, { leaked: 1 }],
    ['a person who booked twice', { events: ['booked a', 'booked a'] }, { doubled: 1 }],
  ] as const)('finds %s', (_what, change, found) => {
    expect(countSold({ ...SOLD, ...change }, [1, 2])).toMatchObject(found);
  });
});
