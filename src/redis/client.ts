import { Cluster, Redis as SingleRedis } from 'ioredis';
import { defineScripts } from './script.ts';

/** One Redis or a Redis Cluster: the commands are the same, and every key has its hash tag. */
export type Redis = SingleRedis | Cluster;

export type RedisAddress = {
  /** `redis[s]://…`, a unix socket's path, or several cluster nodes separated by commas. */
  readonly url: string;
  readonly cluster: boolean;
};

/** Longest wait for one command's reply before its request is given up, in milliseconds. */
const COMMAND_TIMEOUT_MS = 5_000;
const RETRIES_PER_REQUEST = 2;

/**
 * Soon, and always as soon: an outage of a minute must not be followed by one of our own making.
 */
const reconnectAfterMs = (attempt: number): number => Math.min(attempt * 50, 250);

/** Commands issued in one turn of the event loop leave in one pipeline (enableAutoPipelining). */
export function connectRedis({ url, cluster }: RedisAddress): Redis {
  const enableAutoPipelining = true;
  const options = {
    maxRetriesPerRequest: RETRIES_PER_REQUEST,
    commandTimeout: COMMAND_TIMEOUT_MS,
  };
  const redis = cluster
    ? new Cluster(url.split(','), {
        enableAutoPipelining,
        clusterRetryStrategy: reconnectAfterMs,
        redisOptions: options,
      })
    : new SingleRedis(url, { ...options, enableAutoPipelining, retryStrategy: reconnectAfterMs });
  defineScripts(redis);
  return redis;
}

/** Closes without waiting for a Redis that no longer answers. */
export async function disconnectRedis(redis: Redis): Promise<void> {
  await redis.quit().catch(() => redis.disconnect());
}

/** Redis's clock in milliseconds since the epoch, for reads; writes read it inside their script. */
export async function redisNowMs(redis: Redis): Promise<number> {
  const [seconds, micros] = (await redis.time()) as unknown as [string, string];
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}
