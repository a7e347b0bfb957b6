import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { accountOf } from '../../src/people/sign-in.ts';
import {
  bookingOf,
  engineOn,
  granted,
  letPass,
  nextRound,
  publishRelease,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis();

const MOBILE = '+919812345678';
const NETWORK = '203.0.113';
const NAME = 'Anandibai Joshi';
const ID_NUMBER = 'QX 81-7726 4';

/** Everything that was ever written to this Redis: its append-only file, which holds plain text. */
function everWritten(): Buffer {
  const directory = join(test.server.dataDir, 'appendonlydir');
  return Buffer.concat(readdirSync(directory).map((name) => readFileSync(join(directory, name))));
}

it('no mobile, name, ID number or network of who asks is ever written in clear', async () => {
  const engine = engineOn(test.redis);
  const account = accountOf(engine.secrets, MOBILE);
  const { release, slots } = await publishRelease(engine, test.redis, { seats: [1] });
  granted(await engine.people.sendOtp(MOBILE, NETWORK));
  const facts = { name: NAME, birthYear: 1960, gender: 'female', idType: 'passport' } as const;
  const added = await engine.people.addBeneficiary(account, { ...facts, idNumber: ID_NUMBER });
  const { beneficiaryId } = granted(added);
  const request = { beneficiaries: [beneficiaryId], preferences: slots };
  granted(await engine.rounds.enter(account, release, request));
  await letPass(test.redis, 600);
  await nextRound(engine, release);
  granted(await engine.bookings.confirm(account, await bookingOf(engine, account, release)));
  await engine.inbox.driver({ account, mobile: MOBILE, message: { template: 'otp', otp: '1' } });

  const written = everWritten();
  expect(written.includes(beneficiaryId), 'this is what was written').toBe(true);
  const spellings = [MOBILE, MOBILE.slice(1), MOBILE.slice(3), NAME, 'Joshi', NETWORK];
  for (const text of [...spellings, ID_NUMBER, 'QX8177264', 'female'])
    expect(written.includes(text), text).toBe(false);
});
