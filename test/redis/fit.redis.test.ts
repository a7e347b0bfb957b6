/** An engine takes up no Redis that its settings do not mean. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSecrets } from '../../src/lib/secrets.ts';
import { placeOf } from '../../src/redis/address.ts';
import { connectRedis, disconnectRedis } from '../../src/redis/client.ts';
import { startEmbeddedRedis } from '../../src/redis/embedded.ts';
import { type Misfit, misfitOf, watchFit } from '../../src/redis/fit.ts';
import { keys } from '../../src/redis/keys.ts';
import { SECRET } from '../support/app.ts';
import { runCli, settingsOf } from '../support/cli.ts';
import { endOf } from '../support/processes.ts';
import { ON_CLUSTER, useRedis } from '../support/redis.ts';

const used = useRedis();
const OTHER = 'another secret of more than 32 characters';
let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'fairslot-fit-'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const looks = (mark: 'set' | 'compared') => {
  const bySecret = new Map<string, Misfit>();
  return (secret: string): Misfit => {
    const misfit = bySecret.get(secret) ?? misfitOf(used.redis, createSecrets(secret), { mark });
    bySecret.set(secret, misfit);
    return misfit;
  };
};
const engine = looks('set');
const commandLine = looks('compared');

describe('the secret of a Redis', () => {
  it('is that of the first engine on it, whichever comes later', async () => {
    expect(await Promise.all([engine(SECRET)(), engine(SECRET)()])).toEqual([undefined, undefined]);
    expect(await engine(OTHER)()).toContain('FAIRSLOT_SECRET is not the one');
    expect(await commandLine(OTHER)()).toContain('FAIRSLOT_SECRET is not the one');
    expect(await engine(SECRET)()).toBeUndefined();
    expect(await commandLine(SECRET)()).toBeUndefined();
  });

  it('is not that of a command line, which marks nothing', async () => {
    expect(await commandLine(OTHER)()).toBeUndefined();
    expect(await engine(SECRET)()).toBeUndefined();
  });

  it.each(['server', 'worker', 'start'] as const)(
    'ends a %s with another, in one line',
    async (door) => {
      await engine(SECRET)();
      const { address } = used.server;
      const set = { FAIRSLOT_SECRET: OTHER, LOG_LEVEL: 'warn' };
      const { status, lines } = await endOf(door, address, set);
      expect(status).toBe(1);
      expect(lines).toEqual([expect.stringContaining('FAIRSLOT_SECRET is not the one')]);
      expect(await used.redis.keys('*')).toEqual([keys.secretMark()]);
    },
  );

  it('ends a command with another', async () => {
    await engine(SECRET)();
    const settings = { ...settingsOf(used.server.address), FAIRSLOT_SECRET: OTHER };
    expect(await runCli(['backup', 'file'], { cwd, settings })).toMatchObject({
      status: 1,
      err: expect.stringMatching(/^FAIRSLOT_SECRET is not the one .*\.$/),
    });
  });

  it('is looked at once Redis answers, where it does not at first', async () => {
    const server = await startEmbeddedRedis();
    const redis = connectRedis(server.address);
    redis.on('error', () => undefined);
    try {
      await misfitOf(redis, createSecrets(SECRET), { mark: 'set' })();
      let answers = false;
      const misfit = misfitOf(redis, createSecrets(OTHER), { mark: 'set' });
      const ended = Promise.withResolvers<string>();
      const late = () => (answers ? misfit() : Promise.reject(new Error('away')));
      await watchFit(redis, late, ended.resolve);
      answers = true;
      expect(await ended.promise).toContain('FAIRSLOT_SECRET is not the one');
    } finally {
      await disconnectRedis(redis);
      await server.stop();
    }
  });
});

describe('the kind of a Redis', () => {
  /** As the settings do that have the wrong word. */
  const misread = () => {
    const { url, cluster } = used.server.address;
    const port = new URL(url, 'redis://localhost').port;
    return { url: port ? `redis://127.0.0.1:${port}` : url, cluster: !cluster };
  };
  const WORDS = ON_CLUSTER
    ? 'REDIS_URL names a node of a Redis Cluster: set REDIS_CLUSTER=true.'
    : 'REDIS_URL names a Redis that is no cluster: set REDIS_CLUSTER=false.';

  it.each(['set', 'compared', 'replaced'] as const)('is told by who has it %s', async (mark) => {
    const redis = connectRedis(misread());
    const misfit = misfitOf(redis, createSecrets(SECRET), { mark });
    const ended = Promise.withResolvers<string>();
    try {
      await watchFit(redis, misfit, ended.resolve);
      expect(await ended.promise).toBe(WORDS);
      expect(await used.redis.keys('*')).toEqual([]);
    } finally {
      await disconnectRedis(redis);
    }
  });

  it('ends a process and a command that take it for another', async () => {
    const settings = { ...settingsOf(misread()), FAIRSLOT_SECRET: SECRET };
    const { status, lines } = await endOf('start', misread(), settings);
    const named = expect.stringContaining(`"redis":"${placeOf(misread())}"`);
    expect({ status, lines }).toEqual({ status: 1, lines: [named, WORDS] });
    expect(await runCli(['backup', 'file'], { cwd, settings })).toMatchObject({
      status: 1,
      err: WORDS,
    });
    expect(existsSync(join(cwd, 'file'))).toBe(false);
  });
});
