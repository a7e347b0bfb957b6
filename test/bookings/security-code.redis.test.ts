/** The security code of a booking: in the account's lists and in one SMS, once there is a booking. */
import { beforeEach, describe, expect, it } from 'vitest';
import { securityCodeOf } from '../../src/bookings/security-code.ts';
import { createBookingService } from '../../src/bookings/service.ts';
import type { Engine } from '../../src/engine.ts';
import { createLog } from '../../src/log.ts';
import { createOutbox } from '../../src/notify/outbox.ts';
import { keys } from '../../src/redis/keys.ts';
import {
  bookingOf,
  engineOn,
  entryOf,
  fresh,
  granted,
  letPass,
  nextRound,
  publishRelease,
  register,
  smsOf,
  type TestRelease,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);

let engine: Engine;
let account: string;
let person: string;

beforeEach(async () => {
  engine = engineOn(test.redis);
  account = fresh('account');
  person = await register(engine, account);
  const mobile = engine.secrets.encrypt('+919812345678');
  await test.redis.hset(keys.account(account), 'mobile', mobile);
});

/** Id of the first SMS that tells of a booking of this entry. */
const firstOf = (booking: string): string =>
  `booked:${booking.replace(/\.([^.]+)\.\w+$/, ':$1:1')}`;
const booked = async () =>
  (await smsOf(engine, test.redis)).filter(({ message }) => message.template === 'booked');

describe('an offer', () => {
  let release: TestRelease;
  let booking: string;
  beforeEach(async () => {
    release = await publishRelease(engine, test.redis, { seats: [1] });
    const request = { beneficiaries: [person], preferences: release.slots };
    granted(await engine.rounds.enter(account, release.release, request));
    await letPass(test.redis, 600);
    await nextRound(engine, release.release);
    booking = await bookingOf(engine, account, release.release);
  });

  it('has none until it is confirmed, and one from then on, wherever it is looked at', async () => {
    expect(await engine.bookings.list(account)).toMatchObject([{ securityCode: null }]);
    expect((await entryOf(engine, account, release.release)).booking?.securityCode).toBeNull();
    const securityCode = securityCodeOf(engine.secrets, booking);
    expect(securityCode).toMatch(/^\d{4}$/);
    const confirmed = granted(await engine.bookings.confirm(account, booking));
    expect(confirmed.securityCode).toBe(securityCode);
    expect(await engine.bookings.list(account)).toMatchObject([{ securityCode }]);
    const { booking: seen } = await entryOf(engine, account, release.release);
    expect(seen?.securityCode).toBe(securityCode);
    granted(await engine.bookings.confirm(account, booking));
    expect(await booked()).toMatchObject([
      {
        id: firstOf(booking),
        account,
        message: {
          title: `The release ${release.release}`,
          centre: 'Centre 0',
          date: '2099-01-01',
          from: '09:00',
          securityCode,
        },
      },
    ]);
    granted(await engine.bookings.cancel(account, booking));
    expect(await engine.bookings.list(account)).toMatchObject([{ securityCode: null }]);
  });
});

describe('a booking at once', () => {
  it('is told with its code; and made although it cannot be told', async () => {
    const release = await publishRelease(engine, test.redis, { mode: 'immediate', seats: [2] });
    const full = createOutbox({
      store: engine.stores.outbox,
      secrets: engine.secrets,
      onSms: () => undefined,
      capacity: { urgent: 0, routine: 0 },
    });
    const { stores, releases, rounds, claims, secrets } = engine;
    const untold = createBookingService({
      store: stores.bookings,
      arrivals: stores.arrivals,
      people: stores.people,
      releases,
      rounds,
      claims,
      outbox: full,
      secrets,
      log: createLog('silent'),
      timeZone: 'UTC',
    });
    const wish = (beneficiary: string) => ({
      release: release.release,
      beneficiary,
      slot: release.slots[0] ?? '',
    });
    const view = granted(await untold.book(account, wish(person)));
    expect(view.securityCode).toBe(securityCodeOf(secrets, view.bookingId));
    expect(await booked()).toEqual([]);
    const second = await register(engine, account);
    const told = granted(await engine.bookings.book(account, wish(second)));
    expect(await booked()).toMatchObject([
      { id: firstOf(told.bookingId), message: { securityCode: told.securityCode } },
    ]);
  });

  it('is told three times a release, however often it is made and given back', async () => {
    const { release, slots } = await publishRelease(engine, test.redis, {
      mode: 'immediate',
      seats: [5],
    });
    const wish = { release, beneficiary: person, slot: slots[0] ?? '' };
    const codes: (string | null)[] = [];
    for (let times = 0; times < 6; times++) {
      const booked = granted(await engine.bookings.book(account, wish));
      codes.push(booked.securityCode);
      // Asked again, as by who lost the answer, it is not another.
      granted(await engine.bookings.confirm(account, booked.bookingId));
      granted(await engine.bookings.cancel(account, booked.bookingId));
    }
    const told = (await smsOf(engine, test.redis)).flatMap(({ message }) =>
      message.template === 'booked' ? [message.securityCode] : [],
    );
    expect(told).toEqual(codes.slice(0, 3));
    const other = await publishRelease(engine, test.redis, { mode: 'immediate', seats: [5] });
    await letPass(test.redis, 11, [keys.person(person)]);
    const elsewhere = { release: other.release, beneficiary: person, slot: other.slots[0] ?? '' };
    granted(await engine.bookings.book(account, elsewhere));
    expect(await smsOf(engine, test.redis)).toHaveLength(4);
  });
});
