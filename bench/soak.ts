/**
 * Whether an engine that runs for long stays as it is: steady mixed traffic on real processes while
 * rounds go on, and how memory and latency drift meanwhile.
 */
import { readFileSync } from 'node:fs';
import { publishedRounds, verifyRounds } from '../src/demo/audit.ts';
import { createClient, type Client } from '../src/demo/client.ts';
import { startEngine, withLastWords } from '../src/demo/engine.ts';
import { createOperator } from '../src/demo/operator.ts';
import type { Slot } from '../src/demo/personas.ts';
import { EVENING_SETTINGS } from '../src/demo/play.ts';
import { MINUTE_MS, MOST_WISHES, readSites, scaleSites } from '../src/demo/population.ts';
import type { Progress } from '../src/progress.ts';
import { assertRehearsal, drawFirstNumber } from '../src/demo/rehearsal.ts';
import { isoFromMs, monotonicMs, nowMs, sleep } from '../src/lib/clock.ts';
import { connectRedis, disconnectRedis } from '../src/redis/client.ts';
import { freePort, startEmbeddedRedis } from '../src/redis/embedded.ts';
import { signInAll } from './rush/arrive.ts';
import { createCast } from './rush/cast.ts';
import { PHASES, type Stage } from './rush/deeds.ts';
import { unexpectedIn } from './rush/expected.ts';
import { growthOf, latencyDrift, redisGrowthOf, type Span } from './soak/drift.ts';
import { isRaced, signInsIn, visitAll } from './soak/traffic.ts';
import { type Reading, watch } from './soak/watch.ts';
import { percentilesOf, rounded, sum } from './support/numbers.ts';
import { amount, measure } from './support/options.ts';
import { latencyOverTime } from './support/latency-charts.ts';
import type { Chart, Goal, Outcome, Scenario, Target } from './support/scenario.ts';
import { byPhase, createTimed, type Sample } from './support/timed.ts';

export type SoakOptions = {
  readonly minutes: number;
  /** Visits a second, of one to three requests each; eight for a sign-in. */
  readonly rate: number;
  /** Who come again and again. */
  readonly people: number;
};

const SITES = new URL('data/pune-2021-04-10.csv', import.meta.url);
const SEED = 'soak';
const SIGN_INS_A_SECOND = 50;
/** People for one seat. */
const DEMAND = 3;
const WINDOW_S = 1;
const ROUND_EVERY_S = 5;
/** All are downloaded and recomputed in the end, within the limit of one address a minute. */
const ROUNDS_MOST = 400;
const CONFIRM_WITHIN_S = 120;
/** After the last visit, so that the release outlasts all of them. */
const SLACK_MS = 15_000;
const KINDS = ['read', ...PHASES];
/** Readings and points of charts over the whole time. */
const READINGS = 180;
const SLICES = 30;
const LEAST_BETWEEN_READINGS_MS = 1_000;
/** Compilers, caches and pools fill up at first. */
const WARM_UP_SHARE = 1 / 6;
const WARM_UP_MOST_MS = 5 * 60_000;

const P99_RATIO_MOST = 2;
const RSS_MIB_PER_HOUR_MOST = 64;
const REDIS_NET_MIB_PER_HOUR_MOST = 16;
/** A shorter run says how fast an engine warms up, not how fast it grows. */
const MINUTES_OF_A_TREND = 10;

type Where = {
  readonly client: Client;
  readonly operatorKey: string;
  readonly release: string;
  readonly firstNumber: number;
};
type Soaked = {
  readonly samples: readonly Sample[];
  readonly lateMs: readonly number[];
  /** What counts: after warming up. */
  readonly span: Span;
  readonly rounds: number;
  readonly refused: string | undefined;
};

