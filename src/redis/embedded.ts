/**
 * A private redis-server for development, tests and the demo: its own directory, a unix socket (or,
 * in cluster mode, a loopback port), AOF always, stopped with its owner.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
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
};

/** Without an announced address CLUSTER SLOTS names none, and clients wait for ever. */
const CLUSTER_NODE = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'];
const DURABLE = [
  ['--appendonly', 'yes'],
  ['--appendfsync', 'always'],
  ['--save', ''],
  ['--maxmemory-policy', 'noeviction'],
].flat();
const PID_FILE = 'redis.pid';
/** Where the server of a data directory listens, for the command line beside it. */
const ADDRESS_FILE = 'address';
const RESTART_AFTER_MS = 200;
const START_TIMEOUT_MS = 15_000;
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
  const kept = keepRunning(server, parameters, options.onDeath);
  const clean = (): void => {
    rmSync(join(dataDir, ADDRESS_FILE), { force: true });
    if (socketDir) rmSync(socketDir, { recursive: true, force: true });
    if (temporary) rmSync(dataDir, { recursive: true, force: true });
  };
  try {
    await untilReady(address, kept.child(), kept.lastWords);
  } catch (error) {
    await kept.stop();
    clean();
    throw error;
  }
  writeFileSync(join(dataDir, ADDRESS_FILE), JSON.stringify(address), { mode: 0o600 });
  const stop = async (): Promise<void> => {
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

type Kept = {
  readonly child: () => ChildProcess;
  readonly lastWords: () => string;
  readonly stop: () => Promise<void>;
};

/** In a process group of its own: a Ctrl-C at the terminal is for its owner, who stops it last. */
function keepRunning(
  server: string,
  parameters: readonly string[],
  onDeath: EmbeddedOptions['onDeath'],
): Kept {
  let stopping = false;
  let lastWords = (): string => '';
  const launch = (): ChildProcess => {
    const launched = spawn(server, parameters, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    lastWords = collectTail(launched);
    launched.once('exit', () => {
      if (stopping || !onDeath) return;
      onDeath(lastWords());
      setTimeout(() => {
        if (!stopping) child = launch();
      }, RESTART_AFTER_MS);
    });
    return launched;
  };
  let child = launch();
  // The last resort when the owner ends without stop(): never leave a server behind.
  const killOnExit = (): void => void child.kill('SIGKILL');
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
    process.kill(pid, 'SIGTERM');
    await sleep(100);
  }
  rmSync(file, { force: true });
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
  child: ChildProcess,
  output: () => string,
): Promise<void> {
  const probe = connectRedis({ url: address.url, cluster: false });
  probe.on('error', () => undefined); // refused until the server listens
  const giveUpAt = monotonicMs() + START_TIMEOUT_MS;
  try {
    for (;;) {
      if (child.exitCode !== null) throw new Error(`redis-server ended at its start:\n${output()}`);
      if (await isReady(probe, address.cluster)) return;
      if (monotonicMs() > giveUpAt) throw new Error(`redis-server did not get ready:\n${output()}`);
      await sleep(20);
    }
  } finally {
    probe.disconnect();
  }
}

async function isReady(probe: Redis, cluster: boolean): Promise<boolean> {
  try {
    await probe.ping();
    if (!cluster) return true;
    const info = (await probe.call('CLUSTER', 'INFO')) as string;
    if (info.includes('cluster_state:ok')) return true;
    if (info.includes('cluster_slots_assigned:0'))
      await probe.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    return false;
  } catch {
    return false; // loading, or not listening yet
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
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

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
