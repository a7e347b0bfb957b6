/** A Redis that stops answering under load, without closing a connection, and goes on. */
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';
import { keys } from '../../src/redis/keys.ts';
import { call } from '../support/app.ts';
import { kill, spawnServer } from '../support/processes.ts';
import { useRedis } from '../support/redis.ts';
import { type Attempt, attempt, entryOf, entryPath, foundTown, persist } from '../support/town.ts';

const test = useRedis();
let server: ChildProcess;
let url: string;

beforeEach(async () => {
  ({ child: server, url } = await spawnServer(test.server.address));
});
afterEach(async () => {
  process.kill(test.server.pid, 'SIGCONT');
  await kill(server, 'SIGTERM');
});

const STOPPED_MS = 10_000;
/** Requests a second, sent whether or not those before are answered. */
const RATE = 30;

const memoryMb = (): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024;

const commandsOf = async (): Promise<number> =>
  Number(/total_commands_processed:(\d+)/.exec(await test.redis.info('stats'))?.[1]);

const upTo = (attempts: readonly Attempt[]): number =>
  Math.ceil(Math.max(0, ...attempts.map(({ tookMs }) => tookMs)));

it('a Redis that stops for ten seconds is left alone, and taken up again within three', async () => {
  const town = await foundTown(test.redis, 400, { seats: [100] });
  const path = entryPath(town.release);
  const body = (number: number) =>
    entryOf(present(town.townsmen[number % 400], 'a townsman'), [String(town.slots[0])]);
  const seen: { atMs: number; attempt: Attempt }[] = [];
  const under: Promise<unknown>[] = [];
  const over = new AbortController();
  const startedMs = monotonicMs();
  const load = (async () => {
    for (let number = 0; !over.signal.aborted; number++) {
      const who = present(town.townsmen[number % 400], 'a townsman');
      const atMs = monotonicMs() - startedMs;
      under.push(
        attempt(url, who, 'PUT', path, body(number)).then((one) =>
          seen.push({ atMs, attempt: one }),
        ),
      );
      await sleep(Math.max(0, (number * 1_000) / RATE - (monotonicMs() - startedMs)));
    }
  })();
  const between = (fromMs: number, untilMs: number): Attempt[] =>
    seen.flatMap(({ atMs, attempt: one }) => (atMs >= fromMs && atMs < untilMs ? [one] : []));

  await sleep(2_000);
  const countedBefore = await commandsOf();
  await sleep(2_000);
  const perSecondBefore = ((await commandsOf()) - countedBefore) / 2;
  const memoryBefore = memoryMb();
  const stoppedMs = monotonicMs() - startedMs;
  process.kill(test.server.pid, 'SIGSTOP');
  await sleep(STOPPED_MS / 2);
  expect((await call(url, 'GET', '/livez')).status).toBe(200);
  expect((await call(url, 'GET', `/v1/releases/${town.release}/manifest`)).status).toBe(200);
  const ready = await call(url, 'GET', '/readyz');
  expect(ready.status).toBe(503);
  expect(Number(ready.headers['retry-after'])).toBeGreaterThan(0);
  await sleep(STOPPED_MS / 2);
  const memoryAfter = memoryMb();
  const resumedMs = monotonicMs() - startedMs;
  process.kill(test.server.pid, 'SIGCONT');
  const countedAfter = await commandsOf();
  await sleep(5_000);
  const perSecondAfter = ((await commandsOf()) - countedAfter) / 5;
  over.abort();
  await load;
  await Promise.all(under);

  // What a busy machine adds to everything.
  const before = between(2_000, stoppedMs - 100);
  const slowMs = upTo(before);
  const inFlight = between(stoppedMs - 5, stoppedMs + 1_000);
  // Whoever came in the last second may have been in the socket when it went on.
  const later = between(stoppedMs + 1_500, resumedMs - 1_000);
  const again = between(resumedMs + 3_000 + slowMs, Infinity);
  const firstGood = seen
    .filter(({ atMs, attempt: one }) => atMs > stoppedMs + 1_500 && one.status === 200)
    .map(({ atMs }) => atMs - resumedMs);
  const told = [
    `before: ${perSecondBefore}/s at Redis, median ${median(before)} ms, up to ${slowMs} ms`,
    `in flight: ${inFlight.length}, up to ${upTo(inFlight)} ms`,
    `refused: ${later.length}, up to ${upTo(later)} ms, median ${median(later)} ms`,
    `taken up after ${Math.round(Math.min(...firstGood))} ms, ${perSecondAfter}/s at Redis in 5 s`,
    `memory ${Math.round(memoryBefore)} -> ${Math.round(memoryAfter)} MB`,
  ].join('; ');
  process.stdout.write(`${told}\n`);
  expect(
    seen.map(({ attempt: one }) => one.status).filter((status) => ![200, 503].includes(status)),
    told,
  ).toEqual([]);
  expect(upTo(inFlight), told).toBeLessThan(4_000 + slowMs);
  expect(
    later.every(({ status }) => status === 503),
    told,
  ).toBe(true);
  expect(later.length, told).toBeGreaterThan(150);
  expect(median(later), told).toBeLessThan(50 + median(before));
  expect(Math.min(...firstGood), told).toBeLessThan(2_000 + slowMs);
  expect(
    again.every(({ status }) => status === 200),
    told,
  ).toBe(true);
  expect(perSecondAfter, told).toBeLessThan(2 * perSecondBefore);
  expect(memoryAfter - memoryBefore, told).toBeLessThan(100);
});

it('an entry that was applied though its answer was lost is there once, and repeating it says so', async () => {
  const town = await foundTown(test.redis, 20, { seats: [10] });
  const path = entryPath(town.release);
  const slots = [String(town.slots[0])];
  const key = randomUUID();
  // What is sent now lies in the socket, and is done when Redis goes on.
  process.kill(test.server.pid, 'SIGSTOP');
  const lost = Promise.all(
    town.townsmen.map((who) => attempt(url, who, 'PUT', path, entryOf(who, slots), key)),
  );
  await sleep(4_000);
  expect(new Set((await lost).map(({ status }) => status))).toEqual(new Set([503]));
  process.kill(test.server.pid, 'SIGCONT');
  const answers = await Promise.all(
    town.townsmen.map((who) => persist(url, who, 'PUT', path, entryOf(who, slots))),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
  expect(new Set(answers.map(({ json }) => json.entryId)).size).toBe(20);
  expect(await test.redis.hlen(keys.entering(town.release))).toBe(20);
});

const median = (attempts: readonly Attempt[]): number =>
  Math.round(
    attempts.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b)[attempts.length >> 1] ?? 0,
  );
