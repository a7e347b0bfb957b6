/**
 * What one scrape costs a process: a server behind which real traffic has gone over every route of
 * citizens, and a worker that watches many releases, of which some are live.
 */
import type { Progress } from '../src/progress.ts';
import { present } from '../src/lib/assert.ts';
import { monotonicMs, nowMs, sleep } from '../src/lib/clock.ts';
import { PATIENCE_MS } from '../src/metrics/patience.ts';
import { createWorkerMetrics } from '../src/metrics/worker.ts';
import { connectRedis, disconnectRedis } from '../src/redis/client.ts';
import { readHealth } from '../src/redis/health.ts';
import { keys } from '../src/redis/keys.ts';
import { createEngine } from '../src/engine.ts';
import {
  type BenchEngine,
  OPERATOR_KEY,
  SECRET,
  settingsFor,
  unlimited,
  withEngine,
} from './support/engine.ts';
import { exchange } from './support/exchange.ts';
import { fire } from './support/fire.ts';
import { median, percentile, rounded } from './support/numbers.ts';
import { amount } from './support/options.ts';
import { bearersOf } from './support/passes.ts';
import { openRelease, registerCitizens, wishesFor } from './support/pune.ts';
import { cpuMs, startServer } from './support/processes.ts';
import { percentileChart } from './support/latency-charts.ts';
import type { Scenario, Target } from './support/scenario.ts';

export type ScrapeOptions = {
  /** Of the traffic before. */
  readonly requests: number;
  readonly scrapes: number;
  /** Releases that a worker watches, and how many of them are live. */
  readonly releases: number;
  readonly live: number;
  /** Scrapes of the worker, at a distance at which it reads Redis again. */
  readonly turns: number;
};

const RELEASE = 'pune-scrape';
const GOAL_MS = 20;
/** So that each of the worker's readings is due again. */
const PAUSE_MS = 5_100;
const HOUR_MS = 3_600_000;
const UNLIMITED = unlimited(
  'LIMIT_READ_PER_ADDRESS',
  'LIMIT_READ_PER_NETWORK',
  'LIMIT_WRITE_PER_ADDRESS',
  'LIMIT_WRITE_PER_NETWORK',
);

const measure = (options: ScrapeOptions, progress: Progress) =>
  withEngine(async (bench) => {
    const server = await ofServer(bench, options, progress);
    const worker = await ofWorker(bench, options);
    return { ...options, server, worker };
  });

async function ofServer(
  bench: BenchEngine,
  { requests, scrapes }: ScrapeOptions,
  progress: Progress,
) {
  const { engine } = bench;
  const published = await openRelease(engine, RELEASE, 10_000);
  const citizens = await registerCitizens(engine, 1_000, progress);
  const wishes = wishesFor(published);
  const server = await startServer('src/server.ts', {
    ...UNLIMITED,
    ...settingsFor(bench),
  });
  try {
    const bearers = await bearersOf(citizens);
    const asked = Array.from({ length: requests }, (_, index) => {
      const one = index % citizens.length;
      const { person } = present(citizens[one], 'a citizen');
      const headers = {
        authorization: present(bearers[one], 'a token'),
        'content-type': 'application/json',
      };
      const body = JSON.stringify({ beneficiaries: [person], preferences: wishes(index) });
      return index % 2 === 0
        ? ({ method: 'PUT', path: `/v1/releases/${RELEASE}/entry`, headers, body } as const)
        : ({ method: 'GET', path: READS[index % READS.length] ?? '/', headers } as const);
    });
    const { errors } = await fire(server.url, 50, asked, [200, 404]);
    const headers = { authorization: `Bearer ${OPERATOR_KEY}` };
    const get = async (): Promise<string> =>
      (await exchange(server.url, { path: '/metrics', headers })).body.toString();
    const page = await get();
    const beforeMs = cpuMs(server.pid);
    for (let i = 0; i < scrapes; i++) await get();
    const cpuMsAScrape = rounded((cpuMs(server.pid) - beforeMs) / scrapes);
    return { ...sizeOf(page), cpuMsAScrape, errors };
  } finally {
    await server.stop();
  }
}

/** Those of citizens, and two that are not there. */
const READS = [
  '/v1/releases',
  `/v1/releases/${RELEASE}`,
  `/v1/releases/${RELEASE}/entry`,
  `/v1/releases/${RELEASE}/rounds`,
  '/v1/bookings',
  '/v1/beneficiaries',
  '/v1/releases/none',
  '/nowhere',
  '/api/v2/admin/location/states',
];

const sizeOf = (page: string) => ({
  series: page.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length,
  bytes: Buffer.byteLength(page),
});

