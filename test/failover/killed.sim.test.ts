/** Redis dies at random moments of a draw and of confirmations, and is started again from its AOF. */
import { afterEach, expect, it } from 'vitest';
import { randomInt } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { startEmbeddedRedis } from '../../src/redis/embedded.ts';
import { keys } from '../../src/redis/keys.ts';
import { serveApi } from '../support/api.ts';
import { granted, verify } from '../support/engine.ts';
import { kill, spawnWorker } from '../support/processes.ts';
import { ONLY_IF_SLOW } from '../support/slow.ts';
import { entryOf, entryPath, foundTown, persist } from '../support/town.ts';

const PEOPLE = 300;
const SEATS = 120;
const DRAWN_WITHIN_MS = 120_000;
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

const NAME = 'a Redis that is killed in a draw and in confirmations loses no acknowledged one';
it(NAME, ONLY_IF_SLOW, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'fairslot-killed-'));
  undo.push(() => rmSync(dataDir, { recursive: true, force: true }));
  const server = await startEmbeddedRedis({ dataDir, onDeath: () => undefined });
  undo.push(server.stop);
  const redis = connectRedis(server.address);
  redis.on('error', () => undefined);
  undo.push(() => redis.disconnect());
  const api = await serveApi(redis);
  undo.push(api.close);
  const killRedis = (): void =>
    void process.kill(Number(readFileSync(join(dataDir, 'redis.pid'), 'utf8')), 'SIGKILL');

  const town = await foundTown(redis, PEOPLE, { seats: [SEATS] });
  const path = entryPath(town.release);
  const slots = [String(town.slots[0])];
  await Promise.all(
    town.townsmen.map((who) => persist(api.url, who, 'PUT', path, entryOf(who, slots))),
  );
  const worker = await spawnWorker(server.address);
  undo.push(() => kill(worker, 'SIGKILL'));
  await redis.hset(keys.release(town.release), { closes_at_ms: 1, next_round_at_ms: 1 });
  const killed: number[] = [];
  const round = () => town.engine.stores.rounds.round(town.release, 0).catch(() => undefined);
  const giveUpAt = monotonicMs() + DRAWN_WITHIN_MS;
  while (!(await round()) && monotonicMs() < giveUpAt) {
    if (killed.length < 2 && (await redis.get(keys.lease(town.release)).catch(() => null))) {
      killed.push(randomInt(250));
      await sleep(killed.at(-1) ?? 0);
      killRedis();
      await sleep(500);
    }
    await sleep(5);
  }
  const told = `killed ${killed.join(', ')} ms after a look that saw the lead`;
  expect(await round(), told).toBeDefined();
  expect(killed.length).toBeGreaterThan(0);

  let confirmations = 0;
  const dieAt = 10 + randomInt(60);
  const outcomes = await Promise.all(
    town.townsmen.map(async (who, number) => {
      await sleep(number * 3);
      const [entry] = (await persist(api.url, who, 'GET', path)).json.entries;
      if (entry.state !== 'offered') return 'waiting';
      const confirm = `/v1/bookings/${entry.booking.bookingId}/confirm`;
      const answer = await persist(api.url, who, 'POST', confirm);
      confirmations += 1;
      if (confirmations === dieAt) killRedis();
      return answer.json.state;
    }),
  );
  expect(outcomes.filter((state) => state === 'booked').length, told).toBe(SEATS);
  expect(outcomes.filter((state) => state === 'waiting').length, told).toBe(PEOPLE - SEATS);
  const { manifest } = granted(await town.engine.releases.published(town.release));
  const seats = await town.engine.releases.seats(manifest);
  expect(seats, told).toEqual({ capacity: SEATS, free: 0, offered: 0, booked: SEATS });
  expect(await verify(town.engine, town.release), told).toMatchObject({ accepted: true });
});
