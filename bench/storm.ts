/**
 * The minute after a round: everybody asks for the result. One server answers result files, beside
 * node:http with the same bytes in memory; and what the files cost the round that they are of.
 */
import { Agent } from 'node:http';
import type { Progress } from '../src/progress.ts';
import { present } from '../src/lib/assert.ts';
import { monotonicMs } from '../src/lib/clock.ts';
import type { Redis } from '../src/redis/client.ts';
import { keys } from '../src/redis/keys.ts';
import { RESULT_LIMITS } from '../src/rounds/results/result-files.ts';
import { prefixOf } from '../src/rounds/results/results.ts';
import { drawFirst } from './support/draw-first.ts';
import { type BenchEngine, settingsFor, unlimited, withEngine } from './support/engine.ts';
import { exchange } from './support/exchange.ts';
import { fire, type Volley } from './support/fire.ts';
import { latencyOverTime } from './support/latency-charts.ts';
import { type CpuOfOne, interleaved, withCpu } from './support/measure.ts';
import { median, numbered, percentile, percentilesOf, rounded, sum } from './support/numbers.ts';
import { atRate } from './support/open-loop.ts';
import {
  amount,
  connections as connectionsOption,
  measure as measureOption,
  repeats as repeatsOption,
  requests as requestsOption,
} from './support/options.ts';
import { granted, openRelease, RELEASE, wishesFor } from './support/pune.ts';
import { cpuMs, type ServerProcess, startServer } from './support/processes.ts';
import type { Chart, Goal, Outcome, Scenario } from './support/scenario.ts';
import { enterStrangers } from './support/strangers.ts';
import type { Sample } from './support/timed.ts';

export type StormOptions = {
  /** Of the round. */
  readonly entries: number;
  /** Of one volley. */
  readonly requests: number;
  readonly connections: number;
  /** Volleys that count, of each side. */
  readonly repeats: number;
  /** Arrivals a second where latency is told, as a share of what the volleys reached. */
  readonly load: number;
  /** How long they arrive. */
  readonly seconds: number;
};

const GOALS = {
  /** Whether the round still counts is looked at every 250 ms, whoever asks. */
  commandsPerS: (2 * 1_000) / RESULT_LIMITS.lookedAtEveryMs,
  shareOfDraw: 0.05,
  bytesAnEntry: 10,
} as const;
const WARM_UP = 1;
const GZIP = { 'accept-encoding': 'gzip' };
/** What a connection or a heartbeat asks, and this bench itself. */
const NOT_ASKED_FOR_ANYBODY = /^cmdstat_(?:info|time|ping|hello|client|config|select|auth|command)/;
const OPEN_CONNECTIONS = 256;
/** Of the chart of latency. */
const SLICE_MS = 250;

type Requests = Parameters<typeof fire>[2];
type Drawn = { readonly drawMs: number; readonly resultsMs: number; readonly resultsBytes: number };
/** One file, as its server gave it. */
type Served = { readonly path: string; readonly etag: string; readonly bytes: number };

/** The round, by the worker's own code, with the time of what it keeps for result files. */
async function drawIn({ engine, redis }: BenchEngine, entries: number, progress: Progress) {
  const { stores } = engine;
  const published = await openRelease(engine, RELEASE, entries);
  await enterStrangers(
    { engine, redis, published, wishes: wishesFor(published) },
    0,
    entries,
    progress,
  );
  let resultsMs = 0;
  const stageResults: typeof stores.drawing.stageResults = async (...parts) => {
    const startedMs = monotonicMs();
    const staged = await stores.drawing.stageResults(...parts);
    resultsMs += monotonicMs() - startedMs;
    return staged;
  };
  const drawMs = await drawFirst({ engine, redis }, { ...stores.drawing, stageResults });
  const resultsBytes = Number(await redis.memory('USAGE', keys.results(RELEASE, 0), 'SAMPLES', 0));
  return { drawMs, resultsMs, resultsBytes };
}

/** Commands that Redis was asked for so far, by whoever serves people. */
async function commandsOf(redis: Redis): Promise<number> {
  const stats = await redis.info('commandstats');
  return stats
    .split('\r\n')
    .filter((line) => line.startsWith('cmdstat_') && !NOT_ASKED_FOR_ANYBODY.test(line))
    .reduce((sum, line) => sum + Number(/calls=(\d+)/.exec(line)?.[1] ?? 0), 0);
}

const get = async (url: string, path: string, agent: Agent): Promise<Served> => {
  const { headers, body } = await exchange(url, { path, headers: GZIP }, agent);
  return { path, bytes: body.length, etag: String(headers.etag) };
};

