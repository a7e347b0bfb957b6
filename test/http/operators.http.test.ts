/** Operator keys, their scopes and the audit stream, over HTTP and from the command line. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { type Audited, createAudit, createAuditReader } from '../../src/gates/audit.ts';
import { createKeysCommand } from '../../src/gates/keys-command.ts';
import { createOperatorKeys, operatorKeyring } from '../../src/gates/operator-keys.ts';
import { auditRoutes } from '../../src/gates/audit-routes.ts';
import { createApp } from '../../src/http/app.ts';
import { createOpenApi } from '../../src/http/openapi.ts';
import { listen, type Server } from '../../src/http/server.ts';
import { sleep } from '../../src/lib/clock.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics/server.ts';
import { connectRedis, disconnectRedis } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import {
  call,
  type CallOptions,
  configWith,
  OPERATOR_KEY,
  sampleRoutes,
  SECRET,
  secrets,
} from '../support/app.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);
const log = createLog('silent');
let server: Server | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

/** The sample routes, of which importThings needs the scope `import`, and the audit stream. */
async function start(settings: Record<string, string> = {}) {
  const { redis } = used;
  const config = configWith(settings);
  const held = { runs: 0, gate: Promise.resolve(), started: () => undefined };
  const routes = [...sampleRoutes(redis, held), ...auditRoutes(createAuditReader(redis))];
  const app = createApp({ routes, redis, config, secrets, log, metrics: createMetrics() });
  const listening = await listen(app, { host: '127.0.0.1', port: 0 });
  server = listening;
  const csv = { body: 'a,b', headers: { 'content-type': 'text/csv' } };
  return {
    document: createOpenApi(routes),
    importThings: (token: string, options: CallOptions = {}) =>
      call(listening.url, 'POST', '/v1/admin/things', {
        token,
        ...csv,
        ...options,
        headers: { ...csv.headers, ...options.headers },
      }),
    readAudit: (token: string, query = '') =>
      call(listening.url, 'GET', `/v1/admin/audit${query}`, { token }),
  };
}

const keysOf = () => createKeysCommand(used.redis, log, 'asha');
async function makeKey(name: string, scopes: string): Promise<string> {
  const made = await keysOf().create(name, scopes);
  if ('problem' in made) throw new Error(made.problem);
  return made.key;
}
const lines = async (of?: Audited) => {
  const all = await createAuditReader(used.redis).page(500, undefined, of);
  return all.map(({ who, what, subject, outcome }) => `${who} ${what} ${subject} ${outcome}`);
};

