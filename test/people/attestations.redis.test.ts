/** Which categories people belong to: attested by an operator, and what follows from it. */
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { keys } from '../../src/redis/keys.ts';
import {
  codeOf,
  engineOn,
  entryOf,
  fresh,
  freshId,
  granted,
  letPass,
  nextRound,
  publishRelease,
  register,
  type ReleaseWishes,
  stateOf,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);

let engine: Engine;
let account: string;
beforeEach(() => {
  engine = engineOn(test.redis);
  account = fresh('account');
});

const RESERVED: Partial<ReleaseWishes> = {
  seats: [4],
  pools: [{ pool: 'frontline', percent: 25 }, { pool: 'senior', percent: 25 }, { pool: 'open' }],
};
const publish = (wishes: Partial<ReleaseWishes> = {}) =>
  publishRelease(engine, test.redis, { ...RESERVED, seats: [4], ...wishes });
const attest = (idNumber: string, ...categories: string[]) =>
  engine.people.attest([{ idType: 'passport', idNumber, categories }]);
const shown = async () =>
  (await engine.people.listBeneficiaries(account)).map(({ categories }) => categories);
/** Somebody of this account of whom so much is attested. */
const someone = async (...categories: string[]): Promise<string> => {
  const idNumber = freshId();
  await attest(idNumber, ...categories);
  return register(engine, account, { idNumber });
};

describe('an attestation', () => {
  it('is of an ID, registered or not yet, however its number is written', async () => {
    expect(await attest('AB 12-34', 'senior', 'frontline', 'senior')).toBe('ATTESTED');
    await register(engine, account, { idNumber: 'ab1234' });
    expect(await shown()).toEqual([['frontline', 'senior']]);
    await attest('ＡＢ१२३४', 'frontline');
    expect(await shown()).toEqual([['frontline']]);
  });

  it('replaces what was attested before, with nothing if need be', async () => {
    const idNumber = freshId();
    await attest(idNumber, 'senior');
    await attest(idNumber);
    expect(await test.redis.keys('*person*')).toEqual([]);
    await register(engine, account, { idNumber });
    await attest(idNumber, 'senior');
    await attest(idNumber);
    expect(await shown()).toEqual([[]]);
  });

  it('stays with the ID when its person is removed, and is the next account’s', async () => {
    const idNumber = freshId();
    const person = await register(engine, account, { idNumber });
    await attest(idNumber, 'senior');
    granted(await engine.people.removeBeneficiary(account, person));
    expect(await test.redis.hgetall(keys.person(person))).toEqual({ categories: 'senior' });
    account = fresh('account');
    const added = await engine.people.addBeneficiary(account, {
      name: 'Asha Kale',
      birthYear: 1960,
      gender: 'female',
      idType: 'passport',
      idNumber,
    });
    expect(granted(added).categories).toEqual(['senior']);
  });

  it('is not shown to an account that lists a person who is registered elsewhere', async () => {
    const person = await someone('senior');
    const record = present(await test.redis.hget(keys.beneficiaries(account), person), 'a record');
    account = fresh('account');
    await test.redis.hset(keys.beneficiaries(account), person, record);
    expect(await shown()).toEqual([[]]);
  });

  it('is refused with all others of its request when a number is none', async () => {
    const [good, bad] = ['234567890123', '123'];
    const answer = await engine.people.attest(
      [good, good, bad, bad].map((idNumber) => ({
        idType: 'aadhaar',
        idNumber,
        categories: ['senior'],
      })),
    );
    expect(answer).toEqual({ refused: 'ID_NUMBER_INVALID', extra: { index: 2 } });
    expect(await test.redis.dbsize()).toBe(0);
  });

  it('may be one of a thousand at once', async () => {
    const attestations = Array.from({ length: 1_000 }, (_one, number) => ({
      idType: 'passport' as const,
      idNumber: `Z${100_000 + number}`,
      categories: ['senior'],
    }));
    expect(await engine.people.attest(attestations)).toBe('ATTESTED');
    expect(await test.redis.dbsize()).toBe(1_000);
  });
});

describe('an entry', () => {
  it('has those categories of its person that the release knows, as they are when it is put', async () => {
    const { release, slots } = await publish();
    const idNumber = freshId();
    const person = await register(engine, account, { idNumber });
    const enter = async () => {
      granted(
        await engine.rounds.enter(account, release, {
          beneficiaries: [person],
          preferences: slots,
        }),
      );
      return (await entryOf(engine, account, release)).categories;
    };
    await attest(idNumber, 'teacher', 'senior');
    expect(await enter()).toEqual(['senior']);
    await attest(idNumber, 'senior', 'frontline');
    expect((await entryOf(engine, account, release)).categories).toEqual(['senior']);
    expect(await enter()).toEqual(['frontline', 'senior']);
    await letPass(test.redis, 600);
    await nextRound(engine, release);
    const transcript = granted(await engine.rounds.transcript(release, 0));
    const text = gunzipSync(await buffer(transcript)).toString();
    expect(text).toContain('"cats":["frontline","senior"]');
    expect(text).toContain('"pool":"frontline"');
  });

  it('of a group has those that each of them has', async () => {
    const { release, slots } = await publish();
    const beneficiaries = [
      await someone('frontline', 'senior'),
      await someone('senior', 'teacher'),
      await someone('senior'),
    ];
    granted(await engine.rounds.enter(account, release, { beneficiaries, preferences: slots }));
    expect((await entryOf(engine, account, release)).categories).toEqual(['senior']);
    const alone = { beneficiaries: beneficiaries.slice(0, 1), preferences: slots };
    granted(await engine.rounds.enter(account, release, alone));
    expect((await entryOf(engine, account, release)).categories).toEqual(['frontline', 'senior']);
  });

  it('is given a reserved seat by its categories only', async () => {
    const { release, slots } = await publish({
      pools: [{ pool: 'senior', percent: 100 }, { pool: 'open' }],
    });
    const people = [await someone('frontline'), await someone('senior'), await someone()];
    for (const person of people) {
      const request = { beneficiaries: [person], preferences: slots };
      granted(await engine.rounds.enter(account, release, request));
    }
    await letPass(test.redis, 600);
    await nextRound(engine, release);
    const states = await Promise.all(people.map((person) => stateOf(engine, release, person)));
    expect(states).toEqual(['WAITING', 'OFFERED', 'WAITING']);
  });
});

it('booking at once takes from the pools of the person’s categories, in the order of the slot', async () => {
  const { release, slots } = await publish({
    mode: 'immediate',
    seats: [2],
    pools: [{ pool: 'senior', percent: 50 }, { pool: 'open' }],
  });
  const book = async (...categories: string[]) =>
    codeOf(
      await engine.bookings.book(account, {
        release,
        beneficiary: await someone(...categories),
        slot: present(slots[0], 'a slot'),
      }),
    );
  expect(await book()).toBeUndefined();
  expect(await book('frontline')).toBe('SLOT_FULL');
  expect(await book('senior')).toBeUndefined();
  expect(await book('senior')).toBe('SLOT_FULL');
});
