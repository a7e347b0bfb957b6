/** Doses: one each, of who came; the next one when it is due; and what becomes of the claim (F1). */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { createArrivalService } from '../../src/arrivals/service.ts';
import { securityCodeOf } from '../../src/bookings/security-code.ts';
import { addDays, instantMs } from '../../src/lib/days.ts';
import { present } from '../../src/lib/assert.ts';
import { parseBookingId } from '../../src/bookings/rules.ts';
import type { VaccineName } from '../../src/people/vaccines.ts';
import { keys } from '../../src/redis/keys.ts';
import { isRefusal } from '../../src/refusal.ts';
import { entryIdOf } from '../../src/rounds/rules.ts';
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
  stateOf,
  type TestRelease,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';
import {
  arrive,
  CENTRE,
  BATCH,
  bookSomebody,
  type Booked,
  engineHere,
  giveDose,
  HERE,
  LATE,
  openToday,
  today,
} from './day.ts';

const test = useRedis(['--appendfsync', 'no']);

let engine: Engine;
let doses: VaccineName[];
let release: TestRelease;
let who: Booked;

beforeEach(async () => {
  doses = [];
  engine = engineHere(test.redis, { onDose: (vaccine) => void doses.push(vaccine) });
  release = await openToday(engine, test.redis);
  who = await bookSomebody(engine, release);
});

const times = <T>(count: number, act: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, act));
const beneficiary = async ({ account, person }: Booked) =>
  present(
    (await engine.people.listBeneficiaries(account)).find((one) => one.beneficiaryId === person),
    'a beneficiary',
  );
/** Books a slot of a release for somebody who is registered. */
const book = ({ account, person }: Booked, one: TestRelease) =>
  engine.bookings.book(account, {
    release: one.release,
    beneficiary: person,
    slot: one.slots[0] ?? '',
  });
const openDose = async (dose: number, inDays: number, wishes: Partial<ReleaseWishes> = {}) =>
  publishRelease(engine, test.redis, {
    mode: 'immediate',
    seats: [100],
    ...wishes,
    places: { dose, date: addDays(await today(test.redis), inDays), ...wishes.places },
  });

