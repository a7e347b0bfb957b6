/** Real workers and a real HTTP gateway: what dies, how many they are, and what waits behind what. */
import type { ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isoFromMs, monotonicMs, nowMs, sleep } from '../../src/lib/clock.ts';
import type { Sms } from '../../src/notify/outbox.ts';
import { freePort } from '../../src/redis/embedded.ts';
import { keys } from '../../src/redis/keys.ts';
import { engineOn, granted, letSmsPass, smsWaiting } from '../support/engine.ts';
import { accept, after, startGateway, type TestGateway } from '../support/gateway.ts';
import { kill, spawnWorker } from '../support/processes.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);
const LEASE_S = 30;

let gateway: TestGateway;
let workers: ChildProcess[];
beforeEach(async () => {
  workers = [];
  gateway = await startGateway();
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => kill(worker, 'SIGKILL')));
  await gateway.close();
});

const startWorker = async (settings: Record<string, string> = {}): Promise<ChildProcess> => {
  const worker = await spawnWorker(test.server.address, {
    SMS_DRIVER: 'http',
    SMS_HTTP_URL: gateway.url,
    SMS_HTTP_BODY: '{"to":"{mobile}","text":"{text}","id":"{id}"}',
    ...settings,
  });
  workers.push(worker);
  return worker;
};

async function queueOffers(count: number): Promise<string[]> {
  const engine = engineOn(test.redis);
  const confirmBy = isoFromMs(nowMs() + 3_600_000);
  const offer = (n: number): Sms => ({
    id: `offer:release:0:${n}`,
    account: 'account',
    mobile: '+919812345678',
    language: 'hi',
    message: {
      template: 'offer',
      title: 'Pune, 11 April',
      centre: 'Kamla Nehru Hospital',
      date: '2099-01-01',
      from: '09:00',
      confirmBy,
    },
  });
  const all = Array.from({ length: count }, (_one, n) => offer(n));
  for (let i = 0; i < count; i += 2_000) await engine.outbox.send(all.slice(i, i + 2_000));
  return all.map(({ id }) => engine.secrets.pseudonym('sms', id));
}

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await sleep(10);
};
const offersWaiting = () => smsWaiting(test.redis, 'routine');

it('workers that are killed lose no SMS, and repeat at most what they had in hand', async () => {
  const concurrency = 8;
  const kills = 3;
  gateway.state.behave = after(20);
  const references = await queueOffers(1_500);
  const settings = { SMS_CONCURRENCY: String(concurrency) };
  await startWorker(settings);
  for (let killed = 0; killed < kills; killed++) {
    const victim = await startWorker(settings);
    const seen = gateway.state.received.length;
    await until(() => gateway.state.received.length > seen + 50 + randomInt(100));
    await kill(victim, 'SIGKILL');
  }
  const dueNow = () => test.redis.zcount(keys.smsDue('routine'), '-inf', nowMs());
  await until(async () => (await dueNow()) === 0 && gateway.state.inHand === 0);
  await sleep(500); // what came last is written down
  const left = await offersWaiting();
  expect(left, 'in the hands of the dead').toBeLessThanOrEqual(kills * concurrency);
  await letSmsPass(test.redis, 'routine', LEASE_S); // as if their leases were over
  await until(async () => (await offersWaiting()) === 0);

  const times = gateway.times();
  expect(references.filter((reference) => !times.has(reference))).toEqual([]);
  expect(times.size).toBe(references.length);
  const repeated = gateway.state.received.length - references.length;
  process.stdout.write(`${kills} kills: ${repeated} of ${references.length} SMS sent twice\n`);
  expect(repeated).toBeLessThanOrEqual(kills * concurrency);
  expect(gateway.state.mostInHand).toBeLessThanOrEqual((kills + 1) * concurrency);
}, 120_000);

it('an OTP is handed over within a second, behind 100,000 offers and a slow gateway', async () => {
  gateway.state.behave = after(50);
  const engine = engineOn(test.redis);
  await queueOffers(100_000);
  await startWorker();
  await until(() => gateway.state.received.length > 1_000);
  const handedOverMs: number[] = [];
  for (let n = 0; n < 10; n++) {
    const mobile = `+91700000000${n}`;
    const askedMs = monotonicMs();
    granted(await engine.people.sendOtp(mobile, { network: '203.0.113', device: '' }));
    const here = () => gateway.state.received.find(({ body }) => body.includes(mobile));
    await until(() => here() !== undefined);
    handedOverMs.push((here()?.atMs ?? Infinity) - askedMs);
    await sleep(100);
  }
  const slowest = Math.round(Math.max(...handedOverMs));
  const waiting = await offersWaiting();
  process.stdout.write(`an OTP took at most ${slowest} ms, with ${waiting} offers waiting\n`);
  expect(waiting).toBeGreaterThan(80_000);
  expect(slowest).toBeLessThan(1_000);
}, 240_000);

it('a gateway that is stopped for a while loses nothing and delays no request', async () => {
  const { port } = gateway;
  const engine = engineOn(test.redis);
  await gateway.close();
  await startWorker();
  const references = await queueOffers(300);
  const startMs = monotonicMs();
  for (let n = 0; n < 20; n++)
    granted(
      await engine.people.sendOtp(`+9198123456${10 + n}`, { network: `198.51.${n}`, device: '' }),
    );
  const tookMs = (monotonicMs() - startMs) / 20;
  expect(tookMs).toBeLessThan(100);
  await sleep(3_000);
  expect(await offersWaiting()).toBe(300);
  gateway = await startGateway(accept, port);
  await until(() => gateway.state.received.length > 0);
  await letSmsPass(test.redis, 'routine', 60); // backoffs are over
  await letSmsPass(test.redis, 'urgent', 60);
  await until(async () => (await offersWaiting()) + (await smsWaiting(test.redis, 'urgent')) === 0);
  const times = gateway.times();
  expect(references.filter((reference) => times.get(reference) !== 1)).toEqual([]);
  expect(times.size).toBe(320);
});

it('a worker tells of its outboxes and its gateway, and never to whom', async () => {
  gateway.state.behave = after(10_000);
  const engine = engineOn(test.redis);
  await queueOffers(5);
  const mobile = '+919812345678';
  granted(await engine.people.sendOtp(mobile, { network: '203.0.113', device: '' }));
  const port = await freePort();
  await startWorker({ METRICS_PORT: String(port), SMS_HTTP_TIMEOUT_MS: '200' });
  const read = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  let page = '';
  await until(async () => {
    page = await read();
    return page.includes('\nfairslot_notify_gateway_away_state{process="worker-1"} 1\n');
  });
  expect(page).toContain('fairslot_notify_waiting_sms{priority="routine",process="worker-1"} 5');
  expect(page).toContain('fairslot_notify_waiting_sms{priority="urgent",process="worker-1"} 1');
  expect(page).toMatch(
    /fairslot_notify_oldest_waiting_seconds\{priority="urgent",process="worker-1"\} [\d.]+/,
  );
  expect(page).toMatch(
    /fairslot_notify_sms_total\{outcome="failed",template="offer",process="worker-1"\} \d+/,
  );
  expect(page).toContain(
    'fairslot_notify_dead_letters_sms{priority="urgent",process="worker-1"} 0',
  );
  for (const text of [mobile, mobile.slice(3), 'Pune', 'offer:release'])
    expect(page).not.toContain(text);
});
