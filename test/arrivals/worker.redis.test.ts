/** The worker itself, as a process: it marks who did not come, and tells of next doses, once. */
import type { ChildProcess } from 'node:child_process';
import { afterEach, expect, it } from 'vitest';
import { sleep } from '../../src/lib/clock.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { granted, letPass } from '../support/engine.ts';
import { kill, spawnWorker } from '../support/processes.ts';
import { useRedis } from '../support/redis.ts';
import {
  AFTERWARDS,
  arrive,
  bookSomebody,
  type Booked,
  engineHere,
  giveDose,
  HERE,
  openToday,
  zoneAt,
} from './day.ts';

const test = useRedis(['--appendfsync', 'no']);
const PATIENCE = { timeout: 20_000, interval: 50 };

let worker: ChildProcess | undefined;
const start = async (timeZone: string): Promise<void> => {
  worker = await spawnWorker(test.server.address, { TIME_ZONE: timeZone, SMS_DRIVER: 'inbox' });
};
const stop = async (signal: NodeJS.Signals): Promise<void> => {
  if (worker) await kill(worker, signal);
};
afterEach(() => stop('SIGKILL'));

it('sees to both, and a worker after it to neither again', async () => {
  const engine = engineHere(test.redis);
  const release = await openToday(engine, test.redis);
  const came = await bookSomebody(engine, release);
  const missing = await bookSomebody(engine, release);
  const mobile = engine.secrets.encrypt('+919812345678');
  await test.redis.hset(keys.account(came.account), 'mobile', mobile);
  granted(await arrive(engine, came));
  granted(await giveDose(engine, came));
  const stateOf = async ({ account }: Booked) => (await engine.bookings.list(account))[0]?.state;
  const texts = async () => {
    const messages = await engine.inbox.read(came.account);
    return messages.map(({ text }) => text);
  };

  // The day is not over here.
  await start(HERE);
  await sleep(500);
  expect(await stateOf(missing)).toBe('booked');
  await stop('SIGTERM');

  await start(AFTERWARDS);
  await expect.poll(() => stateOf(missing), PATIENCE).toBe('no-show');
  await expect
    .poll(() => test.redis.hget(keys.person(missing.person), 'misses'), PATIENCE)
    .toContain(missing.booking);
  expect(await stateOf(came)).toBe('arrived');
  await stop('SIGKILL');

  const nowMs = await redisNowMs(test.redis);
  const due = { person: came.person, dose: 2, vaccine: 'COVISHIELD' };
  await engine.stores.arrivals.schedule(due, nowMs - 1_000);
  await start(zoneAt(nowMs, 13));
  await expect.poll(async () => (await texts()).at(0), PATIENCE).toContain('COVISHIELD: dose 2');
  await stop('SIGKILL');
  await letPass(test.redis, 5);
  await start(zoneAt(nowMs, 13));
  await sleep(500);
  expect((await texts()).filter((text) => text.includes('dose 2'))).toHaveLength(1);
  expect((await test.redis.hget(keys.person(missing.person), 'misses'))?.split('\n')).toHaveLength(
    1,
  );
}, 60_000);
