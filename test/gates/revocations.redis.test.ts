import { afterEach, describe, expect, test } from 'vitest';
import { createRevocations } from '../../src/gates/revocations.ts';
import { connectRedis, disconnectRedis } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { OPERATOR_KEY, startApp, type TestApp, tokenOf } from '../support/app.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);
let it: TestApp | undefined;
afterEach(async () => {
  await it?.server.close();
  it = undefined;
});

const grant = (epoch: number, account = 'one') => ({ account, epoch });

describe('a revocation', () => {
  test('ends earlier epochs in every process at once, and no other account', async () => {
    const [here, there] = [createRevocations(used.redis), createRevocations(used.redis)];
    await here.publish('one', 2);
    for (const process of [here, there]) {
      expect(await process.stands(grant(0))).toBe(false);
      expect(await process.stands(grant(1))).toBe(false);
      expect(await process.stands(grant(2))).toBe(true);
      expect(await process.stands(grant(0, 'two'))).toBe(true);
    }
  });

  test('of the latest epoch stays, in whichever order they arrive', async () => {
    const revocations = createRevocations(used.redis);
    await Promise.all([3, 1, 2].map((epoch) => revocations.publish('one', epoch)));
    expect(await revocations.stands(grant(2))).toBe(false);
    expect(await revocations.stands(grant(3))).toBe(true);
  });

  test('is kept as long as a token can live, and no longer', async () => {
    await createRevocations(used.redis).publish('one', 1);
    const ttlMs = await used.redis.pttl(keys.revoked('one'));
    expect(ttlMs).toBeGreaterThan(15 * 60_000);
    expect(ttlMs).toBeLessThanOrEqual(15 * 60_000 + 20_000);
  });

  test('is asked for by one command for all requests of one turn', async () => {
    const revocations = createRevocations(used.redis);
    await revocations.publish('account-7', 1);
    const mgets = async () =>
      Number(/cmdstat_mget:calls=(\d+)/.exec(await used.redis.info('commandstats'))?.[1] ?? 0);
    const before = await mgets();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => revocations.stands(grant(0, `account-${index}`))),
    );
    expect(answers.map((stands, index) => (stands ? '' : index)).filter(Boolean)).toEqual([7]);
    expect((await mgets()) - before).toBe(1);
  });

  test('cannot be overlooked while Redis is away', async () => {
    const away = connectRedis({ url: '/nowhere/redis.sock', cluster: false });
    away.on('error', () => undefined);
    await expect(createRevocations(away).stands(grant(0))).rejects.toThrow();
    await disconnectRedis(away);
  });
});

describe('an access token', () => {
  test('that was revoked is refused with its next request, though it was seen before', async () => {
    it = await startApp(used.redis);
    const app = it;
    const token = await tokenOf('one');
    const write = (as: string) =>
      app.call('PUT', '/v1/things/one', { token: as, body: { name: 'a', sizes: [] } });
    expect((await write(token)).status).toBe(200);
    await createRevocations(used.redis).publish('one', 1);
    const refused = await Promise.all(Array.from({ length: 20 }, () => write(token)));
    for (const { json, headers } of refused) {
      expect(json).toMatchObject({ status: 401, code: 'ACCESS_TOKEN_REVOKED' });
      expect(headers['www-authenticate']).toBe('Bearer');
    }
    expect(app.held.runs).toBe(1);
    expect((await write(await tokenOf('one', 1))).status).toBe(200);
  });

  test('is not believed unasked while Redis is away, nor is a made operator key', async () => {
    const away = connectRedis({ url: '/nowhere/redis.sock', cluster: false });
    away.on('error', () => undefined);
    it = await startApp(away);
    const body = { name: 'a', sizes: [] };
    const write = await it.call('PUT', '/v1/things/one', { token: await tokenOf('one'), body });
    expect(write.json).toMatchObject({ status: 503, code: 'UNAVAILABLE' });
    const csv = { body: 'a', headers: { 'content-type': 'text/csv' } };
    for (const token of ['fsk_made', OPERATOR_KEY]) {
      const imported = await it.call('POST', '/v1/admin/things', { token, ...csv });
      expect(imported.json).toMatchObject({ status: 503, code: 'UNAVAILABLE' });
    }
    expect(it.held.runs).toBe(0);
    await disconnectRedis(away);
  });
});
