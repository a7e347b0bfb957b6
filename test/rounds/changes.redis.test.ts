/** What operators change while a release runs: who is concerned, and every moment it may meet. */
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { keys } from '../../src/redis/keys.ts';
import { SPARE_ROUNDS } from '../../src/releases/rules.ts';
import { createConductor } from '../../src/rounds/conduct.ts';
import { createNotifier } from '../../src/rounds/notify.ts';
import { createLog } from '../../src/log.ts';
import { createFaults } from '../../src/outage.ts';
import {
  bookingOf,
  dyingStore,
  codeOf,
  engineOn,
  entryOf,
  fresh,
  granted,
  letPass,
  nextRound,
  publishRelease,
  register,
  type ReleaseWishes,
  replayed,
  restore,
  smsOf,
  snapshot,
  stateOf,
  verify,
  workerOn,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);

/** To confirm an offer, and until the next round, in seconds. */
const CONFIRM_WITHIN = 900;
const ROUND_EVERY = 60;
const TO_CLOSING = 601;

type Who = { readonly account: string; readonly person: string };

let engine: Engine;
let release: string;
let slots: readonly string[];

const open = async (wishes: Partial<ReleaseWishes> = {}): Promise<void> => {
  const all = { seats: [3, 2, 4], ...wishes };
  ({ release, slots } = await publishRelease(engine, test.redis, all));
};
beforeEach(async () => {
  engine = engineOn(test.redis);
  await open();
});

const slot = (number: number): string => present(slots[number], 'a slot');
const enter = async (...prefs: number[]): Promise<Who> => {
  const account = fresh('account');
  const person = await register(engine, account);
  await test.redis.hset(keys.account(account), 'mobile', engine.secrets.encrypt('+919812345678'));
  const request = { beneficiaries: [person], preferences: prefs.map(slot) };
  granted(await engine.rounds.enter(account, release, request));
  return { account, person };
};
const enterMany = async (count: number, ...prefs: number[]): Promise<Who[]> => {
  const all: Who[] = [];
  while (all.length < count) all.push(await enter(...prefs));
  return all;
};
const close = async (...numbers: number[]) =>
  granted(await engine.releases.close(release, { slots: numbers.map(slot) }));
const lose = (number: number, seats: number, change = fresh('change'), pool = 'open') =>
  engine.releases.lose(release, { change, slot: slot(number), pool, seats });
const cut = () => engine.stores.drawing.cut(release);

/** Draws round 0, then confirms what these people got. */
const drawAndConfirm = async (...people: readonly Who[]): Promise<string[]> => {
  await letPass(test.redis, TO_CLOSING);
  await nextRound(engine, release);
  const ids: string[] = [];
  for (const { account } of people) {
    const id = await bookingOf(engine, account, release);
    granted(await engine.bookings.confirm(account, id));
    ids.push(id);
  }
  return ids;
};

/** What a round says has happened since the one before. */
async function sinceOf(round: number): Promise<unknown> {
  const packed = await buffer(engine.stores.rounds.transcript(release, round));
  const lines = gunzipSync(packed).toString().split('\n');
  const line = lines.find((one) => one.startsWith('{"kind":"since"'));
  return (JSON.parse(present(line, 'a line')) as { since: unknown }).since;
}

/** What is free in Redis, less what came back since the last cut, follows from the files alone. */
const agree = async (): Promise<void> => {
  const report = await verify(engine, release);
  expect(report, JSON.stringify(report)).toMatchObject({ accepted: true });
  const ledger = await replayed(engine, release);
  const seats = await test.redis.hgetall(keys.seats(release));
  const happened = await test.redis.lrange(keys.happened(release), 0, -1);
  expect(happened.filter((line) => /^(cancelled|expired)/.test(line))).toEqual([]);
  const free = ledger.manifest.slots.flatMap(({ pools }, number) =>
    pools.map((_pool, pool) => Number(seats[`${number}/${pool}`])),
  );
  expect(free).toEqual([...ledger.free]);
};

