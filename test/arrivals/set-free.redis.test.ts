/** A booking whose day is over binds nobody any longer: neither who missed it nor who came. */
import { beforeEach, describe, expect, it } from 'vitest';
import { securityCodeOf } from '../../src/bookings/security-code.ts';
import type { Engine } from '../../src/engine.ts';
import { keys } from '../../src/redis/keys.ts';
import { entryIdOf } from '../../src/rounds/rules.ts';
import {
  bookingOf,
  codeOf,
  fresh,
  granted,
  letPass,
  nextRound,
  publishRelease,
  register,
  stateOf,
  type TestRelease,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';
import {
  arrive,
  attendanceAfterwards,
  bookSomebody,
  type Booked,
  engineHere,
  giveDose,
  LATE,
  openToday,
  today,
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

/** Marks the day of a release that has a far last day as over. */
const dayOver = (one = release) => attendanceAfterwards(engine)(one.release);
/** Books elsewhere, once the lease of the claim is over. */
async function elsewhere({ account, person }: Pick<Booked, 'account' | 'person'>) {
  const other = await publishRelease(engine, test.redis, { mode: 'immediate', seats: [9] });
  await letPass(test.redis, 11, [keys.person(person)]);
  const wish = { release: other.release, beneficiary: person, slot: other.slots[0] ?? '' };
  return engine.bookings.book(account, wish);
}
const remove = ({ account, person }: Booked) => engine.people.removeBeneficiary(account, person);
/** One who came, so that the centre counts as one that says who does. */
const somebodyCame = async () => granted(await arrive(engine, await bookSomebody(engine, release)));

describe('who did not come', () => {
  it('may book elsewhere the first time', async () => {
    await somebodyCame();
    expect(codeOf(await elsewhere(who))).toBe('CLAIMED_ELSEWHERE');
    await dayOver();
    granted(await elsewhere(who));
    // Nothing of the first release comes to life beside it.
    expect(codeOf(await engine.bookings.cancel(who.account, who.booking))).toBe('BOOKING_OVER');
    expect(codeOf(await engine.bookings.move(who.account, who.booking, 1))).toBe(
      'CLAIMED_ELSEWHERE',
    );
  });

  it('is shown what is left to be had again', async () => {
    const bound = await engine.rounds.askedIn(who.account);
    expect(bound.allBound).toBe(true);
    await somebodyCame();
    await dayOver();
    expect((await engine.rounds.askedIn(who.account)).allBound).toBe(false);
  });

  it('may leave their account', async () => {
    await somebodyCame();
    await letPass(test.redis, 11);
    expect(codeOf(await remove(who))).toBe('BENEFICIARY_HAS_CLAIM');
    await dayOver();
    granted(await remove(who));
  });
});

describe('who came and got nothing', () => {
  it('is free when the day is over and not before, wherever a dose is given later', async () => {
    granted(await arrive(engine, who));
    expect(codeOf(await elsewhere(who))).toBe('CLAIMED_ELSEWHERE');
    await dayOver();
    granted(await elsewhere(who));
    granted(await giveDose(engine, who));
    expect(await stateOf(engine, release.release, who.person)).toBe('BOOKED');
  });

  it('is free though their service is no vaccine', async () => {
    const passports = await openToday(engine, test.redis, { places: { service: 'passport' } });
    const holder = await bookSomebody(engine, passports);
    granted(await arrive(engine, holder));
    await dayOver(passports);
    granted(await elsewhere(holder));
  });
});

describe('in a lottery', () => {
  let lottery: TestRelease;
  let group: string[];

  /** A group of two with a booking of today; a second slot of today has seats too. */
  beforeEach(async () => {
    lottery = await publishRelease(engine, test.redis, {
      seats: [2, 2],
      alsoOn: '2099-01-01',
      confirmWithinS: 5_000,
      places: { date: await today(test.redis), bands: LATE },
    });
    const account = fresh('account');
    group = [await register(engine, account), await register(engine, account)];
    const [first = '', , second = ''] = lottery.slots;
    const request = { beneficiaries: group, preferences: [first, second] };
    granted(await engine.rounds.enter(account, lottery.release, request));
    await letPass(test.redis, 600);
    await nextRound(engine, lottery.release);
    const booking = await bookingOf(engine, account, lottery.release);
    granted(await engine.bookings.confirm(account, booking));
    const code = securityCodeOf(engine.secrets, booking);
    who = { account, person: group[0] ?? '', booking, code };
  });

  it('each of a group is free once the day is over, whoever of them had a dose', async () => {
    granted(await arrive(engine, who));
    const [lead = '', second = ''] = group;
    granted(await giveDose(engine, { ...who, person: lead }));
    expect(codeOf(await elsewhere({ ...who, person: second }))).toBe('CLAIMED_ELSEWHERE');
    await dayOver(lottery);
    granted(await elsewhere({ ...who, person: second }));
  });

  it('is free though a change takes their booking after its day, and offers them another', async () => {
    granted(await arrive(engine, who));
    await dayOver(lottery);
    const [first = ''] = lottery.slots;
    granted(await engine.releases.close(lottery.release, { slots: [first] }));
    await letPass(test.redis, 61, [keys.release(lottery.release)]);
    await nextRound(engine, lottery.release);
    const state = await stateOf(engine, lottery.release, who.person);
    expect(['WAITING', 'OFFERED']).toContain(state);
    granted(await elsewhere(who));
  });

  it('stays free though another of the group is given a dose after it', async () => {
    granted(await arrive(engine, who));
    await dayOver(lottery);
    granted(await giveDose(engine, who));
    granted(await elsewhere({ ...who, person: group[1] ?? '' }));
  });

  it.each(['came', 'did not come'])('who %s gets no other seat by a change', async (what) => {
    granted(await arrive(engine, who));
    if (what === 'did not come') {
      // As if another of this centre had come, and they had not.
      const { entry, grant } = { entry: who.booking.split('.')[1], grant: '0' };
      await test.redis.hdel(keys.visits(lottery.release), `${entry}.${grant}`);
    }
    await dayOver(lottery);
    granted(await elsewhere({ ...who, person: group[1] ?? '' }));
    granted(await engine.releases.close(lottery.release, { slots: [lottery.slots[0] ?? ''] }));
    await nextRound(engine, lottery.release);
    expect(await stateOf(engine, lottery.release, who.person)).toBe('OFFERED');
    const entry = entryIdOf(engine.secrets, lottery.release, who.person);
    const offered = `${lottery.release}.${entry}.1`;
    expect(codeOf(await engine.bookings.confirm(who.account, offered))).toBe('BOOKING_OVER');
  });

  it('the booking stays that of the others when the lead leaves the account', async () => {
    granted(await arrive(engine, who));
    granted(await giveDose(engine, who));
    await letPass(test.redis, 11);
    const before = await engine.bookings.list(who.account);
    granted(await remove(who));
    const [, second = ''] = group;
    expect(await engine.bookings.list(who.account)).toEqual(
      before.map((one) => ({ ...one, beneficiaries: [second] })),
    );
    expect(codeOf(await engine.bookings.own(who.account, who.booking))).toBeUndefined();
    const stranger = fresh('account');
    await register(engine, stranger);
    for (const account of [stranger, fresh('account')])
      expect(codeOf(await engine.bookings.own(account, who.booking))).toBe('BOOKING_UNKNOWN');
    granted(await giveDose(engine, { ...who, person: second }));
  });
});
