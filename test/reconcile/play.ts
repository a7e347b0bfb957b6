/**
 * Random evenings for the check of releases: people, operators, workers and centres do whatever they
 * like, in two lotteries of a series and in a release that books at once. What they are refused is
 * of no interest here.
 */
import fc from 'fast-check';
import { createAttendance } from '../../src/arrivals/no-shows.ts';
import { securityCodeOf } from '../../src/bookings/security-code.ts';
import { present } from '../../src/lib/assert.ts';
import { isoFromMs } from '../../src/lib/clock.ts';
import { keys } from '../../src/redis/keys.ts';
import { type Redis, redisNowMs } from '../../src/redis/client.ts';
import { isRefusal } from '../../src/refusal.ts';
import { AFTERWARDS, engineHere, LATE, today } from '../arrivals/day.ts';
import {
  carrierOn,
  fresh,
  freshId,
  granted,
  letPass,
  publishRelease,
  register,
  type TestRelease,
  watchedStore,
  workerOn,
} from '../support/engine.ts';

const ACCOUNTS = 3;
const PEOPLE = 8;
const SLOTS = 3;
const CENTRE = { name: 'the centres' };

const person = fc.nat(PEOPLE - 1);
const release = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(2));
const prefs = fc.shuffledSubarray(
  Array.from({ length: SLOTS }, (_slot, number) => number),
  { minLength: 1 },
);
const one = <const Name extends string>(name: Name) => fc.constant(name);

const action = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.record({
      do: one('ask'),
      person,
      release,
      prefs,
      company: fc.nat(3),
      stands: fc.boolean(),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: one('withdraw'), person, release }) },
  { weight: 20, arbitrary: fc.record({ do: one('confirm'), person }) },
  { weight: 8, arbitrary: fc.record({ do: one('cancel'), person }) },
  { weight: 10, arbitrary: fc.record({ do: one('arrive'), person, dosed: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ do: one('absent'), release }) },
  { weight: 4, arbitrary: fc.record({ do: one('move'), person, to: fc.nat(ACCOUNTS - 1) }) },
  { weight: 14, arbitrary: fc.record({ do: one('wait'), seconds: fc.constantFrom(11, 40, 120) }) },
  {
    weight: 25,
    arbitrary: fc.record({
      do: one('work'),
      release,
      // After so many calls to its store the worker dies.
      diesAfter: fc.oneof(fc.constant(null), fc.nat(8)),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: one('carry') }) },
  { weight: 1, arbitrary: fc.record({ do: one('end'), release }) },
  { weight: 1, arbitrary: fc.record({ do: one('close'), release, slot: fc.nat(SLOTS - 1) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: one('lose'),
      release,
      slot: fc.nat(SLOTS - 1),
      seats: fc.integer({ min: 1, max: 2 }),
      change: fc.constantFrom('a', 'b', 'c', 'd'),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: one('look') }) },
);
export const evening = fc.array(action, { minLength: 20, maxLength: 90, size: 'max' });
export type Action = typeof action extends fc.Arbitrary<infer One> ? One : never;

class WorkerDied extends Error {}

export type Play = Awaited<ReturnType<typeof beginPlay>>;

/** Three releases and some people. */
export async function beginPlay(redis: Redis) {
  const engine = engineHere(redis);
  const accounts = Array.from({ length: ACCOUNTS }, () => fresh('account'));
  const idNumbers = Array.from({ length: PEOPLE }, () => freshId());
  const date = await today(redis);
  const places = { date, bands: LATE };
  const series = fresh('series');
  const lottery = {
    mode: 'lottery',
    seats: [2, 1, 3],
    roundEveryS: 20,
    confirmWithinS: 60,
    pools: [{ pool: 'senior', percent: 50 }, { pool: 'open' }],
    dereserveAfterRound: 1,
    series,
    places,
  } as const;
  const releases = [
    await publishRelease(engine, redis, { ...lottery, closesInS: 100, endsInS: 500 }),
    await publishRelease(engine, redis, { ...lottery, opensInS: 15, closesInS: 250, endsInS: 900 }),
    await publishRelease(engine, redis, { mode: 'immediate', seats: [2, 1, 2], places }),
  ];
  const people = await Promise.all(
    idNumbers.map((idNumber, at) =>
      register(engine, present(accounts[at % ACCOUNTS], 'an account'), { idNumber }),
    ),
  );
  await Promise.all(
    people
      .filter((_one, at) => at % 3 === 0)
      .map((one) => engine.stores.people.attest(one, ['senior'])),
  );
  return { redis, engine, accounts, idNumbers, releases, people };
}

