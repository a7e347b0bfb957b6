/** The engine's processes, to be stopped, killed and misled. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { present } from '../../src/lib/assert.ts';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';
import type { RedisAddress } from '../../src/redis/client.ts';
import { freePort } from '../../src/redis/embedded.ts';
import { OPERATOR_KEY, SECRET } from './app.ts';
import { UNLIMITED } from './limits.ts';

const READY_WITHIN_MS = 150_000;

type Settings = Readonly<Record<string, string | undefined>>;

export const environmentOn = (
  address: RedisAddress | undefined,
  settings: Settings,
): NodeJS.ProcessEnv => ({
  ...process.env,
  NODE_ENV: 'test',
  REDIS_URL: address?.url ?? '',
  REDIS_CLUSTER: String(address?.cluster ?? false),
  REDIS_REPLICAS: String(address?.replicas ?? 0),
  FAIRSLOT_SECRET: SECRET,
  FAIRSLOT_OPERATOR_KEY: OPERATOR_KEY,
  LOG_LEVEL: 'info',
  PORT: '0',
  METRICS_PORT: '0',
  ...settings,
});

/** A worker that is ready. `nodeOptions`: of Node itself. */
export const spawnWorker = async (
  address: RedisAddress,
  settings: Settings = {},
  nodeOptions: readonly string[] = [],
): Promise<ChildProcess> => {
  const set = { SMS_DRIVER: 'inbox', ...settings };
  return (await spawnDoor('worker', address, set, /worker ready/, nodeOptions)).child;
};

/** A server that listens, alone, with limits that no test reaches. */
export async function spawnServer(
  address: RedisAddress,
  settings: Settings = {},
  nodeOptions: readonly string[] = [],
): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const listening = /"listening":"([^"]+)"/;
  const set = { SMS_DRIVER: 'inbox', ...UNLIMITED, ...settings };
  const { child, found } = await spawnDoor('server', address, set, listening, nodeOptions);
  return { child, url: present(found[1], 'the address') };
}

