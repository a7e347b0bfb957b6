import { beforeEach, describe, expect, it } from 'vitest';
import { createEngine, type Engine } from '../../src/engine.ts';
import { type Language, LANGUAGES } from '../../src/notify/messages.ts';
import { OUTBOX_LIMITS } from '../../src/notify/store.ts';
import { OTP_TERMS } from '../../src/people/rules.ts';
import { accountOf, otpHashOf } from '../../src/people/sign-in.ts';
import { type Origin } from '../../src/gates/origin.ts';
import { createRevocations } from '../../src/gates/revocations.ts';
import { connectRedis, disconnectRedis, type Redis } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { SECRET } from '../support/app.ts';
import {
  codeOf,
  engineOn,
  granted,
  lastSms,
  letPass,
  register,
  smsWaiting,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);
const MOBILE = '+919812345678';
const ANOTHER = '+919812345679';
/** Without a device, the network alone says who asks. */
const HOME: Origin = { network: '203.0.113', device: '' };
const STRANGER: Origin = { network: '198.51.100', device: '' };
/** The network of one of many strangers. */
const network = (index: number): Origin => ({ network: `198.18.${index}`, device: '' });
/** One of many devices in the owner's own network. */
const deviceAtHome = (index: number): Origin => ({ ...HOME, device: `device-${index}` });

let engine: Engine;
beforeEach(() => {
  engine = engineOn(test.redis);
});

type Otp = { txnId: string; otp: string; wrong: string };

/** Asks for an OTP and reads the SMS that waits to be sent. */
async function askOtp(mobile = MOBILE, from = HOME): Promise<Otp> {
  const { txnId } = granted(await engine.people.sendOtp(mobile, from));
  const sms = await lastSms(engine, test.redis);
  if (sms.mobile !== mobile || sms.message.template !== 'otp') throw new Error('another SMS');
  const { otp } = sms.message;
  return { txnId, otp, wrong: otp === '000000' ? '000001' : '000000' };
}

const sendFrom = (from: Origin) => engine.people.sendOtp(MOBILE, from);
const check = (txnId: string, otp: string, from = HOME) =>
  engine.people.checkOtp(txnId, otpHashOf(otp), from);
const tries = (count: number, txnId: string, otp: string, from = HOME) =>
  Promise.all(Array.from({ length: count }, () => check(txnId, otp, from)));
const signIn = async (mobile = MOBILE, from = HOME): Promise<void> => {
  const { txnId, otp } = await askOtp(mobile, from);
  granted(await check(txnId, otp, from));
};

describe('an OTP', () => {
  it('proves the mobile that it was sent to', async () => {
    const { txnId, otp } = await askOtp();
    expect(otp).toMatch(/^\d{6}$/);
    const account = accountOf(engine.secrets, MOBILE);
    expect(await check(txnId, otp)).toEqual({ account, epoch: 0 });
  });

  it('works from another network than it was asked for from', async () => {
    const { txnId, otp } = await askOtp();
    expect(await check(txnId, otp, STRANGER)).toHaveProperty('account');
  });

  it('works once, however many try at the same time', async () => {
    const { txnId, otp } = await askOtp();
    const answers = await tries(100, txnId, otp);
    expect(answers.filter((answer) => 'account' in answer)).toHaveLength(1);
    expect(answers.filter((answer) => codeOf(answer) === 'OTP_UNKNOWN')).toHaveLength(99);
  });

  it('is good for three minutes', async () => {
    const { txnId, otp } = await askOtp();
    await letPass(test.redis, 181);
    expect(codeOf(await check(txnId, otp))).toBe('OTP_UNKNOWN');
  });

  it('is of no use in the transaction of another', async () => {
    const mine = await askOtp();
    const other = await askOtp(ANOTHER);
    if (mine.otp === other.otp) return; // one time in a million
    expect(codeOf(await check(other.txnId, mine.otp))).toBe('OTP_WRONG');
    expect(await check(mine.txnId, mine.otp)).toHaveProperty('account');
  });

  it('stays good when another is asked for, each in its own transaction', async () => {
    const first = await askOtp();
    await letPass(test.redis, 61);
    const second = await askOtp();
    expect(await check(second.txnId, second.otp)).toHaveProperty('account');
    expect(await check(first.txnId, first.otp)).toHaveProperty('account');
  });

  it('is not sent again within a minute', async () => {
    await askOtp();
    await letPass(test.redis, 50);
    const refusal = await engine.people.sendOtp(MOBILE, HOME);
    expect(refusal).toMatchObject({ refused: 'OTP_TOO_SOON' });
    expect(refusal).toHaveProperty('retryAfterS', 10);
    await letPass(test.redis, 11);
    expect(await engine.people.sendOtp(MOBILE, HOME)).toHaveProperty('txnId');
    expect(await smsWaiting(test.redis, 'urgent')).toBe(2);
  });

  it('is sent once when a hundred ask at the same time', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => engine.people.sendOtp(MOBILE, HOME)),
    );
    expect(answers.filter((answer) => 'txnId' in answer)).toHaveLength(1);
    expect(await smsWaiting(test.redis, 'urgent')).toBe(1);
  });

  it('leaves nothing of a mobile that never signed in', async () => {
    await askOtp();
    const account = accountOf(engine.secrets, MOBILE);
    expect(await test.redis.exists(keys.account(account))).toBe(0);
    for (const key of await test.redis.keys(`*{m:${account}}*`))
      expect(await test.redis.pttl(key), key).toBeGreaterThan(0);
  });
});

