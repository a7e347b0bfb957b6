/** Groups: several people of an account as one entry, which sits together or not at all. */
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { keys } from '../../src/redis/keys.ts';
import { createLog } from '../../src/log.ts';
import { createNotifier } from '../../src/rounds/notify.ts';
import { entryIdOf } from '../../src/rounds/rules.ts';
import {
  bookingOf,
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
  smsWaiting,
  stateOf,
  verify,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);

let engine: Engine;
let account: string;
let people: [string, string, string, string];
let [a, b, c, d] = ['', '', '', ''];
let release: string;
let slots: readonly string[];

const open = async (wishes: Partial<ReleaseWishes> = {}): Promise<void> => {
  ({ release, slots } = await publishRelease(engine, test.redis, { seats: [3, 3], ...wishes }));
};
const family = async (count: number): Promise<{ account: string; people: string[] }> => {
  const name = fresh('account');
  const members: string[] = [];
  for (let i = 0; i < count; i++) members.push(await register(engine, name));
  return { account: name, people: members };
};
beforeEach(async () => {
  engine = engineOn(test.redis);
  const four = await family(4);
  account = four.account;
  people = four.people as typeof people;
  [a, b, c, d] = people;
  await open();
});

const enter = (...beneficiaries: string[]) =>
  engine.rounds.enter(account, release, { beneficiaries, preferences: slots });
const withdraw = (lead: string) =>
  engine.rounds.withdraw(account, release, entryIdOf(engine.secrets, release, lead));
const states = () => Promise.all(people.map((one) => stateOf(engine, release, one)));
const entries = async () => granted(await engine.rounds.list(account, release));
const draw = async (): Promise<void> => {
  await letPass(test.redis, 600);
  await nextRound(engine, release);
};
const seats = async () =>
  engine.releases.seats(granted(await engine.releases.published(release)).manifest);
/** All that the release holds of entries. */
const held = () =>
  Promise.all(
    [keys.entering, keys.members, keys.accounts, keys.bookings].map((key) =>
      test.redis.hgetall(key(release)),
    ),
  );