describe('who has a seat in a slot that closes', () => {
  it('comes first in the next round, before those who waited, booked or only offered', async () => {
    await open({ seats: [1, 1] });
    const first = await enter(0, 1);
    const [held] = await drawAndConfirm(first);
    const other = await enter(1);
    await letPass(test.redis, ROUND_EVERY);
    await nextRound(engine, release);
    const offer = await bookingOf(engine, other.account, release);
    const waiting = await enterMany(3, 1);
    await letPass(test.redis, ROUND_EVERY);
    await nextRound(engine, release);

    expect(await close(0)).toEqual([{ slot: slot(0), round: 3 }]);
    await engine.bookings.cancel(other.account, offer); // one seat is free for whoever is first
    expect(await nextRound(engine, release)).toBe(3);
    const view = await entryOf(engine, first.account, release);
    expect(view).toMatchObject({ state: 'offered', booking: { slot: slot(1) } });
    for (const { person } of waiting)
      expect(await stateOf(engine, release, person)).toBe('WAITING');
    for (const verb of ['confirm', 'cancel'] as const)
      expect(codeOf(await engine.bookings[verb](first.account, held!))).toBe('BOOKING_DISPLACED');
    granted(await engine.bookings.confirm(first.account, String(view.booking?.bookingId)));
    await agree();
  });

  it('waits where there is no other seat, stays first, and may withdraw', async () => {
    await open({ seats: [2, 1] });
    const [one, two] = (await enterMany(2, 0, 1)) as [Who, Who];
    const [third] = (await enterMany(1, 1)) as [Who];
    await drawAndConfirm();
    await close(0);
    await nextRound(engine, release);
    const states = () =>
      Promise.all([one, two, third].map(({ person }) => stateOf(engine, release, person)));
    const after = await states();
    expect(after.filter((state) => state === 'WAITING').length).toBeGreaterThanOrEqual(1);
    await agree();
    const displaced = after[0] === 'WAITING' ? one : two;
    const { entryId } = await entryOf(engine, displaced.account, release);
    expect(await engine.rounds.withdraw(displaced.account, release, entryId)).toBe('WITHDRAWN');
    await letPass(test.redis, ROUND_EVERY);
    await nextRound(engine, release);
    await agree();
  });

  it('is told once, of what they lost and of what they are offered', async () => {
    await open({ seats: [1, 1, 1] });
    const [moved] = (await enterMany(1, 0, 1)) as [Who];
    const [displaced] = (await enterMany(1, 2)) as [Who];
    const { stores, outbox, secrets } = engine;
    const told = { store: stores.rounds, people: stores.people, outbox, secrets };
    const notify = createNotifier({ ...told, log: createLog('silent') });
    const conductor = createConductor({
      store: stores.rounds,
      drawing: stores.drawing,
      bookings: stores.bookings,
      releases: engine.releases,
      beaconOf: engine.beaconOf,
      notify,
      log: createLog('silent'),
      onFault: createFaults(createLog('silent')),
    });
    const work = async () => {
      for (let steps = 0; steps < 4; steps++) await conductor.step(release);
    };
    await letPass(test.redis, TO_CLOSING);
    await work();
    await close(0, 2);
    await work();
    await work();
    const sent = await smsOf(engine, test.redis);
    const toldTo = ({ account }: Who) =>
      sent.filter((sms) => sms.account === account).map(({ message }) => message);
    expect(toldTo(moved)).toMatchObject([
      { template: 'offer', centre: 'Centre 0' },
      { template: 'moved', lost: { centre: 'Centre 0' }, offered: { centre: 'Centre 1' } },
    ]);
    expect(toldTo(displaced)).toMatchObject([
      { template: 'offer', centre: 'Centre 2' },
      { template: 'displaced', lost: { centre: 'Centre 2' }, waits: true },
    ]);
  });

  it('is displaced with the whole of their group', async () => {
    const account = fresh('account');
    const [a, b] = [await register(engine, account), await register(engine, account)];
    const request = { beneficiaries: [a, b], preferences: [slot(0), slot(2)] };
    granted(await engine.rounds.enter(account, release, request));
    await drawAndConfirm({ account, person: a });
    await close(0);
    await nextRound(engine, release);
    expect(await entryOf(engine, account, release)).toMatchObject({
      beneficiaries: [a, b],
      state: 'offered',
      booking: { slot: slot(2) },
    });
    await agree();
  });
});

