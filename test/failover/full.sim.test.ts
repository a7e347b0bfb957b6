/** No room: on the disk, and in memory. Reads go on, writes are refused as such, then taken again. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { sleep } from '../../src/lib/clock.ts';
import { connectRedis, type Redis } from '../../src/redis/client.ts';
import { startEmbeddedRedis } from '../../src/redis/embedded.ts';
import { keys } from '../../src/redis/keys.ts';
import { call } from '../support/app.ts';
import { serveApi } from '../support/api.ts';
import { attempt, entryOf, entryPath, foundTown, persist } from '../support/town.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

const DISK_BYTES = 24 * 1024 * 1024;
/** Only root may mount one, and only on Linux. */
const mayMount = process.platform === 'linux' && process.getuid?.() === 0;

async function until(look: () => Promise<boolean>, what: string): Promise<void> {
  for (let looks = 0; looks < 150; looks++) {
    if (await look().catch(() => false)) return;
    await sleep(100);
  }
  throw new Error(`it never came to this: ${what}`);
}

function open(address: Parameters<typeof connectRedis>[0]): Redis {
  const redis = connectRedis(address);
  redis.on('error', () => undefined);
  undo.push(() => redis.disconnect());
  return redis;
}

const READ_ONLY = {
  code: 'UNAVAILABLE',
  detail: expect.stringContaining('Nothing can be written'),
};

it.skipIf(!mayMount)(
  'a full disk refuses writes, loses none, and is used again once it has room',
  async () => {
    const disk = mkdtempSync(join(tmpdir(), 'fairslot-disk-'));
    undo.push(() => rmSync(disk, { recursive: true, force: true }));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk]);
    undo.push(() => execFileSync('umount', ['-l', disk]));
    const server = await startEmbeddedRedis({
      dataDir: join(disk, 'redis'),
      reserveBytes: 0, // so that it does run into its end
      onDeath: () => undefined,
    });
    undo.push(server.stop);
    const redis = open(server.address);
    const town = await foundTown(redis, 200, { seats: [10] });
    const api = await serveApi(redis);
    undo.push(api.close);
    const path = entryPath(town.release);
    const slots = [String(town.slots[0])];
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(join(disk, 'filler'), Buffer.alloc(bavail * bsize - 32 * 1024));

    const entered: number[] = [];
    await Promise.all(
      town.townsmen.map(async (who, number) => {
        const { status } = await attempt(api.url, who, 'PUT', path, entryOf(who, slots));
        if (status === 200) entered.push(number);
        else expect(status).toBe(503);
      }),
    );
    const who = present(town.townsmen[0], 'a townsman');
    await until(async () => (await redis.ping()) === 'PONG', 'it runs again');
    await until(async () => {
      const { answer } = await attempt(api.url, who, 'PUT', path, entryOf(who, slots));
      expect(answer?.json).toMatchObject(READ_ONLY);
      return true;
    }, 'a write is refused as such');
    expect(await call(api.url, 'GET', `/v1/releases/${town.release}`)).toMatchObject({
      status: 200,
    });
    const held = await redis.hlen(keys.entering(town.release));
    expect(held).toBeGreaterThanOrEqual(entered.length);

    rmSync(join(disk, 'filler'));
    const answers = await Promise.all(
      town.townsmen.map((one) => persist(api.url, one, 'PUT', path, entryOf(one, slots))),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await redis.hlen(keys.entering(town.release))).toBe(200);
    expect(await redis.config('GET', 'appendfsync')).toContain('always');
  },
);

it('a Redis without memory refuses what needs some, takes what frees some, and goes on', async () => {
  const server = await startEmbeddedRedis();
  undo.push(server.stop);
  const redis = open(server.address);
  const town = await foundTown(redis, 4, { seats: [10] });
  const shop = await foundTown(redis, 2, { mode: 'immediate', seats: [10] });
  const api = await serveApi(redis);
  undo.push(api.close);
  const path = entryPath(town.release);
  const body = (number: number) =>
    entryOf(present(town.townsmen[number], 'a townsman'), [String(town.slots[0])]);
  const [first, second] = [present(town.townsmen[0], 'one'), present(town.townsmen[1], 'two')];
  const buyer = present(shop.townsmen[0], 'a buyer');
  const token = { token: first.token };
  expect((await api.call('PUT', path, { ...token, body: body(0) })).status).toBe(200);
  const booked = await api.call('POST', '/v1/bookings', {
    token: buyer.token,
    body: { release: shop.release, beneficiary: buyer.person, slot: shop.slots[0] },
  });
  expect(booked.status).toBe(201);

  await redis.config('SET', 'maxmemory', '1');
  const refused = await api.call('PUT', path, { token: second.token, body: body(1) });
  expect(refused.json).toMatchObject({ status: 503, ...READ_ONLY });
  const mine = await api.call('GET', path, token);
  expect(mine.status).toBe(200);
  expect((await api.call('GET', `/v1/releases/${town.release}`)).status).toBe(200);
  const cancelled = await api.call('DELETE', `/v1/bookings/${booked.json.bookingId}`, {
    token: buyer.token,
  });
  expect(cancelled.status).toBeLessThan(300);
  const { entryId } = mine.json.entries[0];
  const left = await api.call('DELETE', `${path}?entryId=${entryId}`, token);
  expect(left.status).toBe(204);

  await redis.config('SET', 'maxmemory', '0');
  expect((await api.call('PUT', path, { token: second.token, body: body(1) })).status).toBe(200);
});
