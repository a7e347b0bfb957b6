/** Who did not come: marked once, where a centre says who came; and what missed seats cost. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { ArrivalStore } from '../../src/arrivals/store.ts';
import type { Engine } from '../../src/engine.ts';
import { parseBookingId } from '../../src/bookings/rules.ts';
import { present } from '../../src/lib/assert.ts';
import { addDays } from '../../src/lib/days.ts';
import { isoFromMs } from '../../src/lib/clock.ts';
import { MISS_TERMS } from '../../src/people/rules.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import {
  codeOf,
  fresh,
  granted,
  letPass,
  nextRound,
  publishRelease,
  register,
  type TestRelease,
  workerOn,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';
import {
  arrive,
  attendanceAfterwards,
  bookMany,
  bookSomebody,
  type Booked,
  engineAfterwards,
  engineHere,
  HERE,
  LATE,
  openToday,
  today,
} from './day.ts';

const test = useRedis(['--appendfsync', 'no']);
const DAY_MS = 86_400_000;

let engine: Engine;
let release: TestRelease;

beforeEach(async () => {
  engine = engineHere(test.redis);
  release = await openToday(engine, test.redis);
});

const states = (people: readonly Booked[]) =>
  Promise.all(
    people.map(async ({ account }) => {
      const [view] = await engine.bookings.list(account);
      return view?.state;
    }),
  );
const attend = (store?: ArrivalStore) => attendanceAfterwards(engine, store)(release.release);
/** Missed seats of each of these people. */
const misses = (people: readonly { readonly person: string }[]) =>
  Promise.all(
    people.map(async ({ person }) => {
      const held = await test.redis.hget(keys.person(person), 'misses');
      return held === null ? 0 : held.split('\n').length;
    }),
  );
const fill = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);

