/** From the start of its slot on a seat can no longer be given back, moved or asked for. */
import { beforeEach, describe, expect, it } from 'vitest';
import { parseBookingId, unpackBooking } from '../../src/bookings/rules.ts';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { redisNowMs } from '../../src/redis/client.ts';
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
  bookSomebody,
  type Booked,
  engineAfterwards,
  engineHere,
  LATE,
  openToday,
  today,
} from '../arrivals/day.ts';

const test = useRedis(['--appendfsync', 'no']);

let engine: Engine;
/** Where the sessions of today have begun. */
let begun: Engine;
let release: TestRelease;

beforeEach(async () => {
  engine = engineHere(test.redis);
  begun = engineAfterwards(test.redis);
  release = await openToday(engine, test.redis);
});

const cancel = (where: Engine, { account, booking }: Booked) =>
  where.bookings.cancel(account, booking);
const refOf = ({ booking }: Booked) => present(parseBookingId(booking), 'a booking id');

/** Somebody whom a lottery of today offers a seat. */
async function offered(): Promise<Booked> {
  const lottery = await publishRelease(engine, test.redis, {
    seats: [1],
    alsoOn: '2099-01-01',
    confirmWithinS: 5_000,
    places: { date: await today(test.redis), bands: LATE },
  });
  const account = fresh('account');
  const person = await register(engine, account);
  const request = { beneficiaries: [person], preferences: lottery.slots.slice(0, 1) };
  granted(await engine.rounds.enter(account, lottery.release, request));
  await letPass(test.redis, 600);
  await nextRound(engine, lottery.release);
  const booking = await bookingOf(engine, account, lottery.release);
  return { account, person, booking, code: '' };
}

describe('a booking whose slot has begun', () => {
  it('is given back no more, in either mode, and one of another day is', async () => {
    const [now, before, later] = [
      await bookSomebody(engine, release),
      await bookSomebody(engine, release),
      await bookSomebody(engine, release, release.slots[1]),
    ];
    expect(codeOf(await cancel(begun, now))).toBe('BOOKING_OVER');
    granted(await cancel(engine, before));
    expect(granted(await cancel(begun, before))).toBe('CANCELLED'); // the same, again
    granted(await cancel(begun, later));
    const won = await offered();
    granted(await engine.bookings.confirm(won.account, won.booking));
    expect(codeOf(await cancel(begun, won))).toBe('BOOKING_OVER');
    granted(await cancel(engine, won));
  });

  it('is moved no more', async () => {
    const [first, second] = [
      await bookSomebody(engine, release),
      await bookSomebody(engine, release, release.slots[1]),
    ];
    const { slotNumbers } = granted(await engine.releases.published(release.release));
    const far = present(slotNumbers.get(release.slots[1] ?? ''), 'a slot');
    expect(codeOf(await begun.bookings.move(first.account, first.booking, far))).toBe(
      'BOOKING_OVER',
    );
    granted(await begun.bookings.move(second.account, second.booking, far));
    granted(await engine.bookings.move(first.account, first.booking, far));
  });

  it('is known by Redis to the millisecond, and only for the slot that was looked at', async () => {
    const { bookings } = engine.stores;
    const [one, two] = [await bookSomebody(engine, release), await bookSomebody(engine, release)];
    const packed = await bookings.held(release.release, refOf(one).entry);
    const { slot } = unpackBooking(present(packed, 'a booking'));
    const nowMs = await redisNowMs(test.redis);
    expect(await bookings.cancel(refOf(one), { slot, beginsAtMs: nowMs })).toBe('BOOKING_OVER');
    const other = { slot: slot + 1, beginsAtMs: nowMs + 60_000 };
    expect(await bookings.cancel(refOf(one), other)).toBe('ROUND_DRAWING');
    expect(await bookings.cancel(refOf(one), undefined)).toBe('ROUND_DRAWING');
    const still = { slot, beginsAtMs: nowMs + 60_000 };
    expect(await bookings.cancel(refOf(two), still)).toBe('CANCELLED');
  });
});

it('an offer may be declined until its deadline', async () => {
  const won = await offered();
  granted(await cancel(begun, won));
  expect(await test.redis.hget(keys.bookings(refOf(won).release), refOf(won).entry)).toContain(
    'CANCELLED',
  );
});
