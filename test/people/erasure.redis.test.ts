/** Erasing an account or a person: what goes, what stays for fairness, and what nothing may undo. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createEngine, type Engine } from '../../src/engine.ts';
import { createAudit, createAuditReader } from '../../src/gates/audit.ts';
import type { Origin } from '../../src/gates/origin.ts';
import { createRevocations } from '../../src/gates/revocations.ts';
import { present } from '../../src/lib/assert.ts';
import { createLog } from '../../src/log.ts';
import { eraseCommand } from '../../src/people/erase-command.ts';
import { createErasure, type Erasure } from '../../src/people/erasure.ts';
import { createPeopleService } from '../../src/people/service.ts';
import { accountOf, otpHashOf } from '../../src/people/sign-in.ts';
import { PEOPLE_LIMITS } from '../../src/people/rules.ts';
import { keys } from '../../src/redis/keys.ts';
import { arrive, engineHere, giveDose, openToday } from '../arrivals/day.ts';
import { contentsOf } from '../care/contents.ts';
import { SECRET } from '../support/app.ts';
import {
  codeOf,
  entryOf,
  freshId,
  granted,
  lastSms,
  letPass,
  nextRound,
  publishRelease,
  register,
  registerMany,
  smsOf,
  verify,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);
const MOBILE = '+919812345678';
const HOME: Origin = { network: '203.0.113', device: 'device-at-home' };
/** More than a claim's lease. */
const LATER_S = PEOPLE_LIMITS.claimLeaseMs / 1000 + 1;

let engine: Engine;
let account: string;
beforeEach(() => {
  engine = createEngine(test.redis, {
    secret: SECRET,
    devices: { required: false, accounts: 20 },
  });
  account = accountOf(engine.secrets, MOBILE);
});

/** Signs in and gives what the access token would say. */
async function signIn(mobile = MOBILE) {
  const { txnId } = granted(await engine.people.sendOtp(mobile, HOME));
  const { message } = await lastSms(engine, test.redis);
  if (message.template !== 'otp') throw new Error('another SMS');
  return granted(await engine.people.checkOtp(txnId, otpHashOf(message.otp), HOME));
}

const erase = (by: Erasure = engine.erasure) => by.eraseAccount(account);
const passLease = () => letPass(test.redis, LATER_S);
/** Keys that have one of these anywhere in name or value, with that value. */
async function foundWhere(...needles: readonly string[]): Promise<string[]> {
  const all = Object.entries(await contentsOf(test.redis));
  return all
    .filter(([key, value]) => {
      const text = key + JSON.stringify(value);
      return needles.some((needle) => text.includes(needle));
    })
    .map(([key]) => key.replace(/^fs:v1:/, '').replace(account, 'ACCOUNT'))
    .toSorted();
}

