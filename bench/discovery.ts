/**
 * What the CoWIN surface costs where it is asked most: calendarByDistrict for Pune, seven days of
 * 459 centres, beside node:http with the same bytes in memory; and a schedule that was asked before,
 * beside the least that an entry can cost.
 */
import { Option } from 'commander';
import type { Progress } from '../src/progress.ts';
import { referenceOf } from '../src/cowin/ids.ts';
import { dayText } from '../src/cowin/words.ts';
import { isoFromMs, nowMs } from '../src/lib/clock.ts';
import { present } from '../src/lib/assert.ts';
import { ReleaseTerms } from '../src/releases/rules.ts';
import { type CalendarSession, PUNE, puneCalendar } from './support/calendar.ts';
import { type BenchEngine, settingsFor, unlimited, withEngine } from './support/engine.ts';
import { exchange } from './support/exchange.ts';
import { fire } from './support/fire.ts';
import { type CpuOfOne, interleaved, WARM_UP, withCpu } from './support/measure.ts';
import { median, rounded, spread, sum } from './support/numbers.ts';
import {
  connections as connectionsOption,
  nodeOptionsFor,
  profile as profileOption,
  repeats as repeatsOption,
  requests as requestsOption,
} from './support/options.ts';
import { bearersOf } from './support/passes.ts';
import { pour, type Poured } from './support/pour.ts';
import { granted, openRelease, registerCitizens } from './support/pune.ts';
import { type ServerProcess, startServer } from './support/processes.ts';
import type { Chart, Goal, Scenario } from './support/scenario.ts';

export type DiscoveryOptions = {
  /** Of one volley. */
  readonly requests: number;
  readonly connections: number;
  /** Volleys that count, of each side. */
  readonly repeats: number;
  /** Directory for a CPU profile of each process. */
  readonly profile?: string | undefined;
  /** One of the three, for a profile of nothing else. */
  readonly only?: PairName | undefined;
};

const PAIR_NAMES = ['gzip', 'plain', 'schedule'] as const;
type PairName = (typeof PAIR_NAMES)[number];
const GOALS = { gzip: 0.7, plain: 0.7, schedule: 0.5 } as const;
/** Of people whom registerCitizens registers, all are older. */
const AGE = 45;
const RELEASE = 'pune-calendar';
const FLOOR_RELEASE = 'pune-floor-01';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** All requests come from one address and one account. */
const UNLIMITED = unlimited(
  'LIMIT_DISCOVERY_PER_ADDRESS',
  'LIMIT_DISCOVERY_PER_NETWORK',
  'LIMIT_WRITE_PER_ADDRESS',
  'LIMIT_WRITE_PER_NETWORK',
  'LIMIT_WRITE_PER_ACCOUNT',
);

type Requests = Parameters<typeof fire>[2];
type Pair = { readonly floor: Side; readonly ours: Side };
type Side = { readonly server: ServerProcess; readonly requests: Requests };
type Measured = Poured & CpuOfOne;

export const measureDiscovery = (options: DiscoveryOptions, progress: Progress) =>
  withEngine(async (bench) => {
    const today = isoFromMs(nowMs() + DAY_MS).slice(0, 10);
    await openCalendar(bench, today);
    const nodeOptions = nodeOptionsFor(options.profile);
    const servers: ServerProcess[] = [];
    const start = async (file: string, environment: Record<string, string>) => {
      const started = await startServer(file, environment, nodeOptions);
      servers.push(started);
      return started;
    };
    try {
      const engine = await start('src/server.ts', {
        ...UNLIMITED,
        ...settingsFor(bench),
      });
      const path = `/api/v2/appointment/sessions/public/calendarByDistrict?district_id=${PUNE.districtId}&date=${dayText(today)}`;
      const gzip = { 'accept-encoding': 'gzip' };
      const reading = async (headers: Record<string, string>): Promise<Pair> => {
        const requests = manyOf(options.requests, { method: 'GET', path, headers });
        const floor = await start('bench/static-server.ts', {
          BENCH_URL: `${engine.url}${path}`,
          BENCH_HEADERS: JSON.stringify(headers),
        });
        return { floor: { server: floor, requests }, ours: { server: engine, requests } };
      };
      const pairs = {
        gzip: await reading(gzip),
        plain: await reading({}),
        schedule: await asking(bench, engine, start, options.requests, progress),
      };
      const bytes = {
        gzip: await bytesOf(`${engine.url}${path}`, gzip),
        plain: await bytesOf(`${engine.url}${path}`, {}),
      };
      return figures(await measureAll(bench, pairs, options, progress), bytes, options);
    } finally {
      await Promise.all(servers.map((one) => one.stop()));
    }
  });