/** What does one thing; `look` is called where one is to look. */
export function player(play: Play, look: () => Promise<void>) {
  const { redis, engine, accounts, idNumbers, releases, people } = play;
  const owners = people.map((_one, at) => at % ACCOUNTS);
  const releaseAt = (at: number): TestRelease => present(releases[at], 'a release');
  const personAt = (at: number): string => present(people[at], 'a person');
  const accountOf = (at: number): string => present(accounts[owners[at] ?? 0], 'an account');
  const slotAt = (at: number, slot: number): string => present(releaseAt(at).slots[slot], 'a slot');
  const timed = [
    ...releases.flatMap(({ release }) => [keys.release(release), keys.rounds(release)]),
    ...people.map(keys.person),
  ];

  const ask = async ({ person, release: at, prefs, company, stands }: Action & { do: 'ask' }) => {
    const { release } = releaseAt(at);
    const wished = prefs.map((slot) => slotAt(at, slot));
    if (at === 2) {
      const slot = present(wished[0], 'a slot');
      const beneficiary = personAt(person);
      const said = await engine.bookings.book(accountOf(person), { release, beneficiary, slot });
      const [, other] = prefs;
      if (!isRefusal(said) && stands && other !== undefined)
        await engine.bookings.move(accountOf(person), said.bookingId, other);
      return;
    }
    const others = people.filter(
      (_one, other) => other !== person && owners[other] === owners[person],
    );
    const along = others.filter((_one, other) => (company & (1 << other)) !== 0);
    const until = isoFromMs((await redisNowMs(redis)) + 86_400_000);
    await engine.rounds.enter(accountOf(person), release, {
      beneficiaries: [personAt(person), ...along],
      preferences: wished,
      ...(stands && { carryOverUntil: until }),
    });
  };

  /** What an account holds that this person could have. */
  const bookingsOf = async (at: number): Promise<string[]> => {
    const listed = await engine.bookings.list(accountOf(at));
    return listed
      .filter((one) => one.beneficiaries.includes(personAt(at)))
      .map((one) => one.bookingId);
  };

  const arrive = async ({ person, dosed }: Action & { do: 'arrive' }): Promise<void> => {
    for (const booking of await bookingsOf(person)) {
      await engine.arrivals.arrive(CENTRE, booking, securityCodeOf(engine.secrets, booking));
      const dose = { booking, beneficiary: personAt(person), vaccine: 'COVISHIELD', batch: 'B1' };
      if (dosed) await engine.arrivals.recordDose(CENTRE, dose);
    }
  };

  const work = async ({ release: at, diesAfter }: Action & { do: 'work' }): Promise<void> => {
    const { release } = releaseAt(at);
    const store = watchedStore(engine, async (call) => {
      if (diesAfter !== null && call >= diesAfter) throw new WorkerDied();
    });
    await workerOn(engine, store)
      .step(release)
      .catch((error: unknown) => {
        if (!(error instanceof WorkerDied)) throw error;
      });
  };

  const move = async ({ person, to }: Action & { do: 'move' }): Promise<void> => {
    const said = await engine.people.removeBeneficiary(accountOf(person), personAt(person));
    if (isRefusal(said)) return;
    owners[person] = to;
    await register(engine, accountOf(person), { idNumber: present(idNumbers[person], 'an ID') });
  };

  const carry = async (): Promise<void> => {
    const { manifest } = granted(await engine.releases.published(releaseAt(1).release));
    if (manifest.mode === 'lottery') await carrierOn(engine)(manifest);
  };

  /** As a worker for whom the day is over. */
  const absent = async ({ release: at }: Action & { do: 'absent' }): Promise<void> => {
    const { stores, releases } = engine;
    const store = stores.arrivals;
    await createAttendance({ store, people: stores.people, releases, timeZone: AFTERWARDS })(
      releaseAt(at).release,
    );
  };

  return async (action: Action): Promise<void> => {
    switch (action.do) {
      case 'ask':
        return ask(action);
      case 'withdraw': {
        const { release } = releaseAt(action.release);
        for (const id of (await engine.rounds.entriesOf(accountOf(action.person), release)).keys())
          await engine.rounds.withdraw(accountOf(action.person), release, id);
        return;
      }
      case 'confirm':
      case 'cancel':
        for (const booking of await bookingsOf(action.person))
          await engine.bookings[action.do](accountOf(action.person), booking);
        return;
      case 'arrive':
        return arrive(action);
      case 'absent':
        return absent(action);
      case 'move':
        return move(action).catch(() => undefined); // the account has as many as it may
      case 'wait':
        return letPass(redis, action.seconds, timed);
      case 'work':
        return work(action);
      case 'carry':
        return carry();
      case 'end':
        granted(await engine.releases.end(releaseAt(action.release).release));
        return;
      case 'close':
        await engine.releases.close(releaseAt(action.release).release, {
          slots: [slotAt(action.release, action.slot)],
        });
        return;
      case 'lose': {
        const { change, seats } = action;
        const slot = slotAt(action.release, action.slot);
        await engine.releases.lose(releaseAt(action.release).release, {
          change,
          slot,
          pool: 'open',
          seats,
        });
        return;
      }
      case 'look':
        return look();
    }
  };
}