/** In this process, which does nothing else meanwhile. */
async function ofWorker({ redis, server }: BenchEngine, { releases, live, turns }: ScrapeOptions) {
  const now = nowMs();
  for (let index = 0; index < releases; index++) {
    const release = `bench-${index}`;
    const opensAtMs = index < live ? now - 1_000 : now + HOUR_MS + index;
    await Promise.all([
      redis.zadd(keys.releases(), opensAtMs, release),
      redis.hset(keys.release(release), {
        opens_at_ms: opensAtMs,
        closes_at_ms: opensAtMs + HOUR_MS,
        next_round_at_ms: opensAtMs + HOUR_MS,
        ends_at_ms: opensAtMs + 2 * HOUR_MS,
        round: 0,
        phase: 'OPEN',
        published: -1,
        capacity: 1_000,
        free_seats: 1_000,
      }),
    ]);
  }
  const own = connectRedis(server.address);
  const engine = createEngine(own, { secret: SECRET });
  const metrics = createWorkerMetrics({
    beaconOverdueS: engine.beaconOverdueS,
    isGatewayAway: () => false,
    outbox: engine.outbox.state,
    census: engine.census,
    offenders: engine.bots.offenders,
    health: () => readHealth(own, PATIENCE_MS.node),
    reconcileEveryS: () => 3_600,
    lastRun: engine.reconciler.last,
  });
  try {
    const page = await metrics.registry.metrics();
    const read: Cost[] = [];
    const remembered: Cost[] = [];
    for (let turn = 0; turn < turns; turn++) {
      await sleep(PAUSE_MS);
      read.push(await costOf(() => metrics.registry.metrics()));
      remembered.push(await costOf(() => metrics.registry.metrics()));
    }
    return { ...sizeOf(page), read: medianOf(read), remembered: medianOf(remembered) };
  } finally {
    await disconnectRedis(own);
  }
}

type Cost = { readonly cpuMs: number; readonly ms: number };

async function costOf(act: () => Promise<unknown>): Promise<Cost> {
  const startedMs = monotonicMs();
  const before = process.cpuUsage();
  await act();
  const { user, system } = process.cpuUsage(before);
  return { cpuMs: (user + system) / 1000, ms: monotonicMs() - startedMs };
}

const medianOf = (costs: readonly Cost[]): Cost => ({
  cpuMs: rounded(median(costs.map(({ cpuMs }) => cpuMs))),
  ms: rounded(median(costs.map(({ ms }) => ms))),
});

/** From outside, over HTTP: what a Prometheus of that deployment waits for. */
async function onTarget({ url, operatorKey }: Target, { scrapes }: ScrapeOptions) {
  const times: number[] = [];
  let [page, errors] = ['', 0];
  for (let scrape = 0; scrape < scrapes; scrape++) {
    const startedMs = monotonicMs();
    const answer = await fetch(`${url}/metrics`, {
      headers: { authorization: `Bearer ${operatorKey}` },
    });
    page = await answer.text();
    times.push(monotonicMs() - startedMs);
    if (!answer.ok) errors++;
  }
  const p50Ms = rounded(median(times));
  const p99Ms = percentile(times, 99);
  return { figures: { ...sizeOf(page), scrapes, p50Ms, p99Ms, errors }, times };
}

export const scrape: Scenario<ScrapeOptions> = {
  name: 'scrape',
  summary: 'what a scrape of /metrics costs a server with traffic behind it, and a worker',
  options: [
    amount('requests', 'requests before it', 10_000),
    amount('scrapes', 'scrapes of the server', 100),
    amount('releases', 'releases that the worker watches', 2_000),
    amount('live', 'of these, live ones', 20),
    amount('turns', 'scrapes of the worker, five seconds apart', 5),
  ],
  inAll: { mostS: 40, options: { requests: 2_000, turns: 3 } },
  run: async (options, progress) => {
    const figures = await measure(options, progress);
    const { server, worker } = figures;
    const ofServer = server.cpuMsAScrape;
    const costs = [ofServer, worker.read.cpuMs, worker.remembered.cpuMs];
    return {
      figures,
      goals: [
        { name: 'a scrape of a server', figure: ofServer, unit: 'ms of CPU', atMost: GOAL_MS },
        {
          name: `a scrape of a worker of ${options.releases.toLocaleString('en')} releases`,
          figure: worker.read.cpuMs,
          unit: 'ms of CPU',
          atMost: GOAL_MS,
        },
      ],
      charts: [
        {
          title: 'A scrape',
          description: 'CPU of a server, of a worker that reads Redis, and of one that remembers.',
          kind: 'bars',
          x: { label: '', categories: ['server', 'worker, reads', 'worker, remembers'] },
          y: { label: 'milliseconds of CPU' },
          series: [{ name: 'a scrape', points: costs.map((ms, place) => [place, ms]) }],
        },
      ],
      errors: server.errors,
    };
  },
  onTarget: async (target, options) => {
    const { figures, times } = await onTarget(target, options);
    return {
      figures,
      goals: [],
      charts: [percentileChart('Scrapes of the deployment', { scrape: times })],
      errors: figures.errors,
    };
  },
};