async function spawnDoor(
  door: 'server' | 'worker',
  address: RedisAddress,
  settings: Settings,
  isReady: RegExp,
  nodeOptions: readonly string[],
): Promise<{ readonly child: ChildProcess; readonly found: RegExpExecArray }> {
  const child = spawn(process.execPath, [...nodeOptions, pathOf(door)], {
    env: environmentOn(address, settings),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  endWithUs(child);
  const output = present(child.stdout, 'standard output');
  for await (const line of createInterface({ input: output })) {
    const found = isReady.exec(line);
    if (!found) continue;
    output.resume();
    return { child, found };
  }
  throw new Error(`the ${door} ended before it was ready`);
}

/** How a process ends that finds at its start that it cannot work, and all that it says. */
export async function endOf(
  door: 'server' | 'worker' | 'start',
  address: RedisAddress | undefined,
  settings: Settings = {},
): Promise<{ readonly status: number; readonly lines: readonly string[] }> {
  const child = spawn(process.execPath, [pathOf(door)], {
    env: environmentOn(address, settings),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  endWithUs(child);
  const [out, err, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { status: Number(status), lines: `${out}${err}`.trim().split('\n') };
}

/** Also an aborted run of tests leaves none behind. */
function endWithUs(child: ChildProcess): void {
  const end = (): void => void child.kill('SIGKILL');
  process.once('exit', end);
  child.once('exit', () => process.removeListener('exit', end));
}

const pathOf = (door: string): string =>
  fileURLToPath(new URL(`../../src/${door}.ts`, import.meta.url));

export async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  // Also one that was stopped by a signal.
  child.kill('SIGCONT');
  await ended;
}

export type MachineWishes = {
  /** An embedded one, whose files go with the machine, when left out. */
  readonly redis?: RedisAddress;
  /** 2 unless said. */
  readonly servers?: number;
  /** 1 unless said. */
  readonly workers?: number;
  /** Of the environment; before all others, `undefined` to leave one out. */
  readonly settings?: Readonly<Record<string, string | undefined>>;
  /** Another start.ts, as of another version. */
  readonly start?: string;
};

export type Machine = {
  /** Of its servers, `http://127.0.0.1:<port>`. */
  readonly url: string;
  /** Of `/metrics` and `/livez`, without a path. */
  readonly metricsUrl: string;
  /** The process of start.ts. */
  readonly child: ChildProcess;
  /** Pids by process name (`start`, `server-1`, `worker-1`…) of what was ready last. */
  readonly pids: () => ReadonlyMap<string, number>;
  /** Every pid there ever was of these processes, in order. */
  readonly history: (name: string) => readonly number[];
  /** What was logged so far, line by line. */
  readonly lines: readonly string[];
  /** Signals one process by its name, `start` unless said. */
  readonly signal: (signal: NodeJS.Signals, name?: string) => void;
  /** Done when a process of this name is ready whose pid is not `oldPid`. */
  readonly replaced: (name: string, oldPid: number) => Promise<void>;
  /** Done when a line was logged that has this text, from line `from` on. */
  readonly logged: (text: string, from?: number) => Promise<void>;
  /** SIGTERM, done when everything has ended; the status of start.ts. */
  readonly stop: () => Promise<number | null>;
  /** SIGKILL to everything, an embedded Redis too. */
  readonly kill: () => Promise<void>;
};

/** `npm start` as a process, all of whose children are ready. Always end it with `kill`. */
export async function startMachine(wishes: MachineWishes = {}): Promise<Machine> {
  const { redis, servers = 2, workers = 1, settings = {}, start = pathOf('start') } = wishes;
  const [port, metricsPort] = [await freePort(), await freePort()];
  const dataDir = mkdtempSync(join(tmpdir(), 'fairslot-machine-'));
  const child = spawn(process.execPath, [start], {
    env: environmentOn(redis, {
      PORT: String(port),
      METRICS_PORT: String(metricsPort),
      SERVERS: String(servers),
      WORKERS: String(workers),
      FAIRSLOT_DATA_DIR: dataDir,
      ...settings,
    }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { lines, history } = follow(child);
  const killAll = (): void => {
    const redisPid = join(dataDir, 'redis', 'redis.pid');
    const ours = [child.pid, ...Array.from(history.values()).flat()].filter(isAlive);
    if (existsSync(redisPid)) ours.push(Number(readFileSync(redisPid, 'utf8')));
    for (const pid of ours) sendTo(pid, 'SIGKILL');
  };
  process.once('exit', killAll);
  const until = async (what: string, condition: () => boolean): Promise<void> => {
    const giveUpAt = monotonicMs() + READY_WITHIN_MS;
    while (!condition()) {
      if (monotonicMs() > giveUpAt || child.exitCode !== null)
        throw new Error(`${what} did not come:\n${lines.slice(-30).join('\n')}`);
      await sleep(10);
    }
  };
  const kill = async (): Promise<void> => {
    const ended = child.exitCode !== null || child.signalCode !== null || once(child, 'exit');
    killAll();
    await ended;
    process.removeListener('exit', killAll);
    rmSync(dataDir, { recursive: true, force: true });
  };
  const pids = (): ReadonlyMap<string, number> =>
    new Map([
      ['start', child.pid ?? 0],
      ...Array.from(history, ([name, all]) => [name, all.at(-1) ?? 0] as const),
    ]);
  try {
    await until('a ready machine', () => history.size >= servers + workers);
  } catch (error) {
    await kill();
    throw error;
  }
  return {
    url: `http://127.0.0.1:${port}`,
    metricsUrl: `http://127.0.0.1:${metricsPort}`,
    child,
    pids,
    history: (name) => history.get(name) ?? [],
    lines,
    signal: (signal, name = 'start') => sendTo(pids().get(name), signal),
    replaced: (name, oldPid) =>
      until(`another ${name}`, () => (pids().get(name) ?? oldPid) !== oldPid),
    logged: (text, from = 0) =>
      until(text, () => lines.some((line, index) => index >= from && line.includes(text))),
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const [status] = (await ended) as [number | null];
      return status;
    },
    kill,
  };
}

/** Its log, and the pids that it tells of: `"child":"server-1","childPid":7` of one that is ready. */
function follow(child: ChildProcess) {
  const lines: string[] = [];
  const history = new Map<string, number[]>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: present(stream, 'output') }).on('line', (line) => {
      lines.push(line);
      const [, name, pid] =
        /"child":"([^"]+)","childPid":(\d+),"msg":"a process is ready"/.exec(line) ?? [];
      if (name === undefined) return;
      history.set(name, [...(history.get(name) ?? []), Number(pid)]);
    });
  }
  return { lines, history };
}

/** Whether there is such a process; 0 and undefined are none. */
export function isAlive(pid: number | undefined): boolean {
  try {
    return Boolean(pid) && process.kill(pid ?? 0, 0);
  } catch {
    return false;
  }
}

function sendTo(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid) process.kill(pid, signal);
  } catch {
    // it has ended already
  }
}
