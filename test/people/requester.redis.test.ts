/** Network and device that somebody asks for an OTP from are kept as keyed hashes only. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { accountOf, otpHashOf } from '../../src/people/sign-in.ts';
import { codeOf, engineOn, granted, lastSms } from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis();
const MOBILE = '+919812345678';
const ASKS = { network: '203.0.113', device: 'a-device-that-asks' };
const TRIES = { network: '198.51.100', device: '' };

/** Everything that Redis has written to its append-only files. */
function everWritten(): Buffer {
  const directory = join(test.server.dataDir, 'appendonlydir');
  return Buffer.concat(readdirSync(directory).map((name) => readFileSync(join(directory, name))));
}

it('no network or device of who asks or tries is ever written in clear', async () => {
  const engine = engineOn(test.redis);
  const { txnId } = granted(await engine.people.sendOtp(MOBILE, ASKS));
  const { message } = await lastSms(engine, test.redis);
  const otp = message.template === 'otp' ? message.otp : '';
  const wrong = otp === '000000' ? '000001' : '000000';
  expect(codeOf(await engine.people.checkOtp(txnId, otpHashOf(wrong), TRIES))).toBe('OTP_WRONG');
  granted(await engine.people.checkOtp(txnId, otpHashOf(otp), TRIES));

  const written = everWritten();
  const account = accountOf(engine.secrets, MOBILE);
  expect(written.includes(account), 'this is what was written').toBe(true);
  for (const clear of [ASKS.network, ASKS.device, TRIES.network])
    expect(written.includes(clear), clear).toBe(false);
});
