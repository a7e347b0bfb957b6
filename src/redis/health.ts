/** How Redis itself is, by INFO: one, or all nodes of a cluster, of which the worst counts. */
import { Cluster } from 'ioredis';
import type { Redis } from './client.ts';

export type NodeHealth = {
  readonly isPrimary: boolean;
  readonly memoryUsedBytes: number;
  /** 0: unbounded. */
  readonly memoryMaxBytes: number;
  readonly clients: number;
  readonly rejectedConnections: number;
  readonly evictedKeys: number;
  readonly operationsPerS: number;
  readonly cpuS: number;
  readonly uptimeS: number;
  readonly aofEnabled: boolean;
  readonly aofWriteOk: boolean;
  readonly aofRewriting: boolean;
  /** Connected ones, with how far they are behind. */
  readonly replicas: readonly { readonly lagBytes: number; readonly lagS: number }[];
};

/** Of all nodes, for each figure of its own: 1 and 0 stand for true and false. */
export type WorstHealth = ReturnType<typeof worstOf>;

export type RedisHealth = {
  readonly nodes: { readonly ok: number; readonly failing: number };
  /** Undefined where no node answers. */
  readonly worst?: WorstHealth;
};

/** Asks every node at once; one that takes longer counts as failing. Never rejects. */
export async function readHealth(redis: Redis, answerWithinMs: number): Promise<RedisHealth> {
  const nodes = redis instanceof Cluster ? redis.nodes('all') : [redis];
  const answers = await Promise.all(nodes.map((node) => healthOf(node, answerWithinMs)));
  const found = answers.filter((one) => one !== undefined);
  return {
    // A cluster that knows no node of its own is not there.
    nodes: { ok: found.length, failing: Math.max(answers.length, 1) - found.length },
    ...(found.length > 0 && { worst: worstOf(found) }),
  };
}

async function healthOf(
  node: { info: () => Promise<string> },
  answerWithinMs: number,
): Promise<NodeHealth | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, answerWithinMs, undefined);
  });
  try {
    const info = await Promise.race([node.info(), late]);
    return info === undefined ? undefined : parseInfo(info);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

/** The text of INFO, as Redis 7.0 and later write it. */
export function parseInfo(info: string): NodeHealth {
  const fields = new Map(
    info.split('\r\n').flatMap((line): (readonly [string, string])[] => {
      const colon = line.indexOf(':');
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)]];
    }),
  );
  const number = (name: string): number => Number(fields.get(name) ?? 0);
  const offset = number('master_repl_offset');
  const replicas = Array.from({ length: number('connected_slaves') }, (_, index) => {
    const facts = new Map(
      (fields.get(`slave${index}`) ?? '').split(',').map((fact) => {
        const [name = '', value = ''] = fact.split('=');
        return [name, value];
      }),
    );
    const seen = Number(facts.get('offset') ?? 0);
    return {
      lagBytes: Math.max(0, offset - seen),
      lagS: Math.max(0, Number(facts.get('lag') ?? 0)),
    };
  });
  return {
    isPrimary: fields.get('role') === 'master',
    memoryUsedBytes: number('used_memory'),
    memoryMaxBytes: number('maxmemory'),
    clients: number('connected_clients'),
    rejectedConnections: number('rejected_connections'),
    evictedKeys: number('evicted_keys'),
    operationsPerS: number('instantaneous_ops_per_sec'),
    cpuS: number('used_cpu_sys') + number('used_cpu_user'),
    uptimeS: number('uptime_in_seconds'),
    aofEnabled: number('aof_enabled') === 1,
    aofWriteOk: (fields.get('aof_last_write_status') ?? 'ok') === 'ok',
    aofRewriting: number('aof_rewrite_in_progress') === 1,
    replicas,
  };
}

/** `nodes`: at least one. */
function worstOf(nodes: readonly NodeHealth[]) {
  const of = (valueOf: (node: NodeHealth) => number): number[] => nodes.map(valueOf);
  const most = (valueOf: (node: NodeHealth) => number): number => Math.max(...of(valueOf));
  const sum = (valueOf: (node: NodeHealth) => number): number =>
    of(valueOf).reduce((all, one) => all + one, 0);
  const primaries = nodes.filter(({ isPrimary }) => isPrimary);
  const lags = nodes.flatMap(({ replicas }) => replicas);
  const bounds = of(({ memoryMaxBytes }) => memoryMaxBytes).filter((bytes) => bytes > 0);
  const every = (is: boolean): 0 | 1 => (is ? 1 : 0);
  return {
    memoryUsedBytes: most(({ memoryUsedBytes }) => memoryUsedBytes),
    memoryMaxBytes: bounds.length > 0 ? Math.min(...bounds) : 0,
    memoryUsedRatio: most(({ memoryUsedBytes, memoryMaxBytes }) =>
      memoryMaxBytes > 0 ? memoryUsedBytes / memoryMaxBytes : 0,
    ),
    clients: most(({ clients }) => clients),
    rejectedConnections: sum(({ rejectedConnections }) => rejectedConnections),
    evictedKeys: sum(({ evictedKeys }) => evictedKeys),
    operationsPerS: most(({ operationsPerS }) => operationsPerS),
    cpuS: most(({ cpuS }) => cpuS),
    uptimeS: Math.min(...of(({ uptimeS }) => uptimeS)),
    aofEnabled: every(primaries.every(({ aofEnabled }) => aofEnabled)),
    aofWriteOk: every(nodes.every(({ aofWriteOk }) => aofWriteOk)),
    aofRewriting: every(nodes.some(({ aofRewriting }) => aofRewriting)),
    // Undefined where no primary answers: whom replicas follow is not known then.
    replicas:
      primaries.length > 0 ? Math.min(...primaries.map((one) => one.replicas.length)) : undefined,
    lagBytes: lags.length > 0 ? Math.max(...lags.map(({ lagBytes }) => lagBytes)) : undefined,
    lagS: lags.length > 0 ? Math.max(...lags.map(({ lagS }) => lagS)) : undefined,
  };
}