async function soakOn(
  { client, operatorKey, release, firstNumber }: Where,
  { minutes, rate, people }: SoakOptions,
  progress: Progress,
): Promise<Soaked> {
  const durationMs = minutes * 60_000;
  const timed = createTimed(client);
  const door = { timed, client };
  const visits = Math.floor((durationMs * rate) / 1_000);
  const cast = createCast(people + signInsIn(visits), 0, SEED, firstNumber);
  const entering = progress('signed in and registered', people);
  const members = await signInAll(door, cast.slice(0, people), SIGN_INS_A_SECOND, entering);
  const operator = createOperator(client, operatorKey, {
    release,
    title: 'A release that lasts',
    minuteMs: MINUTE_MS,
  });
  const opensAtMs = nowMs() + 1_000;
  const sites = readSites(readFileSync(SITES, 'utf8'))
    .toSorted((one, other) => other.seats - one.seats)
    .slice(0, MOST_WISHES);
  const terms = {
    mode: 'lottery',
    opensAt: isoFromMs(opensAtMs),
    closesAt: isoFromMs(opensAtMs + WINDOW_S * 1_000),
    endsAt: isoFromMs(opensAtMs + durationMs + SLACK_MS),
    roundEveryS: Math.max(ROUND_EVERY_S, Math.ceil((minutes * 60) / ROUNDS_MOST)),
    confirmWithinS: CONFIRM_WITHIN_S,
  } as const;
  await operator.publish(terms, scaleSites(sites, Math.ceil(people / DEMAND)));
  const path = `/v1/releases/${release}/slots`;
  const { slots } = await client.read<{ slots: Slot[] }>(path, '127.3.0.4');
  await sleep(Math.max(0, opensAtMs - nowMs()) + 1);
  const stage: Stage = {
    ...door,
    release,
    mode: 'lottery',
    opensMs: monotonicMs(),
    closesMs: Infinity,
    pace: 1,
    slots,
    outMs: () => Promise.resolve(undefined),
  };
  const startMs = monotonicMs();
  const before = timed.samples.length;
  const newcomers = cast.slice(people);
  const phase = progress('visits', visits);
  const traffic = { door, stage, members, newcomers, rate, durationMs, seed: SEED };
  await visitAll(traffic, phase).finally(phase.done);
  const rounds = await publishedRounds(client, release);
  const { refused } = await verifyRounds(rounds);
  const warmUpMs = Math.min(WARM_UP_MOST_MS, durationMs * WARM_UP_SHARE);
  return {
    samples: timed.samples.slice(before),
    lateMs: timed.lateMs,
    span: { fromMs: startMs + warmUpMs, toMs: startMs + durationMs },
    rounds: rounds.length,
    refused,
  };
}

function outcomeOf(
  options: SoakOptions,
  soaked: Soaked,
  readings: readonly Reading[] | undefined,
): Outcome {
  const { samples, span } = soaked;
  const unexpected = unexpectedIn(samples, isRaced);
  const raced = samples.filter(({ status }) => status >= 400 && status < 500).length;
  // How long an SMS takes depends on when one looks at the phone.
  const answered = samples.filter(({ phase }) => phase !== 'sms');
  const { p99MsOfThirds, p99Ratio } = latencyDrift(answered, span);
  const after = readings?.filter(({ atMs }) => atMs >= span.fromMs && atMs <= span.toMs);
  const growth = after && { processes: growthOf(after), redis: redisGrowthOf(after) };
  const errors = sum(Object.values(unexpected)) + (soaked.refused === undefined ? 0 : 1);
  const goals: Goal[] = [
    {
      name: 'p99 of the last third / of the first',
      figure: p99Ratio,
      unit: 'ratio',
      atMost: P99_RATIO_MOST,
    },
  ];
  if (growth && options.minutes >= MINUTES_OF_A_TREND) goals.push(...memoryGoals(growth));
  return {
    figures: {
      requests: samples.length,
      raced: raced - sum(Object.values(unexpected)),
      unexpected,
      errors,
      rounds: soaked.rounds,
      roundRefused: soaked.refused,
      p99Ratio,
      p99MsOfThirds,
      latency: byPhase(KINDS, samples),
      sentLate: percentilesOf(soaked.lateMs),
      ...(growth && {
        growth,
        loopLagP99MsOfServers: lagOf(after),
        isLongEnoughForMemory: options.minutes >= MINUTES_OF_A_TREND,
      }),
      ...options,
    },
    goals,
    charts: chartsOf(options, samples, readings),
    errors,
  };
}

type Grown = {
  readonly processes: ReturnType<typeof growthOf>;
  readonly redis: ReturnType<typeof redisGrowthOf>;
};

const memoryGoals = ({ processes, redis }: Grown): Goal[] => [
  ...Object.entries(processes)
    .filter(([name]) => name !== 'start')
    .map(([name, { rssMiBPerHour }]) => ({
      name: `memory growth of ${name}`,
      figure: rssMiBPerHour,
      unit: 'MiB/h',
      atMost: RSS_MIB_PER_HOUR_MOST,
    })),
  {
    name: 'memory growth of Redis beside the data that is kept',
    figure: redis.netMiBPerHour,
    unit: 'MiB/h',
    atMost: REDIS_NET_MIB_PER_HOUR_MOST,
  },
];

const isServer = (name: string): boolean => name.startsWith('server');

function lagOf(readings: readonly Reading[] = []) {
  const lags = readings.flatMap(({ processes }) =>
    Object.entries(processes)
      .filter(([name]) => isServer(name))
      .map(([, { loopLagP99Ms }]) => loopLagP99Ms),
  );
  return percentilesOf(lags);
}

