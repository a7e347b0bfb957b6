/** Starts of the embedded Redis that are not the usual ones: a long one, one that dies, an orphan's. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { monotonicMs } from '../../src/lib/clock.ts';
import { connectRedis, disconnectRedis } from '../../src/redis/client.ts';
import { findRedisServer, startEmbeddedRedis } from '../../src/redis/embedded.ts';

const KEYS = 400;
/** Each key takes as long to load; what was asked meanwhile is answered after every KB. */
const SLOWLY = ['--key-load-delay', '45000', '--loading-process-events-interval-bytes', '1024'];

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

function newDirectory(): string {
  const dataDir = mkdtempSync(join(tmpdir(), 'fairslot-start-'));
  undo.push(() => rmSync(dataDir, { recursive: true, force: true }));
  return dataDir;
}

/** The data of a server that has ended, which take 18 s to load `SLOWLY`. */
async function leftData(): Promise<string> {
  const dataDir = newDirectory();
  const server = await startEmbeddedRedis({ dataDir, settings: ['--rdbcompression', 'no'] });
  undo.push(server.stop);
  const redis = connectRedis(server.address);
  for (let key = 0; key < KEYS; key++) await redis.set(`key ${key}`, 'x'.repeat(1_000));
  await redis.bgrewriteaof(); // the delay is for keys, not for commands
  const persistence = () => redis.info('persistence');
  await expect.poll(persistence).toMatch(/^aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0/m);
  await disconnectRedis(redis);
  await server.stop();
  return dataDir;
}

it('waits for a file that takes longer to load than a start may take, and says how far it is', async () => {
  const dataDir = await leftData();
  const startMs = monotonicMs();
  const loaded: number[] = [];
  const server = await startEmbeddedRedis({
    dataDir,
    settings: SLOWLY,
    onLoading: (percent) => loaded.push(percent),
  });
  undo.push(server.stop);
  expect(monotonicMs() - startMs).toBeGreaterThan(16_000);
  const redis = connectRedis(server.address);
  expect(await redis.dbsize()).toBe(KEYS);
  await disconnectRedis(redis);
  expect(loaded.length).toBeGreaterThan(3);
  expect(loaded).toEqual(loaded.toSorted((a, b) => a - b));
  expect(loaded.at(-1)).toBeGreaterThan(50);
});

it('fails as soon as the server is killed that was to start', async () => {
  const dataDir = await leftData();
  const starting = expect(startEmbeddedRedis({ dataDir, settings: SLOWLY })).rejects.toThrow(
    'redis-server ended at its start',
  );
  const pidFile = join(dataDir, 'redis.pid');
  await expect.poll(() => existsSync(pidFile) && readFileSync(pidFile, 'utf8')).toMatch(/\d+\n/);
  const killedMs = monotonicMs();
  process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL');
  await starting;
  expect(monotonicMs() - killedMs).toBeLessThan(5_000); // one command may wait for 3 s
});

it.runIf(existsSync('/proc'))(
  'starts where an orphan ends just as it is to be told to',
  async () => {
    const dataDir = newDirectory();
    const pidFile = join(dataDir, 'redis.pid');
    const listen = ['--port', '0', '--unixsocket', join(dataDir, 'redis.sock')];
    const parameters = ['--dir', dataDir, '--pidfile', pidFile, ...listen];
    // The shell buries it: only then is there nobody to be told.
    const server = [findRedisServer(), ...parameters];
    const shell = spawn('sh', ['-c', '"$@" & wait', 'sh', ...server], { stdio: 'ignore' });
    undo.push(() => shell.kill('SIGKILL'));
    await expect.poll(() => existsSync(pidFile)).toBe(true);
    const told: number[] = [];
    const kill = process.kill.bind(process);
    vi.spyOn(process, 'kill').mockImplementation((pid, signal) => {
      told.push(pid);
      endNow(pid, kill);
      return kill(pid, signal);
    });
    undo.push(() => vi.restoreAllMocks());
    const ended = once(shell, 'exit');
    const { stop } = await startEmbeddedRedis({ dataDir });
    undo.push(stop);
    await ended;
    expect(told).toHaveLength(1);
  },
);

/** Ends it and waits until it is gone, in one turn of the event loop. */
function endNow(pid: number, kill: typeof process.kill): void {
  kill(pid, 'SIGKILL');
  try {
    for (;;) kill(pid, 0);
  } catch {
    // gone
  }
}