describe('a group', () => {
  it('is one entry, which its account sees once, with all its people', async () => {
    const { entryId } = granted(await enter(b, a, c));
    expect(entryId).toBe(entryIdOf(engine.secrets, release, b));
    expect(await entries()).toMatchObject([{ entryId, beneficiaries: [b, a, c] }]);
    expect(await states()).toEqual(['ENTERED', 'ENTERED', 'ENTERED', 'NONE']);
    const before = await held();
    granted(await enter(b, a, c));
    expect(await held()).toEqual(before);
  });

  it('binds every member to this release', async () => {
    granted(await enter(a, b));
    const first = release;
    await open();
    await letPass(test.redis, 60);
    for (const group of [[b], [c, b], [b, c]])
      expect(await enter(...group)).toMatchObject({
        refused: 'CLAIMED_ELSEWHERE',
        extra: { beneficiary: b },
      });
    expect(codeOf(await engine.people.removeBeneficiary(account, b))).toBe('BENEFICIARY_HAS_CLAIM');
    expect(await states()).toEqual(['NONE', 'NONE', 'NONE', 'NONE']);
    // Who was claimed for nothing is free again.
    await letPass(test.redis, 11);
    release = first;
    granted(await enter(c));
  });

  it('has nobody who is in another entry, as lead or as member', async () => {
    granted(await enter(a, b));
    granted(await enter(c));
    const before = await held();
    const refused: [group: string[], who: string][] = [
      [[b], b],
      [[b, a], b],
      [[b, d], b],
      [[d, b], b],
      [[d, a], a],
      [[d, c], c],
      [[a, b, c], c],
      [[c, d, b], b],
    ];
    for (const [group, who] of refused)
      expect(await enter(...group)).toMatchObject({
        refused: 'IN_ANOTHER_ENTRY',
        extra: { beneficiary: who },
      });
    expect(await held()).toEqual(before);
  });

  it('has nobody who is in another entry, however many are put at the same time', async () => {
    for (let turn = 0; turn < 10; turn++) {
      await open();
      await letPass(test.redis, 11);
      await Promise.all(
        [[a, b], [b, c], [c, d], [d, a], [b], [d, c, b, a]].map((g) => enter(...g)),
      );
      const inAny = (await entries()).flatMap(({ beneficiaries }) => beneficiaries);
      expect(new Set(inAny).size).toBe(inAny.length);
      const listed = people.map((one) => (inAny.includes(one) ? 'ENTERED' : 'NONE'));
      expect(await states()).toEqual(listed);
      for (const { beneficiaries } of await entries())
        granted(await withdraw(String(beneficiaries[0])));
    }
  });

  it('can be edited, which lets go of those who are left out', async () => {
    const { entryId } = granted(await enter(a, b, c));
    expect(granted(await enter(a, c)).entryId).toBe(entryId);
    expect(await states()).toEqual(['ENTERED', 'NONE', 'ENTERED', 'NONE']);
    granted(await enter(b));
    granted(await enter(a, d));
    expect(await states()).toEqual(['ENTERED', 'ENTERED', 'NONE', 'ENTERED']);
    granted(await enter(a));
    granted(await enter(c, d));
    const lists = (await entries()).map(({ beneficiaries }) => beneficiaries.join());
    expect(new Set(lists)).toEqual(new Set([a, b, `${c},${d}`]));
  });

  it('is withdrawn as a whole, and then anyone may lead', async () => {
    granted(await enter(a, b, c));
    expect(codeOf(await withdraw(b))).toBe('ENTRY_UNKNOWN');
    granted(await withdraw(a));
    expect(await states()).toEqual(['NONE', 'NONE', 'NONE', 'NONE']);
    granted(await enter(a));
    expect(await states()).toEqual(['ENTERED', 'NONE', 'NONE', 'NONE']);
    granted(await withdraw(a));
    granted(await enter(c, a));
    expect(await states()).toEqual(['ENTERED', 'NONE', 'ENTERED', 'NONE']);
  });

  it('is charged to its account person by person, all or none', async () => {
    await open({ entriesPerAccount: 3 });
    granted(await enter(a, b));
    const before = await held();
    expect(codeOf(await enter(c, d))).toBe('TOO_MANY_ENTRIES');
    expect(codeOf(await enter(a, c, d))).toBe('TOO_MANY_ENTRIES');
    expect(await held()).toEqual(before);
    granted(await enter(a, c));
    expect(codeOf(await enter(d))).toBe('TOO_MANY_ENTRIES');
    granted(await enter(b));
  });

  it('has only people who are of this account and may have the slots, and says who is not', async () => {
    await open({ places: { minAge: 45 } });
    const { account: mine } = await family(0);
    const adult = await register(engine, mine);
    const child = await register(engine, mine, { birthYear: 2090 });
    const voter = await register(engine, mine, { idType: 'voter-id' });
    const cases: [code: string, who: string][] = [
      ['NOT_ELIGIBLE', child],
      ['ID_TYPE_NOT_ACCEPTED', voter],
      ['BENEFICIARY_UNKNOWN', a],
    ];
    for (const [refused, beneficiary] of cases) {
      const request = { beneficiaries: [adult, beneficiary], preferences: slots };
      const answer = await engine.rounds.enter(mine, release, request);
      expect(answer).toMatchObject({ refused, extra: { beneficiary } });
    }
    expect(await held()).toEqual([{}, {}, {}, {}]);
  });

  it.each([0, 1])(
    'comes too late when any claim of its people is too old (that of %i)',
    async (old) => {
      const request = { beneficiaries: [a, b], preferences: slots };
      const prepared = granted(await engine.rounds.prepare(account, release, request));
      const claims = prepared.claims.map((claim, index) => ({
        ...claim,
        enterBeforeMs: claim.enterBeforeMs - (index === old ? 6_000 : 0),
      }));
      const late = Promise.resolve({ ...prepared, claims });
      expect(codeOf(await engine.rounds.enter(account, release, request, late))).toBe(
        'UNAVAILABLE',
      );
      expect(await held()).toEqual([{}, {}, {}, {}]);
      granted(await enter(a, b));
    },
  );

  it('that is refused for one does no harm to the others', async () => {
    granted(await enter(a));
    const first = release;
    await open();
    expect(codeOf(await enter(b, c, a))).toBe('CLAIMED_ELSEWHERE');
    expect(await states()).toEqual(['NONE', 'NONE', 'NONE', 'NONE']);
    release = first;
    expect(await states()).toEqual(['ENTERED', 'NONE', 'NONE', 'NONE']);
    await letPass(test.redis, 11);
    granted(await enter(a, b, c));
  });
});