async function openCalendar({ engine }: BenchEngine, firstDay: string): Promise<void> {
  const { releases } = engine;
  const now = nowMs();
  const terms = ReleaseTerms.parse({
    release: RELEASE,
    title: 'Pune, seven days',
    mode: 'lottery',
    opensAt: isoFromMs(now - 1),
    closesAt: isoFromMs(now + HOUR_MS),
    endsAt: isoFromMs(now + 2 * HOUR_MS),
  });
  granted(await releases.create(terms));
  granted(await releases.importCalendarInto(RELEASE, puneCalendar(firstDay).centers, PUNE));
  granted(await releases.publish(RELEASE, now));
}

const manyOf = (count: number, one: Requests[number]): Requests =>
  Array.from({ length: count }, () => one);

/** The same schedule of one account again and again, and one bare script call for each. */
async function asking(
  { engine, server: redis }: BenchEngine,
  ours: ServerProcess,
  start: (file: string, environment: Record<string, string>) => Promise<ServerProcess>,
  requests: number,
  progress: Progress,
): Promise<Pair> {
  await openRelease(engine, FLOOR_RELEASE, 1_000);
  const citizens = await registerCitizens(engine, 1, progress);
  const { person } = present(citizens[0], 'a citizen');
  const [authorization = ''] = await bearersOf(citizens);
  const { centers } = puneCalendar(isoFromMs(nowMs() + DAY_MS).slice(0, 10));
  const session = present(
    centers.flatMap(({ sessions }) => sessions).find(suits),
    'a session for everyone',
  );
  const json = { 'content-type': 'application/json' };
  const wish = {
    dose: 1,
    session_id: session.session_id,
    slot: present(session.slots[0], 'a slot'),
    beneficiaries: [referenceOf(engine.secrets, person)],
  };
  const floor = await start('bench/floor-server.ts', {
    REDIS_URL: redis.address.url,
    BENCH_RELEASE: FLOOR_RELEASE,
  });
  const headers = { ...json, authorization };
  const body = JSON.stringify(wish);
  const path = '/api/v2/appointment/schedule';
  const first = await fetch(`${ours.url}${path}`, { method: 'POST', headers, body });
  const said = await first.text();
  if (!said.includes('ENTERED_IN_LOTTERY')) throw new Error(`the schedule was answered ${said}`);
  const entry = JSON.stringify({ beneficiaries: [person], preferences: ['0'] });
  return {
    floor: {
      server: floor,
      requests: manyOf(requests, { method: 'PUT', path: '/', headers: json, body: entry }),
    },
    ours: {
      server: ours,
      requests: manyOf(requests, { method: 'POST', path, headers, body }),
    },
  };
}

/** Whatever the age, and with its slots as times of day. */
const suits = (session: CalendarSession): boolean =>
  session.available_capacity_dose1 > 0 &&
  session.min_age_limit === AGE &&
  session.allow_all_age &&
  session.slots[0] !== 'FORENOON';

const bytesOf = async (url: string, headers: Record<string, string>): Promise<number> =>
  (await exchange(url, { headers })).body.length;

/** Large answers are poured away: reading them as HTTP would be what is measured. */
function ask(
  name: PairName,
  side: keyof Pair,
  { server, requests }: Side,
  connections: number,
): Promise<Poured> {
  if (name === 'schedule')
    return fire(server.url, connections, requests, side === 'ours' ? [409] : [200]);
  const { path = '/', headers = {} } = present(requests[0], 'a request');
  const asked = { path, headers: headers as Record<string, string> };
  return pour(server.url, asked, requests.length, connections);
}

async function measureAll(
  bench: BenchEngine,
  pairs: Readonly<Record<PairName, Pair>>,
  { connections, repeats, only }: DiscoveryOptions,
  progress: Progress,
) {
  const measured: Partial<Record<PairName, Record<keyof Pair, Measured[]>>> = {};
  const turns = { sides: ['floor', 'ours'], warmUp: WARM_UP, repeats } as const;
  for (const name of PAIR_NAMES.filter((name) => name === (only ?? name)))
    measured[name] = await interleaved(turns, progress, async (side) => {
      const { server, requests } = pairs[name][side];
      return withCpu(bench, server, requests.length, () =>
        ask(name, side, pairs[name][side], connections),
      );
    });
  return measured;
}

