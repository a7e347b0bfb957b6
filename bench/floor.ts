/**
 * How close taking an entry, with everything that guards it, comes to the least that it can cost.
 */
import { createAccessTokens } from '../src/gates/access-tokens.ts';
import type { Progress } from '../src/demo/progress.ts';
import type { Published } from '../src/releases/service.ts';
import { present } from '../src/lib/assert.ts';
import { createPasses } from './support/passes.ts';
import { type BenchEngine, SECRET, withEngine } from './support/engine.ts';
import { fire, median, type Volley } from './support/fire.ts';
import {
  type Citizen,
  inBatches,
  openRelease,
  registerCitizens,
  RELEASE,
  wishesFor,
} from './support/pune.ts';
import { cpuMs, type ServerProcess, startServer } from './support/processes.ts';

export type FloorOptions = {
  /** Requests of one volley, each a new or a changed entry. */
  readonly requests: number;
  readonly connections: number;
  /** Volleys that count, of each of the two. */
  readonly repeats: number;
  /** Directory for a CPU profile of each process. */
  readonly profile?: string | undefined;
  /** Every entry brings a device token and a solved captcha. */
  readonly captcha?: boolean | undefined;
};

const GOAL = 0.5;
/** Volleys of each side until the compiler has seen enough of it. */
const WARM_UP = 2;
/** Names of one length, since each goes into nine keys of a script call. */
const RELEASES = { floor: 'pune-2021-04-09', entry: RELEASE } as const;
type Side = keyof typeof RELEASES;
const SIDES = Object.keys(RELEASES) as Side[];

/** All requests come from one address, and with short volleys an account may send many a minute. */
const UNLIMITED = {
  LIMIT_WRITE_PER_ADDRESS: '1000000000',
  LIMIT_WRITE_PER_NETWORK: '1000000000',
  LIMIT_WRITE_PER_ACCOUNT: '1000000000',
  LIMIT_WRITE_PER_DEVICE: '1000000000',
};
/** Making the work is not measured, checking it is: one key to try costs as much to check as many. */
const EASY = { CAPTCHA_DRIVER: 'altcha', CAPTCHA_TRIES: '1' };

export const floor = (options: FloorOptions, progress: Progress) =>
  withEngine(async (bench) => {
    const { engine } = bench;
    await openRelease(engine, RELEASES.floor, options.requests);
    const published = await openRelease(engine, RELEASES.entry, options.requests);
    const citizens = await registerCitizens(engine, options.requests, progress);
    const volleyOf = await requestsOf(bench, published, citizens, options.captcha ?? false);
    const servers = await startBoth(bench, options);
    const measured: Record<Side, Measured[]> = { floor: [], entry: [] };
    const phase = progress('firing volleys', SIDES.length * (WARM_UP + options.repeats));
    try {
      for (let edit = 0; edit < WARM_UP + options.repeats; edit++)
        for (const side of SIDES) {
          const volley = await volleyOf(edit);
          const outcome = await measure(bench, servers[side], options.connections, volley);
          if (edit >= WARM_UP) measured[side].push(outcome);
          phase.advance();
        }
    } finally {
      await Promise.all(SIDES.map((side) => servers[side].stop()));
      phase.done();
    }
    return figures(measured, options);
  });

async function requestsOf(
  { engine }: BenchEngine,
  published: Published,
  citizens: Citizen[],
  captcha: boolean,
) {
  const tokens = createAccessTokens([SECRET]);
  const passes = await createPasses(engine.secrets, citizens, captcha);
  const bearers = await inBatches(citizens.length, async (index) => {
    const { account } = present(citizens[index], 'a citizen');
    return `Bearer ${(await tokens.issue({ account, epoch: 0, device: passes.device(index) })).accessToken}`;
  });
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
  { server }: BenchEngine,
  { profile, captcha }: FloorOptions,
): Promise<Record<Side, ServerProcess>> {
  const redis = { REDIS_URL: server.address.url };
  const nodeOptions = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  return {
    floor: await startServer(
      'bench/floor-server.ts',
      { ...redis, BENCH_RELEASE: RELEASES.floor },
      nodeOptions,
    ),
    entry: await startServer(
      'src/server.ts',
      {
        ...redis,
        ...UNLIMITED,
        ...(captcha && EASY),
        FAIRSLOT_SECRET: SECRET,
        FAIRSLOT_OPERATOR_KEY: SECRET,
      },
      nodeOptions,
    ),
  };
}

type Measured = Volley & {
  /** Microseconds of CPU a request: of the server, of Redis. */
  readonly serverCpuUs: number;
  readonly redisCpuUs: number;
};

async function measure(
  { server: redis }: BenchEngine,
  server: ServerProcess,
  connections: number,
  requests: Parameters<typeof fire>[2],
): Promise<Measured> {
  const before = [cpuMs(server.pid), cpuMs(redis.pid)] as const;
  const volley = await fire(server.url, connections, requests);
  const each = (pid: number, beforeMs: number): number =>
    ((cpuMs(pid) - beforeMs) * 1000) / requests.length;
  return {
    ...volley,
    serverCpuUs: each(server.pid, before[0]),
    redisCpuUs: each(redis.pid, before[1]),
  };
}

function figures(measured: Record<Side, Measured[]>, options: FloorOptions) {
  const middle = (side: Side) => {
    const of = (name: keyof Measured): number => median(measured[side].map((one) => one[name]));
    return {
      p50Ms: of('p50Ms'),
      p99Ms: of('p99Ms'),
      maxMs: of('maxMs'),
      serverCpuUs: Math.round(of('serverCpuUs')),
      redisCpuUs: Math.round(of('redisCpuUs')),
    };
  };
  const rps = (side: Side): number => median(measured[side].map((one) => one.rps));
  const ratio = Number((rps('entry') / rps('floor')).toFixed(2));
  const errors = SIDES.flatMap((side) => measured[side]).reduce((sum, one) => sum + one.errors, 0);
  return {
    floorRps: Math.round(rps('floor')),
    entryRps: Math.round(rps('entry')),
    ratio,
    goal: GOAL,
    met: ratio >= GOAL && errors === 0,
    errors,
    floor: middle('floor'),
    entry: middle('entry'),
    requests: options.requests,
    connections: options.connections,
    repeats: options.repeats,
  };
}
