/** Signing in as people do: a captcha asked for, an OTP asked for, the OTP brought back. */
import type { Request } from 'autocannon';
import { createDeviceTokens } from '../../src/gates/devices.ts';
import { present } from '../../src/lib/assert.ts';
import { unseal } from '../../src/notify/outbox.ts';
import { keys } from '../../src/redis/keys.ts';
import { type BenchEngine, EASY_CAPTCHA, SECRET, unlimited } from './engine.ts';
import { fire } from './fire.ts';
import { createSolver } from './passes.ts';
import type { ServerProcess } from './processes.ts';
import { inBatches } from './pune.ts';
import type { Meter } from './spending.ts';

const CONNECTIONS = 50;

/**
 * Of a server where nobody is over a limit: each is counted. Checking the work is measured, not
 * doing it.
 */
export const SIGN_IN_SETTINGS = {
  ...EASY_CAPTCHA,
  ...unlimited(
    'LIMIT_CAPTCHA_PER_NETWORK',
    'LIMIT_OTP_PER_NETWORK',
    'LIMIT_TOKEN_PER_NETWORK',
    'SMS_BUDGET_NEW_PER_MINUTE',
    'SMS_BUDGET_NEW_PER_HOUR',
    'SMS_BUDGET_UNUSED_PER_NETWORK',
  ),
};

export type Visitor = {
  readonly deviceToken: string;
  readonly solution: string;
  readonly mobile: string;
};

/** Somebody with a device and a captcha that is solved, each number once. */
export function createVisitors({ secrets }: BenchEngine['engine']) {
  const devices = createDeviceTokens([SECRET]);
  const solve = createSolver(secrets);
  return async (number: number): Promise<Visitor> => {
    const { device, deviceToken } = await devices.mint();
    const solution = await solve('otp', { address: '', account: '', device });
    return { deviceToken, solution, mobile: `+9197${String(number).padStart(8, '0')}` };
  };
}

type Volley = { readonly first: number; readonly count: number };

/**
 * People who were never here, each on a device of their own. What is metered are their requests, not
 * what makes them.
 */
export async function signInAll(
  { engine, redis }: Pick<BenchEngine, 'engine' | 'redis'>,
  server: ServerProcess,
  { first, count }: Volley,
  meter: Meter,
): Promise<void> {
  const visitorOf = createVisitors(engine);
  const people = await inBatches(count, (index) => visitorOf(first + index));
  const send = (requests: readonly Request[]): Promise<void> =>
    meter.run(() => fire(server.url, CONNECTIONS, requests));
  const json = { 'content-type': 'application/json' };

  await send(
    people.map(({ deviceToken }) => ({
      path: '/v1/captcha?purpose=otp',
      headers: { 'device-token': deviceToken },
    })),
  );
  const txnIds = new Map<string, string>();
  await send(
    people.map(({ deviceToken, solution, mobile }) => ({
      method: 'POST',
      path: '/v1/auth/otp',
      headers: { ...json, 'device-token': deviceToken, 'captcha-solution': solution },
      body: JSON.stringify({ mobile }),
      onResponse: (_status, body) => {
        txnIds.set(mobile, (JSON.parse(body) as { txnId: string }).txnId);
      },
    })),
  );
  const otps = await takeOtps({ engine, redis });
  await send(
    people.map(({ deviceToken, mobile }) => ({
      method: 'POST',
      path: '/v1/auth/token',
      headers: { ...json, 'device-token': deviceToken },
      body: JSON.stringify({ txnId: txnIds.get(mobile), otp: otps.get(mobile) }),
    })),
  );
}

/** OTPs by mobile, out of the outbox, which is empty then: there is no worker here. */
export async function takeOtps({
  engine,
  redis,
}: Pick<BenchEngine, 'engine' | 'redis'>): Promise<Map<string, string>> {
  const packed = Object.values(await redis.hgetall(keys.sms('urgent')));
  const sms = packed.map((one) => unseal(engine.secrets, present(one.split('|').at(-1), 'an SMS')));
  await redis.del(keys.sms('urgent'), keys.smsDue('urgent'), keys.smsQueued('urgent'));
  return new Map(
    sms.flatMap(({ mobile, message }) =>
      message.template === 'otp' ? [[mobile, message.otp] as const] : [],
    ),
  );
}