describe('a booking whose people did not come', () => {
  it('is marked when its day is over, once', async () => {
    const people = await bookMany(engine, release, 6);
    for (const one of people.slice(0, 2)) granted(await arrive(engine, one));
    const here = attendanceAfterwards(engine, undefined, HERE);
    expect(await here(release.release)).toBe('LATER');
    expect(await states(people)).toEqual(['arrived', 'arrived', ...fill(4, 'booked')]);

    const marked = ['arrived', 'arrived', ...fill(4, 'no-show')];
    for (let again = 0; again < 2; again++) {
      expect(await attend()).toBe('LATER');
      expect(await states(people)).toEqual(marked);
      expect(await misses(people)).toEqual([0, 0, 1, 1, 1, 1]);
    }
    const [last] = await engine.bookings.list(people[5]?.account ?? '');
    expect(last).toMatchObject({ state: 'no-show', securityCode: null });
    const { account = '', booking = '' } = people[5] ?? {};
    expect(codeOf(await engine.bookings.cancel(account, booking))).toBe('BOOKING_OVER');
    const date = await today(test.redis);
    expect(await engine.stores.arrivals.attendance(release.release)).toBe(date);
  });

  it('is left alone at a centre that says of nobody that they came', async () => {
    const two = await openToday(engine, test.redis, { seats: [5, 5] });
    release = two;
    const [first, second] = two.slots;
    const here = await bookSomebody(engine, two, first);
    const missing = await bookSomebody(engine, two, first);
    const elsewhere = await bookSomebody(engine, two, second);
    granted(await arrive(engine, here));
    await attend();
    expect(await states([here, missing, elsewhere])).toEqual(['arrived', 'no-show', 'booked']);
    expect(await misses([here, missing, elsewhere])).toEqual([0, 1, 0]);
  });

  it('on a later day is left for that day', async () => {
    const later = await bookSomebody(engine, release, release.slots[1]);
    granted(await arrive(engine, await bookSomebody(engine, release)));
    await attend();
    expect(await states([later])).toEqual(['booked']);
  });

  it('shows as that wherever its account looks, and has no slip; who came has one', async () => {
    const [came, missing] = (await bookMany(engine, release, 2)) as [Booked, Booked];
    granted(await arrive(engine, came));
    await attend();
    const confirm = ({ account, booking }: Booked) => engine.bookings.confirm(account, booking);
    for (const one of [came, missing])
      expect([await confirm(one)]).toEqual(await engine.bookings.list(one.account));
    expect(await confirm(missing)).toMatchObject({ state: 'no-show', securityCode: null });
    expect(await engine.slips.of(missing.account, missing.booking)).toMatchObject({
      refused: 'SLIP_NOT_BOOKED',
      extra: { state: 'no-show' },
    });
    expect(granted(await engine.slips.of(came.account, came.booking))).toBeInstanceOf(Buffer);
  });

  it('is left alone in a slot that it has left meanwhile', async () => {
    const { entry, grant } = present(
      parseBookingId((await bookSomebody(engine, release)).booking),
      'a booking id',
    );
    const { markNoShows } = engine.stores.arrivals;
    const mark = (slot: number) =>
      markNoShows(release.release, [{ entry, grant, slot, missedAtMs: 1 }]);
    expect(await mark(1)).toBe(0);
    expect(await test.redis.exists(keys.visits(release.release))).toBe(0);
    expect(await mark(0)).toBe(1);
  });

  it('is marked and counted once, wherever a worker dies, and under two of them', async () => {
    const people = await bookMany(engine, release, 40);
    const [came, ...missing] = people as [Booked, ...Booked[]];
    granted(await arrive(engine, came));
    let died = 0;
    for (let diesAt = 0; ; diesAt++) {
      let calls = 0;
      const dying = Object.fromEntries(
        Object.entries(engine.stores.arrivals).map(([name, call]) => [
          name,
          async (...parts: unknown[]) => {
            if (calls++ === diesAt) throw new Error('the worker is gone');
            return (call as (...parts: unknown[]) => unknown)(...parts);
          },
        ]),
      ) as ArrivalStore;
      // From the beginning: as if nothing of this had been done, but for what was counted.
      await test.redis.hdel(keys.release(release.release), 'attendance');
      try {
        await attend(dying);
        break;
      } catch {
        died++;
      }
    }
    expect(died).toBeGreaterThan(4);
    await Promise.all([attend(), attend()]);
    expect(await states(people)).toEqual(['arrived', ...fill(39, 'no-show')]);
    expect(await misses(missing)).toEqual(fill(39, 1));
    expect(await test.redis.exists(keys.missed(release.release))).toBe(0);
  });

  it('is found among more bookings than one look takes, and a stop keeps the rest', async () => {
    granted(await arrive(engine, await bookSomebody(engine, release)));
    const persons = Array.from({ length: 1_200 }, (_, index) => `p${index}`.padEnd(22, 'x'));
    for (const [index, person] of persons.entries()) {
      const id = `e${index}`.padEnd(22, 'x');
      await test.redis.hset(keys.bookings(release.release), id, 'BOOKED|iabc|0|0|1|0');
      await test.redis.hset(keys.entries(release.release), id, `${person}|0|`);
    }
    const stopping = new AbortController();
    const stopped: ArrivalStore = {
      ...engine.stores.arrivals,
      markNoShows: async (...parts) => {
        const count = await engine.stores.arrivals.markNoShows(...parts);
        stopping.abort();
        return count;
      },
    };
    await attendanceAfterwards(engine, stopped)(release.release, stopping.signal);
    const marked = await test.redis.hlen(keys.visits(release.release));
    expect(marked).toBeGreaterThan(1);
    expect(marked).toBeLessThan(2_402);
    expect(await engine.stores.arrivals.attendance(release.release)).toBe('');
    await attend();
    expect(await test.redis.hlen(keys.visits(release.release))).toBe(2_402); // the visit and its entry
    const counted = await misses(persons.map((person) => ({ person })));
    expect(counted).toEqual(fill(1_200, 1));
  });
});