describe('a dose', () => {
  it('is of whoever arrived, of the vaccine of the session, and shows to the account', async () => {
    const date = await today(test.redis);
    expect(codeOf(await giveDose(engine, who))).toBe('ARRIVAL_MISSING');
    granted(await arrive(engine, who));
    const asked = { booking: who.booking, beneficiary: who.person, batch: BATCH };
    const record = (change: object) =>
      engine.arrivals.recordDose(CENTRE, { ...asked, vaccine: 'COVISHIELD', ...change });
    for (const vaccine of ['COVAXIN', 'aspirin'])
      expect(codeOf(await record({ vaccine }))).toBe('DOSE_MISMATCH');
    const stranger = await register(engine, fresh('account'));
    expect(codeOf(await record({ beneficiary: stranger }))).toBe('DOSE_MISMATCH');
    for (const booking of ['nonsense', 'nowhere.AAAAAAAAAAAAAAAAAAAAAA.1', `${who.booking}x`])
      expect(codeOf(await record({ booking }))).toBe('ARRIVAL_MISSING');
    expect(granted(await record({}))).toEqual({
      beneficiaryId: who.person,
      dose: 1,
      vaccine: 'COVISHIELD',
      date,
      batch: BATCH,
      vaccinationStatus: 'partially-vaccinated',
      nextDoseFrom: addDays(date, 84),
    });
    expect(await beneficiary(who)).toMatchObject({
      doses: [{ dose: 1, vaccine: 'COVISHIELD', date }],
      vaccinationStatus: 'partially-vaccinated',
    });
  });

  it('is one, however often it is recorded, and keeps its batch', async () => {
    granted(await arrive(engine, who));
    const answers = await times(20, () => giveDose(engine, who));
    expect(answers.filter(isRefusal)).toEqual([]);
    expect(new Set(answers.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(doses).toEqual(['COVISHIELD']);
    expect(codeOf(await giveDose(engine, who, 'another'))).toBe('DOSE_RECORDED');
    expect((await beneficiary(who)).doses).toHaveLength(1);
  });

  it('of one number is given on one booking only, even at the same time', async () => {
    granted(await arrive(engine, who));
    // As if somebody had got two bookings in spite of all: another centre says that they came.
    const another = await openToday(engine, test.redis);
    const ref = present(parseBookingId((await bookSomebody(engine, another)).booking), 'a booking');
    const visit = `ARRIVED|0|0|${who.person}`;
    await test.redis.hset(keys.visits(another.release), `${ref.entry}.${ref.grant}`, visit);
    const double = { ...who, booking: `${ref.release}.${ref.entry}.${ref.grant}` };
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => giveDose(engine, index % 2 ? who : double)),
    );
    const refused = answers.filter(isRefusal);
    expect(new Set(refused.map(({ refused: code }) => code))).toEqual(new Set(['DOSE_NOT_DUE']));
    expect(refused).toHaveLength(10);
    expect((await beneficiary(who)).doses).toHaveLength(1);
  });

  it('is of each of a group for themselves', async () => {
    const lottery = await publishRelease(engine, test.redis, {
      seats: [2],
      alsoOn: '2099-01-01',
      places: { date: await today(test.redis), bands: LATE },
    });
    const account = fresh('account');
    const people = [await register(engine, account), await register(engine, account)];
    const preferences = lottery.slots.slice(0, 1);
    const request = { beneficiaries: people, preferences };
    granted(await engine.rounds.enter(account, lottery.release, request));
    await letPass(test.redis, 600);
    await nextRound(engine, lottery.release);
    const booking = await bookingOf(engine, account, lottery.release);
    granted(await engine.bookings.confirm(account, booking));
    const code = securityCodeOf(engine.secrets, booking);
    const [lead = '', second = ''] = people;
    const group = { account, person: lead, booking, code };
    const arrival = granted(await arrive(engine, group));
    expect(arrival.people.map((one) => one.beneficiaryId)).toEqual(people);
    granted(await giveDose(engine, { ...group, person: second }, 'B2'));
    const listed = await engine.people.listBeneficiaries(account);
    const given = new Map(listed.map((one) => [one.beneficiaryId, one.doses.length]));
    expect([given.get(lead), given.get(second)]).toEqual([0, 1]);
    // Only who had it is free.
    const later = await openDose(1, 40, { places: { service: 'passport' } });
    await letPass(test.redis, 11);
    expect(codeOf(await book({ ...group, person: lead }, later))).toBe('CLAIMED_ELSEWHERE');
    granted(await book({ ...group, person: second }, later));
  });
});

