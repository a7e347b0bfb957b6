/**
 * A private redis-server for development, tests and the demo: its own directory, a unix socket (or,
 * in cluster mode, a loopback port), AOF always, stopped with its owner.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { findProgram, onPath } from '../install.ts';
import { monotonicMs, sleep } from '../lib/clock.ts';
import { connectRedis, type Redis, type RedisAddress } from './client.ts';

export type EmbeddedRedis = {
  readonly address: RedisAddress;
  readonly pid: number;
  readonly dataDir: string;
  /** Ends the server and, for a temporary one, removes its files. */
  readonly stop: () => Promise<void>;
};

export type EmbeddedOptions = {
  /** Where AOF files live; a temporary directory, removed on stop, when left out. */
  readonly dataDir?: string;
  /** A one-node Redis Cluster, which refuses scripts whose keys lack a common hash tag. */
  readonly cluster?: boolean;
  /** Further `--name value` settings. */
  readonly settings?: readonly string[];
  /** Called when the server died by itself, with its last words; it is then started again. */
  readonly onDeath?: (lastWords: string) => void;
  /** Free bytes of the disk below which nothing more is written; 64 MiB unless said. */
  readonly reserveBytes?: number;
  /** Called when writes are refused since the disk is full, and when they are taken again. */
  readonly onFull?: (isFull: boolean) => void;
  /** Called now and then while a start loads its file, with the share that is loaded. */
  readonly onLoading?: (loadedPercent: number) => void;
};

/** Without an announced address CLUSTER SLOTS names none, and clients wait for ever. */
const CLUSTER_NODE = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'];
const DURABLE = [
  ['--appendonly', 'yes'],
  ['--appendfsync', 'always'],
  ['--save', ''],
  ['--maxmemory-policy', 'noeviction'],
].flat();
/**
 * How a server runs whose disk is full. With fsync at every write Redis ends on an error of its
 * AOF; like this it goes on and answers reads. There is no replica, so every write is refused.
 */
const READ_ONLY = ['--appendfsync', 'everysec', '--min-replicas-to-write', '1'];
const DIED_OF_FULL_DISK = /AOF write error/;
const LOOK_AT_DISK_EVERY_MS = 1_000;
/** What expiring keys and the end of a rewrite may still write once nothing else may. */
const RESERVE_BYTES = 64 * 1024 * 1024;
const PID_FILE = 'redis.pid';
/** Where the server of a data directory listens, for the command line beside it. */
const ADDRESS_FILE = 'address';
const RESTART_AFTER_MS = 200;
/** One that dies again and again is started ever more slowly. */
const RESTART_AT_MOST_MS = 10_000;
/** A server that was just killed may still write there. */
const ALL_OF_IT = { recursive: true, force: true, maxRetries: 5 } as const;
/** Without a sign of life; one that loads its file says so, and may take as long as that takes. */
const START_TIMEOUT_MS = 15_000;
const TELL_LOADING_EVERY_MS = 2_000;
const STOP_TIMEOUT_MS = 10_000;

/** Path of the server's program; installs it where there is none, or throws with instructions. */
export const findRedisServer = (): string =>
  findProgram({
    need: 'fairslot needs redis-server 7.0 or later (or valkey-server)',
    look: () => onPath('redis-server', 'valkey-server'),
    packages: { 'apt-get': 'redis-server', apk: 'redis', dnf: 'valkey', brew: 'redis' },
    otherwise: 'set REDIS_URL to a Redis that is running',
  });

