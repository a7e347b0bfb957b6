/** One redis-server of several, on loopback ports that it keeps: to be killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';
import { connectRedis, type Redis, type RedisAddress } from '../../src/redis/client.ts';
import { findRedisServer, freePort } from '../../src/redis/embedded.ts';

export type RedisNode = {
  readonly port: number;
  /** 0 while it does not run. */
  readonly pid: () => number;
  /** Runs it, with the files that it left behind; done when it answers. */
  readonly start: () => Promise<void>;
  /** SIGKILL; done when it has ended. */
  readonly kill: () => Promise<void>;
  /** SIGSTOP, SIGCONT. */
  readonly signal: (signal: NodeJS.Signals) => void;
  /** A connection to this node alone, kept until the node is closed. */
  readonly redis: Redis;
  /** Kills it for good. */
  readonly close: () => Promise<void>;
};

const READY_WITHIN_MS = 60_000;
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''];

/** `parameters`: further `--name value` settings; or, with `file`, `--sentinel` after that file. */
export function redisNode(
  dataDir: string,
  port: number,
  parameters: readonly string[],
  file?: string,
): RedisNode {
  mkdirSync(dataDir, { recursive: true });
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dataDir];
  const settings = file === undefined ? [...place, ...DURABLE] : place;
  let child: ChildProcess | undefined;
  const redis = connectRedis({ url: `redis://127.0.0.1:${port}`, cluster: false });
  redis.on('error', () => undefined); // killed nodes are seen in the answers
  const killOnExit = (): void => void child?.kill('SIGKILL');
  process.once('exit', killOnExit);
  const isRunning = (): boolean =>
    child !== undefined && child.exitCode === null && child.signalCode === null;

  const start = async (): Promise<void> => {
    if (isRunning()) return;
    const all =
      file === undefined ? [...settings, ...parameters] : [file, ...settings, ...parameters];
    child = spawn(findRedisServer(), all, { stdio: 'ignore' });
    const giveUpAt = monotonicMs() + READY_WITHIN_MS;
    while (!(await answers(redis))) {
      if (!isRunning()) throw new Error(`redis-server ended at its start: ${all.join(' ')}`);
      if (monotonicMs() > giveUpAt) throw new Error(`no redis-server on port ${port}`);
      await sleep(20);
    }
  };
  const kill = async (): Promise<void> => {
    if (!child || !isRunning()) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  return {
    port,
    redis,
    start,
    kill,
    pid: () => (isRunning() ? (child?.pid ?? 0) : 0),
    signal: (signal) => void (isRunning() && child?.kill(signal)),
    close: async () => {
      redis.disconnect();
      await kill();
      process.removeListener('exit', killOnExit);
    },
  };
}

/** One that runs alone, as somebody else's, in a directory that goes with it. */
export async function plainRedis(
  parameters: readonly string[] = [],
): Promise<RedisNode & { readonly address: RedisAddress }> {
  const directory = mkdtempSync(join(tmpdir(), 'fairslot-plain-'));
  const port = await freePort();
  const node = redisNode(directory, port, parameters);
  const close = async (): Promise<void> => {
    await node.close();
    rmSync(directory, { recursive: true, force: true });
  };
  await node.start();
  return { ...node, address: { url: `redis://127.0.0.1:${port}`, cluster: false }, close };
}

const answers = (redis: Redis): Promise<boolean> =>
  redis.ping().then(
    () => true,
    () => false, // not listening, or loading
  );