function chartsOf(
  { minutes }: SoakOptions,
  samples: readonly Sample[],
  readings: readonly Reading[] | undefined,
): Chart[] {
  const slices = { phases: KINDS, samples, sliceMs: (minutes * 60_000) / SLICES };
  const latency = [
    latencyOverTime('Latency over time: 99th percentile', slices, 'p99Ms'),
    latencyOverTime('Latency over time: median', slices, 'p50Ms'),
  ];
  return readings ? [...latency, ...memoryCharts(readings)] : latency;
}

function memoryCharts(readings: readonly Reading[]): Chart[] {
  const startMs = readings[0]?.atMs ?? 0;
  const names = [...new Set(readings.flatMap(({ processes }) => Object.keys(processes)))];
  const line = (name: string, of: (one: Reading) => number | undefined) => ({
    name,
    points: readings.flatMap((one) => {
      const value = of(one);
      return value === undefined ? [] : [[(one.atMs - startMs) / 60_000, value] as const];
    }),
  });
  const mib = (bytes: number | undefined): number | undefined =>
    bytes === undefined ? undefined : rounded(bytes / 2 ** 20);
  const x = { label: 'minutes' };
  return [
    {
      title: 'Memory over time',
      description: 'What each process and Redis hold; a line that goes on rising is a leak.',
      kind: 'lines',
      x,
      y: { label: 'MiB' },
      series: [
        ...names.map((name) => line(name, ({ processes }) => mib(processes[name]?.rssBytes))),
        line('Redis', ({ redis }) => mib(redis.usedBytes)),
        line('Redis, data kept', ({ redis }) => mib(redis.keptBytes)),
      ],
    },
    {
      title: 'Heap over time',
      description: 'What the JavaScript of each process holds, up and down with its collections.',
      kind: 'lines',
      x,
      y: { label: 'MiB' },
      series: names.map((name) => line(name, ({ processes }) => mib(processes[name]?.heapBytes))),
    },
    {
      title: 'Lag of event loops over time',
      description: 'By how much 99 of 100 turns of each process came late.',
      kind: 'lines',
      x,
      y: { label: 'ms' },
      series: names.map((name) => line(name, ({ processes }) => processes[name]?.loopLagP99Ms)),
    },
  ];
}

async function run(options: SoakOptions, progress: Progress): Promise<Outcome> {
  const server = await startEmbeddedRedis();
  const redis = connectRedis(server.address);
  try {
    const port = await freePort();
    const engine = await startEngine({
      ...EVENING_SETTINGS,
      TRUSTED_PROXIES: 'loopback',
      REDIS_URL: server.address.url,
      METRICS_PORT: String(port),
    });
    const client = createClient(engine.url, 'forwarded');
    const { operatorKey } = engine;
    const everyMs = Math.max(LEAST_BETWEEN_READINGS_MS, (options.minutes * 60_000) / READINGS);
    const watching = watch(`http://127.0.0.1:${port}/metrics`, redis, everyMs);
    try {
      const where = { client, operatorKey, release: 'soak', firstNumber: 0 };
      const soaked = await Promise.race([soakOn(where, options, progress), engine.died]);
      return outcomeOf(options, soaked, await watching.stop());
    } catch (error) {
      throw withLastWords(error, engine.lastWords());
    } finally {
      await watching.stop().catch(() => undefined);
      client.close();
      await engine.stop();
    }
  } finally {
    await disconnectRedis(redis);
    await server.stop();
  }
}

/** Latency only: what a deployment holds in memory is its operator's to watch. */
async function onTarget(
  { url, operatorKey }: Target,
  options: SoakOptions,
  progress: Progress,
): Promise<Outcome> {
  const client = createClient(url, 'forwarded');
  try {
    await assertRehearsal(client, operatorKey);
    const release = `soak-${Math.floor(nowMs() / 1_000)}`;
    const where = { client, operatorKey, release, firstNumber: drawFirstNumber() };
    return outcomeOf(options, await soakOn(where, options, progress), undefined);
  } finally {
    client.close();
  }
}

export const soak: Scenario<SoakOptions> = {
  name: 'soak',
  summary: 'whether memory and latency drift under steady traffic, over half an hour',
  options: [
    measure('minutes', 'minutes', 'how long traffic goes on', 30, [0.05, 1_440]),
    measure('rate', 'number', 'visits a second', 40, [1, 1_000]),
    amount('people', 'who come again and again', 240, [10, 20_000]),
  ],
  inAll: { mostS: 75, options: { minutes: 0.75 } },
  quick: { minutes: 0.08, rate: 20, people: 30 },
  minutesAsked: ({ minutes }) => minutes,
  run,
  onTarget,
};