describe('wrong OTPs', () => {
  it('leave five tries, and then not even the right one works', async () => {
    const { txnId, otp, wrong } = await askOtp();
    for (const triesLeft of [4, 3, 2, 1, 0])
      expect(await check(txnId, wrong)).toMatchObject({
        refused: 'OTP_WRONG',
        extra: { triesLeft },
      });
    expect(await check(txnId, otp)).toMatchObject({
      refused: 'OTP_TRIES_SPENT',
      retryAfterS: 600,
    });
    expect(codeOf(await check(txnId, otp, STRANGER))).toBe('OTP_UNKNOWN');
  });

  it('count as five when a hundred are tried at the same time', async () => {
    const { txnId, wrong } = await askOtp();
    const codes = (await tries(100, txnId, wrong)).map(codeOf);
    expect(codes.filter((code) => code === 'OTP_WRONG')).toHaveLength(5);
    expect(codes.filter((code) => code === 'OTP_TRIES_SPENT')).toHaveLength(95);
  });

  it('count as five of one transaction when a hundred networks try at the same time', async () => {
    const { txnId, wrong } = await askOtp();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => check(txnId, wrong, network(index))),
    );
    expect(answers.filter((answer) => codeOf(answer) === 'OTP_WRONG')).toHaveLength(5);
    expect(answers.filter((answer) => codeOf(answer) === 'OTP_UNKNOWN')).toHaveLength(95);
  });

  it('are remembered when another OTP is asked for', async () => {
    const first = await askOtp();
    await tries(3, first.txnId, first.wrong);
    await letPass(test.redis, 61);
    const second = await askOtp();
    expect(await check(second.txnId, second.wrong)).toMatchObject({ extra: { triesLeft: 1 } });
    await tries(1, second.txnId, second.wrong);
    await letPass(test.redis, 61);
    expect(codeOf(await engine.people.sendOtp(MOBILE, HOME))).toBe('OTP_TRIES_SPENT');
  });

  it('are forgotten ten minutes after the first, and by the right one', async () => {
    const first = await askOtp();
    await tries(5, first.txnId, first.wrong);
    await letPass(test.redis, 601);
    const second = await askOtp();
    await tries(4, second.txnId, second.wrong);
    expect(await check(second.txnId, second.otp)).toHaveProperty('account');
    await letPass(test.redis, 61);
    const third = await askOtp();
    expect(await check(third.txnId, third.wrong)).toMatchObject({ extra: { triesLeft: 4 } });
  });

  it('of one mobile cost another nothing', async () => {
    const mine = await askOtp();
    await tries(5, mine.txnId, mine.wrong);
    const other = await askOtp(ANOTHER);
    expect(await check(other.txnId, other.otp)).toHaveProperty('account');
  });

  it('of a mobile are guesses, 60 an hour for strangers however many they are', async () => {
    let guesses = 0;
    for (let index = 0; index < 40; index++) {
      const sent = await engine.people.sendOtp(MOBILE, network(index));
      if (!('txnId' in sent)) continue;
      const answers = await tries(10, sent.txnId, '000000', network(index));
      guesses += answers.filter((answer) => codeOf(answer) === 'OTP_WRONG').length;
    }
    expect(guesses).toBeGreaterThan(54); // one in 17,000 times a guess is right
    expect(guesses).toBeLessThanOrEqual(OTP_TERMS.mostUnusedOfStrangers * OTP_TERMS.tries);
  });
});

