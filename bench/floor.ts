/**
 * How close taking an entry, with everything that guards it, comes to the least that it can cost.
 */
import { Option } from 'commander';
import type { Progress } from '../src/progress.ts';
import type { Published } from '../src/releases/service.ts';
import { present } from '../src/lib/assert.ts';
import { bearersOf, createPasses } from './support/passes.ts';
import {
  type BenchEngine,
  EASY_CAPTCHA,
  LIMITS_OF_WRITING,
  settingsFor,
  unlimited,
  withEngine,
} from './support/engine.ts';
import { fire, type Volley } from './support/fire.ts';
import { type CpuOfOne, interleaved, WARM_UP, withCpu } from './support/measure.ts';
import { median, rounded, spread, sum } from './support/numbers.ts';
import {
  connections as connectionsOption,
  nodeOptionsFor,
  profile as profileOption,
  repeats as repeatsOption,
  requests as requestsOption,
} from './support/options.ts';
import { type Citizen, openRelease, registerCitizens, RELEASE, wishesFor } from './support/pune.ts';
import { type ServerProcess, startServer } from './support/processes.ts';
import type { Chart, Scenario } from './support/scenario.ts';

export type FloorOptions = {
  /** Requests of one volley, each a new or a changed entry. */
  readonly requests: number;
  readonly connections: number;
  /** Volleys that count, of each of the two. */
  readonly repeats: number;
  /** Directory for a CPU profile of each process. */
  readonly profile?: string | undefined;
  /** Every entry brings a device token and a solved captcha. */
  readonly captcha: boolean;
};

const GOAL = 0.8;
/** Names of one length, since each goes into nine keys of a script call. */
const RELEASES = { floor: 'pune-2021-04-09', entry: RELEASE } as const;
type Side = keyof typeof RELEASES;
const SIDES = Object.keys(RELEASES) as Side[];

/** All requests come from one address, and with short volleys an account may send many a minute. */
const UNLIMITED = unlimited(...LIMITS_OF_WRITING);

export const measureFloor = (options: FloorOptions, progress: Progress) =>
  withEngine(async (bench) => {
    const { engine } = bench;
    await openRelease(engine, RELEASES.floor, options.requests);
    const published = await openRelease(engine, RELEASES.entry, options.requests);
    const citizens = await registerCitizens(engine, options.requests, progress);
    const volleyOf = await requestsOf(bench, published, citizens, options.captcha);
    const servers = await startBoth(bench, options);
    try {
      const turns = { sides: SIDES, warmUp: WARM_UP, repeats: options.repeats };
      const volleys: ReturnType<typeof volleyOf>[] = [];
      const measured = await interleaved(turns, progress, async (side, edit) => {
        // Both sides get the same one, and only one of them looks at all of it.
        volleys[edit] ??= volleyOf(edit);
        const volley = await volleys[edit];
        return withCpu(bench, servers[side], volley.length, () =>
          fire(servers[side].url, options.connections, volley),
        );
      });
      return figures(measured, options);
    } finally {
      await Promise.all(SIDES.map((side) => servers[side].stop()));
    }
  });

async function requestsOf(
  { engine }: BenchEngine,
  published: Published,
  citizens: Citizen[],
  captcha: boolean,
) {
  const passes = await createPasses(engine.secrets, citizens, captcha);
  const bearers = await bearersOf(citizens, passes.device);
  const wishes = wishesFor(published);
  return async (edit: number) => {
    const gates = await passes.headers();
    return citizens.map(({ person }, index) => ({
      method: 'PUT' as const,
      path: `/v1/releases/${RELEASES.entry}/entry`,
      headers: {
        'content-type': 'application/json',
        authorization: present(bearers[index], 'a token'),
        ...gates[index],
      },
      body: JSON.stringify({ beneficiaries: [person], preferences: wishes(index, edit) }),
    }));
  };
}

async function startBoth(
  bench: BenchEngine,
  { profile, captcha }: FloorOptions,
): Promise<Record<Side, ServerProcess>> {
  const nodeOptions = nodeOptionsFor(profile);
  const settings = settingsFor(bench);
  const ofFloor = { ...settings, BENCH_RELEASE: RELEASES.floor };
  const ofEntry = { ...settings, ...UNLIMITED, ...(captcha && EASY_CAPTCHA) };
  return {
    floor: await startServer('bench/floor-server.ts', ofFloor, nodeOptions),
    entry: await startServer('src/server.ts', ofEntry, nodeOptions),
  };
}

type Measured = Volley & CpuOfOne;

function figures(measured: Record<Side, Measured[]>, options: FloorOptions) {
  const middle = (side: Side) => {
    const of = (name: keyof Measured): number => median(measured[side].map((one) => one[name]));
    return {
      rps: spread(
        measured[side].map(({ rps }) => rps),
        0,
      ),
      p50Ms: of('p50Ms'),
      p99Ms: of('p99Ms'),
      maxMs: of('maxMs'),
      serverCpuUs: Math.round(of('serverCpuUs')),
      redisCpuUs: Math.round(of('redisCpuUs')),
    };
  };
  const sides = { floor: middle('floor'), entry: middle('entry') };
  return {
    floorRps: sides.floor.rps.median,
    entryRps: sides.entry.rps.median,
    ratio: rounded(sides.entry.rps.median / sides.floor.rps.median),
    errors: sum(SIDES.flatMap((side) => measured[side]).map(({ errors }) => errors)),
    ...sides,
    captcha: options.captcha,
    requests: options.requests,
    connections: options.connections,
    repeats: options.repeats,
  };
}

type Figures = ReturnType<typeof figures>;

const chartsOf = ({ floor, entry }: Figures): Chart[] => {
  const x = { label: '', categories: ['floor', 'entry route'] };
  const both = (of: (side: typeof floor) => number) =>
    [
      [0, of(floor)],
      [1, of(entry)],
    ] as const;
  return [
    {
      title: 'Entries a second',
      description: 'The floor is node:http, JSON and the one script that writes an entry.',
      kind: 'bars',
      x,
      y: { label: 'a second' },
      series: [
        { name: 'slowest volley', points: both(({ rps }) => rps.least) },
        { name: 'median', points: both(({ rps }) => rps.median) },
        { name: 'fastest volley', points: both(({ rps }) => rps.most) },
      ],
    },
    {
      title: 'CPU of one entry',
      description: 'Of the server process and of Redis; medians over the volleys.',
      kind: 'bars',
      x,
      y: { label: 'microseconds of CPU' },
      series: [
        { name: 'server', points: both(({ serverCpuUs }) => serverCpuUs) },
        { name: 'Redis', points: both(({ redisCpuUs }) => redisCpuUs) },
      ],
    },
  ];
};

export const floor: Scenario<FloorOptions> = {
  name: 'floor',
  summary: 'entries a second through the whole server, against one bare script call',
  options: [
    requestsOption(10_000),
    connectionsOption(100),
    repeatsOption(5),
    profileOption(),
    new Option('--captcha', 'every entry brings a device token and a solved captcha').default(true),
    new Option('--no-captcha', 'leave both out'),
  ],
  inAll: { mostS: 120 },
  quick: { requests: 100, repeats: 1 },
  run: async (options, progress) => {
    const figures = await measureFloor(options, progress);
    const gates = options.captcha ? 'every gate' : 'every gate but device and captcha';
    return {
      figures,
      goals: [
        {
          name: `entry route with ${gates} / floor`,
          figure: figures.ratio,
          unit: 'ratio',
          atLeast: GOAL,
        },
      ],
      charts: chartsOf(figures),
      errors: figures.errors,
    };
  },
};
