/** Hosts whose clocks are an hour off, either way, go by Redis's. */
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { sleep } from '../../src/lib/clock.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { type Answered, call } from '../support/app.ts';
import { engineOn, publishRelease, verify } from '../support/engine.ts';
import { kill, spawnServer, spawnWorker } from '../support/processes.ts';
import { useRedis } from '../support/redis.ts';

const HOUR_MS = 3_600_000;
const PRELOAD = ['--import', fileURLToPath(new URL('../support/shifted.mjs', import.meta.url))];
const shifted = (ms: number) => ({ CLOCK_SHIFT_MS: String(ms) });

const test = useRedis();
const children: ChildProcess[] = [];
let ahead = '';
let behind = '';

beforeAll(async () => {
  const { address } = test.server;
  const captcha = { CAPTCHA_DRIVER: 'none', DEVICE_TOKENS: 'required' };
  const [one, other, worker] = await Promise.all([
    spawnServer(address, { ...captcha, ...shifted(HOUR_MS) }, PRELOAD),
    spawnServer(address, { ...captcha, ...shifted(-HOUR_MS) }, PRELOAD),
    spawnWorker(address, shifted(-2 * HOUR_MS), PRELOAD),
  ]);
  children.push(one.child, other.child, worker);
  ahead = one.url;
  behind = other.url;
});
afterAll(async () => {
  await Promise.all(children.map((child) => kill(child, 'SIGTERM')));
});

type Devices = Readonly<Record<string, string>>;

async function signIn(url: string, mobile: string, headers: Devices): Promise<string> {
  const asked = await call(url, 'POST', '/v1/auth/otp', { body: { mobile }, headers });
  const inbox = `/v1/dev/inbox?mobile=${encodeURIComponent(mobile)}`;
  let otp: string | undefined;
  for (let looks = 0; looks < 200 && otp === undefined; looks++) {
    const { messages } = (await call(url, 'GET', inbox)).json;
    otp = /\d{6}/.exec(messages[0]?.text ?? '')?.[0];
    await sleep(20);
  }
  const body = { txnId: asked.json.txnId, otp };
  const { json } = await call(url, 'POST', '/v1/auth/token', { body, headers });
  return String(json.accessToken);
}

it('tokens of either are good on the other, and a release opens, closes and is drawn by Redis', async () => {
  const minted = await call(ahead, 'POST', '/v1/devices');
  const headers = { 'device-token': String(minted.json.deviceToken) };
  const expiresInMs = Date.parse(minted.json.expiresAt) - (await redisNowMs(test.redis));
  expect(Math.abs(expiresInMs - 365 * 24 * HOUR_MS)).toBeLessThan(60_000);

  // Signed in on each, used on the other.
  const token = await signIn(ahead, '+919812340001', headers);
  const second = await signIn(behind, '+919812340002', headers);
  const register = (url: string, by: string, idNumber: string): Promise<Answered> =>
    call(url, 'POST', '/v1/beneficiaries', {
      token: by,
      headers,
      body: { name: 'Asha', birthYear: 1960, gender: 'female', idType: 'passport', idNumber },
    });
  const first = await register(behind, token, 'P1000001');
  const other = await register(ahead, second, 'P1000002');
  expect([first.status, other.status]).toEqual([201, 201]);

  const engine = engineOn(test.redis);
  const wishes = { seats: [1], opensInS: 2, closesInS: 5, roundEveryS: 30 };
  const { release, slots } = await publishRelease(engine, test.redis, wishes);
  const enter = (url: string, by: string, person: string): Promise<Answered> =>
    call(url, 'PUT', `/v1/releases/${release}/entry`, {
      token: by,
      headers,
      body: { beneficiaries: [person], preferences: slots },
    });
  const enterBoth = () =>
    Promise.all([
      enter(behind, token, first.json.beneficiaryId),
      enter(ahead, second, other.json.beneficiaryId),
    ]);
  const early = await enterBoth();
  expect(early.map(({ json }) => json.code)).toEqual(['RELEASE_NOT_OPEN', 'RELEASE_NOT_OPEN']);
  await sleep(2_200);
  const entered = await enterBoth();
  expect(entered.map(({ status }) => status)).toEqual([200, 200]);
  const rounds = async (url: string) =>
    (await call(url, 'GET', `/v1/releases/${release}/rounds`)).json.rounds;
  let published: readonly unknown[] = [];
  for (let looks = 0; looks < 150 && published.length === 0; looks++) {
    await sleep(100);
    published = await rounds(ahead);
  }
  const late = await enterBoth();
  expect(late.map(({ status }) => status)).not.toContain(200);
  expect(published).toHaveLength(1);
  const [atAhead, atBehind] = await Promise.all(
    [ahead, behind].map((url) => call(url, 'GET', `/v1/releases/${release}/rounds/0/transcript`)),
  );
  expect(present(atAhead, 'one').text).toBe(present(atBehind, 'the other').text);
  expect(await verify(engine, release)).toMatchObject({ accepted: true });
});
