/** The engine's processes, to be killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { present } from '../../src/lib/assert.ts';
import type { RedisAddress } from '../../src/redis/client.ts';
import { OPERATOR_KEY, SECRET } from './app.ts';

/** A worker that is ready. */
export async function spawnWorker(
  address: RedisAddress,
  settings: Record<string, string> = {},
): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('../../src/worker.ts', import.meta.url))],
    {
      env: {
        ...process.env,
        NODE_ENV: 'test',
        REDIS_URL: address.url,
        REDIS_CLUSTER: String(address.cluster),
        FAIRSLOT_SECRET: SECRET,
        FAIRSLOT_OPERATOR_KEY: OPERATOR_KEY,
        LOG_LEVEL: 'info',
        WORKER_METRICS_PORT: '0',
        ...settings,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const output = present(child.stdout, 'standard output');
  for await (const line of createInterface({ input: output })) {
    if (!line.includes('worker ready')) continue;
    output.resume();
    return child;
  }
  throw new Error('the worker ended before it was ready');
}

export async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}