describe('the seats of a group', () => {
  it('are in one slot, or it waits; and stand in the transcript by its size', async () => {
    await open({ seats: [2, 3] });
    granted(await enter(a, b, c));
    const others = await family(2);
    const request = { beneficiaries: others.people, preferences: [String(slots[1])] };
    await letPass(test.redis, 600);
    granted(await engine.rounds.enter(others.account, release, request)); // late: after these three
    await nextRound(engine, release);
    expect(await states()).toEqual(['OFFERED', 'OFFERED', 'OFFERED', 'NONE']);
    expect(await seats()).toEqual({ capacity: 5, free: 2, offered: 3, booked: 0 });
    expect(await entryOf(engine, account, release)).toMatchObject({ booking: { slot: slots[1] } });
    await letPass(test.redis, 60);
    await nextRound(engine, release);
    expect((await entryOf(engine, others.account, release)).state).toBe('waiting');
    const transcript = granted(await engine.rounds.transcript(release, 0));
    expect(gunzipSync(await buffer(transcript)).toString()).toContain('"size":3');
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  });

  it('are confirmed and cancelled together, and those people may then enter anew', async () => {
    granted(await enter(a, b, c));
    await draw();
    expect(codeOf(await enter(b))).toBe('IN_ANOTHER_ENTRY');
    expect(codeOf(await enter(a))).toBe('HAS_BOOKING');
    const booking = await bookingOf(engine, account, release);
    expect(await engine.bookings.confirm(account, booking)).toMatchObject({
      beneficiaries: [a, b, c],
      state: 'booked',
    });
    expect(await engine.bookings.list(account)).toMatchObject([{ beneficiaries: [a, b, c] }]);
    expect(await states()).toEqual(['BOOKED', 'BOOKED', 'BOOKED', 'NONE']);
    expect(await seats()).toEqual({ capacity: 6, free: 3, offered: 0, booked: 3 });
    await letPass(test.redis, 60);
    expect(codeOf(await engine.people.removeBeneficiary(account, c))).toBe('BENEFICIARY_HAS_CLAIM');
    granted(await engine.bookings.cancel(account, booking));
    expect(await states()).toEqual(['CANCELLED', 'CANCELLED', 'CANCELLED', 'NONE']);
    expect(await entries()).toMatchObject([{ beneficiaries: [a, b, c], state: 'cancelled' }]);
    expect((await seats()).free).toBe(6);
    granted(await enter(c, b));
    expect(await states()).toEqual(['CANCELLED', 'ENTERED', 'ENTERED', 'NONE']);
    granted(await enter(a));
    expect(await states()).toEqual(['ENTERED', 'ENTERED', 'ENTERED', 'NONE']);
    granted(await engine.people.removeBeneficiary(account, d));
  });

  it.each([false, true])(
    'that are let lapse cost every member their turn (a worker has come by: %s)',
    async (workerCameBy) => {
      granted(await enter(a, b));
      await draw();
      await letPass(test.redis, 901);
      if (workerCameBy) await nextRound(engine, release);
      expect(await states()).toEqual(['LAPSED', 'LAPSED', 'NONE', 'NONE']);
      expect((await seats()).free).toBe(workerCameBy ? 6 : 3 + 1);
      for (const [group, beneficiary] of [
        [[a], a],
        [[b], b],
        [[c, b], b],
        [[b, c], b],
        [[c, a], a],
      ] as const)
        expect(await enter(...group)).toMatchObject({
          refused: 'ENTRY_LAPSED',
          extra: { beneficiary },
        });
      granted(await enter(c));
      await open();
      await letPass(test.redis, 11);
      granted(await enter(a, b));
    },
  );

  it('are told of to their account, once', async () => {
    granted(await enter(a, b, c));
    await draw();
    await test.redis.hset(keys.account(account), 'mobile', engine.secrets.encrypt('+919812345678'));
    const found = granted(await engine.releases.published(release));
    const { stores, outbox, secrets } = engine;
    const told = { store: stores.rounds, people: stores.people, outbox, secrets };
    const notify = createNotifier({ ...told, log: createLog('silent') });
    const offered = [entryIdOf(secrets, release, a)];
    await notify(found, { round: 0, offered, displaced: {} });
    await notify(found, { round: 0, offered, displaced: {} });
    expect(await smsWaiting(test.redis, 'routine')).toBe(1);
  });

  it('are told of also where the number of somebody else in the round cannot be read', async () => {
    const other = await family(1);
    const [stranger = ''] = other.people;
    granted(await enter(a, b));
    const theirs = { beneficiaries: [stranger], preferences: slots };
    granted(await engine.rounds.enter(other.account, release, theirs));
    await draw();
    await test.redis.hset(keys.account(account), 'mobile', engine.secrets.encrypt('+919812345678'));
    await test.redis.hset(keys.account(other.account), 'mobile', 'unreadable');
    const found = granted(await engine.releases.published(release));
    const { stores, outbox, secrets } = engine;
    const told = { store: stores.rounds, people: stores.people, outbox, secrets };
    const notify = createNotifier({ ...told, log: createLog('silent') });
    const offered = [stranger, a].map((person) => entryIdOf(secrets, release, person));
    const before = await smsWaiting(test.redis, 'routine');
    await notify(found, { round: 0, offered, displaced: {} });
    expect(await smsWaiting(test.redis, 'routine')).toBe(before + 1);
  });
});

