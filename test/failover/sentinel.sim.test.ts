/** A master is killed; Sentinel makes a replica the master; what was acknowledged is there. */
import type { ChildProcess } from 'node:child_process';
import { afterEach, expect, it } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { call } from '../support/app.ts';
import { granted, verify } from '../support/engine.ts';
import { kill, spawnServer, spawnWorker } from '../support/processes.ts';
import { startSentinelRedis } from '../support/redis-sentinel.ts';
import { ONLY_IF_SLOW, TOO_SLOW } from '../support/slow.ts';
import { entryOf, entryPath, foundTown, persist } from '../support/town.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});
const later = (child: ChildProcess): void => void undo.push(() => kill(child, 'SIGKILL'));

async function until<T>(look: () => Promise<T | undefined | false>, what: string): Promise<T> {
  for (let looks = 0; looks < 1_200; looks++) {
    const found = await look().catch(() => undefined);
    if (found !== undefined && found !== false) return found;
    await sleep(50);
  }
  throw new Error(`it never came to this: ${what}`);
}

const NAME = 'entries and confirmations that were acknowledged survive the loss of the master';
it(NAME, ONLY_IF_SLOW, async () => {
  const sentinels = await startSentinelRedis(2);
  undo.push(sentinels.stop);
  const master = present(await sentinels.master(), 'the master');
  const address = { ...sentinels.address, replicas: 1 };
  const redis = connectRedis(address);
  redis.on('error', () => undefined);
  undo.push(() => redis.disconnect());
  const [{ child, url }, worker] = await Promise.all([spawnServer(address), spawnWorker(address)]);
  later(child);
  later(worker);
  const seats = 60;
  const drawn = await foundTown(redis, seats, { seats: [seats] });
  const town = await foundTown(redis, 240, { seats: [100] });
  const put = (one: typeof town, who: (typeof town.townsmen)[number]) =>
    persist(url, who, 'PUT', entryPath(one.release), entryOf(who, [String(one.slots[0])]));
  await Promise.all(drawn.townsmen.map((who) => put(drawn, who)));
  await redis.hset(keys.release(drawn.release), { closes_at_ms: 1, next_round_at_ms: 1 });
  await until(
    async () => (await drawn.engine.stores.rounds.round(drawn.release, 0)) !== undefined,
    'round 0',
  );

  // Half are in, the others are on their way, when the master dies.
  const acknowledged: string[] = [];
  const confirmed: string[] = [];
  let killedAtMs = 0;
  let longestMs = 0;
  const noted = (list: string[], id: string): void => {
    list.push(id);
    if (killedAtMs === 0 && acknowledged.length > 60 && confirmed.length > 10) {
      killedAtMs = monotonicMs();
      void master.kill();
    }
  };
  const entering = town.townsmen.map(async (who, number) => {
    await sleep(number * 8);
    const startedMs = monotonicMs();
    const answer = await put(town, who);
    longestMs = Math.max(longestMs, monotonicMs() - startedMs);
    expect(answer.status, answer.text).toBe(200);
    noted(acknowledged, answer.json.entryId);
  });
  const confirming = drawn.townsmen.map(async (who, number) => {
    await sleep(number * 20);
    const { json } = await persist(url, who, 'GET', entryPath(drawn.release));
    const path = `/v1/bookings/${json.entries[0].booking.bookingId}/confirm`;
    const answer = await persist(url, who, 'POST', path);
    expect(answer.status, answer.text).toBe(200);
    noted(confirmed, answer.json.bookingId);
  });
  await Promise.all([...entering, ...confirming]);
  expect(killedAtMs).toBeGreaterThan(0);
  process.stdout.write(`the longest of all waits was ${Math.round(longestMs)} ms\n`);

  // This process finds the new master by itself, as each does.
  await until(() => redis.ping(), 'the new master');
  expect((await redis.hkeys(keys.entering(town.release))).toSorted()).toEqual(
    [...new Set(acknowledged)].toSorted(),
  );
  expect(new Set(acknowledged).size).toBe(240);
  const { manifest } = granted(await drawn.engine.releases.published(drawn.release));
  expect(await drawn.engine.releases.seats(manifest)).toMatchObject({ free: 0, booked: seats });
  await redis.hset(keys.release(town.release), { closes_at_ms: 1, next_round_at_ms: 1 });
  await until(
    async () => (await town.engine.stores.rounds.round(town.release, 0)) !== undefined,
    'a round on the new master',
  );
  expect(await verify(town.engine, town.release)).toMatchObject({ accepted: true });
  expect(await verify(drawn.engine, drawn.release)).toMatchObject({ accepted: true });
  await until(async () => (await call(url, 'GET', '/readyz')).status === 200, 'a ready server');
  expect(new Set(confirmed).size).toBe(seats);
  expect(longestMs, TOO_SLOW).toBeLessThan(15_000);
});
