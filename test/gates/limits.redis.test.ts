import { describe, expect, test } from 'vitest';
import type { LimitName } from '../../src/gates/limit-table.ts';
import { createLimits } from '../../src/gates/limits.ts';
import { addressPrefix, networkOf } from '../../src/gates/origin.ts';
import { connectRedis, disconnectRedis } from '../../src/redis/client.ts';
import { configWith, secrets } from '../support/app.ts';
import { ON_CLUSTER, useRedis } from '../support/redis.ts';

const used = useRedis();
const SETTINGS = {
  LIMIT_READ_PER_ADDRESS: '5',
  LIMIT_READ_PER_NETWORK: '9',
  LIMIT_READ_PER_ACCOUNT: '3',
  LIMIT_OTP_PER_ADDRESS: '2',
  LIMIT_WRITE_PER_DEVICE: '2',
};
/** Counts as the pipeline does: from memory where that suffices. */
function limitsNow(redis = used.redis) {
  const limits = createLimits(redis, secrets, configWith(SETTINGS).limits);
  return async (limit: LimitName, address: string, account: string, device = '') => {
    const who = { address, account, device };
    return limits.blocked(limit, who) ?? limits.count(limit, who);
  };
}

/**
 * What reached Redis on behalf of `work`: commands, scripts' own among them, and reads from its
 * sockets.
 */
async function trafficDuring(work: () => Promise<unknown>) {
  const before = await used.redis.info('stats');
  await work();
  const after = await used.redis.info('stats');
  const ITSELF = 1; // the second INFO
  const grown = (name: string) => statistic(after, name) - statistic(before, name) - ITSELF;
  return { commands: grown('total_commands_processed'), reads: grown('total_reads_processed') };
}

const statistic = (text: string, name: string) => Number(text.match(`${name}:(\\d+)`)?.[1]);