describe('seats that are lost', () => {
  it('are free ones first, then those of whoever comes last in the order', async () => {
    await open({ seats: [4, 1] });
    const [early] = (await enterMany(1, 0)) as [Who];
    await drawAndConfirm(early);
    const [late] = (await enterMany(1, 0)) as [Who];
    await letPass(test.redis, ROUND_EVERY);
    await nextRound(engine, release);
    granted(await lose(0, 2));
    await nextRound(engine, release);
    const states = () =>
      Promise.all([early, late].map(({ person }) => stateOf(engine, release, person)));
    expect(await states()).toEqual(['BOOKED', 'OFFERED']);
    await agree();
    granted(await lose(0, 1));
    await nextRound(engine, release);
    expect(await states()).toEqual(['BOOKED', 'WAITING']);
    await agree();
  });

  it('are lost once, however often the change is sent', async () => {
    await drawAndConfirm();
    const twice = await Promise.all([lose(2, 3, 'delivery-7'), lose(2, 3, 'delivery-7')]);
    expect(twice[0]).toEqual({ slot: slot(2), pool: 'open', seats: 3, round: 1 });
    expect(twice[1]).toEqual(twice[0]);
    await nextRound(engine, release);
    expect(await lose(2, 3, 'delivery-7')).toEqual(twice[0]);
    expect(codeOf(await lose(2, 1, 'delivery-7'))).toBe('CHANGE_ID_REUSED');
    expect(await lose(2, 2)).toMatchObject({ refused: 'POOL_TOO_SMALL', extra: { seats: 1 } });
    await agree();
    expect((await replayed(engine, release)).capacity[2]).toBe(1);
  });

  it('are those that a pool has after its reserve moved, and none while reserves move', async () => {
    const pools = [{ pool: 'senior', percent: 50 }, { pool: 'open' }];
    await open({ seats: [4], pools, dereserveAfterRound: 0 });
    await drawAndConfirm();
    await enterMany(1, 0);
    await letPass(test.redis, ROUND_EVERY);
    await cut();
    expect(codeOf(await lose(0, 1, 'a', 'senior'))).toBe('ROUND_DRAWING');
    await nextRound(engine, release);
    expect(await lose(0, 1, 'a', 'senior')).toMatchObject({
      refused: 'POOL_TOO_SMALL',
      extra: { seats: 0 },
    });
    granted(await lose(0, 4, 'a', 'open'));
    await nextRound(engine, release);
    await agree();
    expect([...(await replayed(engine, release)).capacity]).toEqual([0, 0]);
  });
});

