/** A master, its replicas and three Sentinels that promote one when the master is gone. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';
import type { RedisAddress } from '../../src/redis/client.ts';
import { freePort } from '../../src/redis/embedded.ts';
import { type RedisNode, redisNode } from './redis-node.ts';

export type SentinelRedis = {
  readonly address: RedisAddress;
  /** Without the Sentinels. */
  readonly nodes: readonly RedisNode[];
  /** Who leads, by the word of a Sentinel; undefined while nobody does. */
  readonly master: () => Promise<RedisNode | undefined>;
  /** Whether it leads, and all other nodes follow it and are in step. */
  readonly isHealthy: () => Promise<boolean>;
  /** Done when it is. */
  readonly healthy: () => Promise<void>;
  /** Kills all and removes their files. */
  readonly stop: () => Promise<void>;
};

const NAME = 'fairslot';
const SENTINELS = 3;
const QUORUM = 2;
/** After so long without an answer a node counts as gone. */
const DOWN_AFTER_MS = 1_000;
const FAILOVER_TIMEOUT_MS = 4_000;
const HEALTHY_WITHIN_MS = 60_000;

export async function startSentinelRedis(replicas = 1): Promise<SentinelRedis> {
  const directory = mkdtempSync(join(tmpdir(), 'fairslot-sentinel-'));
  const nodes: RedisNode[] = [];
  const sentinels: RedisNode[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all([...sentinels, ...nodes].map((node) => node.close()));
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    for (let number = 0; number < 1 + replicas; number++) {
      const [first] = nodes;
      const following = first ? ['--replicaof', `127.0.0.1 ${first.port}`] : [];
      const port = await freePort();
      const parameters = ['--repl-diskless-sync-delay', '0', ...following];
      const node = redisNode(join(directory, String(port)), port, parameters);
      nodes.push(node);
      await node.start();
    }
    for (let number = 0; number < SENTINELS; number++) {
      const sentinel = await startSentinel(directory, nodes[0]?.port ?? 0);
      sentinels.push(sentinel);
      await sentinel.start();
    }
    const all = { ...looking(nodes, sentinels), nodes, stop };
    await all.healthy();
    return all;
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startSentinel(directory: string, master: number): Promise<RedisNode> {
  const port = await freePort();
  const file = join(directory, `sentinel-${port}.conf`);
  const settings = [
    `monitor ${NAME} 127.0.0.1 ${master} ${QUORUM}`,
    `down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
    `failover-timeout ${NAME} ${FAILOVER_TIMEOUT_MS}`,
  ];
  writeFileSync(file, settings.map((line) => `sentinel ${line}\n`).join(''));
  return redisNode(join(directory, String(port)), port, ['--sentinel'], file);
}

function looking(nodes: readonly RedisNode[], sentinels: readonly RedisNode[]) {
  const [sentinel] = sentinels;
  const master = async (): Promise<RedisNode | undefined> => {
    const at = (await sentinel?.redis.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME)) as
      | string[]
      | null;
    return nodes.find(({ port }) => String(port) === at?.[1]);
  };
  const roleOf = async ({ redis }: RedisNode): Promise<string> => {
    const told = await redis.info('replication');
    if (told.includes('role:master')) return 'master';
    return told.includes('master_link_status:up') ? 'in step' : 'behind';
  };
  /** A Sentinel that does not know the others, or a replica, promotes nobody. */
  const isKnown = async ({ redis }: RedisNode): Promise<boolean> => {
    const flat = (await redis.call('SENTINEL', 'MASTER', NAME)) as string[];
    const of = (name: string): string => flat[flat.indexOf(name) + 1] ?? '';
    return (
      of('num-other-sentinels') === String(SENTINELS - 1) &&
      of('num-slaves') === String(nodes.length - 1) &&
      of('flags') === 'master'
    );
  };
  const isHealthy = async (): Promise<boolean> => {
    if (nodes.some((node) => node.pid() === 0)) return false;
    try {
      const leading = await master();
      const roles = await Promise.all(nodes.map(roleOf));
      const isLed = nodes.every(
        (node, at) => roles[at] === (node === leading ? 'master' : 'in step'),
      );
      return isLed && (await Promise.all(sentinels.map(isKnown))).every(Boolean);
    } catch {
      return false;
    }
  };
  const healthy = async (): Promise<void> => {
    const giveUpAt = monotonicMs() + HEALTHY_WITHIN_MS;
    while (!(await isHealthy())) {
      if (monotonicMs() > giveUpAt) throw new Error('no master with its replicas');
      await sleep(50);
    }
  };
  const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',');
  const address = { url: `redis+sentinel://${hosts}/${NAME}`, cluster: false };
  return { address, master, isHealthy, healthy };
}
