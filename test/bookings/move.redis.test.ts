/** Exchanging a seat that was booked at once for one in another slot, under load and in parallel. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { unpackBooking } from '../../src/bookings/rules.ts';
import { securityCodeOf } from '../../src/bookings/security-code.ts';
import { seededRandom } from '../../src/demo/random.ts';
import { present } from '../../src/lib/assert.ts';
import { keys } from '../../src/redis/keys.ts';
import { entryIdOf, unpackEntry } from '../../src/rounds/rules.ts';
import { arrive, bookSomebody, engineHere, openToday } from '../arrivals/day.ts';
import {
  bookingOf,
  codeOf,
  fresh,
  freshId,
  granted,
  letPass,
  nextRound,
  publishRelease,
  register,
  registerMany,
  type ReleaseWishes,
  smsOf,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);
/** When a slot begins that is far away. */
const NEVER = Number.MAX_SAFE_INTEGER;

let engine: Engine;
let release: string;
let slots: readonly string[];

const open = async (wishes: Partial<ReleaseWishes> = {}): Promise<void> => {
  const all = { mode: 'immediate', seats: [2, 1, 3], ...wishes } as const;
  ({ release, slots } = await publishRelease(engine, test.redis, all));
};
beforeEach(async () => {
  engine = engineHere(test.redis);
  await open();
});

type Who = { readonly account: string; readonly person: string };
const someone = async (): Promise<Who> => present((await registerMany(engine, 1))[0], 'a person');
const createSeniors = (count: number): Promise<Who[]> =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const [account, idNumber] = [fresh('account'), freshId()];
      await engine.people.attest([{ idType: 'passport', idNumber, categories: ['senior'] }]);
      return { account, person: await register(engine, account, { idNumber }) };
    }),
  );
const book = async ({ account, person }: Who, number = 0) =>
  engine.bookings.book(account, {
    release,
    beneficiary: person,
    slot: present(slots[number], 'a slot'),
  });
const booked = async (who: Who, number = 0): Promise<string> =>
  granted(await book(who, number)).bookingId;
const heldBy = async ({ account }: Who) =>
  (await engine.bookings.list(account)).filter(({ state }) => state === 'booked');
const cancel = ({ account }: Who, id: string) => engine.bookings.cancel(account, id);
const seats = () => test.redis.hgetall(keys.seats(release));
/** All that a move may change. */
const held = async () => ({
  seats: await seats(),
  entries: await test.redis.hgetall(keys.entries(release)),
  bookings: await test.redis.hgetall(keys.bookings(release)),
  audit: await test.redis.xlen(keys.audit(release)),
});

/** Every seat is free or held, by who may have it, whose entry says so too. */
async function settled(mayHave: (person: string, pool: string) => boolean = () => true) {
  const { manifest } = granted(await engine.releases.published(release));
  const { seats: left, bookings, entries } = await held();
  const taken = new Map<string, number>();
  for (const [entry, packed] of Object.entries(bookings)) {
    const { state, slot, pool } = unpackBooking(packed);
    if (state !== 'BOOKED') continue;
    taken.set(`${slot}/${pool}`, (taken.get(`${slot}/${pool}`) ?? 0) + 1);
    const { persons, prefs } = unpackEntry(present(entries[entry], 'the entry of a booking'));
    expect(prefs).toEqual([slot]);
    const name = present(manifest.slots[slot]?.pools[pool], 'a pool').pool;
    expect(mayHave(present(persons[0], 'a person'), name), `${persons[0]} in ${name}`).toBe(true);
  }
  for (const [slot, { pools }] of manifest.slots.entries())
    for (const [pool, { seats: capacity }] of pools.entries()) {
      const free = Number(left[`${slot}/${pool}`]);
      expect(free).toBeGreaterThanOrEqual(0);
      expect(free + (taken.get(`${slot}/${pool}`) ?? 0), `seats of ${slot}/${pool}`).toBe(capacity);
    }
}

