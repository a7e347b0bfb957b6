/** From the start of its slot on a seat can no longer be given back, moved or asked for. */
import { beforeEach, describe, expect, it } from 'vitest';
import { parseBookingId, unpackBooking } from '../../src/bookings/rules.ts';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { isoFromMs, msFromIso } from '../../src/lib/clock.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import {
  bookingOf,
  carrierOn,
  codeOf,
  entryOf,
  fresh,
  granted,
  letPass,
  nextRound,
  publishRelease,
  register,
  type ReleaseWishes,
  type TestRelease,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';
import {
  AFTERWARDS,
  attendanceAfterwards,
  bookSomebody,
  type Booked,
  engineAfterwards,
  engineHere,
  HERE,
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

describe('a slot that has begun', () => {
  const lotteryToday = (wishes: Partial<ReleaseWishes> = {}) =>
    publishRelease(engine, test.redis, {
      seats: [1],
      alsoOn: '2099-01-01',
      confirmWithinS: 5_000,
      ...wishes,
      places: { date: day, bands: LATE },
    });
  let day: string;
  let account: string;
  let person: string;
  beforeEach(async () => {
    day = await today(test.redis);
    account = fresh('account');
    person = await register(engine, account);
  });

  it('is booked no more, nor moved into', async () => {
    const [first = '', far = ''] = release.slots;
    const wish = { release: release.release, beneficiary: person, slot: first };
    expect(await begun.bookings.book(account, wish)).toMatchObject({
      refused: 'SLOT_OVER',
      extra: { slot: first },
    });
    const { bookingId } = granted(await begun.bookings.book(account, { ...wish, slot: far }));
    const { slotNumbers } = granted(await engine.releases.published(release.release));
    const number = present(slotNumbers.get(first), 'a slot');
    expect(codeOf(await begun.bookings.move(account, bookingId, number))).toBe('SLOT_OVER');
    granted(await engine.bookings.move(account, bookingId, number));
  });

  it('is entered for no more, and one that is asked for later goes without it', async () => {
    const { release: lottery, slots } = await lotteryToday({ seats: [1, 1] });
    const [first = '', second = '', far = ''] = slots;
    const request = { beneficiaries: [person], preferences: [far, first] };
    expect(await begun.rounds.enter(account, lottery, request)).toMatchObject({
      refused: 'SLOT_OVER',
      extra: { slot: first, beneficiary: person },
    });
    granted(await engine.rounds.enter(account, lottery, request));
    const { slotNumbers } = granted(await engine.releases.published(lottery));
    const append = (slot: string) =>
      begun.rounds.append(
        account,
        lottery,
        { beneficiaries: [person], slotNumber: present(slotNumbers.get(slot), 'a slot') },
        { device: '', network: '' },
      );
    expect(codeOf(await append(second))).toBe('SLOT_OVER');
    granted(await append(slots[3] ?? ''));
    expect((await entryOf(engine, account, lottery)).preferences).toEqual([far, slots[3]]);
  });

  it('is carried into by nobody, who stands on', async () => {
    const series = fresh('series');
    const places = { date: '2099-02-01', bands: LATE };
    const first = await publishRelease(engine, test.redis, { seats: [1], series, places });
    const { manifest } = granted(await engine.releases.published(first.release));
    const carryOverUntil = isoFromMs(msFromIso(manifest.ends_at) + 86_400_000);
    const request = { beneficiaries: [person], preferences: first.slots, carryOverUntil };
    granted(await engine.rounds.enter(account, first.release, request));
    granted(await engine.releases.end(first.release));
    await letPass(test.redis, 11);
    const next = await lotteryToday({ series });
    const into = granted(await engine.releases.published(next.release)).manifest;
    const closing = { slots: next.slots.slice(1) }; // the far one
    granted(await engine.releases.close(next.release, closing));
    if (into.mode === 'lottery') while (await carrierOn(begun)(into));
    const entry = await entryOf(engine, account, next.release);
    expect(entry).toMatchObject({ state: 'standing', carryOver: { refused: 'SLOT_OVER' } });
  });

  it('that was offered is confirmed no more, and one that was confirmed stays so', async () => {
    const [late, early] = [await offered(), await offered()];
    granted(await engine.bookings.confirm(early.account, early.booking));
    expect(codeOf(await begun.bookings.confirm(late.account, late.booking))).toBe('BOOKING_OVER');
    expect(granted(await begun.bookings.confirm(early.account, early.booking)).state).toBe(
      'booked',
    );
    // and where it has not begun it may be
    expect(granted(await engine.bookings.confirm(late.account, late.booking)).state).toBe('booked');
  });

  it('is no miss of who was offered it and did not answer', async () => {
    for (const [zone, misses] of [
      [AFTERWARDS, null],
      [HERE, expect.stringContaining('.0')],
    ] as const) {
      const won = await offered();
      const { release: lottery } = refOf(won);
      await letPass(test.redis, 5_001);
      await nextRound(engine, lottery);
      await attendanceAfterwards(engine, undefined, zone)(lottery);
      expect(await test.redis.exists(keys.missed(lottery))).toBe(0);
      expect(await test.redis.hget(keys.person(won.person), 'misses')).toEqual(misses);
    }
  });
});
