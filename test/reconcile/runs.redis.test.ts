/** Repairs that must not be made, runs of which one at a time is enough, and what they tell. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { createRetentionStore } from '../../src/care/retention-store.ts';
import type { Engine } from '../../src/engine.ts';
import { createAuditReader } from '../../src/gates/audit.ts';
import { present } from '../../src/lib/assert.ts';
import { createLog } from '../../src/log.ts';
import { createWorkerMetrics } from '../../src/metrics/worker.ts';
import { countsOf, KINDS } from '../../src/reconcile/findings.ts';
import { reconcileIfDue } from '../../src/reconcile/hourly.ts';
import { createReconciler } from '../../src/reconcile/service.ts';
import { keys } from '../../src/redis/keys.ts';
import { readingsOf } from '../support/metrics.ts';
import { SECRET } from '../support/app.ts';
import { engineOn, granted } from '../support/engine.ts';
import { kill, spawnWorker } from '../support/processes.ts';
import { ON_CLUSTER, useRedis } from '../support/redis.ts';
import { contents, playScene, type Scene } from './scene.ts';

const it = useRedis(['--appendfsync', 'no']); // nothing outlives this Redis

let engine: Engine;
let scene: Scene;
beforeEach(async () => {
  engine = engineOn(it.redis);
  scene = await playScene(engine, it.redis);
});

describe('a repair', () => {
  const lastLine = async (): Promise<string> => {
    const [last] = await it.redis.xrevrange(keys.audit(scene.release), '+', '-', 'COUNT', 1);
    return present(last, 'a line')[0];
  };
  const setSeats = async (change: Partial<Record<'found' | 'after', string>> = {}) =>
    engine.stores.reconcile.setSeats(scene.release, {
      place: '1/0',
      found: '1',
      seats: 2,
      after: await lastLine(),
      kind: 'seats-low',
      ...change,
    });

  test('sets no seats once anything has changed, nor while a round is drawn', async () => {
    const read = await lastLine();
    await engine.rounds.withdraw(scene.waiting.account, scene.release, scene.waiting.id);
    const before = await contents(it.redis);
    expect(await setSeats({ after: read })).toBeUndefined();
    expect(await setSeats({ found: '0' })).toBeUndefined();
    expect(await contents(it.redis)).toEqual(before);
    await it.redis.hset(keys.release(scene.release), 'phase', 'DRAWING');
    expect(await setSeats()).toBeUndefined();
    await it.redis.hset(keys.release(scene.release), 'phase', 'OPEN');
    expect(await setSeats()).toBe(await lastLine());
  });

  test('leaves an offer that was answered meanwhile, and one that is right', async () => {
    const { release, offered, booked } = scene;
    const { offer } = engine.stores.reconcile;
    const sound = await contents(it.redis);
    expect(await offer(release, offered.id, 0, 'MEND')).toBe('RIGHT');
    expect(await contents(it.redis)).toEqual(sound);
    await it.redis.hdel(keys.offers(release, 0), offered.id);
    await it.redis.hset(keys.bookings(release), offered.id, 'BOOKED|0|0|0|1|1');
    const before = await contents(it.redis);
    expect(await offer(release, offered.id, 0, 'MEND')).toBe('RIGHT');
    expect(await offer(release, booked.id, 0, 'MEND')).toBe('RIGHT');
    expect(await contents(it.redis)).toEqual(before);
  });

  test('binds nobody who was bound meanwhile', async () => {
    const { release, atOnce, waiting, idle } = scene;
    const { mendClaim } = engine.stores.reconcile;
    const read = { account: waiting.account, claim: '', claimedAtMs: '' };
    expect(await mendClaim(waiting.person, read, atOnce)).toBe(false);
    expect(await mendClaim(idle.person, { ...read, claim: release }, '')).toBe(false);
    expect(await engine.stores.people.claimsOf([waiting.person])).toEqual([release]);
  });

  test('made by two at once is made once', async () => {
    await it.redis.hincrby(keys.seats(scene.release), '1/0', -1);
    const both = await Promise.all([0, 1].map(() => engine.reconciler.all({ repair: true })));
    expect(await it.redis.hget(keys.seats(scene.release), '1/0')).toBe('1');
    const findings = both.flatMap(({ releases }) => releases.flatMap((one) => one.findings));
    expect(findings.filter(({ repaired }) => repaired)).toHaveLength(1);
  });

  test('of a seat that somebody may have is not made where the rounds do not prove it', async () => {
    await it.redis.hdel(keys.bookings(scene.release), scene.offered.id);
    await it.redis.hdel(keys.offers(scene.release, 0), scene.offered.id);
    await engine.reconciler.all({ repair: true });
    expect(await it.redis.hget(keys.seats(scene.release), '0/0')).toBe('0');
  });
});

describe('a release that retention cleared', () => {
  test('is held against its published rounds alone', async () => {
    const { release } = scene;
    await createRetentionStore(it.redis).clearRelease(release, 0);
    const kindsOf = async () =>
      granted(await engine.reconciler.release(release, { verify: true })).findings.map(
        ({ kind }) => kind,
      );
    expect(await kindsOf()).toEqual([]);
    await it.redis.hset(keys.rounds(release), 'digest:0', '0'.repeat(64));
    expect(await kindsOf()).toContain('round-digest');
  });
});

describe('the hourly run', () => {
  const worker = (name: string, everyMs = 3_600_000) =>
    reconcileIfDue({
      reconciler: engine.reconciler,
      worker: name,
      everyMs,
      log: createLog('silent'),
    });
  /** As another worker, which never ran it. */
  const metrics = async (): Promise<string> => {
    const other = engineOn(it.redis);
    const { registry } = createWorkerMetrics({
      ...readingsOf(other, it.redis),
    });
    return (await registry.metrics())
      .split('\n')
      .filter((line) => line.startsWith('fairslot_reconcile'))
      .join('\n');
  };

  test('is made by one worker, once in that time, and told by all', async () => {
    expect(await metrics()).toBe('fairslot_reconcile_every_seconds 3600');
    await it.redis.hincrby(keys.seats(scene.release), '1/0', 1);
    const ran = await Promise.all(['a', 'b', 'c'].map((name) => worker(name)));
    expect(ran.filter(Boolean)).toHaveLength(1);
    expect(await worker('d')).toBe(false);
    const told = await metrics();
    for (const kind of KINDS)
      expect(told).toContain(
        `fairslot_reconcile_discrepancies_count{kind="${kind}"} ${kind === 'seats-high' ? 1 : 0}`,
      );
    expect(told).toMatch(/^fairslot_reconcile_age_seconds \d/m);
    expect(told).toMatch(/^fairslot_reconcile_duration_seconds \d/m);
    // It found it, and mended nothing.
    expect(await it.redis.hget(keys.seats(scene.release), '1/0')).toBe('2');
  });

  test('is never made where it is switched off, and again after its time', async () => {
    expect(await worker('a', 0)).toBe(false);
    expect(await worker('a', 60_000)).toBe(true);
    expect(await worker('b', 60_000)).toBe(false);
    expect(await worker('b', 1)).toBe(true);
  });

  test('tells what it found though a release is too busy to be read', async () => {
    await it.redis.hincrby(keys.seats(scene.release), '1/0', 1);
    const { stores } = engine;
    const read: typeof stores.reconcile.read = async (release, ...rest) =>
      release === scene.atOnce ? undefined : stores.reconcile.read(release, ...rest);
    const store = { ...stores.reconcile, read };
    const { releases, claims, secrets } = engine;
    const reconciler = createReconciler({ ...stores, store, releases, claims, secrets });
    const parts = { reconciler, worker: 'a', everyMs: 60_000, log: createLog('silent') };
    expect(await reconcileIfDue(parts)).toBe(true);
    const { counts = '{}' } = (await reconciler.last()) ?? {};
    expect(JSON.parse(counts)).toMatchObject({ 'seats-high': 1 });
    expect(await reconcileIfDue(parts)).toBe(false);
    expect(await reconciler.all()).toMatchObject({ isComplete: false, incomplete: 1 });
  });

  test('stops when its worker does, and is not counted', async () => {
    const stopping = AbortSignal.abort();
    const parts = { reconciler: engine.reconciler, everyMs: 1, log: createLog('silent') };
    expect(await reconcileIfDue({ ...parts, worker: 'a' }, stopping)).toBe(false);
    expect(await engine.reconciler.last()).toBeUndefined();
  });

  test('is made by a worker process', async () => {
    const child = await spawnWorker(it.server.address);
    try {
      await expect
        .poll(() => engine.reconciler.last(), { timeout: 20_000, interval: 50 })
        .toMatchObject({ counts: JSON.stringify(countsOf([])) });
    } finally {
      await kill(child, 'SIGTERM');
    }
  });

  test('of a worker that died is taken over when its lease ends', async () => {
    await engine.reconciler.lead('dead', 3_600_000);
    expect(await worker('a')).toBe(false);
    await it.redis.pexpire(keys.reconcileLease(), 0);
    expect(await worker('a')).toBe(true);
    expect(await it.redis.exists(keys.reconcileLease())).toBe(0);
  });
});