describe('erasing an account', () => {
  it('leaves nothing of it but what expires by itself, its epoch and its device', async () => {
    await signIn();
    const person = await register(engine, account);
    await engine.inbox.driver({
      reference: 'x',
      account,
      mobile: MOBILE,
      template: 'otp',
      text: 'hello',
    });
    expect(await erase()).toMatchObject({ outcome: 'ERASED', people: 1, sms: 1 });
    expect(await foundWhere(person)).toEqual([]);
    const left = await foundWhere(account);
    expect(left.filter((key) => !/otp-(?:gap|unused)|^\{t:/.test(key))).toEqual([
      '{d:device-at-home}:accounts',
      '{m:ACCOUNT}:account',
    ]);
    expect(await test.redis.hgetall(keys.account(account))).toEqual({ epoch: '1' });
    for (const key of left) {
      const name = `fs:v1:${key.replace('ACCOUNT', account)}`;
      expect(await test.redis.pttl(name), key).toBeGreaterThan(0);
    }
    expect(await erase()).toMatchObject({ outcome: 'UNKNOWN' });
  });

  it('signs it out for good, and a later sign-in stands and stays', async () => {
    const revocations = createRevocations(test.redis);
    const before = await signIn();
    await erase();
    expect(await revocations.stands(before)).toBe(false);
    await letPass(test.redis, 61);
    const after = await signIn();
    expect(await revocations.stands(after)).toBe(true);
    expect(await revocations.stands(before)).toBe(false);
    expect(await test.redis.pttl(keys.account(account))).toBe(-1);
    expect(await engine.people.listBeneficiaries(account)).toEqual([]);
  });

  it('is refused while one of its people holds anything, and says what', async () => {
    const { release, slots } = await publishRelease(engine, test.redis, { seats: [1] });
    const [holds, idle] = [await register(engine, account), await register(engine, account)];
    const wish = { beneficiaries: [holds], preferences: slots };
    const { entryId } = granted(await engine.rounds.enter(account, release, wish));
    const before = await contentsOf(test.redis);
    expect(await erase()).toMatchObject({
      refused: 'ACCOUNT_HAS_CLAIMS',
      extra: { held: [{ beneficiary: holds, release }] },
    });
    expect(await contentsOf(test.redis)).toEqual(before);
    granted(await engine.rounds.withdraw(account, release, entryId));
    // A claim that was used a moment ago may be used again within its lease.
    expect(codeOf(await erase())).toBe('ACCOUNT_HAS_CLAIMS');
    await passLease();
    expect(await erase()).toMatchObject({ outcome: 'ERASED' });
    expect(await foundWhere('Asha')).toEqual([]);
    expect(idle).not.toBe(holds);
  });

  it('keeps what it would be unfair to lose: doses, missed seats, what was attested', async () => {
    engine = engineHere(test.redis);
    const release = await openToday(engine, test.redis);
    const idNumber = 'P7654321';
    account = 'an-account';
    const person = await register(engine, account, { idNumber });
    await engine.people.attest([{ idType: 'passport', idNumber, categories: ['senior'] }]);
    const slot = present(release.slots[0], 'a slot');
    const wish = { release: release.release, beneficiary: person, slot };
    const { bookingId } = granted(await engine.bookings.book(account, wish));
    const { securityCode } = present(
      (await engine.bookings.list(account))[0] as { securityCode?: string } | undefined,
      'a booking',
    );
    const booked = { account, person, booking: bookingId, code: securityCode ?? '' };
    granted(await arrive(engine, booked));
    granted(await giveDose(engine, booked));
    const untilMs = 9_999_999_999_999;
    await test.redis.hset(keys.person(person), 'cooling_ends_at_ms', untilMs);
    expect(await test.redis.zcard(keys.dosesDue())).toBe(1);
    await passLease();
    expect(await erase()).toMatchObject({ outcome: 'ERASED' });
    expect(await test.redis.zcard(keys.dosesDue())).toBe(0);
    const kept = await test.redis.hgetall(keys.person(person));
    expect(Object.keys(kept).toSorted()).toEqual(['categories', 'cooling_ends_at_ms', 'doses']);

    // Whoever registers the ID next is the same person.
    expect(await register(engine, 'another', { idNumber })).toBe(person);
    const [known] = await engine.people.listBeneficiaries('another');
    expect(known).toMatchObject({
      categories: ['senior'],
      vaccinationStatus: 'partially-vaccinated',
    });
    const again = { release: release.release, beneficiary: person, slot };
    expect(codeOf(await engine.bookings.book('another', again))).toBe('COOLING_DOWN');
  });

  it('drops the SMS that wait for its mobile, and nobody else', async () => {
    const mine = { account, mobile: MOBILE, language: 'en' } as const;
    const message = { template: 'otp', otp: '123456' } as const;
    const other = await signIn('+919812345679');
    await engine.outbox.send([
      { ...mine, id: 'mine-1', message },
      { ...mine, id: 'mine-2', message: { template: 'dose-due', vaccine: 'COVAXIN', dose: 2 } },
    ]);
    const died = await engine.stores.outbox.take('routine', 1);
    const [dead] = died.taken;
    const why = { reason: 'x', verdict: 'bury', waitMs: 1 } as const;
    await engine.stores.outbox.failed('routine', present(dead, 'an SMS'), why);
    expect(await erase()).toMatchObject({ outcome: 'ERASED', sms: 2 });
    const left = await smsOf(engine, test.redis, 'urgent');
    expect(left.map((sms) => sms.account)).toEqual([other.account]);
    expect(await test.redis.hlen(keys.sms('routine'))).toBe(0);
    expect(await test.redis.zcard(keys.smsDead('routine'))).toBe(0);
  });

  it('changes nothing in what was published', async () => {
    const { release, slots } = await publishRelease(engine, test.redis, { seats: [1] });
    const people = await registerMany(engine, 3);
    for (const { account: by, person } of people)
      granted(
        await engine.rounds.enter(by, release, { beneficiaries: [person], preferences: slots }),
      );
    await letPass(test.redis, 600);
    await nextRound(engine, release);
    for (const { account: by } of people) {
      const { entryId, booking } = await entryOf(engine, by, release);
      if (booking) granted(await engine.bookings.cancel(by, booking.bookingId));
      else granted(await engine.rounds.withdraw(by, release, entryId));
    }
    await passLease();
    for (const { account: by } of people)
      expect(await engine.erasure.eraseAccount(by)).toMatchObject({ outcome: 'ERASED' });
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
    await letPass(test.redis, 60);
    await nextRound(engine, release);
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  });

  describe('while it adds somebody', () => {
    const ASHA = {
      name: 'Asha Kale',
      birthYear: 1960,
      gender: 'female',
      idType: 'passport',
    } as const;
    /** Adds her; `meanwhile` happens before the first call of this step. */
    const adding = (step: 'addBeneficiary' | 'register', meanwhile: () => Promise<unknown>) => {
      const { people } = engine.stores;
      const met = async (...parts: never[]) => {
        await meanwhile();
        return (people[step] as (...all: never[]) => Promise<unknown>)(...parts);
      };
      const service = createPeopleService({ ...engine, store: { ...people, [step]: met } });
      return service.addBeneficiary(account, { ...ASHA, idNumber: freshId() });
    };

    it('is refused for as long as she may yet be bound to it, and erases nothing', async () => {
      await signIn();
      const other = await register(engine, account);
      const added = await adding('register', async () =>
        expect(await erase()).toMatchObject({ refused: 'ACCOUNT_HAS_CLAIMS', retryAfterS: 10 }),
      );
      const { beneficiaryId } = granted(added);
      const persons = await engine.stores.people.persons(account);
      expect(persons.toSorted()).toEqual([beneficiaryId, other].toSorted());
      expect(await erase()).toMatchObject({ outcome: 'ERASED', people: 2 });
      expect(await foundWhere(beneficiaryId, 'Asha')).toEqual([]);
    });

    it('lists and binds nobody once it is erased', async () => {
      await signIn();
      const added = await adding('addBeneficiary', async () => granted(await erase()));
      expect(codeOf(added)).toBe('ACCESS_TOKEN_REVOKED');
      expect(await test.redis.exists(keys.beneficiaries(account))).toBe(0);
      await letPass(test.redis, 61);
      await signIn();
      expect(await register(engine, account)).toBeTruthy();
    });

    it('is refused where she is listed after it has looked', async () => {
      await signIn();
      const { stores, claims, outbox } = engine;
      const met = createErasure({
        store: {
          ...stores.people,
          eraseAccount: async (...parts) => {
            await register(engine, account);
            return stores.people.eraseAccount(...parts);
          },
        },
        claims,
        outbox,
        reminders: stores.arrivals,
      });
      expect(codeOf(await erase(met))).toBe('ACCOUNT_HAS_CLAIMS');
      expect(await engine.stores.people.persons(account)).toHaveLength(1);
      expect(await erase()).toMatchObject({ outcome: 'ERASED' });
    });
  });

  it('forgets its SMS while its access tokens can still ask again', async () => {
    await signIn();
    const { stores, claims } = engine;
    const met = createErasure({
      store: stores.people,
      claims,
      outbox: {
        forget: (_account, isDry) =>
          isDry ? Promise.resolve(0) : Promise.reject(new Error('away')),
      },
      reminders: stores.arrivals,
    });
    await expect(erase(met)).rejects.toThrow('away');
    expect(await stores.people.isAccount(account)).toBe(true);
  });

  it('is finished by erasing again, wherever it broke off', async () => {
    const steps = async (lastStep: number): Promise<boolean> => {
      await test.redis.flushall();
      await signIn();
      const persons = [await register(engine, account), await register(engine, account)];
      let step = 0;
      const dying = <T extends object>(store: T): T =>
        new Proxy(store, {
          get: (target, name) => {
            const act = target[name as keyof T];
            if (typeof act !== 'function') return act;
            return (...args: unknown[]) => {
              if (++step > lastStep) return Promise.reject(new Error('killed'));
              return (act as (...args: unknown[]) => unknown)(...args);
            };
          },
        });
      const { stores, claims, outbox } = engine;
      const half = createErasure({
        store: dying(stores.people),
        claims: dying(claims),
        outbox: dying(outbox),
        reminders: dying(stores.arrivals),
      });
      const done = await erase(half).then(
        () => true,
        () => false,
      );
      await erase();
      expect(await foundWhere(...persons), `after ${lastStep} steps`).toEqual([]);
      expect(await test.redis.hexists(keys.account(account), 'mobile')).toBe(0);
      expect(await smsOf(engine, test.redis, 'urgent')).toEqual([]);
      return done;
    };
    let count = 0;
    while (!(await steps(count))) count += 1;
    expect(count).toBeGreaterThan(10);
  });
});

describe('erasing a person', () => {
  it('takes them off the list also where it was written anew meanwhile', async () => {
    const person = await register(engine, account);
    const { stores, claims, outbox } = engine;
    let reads = 0;
    const met = createErasure({
      store: {
        ...stores.people,
        beneficiary: async (...parts) => {
          const record = await stores.people.beneficiary(...parts);
          reads += 1;
          if (reads === 1) await stores.people.keepListed(account, person, 'written anew');
          return record;
        },
      },
      claims,
      outbox,
      reminders: stores.arrivals,
    });
    expect(await met.erasePerson(person)).toMatchObject({ outcome: 'ERASED' });
    expect(await foundWhere(person)).toEqual([]);
  });

  it('takes them off the account, which stays; again where it broke off', async () => {
    const [stays, goes] = [await register(engine, account), await register(engine, account)];
    const { stores, claims, outbox } = engine;
    const broken = createErasure({
      store: stores.people,
      claims: { ...claims, unregister: () => Promise.reject(new Error('killed')) },
      outbox,
      reminders: stores.arrivals,
    });
    await expect(broken.erasePerson(goes)).rejects.toThrow('killed');
    expect(await engine.erasure.erasePerson(goes)).toMatchObject({ outcome: 'ERASED', people: 1 });
    expect(await foundWhere(goes)).toEqual([]);
    const left = await engine.people.listBeneficiaries(account);
    expect(left.map(({ beneficiaryId }) => beneficiaryId)).toEqual([stays]);
    expect(await engine.erasure.erasePerson(goes)).toMatchObject({ outcome: 'UNKNOWN' });
  });
});

describe('the command', () => {
  const run = (options: Partial<Parameters<typeof eraseCommand>[1]>) =>
    eraseCommand(
      { ...engine, audit: createAudit(test.redis, createLog('silent')) },
      { dryRun: false, ...options },
    );

  it('erases by mobile and by ID, and writes who did it of which hash', async () => {
    await signIn();
    const idNumber = 'P 99-88';
    const person = await register(engine, account, { idNumber });
    const before = await contentsOf(test.redis);
    const id = ['passport', 'p9988'];
    expect(await run({ id, dryRun: true })).toMatchObject({ outcome: 'WOULD_ERASE', people: 1 });
    expect(await run({ mobile: MOBILE, dryRun: true })).toMatchObject({ people: 1, sms: 1 });
    expect(await contentsOf(test.redis)).toEqual(before);
    expect(await run({ id })).toMatchObject({ outcome: 'ERASED', subject: person });
    expect(await run({ mobile: MOBILE })).toMatchObject({ outcome: 'ERASED', subject: account });
    const lines = await createAuditReader(test.redis).page(10);
    expect(lines.map(({ what, subject, outcome }) => [what, subject, outcome])).toEqual([
      ['eraseAccount', account, 'ERASED'],
      ['eraseAccount', account, 'STARTED'],
      ['erasePerson', person, 'ERASED'],
      ['erasePerson', person, 'STARTED'],
    ]);
    expect(await foundWhere(MOBILE.slice(1), '9988', 'Asha')).toEqual([]);
  });

  it('refuses what names nobody', async () => {
    expect(await run({})).toMatchObject({ problem: 'Say one of --mobile and --id.' });
    expect(await run({ mobile: '98' })).toHaveProperty('problem');
    expect(await run({ id: ['library-card', '1'] })).toHaveProperty('problem');
    expect(await run({ id: ['pan', '1'] })).toHaveProperty('problem');
  });
});
