import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { createPeopleService } from '../../src/people/service.ts';
import type { PeopleStore } from '../../src/people/store.ts';
import { isRefusal } from '../../src/refusal.ts';
import { keys } from '../../src/redis/keys.ts';
import {
  bookingOf,
  codeOf,
  engineOn,
  fresh,
  freshId,
  granted,
  letPass,
  nextRound,
  publishRelease,
  register,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);
/** Of somebody whom no operator and no centre has seen. */
const NOTHING_KNOWN = { categories: [], doses: [], vaccinationStatus: 'not-vaccinated' };
const ASHA = { name: 'Asha Kale', birthYear: 1960, gender: 'female', idType: 'passport' } as const;
const BEING_ADDED = {
  refused: 'BENEFICIARY_HAS_CLAIM',
  retryAfterS: expect.any(Number),
  detail: expect.any(String),
};

let engine: Engine;
beforeEach(() => {
  engine = engineOn(test.redis);
});

const add = (account: string, idNumber: string) =>
  engine.people.addBeneficiary(account, { ...ASHA, idNumber });
/** The service on a store that does some things otherwise. */
const meets = (otherwise: Partial<PeopleStore>) =>
  createPeopleService({ ...engine, store: { ...engine.stores.people, ...otherwise } });
const listed = async (account: string): Promise<string[]> =>
  (await engine.people.listBeneficiaries(account)).map(({ beneficiaryId }) => beneficiaryId);

describe('an ID', () => {
  it('is registered under one account, however many ask at the same time', async () => {
    const accounts = Array.from({ length: 50 }, () => fresh('account'));
    const answers = await Promise.all(accounts.map((account) => add(account, 'P1234567')));
    expect(answers.filter((answer) => !isRefusal(answer))).toHaveLength(1);
    expect(answers.filter((answer) => codeOf(answer) === 'ID_REGISTERED')).toHaveLength(49);
    const lists = await Promise.all(accounts.map(listed));
    expect(lists.flat()).toHaveLength(1);
  });

  it('is the same document however it is written', async () => {
    await register(engine, 'one', { idNumber: 'AB 12-34' });
    for (const spelling of ['ab1234', 'AB-12/34', 'A.B 1234', 'ＡＢ1234', 'AB१२३४'])
      expect(codeOf(await add('two', spelling))).toBe('ID_REGISTERED');
    expect(codeOf(await add('two', 'AB12345'))).toBeUndefined();
  });

  it('of another type is another person', async () => {
    const passport = await register(engine, 'one', { idNumber: 'AB1234', idType: 'passport' });
    const voter = await register(engine, 'two', { idNumber: 'AB1234', idType: 'voter-id' });
    expect(voter).not.toBe(passport);
  });

  it('is free for others once it is removed, and is the same person there', async () => {
    const person = await register(engine, 'one', { idNumber: 'AB1234' });
    expect(await engine.people.removeBeneficiary('one', person)).toBe('REMOVED');
    expect(await register(engine, 'two', { idNumber: 'AB1234' })).toBe(person);
    expect(await listed('one')).toEqual([]);
  });

  it('that was registered by a request that died half-way is free after ten seconds', async () => {
    const person = await register(engine, 'one', { idNumber: 'AB1234' });
    await test.redis.hdel(keys.beneficiaries('one'), person);
    await letPass(test.redis, 8);
    expect(codeOf(await add('two', 'AB1234'))).toBe('ID_REGISTERED');
    await letPass(test.redis, 3);
    const answers = await Promise.all(['two', 'three', 'four'].map((who) => add(who, 'AB1234')));
    expect(answers.filter((answer) => !isRefusal(answer))).toHaveLength(1);
  });

  it('that somebody has entered with is not free, though no list has it, until that is over', async () => {
    const { release, slots } = await publishRelease(engine, test.redis, { seats: [1] });
    const person = await register(engine, 'one', { idNumber: 'AB1234' });
    const request = { beneficiaries: [person], preferences: slots };
    const { entryId } = granted(await engine.rounds.enter('one', release, request));
    await test.redis.hdel(keys.beneficiaries('one'), person);
    await letPass(test.redis, 11);
    expect(codeOf(await add('two', 'AB1234'))).toBe('ID_REGISTERED');
    expect(await listed('two')).toEqual([]);
    expect(await engine.rounds.list('two', release)).toEqual([]);
    expect(await engine.stores.rounds.withdraw(release, entryId)).toBe('WITHDRAWN');
    expect(granted(await add('two', 'AB1234')).beneficiaryId).toBe(person);
    expect(await engine.stores.people.claimsOf([person])).toEqual([null]);
  });
});

