import { afterEach, describe, expect, test } from 'vitest';
import { createAccessTokens } from '../../src/gates/access-tokens.ts';
import { OPERATOR_KEY, SECRET, startApp, type TestApp, tokenOf } from '../support/app.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis();
let it: TestApp;
afterEach(() => it.server.close());

const THING = { name: 'a thing', sizes: [] };
const anHourAgo = () => Date.now() - 3_600_000;

describe('a gate', () => {
  test('refuses a caller without, with a damaged, a foreign, or an expired access token', async () => {
    it = await startApp(used.redis);
    const good = await tokenOf('account-1');
    const foreign = createAccessTokens(['another secret of more than 32 characters']);
    const old = createAccessTokens([SECRET], anHourAgo);
    const cases = [
      ['ACCESS_TOKEN_MISSING', undefined],
      ['ACCESS_TOKEN_INVALID', `${good}x`],
      [
        'ACCESS_TOKEN_INVALID',
        (await foreign.issue({ account: 'account-1', epoch: 0 })).accessToken,
      ],
      ['ACCESS_TOKEN_INVALID', OPERATOR_KEY],
      ['ACCESS_TOKEN_EXPIRED', (await old.issue({ account: 'account-1', epoch: 0 })).accessToken],
    ] as const;
    for (const [code, token] of cases) {
      const options = token === undefined ? { body: THING } : { token, body: THING };
      const answer = await it.call('PUT', '/v1/things/one', options);
      expect(answer.json).toMatchObject({ status: 401, code });
      expect(answer.headers['www-authenticate']).toBe('Bearer');
    }
    expect(it.held.runs).toBe(0);
  });

  test("refuses an operator's route to whoever lacks the key, an account too", async () => {
    it = await startApp(used.redis);
    for (const options of [{}, { token: 'x' }, { token: await tokenOf('account-1') }]) {
      const answer = await it.call('POST', '/v1/admin/things', { ...options, body: 'a' });
      expect(answer.json).toMatchObject({ status: 401, code: 'OPERATOR_KEY_INVALID' });
    }
  });

  test('refuses an address that is over its limit, and no other', async () => {
    it = await startApp(used.redis, { LIMIT_READ_PER_ADDRESS: '3' });
    const read = (from: string) => it.call('GET', '/v1/things/one', { from });
    for (let request = 0; request < 3; request++)
      expect((await read('127.0.0.21')).status).toBe(200);
    const refused = await read('127.0.0.21');
    expect(refused.json).toMatchObject({
      status: 429,
      code: 'TOO_MANY_REQUESTS',
      limit: 'read-address',
    });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(refused.headers['ratelimit']).toMatch(
      /^"read-address";r=0;t=\d+, "read-network";r=\d+;t=\d+$/,
    );
    expect((await read('127.0.0.22')).status).toBe(200);
  });

  test('refuses an account that is over its limit, from any address', async () => {
    it = await startApp(used.redis, { LIMIT_WRITE_PER_ACCOUNT: '2' });
    const token = await tokenOf('account-1');
    const write = (from: string, as = token) =>
      it.call('PUT', '/v1/things/one', { from, token: as, body: THING });
    await write('127.0.0.21');
    await write('127.0.0.22');
    expect((await write('127.0.0.23')).json).toMatchObject({
      code: 'TOO_MANY_REQUESTS',
      limit: 'write-account',
    });
    expect(it.held.runs).toBe(2);
    expect((await write('127.0.0.23', await tokenOf('account-2'))).status).toBe(200);
  });

  test('answers probes however many there are', async () => {
    it = await startApp(used.redis, { LIMIT_READ_PER_ADDRESS: '1' });
    for (let request = 0; request < 5; request++) {
      expect((await it.call('GET', '/livez')).status).toBe(200);
      expect((await it.call('GET', '/readyz')).status).toBe(200);
    }
  });
});