describe('while many book, move and cancel at once', () => {
  it.each([
    ['one pool', undefined],
    ['a reserve', [{ pool: 'open' }, { pool: 'senior', percent: 50 }]],
  ])('no seat is lost or doubled, and nobody has two: %s', async (_what, pools) => {
    await open({ seats: [4, 2, 6], ...(pools && { pools }) });
    const people = [...(await registerMany(engine, 10)), ...(await createSeniors(6))];
    const seniors = people.slice(10).map(({ person }) => person);
    const random = seededRandom('moves');
    const outcomes = new Set<string>();
    for (let turn = 0; turn < 6; turn++) {
      await Promise.all(
        people.map(async (who) => {
          for (let act = 0; act < 4; act++) {
            const chance = random();
            const to = Math.floor(random() * slots.length);
            const [mine] = await heldBy(who);
            if (!mine) outcomes.add(`book ${codeOf(await book(who, to))}`);
            else if (chance < 0.2) granted(await cancel(who, mine.bookingId));
            else {
              // two clients of one person at once, who may not want the same
              const other = Math.floor(random() * slots.length);
              const moves = [to, other, to].map((slot) =>
                engine.bookings.move(who.account, mine.bookingId, slot),
              );
              for (const moved of await Promise.all(moves)) outcomes.add(`move ${codeOf(moved)}`);
              const after = await heldBy(who);
              expect(after.map(({ bookingId }) => bookingId)).toEqual([mine.bookingId]);
              expect(after[0]?.securityCode).toBe(mine.securityCode);
            }
          }
        }),
      );
      await settled((person, pool) => pool === 'open' || seniors.includes(person));
    }
    expect(outcomes).toEqual(
      new Set([
        'book undefined',
        'book SLOT_FULL',
        'move undefined',
        'move SLOT_FULL',
        'move NOT_MOVABLE',
      ]),
    );
  });

  it('one free seat takes one of twenty, and the others keep theirs', async () => {
    await open({ seats: [20, 1] });
    const people = await registerMany(engine, 20);
    const ids = await Promise.all(people.map((who) => booked(who)));
    const answers = await Promise.all(
      people.map(({ account }, index) => engine.bookings.move(account, ids[index] ?? '', 1)),
    );
    const codes = answers.map((answer) => codeOf(answer) ?? answer);
    expect(codes.filter((code) => code === 'MOVED')).toHaveLength(1);
    expect(codes.filter((code) => code === 'SLOT_FULL')).toHaveLength(19);
    expect(await seats()).toEqual({ '0/0': '1', '1/0': '0' });
    await settled();
  });

  it('two who exchange full slots both keep what they have', async () => {
    await open({ seats: [1, 1] });
    const [one, other] = [await someone(), await someone()];
    const ids = [await booked(one, 0), await booked(other, 1)];
    const before = await held();
    const answers = await Promise.all([
      engine.bookings.move(one.account, ids[0] ?? '', 1),
      engine.bookings.move(other.account, ids[1] ?? '', 0),
    ]);
    expect(answers.map(codeOf)).toEqual(['SLOT_FULL', 'SLOT_FULL']);
    expect(await held()).toEqual(before);
  });
});

describe('a booking that is moved', () => {
  it('keeps its id and its security code, and is cancelled in its new slot', async () => {
    const who = await someone();
    const id = await booked(who);
    const [before] = await heldBy(who);
    expect(await engine.bookings.move(who.account, id, 2)).toBe('MOVED');
    expect(await heldBy(who)).toEqual([{ ...before, slot: slots[2] }]);
    expect(before?.securityCode).toBe(securityCodeOf(engine.secrets, id));
    expect(await seats()).toEqual({ '0/0': '2', '1/0': '1', '2/0': '2' });
    granted(await cancel(who, id));
    expect(await seats()).toEqual({ '0/0': '2', '1/0': '1', '2/0': '3' });
  });

  it('is told by SMS where it is now', async () => {
    const who = await someone();
    // an account that has signed in has a mobile
    const mobile = engine.secrets.encrypt('+919812345678');
    await test.redis.hset(keys.account(who.account), 'mobile', mobile);
    const id = await booked(who);
    expect(await engine.bookings.move(who.account, id, 2)).toBe('MOVED');
    expect(await engine.bookings.move(who.account, id, 2)).toBe('MOVED');
    const told = (await smsOf(engine, test.redis)).map(({ message }) => message);
    const where = told.map((message) => 'centre' in message && message.centre);
    expect(where).toEqual(['Centre 0', 'Centre 2']);
  });

  it('is moved once when it is asked twice, also by a script that is sent again late', async () => {
    const who = await someone();
    const id = await booked(who);
    const [first, again] = await Promise.all([
      engine.bookings.move(who.account, id, 1),
      engine.bookings.move(who.account, id, 1),
    ]);
    expect([first, again]).toEqual(['MOVED', 'MOVED']);
    const before = await held();
    const ref = { release, entry: entryIdOf(engine.secrets, release, who.person) };
    const grant = id.split('.').at(-1) ?? '';
    const sent = (from: number, slot: number) =>
      engine.stores.bookings.move({ ...ref, grant }, `${who.person}|${slot}|`, {
        from: { slot: from, beginsAtMs: NEVER },
        slot,
        pools: [0],
      });
    expect(await sent(0, 1)).toBe('MOVED');
    // to a third slot, from the one that it has left
    expect(await sent(0, 2)).toBe('NOT_MOVABLE');
    expect(await held()).toEqual(before);
  });

  it('is in a reserve only where its person belongs to it, open seats first', async () => {
    const pools = [{ pool: 'open' }, { pool: 'senior', percent: 50 }];
    await open({ seats: [8, 2], pools });
    const [anyone, other] = [await someone(), await someone()];
    const [senior] = (await createSeniors(1)) as [Who];
    const ids = await Promise.all([anyone, senior, other].map((who) => booked(who)));
    const move = ({ account }: Who, id = '') => engine.bookings.move(account, id, 1);
    expect(await move(anyone, ids[0])).toBe('MOVED');
    // what is left is for seniors
    expect(codeOf(await move(other, ids[2]))).toBe('SLOT_FULL');
    expect(await move(senior, ids[1])).toBe('MOVED');
    await settled((person, pool) => pool === 'open' || person === senior.person);
    expect(await seats()).toMatchObject({ '1/0': '0', '1/1': '0' });
  });
});