/** Each file for the first time, over some connections. */
async function askFirst(url: string, paths: readonly string[], connections: number) {
  const agent = new Agent({ keepAlive: true });
  const served: Served[] = [];
  const queue = paths.values();
  const startedMs = monotonicMs();
  const takeTurns = async (): Promise<void> => {
    for (const path of queue) served.push(await get(url, path, agent));
  };
  await Promise.all(Array.from({ length: connections }, takeTurns));
  agent.destroy();
  return { served, ms: monotonicMs() - startedMs };
}

type Arrivals = {
  readonly ratePerS: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** How late the asker himself was. */
  readonly sentLateP99Ms: number;
  readonly errors: number;
};

/**
 * People come when they come, whether or not others were answered: each wait counts from when its
 * request was due.
 */
async function arrive(
  url: string,
  served: readonly Served[],
  ratePerS: number,
  seconds: number,
): Promise<{ arrivals: Arrivals; samples: readonly Sample[] }> {
  const agent = new Agent({ keepAlive: true, maxSockets: OPEN_CONNECTIONS });
  const samples: Sample[] = [];
  const asking: Promise<void>[] = [];
  let errors = 0;
  const sentLateMs: number[] = [];
  const ask = async (number: number, dueMs: number): Promise<void> => {
    sentLateMs.push(monotonicMs() - dueMs);
    const { path, bytes } = anyOf(served, number);
    const answer = await get(url, path, agent).catch(() => undefined);
    if (answer?.bytes !== bytes) errors++;
    const ms = monotonicMs() - dueMs;
    const status = answer ? 200 : 0;
    samples.push({ phase: 'result file', group: 'people', dueMs, ms, status, code: undefined });
  };
  await atRate(Math.round(ratePerS * seconds), ratePerS, (number, dueMs) => {
    asking.push(ask(number, dueMs));
  });
  await Promise.all(asking);
  agent.destroy();
  const waits = samples.map(({ ms }) => ms);
  const arrivals = {
    ratePerS: Math.round(ratePerS),
    ...percentilesOf(waits),
    maxMs: percentile(waits, 100),
    sentLateP99Ms: percentile(sentLateMs, 99),
    errors,
  };
  return { arrivals, samples };
}

/** Files in an order that is no order, the same in each run. */
const anyOf = (served: readonly Served[], number: number): Served =>
  present(served[(number * 7_919) % served.length], 'a file');

const SIDES = ['floor', 'files', 'notModified'] as const;
type Side = (typeof SIDES)[number];
type Measured = Volley & CpuOfOne & { readonly commandsPerS: number };

async function measure(
  bench: BenchEngine,
  servers: { readonly floor: ServerProcess; readonly ours: ServerProcess },
  served: readonly Served[],
  { requests, connections, repeats }: StormOptions,
  progress: Progress,
) {
  const asking = (headersOf: (file: Served) => Record<string, string>): Requests =>
    Array.from({ length: requests }, (_, number) => {
      const file = anyOf(served, number);
      return { method: 'GET', path: file.path, headers: { ...GZIP, ...headersOf(file) } };
    });
  const files = asking(() => ({}));
  const sides = {
    floor: { server: servers.floor, list: files, expected: [200] },
    files: { server: servers.ours, list: files, expected: [200] },
    notModified: {
      server: servers.ours,
      list: asking(({ etag }) => ({ 'if-none-match': etag })),
      expected: [304],
    },
  };
  const turns = { sides: SIDES, warmUp: WARM_UP, repeats };
  return interleaved(turns, progress, async (side): Promise<Measured> => {
    const { server, list, expected } = sides[side];
    const commands = await commandsOf(bench.redis);
    const volley = await withCpu(bench, server, requests, () =>
      fire(server.url, connections, list, expected),
    );
    const asked = (await commandsOf(bench.redis)) - commands;
    return { ...volley, commandsPerS: (asked * volley.rps) / requests };
  });
}

function sideOf(volleys: readonly Measured[]) {
  const middle = (what: keyof Measured): number => median(volleys.map((one) => one[what]));
  return {
    rps: Math.round(middle('rps')),
    p99Ms: middle('p99Ms'),
    cpuUs: Math.round(middle('serverCpuUs')),
    commandsPerS: rounded(Math.max(...volleys.map((one) => one.commandsPerS)), 1),
    errors: sum(volleys.map((one) => one.errors)),
  };
}

type Figures = {
  readonly sides: Readonly<Record<Side, ReturnType<typeof sideOf>>>;
  readonly arrivals: Arrivals;
  readonly drawn: Drawn;
  readonly entries: number;
};

