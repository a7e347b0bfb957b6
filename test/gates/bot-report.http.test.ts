/** The bad-bot report over HTTP: what requests leave in it, who may read it, and what is not in it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createKeysCommand } from '../../src/gates/keys-command.ts';
import { networkIdOf } from '../../src/gates/origin.ts';
import { present } from '../../src/lib/assert.ts';
import { createLog } from '../../src/log.ts';
import { keys } from '../../src/redis/keys.ts';
import { type Answered, OPERATOR_KEY, SECRET, secrets } from '../support/app.ts';
import { fresh, publishRelease, register, type TestRelease } from '../support/engine.ts';
import { type Gated, startGated } from '../support/gated.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);
let it: Gated;
let release: TestRelease;
beforeEach(async () => {
  it = await startGated(used.redis, { LIMIT_ADMIN_PER_ADDRESS: '10000' });
  release = await publishRelease(it.engine, used.redis, { seats: [5] });
});
afterEach(() => it.server.close());

const keyWith = async (scopes: string): Promise<string> => {
  const made = await createKeysCommand(used.redis, createLog('silent'), 'asha').create(
    fresh('key'),
    scopes,
  );
  if ('problem' in made) throw new Error(made.problem);
  return made.key;
};
const report = (token = OPERATOR_KEY, file = 'bots', query = '') =>
  it.call('GET', `/v1/admin/releases/${release.release}/${file}${query}`, { token });

/** Signed in on a device, with one person; `from`: a loopback address. */
async function arrive(from: string) {
  const account = fresh('account');
  const person = await register(it.engine, account);
  const { deviceToken, device } = await it.newDevice();
  const token = await it.tokenFor(account, device);
  return { account, person, device, asker: { token, device: deviceToken, from } };
}
type Citizen = Awaited<ReturnType<typeof arrive>>;

async function enter({ person, asker }: Citizen, solved = true): Promise<Answered> {
  const solution = solved ? await it.solve(`enter:${release.release}`, asker) : undefined;
  const body = { beneficiaries: [person], preferences: release.slots };
  const path = `/v1/releases/${release.release}/entry`;
  return it.send('PUT', path, { ...asker, body, ...(solution !== undefined && { solution }) });
}
const network = (from: string): string =>
  `network:${networkIdOf(secrets, from.split('.').slice(0, 3).join('.'))}`;

/** What a script does: one entry, and many posts without a solution. */
async function play(posts: number) {
  const honest = await arrive('127.0.1.5');
  const bot = await arrive('127.0.2.5');
  expect((await enter(honest)).status).toBe(200);
  expect((await enter(bot)).status).toBe(200);
  for (let i = 0; i < posts; i++) expect((await enter(bot, false)).status).toBe(403);
  return { honest, bot };
}

describe('the report', () => {
  test('names who was refused, and has it all once the server has stopped', async () => {
    const { honest, bot } = await play(12);
    await it.call('GET', '/v1/nothing', { from: '127.0.3.5' });
    await it.call('GET', `/v1/releases/${release.release}/rounds/7`, { from: '127.0.3.6' });
    await it.call('GET', '/v1/releases/made-up', { from: '127.0.3.5' });
    await it.server.close();
    it = await startGated(used.redis);
    const { status, json } = await report();
    expect(status).toBe(200);
    expect(json).toMatchObject({ release: release.release, exact: true, people: 2 });
    expect(json.refusals).toMatchObject({
      total: 13,
      byReason: [
        { code: 'CAPTCHA_MISSING', count: 12, share: 12 / 13 },
        { code: 'ROUND_UNKNOWN', count: 1 },
      ],
    });
    expect(json.refusals.offenders.slice(0, 4)).toMatchObject([
      { name: `account:${bot.account}`, refusals: 12, people: 1, shareOfPeople: 0.5 },
      { name: `device:${bot.device}`, refusals: 12, people: 1 },
      { name: network('127.0.2.0'), refusals: 12, people: 1 },
      { name: network('127.0.3.0'), refusals: 1, people: 0 },
    ]);
    expect(json.entrants[1].top.map(({ name }: { name: string }) => name).toSorted()).toEqual(
      [bot, honest].map(({ device }) => `device:${device}`).toSorted(),
    );
    expect(json.door).toMatchObject({ complete: true });
    expect(json.door.byReason).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ code: 'ROUTE_UNKNOWN', count: 1 }),
        expect.objectContaining({ code: 'RELEASE_UNKNOWN', count: 1 }),
      ]),
    );
  });

  test('counts a release that stands in a body, and none for an operator with a good key', async () => {
    const bot = await arrive('127.0.2.5');
    const body = { release: release.release, beneficiary: bot.person, slot: release.slots[0] };
    const solution = await it.solve(`book:${release.release}`, bot.asker);
    const booked = await it.send('POST', '/v1/bookings', { ...bot.asker, body, solution });
    expect(booked.json.code).toBe('NOT_IMMEDIATE');
    const publish = `/v1/admin/releases/${release.release}/publish`;
    const asOperator = { token: OPERATOR_KEY, from: '127.0.4.5' };
    expect((await it.call('POST', publish, asOperator)).json.code).toBe('RELEASE_PUBLISHED');
    const wrong = { token: 'x'.repeat(40), from: '127.0.5.5' };
    expect((await it.call('POST', publish, wrong)).json.code).toBe('OPERATOR_KEY_INVALID');
    await it.app.finish();
    const { json } = await report();
    expect(json.refusals.byReason).toMatchObject([{ code: 'NOT_IMMEDIATE', count: 1 }]);
    expect(json.door.byReason).toMatchObject([{ code: 'OPERATOR_KEY_INVALID', count: 1 }]);
    expect(json.door.offenders).toMatchObject([{ name: network('127.0.5.0'), refusals: 1 }]);
  });

  test('is read with the scope audit, and with no other', async () => {
    const auditor = await keyWith('audit');
    const others = await keyWith('ops,import,attest,vaccinator');
    for (const file of ['bots', 'bots.csv']) {
      expect((await report(auditor, file)).status).toBe(200);
      const refused = await report(others, file);
      expect(refused).toMatchObject({ status: 403, json: { scope: 'audit' } });
      expect((await report(await it.tokenFor('account-1'), file)).status).toBe(401);
    }
  });

  test('names as many as are asked for', async () => {
    await play(2);
    await it.app.finish();
    const { json } = await report(OPERATOR_KEY, 'bots', '?top=1');
    expect(json.entrants[0]).toMatchObject({ callers: 2, top: [{}] });
    expect(json.entrants[0].top).toHaveLength(1);
    for (const top of ['0', '1001', 'x'])
      expect((await report(OPERATOR_KEY, 'bots', `?top=${top}`)).status).toBe(400);
  });

  test('is one table as CSV, which says the same', async () => {
    await play(3);
    await it.app.finish();
    const { json } = await report();
    const csv = await report(OPERATOR_KEY, 'bots.csv');
    expect(csv.headers['content-type']).toContain('text/csv');
    expect(csv.headers['content-disposition']).toContain(`${release.release}-bots.csv`);
    const rows: Record<string, string>[] = parse(csv.text, { columns: true });
    for (const { name, refusals, people } of json.refusals.offenders)
      expect(rows).toContainEqual(
        expect.objectContaining({
          section: 'refused',
          name,
          refusals: String(refusals),
          people: String(people),
        }),
      );
    expect(rows[0]).toMatchObject({ section: 'release', people: '2', refusals: '3' });
  });
});