describe('an operator key', () => {
  test('does what its scopes allow, and no more', async () => {
    const it = await start();
    const importer = await makeKey('importer', 'import');
    const auditor = await makeKey('auditor', 'audit,attest');
    expect((await it.importThings(importer)).status).toBe(200);
    expect((await it.readAudit(auditor)).status).toBe(200);
    const refused = await it.importThings(auditor);
    expect(refused.json).toMatchObject({ status: 403, code: 'SCOPE_MISSING', scope: 'import' });
    expect((await it.readAudit(importer)).json).toMatchObject({ code: 'SCOPE_MISSING' });
  });

  test('of the environment does everything, whatever Redis holds', async () => {
    const it = await start();
    expect((await it.importThings(OPERATOR_KEY)).status).toBe(200);
    expect((await it.readAudit(OPERATOR_KEY)).status).toBe(200);
  });

  test('is not in Redis, nor is anything it can be made from', async () => {
    const key = await makeKey('importer', 'import');
    const stored = JSON.stringify(await used.redis.hgetall(keys.operatorKeys()));
    expect(key).toMatch(/^fsk_[\w-]{43}$/);
    expect(stored).not.toContain(key.slice(4, 20));
    expect(JSON.parse(JSON.parse(stored).importer)).toMatchObject({
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      scopes: ['import'],
    });
  });

  test('that was revoked is refused by a process that knew it, after 2 s at most', async () => {
    const it = await start();
    const key = await makeKey('importer', 'import');
    expect((await it.importThings(key)).status).toBe(200);
    expect(await keysOf().revoke('importer')).toBe('REVOKED');
    await sleep(2_050);
    expect((await it.importThings(key)).json).toMatchObject({ code: 'OPERATOR_KEY_INVALID' });
  });

  test('is refused rather than believed from an old list while Redis is away', async () => {
    const away = connectRedis({ url: '/nowhere/redis.sock', cluster: false });
    away.on('error', () => undefined);
    const keyring = createOperatorKeys(away, OPERATOR_KEY);
    await expect(keyring.find('fsk_something')).rejects.toThrow();
    expect(await keyring.find(OPERATOR_KEY)).toMatchObject({ name: 'bootstrap' });
    await disconnectRedis(away);
  });

  test('that differs in a character, is the hash, or is endless, is none', async () => {
    const keyring = createOperatorKeys(used.redis, OPERATOR_KEY);
    const key = await makeKey('importer', 'import');
    expect(await keyring.find(key)).toEqual({ name: 'importer', scopes: ['import'] });
    const { hash } = JSON.parse(String(await used.redis.hget(keys.operatorKeys(), 'importer')));
    for (let place = 0; place < key.length; place++) {
      const other = key[place] === 'x' ? 'y' : 'x';
      expect(await keyring.find(key.slice(0, place) + other + key.slice(place + 1))).toBe(
        undefined,
      );
    }
    for (const wrong of [hash, '', `${key}=`, key.toUpperCase(), key.repeat(1_000)])
      expect(await keyring.find(wrong), wrong.slice(0, 60)).toBeUndefined();
  });

  test('when wrong too often makes its address wait, where a good key still passes', async () => {
    const it = await start({ LIMIT_WRONG_KEY_PER_ADDRESS: '3' });
    const wrong = (from: string) => it.importThings('fsk_wrong', { from });
    const codes = [];
    for (let i = 0; i < 6; i++) codes.push((await wrong('127.0.0.31')).json.code);
    expect(codes).toEqual([
      ...Array.from({ length: 3 }, () => 'OPERATOR_KEY_INVALID'),
      ...Array.from({ length: 3 }, () => 'TOO_MANY_REQUESTS'),
    ]);
    expect(Number((await wrong('127.0.0.31')).headers['retry-after'])).toBeGreaterThan(0);
    expect((await it.importThings(OPERATOR_KEY, { from: '127.0.0.31' })).status).toBe(200);
    expect((await wrong('127.0.0.32')).json.code).toBe('OPERATOR_KEY_INVALID');
  });

  test('has an Idempotency-Key of its own', async () => {
    const it = await start();
    const headers = { 'idempotency-key': 'the-same' };
    const [one, other] = [await makeKey('one', 'import'), await makeKey('other', 'import')];
    expect((await it.importThings(one, { headers })).status).toBe(200);
    const again = await it.importThings(other, { headers, body: 'something else' });
    expect(again.headers['idempotent-replayed']).toBeUndefined();
    expect(again.status).toBe(200);
  });
});