describe('a change', () => {
  it('is public with the round that settles it, in no manifest', async () => {
    const { manifestFile } = granted(await engine.releases.published(release));
    const text = (await manifestFile()).plain.toString();
    expect(granted(await engine.releases.describe(release)).changedInRound).toBeNull();
    await close(0);
    granted(await lose(1, 1));
    expect(granted(await engine.releases.changes(release))).toEqual({
      closed: [{ slot: slot(0), round: 0 }],
      lost: [{ slot: slot(1), pool: 'open', seats: 1, round: 0 }],
    });
    expect(granted(await engine.releases.describe(release)).changedInRound).toBe(0);
    await drawAndConfirm();
    expect(await sinceOf(0)).toMatchObject({
      closed: [slot(0)],
      lost: [[slot(1), 'open', 1]],
    });
    expect(await test.redis.get(keys.manifest(release))).toBe(text);
    await agree();
  });

  it('closes a centre or a session with all its slots', async () => {
    const { manifest } = granted(await engine.releases.published(release));
    const { session, centre } = present(manifest.sessions[1], 'a session');
    const closed = [{ slot: slot(1), round: 0 }];
    expect(await engine.releases.close(release, { centre })).toEqual(closed);
    expect(await engine.releases.close(release, { session })).toEqual(closed);
  });

  it('is made wholly or not at all', async () => {
    const before = await snapshot(test.redis);
    const closing = (closure: Parameters<typeof engine.releases.close>[1]) =>
      engine.releases.close(release, closure).then(codeOf);
    expect(await closing({ slots: [slot(0), 'nowhere'] })).toBe('SLOT_UNKNOWN');
    expect(await closing({ centre: 'nowhere' })).toBe('CENTRE_UNKNOWN');
    expect(await closing({ session: 'nowhere' })).toBe('SESSION_UNKNOWN');
    expect(codeOf(await lose(0, 1, 'a', 'senior'))).toBe('POOL_UNKNOWN');
    expect(codeOf(await lose(0, 4))).toBe('POOL_TOO_SMALL');
    expect(await snapshot(test.redis)).toEqual(before);
  });

  it('is for lotteries, and for slots that are open', async () => {
    await close(0);
    expect(codeOf(await lose(0, 1))).toBe('SLOT_CLOSED');
    await open({ mode: 'immediate' });
    expect(codeOf(await engine.releases.close(release, { slots: [slot(0)] }))).toBe(
      'NOT_A_LOTTERY',
    );
    expect(codeOf(await lose(0, 1))).toBe('NOT_A_LOTTERY');
  });

  it('keeps people from entering for closed slots alone', async () => {
    await close(0, 1);
    await expect(enter(0, 1)).rejects.toThrow('SLOTS_CLOSED');
    await enter(0, 2);
  });

  it('hurries its round, as often as there are rounds to spare', async () => {
    await drawAndConfirm();
    for (const round of [1, 2]) {
      granted(await lose(2, 1));
      expect(await nextRound(engine, release)).toBe(round);
    }
    const spare = () => test.redis.hget(keys.release(release), 'spare_rounds');
    expect(await spare()).toBe(String(SPARE_ROUNDS - 2));
    await test.redis.hset(keys.release(release), 'spare_rounds', 0);
    granted(await lose(2, 1));
    expect(await cut()).toMatchObject({ outcome: 'NOT_DUE' });
    await letPass(test.redis, ROUND_EVERY);
    expect(await nextRound(engine, release)).toBe(3);
    expect(await spare()).toBe('0');
    await agree();
  });
});

describe('a change near the end of a release', () => {
  it('is settled after the end, and until then nobody who waits is free', async () => {
    const people = await enterMany(12, 0, 1, 2);
    await drawAndConfirm();
    const states = async () =>
      new Set(await Promise.all(people.map(({ person }) => stateOf(engine, release, person))));
    await enter(2);
    await letPass(test.redis, ROUND_EVERY);
    await cut(); // round 1 is being drawn
    await close(1);
    await letPass(test.redis, 7_200);
    expect(granted(await engine.releases.describe(release)).state).toBe('drawing');
    expect(await nextRound(engine, release)).toBe(1);
    expect(granted(await engine.releases.describe(release)).state).toBe('running');
    expect(await states()).toContain('WAITING');
    expect(await states()).not.toContain('OVER');
    expect(await nextRound(engine, release)).toBe(2);
    expect(await states()).not.toContain('WAITING');
    expect(granted(await engine.releases.describe(release)).state).toBe('ended');
    expect(codeOf(await lose(2, 1))).toBe('RELEASE_ENDED');
    expect(await close(1)).toEqual([{ slot: slot(1), round: 2 }]); // as before
    expect(codeOf(await engine.releases.close(release, { slots: [slot(1), slot(0)] }))).toBe(
      'RELEASE_ENDED',
    );
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  });

  it('is settled though an operator ends the release, and refused after that', async () => {
    const [one] = (await enterMany(1, 0)) as [Who];
    await drawAndConfirm(one);
    await close(0);
    granted(await engine.releases.end(release));
    expect(await nextRound(engine, release)).toBe(1);
    expect(await stateOf(engine, release, one.person)).toBe('OVER');
    expect(codeOf(await lose(2, 1))).toBe('RELEASE_ENDED');
    await agree();
  });
});

