import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { keys } from '../../src/redis/keys.ts';
import { OPERATOR_KEY, startApp, type TestApp, tokenOf } from '../support/app.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis();
let it: TestApp;
let token: string;
beforeAll(async () => {
  it = await startApp(used.redis, {
    LIMIT_WRITE_PER_ACCOUNT: '1000',
    LIMIT_WRITE_PER_ADDRESS: '1000',
  });
  token = await tokenOf('account-1');
});
afterAll(() => it.server.close());
beforeEach(() => {
  it.held.runs = 0;
  it.held.gate = Promise.resolve();
});

const KEY = '0198c0de-0000-7000-8000-000000000001';
const STORED = keys.idempotency('account-1', KEY);
const THING = { name: 'Asha Kale', sizes: [1] };
const write = (key: string, body: object = THING, as = token, path = '/v1/things/one') =>
  it.call('PUT', path, { token: as, body, headers: { 'idempotency-key': key } });

describe('an Idempotency-Key', () => {
  test('gives the same answer again without doing the work again', async () => {
    const first = await write(KEY);
    const again = await write(KEY);
    expect(first.status).toBe(200);
    expect(first.headers['idempotent-replayed']).toBeUndefined();
    expect(again.text).toBe(first.text);
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.headers['x-request-id']).not.toBe(first.headers['x-request-id']);
    expect(it.held.runs).toBe(1);
  });

  test('lets one of 50 requests at once do the work', async () => {
    const held = it.hold();
    const all = Array.from({ length: 50 }, () => write(KEY));
    await held.started;
    const early = await Promise.race(all);
    expect(early.json).toMatchObject({ status: 409, code: 'IDEMPOTENCY_IN_FLIGHT' });
    expect(early.headers['retry-after']).toBe('1');
    held.release();
    const answers = await Promise.all(all);
    expect(it.held.runs).toBe(1);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(1);
    expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true);
    expect((await write(KEY)).json).toMatchObject({ run: 1 });
  });

  test('is not shared by two requests that name themselves alike', async () => {
    const held = it.hold();
    const options = {
      token,
      body: THING,
      headers: { 'idempotency-key': KEY, 'x-request-id': KEY },
    };
    const first = it.call('PUT', '/v1/things/one', options);
    await held.started;
    const second = await it.call('PUT', '/v1/things/one', options);
    held.release();
    expect(second.json['code']).toBe('IDEMPOTENCY_IN_FLIGHT');
    expect((await first).status).toBe(200);
  });

  test('is refused for another body, and for another path', async () => {
    await write(KEY);
    const reused = { status: 422, code: 'IDEMPOTENCY_KEY_REUSED' };
    expect((await write(KEY, { ...THING, sizes: [2] })).json).toMatchObject(reused);
    expect((await write(KEY, THING, token, '/v1/things/two')).json).toMatchObject(reused);
  });

  test('belongs to one account', async () => {
    await write(KEY);
    const answer = await write(KEY, THING, await tokenOf('account-2'));
    expect(answer.json).toMatchObject({ account: 'account-2', run: 2 });
  });

  test('works for operators', async () => {
    const options = {
      token: OPERATOR_KEY,
      body: 'a',
      headers: { 'idempotency-key': KEY, 'content-type': 'text/csv' },
    };
    await it.call('POST', '/v1/admin/things', options);
    const again = await it.call('POST', '/v1/admin/things', options);
    expect(again.headers['idempotent-replayed']).toBe('true');
  });

  test.each(['', 'x'.repeat(65), 'a b', 'é'])('%j is refused', async (key) => {
    expect((await write(key)).json).toMatchObject({ status: 400, code: 'IDEMPOTENCY_KEY_INVALID' });
  });

  test.each([
    ['a fault', 'broken', 500],
    ['a refusal', 1, 400],
    ['a refusal that says when to come again', 'later', 409],
  ])('does not keep %s', async (_case, name, status) => {
    expect((await write(KEY, { name, sizes: [] })).status).toBe(status);
    await expect.poll(() => used.redis.exists(STORED)).toBe(0);
    expect((await write(KEY)).status).toBe(200);
  });

  test('keeps its answer for a day, encrypted', async () => {
    await write(KEY);
    const stored = await used.redis.get(STORED);
    expect(stored).toMatch(/^\S+ reply 1\.\S+$/);
    expect(stored).not.toContain('Asha');
    const ttl = await used.redis.ttl(STORED);
    expect(ttl).toBeGreaterThan(86_000);
    expect(ttl).toBeLessThanOrEqual(86_400);
  });

  test('of an answer over 4 KiB does the work again, and keeps nothing of it', async () => {
    const sized = (bytes: number) => ({ ...THING, name: 'x'.repeat(bytes) });
    await write(KEY, sized(3_800));
    expect(await used.redis.strlen(STORED)).toBeGreaterThan(3_800);
    await write(KEY, sized(3_800));
    expect(it.held.runs).toBe(1);
    const other = `${KEY}-longer`;
    const large = await write(other, sized(4_100));
    expect(large.status).toBe(200);
    await expect.poll(() => used.redis.exists(keys.idempotency('account-1', other))).toBe(0);
    const again = await write(other, sized(4_100));
    expect(again.json).toMatchObject({ run: 3 });
    expect(again.headers['idempotent-replayed']).toBeUndefined();
  });

  test('keeps 200 answers of an account in a day; what comes after is done again', async () => {
    for (let one = 0; one < 20; one++)
      await Promise.all(Array.from({ length: 10 }, (_, i) => write(`${one}-${i}`)));
    const kept = async () => (await used.redis.keys(keys.idempotency('account-1', '*'))).length;
    expect(await kept()).toBe(200);
    const runs = it.held.runs;
    expect((await write('one-more')).status).toBe(200);
    await expect.poll(kept).toBe(200);
    expect((await write('one-more')).json).toMatchObject({ run: runs + 2 });
    expect((await write('0-0')).headers['idempotent-replayed']).toBe('true');
    const other = await tokenOf('account-2');
    await write(KEY, THING, other);
    expect((await write(KEY, THING, other)).headers['idempotent-replayed']).toBe('true');
    expect(await used.redis.ttl(keys.attempts('account-1'))).toBeGreaterThan(86_000);
  });

  test('of a process that died is free again after 20 s', async () => {
    const held = it.hold();
    const first = write(KEY);
    await held.started;
    const ttl = await used.redis.ttl(STORED);
    held.release();
    await first;
    expect(ttl).toBeGreaterThan(15);
    expect(ttl).toBeLessThanOrEqual(20);
  });

  test('of a request that took longer is left to whoever has it by then', async () => {
    const held = it.hold();
    const first = write(KEY, { name: 'broken', sizes: [] });
    await held.started;
    const mark = 'fingerprint pending another';
    await used.redis.set(STORED, mark); // the first one's has ended
    held.release();
    expect((await first).status).toBe(500);
    expect(await used.redis.get(STORED)).toBe(mark); // asked after the first was answered
  });

  test('is ignored by reads', async () => {
    const headers = { 'idempotency-key': 'a b' };
    expect((await it.call('GET', '/v1/things/one', { headers })).status).toBe(200);
  });
});
