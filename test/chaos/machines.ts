/** What there is to kill: a machine of `npm start`, and the Redis under it. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { present } from '../../src/lib/assert.ts';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';
import { connectRedis, disconnectRedis, type RedisAddress } from '../../src/redis/client.ts';
import { embeddedAddress, freePort } from '../../src/redis/embedded.ts';
import { keys } from '../../src/redis/keys.ts';
import { type Machine, startMachine } from '../support/processes.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import type { RedisNode } from '../support/redis-node.ts';
import { startSentinelRedis } from '../support/redis-sentinel.ts';
import { UNLIMITED } from '../support/limits.ts';

export const TOPOLOGIES = ['single', 'sentinel', 'cluster'] as const;
export type Topology = (typeof TOPOLOGIES)[number];

/**
 * `machine`: start.ts and all it started, also an embedded Redis. No power failure: what a process
 * has written is the kernel's by then, synced or not, and outlives it. That an acknowledged write
 * was synced rests on `appendfsync always` (test/redis/embedded.redis.test.ts).
 */
export type VictimKind = 'server' | 'worker' | 'leader' | 'redis' | 'start' | 'machine';

export type Victim = {
  readonly kind: VictimKind;
  /** SIGKILL; what it takes to have it back comes by itself. */
  readonly kill: () => void;
  /** SIGSTOP or SIGCONT. */
  readonly signal: (signal: 'SIGSTOP' | 'SIGCONT') => void;
};