export async function startEmbeddedRedis(options: EmbeddedOptions = {}): Promise<EmbeddedRedis> {
  const server = findRedisServer();
  const temporary = options.dataDir === undefined;
  const dataDir = resolve(options.dataDir ?? mkdtempSync(join(tmpdir(), 'fairslot-redis-')));
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  await endOrphan(dataDir);
  const port = options.cluster ? await freePort() : 0;
  // A socket's path is limited to about 100 bytes, so it does not live in the data directory.
  const socketDir = options.cluster ? undefined : mkdtempSync(join(tmpdir(), 'fs-'));
  const address: RedisAddress = socketDir
    ? { url: join(socketDir, 'redis.sock'), cluster: false }
    : { url: `redis://127.0.0.1:${port}`, cluster: true };
  const listen = socketDir
    ? ['--port', '0', '--unixsocket', address.url, '--unixsocketperm', '700']
    : ['--port', String(port), '--bind', '127.0.0.1', ...CLUSTER_NODE];
  const places = ['--dir', dataDir, '--pidfile', join(dataDir, PID_FILE)];
  const parameters = [...places, ...listen, ...DURABLE, ...(options.settings ?? [])];
  const disk = { isFull: false };
  const clean = (): void => {
    rmSync(join(dataDir, ADDRESS_FILE), { force: true });
    if (socketDir) rmSync(socketDir, ALL_OF_IT);
    if (temporary) rmSync(dataDir, ALL_OF_IT);
  };
  const kept = keepRunning(
    server,
    () => (disk.isFull ? [...parameters, ...READ_ONLY] : parameters),
    clean,
    options.onDeath &&
      ((lastWords) => {
        if (DIED_OF_FULL_DISK.test(lastWords) && !disk.isFull) {
          disk.isFull = true;
          options.onFull?.(true);
        }
        options.onDeath?.(lastWords);
      }),
  );
  try {
    await untilReady(address, kept, options.onLoading);
  } catch (error) {
    await kept.stop();
    clean();
    throw error;
  }
  writeFileSync(join(dataDir, ADDRESS_FILE), JSON.stringify(address), { mode: 0o600 });
  let isLooking = false;
  const look = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    await watchDisk(address, dataDir, disk, options);
    isLooking = false;
  };
  const watching = setInterval(() => void look(), LOOK_AT_DISK_EVERY_MS).unref();
  const stop = async (): Promise<void> => {
    clearInterval(watching);
    await kept.stop();
    clean();
  };
  return { address, pid: kept.child().pid ?? 0, dataDir, stop };
}

/** The address of the embedded server that runs on this directory; undefined for none. */
export function embeddedAddress(dataDir: string): RedisAddress | undefined {
  const file = join(dataDir, ADDRESS_FILE);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as RedisAddress) : undefined;
}

/** Twice as much room makes a full one empty, lest it goes back and forth. */
function isDiskFull(dataDir: string, disk: { isFull: boolean }, reserveBytes: number): boolean {
  try {
    const { bavail, bsize } = statfsSync(dataDir);
    return bavail * bsize <= (disk.isFull ? 2 * reserveBytes : reserveBytes);
  } catch {
    return disk.isFull; // a disk that cannot be asked: Redis itself will say what is wrong
  }
}

/** Refuses writes before the disk is full, and takes them again once there is room. */
async function watchDisk(
  address: RedisAddress,
  dataDir: string,
  disk: { isFull: boolean },
  { reserveBytes = RESERVE_BYTES, onFull }: EmbeddedOptions,
): Promise<void> {
  const isFull = isDiskFull(dataDir, disk, reserveBytes);
  if (isFull === disk.isFull) return;
  const redis = connectRedis({ url: address.url, cluster: false });
  redis.on('error', () => undefined); // it is tried again
  try {
    const isWell = (await redis.info('persistence')).includes('aof_last_write_status:ok');
    if (!isFull && !isWell) return; // what it could not write yet comes first
    if (!isFull) await redis.config('SET', 'appendfsync', 'always');
    await redis.config('SET', 'min-replicas-to-write', isFull ? '1' : '0');
    disk.isFull = isFull;
    onFull?.(isFull);
  } catch {
    // It is starting, or ending: the next look is soon.
  } finally {
    redis.disconnect();
  }
}

type Kept = {
  readonly child: () => ChildProcess;
  readonly lastWords: () => string;
  readonly stop: () => Promise<void>;
};

/** In a process group of its own: a Ctrl-C at the terminal is for its owner, who stops it last. */
function keepRunning(
  server: string,
  parameters: () => readonly string[],
  clean: () => void,
  onDeath: EmbeddedOptions['onDeath'],
): Kept {
  let stopping = false;
  let failures = 0;
  let lastWords = (): string => '';
  const launch = (): ChildProcess => {
    const launched = spawn(server, parameters(), {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    lastWords = collectTail(launched);
    const startedMs = monotonicMs();
    const launchAgain = (words: string): void => {
      if (stopping || !onDeath) return;
      onDeath(words);
      failures = monotonicMs() - startedMs > RESTART_AT_MOST_MS ? 1 : failures + 1;
      const waitMs = Math.min(RESTART_AFTER_MS * 2 ** (failures - 1), RESTART_AT_MOST_MS);
      setTimeout(() => {
        if (!stopping) child = launch();
      }, waitMs);
    };
    launched.once('exit', () => launchAgain(lastWords()));
    launched.on('error', (error) => {
      if (launched.pid === undefined) launchAgain(error.message); // it was never there
    });
    return launched;
  };
  let child = launch();
  // The last resort when the owner ends without stop(): never leave a server or its files behind.
  const killOnExit = (): void => {
    child.kill('SIGKILL');
    clean();
  };
  process.once('exit', killOnExit);
  const stop = async (): Promise<void> => {
    stopping = true;
    process.removeListener('exit', killOnExit);
    await stopChild(child);
  };
  return { child: () => child, lastWords: () => lastWords(), stop };
}

/**
 * Two servers on one AOF would destroy it. One that still runs here has lost its owner to a
 * `kill -9`: it is ended, with everything it acknowledged on disk.
 */
async function endOrphan(dataDir: string): Promise<void> {
  const file = join(dataDir, PID_FILE);
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, 'utf8'));
  const giveUpAt = monotonicMs() + STOP_TIMEOUT_MS;
  while (isServerOf(pid, dataDir)) {
    if (monotonicMs() > giveUpAt) throw new Error(`redis-server ${pid} still uses ${dataDir}`);
    tellToEnd(pid);
    await sleep(100);
  }
  rmSync(file, { force: true });
}