describe('making a key', () => {
  test.each([
    ['Importer', 'import', 'name'],
    ['bootstrap', 'import', 'name'],
    ['cli:root', 'import', 'name'],
    ['x', 'import', 'name'],
    ['importer', '', 'scopes'],
    ['importer', 'import,everything', 'scopes'],
    ['importer', '__proto__', 'scopes'],
  ])('named %j with the scopes %j is refused and changes nothing', async (name, scopes, about) => {
    const made = await keysOf().create(name, scopes);
    expect(made).toEqual({ problem: expect.stringContaining(`--${about}`) });
    expect(await used.redis.exists(keys.operatorKeys(), keys.operatorAudit())).toBe(0);
  });

  test('twice by the same name gives one key, however many try at once', async () => {
    const made = await Promise.all(
      Array.from({ length: 20 }, () => keysOf().create('importer', 'import')),
    );
    expect(made.filter((one) => 'key' in one)).toHaveLength(1);
    expect(await keysOf().list()).toMatchObject([{ name: 'importer', scopes: ['import'] }]);
    expect(await keysOf().revoke('another')).toEqual({ problem: 'No key is named another.' });
  });

  test('for centres names them, and what finds the key knows them', async () => {
    const made = await keysOf().create('pune', 'vaccinator', '6291, 6292,6291');
    const key = 'key' in made ? made.key : '';
    const bound = { name: 'pune', scopes: ['vaccinator'], centres: ['6291', '6292'] };
    expect(await createOperatorKeys(used.redis, OPERATOR_KEY).find(key)).toEqual(bound);
    expect(await keysOf().list()).toEqual([{ ...bound, createdAt: expect.any(String) }]);
  });

  test.each([
    ['vaccinator', ''],
    ['vaccinator', '6291,'],
    ['vaccinator', 'no such place'],
    ['vaccinator', Array.from({ length: 101 }, (_, i) => i).join(',')],
    ['import', '6291'],
  ])('with the scope %j for the centres %.20j is refused', async (scopes, centres) => {
    const made = await keysOf().create('pune', scopes, centres);
    expect(made).toEqual({ problem: expect.stringContaining('--centres') });
    expect(await used.redis.exists(keys.operatorKeys())).toBe(0);
  });

  test('with a bad name and a bad scope is refused with both', async () => {
    expect(await keysOf().create('p', 'nothing')).toEqual({
      problem: expect.stringMatching(/^--name: .+\n--scopes: /),
    });
  });

  test('ends at a thousand, each of which is found, until it is revoked', async () => {
    const keyring = operatorKeyring(used.redis);
    const found = createOperatorKeys(used.redis, OPERATOR_KEY);
    const scopes = ['vaccinator'];
    const many = Array.from({ length: 998 }, (_, i) => [
      `key-${i}`,
      JSON.stringify({ hash: i.toString(16).padStart(64, '0'), scopes, createdAtMs: 1 }),
    ]);
    await used.redis.hset(keys.operatorKeys(), Object.fromEntries(many));
    const before = await makeKey('before', 'vaccinator');
    expect(await found.find(before)).toEqual({ name: 'before', scopes });
    const last = await makeKey('last', 'vaccinator');
    expect(await keyring.create('one-more', ['ops'])).toBe('TOO_MANY');
    await keyring.revoke('before');
    const again = await makeKey('before', 'import');
    await sleep(2_050);
    expect(await found.find(last)).toEqual({ name: 'last', scopes });
    expect(await found.find(before)).toBeUndefined();
    expect(await found.find(again)).toEqual({ name: 'before', scopes: ['import'] });
  });

  test('from the command line prints it once, and stands in the audit stream', async () => {
    const fairslot = async (...parameters: string[]) => {
      const child = spawn(
        process.execPath,
        [fileURLToPath(new URL('../../src/cli.ts', import.meta.url)), ...parameters],
        {
          env: {
            ...process.env,
            NODE_ENV: 'test',
            REDIS_URL: used.server.address.url,
            REDIS_CLUSTER: String(used.server.address.cluster),
            FAIRSLOT_SECRET: SECRET,
            FAIRSLOT_OPERATOR_KEY: OPERATOR_KEY,
          },
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      );
      const [out, err, [code]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, 'exit'),
      ]);
      return { out: out.trim(), err: err.trim(), code: Number(code) };
    };
    const made = await fairslot('keys', 'create', '--name', 'importer', '--scopes', 'import,ops');
    expect(made).toMatchObject({ code: 0, out: expect.stringMatching(/^fsk_[\w-]{43}$/) });
    expect((await fairslot('keys', 'create', '--name', 'importer', '--scopes', 'ops')).code).toBe(
      1,
    );
    const listed = await fairslot('keys', 'list');
    expect(JSON.parse(listed.out)).toMatchObject([{ name: 'importer', scopes: ['import', 'ops'] }]);
    expect(listed.out).not.toContain(made.out);
    expect((await fairslot('keys', 'revoke', 'importer')).code).toBe(0);
    const centre = ['--name', 'pune', '--scopes', 'vaccinator', '--centres', '6291'];
    expect((await fairslot('keys', 'create', ...centre)).code).toBe(0);
    expect(await keysOf().list()).toMatchObject([{ name: 'pune', centres: ['6291'] }]);
    const who = (await lines()).map((line) => line.replace(/^cli:[\w.-]+ /, 'cli '));
    expect(who.toReversed()).toEqual([
      'cli createKey importer STARTED',
      'cli createKey importer DONE',
      'cli createKey importer STARTED',
      'cli createKey importer EXISTS',
      'cli revokeKey importer STARTED',
      'cli revokeKey importer REVOKED',
      'cli createKey pune STARTED',
      'cli createKey pune DONE',
    ]);
  }, 60_000);
});