describe('the next dose', () => {
  it('is refused before its interval and admitted after it, at once and by lottery', async () => {
    granted(await arrive(engine, who));
    granted(await giveDose(engine, who));
    await letPass(test.redis, 11);
    const dueFrom = addDays(await today(test.redis), 84);
    const early = await openDose(2, 83);
    expect(await book(who, early)).toMatchObject({
      refused: 'DOSE_NOT_DUE',
      extra: { slot: early.slots[0], dose: 2, dueFrom },
    });
    const lottery = await openDose(2, 83, { mode: 'lottery' });
    const request = { beneficiaries: [who.person], preferences: lottery.slots };
    await letPass(test.redis, 11);
    expect(await engine.rounds.enter(who.account, lottery.release, request)).toMatchObject({
      refused: 'DOSE_NOT_DUE',
      extra: { dose: 2, dueFrom, beneficiary: who.person },
    });
    await letPass(test.redis, 11);
    const again = await openDose(1, 200);
    expect(await book(who, again)).toMatchObject({
      refused: 'DOSE_NOT_DUE',
      extra: { dose: 1, dueFrom: null },
    });
    await letPass(test.redis, 11);
    const inTime = await openDose(2, 84);
    granted(await book(who, inTime));
  });

  it('is refused to who has no dose, and of no concern where there is no vaccine', async () => {
    const somebody = await bookSomebody(engine, release);
    granted(await engine.bookings.cancel(somebody.account, somebody.booking));
    await letPass(test.redis, 11);
    expect(codeOf(await book(somebody, await openDose(2, 200)))).toBe('DOSE_NOT_DUE');
    await letPass(test.redis, 11);
    granted(await book(somebody, await openDose(2, 1, { places: { service: 'passport' } })));
  });

  it('keeps a standing entry out of a release, and lets it stand on', async () => {
    const series = fresh('series');
    const first = await openDose(1, 90, { mode: 'lottery', series });
    const account = fresh('account');
    const person = await register(engine, account);
    const { manifest } = granted(await engine.releases.published(first.release));
    granted(
      await engine.rounds.enter(account, first.release, {
        beneficiaries: [person],
        preferences: first.slots,
        carryOverUntil: new Date(Date.parse(manifest.ends_at) + 86_400_000).toISOString(),
      }),
    );
    const date = await today(test.redis);
    const dose = {
      dose: 1,
      vaccine: 'COVISHIELD',
      date,
      booking: 'elsewhere',
      batch: '1',
    } as const;
    await engine.stores.people.recordDose(person, [], dose);
    granted(await engine.releases.end(first.release));
    await letPass(test.redis, 11);
    const second = await openDose(1, 90, { mode: 'lottery', series });
    const into = granted(await engine.releases.published(second.release)).manifest;
    if (into.mode === 'lottery') while (await carrierOn(engine)(into));
    const entry = await entryOf(engine, account, second.release);
    expect(entry).toMatchObject({ state: 'standing', carryOver: { refused: 'DOSE_NOT_DUE' } });
  });

  it('is to be told of at nine on its first day, before the dose itself counts', async () => {
    granted(await arrive(engine, who));
    granted(await giveDose(engine, who));
    const dueMs = instantMs(addDays(await today(test.redis), 84), '09:00', HERE);
    const due = `${who.person}|2|COVISHIELD`;
    expect(await test.redis.zrange(keys.dosesDue(), 0, '-1', 'WITHSCORES')).toEqual([
      due,
      String(dueMs),
    ]);
    const other = await bookSomebody(engine, release);
    granted(await arrive(engine, other));
    const { stores, releases, people, secrets } = engine;
    const dying = createArrivalService({
      store: stores.arrivals,
      releases,
      people,
      doses: {
        ...stores.people,
        recordDose: () => Promise.reject(new Error('the process is gone')),
      },
      secrets,
      timeZone: HERE,
      onArrival: () => undefined,
      onDose: () => undefined,
    });
    const asked = { booking: other.booking, beneficiary: other.person, batch: BATCH };
    await expect(dying.recordDose(CENTRE, { ...asked, vaccine: 'COVISHIELD' })).rejects.toThrow(
      'gone',
    );
    expect(await test.redis.zcard(keys.dosesDue())).toBe(2);
    granted(await giveDose(engine, other));
    expect(await test.redis.zcard(keys.dosesDue())).toBe(2);
  });
});

describe('a process that dies while it records a dose', () => {
  /** The three writes, in the order that ADR 20 rests on. */
  const WRITES = ['schedule', 'markDosed', 'recordDose'] as const;
  const gone = new Error('the process is gone');
  const dyingAt = (write: (typeof WRITES)[number], when: 'before' | 'after') => {
    const { stores, releases, people, secrets } = engine;
    const dying = <T extends object>(store: T): T => {
      const call = (store as Record<string, (...parts: unknown[]) => Promise<unknown>>)[write];
      if (!call) return store;
      const dies = async (...parts: unknown[]) => {
        if (when === 'after') await call(...parts);
        throw gone;
      };
      return { ...store, [write]: dies };
    };
    return createArrivalService({
      store: dying(stores.arrivals),
      doses: dying(stores.people),
      releases,
      people,
      secrets,
      timeZone: HERE,
      onArrival: () => undefined,
      onDose: () => undefined,
    });
  };
  const STEPS = WRITES.flatMap((write) => [[write, 'before'] as const, [write, 'after'] as const]);

  it.each(STEPS)('at %s, %s it: loses nothing, and is sent again', async (write, when) => {
    granted(await arrive(engine, who));
    const asked = { booking: who.booking, beneficiary: who.person, batch: BATCH };
    const dying = dyingAt(write, when).recordDose(CENTRE, {
      ...asked,
      vaccine: 'COVISHIELD',
    });
    await expect(dying).rejects.toThrow('gone');
    const { entry = '' } = parseBookingId(who.booking) ?? {};
    const done = {
      schedule: await test.redis.zcard(keys.dosesDue()),
      markDosed: await test.redis.hexists(keys.visits(release.release), entry),
      recordDose: (await beneficiary(who)).doses.length,
    };
    // Each only after all before it: who is told of a dose, and free with it, can have no other seat.
    const wrote = WRITES.indexOf(write) + (when === 'after' ? 1 : 0);
    expect(WRITES.map((one) => done[one])).toEqual([1, 1, 1].fill(0, wrote));
    granted(await giveDose(engine, who));
    expect((await beneficiary(who)).doses).toHaveLength(1);
    expect(await test.redis.zcard(keys.dosesDue())).toBe(1);
    expect(await test.redis.hget(keys.visits(release.release), entry)).toBe('');
  });
});

