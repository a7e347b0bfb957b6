/** Slots that are asked for one at a time, by several clients of one account at once. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { NOWHERE } from '../../src/gates/origin.ts';
import { isoFromMs, msFromIso } from '../../src/lib/clock.ts';
import { present } from '../../src/lib/assert.ts';
import { keys } from '../../src/redis/keys.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { isRefusal } from '../../src/refusal.ts';
import { entryIdOf, unpackEntry } from '../../src/rounds/rules.ts';
import {
  codeOf,
  engineOn,
  entryOf,
  fresh,
  granted,
  letPass,
  publishRelease,
  register,
  type ReleaseWishes,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);

/** Of several processes: what one remembers for a turn, another does not know. */
let engines: readonly Engine[];
let engine: Engine;
let account: string;
let people: readonly string[];
let release: string;
let slots: readonly string[];

const open = async (wishes: Partial<ReleaseWishes> = {}): Promise<void> => {
  const all = { seats: Array.from({ length: 12 }, () => 1), limits: { preferences: 10 } };
  ({ release, slots } = await publishRelease(engine, test.redis, { ...all, ...wishes }));
};
beforeEach(async () => {
  engines = [0, 1, 2].map(() => engineOn(test.redis));
  engine = present(engines[0], 'an engine');
  await arrive();
  await open();
});

/** Others than before, who are bound to no release. */
async function arrive(): Promise<void> {
  account = fresh('account');
  people = [await register(engine, account), await register(engine, account)];
}

const append = (slotNumber: number, beneficiaries = people.slice(0, 1), by = engine) =>
  by.rounds.append(account, release, { beneficiaries, slotNumber }, NOWHERE);
const put = (numbers: readonly number[], beneficiaries = people.slice(0, 1)) =>
  engine.rounds.enter(account, release, {
    beneficiaries,
    preferences: numbers.map((number) => present(slots[number], 'a slot')),
  });
/** What the entry holds, in the next round or in one that is being drawn. */
async function wished(where: 'entering' | 'sealed' = 'entering') {
  const id = entryIdOf(engine.secrets, release, people[0] ?? '');
  const packed = await test.redis.hget(keys[where](release), id);
  return packed === null ? undefined : unpackEntry(packed);
}
const audit = () => test.redis.xlen(keys.audit(release));

describe('slots that are appended in parallel', () => {
  it.each([
    ['by one', 1],
    ['by a group', 2],
  ])('are all in the entry once they are acknowledged, each once: %s', async (_what, size) => {
    for (const limit of [10, 4]) {
      await arrive();
      const group = people.slice(0, size);
      await open({ limits: { preferences: limit } });
      // room for all of them, or for a few
      const asked = Array.from({ length: 20 }, (_ask, index) => index % 10);
      const answers = await Promise.all(
        asked.map((number, index) => append(number, group, engines[index % engines.length])),
      );
      const entry = present(await wished(), 'an entry');
      expect(entry.persons).toEqual(group);
      expect(new Set(entry.prefs).size).toBe(entry.prefs.length);
      expect(entry.prefs.length).toBeLessThanOrEqual(limit);
      const taken = asked.filter((_number, index) => !isRefusal(present(answers[index], 'one')));
      expect(taken.length).toBeGreaterThan(0);
      // what there is no room for is acknowledged too, once the entry is full
      if (limit === 10) expect(entry.prefs).toEqual(expect.arrayContaining(taken));
      for (const answer of answers) expect([undefined, 'ENTRY_CHANGED']).toContain(codeOf(answer));
      // whoever is told to ask again does, and all of it is there
      for (const number of asked) granted(await append(number, group));
      expect((await wished())?.prefs).toHaveLength(limit);
    }
  });

  it('keep the order in which one client asked, whatever others ask', async () => {
    const clients = [
      [0, 1, 2, 3],
      [4, 5, 6],
      [7, 8],
    ];
    await Promise.all(
      clients.map(async (wishes, index) => {
        for (const number of wishes)
          while (isRefusal(await append(number, undefined, engines[index])));
      }),
    );
    const { prefs } = present(await wished(), 'an entry');
    expect(new Set(prefs)).toEqual(new Set(clients.flat()));
    expect(prefs).toHaveLength(9);
    for (const wishes of clients)
      expect(prefs.filter((number) => wishes.includes(number))).toEqual(wishes);
  });

  it('are nothing new when they are asked for again', async () => {
    for (const number of [3, 1]) granted(await append(number));
    const before = [await wished(), await audit()];
    await Promise.all([3, 1, 3].map((number) => append(number)));
    expect([await wished(), await audit()]).toEqual(before);
  });

  it('stand behind what was put by PUT, and a PUT replaces them: whatever came last counts', async () => {
    for (let turn = 0; turn < 20; turn++) {
      granted(await put([0]));
      const [appended, edited] = await Promise.all([append(1, undefined, engines[1]), put([2])]);
      granted(appended);
      granted(edited);
      // put last, or appended to what was put; never to what a PUT had replaced
      expect([[2], [2, 1]]).toContainEqual((await wished())?.prefs);
    }
    granted(await put([5, 4]));
    granted(await append(9));
    expect((await wished())?.prefs).toEqual([5, 4, 9]);
    granted(await put([8]));
    expect((await wished())?.prefs).toEqual([8]);
  });
});