export type Field = {
  readonly url: string;
  /** Somebody of this kind who is alive, if anybody is; `release`: whose leader. */
  readonly victim: (kind: VictimKind, release: string) => Promise<Victim | undefined>;
  /** Done when everything is up again and answers. */
  readonly settle: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

/** So that the clients of a test, few and busy, are not held up by what holds up robots. */
export const SETTINGS = {
  ...UNLIMITED,
  NODE_ENV: 'test',
  CAPTCHA_DRIVER: 'none',
  DEVICE_TOKENS: 'optional',
  SMS_DRIVER: 'inbox',
  CONNECTIONS_PER_ADDRESS: '100000',
};
const SERVERS = 2;
const WORKERS = 2;
/** A killed Redis of somebody else's is started again by whoever keeps it, once it was replaced. */
const REDIS_BACK_AFTER_MS = 4_000;
const FAILS_OVER_AFTER_MS = 1_000;
/** A start may meet the Redis of the one before, or be hit itself. */
const START_TRIES = 4;
const SETTLE_WITHIN_MS = 60_000;

/** A Redis that this test keeps; an embedded one belongs to start.ts. */
type Outer = {
  readonly address: RedisAddress;
  readonly settings: Readonly<Record<string, string>>;
  /** Of whom one may be killed now, so that what was acknowledged still has a copy. */
  readonly nodes: () => Promise<readonly RedisNode[]>;
  readonly settle: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

async function outerOf(topology: Topology): Promise<Outer | undefined> {
  if (topology === 'single') return undefined;
  const settings = { REDIS_REPLICAS: '1' };
  if (topology === 'sentinel') {
    const { address, isHealthy, master, healthy, stop } = await startSentinelRedis();
    const leading = async () => (await master()) ?? [];
    const nodes = async () => ((await isHealthy()) ? [await leading()].flat() : []);
    return { address, settings, nodes, settle: healthy, stop };
  }
  const {
    address,
    nodes: all,
    isHealthy,
    masters,
    healthy,
    stop,
  } = await startRedisCluster(FAILS_OVER_AFTER_MS);
  const nodes = async () =>
    all.every((node) => node.pid() !== 0) && (await isHealthy()) ? masters() : [];
  return { address, settings, nodes, settle: healthy, stop };
}

export async function openField(topology: Topology, random: () => number): Promise<Field> {
  const outer = await outerOf(topology);
  const dataDir = mkdtempSync(join(tmpdir(), 'fairslot-chaos-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let stopping = false;
  let machine: Machine | undefined;
  const pidOfRedis = (): number => {
    const file = join(dataDir, 'redis', 'redis.pid');
    return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  };
  const start = async (): Promise<void> => {
    for (let tries = 1; ; tries++) {
      if (stopping) return;
      try {
        machine = await startMachine({
          ...(outer && { redis: outer.address }),
          servers: SERVERS,
          workers: WORKERS,
          settings: {
            ...SETTINGS,
            ...outer?.settings,
            FAIRSLOT_DATA_DIR: dataDir,
            PORT: String(port),
          },
        });
        return;
      } catch (error) {
        if (tries === START_TRIES) throw error;
        await sleep(500);
      }
    }
  };
  await start();
  let starting: Promise<void> = Promise.resolve();
  const killStart = (withAll: boolean): void => {
    const killed = machine;
    if (!killed) return; // on its way up
    machine = undefined;
    killed.signal('SIGKILL');
    if (withAll)
      for (const pid of [...killed.pids().values(), pidOfRedis()]) signal(pid, 'SIGKILL');
    starting = sleep(300 + random() * 1_500)
      .then(start)
      .then(() => killed.kill()); // what is left of it: nothing, or processes on their way out
    starting.catch(() => undefined); // told by settle
  };
  const victim = async (kind: VictimKind, release: string): Promise<Victim | undefined> => {
    const running = machine;
    if (!running) return undefined;
    if (kind === 'start' || kind === 'machine')
      return {
        kind,
        kill: () => killStart(kind === 'machine'),
        signal: (name) => running.signal(name),
      };
    if (kind === 'redis' && outer) return nodeVictim(await outer.nodes(), random, () => stopping);
    const address = outer?.address ?? embeddedAddress(join(dataDir, 'redis'));
    const pid =
      kind === 'redis'
        ? pidOfRedis()
        : kind === 'leader'
          ? await leaderOf(running, address, release)
          : oneOf(running, kind, random);
    if (!pid) return undefined;
    return { kind, kill: () => signal(pid, 'SIGKILL'), signal: (name) => signal(pid, name) };
  };
  const settle = async (): Promise<void> => {
    await starting;
    await outer?.settle();
    const giveUpAt = monotonicMs() + SETTLE_WITHIN_MS;
    while (!(await isReady(url))) {
      if (monotonicMs() > giveUpAt)
        throw new Error(`not ready again:\n${machine?.lines.slice(-30).join('\n') ?? ''}`);
      await sleep(100);
    }
  };
  const stop = async (): Promise<void> => {
    stopping = true;
    await starting.catch(() => undefined);
    await machine?.kill();
    signal(pidOfRedis(), 'SIGKILL');
    await outer?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  return { url, victim, settle, stop };
}

function nodeVictim(
  nodes: readonly RedisNode[],
  random: () => number,
  isStopping: () => boolean,
): Victim | undefined {
  const node = nodes[Math.floor(random() * nodes.length)];
  if (!node) return undefined;
  const back = async (): Promise<void> => {
    await node.kill();
    await sleep(REDIS_BACK_AFTER_MS);
    if (!isStopping()) await node.start();
  };
  return {
    kind: 'redis',
    kill: () => void back().catch(() => undefined), // told by settle
    signal: node.signal,
  };
}

/** The worker that leads a release now, by its lease and what it said at its start. */
async function leaderOf(
  machine: Machine,
  address: RedisAddress | undefined,
  release: string,
): Promise<number | undefined> {
  if (!address) return undefined;
  const redis = connectRedis(address);
  redis.on('error', () => undefined);
  try {
    const worker = await redis.get(keys.lease(release));
    const said = worker && machine.lines.findLast((line) => line.includes(worker));
    return said ? Number(/"pid":(\d+)/.exec(said)?.[1]) : undefined;
  } catch {
    return undefined; // Redis is away: there is no leader to be found
  } finally {
    await disconnectRedis(redis);
  }
}

function oneOf(machine: Machine, kind: VictimKind, random: () => number): number | undefined {
  const pids = Array.from(machine.pids()).filter(([name]) => name.startsWith(kind));
  return pids[Math.floor(random() * pids.length)]?.[1];
}

const isReady = (url: string): Promise<boolean> =>
  fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) }).then(
    ({ ok }) => ok,
    () => false,
  );

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    if (pid) process.kill(present(pid, 'pid'), name);
  } catch {
    // it has ended already
  }
}