describe('limits', () => {
  test('count an address, whoever calls from it', async () => {
    const count = limitsNow();
    for (let request = 0; request < 5; request++)
      expect((await count('read', '127.0.0.7', `account-${request}`)).refusal).toBeUndefined();
    const { refusal } = await count('read', '127.0.0.7', 'account-9');
    expect(refusal).toMatchObject({
      refused: 'TOO_MANY_REQUESTS',
      extra: { limit: 'read-address' },
    });
    expect(refusal?.retryAfterS).toBeGreaterThan(0);
    expect(refusal?.retryAfterS).toBeLessThanOrEqual(60);
    expect((await count('read', '127.0.0.8', 'account-9')).refusal).toBeUndefined();
  });

  test('count a network, whichever of its addresses calls', async () => {
    const count = limitsNow();
    for (let request = 0; request < 9; request++)
      expect((await count('read', `127.0.0.${request}`, '')).refusal).toBeUndefined();
    const { refusal } = await count('read', '127.0.0.9', '');
    expect(refusal).toMatchObject({ extra: { limit: 'read-network' } });
    expect((await count('read', '127.0.1.9', '')).refusal).toBeUndefined();
  });

  test('count an account, wherever it calls from', async () => {
    const count = limitsNow();
    for (let request = 0; request < 3; request++)
      expect((await count('read', `127.0.0.${request}`, 'one')).refusal).toBeUndefined();
    const { refusal } = await count('read', '127.0.0.9', 'one');
    expect(refusal).toMatchObject({ extra: { limit: 'read-account' } });
    expect((await count('read', '127.0.0.9', 'two')).refusal).toBeUndefined();
  });

  test('count a device, whoever calls from it and from wherever', async () => {
    const count = limitsNow();
    for (const account of ['one', 'two'])
      expect((await count('write', `127.0.0.${account}`, account, 'a')).refusal).toBeUndefined();
    const { refusal } = await count('write', '127.0.0.9', 'three', 'a');
    expect(refusal).toMatchObject({ extra: { limit: 'write-device' } });
    expect((await count('write', '127.0.0.9', 'three', 'b')).refusal).toBeUndefined();
  });

  test('count no address of whoever comes with a device, nor its network as the work of theirs', async () => {
    const limits = createLimits(
      used.redis,
      secrets,
      configWith({ LIMIT_OTP_PER_ADDRESS: '1', LIMIT_OTP_PER_NETWORK: '8' }).limits,
    );
    const ask = (device: string) =>
      limits.count('otp', { address: '127.0.0.7', account: '', device });
    for (let request = 0; request < 3; request++) await ask('');
    expect((await ask('')).refusal).toMatchObject({ extra: { limit: 'otp-address' } });
    // A neighbour behind the same NAT is not held up, and has no more to solve.
    const neighbour = await ask('a device of their own');
    expect(neighbour.refusal).toBeUndefined();
    expect(neighbour.share).toBeCloseTo(1 / 10);
  });

  test('tell how much of the tightest one is used up', async () => {
    const count = limitsNow();
    expect((await count('read', '127.0.0.7', 'one')).share).toBeCloseTo(1 / 3);
    expect((await count('read', '127.0.0.7', 'two')).share).toBeCloseTo(2 / 5);
    expect((await count('read', '127.0.0.7', 'one')).share).toBeCloseTo(2 / 3);
  });

  test('count each kind of request for itself', async () => {
    const count = limitsNow();
    for (let request = 0; request < 3; request++) await count('otp', '127.0.0.7', '');
    expect((await count('otp', '127.0.0.7', '')).refusal).toBeDefined();
    expect((await count('token', '127.0.0.7', '')).refusal).toBeUndefined();
  });

  test('hold for all processes together', async () => {
    const [one, other] = [limitsNow(), limitsNow()];
    await Promise.all([one('otp', '127.0.0.7', ''), other('otp', '127.0.0.7', '')]);
    expect((await one('otp', '127.0.0.7', '')).refusal).toBeDefined();
    expect((await other('otp', '127.0.0.7', '')).refusal).toBeDefined();
  });

  test('say what is left in structured fields', async () => {
    const count = limitsNow();
    await count('read', '127.0.0.7', 'one');
    const { headers } = await count('read', '127.0.0.7', 'one');
    expect(headers['ratelimit-policy']).toBe(
      '"read-address";q=5;w=60, "read-network";q=9;w=60, "read-account";q=3;w=60',
    );
    expect(headers['ratelimit']).toMatch(
      /^"read-address";r=3;t=\d+, "read-network";r=7;t=\d+, "read-account";r=1;t=\d+$/,
    );
  });

  test('count each of many at once, the same caller too', async () => {
    const count = limitsNow();
    const callers = Array.from({ length: 300 }, (_, index) => `10.0.0.${index % 100}`);
    const counted = await Promise.all(callers.map((address) => count('otp', address, '')));
    // Each address calls three times and may call twice.
    expect(counted.filter(({ refusal }) => refusal)).toHaveLength(100);
    expect(counted.slice(0, 200).every(({ refusal }) => refusal === undefined)).toBe(true);
  });

  test('ask Redis in one round trip, and not at all about whoever is over', async () => {
    const count = limitsNow();
    await count('read', '127.0.0.6', 'warm');
    const all = { commands: 3 * SCRIPT_COMMANDS, reads: 1 };
    expect(await trafficDuring(() => count('read', '127.0.1.7', 'one'))).toEqual(all);
    for (let request = 0; request < 6; request++) await count('read', '127.0.1.7', `a${request}`);
    const flood = () =>
      Promise.all(Array.from({ length: 50 }, () => count('read', '127.0.1.7', 'b')));
    expect(await trafficDuring(flood)).toEqual({ commands: 0, reads: 0 });
    expect((await count('read', '127.0.1.7', 'b')).refusal).toBeDefined();
  });

  test('keep no key longer than their window', async () => {
    await limitsNow()('read', '127.0.0.7', 'one');
    const found = (await Promise.all(nodes().map((node) => node.keys('*')))).flat();
    expect(found.toSorted()).toEqual([
      'fs:v1:{limit:read-account}:one',
      `fs:v1:{limit:read-address}:${secrets.pseudonym('limit', '127.0.0.7')}`,
      `fs:v1:{limit:read-network}:${secrets.pseudonym('limit', '127.0.0')}`,
    ]);
    for (const key of found) expect(await used.redis.ttl(key)).toBeGreaterThan(0);
  });

  test('are counted by each process for itself while Redis is away', async () => {
    const away = connectRedis({ url: '/nowhere/redis.sock', cluster: false });
    away.on('error', () => undefined);
    const count = limitsNow(away);
    expect((await count('otp', '127.0.0.7', '')).refusal).toBeUndefined();
    expect((await count('otp', '127.0.0.7', '')).refusal).toBeUndefined();
    expect((await count('otp', '127.0.0.7', '')).refusal).toBeDefined();
    await disconnectRedis(away);
  });
});

/** EVALSHA, then what the script calls for one caller: INCR, EXPIRE, PTTL. */
const SCRIPT_COMMANDS = 4;

const nodes = () =>
  ON_CLUSTER && 'nodes' in used.redis ? used.redis.nodes('master') : [used.redis];

describe('one client address', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['2001:db8:1:2::', '2001:db8:1:2'],
    ['2001::1:2:3:4:5', '2001:0:0:1'],
    ['::1', '0:0:0:0'],
  ])('%s is %s', (address, prefix) => {
    expect(addressPrefix(address)).toBe(prefix);
  });
});

describe('one network', () => {
  test.each([
    ['203.0.113.7', '203.0.113'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1'],
    ['2001:db8::1', '2001:db8:0'],
    ['::1', '0:0:0'],
  ])('%s is in %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