describe('between the cut of a round that settles a change and its publication', () => {
  let booked: Who;
  let offered: Who;
  let untouched: Who;
  let ids: Record<'booked' | 'offered' | 'untouched', string>;

  beforeEach(async () => {
    await open({ seats: [2, 4] });
    booked = await enter(0);
    offered = await enter(0);
    untouched = await enter(1);
    await drawAndConfirm(booked);
    ids = {
      booked: await bookingOf(engine, booked.account, release),
      offered: await bookingOf(engine, offered.account, release),
      untouched: await bookingOf(engine, untouched.account, release),
    };
    await close(0);
    expect(await cut()).toMatchObject({ outcome: 'DRAWING', round: 1 });
  });
  const standings = () =>
    Promise.all([booked, offered, untouched].map(({ person }) => stateOf(engine, release, person)));

  it('nothing held can be cancelled, whether or not it is concerned', async () => {
    const held = () =>
      Promise.all([
        test.redis.hgetall(keys.bookings(release)),
        test.redis.hgetall(keys.seats(release)),
        test.redis.lrange(keys.happened(release), 0, -1),
        test.redis.xlen(keys.audit(release)),
      ]);
    const before = await held();
    for (const [who, id] of [
      [booked, ids.booked],
      [offered, ids.offered],
      [untouched, ids.untouched],
    ] as const)
      expect(await engine.bookings.cancel(who.account, id)).toMatchObject({
        refused: 'ROUND_DRAWING',
        retryAfterS: 1,
      });
    expect(await held()).toEqual(before);
    await nextRound(engine, release);
    expect(await standings()).toEqual(['WAITING', 'WAITING', 'OFFERED']);
    expect(await engine.bookings.cancel(untouched.account, ids.untouched)).toBe('CANCELLED');
    await letPass(test.redis, ROUND_EVERY);
    await nextRound(engine, release);
    await agree();
  });

  it('a confirmed offer counts where its slot stays, and is displaced where it closes', async () => {
    granted(await engine.bookings.confirm(offered.account, ids.offered));
    granted(await engine.bookings.confirm(untouched.account, ids.untouched));
    await nextRound(engine, release);
    expect(await standings()).toEqual(['WAITING', 'WAITING', 'BOOKED']);
    expect(codeOf(await engine.bookings.confirm(offered.account, ids.offered))).toBe(
      'BOOKING_DISPLACED',
    );
    await agree();
  });

  it('no offer lapses, so that nobody is in two releases; it does once the round is out', async () => {
    await letPass(test.redis, CONFIRM_WITHIN + 1);
    const expired = await engine.stores.bookings.expire(release, 0);
    expect(expired).toMatchObject({ outcome: 'NOT_DUE' });
    expect(await standings()).toEqual(['BOOKED', 'OFFERED', 'OFFERED']);
    const other = await publishRelease(engine, test.redis, { seats: [1] });
    const elsewhere = { beneficiaries: [offered.person], preferences: other.slots };
    expect(codeOf(await engine.rounds.enter(offered.account, other.release, elsewhere))).toBe(
      'CLAIMED_ELSEWHERE',
    );
    await nextRound(engine, release);
    expect(await standings()).toEqual(['WAITING', 'WAITING', 'LAPSED']);
    await workerOn(engine).step(release);
    await letPass(test.redis, ROUND_EVERY);
    await nextRound(engine, release);
    await agree();
    expect(await standings()).toEqual(['WAITING', 'WAITING', 'LAPSED']);
  });

  it('nobody withdraws or enters who has a seat', async () => {
    const { entryId } = await entryOf(engine, booked.account, release);
    expect(codeOf(await engine.rounds.withdraw(booked.account, release, entryId))).toBe(
      'HAS_BOOKING',
    );
    const again = { beneficiaries: [booked.person], preferences: [slot(1)] };
    expect(codeOf(await engine.rounds.enter(booked.account, release, again))).toBe('HAS_BOOKING');
    await nextRound(engine, release);
    expect(codeOf(await engine.rounds.enter(booked.account, release, again))).toBe('ENTRY_SEALED');
  });

  it('another change belongs to the round after, which follows at once', async () => {
    expect(await close(1)).toEqual([{ slot: slot(1), round: 2 }]);
    expect(await nextRound(engine, release)).toBe(1);
    expect(await standings()).toEqual(['WAITING', 'WAITING', 'OFFERED']);
    expect(await nextRound(engine, release)).toBe(2);
    expect(await standings()).toEqual(['WAITING', 'WAITING', 'WAITING']);
    await agree();
  });
});

