import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { type Language, LANGUAGES } from '../../src/notify/messages.ts';
import { accountOf } from '../../src/people/service.ts';
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

let engine: Engine;
beforeEach(() => {
  engine = engineOn(test.redis);
});

/** Asks for an OTP and reads the SMS that waits to be sent. */
async function askOtp(mobile = MOBILE): Promise<{ txnId: string; otp: string; wrong: string }> {
  const { txnId } = granted(await engine.people.sendOtp(mobile));
  const sms = await lastSms(engine, test.redis);
  if (sms.mobile !== mobile || sms.message.template !== 'otp') throw new Error('another SMS');
  const { otp } = sms.message;
  return { txnId, otp, wrong: otp === '000000' ? '000001' : '000000' };
}

const tries = (count: number, txnId: string, otp: string) =>
  Promise.all(Array.from({ length: count }, () => engine.people.checkOtp(txnId, otp)));

describe('an OTP', () => {
  it('proves the mobile that it was sent to', async () => {
    const { txnId, otp } = await askOtp();
    expect(otp).toMatch(/^\d{6}$/);
    const account = accountOf(engine.secrets, MOBILE);
    expect(await engine.people.checkOtp(txnId, otp)).toEqual({ account });
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
    expect(codeOf(await engine.people.checkOtp(txnId, otp))).toBe('OTP_UNKNOWN');
  });

  it('is of no use in the transaction of another', async () => {
    const mine = await askOtp();
    const other = await askOtp('+919812345679');
    if (mine.otp === other.otp) return; // one time in a million
    expect(codeOf(await engine.people.checkOtp(other.txnId, mine.otp))).toBe('OTP_WRONG');
    expect(await engine.people.checkOtp(mine.txnId, mine.otp)).toHaveProperty('account');
  });

  it('is replaced by the next one', async () => {
    const first = await askOtp();
    await letPass(test.redis, 61);
    const second = await askOtp();
    expect(codeOf(await engine.people.checkOtp(first.txnId, first.otp))).toBe('OTP_UNKNOWN');
    expect(await engine.people.checkOtp(second.txnId, second.otp)).toHaveProperty('account');
  });

  it('is not sent again within a minute', async () => {
    await askOtp();
    await letPass(test.redis, 50);
    const refusal = await engine.people.sendOtp(MOBILE);
    expect(refusal).toMatchObject({ refused: 'OTP_TOO_SOON' });
    expect(refusal).toHaveProperty('retryAfterS', 10);
    await letPass(test.redis, 11);
    expect(await engine.people.sendOtp(MOBILE)).toHaveProperty('txnId');
    expect(await smsWaiting(test.redis, 'urgent')).toBe(2);
  });

  it('is sent once when a hundred ask at the same time', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => engine.people.sendOtp(MOBILE)),
    );
    expect(answers.filter((answer) => 'txnId' in answer)).toHaveLength(1);
    expect(await smsWaiting(test.redis, 'urgent')).toBe(1);
  });
});

describe('wrong OTPs', () => {
  it('leave five tries, and then not even the right one works', async () => {
    const { txnId, otp, wrong } = await askOtp();
    for (const triesLeft of [4, 3, 2, 1, 0])
      expect(await engine.people.checkOtp(txnId, wrong)).toMatchObject({
        refused: 'OTP_WRONG',
        extra: { triesLeft },
      });
    expect(await engine.people.checkOtp(txnId, otp)).toMatchObject({
      refused: 'OTP_TRIES_SPENT',
      retryAfterS: 600,
    });
  });

  it('count as five when a hundred are tried at the same time', async () => {
    const { txnId, wrong } = await askOtp();
    const codes = (await tries(100, txnId, wrong)).map(codeOf);
    expect(codes.filter((code) => code === 'OTP_WRONG')).toHaveLength(5);
    expect(codes.filter((code) => code === 'OTP_TRIES_SPENT')).toHaveLength(95);
  });

  it('are remembered when another OTP is asked for', async () => {
    const first = await askOtp();
    await tries(3, first.txnId, first.wrong);
    await letPass(test.redis, 61);
    const second = await askOtp();
    expect(await engine.people.checkOtp(second.txnId, second.wrong)).toMatchObject({
      extra: { triesLeft: 1 },
    });
    await tries(1, second.txnId, second.wrong);
    await letPass(test.redis, 61);
    expect(codeOf(await engine.people.sendOtp(MOBILE))).toBe('OTP_TRIES_SPENT');
  });

  it('are forgotten after ten minutes, and by the right one', async () => {
    const first = await askOtp();
    await tries(5, first.txnId, first.wrong);
    await letPass(test.redis, 601);
    const second = await askOtp();
    await tries(4, second.txnId, second.wrong);
    expect(await engine.people.checkOtp(second.txnId, second.otp)).toHaveProperty('account');
    const third = await askOtp();
    expect(await engine.people.checkOtp(third.txnId, third.wrong)).toMatchObject({
      extra: { triesLeft: 4 },
    });
  });

  it('of one mobile cost another nothing', async () => {
    const mine = await askOtp();
    await tries(5, mine.txnId, mine.wrong);
    const other = await askOtp('+919812345679');
    expect(await engine.people.checkOtp(other.txnId, other.otp)).toHaveProperty('account');
  });
});

describe('the language of an account', () => {
  /** Of the SMS by which an OTP for this mobile comes. */
  const languageOfSms = async (wished?: Language) => {
    await letPass(test.redis, 61);
    const { txnId } = granted(await engine.people.sendOtp(MOBILE, wished));
    const { language, message } = await lastSms(engine, test.redis);
    return { language, txnId, otp: message.template === 'otp' ? message.otp : '' };
  };
  const signIn = async (wished?: Language) => {
    const { txnId, otp } = await languageOfSms(wished);
    granted(await engine.people.checkOtp(txnId, otp));
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
    expect(codeOf(await engine.people.checkOtp(txnId, wrong))).toBe('OTP_WRONG');
    expect(await languageOfSms()).toMatchObject({ language: 'mr' });
  });
});