describe('the language of an account', () => {
  /** Of the SMS by which an OTP for this mobile comes. */
  const languageOfSms = async (wished?: Language) => {
    await letPass(test.redis, 61);
    const { txnId } = granted(await engine.people.sendOtp(MOBILE, HOME, wished));
    const { language, message } = await lastSms(engine, test.redis);
    return { language, txnId, otp: message.template === 'otp' ? message.otp : '' };
  };
  const signIn = async (wished?: Language) => {
    const { txnId, otp } = await languageOfSms(wished);
    granted(await check(txnId, otp));
  };

  it('is English until it is chosen', async () => {
    expect(await languageOfSms()).toMatchObject({ language: 'en' });
  });

  it.each(LANGUAGES)(
    'is %s once it was signed in to in it, also where nothing is said',
    async (one) => {
      expect(await languageOfSms(one)).toMatchObject({ language: one });
      await signIn(one);
      expect(await languageOfSms()).toMatchObject({ language: one });
      await signIn();
      expect(await languageOfSms()).toMatchObject({ language: one });
      const person = await register(engine, accountOf(engine.secrets, MOBILE));
      expect(await engine.stores.people.contactsOf([person])).toMatchObject([{ language: one }]);
    },
  );

  it('is not changed by somebody who only knows the mobile', async () => {
    await signIn('mr');
    const { txnId, otp } = await languageOfSms('bn');
    const wrong = otp === '000000' ? '000001' : '000000';
    expect(codeOf(await check(txnId, wrong))).toBe('OTP_WRONG');
    expect(await languageOfSms()).toMatchObject({ language: 'mr' });
  });
});
describe('a stranger who asks for OTPs of a mobile', () => {
  it('does not hold up its owner by guessing wrong', async () => {
    const theirs = await askOtp(MOBILE, STRANGER);
    const mine = await askOtp();
    await tries(20, theirs.txnId, theirs.wrong, STRANGER);
    expect(await check(mine.txnId, mine.otp)).toHaveProperty('account');
  });

  it('does not hold up its owner by asking: neither the gap nor the number is shared', async () => {
    for (let index = 0; index < 5; index++) {
      await engine.people.sendOtp(MOBILE, STRANGER);
      await letPass(test.redis, 61);
    }
    expect(codeOf(await engine.people.sendOtp(MOBILE, STRANGER))).toBe('OTP_TOO_MANY');
    await signIn();
  });

  it('may have four that nobody uses in an hour, and an hour later four more', async () => {
    for (let sent = 0; sent < OTP_TERMS.mostUnused; sent++) {
      await askOtp(MOBILE, STRANGER);
      await letPass(test.redis, 61);
    }
    const refusal = await engine.people.sendOtp(MOBILE, STRANGER);
    expect(refusal).toMatchObject({ refused: 'OTP_TOO_MANY', retryAfterS: 3_600 - 4 * 61 });
    await letPass(test.redis, 3_600);
    await askOtp(MOBILE, STRANGER);
  });

  it('with many networks shuts out other strangers only, not who has signed in before', async () => {
    await signIn();
    await letPass(test.redis, 61);
    for (let index = 0; index < OTP_TERMS.mostUnusedOfStrangers; index++)
      await askOtp(MOBILE, network(index));
    expect(codeOf(await engine.people.sendOtp(MOBILE, network(99)))).toBe('OTP_TOO_MANY');
    await signIn();
  });

  it('as one of a hundred at the same time gets twelve sent', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => engine.people.sendOtp(MOBILE, network(index))),
    );
    expect(answers.filter((answer) => 'txnId' in answer)).toHaveLength(12);
    expect(await smsWaiting(test.redis, 'urgent')).toBe(12);
  });
});

describe('an owner', () => {
  it('may sign in as often as they like: what is used does not count', async () => {
    for (let times = 0; times < 20; times++) {
      await signIn();
      await letPass(test.redis, 61);
    }
  });

  it('on one device is no other, though both share a network', async () => {
    await signIn(MOBILE, deviceAtHome(0));
    await letPass(test.redis, 3_601);
    // Neighbours behind the same NAT spend all that strangers have.
    for (let index = 1; index <= 12; index++) granted(await sendFrom(deviceAtHome(index)));
    expect(codeOf(await sendFrom(deviceAtHome(13)))).toBe('OTP_TOO_MANY');
    await signIn(MOBILE, deviceAtHome(0));
  });

  it('on one device is the same in another network', async () => {
    await signIn(MOBILE, deviceAtHome(0));
    await letPass(test.redis, 3_601);
    for (let index = 0; index < 12; index++) granted(await sendFrom(network(index)));
    await signIn(MOBILE, { ...STRANGER, device: 'device-0' });
  });

  it('is known in the last eight networks that signed in', async () => {
    for (let index = 0; index < 10; index++) await signIn(MOBILE, network(index));
    const known = await test.redis.zcard(keys.familiar(accountOf(engine.secrets, MOBILE)));
    expect(known).toBe(OTP_TERMS.mostFamiliar);
  });
});

