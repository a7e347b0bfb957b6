/** How often an operator key may be wrong a day, and that nobody who is right is refused for it. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createArrivalService } from '../../src/arrivals/service.ts';
import type { ArrivalStore } from '../../src/arrivals/store.ts';
import type { Engine } from '../../src/engine.ts';
import { keys } from '../../src/redis/keys.ts';
import { isRefusal } from '../../src/refusal.ts';
import { codeOf, granted, letPass, type TestRelease } from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';
import {
  arrive,
  attendanceAfterwards,
  bookMany,
  bookSomebody,
  type Booked,
  engineHere,
  HERE,
  openToday,
  today,
  wrong,
} from './day.ts';

const test = useRedis(['--appendfsync', 'no']);

let engine: Engine;
let release: TestRelease;
let who: Booked;

beforeEach(async () => {
  engine = engineHere(test.redis);
  release = await openToday(engine, test.redis);
  who = await bookSomebody(engine, release);
});

const guess = (booking: string, code: string, key = 'centre') =>
  engine.arrivals.arrive({ name: key }, booking, wrong(code));
const times = <T>(count: number, act: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => act(index)));
/** Guesses, one after the other, at bookings that are none: how many were looked at. */
async function guessMany(count: number): Promise<number> {
  let looked = 0;
  for (let tries = 0; tries < count; tries++)
    if (codeOf(await guess('nonsense', '')) === 'ARRIVAL_CODE_WRONG') looked++;
  return looked;
}
const held = async () => {
  const day = await today(test.redis);
  return {
    counted: await test.redis.hgetall(keys.keyTries('centre', day)),
    trying: await test.redis.zcard(keys.keyTrying('centre', day)),
  };
};
/** The arrivals of a process whose store is another in some ways. */
const arrivalsWith = (store: Partial<ArrivalStore>) =>
  createArrivalService({
    store: { ...engine.stores.arrivals, ...store },
    releases: engine.releases,
    people: engine.people,
    doses: engine.stores.people,
    secrets: engine.secrets,
    timeZone: HERE,
    onArrival: () => undefined,
    onDose: () => undefined,
  });
const gone = () => Promise.reject(new Error('Redis is gone'));

describe('an operator key', () => {
  it('may be wrong thirty times a day, in all bookings and releases together', async () => {
    const another = await openToday(engine, test.redis);
    const people = [
      ...(await bookMany(engine, release, 20)),
      ...(await bookMany(engine, another, 20)),
    ];
    const unknown = ['nonsense', 'nowhere.AAAAAAAAAAAAAAAAAAAAAA.1', `${who.booking}x`];
    const answers = [
      ...(await times(120, async (index) => {
        const one = people[index % people.length] ?? who;
        return index % 10 === 0
          ? guess(unknown[(index / 10) % 3] ?? '', '')
          : guess(one.booking, one.code);
      })),
      ...(await times(40, () => guess('nonsense', ''))),
    ];
    const looked = answers.filter((answer) => codeOf(answer) === 'ARRIVAL_CODE_WRONG');
    expect(looked).toHaveLength(30);
    const spent = await arrive(engine, who);
    expect(spent).toMatchObject({ refused: 'ARRIVAL_TRIES_SPENT' });
    const { retryAfterS = 0 } = spent as { retryAfterS?: number };
    expect(retryAfterS).toBeGreaterThan(0);
    expect(retryAfterS).toBeLessThanOrEqual(86_400);
    expect(granted(await arrive(engine, who, 'another-key')).booking).toBe(who.booking);
  });

  it('loses no try by what is right, and gets one for each twenty who arrive by it', async () => {
    const people = await bookMany(engine, release, 40);
    for (const one of people) granted(await arrive(engine, one));
    for (const one of people) granted(await arrive(engine, one)); // the same, again
    expect(await held()).toEqual({ counted: { right: '40' }, trying: 0 });
    expect(await test.redis.pttl(keys.keyTries('centre', await today(test.redis)))).toBeGreaterThan(
      86_400_000,
    );
    expect(await guessMany(40)).toBe(32);
    expect(codeOf(await arrive(engine, who))).toBe('ARRIVAL_TRIES_SPENT');
  });

  it('that tries many right codes at once is asked to come again in a second', async () => {
    const people = await bookMany(engine, release, 60);
    let refused = people;
    let rounds = 0;
    for (; refused.length > 0 && rounds < 10; rounds++) {
      const answers = await Promise.all(refused.map((one) => arrive(engine, one)));
      for (const answer of answers.filter(isRefusal))
        expect(answer).toMatchObject({ refused: 'UNAVAILABLE', retryAfterS: 1 });
      refused = refused.filter((_, index) => isRefusal(answers[index]));
    }
    expect(refused).toEqual([]);
    expect(rounds).toBeGreaterThan(1);
    expect((await held()).trying).toBe(0);
  });

  it('gets its try back when something fails on the way', async () => {
    const failing = [
      arrivalsWith({ arrive: gone }),
      arrivalsWith({ seat: gone }),
      // Not even this can be told to Redis: then it lapses by itself.
      arrivalsWith({ arrive: gone, settleTry: gone }),
    ];
    for (const arrivals of failing.slice(0, 2))
      for (let tries = 0; tries < 35; tries++)
        await expect(arrivals.arrive({ name: 'centre' }, who.booking, who.code)).rejects.toThrow(
          'gone',
        );
    expect(await held()).toEqual({ counted: {}, trying: 0 });
    for (let tries = 0; tries < 30; tries++)
      await expect(failing[2]?.arrive({ name: 'centre' }, who.booking, who.code)).rejects.toThrow(
        'gone',
      );
    expect(await arrive(engine, who)).toMatchObject({ refused: 'UNAVAILABLE', retryAfterS: 1 });
    const trying = keys.keyTrying('centre', await today(test.redis));
    for (const one of await test.redis.zrange(trying, 0, '-1'))
      await test.redis.zincrby(trying, -60_001, one);
    granted(await arrive(engine, who));
  });

  it('is counted once for a code, though Redis is asked twice', async () => {
    const one = { key: 'centre', day: await today(test.redis), id: 'one' };
    const { takeTry, settleTry } = engine.stores.arrivals;
    for (let again = 0; again < 40; again++) expect(await takeTry(one)).toBe('TAKEN');
    expect((await held()).trying).toBe(1);
    for (let again = 0; again < 40; again++) await settleTry(one, 'wrong');
    expect(await held()).toEqual({ counted: { wrong: '1' }, trying: 0 });
  });
});

it('a booking whose tries are spent is never marked a no-show, and binds nobody either', async () => {
  const [came, missing] = (await bookMany(engine, release, 2)) as [Booked, Booked];
  granted(await arrive(engine, came));
  for (let tries = 0; tries < 5; tries++) await guess(who.booking, who.code);
  for (let tries = 0; tries < 4; tries++) await guess(missing.booking, missing.code, 'another');
  await attendanceAfterwards(engine)(release.release);
  const stateOf = async ({ account }: Booked) => (await engine.bookings.list(account))[0]?.state;
  expect(await Promise.all([who, missing].map(stateOf))).toEqual(['booked', 'no-show']);
  expect(await test.redis.hget(keys.person(who.person), 'misses')).toBeNull();
  const next = await openToday(engine, test.redis);
  await letPass(test.redis, 11, [keys.person(who.person)]);
  const wish = { release: next.release, beneficiary: who.person, slot: next.slots[0] ?? '' };
  granted(await engine.bookings.book(who.account, wish));
});