it('a change between the cut and the publication of another round concerns whom that one serves', async () => {
  await open({ seats: [1, 1] });
  await drawAndConfirm();
  const late = await enter(0, 1);
  await letPass(test.redis, ROUND_EVERY);
  await cut();
  expect(await close(0)).toEqual([{ slot: slot(0), round: 2 }]);
  await nextRound(engine, release);
  const first = await bookingOf(engine, late.account, release);
  expect(first.endsWith('.1')).toBe(true);
  granted(await engine.bookings.confirm(late.account, first));
  await nextRound(engine, release);
  expect(await entryOf(engine, late.account, release)).toMatchObject({
    state: 'offered',
    booking: { slot: slot(1) },
  });
  await agree();
});

it('whoever cancelled before the cut is gone, though their slot closes', async () => {
  await open({ seats: [1, 1] });
  const one = await enter(0, 1);
  const [id] = await drawAndConfirm(one);
  await close(0);
  expect(await engine.bookings.cancel(one.account, id!)).toBe('CANCELLED');
  await nextRound(engine, release);
  expect(await stateOf(engine, release, one.person)).toBe('CANCELLED');
  await agree();
});

it('an offer that lapsed before the cut is not given another seat', async () => {
  await open({ seats: [1, 1] });
  const one = await enter(0, 1);
  await drawAndConfirm();
  await close(0);
  await letPass(test.redis, CONFIRM_WITHIN + 1);
  expect(await stateOf(engine, release, one.person)).toBe('LAPSED');
  expect(await cut()).toEqual({ outcome: 'EXPIRE_FIRST' });
  expect(await nextRound(engine, release)).toBe(1);
  expect(await stateOf(engine, release, one.person)).toBe('LAPSED');
  expect(await sinceOf(1)).toMatchObject({ expired: [expect.any(String)], closed: [slot(0)] });
  await agree();
});

/** Calls of a worker to its store: cut, reads, tree, seal, four stages, flip. */
it.each(Array.from({ length: 10 }, (_call, number) => number))(
  'a worker that dies at call %i of a round that settles changes leaves one that ends the same',
  async (at) => {
    const people = [...(await enterMany(4, 0, 2)), ...(await enterMany(3, 1, 2))];
    await drawAndConfirm();
    await enterMany(3, 2, 1);
    await close(0);
    granted(await lose(1, 1));
    await cut();
    const before = await snapshot(test.redis);
    const ended = async () => ({
      digest: (await engine.stores.rounds.round(release, 1))?.digest,
      held: await Promise.all(
        people.map(async ({ account }) => {
          const { state, booking } = await entryOf(engine, account, release);
          return [state, booking?.bookingId, booking?.slot];
        }),
      ),
    });
    await nextRound(engine, release);
    const undisturbed = await ended();
    await restore(test.redis, before);
    await expect(workerOn(engine, dyingStore(engine, at)).step(release)).rejects.toThrow('died');
    await nextRound(engine, release);
    expect(await ended()).toEqual(undisturbed);
    await agree();
  },
);
