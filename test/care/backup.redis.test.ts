/** Backup and restore of a running engine. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { crc32, gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { backUp } from '../../src/care/backup.ts';
import { backupWriter } from '../../src/care/backup-format.ts';
import { restore } from '../../src/care/restore.ts';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { createSecrets, markOf } from '../../src/lib/secrets.ts';
import { connectRedis, disconnectRedis, type Redis } from '../../src/redis/client.ts';
import { type EmbeddedRedis, startEmbeddedRedis } from '../../src/redis/embedded.ts';
import { HoldLost } from '../../src/redis/hold.ts';
import { keys } from '../../src/redis/keys.ts';
import { isRefusal } from '../../src/refusal.ts';
import { verifyOwn } from '../../src/rounds/verify/verify-own.ts';
import { file as fileOf } from '../rounds/files.ts';
import { SECRET } from '../support/app.ts';
import {
  bookingOf,
  engineOn,
  fresh,
  granted,
  letPass,
  nextRound,
  publishRelease,
  registerMany,
  stateOf,
  verify,
} from '../support/engine.ts';
import { ON_CLUSTER, useRedis } from '../support/redis.ts';
import { contentsOf } from './contents.ts';

const test = useRedis(['--appendfsync', 'no']);
const secrets = createSecrets(SECRET);
const MARK = [keys.secretMark(), markOf(secrets)] as const;

/** Of the other kind: a backup of one Redis goes into a cluster, and the other way round. */
let otherServer: EmbeddedRedis;
let other: Redis;
/** Nobody writes on it: what waits on a connection holds up all that is behind it. */
let reader: Redis;
let directory: string;
let engine: Engine;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'fairslot-backup-'));
  otherServer = await startEmbeddedRedis({ cluster: !ON_CLUSTER });
  other = connectRedis(otherServer.address);
  reader = connectRedis(test.server.address);
});
afterAll(async () => {
  await Promise.all([disconnectRedis(other), disconnectRedis(reader)]);
  await otherServer.stop();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(async () => {
  await other.flushall();
  engine = engineOn(test.redis);
  await test.redis.set(...MARK); // as an engine does when it starts
});

const named = (name: string): string => join(directory, fresh(name));
const save = (file: string, redis: Redis = reader, holdAtMostMs = 30_000) =>
  backUp({ redis, secrets, file, holdAtMostMs });
const load = (file: string, { replace = false, by = secrets } = {}) =>
  restore({ redis: other, secrets: by, file, replace });
const taken = async (): Promise<string> => {
  const file = named('backup');
  await save(file);
  return file;
};
/** The lines of a backup, changed and packed again. */
function altered(file: string, change: (lines: string[]) => string[]): string {
  const lines = gunzipSync(readFileSync(file)).toString('utf8').split('\n');
  const target = named('altered');
  writeFileSync(target, gzipSync(change(lines).join('\n')));
  return target;
}

type Entered = { readonly entryId: string; readonly receipt: object };

/** An evening under way: a drawn round with offers, one of them confirmed, and entries since. */
async function evening() {
  const { release, slots } = await publishRelease(engine, test.redis, { seats: [2, 1] });
  const people = await registerMany(engine, 9);
  const enter = async ({ account, person }: (typeof people)[number]) =>
    granted(
      await engine.rounds.enter(account, release, { beneficiaries: [person], preferences: slots }),
    );
  const [early, late] = [people.slice(0, 6), people.slice(6)];
  const entries = [];
  for (const one of early) entries.push(await enter(one));
  await letPass(test.redis, 600);
  await nextRound(engine, release);
  const states = await Promise.all(early.map(({ person }) => stateOf(engine, release, person)));
  const winners = early.filter((_one, index) => states[index] === 'OFFERED');
  const [booked, offered, cancels] = winners.map((one) => present(one, 'a winner'));
  for (const one of late) entries.push(await enter(one));
  const confirmed = present(booked, 'somebody with a seat');
  granted(
    await engine.bookings.confirm(
      confirmed.account,
      await bookingOf(engine, confirmed.account, release),
    ),
  );
  return {
    release,
    people,
    entries,
    booked: confirmed,
    offered: present(offered, 'somebody with an offer'),
    cancels: present(cancels, 'somebody with an offer'),
  };
}

/** What the verifier says of a receipt and a proof, given all that an engine has published. */
async function lookUp(on: Engine, release: string, entry: Entered, withProof: boolean) {
  const rounds = granted(await on.rounds.rounds(release));
  const files = await Promise.all(
    rounds.map(async ({ round }) =>
      fileOf(`round ${round}`, await buffer(on.stores.rounds.transcript(release, round))),
    ),
  );
  const proof = withProof && granted(await on.rounds.proof(release, entry.entryId));
  return verifyOwn(files, {
    receipt: { name: 'receipt', text: JSON.stringify(entry.receipt) },
    ...(proof && { proof: { name: 'proof', text: JSON.stringify(proof) } }),
  });
}

describe('a backup', () => {
  it('is all there is, in a Redis and a cluster alike, with each lifetime', async () => {
    await evening();
    await test.redis.set(keys.captcha('of-a-minute'), 'x', 'PX', 60_000);
    await test.redis.set(keys.captcha('bytes'), Buffer.from([0, 255, 128, 10, 34]));
    const many = Array.from({ length: 300 }, (_one, index) => `element ${index}`);
    await test.redis.rpush(keys.happened('long'), ...many);
    await test.redis.sadd(keys.attended('long'), ...many);
    await test.redis.hset(keys.told('long'), ...many);
    await test.redis.zadd(
      keys.offenders('long', 'account'),
      ...many.flatMap((one, at) => [at / 7, one]),
    );
    for (const one of many) await test.redis.xadd(keys.audit('long'), '*', 'e', one, 'more', 'x');
    await test.redis.xtrim(keys.audit('long'), 'MAXLEN', 128);
    const held = await contentsOf(test.redis);

    const file = named('backup');
    const done = await save(file);
    expect(done.keys).toBe(Object.keys(held).length);
    expect(await load(file)).toMatchObject({ keys: done.keys, sha256: done.sha256, expired: 0 });
    expect(await contentsOf(other)).toEqual(held);
    // Once more over what is there, and from there back again.
    expect(await load(file, { replace: true })).toMatchObject({ keys: done.keys });
    const back = named('backup');
    await save(back, other);
    await test.redis.flushall();
    await restore({ redis: test.redis, secrets, file: back, replace: false });
    expect(await contentsOf(test.redis)).toEqual(held);
  });

  it('lets the evening go on: rounds, offers, receipts and proofs of before are good', async () => {
    const { release, people, entries, booked, offered, cancels } = await evening();
    const file = await taken();
    await test.redis.flushall();
    await load(file);
    const restored = engineOn(other);
    const state = ({ person }: { person: string }) => stateOf(restored, release, person);

    expect(await state(booked)).toBe('BOOKED');
    const held = await bookingOf(restored, offered.account, release);
    expect(granted(await restored.bookings.confirm(offered.account, held))).toMatchObject({
      state: 'booked',
    });
    const given = await bookingOf(restored, cancels.account, release);
    granted(await restored.bookings.cancel(cancels.account, given));
    for (const { person } of people) expect(await state({ person })).not.toBe('NONE');
    await letPass(other, 60);
    await nextRound(restored, release);
    expect(await verify(restored, release)).toMatchObject({ accepted: true });
    const states = await Promise.all(people.map(state));
    expect(states.filter((one) => one === 'OFFERED' || one === 'BOOKED')).toHaveLength(3);
    for (const [index, entry] of entries.entries())
      expect(await lookUp(restored, release, entry, index < 6)).toMatchObject({ accepted: true });
    // F1 holds where it held.
    const next = await publishRelease(restored, other, { seats: [1] });
    expect(
      await restored.rounds.enter(booked.account, next.release, {
        beneficiaries: [booked.person],
        preferences: next.slots,
      }),
    ).toMatchObject({ refused: 'CLAIMED_ELSEWHERE' });
  });

  it('is one instant, while people go on booking', async () => {
    const seats = 400;
    const { release, slots } = await publishRelease(engine, test.redis, {
      mode: 'immediate',
      seats: [seats],
    });
    const people = await registerMany(engine, 600);
    const acknowledged: string[] = [];
    let atStart = 0;
    const book = async ({ account, person }: (typeof people)[number]) => {
      const slot = present(slots[0], 'a slot');
      const answer = await engine.bookings.book(account, { release, beneficiary: person, slot });
      if (!isRefusal(answer)) acknowledged.push(person);
    };
    const file = named('backup');
    const saving = (async () => {
      while (acknowledged.length < 50) await new Promise((resolve) => setImmediate(resolve));
      atStart = acknowledged.length;
      await save(file);
    })();
    for (let at = 0; at < people.length; at += 10)
      await Promise.all(people.slice(at, at + 10).map(book));
    await saving;
    expect(acknowledged).toHaveLength(seats);

    await load(file);
    const restored = engineOn(other);
    const { manifest } = granted(await restored.releases.published(release));
    const { free, booked } = await restored.releases.seats(manifest);
    const states = await Promise.all(
      acknowledged.map((person) => stateOf(restored, release, person)),
    );
    expect(booked).toBeGreaterThanOrEqual(atStart);
    expect(free + booked).toBe(seats);
    expect(states.filter((one) => one === 'BOOKED')).toHaveLength(booked);
    expect(states.slice(0, atStart)).toEqual(Array.from({ length: atStart }, () => 'BOOKED'));
    const holding = acknowledged.filter((_one, index) => states[index] === 'BOOKED');
    const claims = await restored.stores.people.claimsOf(holding);
    expect(claims.filter((claim) => claim !== release)).toEqual([]);
  });

  it('is given up, with no file and nobody kept waiting, when it takes too long', async () => {
    await registerMany(engine, 200);
    const file = named('backup');
    await expect(save(file, reader, 1)).rejects.toThrow(HoldLost);
    expect(
      readdirSync(directory).filter((name) => file.endsWith(name.replace('.part', ''))),
    ).toEqual([]);
    await registerMany(engine, 1);
  });

  it('has no name, number or secret in clear', async () => {
    const { account } = present((await registerMany(engine, 1))[0], 'somebody');
    const text = gunzipSync(readFileSync(await taken())).toString('utf8');
    expect(text).toContain(account);
    expect(text).not.toMatch(/Asha|Kale|P1234/);
    expect(text).not.toContain(SECRET);
  });
});

describe('restoring', () => {
  const refused = async (file: string, options: Parameters<typeof load>[1] = {}) => {
    const before = await contentsOf(other);
    const answer = await load(file, options);
    expect(await contentsOf(other)).toEqual(before);
    return 'problem' in answer ? answer.problem : 'restored';
  };

  it('changes nothing for a file that was cut off or altered, and says in which line', async () => {
    await registerMany(engine, 3);
    await other.set(keys.captcha('of before'), 'x');
    const file = await taken();
    const bytes = readFileSync(file);
    const cut = named('cut');
    writeFileSync(cut, bytes.subarray(0, bytes.length - 20));
    expect(await refused(cut, { replace: true })).toMatch(/line \d+: .*unexpected end of file/);
    const noEnd = altered(file, (lines) => [...lines.slice(0, -2), '']);
    expect(await refused(noEnd, { replace: true })).toMatch(/line \d+: the backup ends here/);
    const changed = altered(file, (lines) =>
      lines.with(4, present(lines[4], 'a line').replace('fs:v1', 'fs:v2')),
    );
    expect(await refused(changed, { replace: true })).toContain('line 5: this line was altered');
    const missing = altered(file, (lines) => lines.toSpliced(3, 1));
    expect(await refused(missing, { replace: true })).toContain('line 4: this line was altered');
    const miscounted = altered(file, (lines) => {
      const end = lines.length - 2;
      const before = lines.slice(0, end).map((line) => line.slice(9));
      const json = present(lines[end], 'a tail')
        .slice(9)
        .replace(/"m":\d+/, '"m":9');
      const crc = crc32(
        json,
        before.reduce((sum, line) => crc32(line, sum), 0),
      );
      return lines.with(end, `${crc.toString(16).padStart(8, '0')} ${json}`);
    });
    expect(await refused(miscounted, { replace: true })).toContain('not of the kinds');
    const longer = altered(file, (lines) => [...lines.slice(0, -1), 'more', '']);
    expect(await refused(longer, { replace: true })).toContain('behind the last line');
    writeFileSync(named('none'), 'hello\n');
  });

  it('refuses another version, another secret, and what somebody without the secret wrote', async () => {
    await registerMany(engine, 1);
    const file = await taken();
    const stranger = createSecrets('another secret of more than 32 characters');
    expect(await refused(file, { by: stranger })).toContain('another FAIRSLOT_SECRET');
    const { line, sums } = forged(file, stranger);
    expect(sums.keys).toBeGreaterThan(0);
    expect(await refused(line)).toContain('did not have FAIRSLOT_SECRET');
    const newer = named('newer');
    writeFileSync(newer, gzipSync(ofVersion(3)));
    expect(await refused(newer)).toMatch(/line 1: .*version 3 .*reads version 2/);
  });

  it('refuses a Redis that holds anything, unless it is told to replace that', async () => {
    const file = await taken();
    await registerMany(engineOn(other), 2);
    expect(await refused(file)).toContain('--replace');
    expect(await load(file, { replace: true })).toMatchObject({ keys: 1 });
    expect(Object.keys(await contentsOf(other))).toEqual([keys.secretMark()]);
  });

  it.skipIf(!ON_CLUSTER)(
    'says so where a connection was lost and a list stands there twice',
    async () => {
      const many = Array.from({ length: 200 }, (_, number) => `withdrawn ${number}`);
      await test.redis.rpush(keys.happened('long'), ...many);
      const file = await taken();
      const proxy = await forgetful(otherServer.address.url, /^(?!.*del).*rpush/s);
      const redis = connectRedis({ url: proxy.url, cluster: false });
      redis.on('error', () => undefined); // its connection is cut
      try {
        await expect(restore({ redis, secrets, file, replace: false })).rejects.toThrow(
          /happened was written twice/,
        );
        expect(proxy.isSpent()).toBe(true);
      } finally {
        redis.disconnect();
        proxy.close();
      }
      expect(await load(file, { replace: true })).toMatchObject({ expired: 0 });
      expect(await other.lrange(keys.happened('long'), 0, -1)).toEqual(many);
    },
  );

  it('leaves out what has expired since', async () => {
    await test.redis.set(keys.captcha('short'), 'x', 'PX', 300);
    await test.redis.set(keys.captcha('long'), 'x', 'PX', 60_000);
    const file = await taken();
    await new Promise((resolve) => setTimeout(resolve, 350));
    expect(await load(file)).toMatchObject({ keys: 3, expired: 1 });
    expect(Object.keys(await contentsOf(other))).toEqual([keys.captcha('long'), keys.secretMark()]);
  });

  it('marks with the secret what was backed up before there was a mark', async () => {
    await test.redis.del(keys.secretMark());
    await registerMany(engine, 1);
    expect(await load(await taken())).not.toHaveProperty('problem');
    expect(await other.get(keys.secretMark())).toBe(markOf(secrets));
  });

  it('goes over data of another secret, where it is told to replace them', async () => {
    await other.set(keys.secretMark(), 'of another');
    expect(await load(await taken(), { replace: true })).not.toHaveProperty('problem');
    expect(await other.get(keys.secretMark())).toBe(markOf(secrets));
  });
});

/** A backup whose head is right and whose end another secret has made. */
function forged(file: string, stranger: typeof secrets) {
  const [head = ''] = gunzipSync(readFileSync(file)).toString('utf8').split('\n');
  const { taken_at: takenAt, redis } = JSON.parse(head.slice(9)) as {
    taken_at: string;
    redis: string[];
  };
  // Right head, wrong key of the end: what somebody could make who has only seen a backup.
  const mixed = {
    ...stranger,
    mac: (purpose: string, value: string) =>
      (value === 'secret' ? secrets : stranger).mac(purpose, value),
  };
  const writer = backupWriter(mixed);
  const part = { key: keys.captcha('x'), type: 'string', first: true } as const;
  const lines = [
    writer.head({ takenAt, redis }),
    writer.part({ ...part, expiresAtMs: undefined, elements: [Buffer.from('y')] }),
  ];
  const { line, sums } = writer.tail();
  const target = named('forged');
  writeFileSync(target, gzipSync([...lines, line].join('')));
  return { line: target, sums };
}

/** The first line of a backup in another version of the format. */
function ofVersion(version: number): string {
  const json = JSON.stringify({ fairslot_backup: version, anything: 'else' });
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`;
}

/** In front of a unix socket: once, cuts the connection instead of passing on the reply to this. */
async function forgetful(socket: string, to: RegExp) {
  let isSpent = false;
  const server = createServer((client) => {
    const redis = connect(socket);
    let isAsked = false;
    client.on('data', (data) => {
      isAsked ||= !isSpent && to.test(data.toString('latin1'));
      redis.write(data);
    });
    redis.on('data', (data) => {
      if (!isAsked) return void client.write(data);
      isSpent = true;
      client.destroy();
      return redis.destroy();
    });
    for (const [one, another] of [
      [client, redis],
      [redis, client],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => another.destroy());
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve());
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `redis://127.0.0.1:${port}`,
    isSpent: () => isSpent,
    close: () => server.close(),
  };
}