describe('a release', () => {
  const reads: string[] = [];
  /** As a release is read long after its last day. */
  const longAfter = (isLastDayPast = true, endedAgoMs = 1e12) => {
    const releases = {
      ...engine.releases,
      published: async (id: string) => {
        reads.push(id);
        const found = granted(await engine.releases.published(id));
        const dates = found.dates.filter((date) => !isLastDayPast || date < '2099-01-01');
        const manifest = { ...found.manifest, ends_at: '2020-01-01T00:00:00.000Z' };
        const nowMs = await redisNowMs(test.redis);
        return { ...found, manifest, dates, lastDayEndsAtMs: nowMs - endedAgoMs };
      },
    } as Engine['releases'];
    return attendanceAfterwards({ ...engine, releases });
  };

  it('that is over for good is not looked at again', async () => {
    const { release: id } = release;
    const over = longAfter();
    expect(await over(id)).toBe('LATER'); // it still books
    await letPass(test.redis, 7_300, [keys.release(id)]);
    expect(await longAfter(false)(id)).toBe('LATER'); // a day is to come
    expect(await longAfter(true, 7 * DAY_MS - 60_000)(id)).toBe('LATER'); // not long ago
    reads.length = 0;
    expect(await over(id)).toBe('OVER');
    expect(await over(id)).toBe('OVER');
    expect(reads).toEqual([id]);
  });

  it('is seen to while a round is open, or an offer of one may lapse', async () => {
    const { release: id, slots } = await publishRelease(engine, test.redis, {
      seats: [1],
      endsInS: 1_000,
      confirmWithinS: 900,
      alsoOn: '2099-01-01',
      places: { date: await today(test.redis), bands: LATE },
    });
    const account = fresh('account');
    const person = await register(engine, account);
    const request = { beneficiaries: [person], preferences: slots.slice(0, 1) };
    granted(await engine.rounds.enter(account, id, request));
    await letPass(test.redis, 600);
    expect(await engine.stores.drawing.cut(id)).toMatchObject({ outcome: 'DRAWING' });
    granted(await engine.releases.end(id));
    expect(await longAfter()(id)).toBe('LATER');
    await nextRound(engine, id);
    expect(await longAfter()(id)).toBe('LATER');
    await letPass(test.redis, 901);
    expect(await longAfter()(id)).toBe('LATER');
    await workerOn(engine).step(id);
    expect(await longAfter()(id)).toBe('OVER');
    expect(await misses([{ person }])).toEqual([0]); // it was offered what is over where they look
  });
});

