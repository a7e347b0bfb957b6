/** What a worker tells of the whole engine, on releases that are known. */
import { readFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { unpackBooking } from '../../src/bookings/rules.ts';
import { listen } from '../../src/http/server.ts';
import { createMonitor } from '../../src/http/monitor.ts';
import { monotonicMs } from '../../src/lib/clock.ts';
import { createLog } from '../../src/log.ts';
import { PATIENCE_MS } from '../../src/metrics/patience.ts';
import { createReading } from '../../src/metrics/reading.ts';
import { createWorkerMetrics } from '../../src/metrics/worker.ts';
import { connectRedis, disconnectRedis } from '../../src/redis/client.ts';
import { startEmbeddedRedis } from '../../src/redis/embedded.ts';
import { parseInfo, readHealth } from '../../src/redis/health.ts';
import { keys } from '../../src/redis/keys.ts';
import { ReleaseTerms } from '../../src/releases/rules.ts';
import { call } from '../support/app.ts';
import {
  bookingOf,
  engineOn,
  granted,
  letPass,
  nextRound,
  publishRelease,
  registerMany,
} from '../support/engine.ts';
import { readingsOf, samplesOf, valueIn } from '../support/metrics.ts';
import { ON_CLUSTER, useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);

/** A fresh worker's page: nothing of it is remembered. */
const pageOf = (engine = engineOn(used.redis)): Promise<string> =>
  createWorkerMetrics(readingsOf(engine, used.redis)).registry.metrics();

/** Of one gauge with one label, by its values. */
const by = (page: string, name: string): Record<string, number> =>
  Object.fromEntries(
    samplesOf(page)
      .filter((sample) => sample.name === name)
      .map(({ labels, value }) => [Object.values(labels)[0] ?? '', value]),
  );

describe('a worker tells', () => {
  test('phases, seats, entries and offers of a release from its draft to a confirmed offer', async () => {
    const engine = engineOn(used.redis);
    const soon = new Date(Date.parse('2098-01-01')).toISOString();
    granted(
      await engine.releases.create(
        ReleaseTerms.parse({
          release: 'a-draft',
          title: 'A draft',
          mode: 'immediate',
          opensAt: soon,
          endsAt: '2098-02-01T00:00:00Z',
        }),
      ),
    );
    await publishRelease(engine, used.redis, { seats: [9], opensInS: 100, closesInS: 200 });
    const { release, slots } = await publishRelease(engine, used.redis, {
      seats: [2, 1],
      closesInS: 600,
    });
    const citizens = await registerMany(engine, 5);
    for (const { account, person } of citizens)
      granted(
        await engine.rounds.enter(account, release, {
          beneficiaries: [person],
          preferences: slots,
        }),
      );
    const open = await pageOf(engine);
    const seats = 'fairslot_releases_seats';
    const entries = 'fairslot_rounds_waiting_entries';
    const phases = 'fairslot_releases_releases';
    expect(by(open, phases)).toMatchObject({ draft: 1, published: 1, open: 1, ended: 0 });
    expect(by(open, seats)).toEqual({ capacity: 3, free: 3, offered: 0, booked: 0 });
    expect(by(open, entries)).toEqual({ new: 5, sealed: 0, waiting: 0 });
    const next = by(open, 'fairslot_releases_next_event_seconds');
    expect(next['opens']).toBeGreaterThan(90);
    expect(next['opens']).toBeLessThanOrEqual(100);
    expect(next['closes']).toBeLessThanOrEqual(200);
    expect(next['drawn']).toBeCloseTo(next['closes'] ?? 0, 1);
    expect(valueIn(open, 'fairslot_rounds_overdue_seconds')).toBe(0);
    expect(valueIn(open, 'fairslot_rounds_last_published_age_seconds')).toBeUndefined();

    await letPass(used.redis, 630, [keys.release(release), keys.rounds(release)]);
    const due = await pageOf(engine);
    expect(by(due, phases)).toMatchObject({ drawing: 1 });
    expect(valueIn(due, 'fairslot_rounds_overdue_seconds')).toBeGreaterThan(29);
    expect(by(due, 'fairslot_releases_next_event_seconds')['drawn']).toBe(0);

    await nextRound(engine, release);
    const drawn = await pageOf(engine);
    expect(by(drawn, seats)).toEqual({ capacity: 3, free: 0, offered: 3, booked: 0 });
    expect(by(drawn, entries)).toEqual({ new: 0, sealed: 0, waiting: 2 });
    expect(valueIn(drawn, 'fairslot_bookings_outstanding_offers')).toBe(3);
    expect(valueIn(drawn, 'fairslot_rounds_overdue_seconds')).toBe(0);
    expect(valueIn(drawn, 'fairslot_rounds_last_published_age_seconds')).toBeLessThan(10);

    const held = await used.redis.hgetall(keys.bookings(release));
    const offered = await Promise.all(
      citizens.map(async ({ account }) => {
        const entries = granted(await engine.rounds.list(account, release));
        return entries[0]?.booking ? [account] : [];
      }),
    );
    const [one = '', two = ''] = offered.flat();
    granted(await engine.bookings.confirm(one, await bookingOf(engine, one, release)));
    granted(await engine.bookings.cancel(two, await bookingOf(engine, two, release)));
    const answered = await pageOf(engine);
    expect(Object.values(held).map((packed) => unpackBooking(packed).state)).toHaveLength(3);
    expect(by(answered, seats)).toEqual({ capacity: 3, free: 1, offered: 1, booked: 1 });
    expect(valueIn(answered, 'fairslot_bookings_outstanding_offers')).toBe(1);
    expect(by(answered, entries)).toEqual({ new: 0, sealed: 0, waiting: 2 });

    await engine.releases.end(release);
    const over = await pageOf(engine);
    expect(by(over, phases)).toMatchObject({ published: 1, running: 0, ended: 1 });
    expect(by(over, seats)).toEqual({ capacity: 0, free: 0, offered: 0, booked: 0 });
  });

  test('how many callers are refused often, and never who', async () => {
    const engine = engineOn(used.redis);
    const { release } = await publishRelease(engine, used.redis, { seats: [1] });
    const { nowMs } = await engine.census();
    await engine.stores.bots.tally(release, [
      ['account:asha', 1_200],
      ['account:ravi', 12],
      ['network:deadbeef', 3],
    ]);
    await engine.stores.bots.tallyDoor(Math.floor(nowMs / 3_600_000), [['network:cafe', 150]]);
    const page = await pageOf(engine);
    const offenders = (kind: string, over: number) =>
      valueIn(page, `fairslot_gates_offenders{kind="${kind}",over="${over}"}`);
    expect([10, 100, 1_000].map((over) => offenders('account', over))).toEqual([2, 1, 1]);
    expect([10, 100, 1_000].map((over) => offenders('network', over))).toEqual([1, 1, 0]);
    expect(by(page, 'fairslot_gates_worst_offender_refusals')).toEqual({
      account: 1_200,
      device: 0,
      network: 150,
    });
    expect(page).not.toMatch(/asha|ravi|deadbeef|cafe/);
  });

  test('how Redis is', async () => {
    const page = await pageOf();
    expect(valueIn(page, 'fairslot_redis_up')).toBe(1);
    expect(by(page, 'fairslot_redis_nodes')).toEqual({ ok: 1, failing: 0 });
    expect(valueIn(page, 'fairslot_redis_memory_used_bytes')).toBeGreaterThan(100_000);
    expect(valueIn(page, 'fairslot_redis_aof_enabled')).toBe(1);
    expect(valueIn(page, 'fairslot_redis_aof_write_ok')).toBe(1);
    expect(valueIn(page, 'fairslot_redis_replicas')).toBe(0);
    expect(valueIn(page, 'fairslot_redis_replication_lag_bytes')).toBeUndefined();
    expect(page).toMatch(/^# TYPE fairslot_redis_cpu_seconds_total counter$/m);
  });

  test('only of so many live releases how they stand, and of how many it does not', async () => {
    const engine = engineOn(used.redis);
    const { nowMs } = await engine.census();
    const ids = Array.from({ length: 230 }, (_, index) => `live-${index}`);
    await Promise.all(
      ids.flatMap((id) => [
        used.redis.zadd(keys.releases(), nowMs - 1_000, id),
        used.redis.hset(keys.release(id), {
          opens_at_ms: nowMs - 1_000,
          ends_at_ms: nowMs + 60_000,
          published: -1,
          round: 0,
          phase: 'OPEN',
          capacity: 2,
          free_seats: 2,
        }),
      ]),
    );
    const page = await pageOf(engine);
    expect(by(page, 'fairslot_releases_releases')).toMatchObject({ open: 230 });
    expect(by(page, 'fairslot_releases_seats')).toMatchObject({ capacity: 400 });
    expect(valueIn(page, 'fairslot_releases_unread_releases')).toBe(30);
  });
});

describe('a scrape', () => {
  test('of a worker whose Redis was stopped is answered within 2 s, and tells only that', async () => {
    const server = await startEmbeddedRedis({ cluster: ON_CLUSTER });
    const redis = connectRedis(server.address);
    redis.on('error', () => undefined);
    const metrics = createWorkerMetrics(readingsOf(engineOn(redis), redis));
    metrics.redis.watchConnection(redis);
    const log = createLog('silent');
    const monitor = await listen(createMonitor(metrics.registry, log), {
      host: '127.0.0.1',
      port: 0,
    });
    const scrape = () => call(monitor.url, 'GET', '/metrics');
    try {
      // As when a machine hangs: the connection stands, and nothing is answered.
      process.kill(server.pid, 'SIGSTOP');
      for (let i = 0; i < 2; i++) {
        const startedMs = monotonicMs();
        const { status, text } = await scrape();
        expect(monotonicMs() - startedMs).toBeLessThan(2_000);
        expect(status).toBe(200);
        expect(valueIn(text, 'fairslot_redis_up')).toBe(0);
        expect(text).not.toMatch(/^fairslot_(releases|rounds_overdue|notify_waiting)\w*[ {]/m);
        expect(valueIn(text, 'fairslot_rounds_published_total')).toBe(0);
      }
      process.kill(server.pid, 'SIGCONT');
      await server.stop();
      const startedMs = monotonicMs();
      const { text } = await scrape();
      expect(monotonicMs() - startedMs).toBeLessThan(2_000);
      expect(valueIn(text, 'fairslot_redis_connected')).toBe(0);
    } finally {
      await monitor.close({ timeoutMs: 100 });
      redis.disconnect();
      await server.stop();
    }
  });

  test('of many gauges reads Redis once in a while, and together', async () => {
    let reads = 0;
    const reading = createReading(async () => ++reads, 60_000);
    expect(await Promise.all([reading(), reading(), reading()])).toEqual([1, 1, 1]);
    expect(await reading()).toBe(1);
    expect(reads).toBe(1);
  });

  test('of what is read too slowly tells what was read last, for a while, and of what fails nothing', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      let read = async (): Promise<number> => 1;
      const reading = createReading(() => read(), 2_000);
      const afterMs = async (waitMs: number): Promise<number | undefined> => {
        await vi.advanceTimersByTimeAsync(waitMs);
        const told = reading();
        await vi.advanceTimersByTimeAsync(PATIENCE_MS.reading);
        return told;
      };
      expect(await afterMs(0)).toBe(1);
      const slow = Promise.withResolvers<number>();
      read = () => slow.promise;
      expect(await afterMs(4_000)).toBe(1);
      expect(await afterMs(4_000)).toBe(1);
      expect(await afterMs(6_000)).toBeUndefined();
      slow.resolve(2);
      read = () => Promise.reject(new Error('Connection is closed.'));
      expect(await afterMs(0)).toBe(2);
      expect(await afterMs(4_000)).toBeUndefined();
    } finally {
      vi.useRealTimers();
    }
  });

  test('waits no longer than whoever waits for it, and than Prometheus', () => {
    const config = readFileSync(new URL('../../grafana/prometheus.yml', import.meta.url), 'utf8');
    const scrapeMs = 1_000 * Number(/scrape_interval: (\d+)s/.exec(config)?.[1]);
    const waits = [...Object.values(PATIENCE_MS), scrapeMs];
    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    expect(new Set(waits).size).toBe(4);
    expect(config).not.toContain('scrape_timeout');
  });
});

describe('INFO', () => {
  test('of a primary says how far its replicas are behind', () => {
    const info = [
      'role:master',
      'connected_slaves:2',
      'slave0:ip=10.0.0.2,port=6379,state=online,offset=900,lag=0',
      'slave1:ip=10.0.0.3,port=6379,state=online,offset=400,lag=7',
      'master_repl_offset:1000',
      'aof_enabled:1',
      'aof_last_write_status:err',
      'used_cpu_sys:1.5',
      'used_cpu_user:2.5',
    ].join('\r\n');
    expect(parseInfo(info)).toMatchObject({
      replicas: [
        { lagBytes: 100, lagS: 0 },
        { lagBytes: 600, lagS: 7 },
      ],
      aofWriteOk: false,
      cpuS: 4,
    });
  });

  test('is asked of a Redis that is not there, which counts as failing', async () => {
    const away = connectRedis({ url: '/nowhere/redis.sock', cluster: false });
    away.on('error', () => undefined);
    expect(await readHealth(away, PATIENCE_MS.node)).toEqual({ nodes: { ok: 0, failing: 1 } });
    await disconnectRedis(away);
  });
});
