import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { createPeopleService } from '../../src/people/service.ts';
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

let engine: Engine;
beforeEach(() => {
  engine = engineOn(test.redis);
});

const add = (account: string, idNumber: string) =>
  engine.people.addBeneficiary(account, { ...ASHA, idNumber });
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

  it('keeps whom one request lists while another, which came before, finds the list full', async () => {
    const idNumber = freshId();
    const others = await Promise.all(Array.from({ length: 4 }, () => register(engine, 'one')));
    const { people } = engine.stores;
    const paused = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    const store: typeof people = {
      ...people,
      addBeneficiary: async (...parts) => {
        const answer = await people.addBeneficiary(...parts);
        reached.resolve();
        await paused.promise;
        return answer;
      },
    };
    const slow = createPeopleService({ ...engine, store });
    const first = slow.addBeneficiary('one', { ...ASHA, idNumber });
    await reached.promise;
    granted(await engine.people.removeBeneficiary('one', String(others[0])));
    const { beneficiaryId } = granted(await add('one', idNumber));
    paused.resolve();
    expect(codeOf(await first)).toBe('TOO_MANY_BENEFICIARIES');
    expect(await engine.stores.people.persons('one')).toContain(beneficiaryId);
    expect(codeOf(await add('two', idNumber))).toBe('ID_REGISTERED');
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