/** All that Redis holds. */
async function contents(): Promise<string> {
  const { redis } = used;
  const names = await redis.keys('*');
  const values = await Promise.all(
    names.map(async (name) => {
      const type = await redis.type(name);
      if (type === 'hash') return redis.hgetall(name);
      if (type === 'zset') return redis.zrange(name, 0, '-1', 'WITHSCORES');
      if (type === 'set') return redis.smembers(name);
      if (type === 'list') return redis.lrange(name, 0, -1);
      return type === 'stream' ? redis.xrange(name, '-', '+') : redis.get(name);
    }),
  );
  return JSON.stringify([names, values]);
}

test('no address and no network stands in Redis or in a report, in any form of it', async () => {
  await play(3);
  await it.call('GET', '/v1/nothing', { from: '127.0.2.5' });
  await it.app.finish();
  const all = await contents();
  const shown = [(await report()).text, (await report(OPERATOR_KEY, 'bots.csv')).text].join('\n');
  expect(all).toContain(network('127.0.2.0').slice('network:'.length));
  expect(shown).toContain(network('127.0.2.0'));
  for (const clear of ['127.0.1', '127.0.2']) {
    const forms = [
      clear,
      ...(['hex', 'base64url'] as const).map((e) => Buffer.from(clear).toString(e)),
    ];
    for (const form of forms) {
      expect(all).not.toContain(form);
      expect(shown).not.toContain(form);
    }
  }
  expect(await used.redis.hget(keys.accounts(release.release), 'n:127.0.2')).toBeNull();
});

test('the command line prints it for people, writes it as CSV, and prints it as JSON', async () => {
  await play(4);
  await it.app.finish();
  const directory = mkdtempSync(join(tmpdir(), 'fairslot-bots-'));
  const run = async (...parameters: string[]): Promise<string> => {
    const child = spawn(
      process.execPath,
      [
        fileURLToPath(new URL('../../src/cli.ts', import.meta.url)),
        '--url',
        it.server.url,
        'release',
        'bots',
        release.release,
        ...parameters,
      ],
      {
        env: { ...process.env, FAIRSLOT_SECRET: SECRET, FAIRSLOT_OPERATOR_KEY: OPERATOR_KEY },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const [printed, [status]] = await Promise.all([
      text(present(child.stdout, 'its output')),
      once(child, 'exit'),
    ]);
    expect(status).toBe(0);
    return printed;
  };
  try {
    const file = join(directory, 'bots.csv');
    expect(await run()).toMatch(/2 people entered[\s\S]*CAPTCHA_MISSING +4 +100\.0 % █/);
    expect(await run('--csv', file)).toBe('');
    const written = readFileSync(file, 'utf8');
    expect(written).toContain('refused,reason,CAPTCHA_MISSING');
    expect(await run('--csv', '-')).toBe(written);
    expect(JSON.parse(await run('--json', '--top', '1'))).toMatchObject({ people: 2 });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