describe('missed seats', () => {
  let account: string;
  let person: string;
  beforeEach(async () => {
    account = fresh('account');
    person = await register(engine, account);
  });
  const miss = (missedAtMs: number, booking = fresh('booking')) =>
    engine.stores.people.countMiss(person, { booking, missedAtMs }, MISS_TERMS);
  const book = () =>
    engine.bookings.book(account, {
      release: release.release,
      beneficiary: person,
      slot: release.slots[0] ?? '',
    });

  it('cost nothing the first time, and two weeks from the second on', async () => {
    const nowMs = await redisNowMs(test.redis);
    const at = nowMs - 100 * DAY_MS;
    await miss(at, 'one');
    await miss(at, 'one');
    granted(await book());
    await miss(nowMs - DAY_MS);
    const until = isoFromMs(nowMs + 13 * DAY_MS);
    expect(await book()).toMatchObject({ refused: 'COOLING_DOWN', extra: { until } });
    // Of an ID, not of an account.
    await letPass(test.redis, 11);
    const [booking] = await engine.bookings.list(account);
    granted(await engine.bookings.cancel(account, booking?.bookingId ?? ''));
    granted(await engine.people.removeBeneficiary(account, person));
    expect(await test.redis.hget(keys.person(person), 'misses')).not.toBeNull();
    await letPass(test.redis, 13 * 86_400 + 60, [keys.person(person)]);
    expect(Number(await test.redis.hget(keys.person(person), 'cooling_ends_at_ms'))).toBeLessThan(
      nowMs,
    );
  });

  it('end by themselves', async () => {
    const nowMs = await redisNowMs(test.redis);
    await miss(nowMs - 60 * DAY_MS);
    await miss(nowMs - 14 * DAY_MS - 1_000);
    granted(await book());
  });

  it('count together only within half a year, in whichever order they are told', async () => {
    const nowMs = await redisNowMs(test.redis);
    await miss(nowMs);
    await miss(nowMs - 181 * DAY_MS);
    granted(await book());
    await miss(nowMs - 179 * DAY_MS);
    expect(codeOf(await book())).toBe('COOLING_DOWN');
  });

  it('never shorten a time that is running', async () => {
    const nowMs = await redisNowMs(test.redis);
    for (const days of [0, 1, 180.5]) await miss(nowMs - days * DAY_MS);
    const ends = await test.redis.hget(keys.person(person), 'cooling_ends_at_ms');
    expect(Number(ends)).toBe(nowMs + 14 * DAY_MS);
  });

  it('are offers that lapsed, and no-shows beside them, of every one of a group', async () => {
    const lottery = await publishRelease(engine, test.redis, {
      seats: [2],
      confirmWithinS: 900,
      alsoOn: '2099-01-01',
      places: { date: await today(test.redis), bands: LATE },
    });
    const second = await register(engine, account);
    const people = [{ person }, { person: second }];
    granted(
      await engine.rounds.enter(account, lottery.release, {
        beneficiaries: [person, second],
        preferences: lottery.slots.slice(0, 1),
      }),
    );
    await letPass(test.redis, 600);
    await nextRound(engine, lottery.release);
    await letPass(test.redis, 901);
    await nextRound(engine, lottery.release);
    const attendance = attendanceAfterwards(engine, undefined, HERE);
    await attendance(lottery.release);
    await attendance(lottery.release);
    expect(await misses(people)).toEqual([1, 1]);

    await letPass(test.redis, 11);
    granted(await book());
    granted(await arrive(engine, await bookSomebody(engine, release)));
    await attend();
    expect(await misses(people)).toEqual([2, 1]);
    const next = await openToday(engine, test.redis, {
      places: { date: addDays(await today(test.redis), 30) },
    });
    const wish = (one: string) => ({
      release: next.release,
      beneficiary: one,
      slot: next.slots[0] ?? '',
    });
    expect(codeOf(await engine.bookings.book(account, wish(person)))).toBe('COOLING_DOWN');
    expect(codeOf(await engine.bookings.book(account, wish(second)))).toBeUndefined();
  });

  describe('are counted before the claim is taken over', () => {
    beforeEach(async () => miss((await redisNowMs(test.redis)) - DAY_MS));
    const wait = () => letPass(test.redis, 11, [keys.person(person)]);
    /** They were offered a seat of a lottery, and the deadline has passed; no worker came by. */
    const letLapse = async (bands = LATE, date = '2099-01-01'): Promise<TestRelease> => {
      const lottery = await publishRelease(engine, test.redis, {
        seats: [1],
        alsoOn: '2099-01-02',
        confirmWithinS: 900,
        places: { date, bands },
      });
      const request = { beneficiaries: [person], preferences: lottery.slots.slice(0, 1) };
      granted(await engine.rounds.enter(account, lottery.release, request));
      await letPass(test.redis, 600);
      await nextRound(engine, lottery.release);
      await letPass(test.redis, 901);
      return lottery;
    };

    it('whoever enters at the moment of the lapse, or leaves their account', async () => {
      const lottery = await letLapse();
      await wait();
      expect(codeOf(await book())).toBe('COOLING_DOWN');
      granted(await engine.people.removeBeneficiary(account, person));
      // The worker counts the same one, and it is one.
      const until = await test.redis.hget(keys.person(person), 'cooling_ends_at_ms');
      await nextRound(engine, lottery.release);
      await attendanceAfterwards(engine)(lottery.release);
      expect(await misses([{ person }])).toEqual([2]);
      expect(await test.redis.hget(keys.person(person), 'cooling_ends_at_ms')).toBe(until);
    });

    it('leaving counts as well', async () => {
      await letLapse();
      await wait();
      granted(await engine.people.removeBeneficiary(account, person));
      expect(await misses([{ person }])).toEqual([2]);
    });

    it('a no-show, though the worker that marked it died before it counted', async () => {
      const wish = { release: release.release, beneficiary: person, slot: release.slots[0] ?? '' };
      granted(await engine.bookings.book(account, wish));
      granted(await arrive(engine, await bookSomebody(engine, release)));
      const dying = {
        ...engine.stores.arrivals,
        someMissed: () => Promise.reject(new Error('gone')),
      };
      await expect(attend(dying)).rejects.toThrow('gone');
      await wait();
      release = await openToday(engine, test.redis, {
        places: { date: addDays(await today(test.redis), 30) },
      });
      expect(codeOf(await book())).toBe('COOLING_DOWN');
    });

    it('and what is no miss is not', async () => {
      await letLapse(LATE, await today(test.redis));
      const later = engineAfterwards(test.redis);
      await wait();
      const wish = { release: release.release, beneficiary: person, slot: release.slots[1] ?? '' };
      granted(await later.bookings.book(account, wish));
    });
  });
});
