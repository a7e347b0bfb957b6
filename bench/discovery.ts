/**
 * What the CoWIN surface costs where it is asked most: calendarByDistrict for Pune, seven days of
 * 459 centres, beside node:http with the same bytes in memory; and a schedule that was asked before,
 * beside the least that an entry can cost.
 */
import { get as httpGet } from 'node:http';
import { createAccessTokens } from '../src/gates/access-tokens.ts';
import type { Progress } from '../src/demo/progress.ts';
import { referenceOf } from '../src/cowin/ids.ts';
import { dayText } from '../src/cowin/words.ts';
import { isoFromMs, nowMs } from '../src/lib/clock.ts';
import { present } from '../src/lib/assert.ts';
import { ReleaseTerms } from '../src/releases/rules.ts';
import { type CalendarSession, PUNE, puneCalendar } from './support/calendar.ts';
import { type BenchEngine, SECRET, withEngine } from './support/engine.ts';
import { fire, median } from './support/fire.ts';
import { pour, type Poured } from './support/pour.ts';
import { granted, openRelease, registerCitizens } from './support/pune.ts';
import { cpuMs, type ServerProcess, startServer } from './support/processes.ts';

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

type PairName = 'gzip' | 'plain' | 'schedule';
const GOALS = { discovery: 0.7, schedule: 0.5 } as const;
const WARM_UP = 2;
/** Of people whom registerCitizens registers, all are older. */
const AGE = 45;
const RELEASE = 'pune-calendar';
const FLOOR_RELEASE = 'pune-floor-01';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** All requests come from one address and one account. */
const MANY = '1000000000';
const UNLIMITED = {
  LIMIT_DISCOVERY_PER_ADDRESS: MANY,
  LIMIT_DISCOVERY_PER_NETWORK: MANY,
  LIMIT_WRITE_PER_ADDRESS: MANY,
  LIMIT_WRITE_PER_NETWORK: MANY,
  LIMIT_WRITE_PER_ACCOUNT: MANY,
};

type Requests = Parameters<typeof fire>[2];
type Pair = { readonly floor: Side; readonly ours: Side };
type Side = { readonly server: ServerProcess; readonly requests: Requests };
type Measured = Poured & { readonly serverCpuUs: number };

export const discovery = (options: DiscoveryOptions, progress: Progress) =>
  withEngine(async (bench) => {
    const today = isoFromMs(nowMs() + DAY_MS).slice(0, 10);
    await openCalendar(bench, today);
    const nodeOptions =
      options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`];
    const servers: ServerProcess[] = [];
    const start = async (file: string, environment: Record<string, string>) => {
      const started = await startServer(file, environment, nodeOptions);
      servers.push(started);
      return started;
    };
    try {
      const engine = await start('src/server.ts', {
        ...UNLIMITED,
        REDIS_URL: bench.server.address.url,
        FAIRSLOT_SECRET: SECRET,
        FAIRSLOT_OPERATOR_KEY: SECRET,
        CAPTCHA_DRIVER: 'none',
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
      return figures(await measureAll(pairs, options, progress), bytes, options);
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
  const [citizen] = await registerCitizens(engine, 1, progress);
  const { account, person } = present(citizen, 'a citizen');
  const tokens = createAccessTokens([SECRET]);
  const { accessToken } = await tokens.issue({ account, epoch: 0 });
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
  const headers = { ...json, authorization: `Bearer ${accessToken}` };
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

const bytesOf = (url: string, headers: Record<string, string>): Promise<number> =>
  new Promise((resolve, reject) => {
    httpGet(url, { headers }, (received) => {
      let bytes = 0;
      received.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      received.once('end', () => resolve(bytes));
    }).once('error', reject);
  });

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
  pairs: Readonly<Record<PairName, Pair>>,
  { connections, repeats, only }: DiscoveryOptions,
  progress: Progress,
) {
  const measured: Record<PairName, Record<keyof Pair, Measured[]>> = {
    gzip: { floor: [], ours: [] },
    plain: { floor: [], ours: [] },
    schedule: { floor: [], ours: [] },
  };
  const names = (Object.keys(pairs) as PairName[]).filter((name) => name === (only ?? name));
  const phase = progress('firing volleys', names.length * 2 * (WARM_UP + repeats));
  for (const name of names)
    for (let volley = 0; volley < WARM_UP + repeats; volley++)
      for (const side of ['floor', 'ours'] as const) {
        const { server, requests } = pairs[name][side];
        const beforeMs = cpuMs(server.pid);
        const outcome = await ask(name, side, pairs[name][side], connections);
        const serverCpuUs = ((cpuMs(server.pid) - beforeMs) * 1000) / requests.length;
        if (volley >= WARM_UP) measured[name][side].push({ ...outcome, serverCpuUs });
        phase.advance();
      }
  phase.done();
  return measured;
}

/** Of what was not measured. */
const NOTHING = { floorRps: 0, rps: 0, ratio: 0, p99Ms: 0, floorCpuUs: 0, cpuUs: 0, errors: 0 };

function figures(
  measured: Awaited<ReturnType<typeof measureAll>>,
  bytes: { readonly gzip: number; readonly plain: number },
  { requests, connections, repeats }: DiscoveryOptions,
) {
  const of = (name: PairName) => {
    const { floor, ours } = measured[name];
    if (ours.length === 0) return NOTHING;
    const middle = (side: Measured[], what: keyof Measured): number =>
      median(side.map((one) => one[what]));
    const rps = { floor: middle(floor, 'rps'), ours: middle(ours, 'rps') };
    return {
      floorRps: Math.round(rps.floor),
      rps: Math.round(rps.ours),
      ratio: Number((rps.ours / rps.floor).toFixed(2)),
      p99Ms: Math.round(middle(ours, 'p99Ms')),
      floorCpuUs: Math.round(middle(floor, 'serverCpuUs')),
      cpuUs: Math.round(middle(ours, 'serverCpuUs')),
      errors: [...floor, ...ours].reduce((sum, one) => sum + one.errors, 0),
    };
  };
  const [gzip, plain, schedule] = [of('gzip'), of('plain'), of('schedule')];
  const errors = gzip.errors + plain.errors + schedule.errors;
  return {
    floorRps: plain.floorRps,
    discoveryRps: plain.rps,
    ratio: plain.ratio,
    gzipRatio: gzip.ratio,
    scheduleRatio: schedule.ratio,
    goals: GOALS,
    met:
      plain.ratio >= GOALS.discovery &&
      gzip.ratio >= GOALS.discovery &&
      schedule.ratio >= GOALS.schedule &&
      errors === 0,
    errors,
    bytes,
    gzip,
    plain,
    schedule,
    requests,
    connections,
    repeats,
  };
}