/** Of what was not measured. */
const NOTHING = {
  floorRps: 0,
  rps: 0,
  ratio: 0,
  ratioOfVolleys: { least: 0, median: 0, most: 0 },
  p99Ms: 0,
  floorCpuUs: 0,
  cpuUs: 0,
  redisCpuUs: 0,
  errors: 0,
};

function figuresOf(
  sides: Readonly<Record<keyof Pair, readonly Measured[]>> | undefined,
): typeof NOTHING {
  if (!sides) return NOTHING;
  const { floor, ours } = sides;
  const middle = (side: readonly Measured[], what: keyof Measured): number =>
    median(side.map((one) => one[what]));
  const rps = { floor: middle(floor, 'rps'), ours: middle(ours, 'rps') };
  return {
    floorRps: Math.round(rps.floor),
    rps: Math.round(rps.ours),
    ratio: rounded(rps.ours / rps.floor),
    ratioOfVolleys: spread(ours.map((one, turn) => one.rps / (floor[turn]?.rps ?? Number.NaN))),
    p99Ms: Math.round(middle(ours, 'p99Ms')),
    floorCpuUs: Math.round(middle(floor, 'serverCpuUs')),
    cpuUs: Math.round(middle(ours, 'serverCpuUs')),
    redisCpuUs: Math.round(middle(ours, 'redisCpuUs')),
    errors: sum([...floor, ...ours].map((one) => one.errors)),
  };
}

function figures(
  measured: Awaited<ReturnType<typeof measureAll>>,
  bytes: { readonly gzip: number; readonly plain: number },
  { requests, connections, repeats }: DiscoveryOptions,
) {
  const [gzip, plain, schedule] = [
    figuresOf(measured.gzip),
    figuresOf(measured.plain),
    figuresOf(measured.schedule),
  ];
  return {
    floorRps: plain.floorRps,
    discoveryRps: plain.rps,
    ratio: plain.ratio,
    gzipRatio: gzip.ratio,
    scheduleRatio: schedule.ratio,
    errors: gzip.errors + plain.errors + schedule.errors,
    bytes,
    gzip,
    plain,
    schedule,
    requests,
    connections,
    repeats,
  };
}

type Figures = ReturnType<typeof figures>;

const IN_WORDS: Readonly<Record<PairName, string>> = {
  gzip: "a district's calendar, compressed / node:http with the same bytes",
  plain: "a district's calendar, not compressed / node:http with the same bytes",
  schedule: 'a schedule that was asked before / the bare entry script',
};

const goalsOf = (figures: Figures, only: PairName | undefined): Goal[] =>
  PAIR_NAMES.filter((name) => name === (only ?? name)).map((name) => ({
    name: IN_WORDS[name],
    figure: figures[name].ratio,
    unit: 'ratio',
    atLeast: GOALS[name],
  }));

function chartsOf(figures: Figures): Chart[] {
  const x = { label: '', categories: ['calendar, gzip', 'calendar, plain', 'schedule'] };
  const all = (of: (pair: typeof NOTHING) => number) =>
    PAIR_NAMES.map((name, place) => [place, of(figures[name])] as const);
  return [
    {
      title: 'Answers a second',
      description: 'Beside the least that each of them can cost, in the same run.',
      kind: 'bars',
      x,
      y: { label: 'a second' },
      series: [
        { name: 'floor', points: all(({ floorRps }) => floorRps) },
        { name: 'ours', points: all(({ rps }) => rps) },
      ],
    },
    {
      title: 'CPU of one answer',
      description: 'Of the server, beside that of the floor, and of Redis.',
      kind: 'bars',
      x,
      y: { label: 'microseconds of CPU' },
      series: [
        { name: 'floor', points: all(({ floorCpuUs }) => floorCpuUs) },
        { name: 'ours', points: all(({ cpuUs }) => cpuUs) },
        { name: 'Redis', points: all(({ redisCpuUs }) => redisCpuUs) },
      ],
    },
  ];
}

export const discovery: Scenario<DiscoveryOptions> = {
  name: 'discovery',
  summary: 'the CoWIN calendar of a district, against node:http with the same bytes in memory',
  options: [
    requestsOption(3_000),
    connectionsOption(50),
    repeatsOption(5),
    profileOption(),
    new Option('--only <what>', 'for a profile').choices(PAIR_NAMES),
  ],
  inAll: { mostS: 70 },
  quick: { requests: 40, connections: 4, repeats: 1 },
  run: async (options, progress) => {
    const figures = await measureDiscovery(options, progress);
    return {
      figures,
      goals: goalsOf(figures, options.only),
      charts: chartsOf(figures),
      errors: figures.errors,
    };
  },
};