const goalsOf = ({ sides, drawn, entries }: Figures): Goal[] => [
  {
    name: 'Redis commands a second, however many ask for files that were asked for before',
    figure: Math.max(sides.files.commandsPerS, sides.notModified.commandsPerS),
    unit: 'commands',
    atMost: GOALS.commandsPerS,
  },
  {
    name: 'keeping what result files are made of / the whole draw',
    figure: drawn.resultsMs / drawn.drawMs,
    unit: 'ratio',
    atMost: GOALS.shareOfDraw,
  },
  {
    name: 'memory of result files in Redis, an entry',
    figure: drawn.resultsBytes / entries,
    unit: 'bytes',
    atMost: GOALS.bytesAnEntry,
  },
];

const chartsOf = ({ sides }: Figures, samples: readonly Sample[]): Chart[] => [
  {
    title: 'Result files a second',
    description: 'Answers a second of one process: the floor, result files, and 304.',
    kind: 'bars',
    x: { label: 'server', categories: ['node:http, same bytes', 'result files', '304'] },
    y: { label: 'answers a second' },
    series: [
      {
        name: 'answers a second',
        points: numbered([sides.floor.rps, sides.files.rps, sides.notModified.rps]),
      },
    ],
  },
  latencyOverTime(
    'Waiting for a result file: 99th percentile',
    { phases: ['result file'], samples, sliceMs: SLICE_MS },
    'p99Ms',
  ),
];

const run = (options: StormOptions, progress: Progress): Promise<Outcome> =>
  withEngine(async (bench) => {
    const { engine, redis } = bench;
    const { entries, connections, load, seconds } = options;
    const drawn = await drawIn(bench, entries, progress);
    const servers: ServerProcess[] = [];
    const start = async (file: string, environment: Record<string, string>) => {
      const started = await startServer(file, environment);
      servers.push(started);
      return started;
    };
    try {
      const ours = await start('src/server.ts', {
        // All requests come from one address.
        ...unlimited('LIMIT_DISCOVERY_PER_ADDRESS', 'LIMIT_DISCOVERY_PER_NETWORK'),
        ...settingsFor(bench),
      });
      const { results } = granted(await engine.rounds.round(RELEASE, 0));
      const { prefixLength, files } = results as { prefixLength: number; files: number };
      const paths = Array.from(
        { length: files },
        (_, file) => `/v1/releases/${RELEASE}/rounds/0/results/${prefixOf(file, prefixLength)}`,
      );
      const before = { commands: await commandsOf(redis), cpuMs: cpuMs(ours.pid) };
      const { served, ms } = await askFirst(ours.url, paths, connections);
      const first = {
        files,
        filesPerS: Math.round((files * 1000) / ms),
        cpuUsAFile: Math.round(((cpuMs(ours.pid) - before.cpuMs) * 1000) / files),
        commandsAFile: ((await commandsOf(redis)) - before.commands) / files,
        bytesAFile: Math.round(sum(served.map(({ bytes }) => bytes)) / files),
      };
      const floor = await start('bench/static-server.ts', {
        BENCH_URL: `${ours.url}${present(paths[0], 'a file')}`,
        BENCH_HEADERS: JSON.stringify(GZIP),
      });
      const measured = await measure(bench, { floor, ours }, served, options, progress);
      const sides = {
        floor: sideOf(measured.floor),
        files: sideOf(measured.files),
        notModified: sideOf(measured.notModified),
      };
      const { arrivals, samples } = await arrive(ours.url, served, load * sides.files.rps, seconds);
      const figures = { sides, arrivals, drawn, entries };
      const errors =
        sides.floor.errors + sides.files.errors + sides.notModified.errors + arrivals.errors;
      const ratio = rounded(sides.files.rps / sides.floor.rps);
      return {
        figures: { ratio, ...sides, first, arrivals, drawn, errors, ...options },
        goals: goalsOf(figures),
        charts: chartsOf(figures, samples),
        errors,
      };
    } finally {
      await Promise.all(servers.map((one) => one.stop()));
    }
  });

export const storm: Scenario<StormOptions> = {
  name: 'storm',
  summary:
    'everybody asks for the result of a round: its result files, beside the same from memory',
  options: [
    amount('entries', 'entries of the round', 1_000_000),
    requestsOption(20_000),
    connectionsOption(50),
    repeatsOption(3),
    measureOption('load', 'share', 'arrivals, of what volleys reach', 0.5, [0.01, 1]),
    measureOption('seconds', 'seconds', 'how long they arrive', 10, [0.1, 3_600]),
  ],
  run,
  inAll: { mostS: 60, options: { entries: 200_000, requests: 10_000, seconds: 5 } },
  quick: { entries: 300, requests: 60, connections: 4, repeats: 1, seconds: 1 },
};