describe('the audit stream', () => {
  test('has what was done, what was refused, and what a key had no scope for', async () => {
    const it = await start();
    const importer = await makeKey('importer', 'import');
    const auditor = await makeKey('auditor', 'audit');
    await used.redis.del(keys.operatorAudit());
    await it.importThings(importer);
    await it.importThings(auditor);
    await it.importThings('fsk_wrong');
    await it.readAudit(auditor);
    expect((await lines()).toReversed()).toEqual([
      'importer importThings  STARTED',
      'importer importThings  DONE',
      'auditor importThings  SCOPE_MISSING',
    ]);
  });

  test('of operators has no line of a key that is of centres alone, whatever it tries', async () => {
    const it = await start();
    const centre = await makeKey('centre', 'vaccinator');
    const both = await makeKey('both', 'vaccinator,attest');
    await used.redis.del(keys.operatorAudit());
    await it.importThings(centre);
    await it.readAudit(centre);
    await it.importThings(both);
    expect(await lines()).toEqual(['both importThings  SCOPE_MISSING']);
    expect((await lines('centres')).toReversed()).toEqual([
      'centre importThings  SCOPE_MISSING',
      'centre readAudit  SCOPE_MISSING',
    ]);
  });

  test('has one action for a request that is repeated by its Idempotency-Key', async () => {
    const it = await start();
    const headers = { 'idempotency-key': 'once' };
    await it.importThings(OPERATOR_KEY, { headers });
    await it.importThings(OPERATOR_KEY, { headers });
    expect(await lines()).toHaveLength(2);
  });

  test('is written before anything is done: what cannot be written is not done', async () => {
    const away = connectRedis({ url: '/nowhere/redis.sock', cluster: false });
    away.on('error', () => undefined);
    let done = 0;
    const action = { who: 'importer', what: 'importThings', subject: '', requestId: 'r' };
    const work = async (): Promise<void> => void (done += 1);
    await expect(createAudit(away, log).audited(action, work, () => 'DONE')).rejects.toThrow();
    expect(done).toBe(0);
    await disconnectRedis(away);
  });

  test('has the failure of what failed', async () => {
    const action = { who: 'importer', what: 'importThings', subject: '', requestId: 'r' };
    const work = () => Promise.reject(new Error('broken'));
    await expect(createAudit(used.redis, log).audited(action, work, () => 'DONE')).rejects.toThrow(
      'broken',
    );
    expect((await lines())[0]).toBe('importer importThings  FAILED');
  });

  test('is read in pages, newest first, each line once', async () => {
    const it = await start();
    const { write } = createAudit(used.redis, log);
    for (let i = 0; i < 25; i++)
      await write({ who: 'a', what: 'b', subject: String(i), requestId: 'r' }, 'DONE');
    const read: string[] = [];
    let query = '?limit=10';
    for (;;) {
      const page = await it.readAudit(OPERATOR_KEY, query);
      expect(page.status).toBe(200);
      for (const { subject } of page.json.lines) read.push(subject);
      if (page.json.next === null) break;
      query = `?limit=10&before=${page.json.next}`;
    }
    expect(read).toEqual(Array.from({ length: 25 }, (_, i) => String(24 - i)));
  });

  test.each(['?limit=0', '?limit=501', '?limit=x', '?before=x', '?before=1', '?before=-', '?a=1'])(
    'refuses %s',
    async (query) => {
      const it = await start();
      expect((await it.readAudit(OPERATOR_KEY, query)).json.code).toBe('REQUEST_INVALID');
    },
  );

  test('is cut at its length', async () => {
    const { write } = createAudit(used.redis, log);
    const filled = used.redis.pipeline();
    for (let i = 0; i < 101_000; i++) filled.xadd(keys.operatorAudit(), '*', 'who', 'x');
    await filled.exec();
    await write({ who: 'a', what: 'b', subject: '', requestId: 'r' }, 'DONE');
    const length = await used.redis.xlen(keys.operatorAudit());
    expect(length).toBeGreaterThanOrEqual(100_000);
    expect(length).toBeLessThan(100_300);
  }, 30_000);
});

test('OpenAPI names the scope that each operation needs', async () => {
  const { document } = await start();
  expect(document.paths?.['/v1/admin/audit']?.get?.security).toEqual([{ operatorKey: ['audit'] }]);
  expect(document.paths?.['/v1/admin/things']?.post?.security).toEqual([
    { operatorKey: ['import'] },
  ]);
});
