/** What each peer of the bench promises, on a real Redis and a real Postgres. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ask, arrivals, isBot } from '../../bench/peers/crowd.ts';
import { LOAD_PEER, PEER_NAMES, type PeerName } from '../../bench/peers/list.ts';
import { judge } from '../../bench/peers/measure.ts';
import type { Answer, Desk, Peer } from '../../bench/peers/peer.ts';
import { findPostgres, type Postgres, startPostgres } from '../../bench/support/postgres.ts';
import { present } from '../../src/lib/assert.ts';
import { startEmbeddedRedis, type EmbeddedRedis } from '../../src/redis/embedded.ts';

const SEATS = 5;
const PEOPLE = 30;
/** How often each asks at once. */
const ASKS = 3;

let redis: EmbeddedRedis | undefined;
let postgres: Postgres | undefined;
const desks: Desk[] = [];
let slots = 0;

beforeAll(async () => {
  findPostgres();
  [redis, postgres] = await Promise.all([startEmbeddedRedis(), startPostgres()]);
});
afterAll(async () => {
  await Promise.all(desks.map((desk) => desk.close()));
  await Promise.all([redis?.stop(), postgres?.stop()]);
});

async function deskOf(
  name: PeerName,
  seats = SEATS,
): Promise<{ desk: Desk; peer: Peer; slot: string }> {
  const peer: Peer = await LOAD_PEER[name]();
  const desk = await peer.open({
    redis: present(redis, 'Redis').address,
    postgres: present(postgres, 'Postgres').socket,
  });
  desks.push(desk);
  const slot = `slot-${++slots}`;
  await desk.prepare(slot, seats);
  return { desk, peer, slot };
}

const SAFE = PEER_NAMES.filter((name) => name !== 'redisGetDecr');

describe('a peer that is said to be safe', () => {
  it.each(SAFE)('%s: never gives a seat twice or a person two', async (name) => {
    const { desk, peer, slot } = await deskOf(name);
    expect(peer.isSafe).toBe(true);
    const asks = Array.from({ length: PEOPLE * ASKS }, (_, index) => `person-${index % PEOPLE}`);
    const answers = await Promise.all(asks.map((person) => desk.book(person, slot)));
    const { free, persons } = await desk.books(slot);
    expect(persons.length).toBeLessThanOrEqual(SEATS);
    expect(new Set(persons).size).toBe(persons.length);
    expect(free).toBe(SEATS - persons.length);
    // Each booking was told to somebody, once, and nothing else was.
    const booked = asks.filter((_person, index) => answers[index] === 'BOOKED');
    expect(booked.toSorted()).toEqual(persons.toSorted());
  });

  it.each(SAFE)('%s: sells all that there is, one after the other', async (name) => {
    const { desk, slot } = await deskOf(name, 2);
    const answers: Answer[] = [];
    for (const person of ['anil', 'anil', 'bina', 'chitra', 'bina'])
      answers.push(await desk.book(person, slot));
    expect(answers).toEqual(['BOOKED', 'REFUSED', 'BOOKED', 'REFUSED', 'REFUSED']);
    const { free, persons } = await desk.books(slot);
    expect({ free, persons: persons.toSorted() }).toEqual({ free: 0, persons: ['anil', 'bina'] });
  });
});

describe('GET, then DECR', () => {
  // On one connection the two GETs are sent before either answer can be followed by a DECR.
  it('gives the last seat to both of two who ask at once', async () => {
    const { desk, peer, slot } = await deskOf('redisGetDecr', 1);
    expect(peer.isSafe).toBe(false);
    const answers = await Promise.all(['anil', 'bina'].map((person) => desk.book(person, slot)));
    expect(answers).toEqual(['BOOKED', 'BOOKED']);
    const { free, persons } = await desk.books(slot);
    expect({ free, persons: persons.toSorted() }).toEqual({ free: -1, persons: ['anil', 'bina'] });
  });

  it('gives a person two seats who asks twice at once', async () => {
    const { desk, slot } = await deskOf('redisGetDecr');
    await Promise.all(['anil', 'anil'].map((person) => desk.book(person, slot)));
    expect(await desk.books(slot)).toEqual({ free: SEATS - 2, persons: ['anil', 'anil'] });
  });

  it('is right while nobody asks at the same time', async () => {
    const { desk, slot } = await deskOf('redisGetDecr', 1);
    const answers: Answer[] = [];
    for (const person of ['anil', 'anil', 'bina']) answers.push(await desk.book(person, slot));
    expect(answers).toEqual(['BOOKED', 'REFUSED', 'REFUSED']);
  });
});

describe('the crowd', () => {
  it('is the same for the same seed: bots ten times at once, people once, and bots first', () => {
    const asks = arrivals(100, 'a seed');
    expect(arrivals(100, 'a seed')).toEqual(asks);
    expect(arrivals(100, 'another')).not.toEqual(asks);
    const times = (person: Ask): number => asks.filter((one) => one === person).length;
    for (let person = 0; person < 100; person++)
      expect(times(person), `person ${person}`).toBe(isBot(person, 100) ? 10 : 1);
    expect(asks.slice(0, 50).filter((person) => isBot(person, 100)).length).toBeGreaterThan(45);
  });
});

describe('the verdict on a contender', () => {
  const nameOf = (person: number): string => `p${person}`;
  const booked = { status: 200, ms: 1 };
  const refused = { status: 409, ms: 1 };
  const broken = { status: 0, ms: 1 };
  const asked = { seats: 2, people: 20, asks: [0, 0, 5, 6] };
  const right = { free: 0, persons: ['p0', 'p5'] };
  const well = { oversold: 0, doubled: 0, leaked: 0, lost: 0, turnedAway: 0 };

  it.each([
    ['all well', right, [booked, refused, booked, refused], { sold: 2, botsShare: 0.5 }],
    [
      'a seat too many',
      { free: -1, persons: ['p0', 'p5', 'p6'] },
      [booked, refused, booked, booked],
      { oversold: 1 },
    ],
    [
      'a person with two',
      { free: 0, persons: ['p0', 'p0'] },
      [booked, booked, refused, refused],
      { doubled: 1 },
    ],
    [
      'a seat that is in no book',
      { free: 0, persons: ['p0'] },
      [booked, refused, refused, refused],
      { leaked: 1 },
    ],
    [
      'a seat free while people were refused',
      { free: 1, persons: ['p0'] },
      [booked, refused, refused, refused],
      { leaked: 1 },
    ],
    [
      'a booking that was told and is not there',
      { free: 1, persons: ['p0'] },
      [booked, refused, booked, booked],
      { lost: 2, turnedAway: 2 },
    ],
    [
      'who heard nothing',
      { free: 1, persons: ['p0'] },
      [booked, refused, broken, broken],
      { turnedAway: 2 },
    ],
    ['who has a seat and heard nothing', right, [booked, refused, broken, refused], {}],
  ])('counts %s', (_what, books, heard, found) => {
    expect(judge(books, nameOf, { ...asked, heard })).toMatchObject({ ...well, ...found });
  });
});