const BUDGET = {
  new: { perMinute: 3, perHour: 5 },
  known: { perMinute: 2, perHour: 4 },
  cowin: { perMinute: 2, perHour: 4 },
  unusedPerNetwork: 4,
  unusedPerDevice: 1_000,
};
const mobile = (index: number): string => `+9198123${String(index).padStart(5, '0')}`;

describe('the SMS budget, against toll fraud', () => {
  const spent: string[] = [];
  const withBudget = (redis: Redis, smsBudget = BUDGET): void => {
    spent.length = 0;
    const onSmsBudget = (...what: string[]): void => void spent.push(what.join(' '));
    engine = createEngine(redis, { secret: SECRET, smsBudget }, { onSmsBudget });
  };
  const sendTo = (index: number, from = network(index)) =>
    engine.people.sendOtp(mobile(index), from);

  it('sends no SMS over it when a hundred numbers are asked for at the same time', async () => {
    withBudget(test.redis);
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => sendTo(index)));
    expect(answers.filter((answer) => 'txnId' in answer)).toHaveLength(3);
    expect(await smsWaiting(test.redis, 'urgent')).toBe(3);
    const refused = answers.filter((answer) => codeOf(answer) === 'SMS_BUDGET_SPENT');
    expect(refused).toHaveLength(97);
    for (const one of refused) expect(one).toHaveProperty('retryAfterS', 60);
    expect(spent.filter((what) => what === 'new GRANTED')).toHaveLength(3);
    expect(spent.filter((what) => what === 'new SPENT')).toHaveLength(97);
  });

  it('has a minute and an hour, and says which is longer to wait', async () => {
    withBudget(test.redis);
    for (let index = 0; index < 3; index++) granted(await sendTo(index));
    await letPass(test.redis, 61);
    for (let index = 3; index < 5; index++) granted(await sendTo(index));
    expect(await sendTo(5)).toMatchObject({ retryAfterS: 3_600 - 61 });
    await letPass(test.redis, 3_600);
    granted(await sendTo(5));
  });

  it('of who comes back is not what strangers spend, and the other way round', async () => {
    await signIn();
    await letPass(test.redis, 3_601);
    withBudget(test.redis);
    for (let index = 0; index < 4; index++) await sendTo(index);
    expect(codeOf(await sendTo(9))).toBe('SMS_BUDGET_SPENT');
    await signIn();
    expect(spent.at(-1)).toBe('known GRANTED');
  });

  it('tells a stranger nothing of a mobile: known or not, it is refused', async () => {
    await signIn();
    withBudget(test.redis);
    for (let index = 0; index < 4; index++) await sendTo(index);
    const known = await engine.people.sendOtp(MOBILE, STRANGER);
    expect(known).toEqual(await engine.people.sendOtp(mobile(77), STRANGER));
    expect(codeOf(known)).toBe('SMS_BUDGET_SPENT');
  });

  it('is not spent by an SMS that is not sent', async () => {
    withBudget(test.redis);
    granted(await sendTo(1));
    for (let times = 0; times < 10; times++) expect(codeOf(await sendTo(1))).toBe('OTP_TOO_SOON');
    granted(await sendTo(2));
    granted(await sendTo(3));
    expect(codeOf(await sendTo(4))).toBe('SMS_BUDGET_SPENT');
  });

  it('is not spent by an SMS that the full outbox has no room for', async () => {
    withBudget(test.redis);
    const due = keys.smsDue('urgent');
    const fill = `for i = 1, ARGV[1] do redis.call('ZADD', KEYS[1], 1e15, i) end`;
    await test.redis.eval(fill, 1, due, OUTBOX_LIMITS.capacity.urgent);
    for (let index = 0; index < 10; index++)
      expect(codeOf(await sendTo(index))).toBe('SMS_OUTBOX_FULL');
    await test.redis.del(due);
    for (let index = 10; index < 13; index++) granted(await sendTo(index));
    expect(codeOf(await sendTo(13))).toBe('SMS_BUDGET_SPENT');
  });

  it('and a mobile are as before where the full outbox has no room for its SMS', async () => {
    withBudget(test.redis, { ...BUDGET, new: { perMinute: 100, perHour: 100 } });
    const due = keys.smsDue('urgent');
    const fill = `for i = 1, ARGV[1] do redis.call('ZADD', KEYS[1], 1e15, i) end`;
    await test.redis.eval(fill, 1, due, OUTBOX_LIMITS.capacity.urgent);
    for (let times = 0; times < 6; times++)
      expect(codeOf(await sendTo(1, STRANGER))).toBe('SMS_OUTBOX_FULL');
    await test.redis.del(due);
    granted(await sendTo(1, STRANGER));
  });

  it('of a device ends what nobody uses, in whichever network it asks', async () => {
    const many = { perMinute: 1_000, perHour: 1_000 };
    const unused = { unusedPerNetwork: 1_000, unusedPerDevice: 3 };
    withBudget(test.redis, { new: many, known: many, cowin: many, ...unused });
    const from = (index: number, device = 'pumper') => ({ ...network(index), device });
    for (let index = 0; index < 10; index++) await signIn(mobile(index), from(index));
    for (let index = 10; index < 13; index++) granted(await sendTo(index, from(index)));
    expect(codeOf(await sendTo(13, from(13)))).toBe('SMS_BUDGET_SPENT');
    granted(await sendTo(13, from(13, 'another')));
  });

  it('of a network ends what nobody uses, and lets a town behind one address sign in', async () => {
    const many = { perMinute: 1_000, perHour: 1_000 };
    withBudget(test.redis, { ...BUDGET, new: many, known: many });
    for (let index = 0; index < 20; index++) await signIn(mobile(index), HOME);
    for (let index = 20; index < 24; index++) granted(await sendTo(index, HOME));
    expect(codeOf(await sendTo(24, HOME))).toBe('SMS_BUDGET_SPENT');
    granted(await sendTo(24, STRANGER));
    await letPass(test.redis, 61);
    await signIn(mobile(0), HOME); // who comes back is not counted
  });
});