describe('the claim', () => {
  const standings = async (one: TestRelease) => stateOf(engine, one.release, who.person);

  it('binds until the dose is recorded, and not to the release any longer after that', async () => {
    const next = await openDose(2, 100);
    await letPass(test.redis, 11);
    expect(codeOf(await book(who, next))).toBe('CLAIMED_ELSEWHERE');
    granted(await arrive(engine, who));
    expect(codeOf(await book(who, next))).toBe('CLAIMED_ELSEWHERE');
    granted(await giveDose(engine, who));
    granted(await book(who, next));
    expect(await standings(release)).toBe('BOOKED');
    // Nothing of the first release can come to life beside it.
    expect(codeOf(await book(who, release))).toBe('CLAIMED_ELSEWHERE');
    expect(codeOf(await engine.bookings.cancel(who.account, who.booking))).toBe('BOOKING_OVER');
    await letPass(test.redis, 11);
    expect(codeOf(await book(who, release))).toBe('CLAIMED_ELSEWHERE');
  });

  it('of who is free does not let them enter the same release again', async () => {
    granted(await arrive(engine, who));
    granted(await giveDose(engine, who));
    await letPass(test.redis, 11);
    expect(codeOf(await book(who, release))).toBe('DOSE_NOT_DUE');
    const passport = await openToday(engine, test.redis, { places: { service: 'passport' } });
    const other = await bookSomebody(engine, passport);
    granted(await arrive(engine, other));
    expect(codeOf(await book(other, passport))).toBe('HAS_BOOKING');
  });

  it('cannot be had twice by a change that takes the seat after the dose', async () => {
    const lottery = await publishRelease(engine, test.redis, {
      seats: [1, 1],
      alsoOn: '2099-01-01',
      confirmWithinS: 5_000,
      places: { date: await today(test.redis), bands: LATE },
    });
    who = { ...who, account: fresh('account') };
    who = { ...who, person: await register(engine, who.account) };
    const [first = '', , second = ''] = lottery.slots;
    const request = { beneficiaries: [who.person], preferences: [first, second] };
    granted(await engine.rounds.enter(who.account, lottery.release, request));
    await letPass(test.redis, 600);
    await nextRound(engine, lottery.release);
    const booking = await bookingOf(engine, who.account, lottery.release);
    granted(await engine.bookings.confirm(who.account, booking));
    who = { ...who, booking, code: securityCodeOf(engine.secrets, booking) };
    granted(await arrive(engine, who));
    granted(await giveDose(engine, who));
    await letPass(test.redis, 11);
    const next = await openDose(2, 100);
    granted(await book(who, next));
    granted(await engine.releases.close(lottery.release, { slots: [first] }));
    await nextRound(engine, lottery.release);
    expect(await stateOf(engine, lottery.release, who.person)).toBe('OFFERED');
    const entry = entryIdOf(engine.secrets, lottery.release, who.person);
    const offered = `${lottery.release}.${entry}.1`;
    expect(codeOf(await engine.bookings.confirm(who.account, offered))).toBe('BOOKING_OVER');
    // Such an offer lapses, and nobody is blamed for it.
    await letPass(test.redis, 5_001);
    await nextRound(engine, lottery.release);
    expect(await stateOf(engine, lottery.release, who.person)).toBe('LAPSED');
    expect(await test.redis.exists(keys.missed(lottery.release))).toBe(0);
  });

  it('is one, whatever comes at the same time as the dose', async () => {
    for (let round = 0; round < 12; round++) {
      who = await bookSomebody(engine, release);
      granted(await arrive(engine, who));
      await letPass(test.redis, 11, [keys.person(who.person)]);
      const others = await Promise.all([openDose(2, 100), openDose(2, 101), openDose(2, 102)]);
      const acts = [
        () => giveDose(engine, who),
        () => engine.bookings.cancel(who.account, who.booking),
        ...others.map((one) => () => book(who, one)),
      ];
      await Promise.all(acts.map((act) => act()));
      const held = await Promise.all(others.map(standings));
      expect(held.filter((state) => state === 'BOOKED').length).toBeLessThanOrEqual(1);
      expect(await standings(release)).toBe('BOOKED');
      expect((await beneficiary(who)).doses).toHaveLength(1);
    }
  });
});
