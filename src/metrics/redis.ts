import { isRedisAway } from '../http/unavailable.ts';
import type { Redis } from '../redis/client.ts';
import type { RedisHealth } from '../redis/health.ts';
import { boundScripts, type OnScript } from '../redis/script.ts';
import type { Book, Series } from './book.ts';
import type { Reading } from './reading.ts';

/** Few: there is a set of them for each script. */
const SCRIPT_BUCKETS_S = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5];
const ERROR_KINDS = ['away', 'timeout', 'fault'] as const;

/** Redis as this process sees it. */
export function connectionMetrics(book: Book) {
  let status: () => string = () => 'none';
  book.gauge(
    {
      name: 'fairslot_redis_connected',
      help: 'Whether this process has its connection to Redis: 1 or 0.',
      unit: 'truth',
      of: 'process',
    },
    function collect() {
      this.set(status() === 'ready' ? 1 : 0);
    },
  );
  const durations = book.histogram(
    {
      name: 'fairslot_redis_script_duration_seconds',
      help: 'From the call of a script to its reply, by script: the way there, waiting and running.',
      unit: 'seconds',
      of: 'process',
      labels: { script: boundScripts.map(({ file }) => file) },
    },
    SCRIPT_BUCKETS_S,
  );
  const errors = book.counter({
    name: 'fairslot_redis_script_errors_total',
    help: 'Calls of scripts without a reply: Redis was away, took too long, or found a fault of ours.',
    unit: 'calls',
    of: 'process',
    labels: { kind: ERROR_KINDS },
  });
  const onScript: OnScript = (script, ms, error) => {
    if (error === undefined) durations.observe({ script }, ms / 1000);
    else errors.inc({ kind: kindOf(error) });
  };
  return {
    /** For `connectRedis`. */
    onScript,
    watchConnection: (redis: Redis): void => {
      status = () => redis.status;
    },
  } as const;
}

function kindOf(error: unknown): (typeof ERROR_KINDS)[number] {
  if (error instanceof Error && error.message.startsWith('Command timed out')) return 'timeout';
  return isRedisAway(error) ? 'away' : 'fault';
}

type Number = (health: RedisHealth) => number | undefined;

/** Redis itself, by INFO; on a cluster the worst of its nodes. */
export function healthMetrics(book: Book, health: Reading<RedisHealth>): void {
  const told = (name: string, help: string, unit: string, valueOf: Number): void =>
    book.told({ name, help, unit }, health, (read) => {
      const value = valueOf(read);
      return value === undefined ? [] : [[{}, value]];
    });
  const isUp: Reading<RedisHealth> = async () => (await health()) ?? NOBODY;
  book.told(
    {
      name: 'fairslot_redis_up',
      help: 'Whether every node of Redis answered INFO: 1 or 0.',
      unit: 'truth',
    },
    isUp,
    ({ nodes }) => [[{}, nodes.ok > 0 && nodes.failing === 0 ? 1 : 0]],
  );
  book.told(
    {
      name: 'fairslot_redis_nodes',
      help: 'Nodes of Redis that answer INFO, and that do not.',
      unit: 'nodes',
      labels: { state: ['ok', 'failing'] },
    },
    health,
    ({ nodes }): Series<'state'>[] => [
      [{ state: 'ok' }, nodes.ok],
      [{ state: 'failing' }, nodes.failing],
    ],
  );
  loadMetrics(told);
  safetyMetrics(told);
}

const NOBODY: RedisHealth = { nodes: { ok: 0, failing: 1 } };

type Told = (name: string, help: string, unit: string, valueOf: Number) => void;

function loadMetrics(told: Told): void {
  told(
    'fairslot_redis_memory_used_bytes',
    'Memory of the node that uses most.',
    'bytes',
    ({ worst }) => worst?.memoryUsedBytes,
  );
  told(
    'fairslot_redis_memory_max_bytes',
    'Memory that the node with the least may use; 0: unbounded.',
    'bytes',
    ({ worst }) => worst?.memoryMaxBytes,
  );
  told(
    'fairslot_redis_memory_used_ratio',
    'Used of the memory that it may use, of the fullest node: 0 to 1; 0 without a bound.',
    'parts of 1',
    ({ worst }) => worst?.memoryUsedRatio,
  );
  told(
    'fairslot_redis_connected_clients',
    'Connections of the node that has most.',
    'connections',
    ({ worst }) => worst?.clients,
  );
  told(
    'fairslot_redis_rejected_connections_total',
    'Connections that were one too many, of all nodes, since each started.',
    'connections',
    ({ worst }) => worst?.rejectedConnections,
  );
  told(
    'fairslot_redis_operations_per_second',
    'Commands a second of the busiest node.',
    'commands a second',
    ({ worst }) => worst?.operationsPerS,
  );
  told(
    'fairslot_redis_cpu_seconds_total',
    'CPU, user and system, of the node that used most, since it started.',
    'seconds',
    ({ worst }) => worst?.cpuS,
  );
  told(
    'fairslot_redis_uptime_seconds',
    'Since the node started that started last.',
    'seconds',
    ({ worst }) => worst?.uptimeS,
  );
}

function safetyMetrics(told: Told): void {
  told(
    'fairslot_redis_replicas',
    'Connected replicas of the primary that has fewest.',
    'replicas',
    ({ worst }) => worst?.replicas,
  );
  told(
    'fairslot_redis_replication_lag_bytes',
    'By how much the replica is behind that is furthest behind.',
    'bytes',
    ({ worst }) => worst?.lagBytes,
  );
  told(
    'fairslot_redis_replication_lag_seconds',
    'Since when the replica was not heard of that was heard of longest ago.',
    'seconds',
    ({ worst }) => worst?.lagS,
  );
  told(
    'fairslot_redis_aof_enabled',
    'Whether every primary writes an append-only file: 1 or 0.',
    'truth',
    ({ worst }) => worst?.aofEnabled,
  );
  told(
    'fairslot_redis_aof_write_ok',
    'Whether the last write of every append-only file was well: 1 or 0.',
    'truth',
    ({ worst }) => worst?.aofWriteOk,
  );
  told(
    'fairslot_redis_aof_rewriting',
    'Whether a node rewrites its append-only file: 1 or 0.',
    'truth',
    ({ worst }) => worst?.aofRewriting,
  );
  told(
    'fairslot_redis_evicted_keys_total',
    'Keys evicted for want of memory, of all nodes, since each started: acknowledged entries may be among them.',
    'keys',
    ({ worst }) => worst?.evictedKeys,
  );
}
