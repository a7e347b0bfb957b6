/** A Redis Cluster of three masters with a replica each, whose nodes can be killed one by one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { present } from '../../src/lib/assert.ts';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';
import type { RedisAddress } from '../../src/redis/client.ts';
import { freePort } from '../../src/redis/embedded.ts';
import { type RedisNode, redisNode } from './redis-node.ts';

export type RedisCluster = {
  readonly address: RedisAddress;
  readonly nodes: readonly RedisNode[];
  /** Nodes that lead slots, by the word of a node that runs. */
  readonly masters: () => Promise<readonly RedisNode[]>;
  /** The master that a key lives on. */
  readonly masterOf: (key: string) => Promise<RedisNode>;
  /** Whether every slot has a master, and every node that runs is in step. */
  readonly isHealthy: () => Promise<boolean>;
  /** Done when it is. */
  readonly healthy: () => Promise<void>;
  /** Kills all nodes and removes their files. */
  readonly stop: () => Promise<void>;
};

const MASTERS = 3;
const SLOTS = 16_384;
const HEALTHY_WITHIN_MS = 60_000;

/** Where nothing is killed: a node that only gets no CPU for a while keeps its slots. */
const PATIENT_MS = 15_000;
const SETTINGS = [
  ['--cluster-enabled', 'yes'],
  ['--cluster-announce-ip', '127.0.0.1'],
  // Shards that have a master go on while another has none.
  ['--cluster-require-full-coverage', 'no'],
  ['--repl-diskless-sync-delay', '0'],
].flat();

/** `timeoutMs`: without an answer for so long a node counts as gone, and its replica takes over. */
export async function startRedisCluster(timeoutMs = PATIENT_MS): Promise<RedisCluster> {
  const timeout = ['--cluster-node-timeout', String(timeoutMs)];
  const directory = mkdtempSync(join(tmpdir(), 'fairslot-cluster-'));
  const nodes: RedisNode[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.close()));
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    for (let number = 0; number < 2 * MASTERS; number++) {
      const [port, busPort] = [await freePort(), await freePort()];
      const parameters = [...SETTINGS, ...timeout, '--cluster-port', String(busPort)];
      const node = redisNode(join(directory, String(port)), port, parameters);
      nodes.push(node);
      await node.start();
    }
    await joinAll(nodes);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ...looking(nodes), nodes, stop };
}

/** Masters first, each with a range of slots; then a replica for each. */
async function joinAll(nodes: readonly RedisNode[]): Promise<void> {
  for (const [number, { redis }] of nodes.entries())
    await redis.call('CLUSTER', 'SET-CONFIG-EPOCH', String(number + 1));
  // Each meets each: patient nodes take four times as long to know one another by gossip alone.
  for (const node of nodes) {
    const busPort = (await node.redis.call('CONFIG', 'GET', 'cluster-port')) as string[];
    const at = [String(node.port), present(busPort[1], 'its bus port')];
    for (const other of nodes)
      if (other !== node) await other.redis.call('CLUSTER', 'MEET', '127.0.0.1', ...at);
  }
  for (let number = 0; number < MASTERS; number++) {
    const from = Math.floor((SLOTS * number) / MASTERS);
    const to = Math.floor((SLOTS * (number + 1)) / MASTERS) - 1;
    await nodes[number]?.redis.call('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to));
  }
  const ids = await Promise.all(
    nodes.map(async ({ redis }) => String(await redis.call('CLUSTER', 'MYID'))),
  );
  await until(async () => {
    const known = await Promise.all(nodes.map((node) => viewOf(node)));
    // Also nobody is there twice, once by a handshake that another has overtaken.
    return known.every(
      (view) => view.length === nodes.length && view.every(({ isGone }) => !isGone),
    );
  });
  for (let number = 0; number < MASTERS; number++)
    await nodes[MASTERS + number]?.redis.call('CLUSTER', 'REPLICATE', present(ids[number], 'id'));
  await looking(nodes).healthy();
}

function looking(nodes: readonly RedisNode[]) {
  const running = (): RedisNode[] => nodes.filter((node) => node.pid() !== 0);
  const masters = async (): Promise<RedisNode[]> => {
    for (const node of running()) {
      const view = await viewOf(node);
      const leading = view.filter((one) => one.isMaster && one.slots > 0 && !one.isGone);
      if (leading.length === MASTERS)
        return leading.map(({ port }) =>
          present(
            nodes.find((one) => one.port === port),
            'node',
          ),
        );
    }
    return [];
  };
  const inStep = async ({ redis }: RedisNode): Promise<boolean> => {
    const [info, replication] = await Promise.all([
      redis.call('CLUSTER', 'INFO'),
      redis.info('replication'),
    ]);
    return (
      String(info).includes('cluster_state:ok') &&
      (replication.includes('role:master') || replication.includes('master_link_status:up'))
    );
  };
  const isHealthy = async (): Promise<boolean> => {
    const all = await Promise.all(running().map((node) => inStep(node).catch(() => false)));
    return all.every(Boolean) && (await masters()).length === MASTERS;
  };
  return {
    address: {
      url: nodes.map(({ port }) => `redis://127.0.0.1:${port}`).join(','),
      cluster: true,
    },
    masters,
    masterOf: async (key: string): Promise<RedisNode> => {
      const [some] = running();
      const slot = Number(await some?.redis.call('CLUSTER', 'KEYSLOT', key));
      const ranges = (await some?.redis.call('CLUSTER', 'SLOTS')) as [
        from: number,
        to: number,
        master: [host: string, port: number],
      ][];
      const range = ranges.find(([from, to]) => from <= slot && slot <= to);
      const port = present(range, 'a master of that slot')[2][1];
      return present(
        nodes.find((one) => one.port === port),
        'node',
      );
    },
    isHealthy,
    healthy: (): Promise<void> => until(isHealthy),
  };
}

/** What a node knows of all nodes; empty where it does not answer. */
async function viewOf({ redis }: RedisNode) {
  const text = String(await redis.call('CLUSTER', 'NODES').catch(() => ''));
  return text.split('\n').flatMap((line) => {
    // id ip:port@bus flags master ping pong epoch link slot …
    const [, address = '', flags = '', , , , , , ...slots] = line.split(' ');
    if (address === '') return [];
    return [
      {
        port: Number(/:(\d+)@/.exec(address)?.[1]),
        isMaster: flags.includes('master'),
        isGone: /\bfail\b|noaddr|handshake/.test(flags),
        slots: slots.length,
      },
    ];
  });
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const giveUpAt = monotonicMs() + HEALTHY_WITHIN_MS;
  while (!(await condition().catch(() => false))) {
    if (monotonicMs() > giveUpAt) throw new Error('the cluster does not get well');
    await sleep(50);
  }
}
