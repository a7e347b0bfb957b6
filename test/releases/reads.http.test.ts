/** What everybody may read costs little, however many ask: of Redis, and of memory. */
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hex, sha256 } from '../../src/lib/hash.ts';
import { keys } from '../../src/redis/keys.ts';
import { serveApi, type TestApi } from '../support/api.ts';
import { granted, letPass, nextRound, publishRelease } from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);
const ASKED = 30;

let api: TestApi;
let release: string;
let slots: readonly string[];
beforeAll(async () => {
  api = await serveApi(test.redis);
});
beforeEach(async () => {
  ({ release, slots } = await publishRelease(api.engine, test.redis, { seats: [3, 3] }));
});
afterAll(() => api.close());

const get = (path: string) => api.call('GET', `/v1/releases${path}`);
const round = async (): Promise<void> => {
  await letPass(test.redis, 600);
  await nextRound(api.engine, release);
};

/** A second round, which is due for what was changed. */
const secondRound = async (): Promise<void> => {
  granted(await api.engine.releases.close(release, { slots: [String(slots[0])] }));
  await round();
};

/** Calls of a command while a path is asked for, and how many readings that time allows. */
async function cost(command: string, path: string): Promise<{ calls: number; readings: number }> {
  await test.redis.call('CONFIG', 'RESETSTAT');
  const startedMs = performance.now();
  for (let asked = 0; asked < ASKED; asked += 10) {
    const answers = await Promise.all(Array.from({ length: 10 }, () => get(path)));
    for (const { status, headers } of answers)
      expect([status, headers['cache-control']]).toEqual([200, 'public, max-age=1']);
  }
  const readings = 1 + Math.ceil((performance.now() - startedMs) / 1_000);
  const stats = await test.redis.info('commandstats');
  const calls = Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
  return { calls, readings };
}

describe('a reading', () => {
  it('of all releases serves all who ask within its second', async () => {
    for (let more = 0; more < 9; more++)
      await publishRelease(api.engine, test.redis, { seats: [1] });
    const { calls, readings } = await cost('zrevrange', '');
    expect(calls).toBeLessThanOrEqual(readings);
    await expect
      .poll(async () => (await get('')).json.releases.length, { timeout: 5_000 })
      .toBe(10);
  });

  it("of a release's rounds serves all who ask within its second", async () => {
    await round();
    // One in the script that reads the state, one of the rounds themselves.
    const { calls, readings } = await cost('hmget', `/${release}/rounds`);
    expect(calls).toBeLessThanOrEqual(2 * readings);
  });

  it("of a release's changes serves all who ask within its second", async () => {
    const { calls, readings } = await cost('hgetall', `/${release}/changes`);
    expect(calls).toBeLessThanOrEqual(readings);
    granted(await api.engine.releases.close(release, { slots: [String(slots[0])] }));
    await expect
      .poll(async () => (await get(`/${release}/changes`)).json.closed, { timeout: 5_000 })
      .toEqual([{ slot: slots[0], round: 0 }]);
  });
});

describe('what never changes', () => {
  const LARGE = { seats: Array.from({ length: 50 }, () => 1) };
  const sent = async (path: string, acceptEncoding: string) => {
    const { body } = await api.dispatch({
      method: 'GET',
      url: `/v1/releases/${release}/${path}`,
      address: '127.0.0.1',
      header: (name) => (name === 'accept-encoding' ? acceptEncoding : undefined),
      body: () => Promise.resolve(Buffer.alloc(0)),
    });
    return body;
  };

  it.each(['manifest', 'slots'])(
    'is sent to all from the same memory, however slowly they read: %s',
    async (path) => {
      ({ release } = await publishRelease(api.engine, test.redis, LARGE));
      for (const coding of ['identity', 'gzip']) {
        const first = await sent(path, coding);
        expect(first).toBeInstanceOf(Buffer);
        expect(await sent(path, coding)).toBe(first);
      }
    },
  );

  it.each(['manifest', 'slots'])('is the same plain and compressed: %s', async (path) => {
    ({ release } = await publishRelease(api.engine, test.redis, LARGE));
    const headers = { 'accept-encoding': 'gzip' };
    const plain = await get(`/${release}/${path}`);
    const small = await api.call('GET', `/v1/releases/${release}/${path}`, { headers });
    expect(small.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(small.bytes).equals(plain.bytes)).toBe(true);
    const { manifestHash } = (await get(`/${release}`)).json;
    expect(plain.headers.etag).toContain(manifestHash);
    if (path === 'manifest') expect(hex(sha256(plain.bytes))).toBe(manifestHash);
  });
});

describe('the rounds of a release', () => {
  const listed = async () => (await get(`/${release}/rounds`)).json.rounds;

  it('are told within a second, and read from Redis once only', async () => {
    expect(await listed()).toEqual([]);
    await round();
    await expect.poll(async () => (await listed()).length, { timeout: 5_000 }).toBe(1);
    const first = await listed();
    // If it were read again, this would show.
    await test.redis.hset(keys.rounds(release), 'published_at_ms:0', '1');
    await secondRound();
    await expect.poll(async () => (await listed()).length, { timeout: 5_000 }).toBe(2);
    const [before, added] = await listed();
    expect([before]).toEqual(first);
    expect(added).toEqual(granted(await api.engine.rounds.rounds(release))[1]);
  });

  it('are those that Redis knows of, also where it lost one', async () => {
    await round();
    await secondRound();
    await expect.poll(async () => (await listed()).length, { timeout: 5_000 }).toBe(2);
    await test.redis.hset(keys.release(release), 'published', '0');
    await expect.poll(async () => (await listed()).length, { timeout: 5_000 }).toBe(1);
  });

  it('are those that were drawn again in the place of lost ones', async () => {
    await round();
    await expect.poll(async () => (await listed()).length, { timeout: 5_000 }).toBe(1);
    const digest = 'ab'.repeat(32);
    await test.redis.hset(keys.rounds(release), 'digest:0', digest);
    await expect.poll(async () => (await listed())[0].digest, { timeout: 5_000 }).toBe(digest);
  });
});