function tellToEnd(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // It has ended since it was looked at.
  }
}

/**
 * Ends at once the server of a directory whose owner was killed, and removes its socket: for
 * whoever throws the directory away.
 */
export function killOrphan(dataDir: string): void {
  const file = join(dataDir, PID_FILE);
  const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  if (isServerOf(pid, dataDir)) process.kill(pid, 'SIGKILL');
  const address = embeddedAddress(dataDir);
  if (address && !address.cluster) rmSync(dirname(address.url), ALL_OF_IT);
}

/** Whether a process runs in this directory, as only a server does that was started on it. */
function isServerOf(pid: number, dataDir: string): boolean {
  try {
    return realpathSync(`/proc/${pid}/cwd`) === realpathSync(dataDir);
  } catch {
    return false; // gone; or a system without /proc, where a leftover server must be ended by hand
  }
}

async function untilReady(
  address: RedisAddress,
  kept: Kept,
  onLoading: EmbeddedOptions['onLoading'],
): Promise<void> {
  const child = kept.child();
  const probe = connectRedis({ url: address.url, cluster: false });
  probe.on('error', () => undefined); // refused until the server listens
  let giveUpAt = monotonicMs() + START_TIMEOUT_MS;
  let tellAt = monotonicMs() + TELL_LOADING_EVERY_MS;
  const loads = (loadedPercent: number): void => {
    giveUpAt = monotonicMs() + START_TIMEOUT_MS;
    if (monotonicMs() < tellAt) return;
    tellAt = monotonicMs() + TELL_LOADING_EVERY_MS;
    onLoading?.(loadedPercent);
  };
  const fault = (what: string): Error => new Error(`redis-server ${what}:\n${kept.lastWords()}`);
  try {
    for (;;) {
      if (hasEnded(child)) throw fault('ended at its start');
      const state = await stateOf(probe, address.cluster);
      if (state === 'READY') return;
      if (state !== 'NOT_YET') loads(state.loadedPercent);
      if (monotonicMs() > giveUpAt) throw fault('did not get ready');
      await sleep(20);
    }
  } finally {
    probe.disconnect();
  }
}

/** INFO is answered also while Redis loads, and sent then (HANDSHAKE in guard.ts). */
async function stateOf(
  probe: Redis,
  cluster: boolean,
): Promise<'READY' | 'NOT_YET' | { readonly loadedPercent: number }> {
  try {
    const [, percent] =
      /^loading_loaded_perc:([\d.]+)/m.exec(await probe.info('persistence')) ?? [];
    if (percent !== undefined) return { loadedPercent: Number(percent) };
    return !cluster || (await isClusterUp(probe)) ? 'READY' : 'NOT_YET';
  } catch {
    return 'NOT_YET'; // not listening yet
  }
}

async function isClusterUp(probe: Redis): Promise<boolean> {
  const info = (await probe.call('CLUSTER', 'INFO')) as string;
  if (info.includes('cluster_slots_assigned:0'))
    await probe.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
  return info.includes('cluster_state:ok');
}

const hasEnded = ({ pid, exitCode, signalCode }: ChildProcess): boolean =>
  pid === undefined || exitCode !== null || signalCode !== null;

async function stopChild(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}

function collectTail(child: ChildProcess): () => string {
  let tail = '';
  const keep = (chunk: Buffer): void => {
    tail = (tail + chunk.toString('utf8')).slice(-2_000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  return () => tail;
}

/**
 * Below those of outgoing connections, one of which could take the port before it is used; and so
 * is the bus of a cluster's node, which listens 10,000 above.
 */
const PORTS_FROM = 10_000;
const PORTS_BELOW = 20_000;
const BUS_ABOVE = 10_000;

/** A port of 127.0.0.1 that nobody listens on, nor on the one of its bus. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS_FROM, PORTS_BELOW);
    if ((await isFree(port)) && (await isFree(port + BUS_ABOVE))) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