describe('a member', () => {
  it('is free when the release ends without a seat', async () => {
    granted(await enter(a, b));
    await letPass(test.redis, 11);
    granted(await engine.releases.end(release));
    expect(await states()).toEqual(['OVER', 'OVER', 'NONE', 'NONE']);
    await open();
    granted(await enter(b));
  });

  it('whom another account has meanwhile is out of reach for the old one, and the other way', async () => {
    granted(await enter(a, b));
    await draw();
    granted(await engine.bookings.cancel(account, await bookingOf(engine, account, release)));
    await letPass(test.redis, 11);
    granted(await engine.people.removeBeneficiary(account, b));
    const other = fresh('account');
    await test.redis.hset(keys.beneficiaries(other), b, '');
    await test.redis.hset(keys.person(b), {
      account: other,
      id_type: 'passport',
      born_in: 1960,
    });
    expect(await engine.rounds.list(other, release)).toEqual([]);
    expect(await entries()).toMatchObject([{ beneficiaries: [a], state: 'cancelled' }]);
    const request = { beneficiaries: [b], preferences: slots };
    granted(await engine.rounds.enter(other, release, request));
    expect(await entries()).toMatchObject([{ beneficiaries: [a], state: 'cancelled' }]);
    expect(
      present(((await engine.rounds.list(other, release)) as object[])[0], 'an entry'),
    ).toMatchObject({
      beneficiaries: [b],
      state: 'entered',
    });
  });
});
