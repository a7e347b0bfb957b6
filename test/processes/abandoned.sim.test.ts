/** start.ts is killed or told to end while its processes start: none of them stays behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { sleep } from '../../src/lib/clock.ts';
import { OPERATOR_KEY, SECRET } from '../support/app.ts';
import { environmentOn } from '../support/processes.ts';
import { useRedis } from '../support/redis.ts';

const START = fileURLToPath(new URL('../../src/start.ts', import.meta.url));
const NAMES_COUNT = 3;
/** 5 s on a quiet machine, most of it loading modules. Who would stay would stay for ever. */
const GONE_WITHIN_MS = 25_000;
const used = useRedis(['--appendfsync', 'no']);
const childrenFile = (pid: number): string => `/proc/${pid}/task/${pid}/children`;
const hasProc = existsSync(childrenFile(process.pid));

/** start.ts, killed when `when` is done, which may stop it first; who is left of its children. */
async function abandoned(when: (start: ChildProcess) => Promise<unknown>): Promise<void> {
  const start = spawn(process.execPath, [START], {
    env: {
      ...process.env,
      NODE_ENV: 'test',
      REDIS_URL: used.server.address.url,
      REDIS_CLUSTER: 'false',
      FAIRSLOT_SECRET: SECRET,
      FAIRSLOT_OPERATOR_KEY: OPERATOR_KEY,
      LOG_LEVEL: 'silent',
      PORT: '0',
      METRICS_PORT: '0',
      SERVERS: String(NAMES_COUNT - 1),
      WORKERS: '1',
    },
    stdio: 'ignore', // servers whose channel is gone before they run end on an error of Node
  });
  const { pid = 0 } = start;
  let children: readonly number[] = [];
  try {
    const count = (): number => (children = childrenOf(pid)).length;
    await expect.poll(count, { timeout: 25_000, interval: 5 }).toBe(NAMES_COUNT);
    await when(start);
    const ended = once(start, 'exit');
    start.kill('SIGKILL');
    await ended;
    await expect.poll(() => children.filter(isAlive), { timeout: GONE_WITHIN_MS }).toEqual([]);
  } finally {
    // Never 0, which is this process's whole group.
    for (const one of [pid, ...children]) if (one > 1 && isAlive(one)) process.kill(one, 'SIGKILL');
  }
}

it.runIf(hasProc).each([0, 300])(
  'leaves nothing behind when it is killed %i ms after its processes were started',
  (afterMs) => abandoned(() => sleep(afterMs)),
);

it.runIf(hasProc)('leaves no server behind that waits for its port', async () => {
  const clients = async (): Promise<number> =>
    String(await used.redis.client('LIST')).match(/^id=/gm)?.length ?? 0;
  const before = await clients();
  await abandoned(async (start) => {
    start.kill('SIGSTOP'); // who asks it for the port has no answer
    const joined = async (): Promise<number> => (await clients()) - before;
    await expect.poll(joined, { timeout: 25_000 }).toBeGreaterThanOrEqual(NAMES_COUNT);
    await sleep(500);
  });
});

it.runIf(hasProc).each(['SIGTERM', 'SIGINT'] as const)(
  'leaves no Redis behind when it hears %s before Redis is ready',
  async (signal) => {
    const dataDir = mkdtempSync(join(tmpdir(), 'fairslot-abandoned-'));
    const settings = { FAIRSLOT_DATA_DIR: dataDir, LOG_LEVEL: 'silent' };
    const env = environmentOn(undefined, settings);
    const start = spawn(process.execPath, [START], { env, stdio: 'ignore' });
    const { pid = 0 } = start;
    let redis = 0;
    try {
      const isRedis = (child: number): boolean => commandOf(child).includes('redis-server');
      const found = (): number => (redis = childrenOf(pid).find(isRedis) ?? 0);
      await expect.poll(found, { timeout: 25_000, interval: 5 }).toBeGreaterThan(0);
      process.kill(redis, 'SIGSTOP'); // it will never be ready
      await sleep(200);
      const ended = once(start, 'exit');
      start.kill(signal);
      expect(await ended).toEqual([1, null]);
      // Also one that nobody has buried yet has ended.
      await expect.poll(() => existsSync(`/proc/${redis}/exe`)).toBe(false);
    } finally {
      for (const one of [pid, redis]) if (one > 1 && isAlive(one)) process.kill(one, 'SIGKILL');
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
);

function childrenOf(pid: number): number[] {
  return readFileSync(childrenFile(pid), 'utf8').split(' ').filter(Boolean).map(Number);
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // it has ended
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