describe('a move is refused, and changes nothing', () => {
  /** Of the booking of somebody, to the second slot. */
  const refused = async (account: string, id: string, code: string): Promise<void> => {
    const before = await held();
    expect(codeOf(await engine.bookings.move(account, id, 1))).toBe(code);
    expect(await held()).toEqual(before);
  };

  it('BOOKING_UNKNOWN: by others, of no booking, and of one before it', async () => {
    const who = await someone();
    const id = await booked(who);
    await refused((await someone()).account, id, 'BOOKING_UNKNOWN');
    await refused(who.account, 'nothing', 'BOOKING_UNKNOWN');
    await refused(who.account, `${id}0`, 'BOOKING_UNKNOWN');
    granted(await cancel(who, id));
    await booked(who);
    await refused(who.account, id, 'BOOKING_UNKNOWN');
  });

  it('BOOKING_OVER: once it was cancelled', async () => {
    const who = await someone();
    const id = await booked(who);
    granted(await cancel(who, id));
    await refused(who.account, id, 'BOOKING_OVER');
  });

  it('BOOKING_OVER: once its person has arrived', async () => {
    const today = await openToday(engine, test.redis, { seats: [5, 5] });
    ({ release, slots } = today);
    const one = await bookSomebody(engine, today);
    granted(await arrive(engine, one));
    await refused(one.account, one.booking, 'BOOKING_OVER');
  });

  it('RELEASE_ENDED: by its time, and by an operator', async () => {
    const who = await someone();
    const id = await booked(who);
    await letPass(test.redis, 7_201);
    await refused(who.account, id, 'RELEASE_ENDED');
    await open();
    const other = await someone();
    const theirs = await booked(other);
    granted(await engine.releases.end(release));
    await refused(other.account, theirs, 'RELEASE_ENDED');
  });

  it('NOT_MOVABLE: of a lottery', async () => {
    const account = fresh('account');
    const person = await register(engine, account);
    await open({ mode: 'lottery', seats: [1, 1] });
    const entry = { beneficiaries: [person], preferences: slots.slice(0, 1) };
    granted(await engine.rounds.enter(account, release, entry));
    await letPass(test.redis, 600);
    await nextRound(engine, release);
    const id = await bookingOf(engine, account, release);
    await refused(account, id, 'NOT_MOVABLE');
    granted(await engine.bookings.confirm(account, id));
    await refused(account, id, 'NOT_MOVABLE');
    // nor by the script alone
    const ref = { release, entry: entryIdOf(engine.secrets, release, person), grant: '0' };
    const to = { from: { slot: 0, beginsAtMs: NEVER }, slot: 1, pools: [0] };
    expect(await engine.stores.bookings.move(ref, `${person}|1|`, to)).toBe('BOOKING_UNKNOWN');
  });

  it('NOT_ELIGIBLE: to a session that is not for this age', async () => {
    const account = fresh('account');
    const person = await register(engine, account, { birthYear: 2059 });
    await open({ places: { minAge: 40 }, alsoOn: '2098-06-01', seats: [3] });
    // 40 in the year of the first session, 39 in that of the second
    const id = await booked({ account, person });
    await refused(account, id, 'NOT_ELIGIBLE');
  });
});