describe('the command', () => {
  type Outcome = { readonly status: number; readonly stdout: string; readonly stderr: string };
  const settings = () => ({
    REDIS_URL: it.server.address.url,
    REDIS_CLUSTER: String(ON_CLUSTER),
    FAIRSLOT_SECRET: SECRET,
    FAIRSLOT_OPERATOR_KEY: SECRET,
  });
  const cli = (...options: string[]): Promise<Outcome> => cliWith(settings(), ...options);
  const cliWith = (set: NodeJS.ProcessEnv, ...options: string[]): Promise<Outcome> =>
    new Promise((resolve) => {
      const env = { PATH: process.env['PATH'], NODE_ENV: 'test', ...set };
      const args = ['src/cli.ts', 'reconcile', ...options];
      execFile(process.execPath, args, { env, timeout: 30_000 }, (error, stdout, stderr) =>
        resolve({ status: error ? Number(error.code) : 0, stdout, stderr }),
      );
    });

  test('goes by the settings file that the engine goes by', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fairslot-settings-'));
    const file = join(folder, 'engine.env');
    const lines = Object.entries(settings()).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(file, lines.join(''));
    try {
      expect(await cliWith({ SETTINGS_FILE: file }, scene.release)).toMatchObject({
        status: 0,
        stdout: expect.stringContaining('all is right'),
      });
      expect(await cliWith({ SETTINGS_FILE: `${file}.none` }, scene.release)).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('SETTINGS_FILE cannot be read'),
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('says by its status what it found, and mends when it is told to', async () => {
    const { release, atOnce, idle, places } = scene;
    const right = cli(release, '--verify');
    const unknown = cli('nonsense');
    const misused = cli('--nonsense');
    expect(await right).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('all is right'),
    });
    expect(await unknown).toMatchObject({ status: 2, stderr: 'There is no release nonsense.\n' });
    expect(await misused).toMatchObject({ status: 2, stdout: '' });

    await it.redis.hincrby(keys.seats(release), '1/0', -1);
    await it.redis.hincrby(keys.seats(atOnce), '1/0', -3);
    const wrong = await cli('--json');
    expect(wrong.status).toBe(1);
    expect(JSON.parse(wrong.stdout)).toMatchObject({
      isComplete: true,
      incomplete: 0,
      counts: { 'seats-low': 2, 'seats-high': 0 },
    });
    expect(
      JSON.parse(wrong.stdout).releases.flatMap((one: { findings: unknown }) => one.findings),
    ).toContainEqual({
      release,
      kind: 'seats-low',
      where: places.second,
      expected: '1 free',
      found: '0 free',
      repaired: false,
    });
    expect(wrong.stdout).not.toContain(idle.person);

    const mended = await cli('--repair');
    expect(mended.stdout).toContain(`repaired seats-low: ${places.second}`);
    expect(mended.status).toBe(1); // -1 is no count of anything that a script wrote
    const [line] = await createAuditReader(it.redis).page(1);
    expect(line).toMatchObject({ what: 'reconcileRepair', outcome: 'DONE' });
  });
});