/** Every command that Redis was sent or that a script called, by name, without the connection's. */
async function commandsDuring(work: () => Promise<unknown>): Promise<Record<string, number>> {
  const calls = async () =>
    Object.fromEntries(
      Array.from(
        (await test.redis.info('commandstats')).matchAll(/cmdstat_(\S+?):calls=(\d+)/g),
        ([, name = '', count]) => [name, Number(count)],
      ),
    );
  const before = await calls();
  await work();
  const after = await calls();
  return Object.fromEntries(
    Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]),
  );
}

describe('a mobile that is known and one that is not', () => {
  it('are answered alike, by the same commands, whatever comes after', async () => {
    await signIn(MOBILE, HOME);
    await letPass(test.redis, 700);
    await engine.people.sendOtp('+919812345000', STRANGER); // the network's counters are there
    const asked = async (of: string) => {
      const answers: unknown[] = [];
      const commands = await commandsDuring(async () => {
        const sent = granted(await engine.people.sendOtp(of, STRANGER));
        answers.push(Object.keys(sent));
        answers.push(await engine.people.sendOtp(of, STRANGER));
        answers.push(await check(sent.txnId, 'xxxxxx', STRANGER));
      });
      return { answers, commands };
    };
    const known = await asked(MOBILE);
    const unknown = await asked(ANOTHER);
    expect(unknown).toEqual(known);
    expect(known.answers[2]).toMatchObject({ refused: 'OTP_WRONG' });
  });
});

it('nothing is granted while Redis is away', async () => {
  const away = connectRedis({ url: '/nowhere/redis.sock', cluster: false });
  away.on('error', () => undefined);
  const stranded = createEngine(away, { secret: SECRET });
  await expect(stranded.people.sendOtp(MOBILE, HOME)).rejects.toThrow();
  const txnId = '0198c0de-0000-7000-8000-000000000001';
  await expect(stranded.people.checkOtp(txnId, otpHashOf('123456'), HOME)).rejects.toThrow();
  await expect(stranded.people.signOutEverywhere('account-1')).rejects.toThrow();
  await disconnectRedis(away);
});

it('signing out everywhere raises the epoch of what is granted next', async () => {
  const account = accountOf(engine.secrets, MOBILE);
  const revocations = createRevocations(test.redis);
  await signIn();
  await engine.people.signOutEverywhere(account);
  expect(await revocations.stands({ account, epoch: 0 })).toBe(false);
  await letPass(test.redis, 61);
  const { txnId, otp } = await askOtp();
  const grant = granted(await check(txnId, otp));
  expect(grant).toEqual({ account, epoch: 1 });
  expect(await revocations.stands(grant)).toBe(true);
});
