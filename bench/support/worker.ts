/** The engine's own worker as a process, followed by its log. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { environmentWith } from '../../src/demo/engine.ts';
import { monotonicMs } from '../../src/lib/clock.ts';
import type { RedisAddress } from '../../src/redis/client.ts';
import type { Phase } from '../../src/rounds/drawing.ts';
import { SECRET } from './engine.ts';

const WORKER = fileURLToPath(new URL('../../src/worker.ts', import.meta.url));

/** What a worker says of a round. Its phases come at their ends. */
export type Saying = 'ready' | Phase;

export type BenchWorker = {
  /** Milliseconds since it was ready, once it has said so. False when it ended before that. */
  readonly said: (saying: Saying) => Promise<number | false>;
  /** The phase that it finished last; undefined when it ended before its first. */
  readonly last: () => Phase | undefined;
  /** SIGKILL; done when all that it had written was read. */
  readonly kill: () => Promise<void>;
};

/** Starts the worker. It ends with this process. */
export function startWorker({ url }: RedisAddress): BenchWorker {
  const child = spawn(process.execPath, [WORKER], {
    env: environmentWith({
      NODE_ENV: 'development',
      REDIS_URL: url,
      FAIRSLOT_SECRET: SECRET,
      FAIRSLOT_OPERATOR_KEY: SECRET,
      LOG_LEVEL: 'debug',
      METRICS_PORT: '0',
    }),
    stdio: ['ignore', 'pipe', 'ignore'], // standard error is its SMS
  });
  const killOnExit = (): void => void child.kill('SIGKILL');
  process.once('exit', killOnExit);
  const closed = once(child, 'close').finally(() => process.removeListener('exit', killOnExit));

  let readyMs = 0;
  let last: Phase | undefined;
  const heard = new Map<Saying, number>();
  const waiting = new Map<Saying, (atMs: number) => void>();
  const hear = (saying: Saying): void => {
    const atMs = monotonicMs() - readyMs;
    heard.set(saying, atMs);
    waiting.get(saying)?.(atMs);
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.includes('"worker ready"')) {
      readyMs = monotonicMs();
      return hear('ready');
    }
    const phase = /"phase":"(\w+)"/.exec(line)?.[1];
    if (phase === undefined) return;
    last = phase as Phase;
    hear(last);
  });
  return {
    said: (saying) => {
      const atMs = heard.get(saying);
      if (atMs !== undefined) return Promise.resolve(atMs);
      const hearing = new Promise<number>((resolve) => {
        waiting.set(saying, resolve);
      });
      return Promise.race([hearing, closed.then(() => false as const)]);
    },
    last: () => last,
    kill: async () => {
      child.kill('SIGKILL');
      await closed;
    },
  };
}