describe('a slot that is appended while the window closes', () => {
  it('is in the round, or refused: none that was acknowledged is lost', async () => {
    for (let turn = 0; turn < 3; turn++) {
      await arrive();
      await open({ closesInS: 600, limits: { preferences: 10 } });
      granted(await append(0));
      const closesAtMs = Number(await test.redis.hget(keys.release(release), 'closes_at_ms'));
      await letPass(test.redis, (closesAtMs - (await redisNowMs(test.redis)) - 20) / 1000);
      const acknowledged: number[] = [0];
      let refused: string | undefined;
      for (let turns = 0; refused === undefined && turns < 10_000; turns++) {
        const number = acknowledged.length < 10 ? acknowledged.length : 0;
        const answer = await append(number);
        refused = codeOf(answer);
        if (refused === undefined && number > 0) acknowledged.push(number);
      }
      expect(refused).toBe('ENTRY_SEALED');
      expect((await wished('sealed'))?.prefs).toEqual(acknowledged);
      expect(await wished()).toBeUndefined();
    }
  });

  it('is in the next round where nothing of its people was sealed', async () => {
    await letPass(test.redis, 600);
    const answers = await Promise.all([1, 2, 3].map((number) => append(number)));
    for (const answer of answers) granted(answer);
    expect(new Set((await wished())?.prefs)).toEqual(new Set([1, 2, 3]));
    expect(await wished('sealed')).toBeUndefined();
  });
});

describe('an entry that is to be carried over', () => {
  it('is so still when a slot is appended, and no more when a PUT does not say so', async () => {
    await open({ series: fresh('series') });
    const { manifest } = granted(await engine.releases.published(release));
    const carryOverUntil = isoFromMs(msFromIso(manifest.ends_at) + 86_400_000);
    const request = { beneficiaries: people.slice(0, 1), preferences: slots.slice(0, 1) };
    granted(await engine.rounds.enter(account, release, { ...request, carryOverUntil }));
    const { carryOver } = await entryOf(engine, account, release);
    expect(carryOver).toMatchObject({ until: carryOverUntil });
    await Promise.all([1, 2, 1].map((number) => append(number)));
    expect(await entryOf(engine, account, release)).toMatchObject({ carryOver });
    granted(await put([1]));
    expect((await entryOf(engine, account, release)).carryOver).toBeNull();
    granted(await append(2));
    expect((await entryOf(engine, account, release)).carryOver).toBeNull();
  });
});
