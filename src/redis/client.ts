import { Cluster, Redis as SingleRedis } from 'ioredis';
import { type GuardWatch, guardRedis } from './guard.ts';
import { present } from '../lib/assert.ts';
import { defineScripts, listenToScripts, type OnScript } from './script.ts';
import { isSentinelUrl, readSentinelUrl } from './sentinel.ts';

/** One Redis or a Redis Cluster: the commands are the same, and every key has its hash tag. */
export type Redis = SingleRedis | Cluster;
/** One server of them, for what concerns all its keys. */
export type RedisNode = SingleRedis;

export type RedisAddress = {
  /**
   * `redis[s]://…`, a unix socket's path, `redis[s]+sentinel://…` (sentinel.ts), or several cluster
   * nodes separated by commas.
   */
  readonly url: string;
  readonly cluster: boolean;
  /** That must have a write before it counts. Left out: none, and 500 ms. */
  readonly replicas?: number;
  readonly replicasWithinMs?: number;
};

/**
 * Longest wait for one command's reply before its request is given up, in milliseconds: a disk that
 * hesitates for a second or two fails nobody, while who waits has an answer before they give up. It
 * may be as long since what comes after a second of silence is refused at once (guard.ts).
 */
const COMMAND_TIMEOUT_MS = 3_000;
const RETRIES_PER_REQUEST = 2;
const REPLICAS_WITHIN_MS = 500;
/** Until a connection that was told to end is cut. */
const DISCONNECT_TIMEOUT_MS = 500;

/**
 * Soon, and always as soon: an outage of a minute must not be followed by one of our own making.
 */
const reconnectAfterMs = (attempt: number): number => Math.min(attempt * 50, 250);

/** `onScript` hears of each call of a script. */
export type RedisWatch = GuardWatch & { readonly onScript?: OnScript };

/**
 * Commands issued in one turn of the event loop leave in one pipeline (enableAutoPipelining). Those
 * to a node that does not answer are refused (guard.ts).
 */
export function connectRedis(address: RedisAddress, watch: RedisWatch = {}): Redis {
  const { replicas = 0, replicasWithinMs = REPLICAS_WITHIN_MS } = address;
  const redis = clientOf(address);
  guardRedis(redis, {
    ...watch,
    replicas: { count: replicas, withinMs: replicasWithinMs },
    giveUpAfterMs: COMMAND_TIMEOUT_MS,
  });
  defineScripts(redis);
  if (watch.onScript) listenToScripts(redis, watch.onScript);
  return redis;
}

function clientOf({ url, cluster }: RedisAddress): Redis {
  const enableAutoPipelining = true;
  const options = {
    maxRetriesPerRequest: RETRIES_PER_REQUEST,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: COMMAND_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    // A master that became a replica: the connection to it is of no use any more.
    reconnectOnError: ({ message }: Error) => message.startsWith('READONLY'),
  };
  if (cluster)
    return new Cluster(url.split(','), {
      enableAutoPipelining,
      clusterRetryStrategy: reconnectAfterMs,
      redisOptions: options,
    });
  const single = { ...options, enableAutoPipelining, retryStrategy: reconnectAfterMs };
  if (!isSentinelUrl(url)) return new SingleRedis(url, single);
  const sentinel = present(readSentinelUrl(url), 'redis+sentinel://host:port,host:port/name');
  return new SingleRedis({ ...sentinel, ...single, sentinelRetryStrategy: reconnectAfterMs });
}

/** Closes without waiting for a Redis that no longer answers. */
export async function disconnectRedis(redis: Redis): Promise<void> {
  await redis.quit().catch(() => redis.disconnect());
}

/** The servers that hold the keys between them: those of a cluster that are no replicas. */
export async function mastersOf(redis: Redis): Promise<readonly RedisNode[]> {
  await redis.ping(); // a cluster's nodes are known once it is connected
  return redis instanceof Cluster ? redis.nodes('master') : [redis];
}

/** Redis's clock in milliseconds since the epoch, for reads; writes read it inside their script. */
export async function redisNowMs(redis: Redis): Promise<number> {
  const [seconds, micros] = (await redis.time()) as unknown as [string, string];
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

/**
 * Keys that fit a pattern, some at a time: of all masters of a cluster. A key that is there all the
 * time is among them, perhaps twice.
 */
export async function* scanKeys(
  redis: Redis,
  pattern: string,
  count: number,
): AsyncGenerator<string[]> {
  for (const node of redis instanceof Cluster ? redis.nodes('master') : [redis]) {
    let cursor = '0';
    do {
      const [next, found] = await node.scan(cursor, 'MATCH', pattern, 'COUNT', count);
      yield found;
      cursor = next;
    } while (cursor !== '0');
  }
}
