import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRevocations } from '../../src/gates/revocations.ts';
import { createPeopleStore } from '../../src/people/store.ts';
import { connectRedis, disconnectRedis } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { accessTokens, OPERATOR_KEY, startApp, type TestApp, tokenOf } from '../support/app.ts';
import { fresh, publishRelease, register } from '../support/engine.ts';
import { type Gated, startGated } from '../support/gated.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);
let it: TestApp | undefined;
afterEach(async () => {
  await it?.server.close();
  it = undefined;
});

const grant = (epoch: number, account = 'one') => ({ account, epoch });
const signOut = async (account: string, times = 1): Promise<void> => {
  const { raiseEpoch } = createPeopleStore(used.redis);
  for (let time = 0; time < times; time++) await raiseEpoch(account);
};

describe('a revocation', () => {
  test('ends earlier epochs in every process at once, and no other account', async () => {
    const [here, there] = [createRevocations(used.redis), createRevocations(used.redis)];
    await signOut('one', 2);
    for (const process of [here, there]) {
      expect(await process.stands(grant(0))).toBe(false);
      expect(await process.stands(grant(1))).toBe(false);
      expect(await process.stands(grant(2))).toBe(true);
      expect(await process.stands(grant(0, 'two'))).toBe(true);
    }
  });

  test('by a Redis that lost its last writes ends epochs that it does not know', async () => {
    const revocations = createRevocations(used.redis);
    await signOut('one', 2);
    await used.redis.hset(keys.account('one'), 'epoch', 1); // what an older backup holds
    expect(await revocations.stands(grant(2))).toBe(false);
    expect(await revocations.stands(grant(1))).toBe(true);
    await used.redis.del(keys.account('one'));
    expect(await revocations.stands(grant(1))).toBe(false);
    expect(await revocations.stands(grant(0))).toBe(true);
  });

  test('is asked for once by all requests of an account in one turn, and again in the next', async () => {
    const revocations = createRevocations(used.redis);
    const reads = async () =>
      Number(/cmdstat_hget:calls=(\d+)/.exec(await used.redis.info('commandstats'))?.[1] ?? 0);
    const before = await reads();
    const askAll = () =>
      Promise.all(Array.from({ length: 50 }, () => revocations.stands(grant(0))));
    expect(new Set(await askAll())).toEqual(new Set([true]));
    expect((await reads()) - before).toBe(1);
    await signOut('one');
    expect(new Set(await askAll())).toEqual(new Set([false]));
    expect((await reads()) - before).toBe(2);
  });

  test('is remembered for 10 s, as it was last heard of', async () => {
    let now = 1_000;
    const revocations = createRevocations(used.redis, () => now);
    expect(revocations.lately(grant(0))).toBeUndefined();
    await revocations.stands(grant(0));
    expect(revocations.lately(grant(0))).toBe(true);
    await signOut('one');
    now = 6_000;
    await revocations.stands(grant(0));
    expect(revocations.lately(grant(0))).toBe(false);
    expect(revocations.lately(grant(1))).toBeUndefined();
    expect(revocations.lately(grant(0, 'two'))).toBeUndefined();
    now = 16_000;
    expect(revocations.lately(grant(0))).toBe(false);
    now = 16_001;
    expect(revocations.lately(grant(0))).toBeUndefined();
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
    await signOut('one');
    const refused = await Promise.all(Array.from({ length: 20 }, () => write(token)));
    for (const { json, headers } of refused) {
      expect(json).toMatchObject({ status: 401, code: 'ACCESS_TOKEN_REVOKED' });
      expect(headers['www-authenticate']).toBe('Bearer');
    }
    expect(app.held.runs).toBe(1);
    expect((await write(await tokenOf('one', 1))).status).toBe(200);
  });

  test('that was revoked uses up nothing of what its owner may ask', async () => {
    it = await startApp(used.redis, { LIMIT_WRITE_PER_ACCOUNT: '3' });
    const app = it;
    const [stolen, own] = [await tokenOf('one'), await tokenOf('one', 1)];
    const write = async (token: string): Promise<number> => {
      const options = { token, body: { name: 'a', sizes: [] } };
      return (await app.call('PUT', '/v1/things/one', options)).status;
    };
    await signOut('one');
    const thief = await Promise.all(Array.from({ length: 20 }, () => write(stolen)));
    expect(new Set(thief)).toEqual(new Set([401]));
    expect(await Promise.all([own, own, own].map(write))).toEqual([200, 200, 200]);
    expect(await write(own)).toBe(429);
    expect(await write(stolen)).toBe(401);
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

describe('an access token that was revoked', () => {
  let gated: Gated;
  let account: string;
  let person: string;
  let stolen: string;
  beforeEach(async () => {
    gated = await startGated(used.redis, { CAPTCHA_DRIVER: 'none' });
    account = fresh('account');
    person = await register(gated.engine, account);
    stolen = await tokenOf(account);
  });
  afterEach(() => gated.server.close());

  const open = () => publishRelease(gated.engine, used.redis, { seats: [5] });
  const enter = async ({ release, slots }: Awaited<ReturnType<typeof open>>, token: string) => {
    const body = { beneficiaries: [person], preferences: slots };
    return (await gated.send('PUT', `/v1/releases/${release}/entry`, { token, body })).status;
  };
  const claim = () => used.redis.hget(keys.person(person), 'c');

  test('claims nobody, so that its owner may enter another release at once', async () => {
    const [one, another] = [await open(), await open()];
    await signOut(account);
    const tried = await Promise.all(Array.from({ length: 20 }, () => enter(one, stolen)));
    expect(new Set(tried)).toEqual(new Set([401]));
    const { release, slots } = await publishRelease(gated.engine, used.redis, {
      seats: [5],
      mode: 'immediate',
    });
    const body = { release, beneficiary: person, slot: slots[0] };
    const booked = await gated.send('POST', '/v1/bookings', { token: stolen, body });
    expect(booked.json.code).toBe('ACCESS_TOKEN_REVOKED');
    expect(await claim()).toBeNull();
    expect(await enter(another, await tokenOf(account, 1))).toBe(200);
  });

  test('does not renew a claim again and again where it stood a moment ago', async () => {
    const one = await open();
    const path = `/v1/releases/${one.release}/entry`;
    expect((await gated.send('GET', path, { token: stolen })).status).toBe(200);
    await signOut(account);
    expect(await enter(one, stolen)).toBe(401);
    const before = await claim();
    const tried = await Promise.all(Array.from({ length: 20 }, () => enter(one, stolen)));
    expect(new Set(tried)).toEqual(new Set([401]));
    expect(await claim()).toBe(before);
  });

  test('leaves nothing of its owner in the bad-bot report, whatever it is refused for', async () => {
    await gated.server.close();
    gated = await startGated(used.redis);
    const one = await open();
    const { device, deviceToken } = await gated.newDevice();
    const path = `/v1/releases/${one.release}/entry`;
    const { accessToken } = await accessTokens.issue({ account, epoch: 0, device });
    await signOut(account);
    const thief = { token: accessToken, device: deviceToken, from: '127.0.2.5' };
    const codes = new Set<string>();
    for (let round = 0; round < 5; round++) {
      codes.add((await gated.send('PUT', path, { ...thief, body: {} })).json.code);
      codes.add((await gated.send('GET', path, thief)).json.code);
    }
    expect([...codes]).toEqual(['CAPTCHA_MISSING', 'ACCESS_TOKEN_REVOKED']);
    await gated.app.finish();
    const offenders = (kind: string) =>
      used.redis.zrange(keys.offenders(one.release, kind), '0', '-1');
    expect(await offenders('account')).toEqual([]);
    expect(await offenders('network')).toHaveLength(1);
  });
});