it('is not taken from who has registered them anew since they were seen to be in no list', async () => {
  const { people } = engine.stores;
  const facts = { idType: 'passport', birthYear: 1960, bindBeforeMs: Infinity };
  const registerFor = (account: string, abandoned?: Parameters<typeof people.register>[3]) =>
    people.register('a-person', account, facts, abandoned);
  await registerFor('holder');
  const seen = await registerFor('other');
  if (seen.outcome !== 'TAKEN') throw new Error(seen.outcome);
  await registerFor('holder');
  const anew = await registerFor('other', seen);
  if (anew.outcome !== 'TAKEN') throw new Error(anew.outcome);
  expect(anew.account).toBe('holder');
  expect(await registerFor('other', anew)).toEqual({ outcome: 'REGISTERED' });
});

describe('an account', () => {
  it('has four beneficiaries at most, however many are added at the same time', async () => {
    const idNumbers = Array.from({ length: 20 }, () => freshId());
    const answers = await Promise.all(idNumbers.map((idNumber) => add('one', idNumber)));
    expect(answers.filter((answer) => !isRefusal(answer))).toHaveLength(4);
    expect(answers.filter((answer) => codeOf(answer) === 'TOO_MANY_BENEFICIARIES')).toHaveLength(
      16,
    );
    expect(await listed('one')).toHaveLength(4);
    // Who was not admitted is bound to nobody.
    const refused = idNumbers.filter((_idNumber, index) => isRefusal(answers[index]));
    for (const idNumber of refused) await register(engine, fresh('account'), { idNumber });
  });

  it('adds the same person once when it asks twice at the same time', async () => {
    await Promise.all([add('one', 'AB1234'), add('one', 'AB1234')]);
    expect(await listed('one')).toHaveLength(1);
    expect(codeOf(await add('one', 'AB1234'))).toBe('ID_REGISTERED');
  });

  it('binds nobody for whom its list has no room, though they enter at the same time', async () => {
    const { release, slots } = await publishRelease(engine, test.redis, { seats: [1] });
    const idNumber = freshId();
    const person = await register(engine, 'one', { idNumber });
    granted(await engine.people.removeBeneficiary('one', person));
    for (let others = 0; others < 4; others++) await register(engine, 'one');
    const request = { beneficiaries: [person], preferences: slots };
    const enter = async () => codeOf(await engine.rounds.enter('one', release, request));
    const { people } = engine.stores;
    const meeting = meets({
      register: async (...parts) => {
        const reply = await people.register(...parts);
        await enter();
        return reply;
      },
    });
    expect(codeOf(await meeting.addBeneficiary('one', { ...ASHA, idNumber }))).toBe(
      'TOO_MANY_BENEFICIARIES',
    );
    expect(await enter()).toBe('BENEFICIARY_UNKNOWN');
    expect(await people.accountOfPerson(person)).toBeNull();
    expect(await register(engine, 'two', { idNumber })).toBe(person);
  });

  it('lists nobody who is registered elsewhere', async () => {
    const idNumber = freshId();
    await register(engine, 'two', { idNumber });
    expect(codeOf(await add('one', idNumber))).toBe('ID_REGISTERED');
    expect(await listed('one')).toEqual([]);
  });

  it('adds or removes whom a request listed that died before it bound them', async () => {
    const { people } = engine.stores;
    for (const next of ['added', 'removed', 'elsewhere'] as const) {
      const idNumber = freshId();
      const dies = meets({ register: async () => Promise.reject(new Error('died')) });
      await expect(dies.addBeneficiary(next, { ...ASHA, idNumber })).rejects.toThrow('died');
      const [person = ''] = await listed(next);
      expect(await people.persons(next)).toEqual([]);
      if (next === 'added') granted(await add(next, idNumber));
      if (next === 'elsewhere') await register(engine, 'two', { idNumber });
      // For all that anybody knows it may yet bind them.
      expect(await engine.people.removeBeneficiary(next, person)).toEqual(BEING_ADDED);
      await letPass(test.redis, 11);
      if (next !== 'added') granted(await engine.people.removeBeneficiary(next, person));
      expect(await people.persons(next)).toEqual(next === 'added' ? [person] : []);
      if (next === 'elsewhere') expect(await people.accountOfPerson(person)).toBe('two');
    }
  });

  it('that asks twice for somebody who is registered elsewhere lists nobody', async () => {
    const idNumber = freshId();
    await register(engine, 'two', { idNumber });
    const codes = (await Promise.all([add('one', idNumber), add('one', idNumber)])).map(codeOf);
    expect(codes).toEqual(['ID_REGISTERED', 'ID_REGISTERED']);
    expect(await listed('one')).toEqual([]);
  });

  it('keeps on its list whom another request of it may have bound since one was refused', async () => {
    const { people } = engine.stores;
    const idNumber = freshId();
    const elsewhere = await register(engine, 'two', { idNumber });
    const slow = meets({
      dropBeneficiary: async (...parts) => {
        granted(await engine.people.removeBeneficiary('two', elsewhere));
        const dies = meets({ keepBeneficiary: async () => Promise.reject(new Error('died')) });
        await expect(dies.addBeneficiary('one', { ...ASHA, idNumber })).rejects.toThrow('died');
        await letPass(test.redis, 11);
        return people.dropBeneficiary(...parts);
      },
    });
    expect(codeOf(await slow.addBeneficiary('one', { ...ASHA, idNumber }))).toBe('ID_REGISTERED');
    expect(await people.persons('one')).toEqual([elsewhere]);
  });

  describe('that removes somebody while it adds them', () => {
    const isOne = async (person: string): Promise<void> => {
      expect(await engine.stores.people.accountOfPerson(person)).toBe('one');
      expect(await listed('one')).toContain(person);
    };
    /** Somebody whom a request listed that died before it bound them. */
    const leftover = async (idNumber: string): Promise<string> => {
      const dies = meets({ register: async () => Promise.reject(new Error('died')) });
      await expect(dies.addBeneficiary('one', { ...ASHA, idNumber })).rejects.toThrow('died');
      await letPass(test.redis, 11);
      return String((await listed('one'))[0]);
    };

    it('waits until they are bound', async () => {
      const { people } = engine.stores;
      const remove = async () =>
        engine.people.removeBeneficiary('one', (await listed('one'))[0] ?? '');
      const meeting = meets({
        register: async (...parts) => {
          expect(await remove()).toEqual(BEING_ADDED);
          const reply = await people.register(...parts);
          expect(await remove()).toEqual(BEING_ADDED);
          return reply;
        },
      });
      const { beneficiaryId } = granted(
        await meeting.addBeneficiary('one', { ...ASHA, idNumber: freshId() }),
      );
      await isOne(beneficiaryId);
      expect(await remove()).toBe('REMOVED');
    });

    it.each(['keepBeneficiary', 'factsOf'] as const)(
      'takes nobody off who was added since it looked, done before %s or after',
      async (step) => {
        const idNumber = freshId();
        const person = await leftover(idNumber);
        const { people } = engine.stores;
        const removes = meets({
          removeBeneficiary: async (...parts) => {
            const meeting = meets({
              [step]: async (...more: never[]) => {
                if (step === 'keepBeneficiary') await people.removeBeneficiary(...parts);
                return (people[step] as (...all: never[]) => Promise<unknown>)(...more);
              },
            });
            granted(await meeting.addBeneficiary('one', { ...ASHA, idNumber }));
            return people.removeBeneficiary(...parts);
          },
        });
        granted(await removes.removeBeneficiary('one', person));
        await isOne(person);
      },
    );

    it('waits where they were listed and bound since it looked at the list', async () => {
      const idNumber = freshId();
      const person = await leftover(idNumber);
      const removes = meets({
        addingForMs: async (...parts) => {
          granted(await add('one', idNumber));
          return engine.stores.people.addingForMs(...parts);
        },
      });
      expect(await removes.removeBeneficiary('one', person)).toEqual(BEING_ADDED);
      await isOne(person);
    });

    it.each([6, 11])('binds nobody %i s after it has listed them', async (seconds) => {
      const { people } = engine.stores;
      const idNumber = freshId();
      const slow = meets({
        register: async (person, account, facts, ...more) => {
          await letPass(test.redis, seconds);
          const bindBeforeMs = facts.bindBeforeMs - seconds * 1000;
          return people.register(person, account, { ...facts, bindBeforeMs }, ...more);
        },
      });
      expect(codeOf(await slow.addBeneficiary('one', { ...ASHA, idNumber }))).toBe('UNAVAILABLE');
      expect(await people.persons('one')).toEqual([]);
      expect(granted(await add('one', idNumber)).beneficiaryId).toBe((await listed('one'))[0]);
    });
  });

  it('sees what it registered, and of an ID the last four characters', async () => {
    await add('one', 'AB 12-34 567');
    expect(await engine.people.listBeneficiaries('one')).toEqual([
      { beneficiaryId: expect.any(String), ...ASHA, idLast4: '4567', ...NOTHING_KNOWN },
    ]);
  });

  it.each([
    ['1234', '34'],
    ['K12345', '345'],
    ['K123456', '456'],
    ['K1234567', '4567'],
  ])('sees of the short number %j no more than half', async (idNumber, shown) => {
    await add('one', idNumber);
    const [seen] = await engine.people.listBeneficiaries('one');
    expect(seen?.idLast4).toBe(shown);
  });

  it('cannot remove whom it does not have', async () => {
    const person = await register(engine, 'one');
    expect(codeOf(await engine.people.removeBeneficiary('two', person))).toBe(
      'BENEFICIARY_UNKNOWN',
    );
    expect(await listed('one')).toEqual([person]);
  });

  it('cannot remove somebody who has an entry or a booking', async () => {
    const { release, slots } = await publishRelease(engine, test.redis, { seats: [1] });
    const person = await register(engine, 'one');
    const remove = async () => codeOf(await engine.people.removeBeneficiary('one', person));
    const request = { beneficiaries: [person], preferences: slots };
    granted(await engine.rounds.enter('one', release, request));
    expect(await remove()).toBe('BENEFICIARY_HAS_CLAIM');
    await letPass(test.redis, 600);
    await nextRound(engine, release);
    granted(await engine.bookings.confirm('one', await bookingOf(engine, 'one', release)));
    await letPass(test.redis, 60);
    expect(await remove()).toBe('BENEFICIARY_HAS_CLAIM');
    granted(await engine.bookings.cancel('one', await bookingOf(engine, 'one', release)));
    expect(await remove()).toBeUndefined();
  });

  it('has no power over somebody whom it lists but who is registered elsewhere', async () => {
    const { release, slots } = await publishRelease(engine, test.redis, { seats: [1] });
    const person = await register(engine, 'victim');
    const record = engine.secrets.encrypt(JSON.stringify(ASHA));
    await test.redis.hset(keys.beneficiaries('intruder'), person, record);
    const request = { beneficiaries: [person], preferences: slots };
    const { entryId } = granted(await engine.rounds.enter('victim', release, request));
    expect(await engine.rounds.list('intruder', release)).toEqual([]);
    expect(codeOf(await engine.rounds.withdraw('intruder', release, entryId))).toBe(
      'ENTRY_UNKNOWN',
    );
    await letPass(test.redis, 600);
    await nextRound(engine, release);
    const booking = await bookingOf(engine, 'victim', release);
    for (const answer of ['confirm', 'cancel'] as const)
      expect(codeOf(await engine.bookings[answer]('intruder', booking))).toBe('BOOKING_UNKNOWN');
    expect(codeOf(await engine.rounds.enter('intruder', release, request))).toBe(
      'BENEFICIARY_UNKNOWN',
    );
  });
});
