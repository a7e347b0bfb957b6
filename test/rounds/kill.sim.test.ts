/** F7: whatever dies, at whatever moment, nothing that was acknowledged is lost and no draw changes. */
import type { ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';
import { connectRedis, type Redis } from '../../src/redis/client.ts';
import { type EmbeddedRedis, startEmbeddedRedis } from '../../src/redis/embedded.ts';
import { keys } from '../../src/redis/keys.ts';
import { entryIdOf, packEntry } from '../../src/rounds/rules.ts';
import { inBatches } from '../support/batches.ts';
import {
  engineOn,
  fresh,
  granted,
  nextRound,
  publishRelease,
  registerMany,
  restore,
  snapshot,
  verify,
} from '../support/engine.ts';
import { kill, spawnWorker } from '../support/processes.ts';
import { ON_CLUSTER } from '../support/redis.ts';
import { ONLY_IF_SLOW } from '../support/slow.ts';

const ENTRIES = 6_000;
const KILLS = 3;

let dataDir: string;
let server: EmbeddedRedis;
let redis: Redis;
let workers: ChildProcess[];

const start = async (): Promise<void> => {
  server = await startEmbeddedRedis({ dataDir, cluster: ON_CLUSTER });
  redis = connectRedis(server.address);
  redis.on('error', () => undefined); // a killed server is seen in the answers
};
const startWorker = async (): Promise<ChildProcess> => {
  const worker = await spawnWorker(server.address);
  workers.push(worker);
  return worker;
};
beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'fairslot-kill-'));
  workers = [];
  await start();
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => kill(worker, 'SIGKILL')));
  redis.disconnect();
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const enter = (release: string, prefs: readonly number[]) => {
  const engine = engineOn(redis);
  const person = fresh('person');
  const id = entryIdOf(engine.secrets, release, person);
  const packed = packEntry({ persons: [person], prefs, categories: [] });
  const entry = { id, packed, account: person, enterBeforeMs: Infinity };
  return { id, packed, done: engine.stores.rounds.enter(release, entry) };
};

async function until<T>(look: () => Promise<T | undefined | null>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== null) return found;
    await sleep(2);
  }
}

it.each([
  ['the first round', 0, 1_000],
  ['a round that settles changes', 1, 400],
] as const)(
  '%s, whose workers are killed one after the other, ends as if nothing had happened',
  ONLY_IF_SLOW,
  async (_which, round, given) => {
    const engine = engineOn(redis);
    const { release, slots } = await publishRelease(engine, redis, { seats: [500, 300, 200] });
    await inBatches(
      Array.from({ length: ENTRIES }, (_entry, number) => [number % 3, (number + 1) % 3]),
      (prefs) => enter(release, prefs).done,
    );
    await redis.hset(keys.release(release), { closes_at_ms: 1, next_round_at_ms: 1 });
    if (round > 0) {
      await nextRound(engine, release);
      const [closed = '', smaller = ''] = slots;
      granted(await engine.releases.close(release, { slots: [closed] }));
      const loss = { change: 'a', slot: smaller, pool: 'open', seats: 100 };
      granted(await engine.releases.lose(release, loss));
    }
    await engine.stores.drawing.cut(release);
    const cut = await snapshot(redis);
    const startedMs = monotonicMs();
    await nextRound(engine, release);
    const tookMs = monotonicMs() - startedMs;
    const digestOf = async () => (await engine.stores.rounds.round(release, round))?.digest;
    const undisturbed = await digestOf();

    await restore(redis, cut);
    const killed: number[] = [];
    while (killed.length < KILLS && (await digestOf()) === undefined) {
      const worker = await startWorker();
      await until(async () => (await redis.get(keys.lease(release))) ?? (await digestOf()));
      const afterMs = randomInt(Math.ceil(tookMs));
      await sleep(afterMs);
      await kill(worker, 'SIGKILL');
      killed.push(afterMs);
      await redis.del(keys.lease(release)); // as if its ten seconds were over
    }
    await startWorker();
    expect(await until(digestOf), `killed after ${killed.join(', ')} ms`).toBe(undisturbed);
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
    const seats = await engine.releases.seats(
      granted(await engine.releases.published(release)).manifest,
    );
    expect(seats).toEqual({ capacity: 1_000, free: 0, offered: given, booked: 0 });
  },
);

it('a release that cannot be drawn does not hold up another', ONLY_IF_SLOW, async () => {
  const engine = engineOn(redis);
  const damaged = await publishRelease(engine, redis, { seats: [1], opensInS: -10 });
  const sound = await publishRelease(engine, redis, { seats: [1], opensInS: -20 });
  const due = { closes_at_ms: 1, next_round_at_ms: 1 };
  await redis.hset(keys.entering(damaged.release), 'no entry id', 'nonsense');
  await redis.hset(keys.release(damaged.release), due);
  await redis.hset(keys.release(sound.release), due);
  await startWorker();
  await until(() => engine.stores.rounds.round(sound.release, 0));
  expect(await engine.stores.rounds.round(damaged.release, 0)).toBeUndefined();
});

it('no acknowledged entry or booking is lost when Redis is killed', ONLY_IF_SLOW, async () => {
  const engine = engineOn(redis);
  const lottery = await publishRelease(engine, redis, { seats: [10] });
  const shop = await publishRelease(engine, redis, { mode: 'immediate', seats: [1_000] });
  const people = await registerMany(engine, 200);
  const acknowledged = new Map<string, string>();
  const booked: string[] = [];
  const killAfter = 300 + randomInt(1_500);

  const entering = Array.from({ length: 10 }, async () => {
    for (;;) {
      const { id, packed, done } = enter(lottery.release, [0]);
      if ((await done).outcome === 'ENTERED') acknowledged.set(id, packed);
      if (acknowledged.size === killAfter) process.kill(server.pid, 'SIGKILL');
    }
  });
  const booking = people.map(async ({ account, person }) => {
    const wish = { release: shop.release, beneficiary: person, slot: String(shop.slots[0]) };
    const { bookingId } = granted(await engine.bookings.book(account, wish));
    booked.push(bookingId);
  });
  const ended = await Promise.allSettled([...entering, ...booking]);
  expect(ended.slice(0, 10).map(({ status }) => status)).toEqual(Array(10).fill('rejected'));

  redis.disconnect();
  await server.stop();
  await start();
  const again = engineOn(redis);
  const held = await redis.hgetall(keys.entering(lottery.release));
  const lost = [...acknowledged].filter(([id, packed]) => held[id] !== packed);
  expect(lost, `killed after ${killAfter}`).toEqual([]);
  const bookings = await redis.hkeys(keys.bookings(shop.release));
  expect(booked.filter((id) => !bookings.includes(String(id.split('.')[1])))).toEqual([]);
  const seats = await again.releases.seats(
    granted(await again.releases.published(shop.release)).manifest,
  );
  expect(seats.free + seats.booked).toBe(1_000);
  expect(seats.booked).toBe(bookings.length);
  await redis.hset(keys.release(lottery.release), { closes_at_ms: 1, next_round_at_ms: 1 });
  await nextRound(again, lottery.release);
  expect(await verify(again, lottery.release)).toMatchObject({ accepted: true });
});
