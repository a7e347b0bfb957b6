/** What processes and Redis hold and how late event loops are, over time. */
import type { Redis } from '../../src/redis/client.ts';
import { EVERY_KEY } from '../../src/redis/keys.ts';
import { monotonicMs } from '../../src/lib/clock.ts';
import { present } from '../../src/lib/assert.ts';
import { until } from '../support/open-loop.ts';

export type ProcessReading = {
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly loopLagP99Ms: number;
};
export type Reading = {
  /** Of the monotonic clock. */
  readonly atMs: number;
  /** By name: `server-1`, `worker-1`. */
  readonly processes: Readonly<Record<string, ProcessReading>>;
  readonly redis: {
    readonly usedBytes: number;
    /** Of all keys, by MEMORY USAGE: the data that is kept. */
    readonly keptBytes: number;
  };
};

const METRICS = {
  process_resident_memory_bytes: 'rssBytes',
  nodejs_heap_size_used_bytes: 'heapBytes',
  nodejs_eventloop_lag_p99_seconds: 'loopLagP99Ms',
} as const;
const MS_PER_S = 1_000;
/** Keys asked for in one go: Redis does nothing else for well below a millisecond. */
const KEYS_AT_ONCE = 200;

export type Watch = { readonly stop: () => Promise<readonly Reading[]> };

/** `monitorUrl`: where `npm start` shows the metrics of all its processes. */
export function watch(monitorUrl: string, redis: Redis, everyMs: number): Watch {
  const over = new AbortController();
  const reading = async (): Promise<readonly Reading[]> => {
    const readings: Reading[] = [];
    for (let dueMs = monotonicMs(); !over.signal.aborted; dueMs += everyMs) {
      await until(dueMs);
      const atMs = monotonicMs();
      const processes = processesIn(await (await fetch(monitorUrl)).text());
      readings.push({ atMs, processes, redis: await redisNow(redis) });
    }
    return readings;
  };
  const readings = reading();
  readings.catch(() => undefined); // told to whoever stops it
  return {
    stop: () => {
      over.abort();
      return readings;
    },
  };
}

/** Of a page of metrics in the text format of Prometheus. */
export function processesIn(page: string): Record<string, ProcessReading> {
  const found: Record<string, Partial<Record<keyof ProcessReading, number>>> = {};
  for (const [, name = '', labels = '', text = ''] of page.matchAll(/^(\w+)\{([^}]*)\} (\S+)/gm)) {
    const field = METRICS[name as keyof typeof METRICS];
    const process = /process="([^"]+)"/.exec(labels)?.[1];
    if (field === undefined || process === undefined) continue;
    const value = Number(text) * (field === 'loopLagP99Ms' ? MS_PER_S : 1);
    (found[process] ??= {})[field] = value;
  }
  return Object.fromEntries(
    Object.entries(found).map(([process, { rssBytes = 0, heapBytes = 0, loopLagP99Ms = 0 }]) => [
      process,
      { rssBytes, heapBytes, loopLagP99Ms },
    ]),
  );
}

async function redisNow(redis: Redis): Promise<Reading['redis']> {
  const keptBytes = await kept(redis);
  const info = await redis.info('memory');
  const usedBytes = Number(present(/^used_memory:(\d+)/m.exec(info)?.[1], 'used_memory'));
  return { usedBytes, keptBytes };
}

async function kept(redis: Redis): Promise<number> {
  let bytes = 0;
  let cursor = '0';
  do {
    const [next, names] = await redis.scan(cursor, 'MATCH', EVERY_KEY, 'COUNT', KEYS_AT_ONCE);
    const sizes = await Promise.all(names.map((name) => redis.memory('USAGE', name)));
    // Null for a key that has expired meanwhile.
    for (const size of sizes) bytes += size ?? 0;
    cursor = next;
  } while (cursor !== '0');
  return bytes;
}
