/** Arrivals: by the right code on the right day, and never by guessing. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { ArrivalOutcome } from '../../src/arrivals/service.ts';
import type { Engine } from '../../src/engine.ts';
import { parseBookingId } from '../../src/bookings/rules.ts';
import { present } from '../../src/lib/assert.ts';
import { keys } from '../../src/redis/keys.ts';
import {
  bookingOf,
  codeOf,
  fresh,
  granted,
  letPass,
  nextRound,
  publishRelease,
  register,
  type TestRelease,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';
import {
  arrive,
  BATCH,
  bookMany,
  bookSomebody,
  type Booked,
  engineAfterwards,
  engineHere,
  giveDose,
  LATE,
  openToday,
  today,
  wrong,
} from './day.ts';
import { securityCodeOf } from '../../src/bookings/security-code.ts';

const test = useRedis(['--appendfsync', 'no']);

let engine: Engine;
let release: TestRelease;
let who: Booked;
let outcomes: ArrivalOutcome[];

beforeEach(async () => {
  outcomes = [];
  engine = engineHere(test.redis, { onArrival: (outcome) => void outcomes.push(outcome) });
  release = await openToday(engine, test.redis);
  who = await bookSomebody(engine, release);
});

const guess = (booking: string, code: string, key = 'centre') =>
  engine.arrivals.arrive({ name: key }, booking, wrong(code));
const codes = (answers: readonly unknown[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const answer of answers) {
    const code = codeOf(answer) ?? 'granted';
    counts[code] = (counts[code] ?? 0) + 1;
  }
  return counts;
};
const times = <T>(count: number, act: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => act(index)));

describe('the right code', () => {
  it('shows who is to be there, and says so to the account; again the same', async () => {
    const arrival = granted(await arrive(engine, who));
    expect(arrival).toEqual({
      booking: who.booking,
      centre: 'c0',
      date: await today(test.redis),
      from: '23:58',
      service: 'COVISHIELD',
      people: [
        {
          beneficiaryId: who.person,
          name: 'Asha Kale',
          birthYear: 1960,
          gender: 'female',
          idType: 'passport',
          idLast4: expect.any(String),
          vaccine: 'COVISHIELD',
          dose: 1,
        },
      ],
    });
    expect(await arrive(engine, who, 'another-key')).toEqual(arrival);
    expect(await engine.bookings.list(who.account)).toMatchObject([
      { bookingId: who.booking, state: 'arrived', securityCode: who.code },
    ]);
    expect(outcomes).toEqual(['arrived', 'arrived']);
  });

  it('of many requests at once is one arrival', async () => {
    expect(codes(await times(20, () => arrive(engine, who)))).toEqual({ granted: 20 });
    const events = await test.redis.xrange(keys.audit(release.release), '-', '+');
    expect(events.filter(([, fields]) => String(fields[1]).startsWith('arrived'))).toHaveLength(1);
  });

  it('ends what an account can do about its booking', async () => {
    granted(await arrive(engine, who));
    expect(codeOf(await engine.bookings.cancel(who.account, who.booking))).toBe('BOOKING_OVER');
  });

  it('is none on another day, and is then not even looked at', async () => {
    const far = await bookSomebody(engine, release, release.slots[1]);
    for (let tries = 0; tries < 8; tries++)
      expect(await guess(far.booking, far.code)).toMatchObject({
        refused: 'ARRIVAL_NOT_TODAY',
        extra: { date: '2099-01-01' },
      });
    expect(codeOf(await arrive(engine, far))).toBe('ARRIVAL_NOT_TODAY');
    expect(await test.redis.exists(keys.arrivalTries(release.release))).toBe(0);
    // None of these was a try of the key.
    expect(await test.redis.exists(keys.keyTries('centre', await today(test.redis)))).toBe(0);
  });

  it('does nothing for an offer that was not confirmed, or a booking that was cancelled', async () => {
    granted(await engine.bookings.cancel(who.account, who.booking));
    expect(codeOf(await arrive(engine, who))).toBe('ARRIVAL_NOT_BOOKED');
    const lottery = await publishRelease(engine, test.redis, {
      seats: [1],
      alsoOn: '2099-01-01',
      places: { date: await today(test.redis), bands: LATE },
    });
    const account = fresh('account');
    const person = await register(engine, account);
    const request = { beneficiaries: [person], preferences: lottery.slots.slice(0, 1) };
    granted(await engine.rounds.enter(account, lottery.release, request));
    await letPass(test.redis, 600);
    await nextRound(engine, lottery.release);
    const booking = await bookingOf(engine, account, lottery.release);
    const offered = { account, person, booking, code: securityCodeOf(engine.secrets, booking) };
    expect(codeOf(await arrive(engine, offered))).toBe('ARRIVAL_NOT_BOOKED');
    const confirmed = granted(await engine.bookings.confirm(account, booking));
    expect(confirmed.securityCode).toBe(offered.code);
    expect(granted(await arrive(engine, offered)).people).toHaveLength(1);
  });
});

describe('who has arrived', () => {
  it('is shown again by the right code, however often a wrong one was told before or since', async () => {
    for (let tries = 0; tries < 4; tries++) await guess(who.booking, who.code);
    const arrival = granted(await arrive(engine, who));
    for (let tries = 0; tries < 8; tries++)
      expect(codeOf(await guess(who.booking, who.code))).toBe('ARRIVAL_CODE_WRONG');
    expect(await arrive(engine, who)).toEqual(arrival);
    const tried = await test.redis.hgetall(keys.keyTries('centre', await today(test.redis)));
    expect(tried).toEqual({ wrong: '12', right: '1' });
  });

  it('stays one who came, whatever becomes of the seat, and on that day only', async () => {
    const arrival = granted(await arrive(engine, who));
    const [, entry = ''] = who.booking.split('.');
    // An operator's change took it, and the entry has another.
    await test.redis.hset(keys.bookings(release.release), entry, 'OFFERED|9|1|0|1|0');
    expect(await arrive(engine, who)).toEqual(arrival);
    await test.redis.hdel(keys.bookings(release.release), entry);
    expect(await arrive(engine, who)).toEqual(arrival);
    const later = engineAfterwards(test.redis);
    expect(codeOf(await arrive(later, who))).toBe('ARRIVAL_NOT_TODAY');
    granted(await giveDose(later, who));
  });

  it('is none whose booking is marked as missed, or of a round that is not published', async () => {
    const { release: id } = release;
    const [, entry = '', grant = ''] = who.booking.split('.');
    await test.redis.hset(keys.visits(id), `${entry}.${grant}`, `NO_SHOW|0|1|${who.person}`);
    expect(codeOf(await arrive(engine, who))).toBe('ARRIVAL_NOT_BOOKED');
    await test.redis.hdel(keys.visits(id), `${entry}.${grant}`);
    await test.redis.hset(keys.bookings(id), entry, 'BOOKED|7|0|0|1|0');
    const booking = `${id}.${entry}.7`;
    const unpublished = { ...who, booking, code: securityCodeOf(engine.secrets, booking) };
    expect(codeOf(await arrive(engine, unpublished))).toBe('ARRIVAL_CODE_WRONG');
  });

  it('is looked at again where the booking was moved meanwhile', async () => {
    const { stores } = engine;
    const far = present(parseBookingId(who.booking), 'a booking id');
    const presented = { slot: 1, place: 'c0/x', fromMs: 0, untilMs: 1e15, isRight: true };
    expect(await stores.arrivals.arrive(far, presented)).toEqual({ outcome: 'SLOT_CHANGED' });
    expect(await test.redis.exists(keys.visits(release.release))).toBe(0);
  });
});

describe('a wrong code', () => {
  it('leaves four more, and then none, also for who knows the right one', async () => {
    for (const triesLeft of [4, 3, 2, 1, 0])
      expect(await guess(who.booking, who.code)).toMatchObject({
        refused: 'ARRIVAL_CODE_WRONG',
        extra: { triesLeft },
      });
    expect(codeOf(await guess(who.booking, who.code))).toBe('ARRIVAL_TRIES_SPENT');
    expect(codeOf(await arrive(engine, who, 'another-key'))).toBe('ARRIVAL_TRIES_SPENT');
    expect(await engine.bookings.list(who.account)).toMatchObject([{ state: 'booked' }]);
  });

  it('is tried five times at most, however many try at once', async () => {
    const other = await bookSomebody(engine, release);
    const [guesses, right] = await Promise.all([
      times(100, (index) => guess(who.booking, who.code, `key-${index % 10}`)),
      arrive(engine, other, 'key-0'),
    ]);
    expect(codes(guesses)).toEqual({ ARRIVAL_CODE_WRONG: 5, ARRIVAL_TRIES_SPENT: 95 });
    expect(granted(right).booking).toBe(other.booking);
  });

  it('beside the right one either comes after it, or shuts it out', async () => {
    for (const one of await bookMany(engine, release, 10)) {
      const [guesses, right] = await Promise.all([
        times(20, (index) => guess(one.booking, one.code, fresh(`key-${index}`))),
        arrive(engine, one),
      ]);
      expect(codes(guesses)['ARRIVAL_CODE_WRONG']).toBe(5);
      expect([undefined, 'ARRIVAL_TRIES_SPENT']).toContain(codeOf(right));
      const [view] = await engine.bookings.list(one.account);
      expect(view?.state).toBe(codeOf(right) === undefined ? 'arrived' : 'booked');
    }
  });

  it('looks the same where there is no such booking', async () => {
    const unknown = who.booking.replace(/\.[^.]+\.i/, '.AAAAAAAAAAAAAAAAAAAAAA.i');
    const said = async (booking: string) => [
      await guess(booking, who.code, 'one'),
      await guess(booking, who.code, 'two'),
    ];
    expect(await said(unknown)).toEqual(await said(who.booking));
    for (const booking of ['nowhere.AAAAAAAAAAAAAAAAAAAAAA.1', 'nonsense', ''])
      expect((await said(booking))[0]).toEqual((await said(fresh('other')))[0]);
  });
});

describe('an operator key', () => {
  it('of other centres learns nothing of a booking, uses up no try of it, and is counted', async () => {
    const other = { name: fresh('other'), centres: ['c1', 'c2'] };
    const asked = [who.booking, who.booking.replace(/\.[^.]+\.i/, '.AAAAAAAAAAAAAAAAAAAAAA.i')];
    for (const booking of [...asked, ...asked, ...asked])
      for (const code of [who.code, wrong(who.code)])
        expect(await engine.arrivals.arrive(other, booking, code)).toEqual({
          refused: 'ARRIVAL_CODE_WRONG',
          extra: { triesLeft: 4 },
        });
    expect(await test.redis.exists(keys.arrivalTries(release.release))).toBe(0);
    const counted = keys.keyTries(other.name, await today(test.redis));
    expect(await test.redis.hget(counted, 'wrong')).toBe('12');
    const far = await bookSomebody(engine, release, release.slots[1]);
    expect(codeOf(await arrive(engine, far, other))).toBe('ARRIVAL_CODE_WRONG');
  });

  it('of several centres does what one of all does, at each of them', async () => {
    const here = { name: fresh('here'), centres: ['c9', 'c0'] };
    expect(codeOf(await engine.arrivals.arrive(here, who.booking, wrong(who.code)))).toBe(
      'ARRIVAL_CODE_WRONG',
    );
    expect(await test.redis.hvals(keys.arrivalTries(release.release))).toEqual(['1']);
    expect(granted(await arrive(engine, who, here)).booking).toBe(who.booking);
    const other = { name: fresh('other'), centres: ['c1'] };
    expect(codeOf(await giveDose(engine, who, BATCH, other))).toBe('ARRIVAL_MISSING');
    const stranger = { ...who, person: (await bookSomebody(engine, release)).person };
    expect(codeOf(await giveDose(engine, stranger, BATCH, other))).toBe('ARRIVAL_MISSING');
    expect(granted(await giveDose(engine, who, BATCH, here)).dose).toBe(1);
  });
});
