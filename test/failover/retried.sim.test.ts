/** Writes that are sent twice, or to a master that is none any more: REDIS_REPLICAS holds for them too. */
import { afterEach, expect, it, vi } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';
import { isRedisAway } from '../../src/http/unavailable.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';
import { plainRedis, type RedisNode } from '../support/redis-node.ts';

/** The replica that would take over. */
async function replicaOf({ nodes }: RedisCluster, { redis }: RedisNode): Promise<RedisNode> {
  const [, port] = /port=(\d+),state=online/.exec(await redis.info('replication')) ?? [];
  return present(
    nodes.find((node) => String(node.port) === port),
    'the replica',
  );
}

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

/** What came of a write: its reply, or the name of the error. */
const cameOf = (write: Promise<unknown>): Promise<string> =>
  write.then(String, (error: Error) => error.name);

/** Node time-out: masters vote again after twice as long. */
const VOTES_SOON_MS = 3_000;

/** Asks until it is so: a replica that is asked too early gives up after some seconds. */
async function takeOver(old: RedisNode, heir: RedisNode): Promise<void> {
  const isOver = async (): Promise<boolean> => {
    await heir.redis.call('CLUSTER', 'FAILOVER').catch(() => undefined);
    await sleep(200);
    return (await old.redis.info('replication')).includes('role:slave');
  };
  await expect.poll(isOver).toBe(true);
}

it('a write that a cluster had to be asked for again waits for replicas like any other', async () => {
  const cluster = await startRedisCluster();
  undo.push(cluster.stop);
  const redis = connectRedis({ ...cluster.address, replicas: 1, replicasWithinMs: 900 });
  redis.on('error', () => undefined);
  undo.push(() => redis.disconnect());
  expect(await redis.set('x', '1')).toBe('OK');
  const master = await cluster.masterOf('x');
  const [, port] = /port=(\d+),state=online/.exec(await master.redis.info('replication')) ?? [];
  const replica = present(
    cluster.nodes.find((node) => String(node.port) === port),
    'the replica',
  );
  const slot = String(await master.redis.call('CLUSTER', 'KEYSLOT', 'x'));
  await sleep(500);
  await master.redis.call('CLUSTER', 'DELSLOTS', slot);
  const written = cameOf(redis.set('x', '2')); // CLUSTERDOWN: ioredis tries again
  await sleep(60);
  replica.signal('SIGSTOP');
  await master.redis.call('CLUSTER', 'ADDSLOTS', slot);
  const came = await written;
  replica.signal('SIGCONT');
  expect(came).toBe('ReplicasAwayError');
});

it('a master that is short of replicas and then none any more is not believed to be short', async () => {
  const fast = ['--repl-diskless-sync-delay', '0'];
  const first = await plainRedis(fast);
  undo.push(first.close);
  const second = await plainRedis([...fast, '--replicaof', '127.0.0.1', String(first.port)]);
  undo.push(second.close);
  const connect = (address: Parameters<typeof connectRedis>[0]) => {
    const made = connectRedis(address);
    made.on('error', () => undefined);
    undo.push(() => made.disconnect());
    return made;
  };
  const redis = connect({ ...first.address, replicas: 1, replicasWithinMs: 900 });
  const [one, other] = [connect(first.address), connect(second.address)];
  await expect.poll(() => one.info('replication').catch(() => '')).toMatch(/state=online/);
  // A replica that is online need not have told yet how far it is.
  await expect.poll(() => cameOf(redis.set('x', '1'))).toBe('OK');
  await other.call('REPLICAOF', 'NO', 'ONE');
  await sleep(300);
  expect(await cameOf(redis.set('x', '2'))).toBe('ReplicasAwayError');
  await one.call('REPLICAOF', '127.0.0.1', String(second.port));
  // READONLY, by which the address is asked for again.
  await expect.poll(() => cameOf(redis.set('x', '3'))).toBe('ReplyError');
});

it('a write that another node took in the end waits for the replicas of that one', async () => {
  const cluster = await startRedisCluster(VOTES_SOON_MS);
  undo.push(cluster.stop);
  const redis = connectRedis({ ...cluster.address, replicas: 1, replicasWithinMs: 300 });
  redis.on('error', () => undefined);
  undo.push(() => redis.disconnect());
  redis.options.enableAutoPipelining = false; // as while another node is silent
  await expect.poll(() => cameOf(redis.set('x', '1'))).toBe('OK');
  const old = await cluster.masterOf('x');
  const heir = await replicaOf(cluster, old);
  await takeOver(old, heir);
  await expect.poll(() => heir.redis.info('replication')).toContain('state=online');
  redis.options.enableAutoPipelining = false;
  expect(await cameOf(redis.set('x', '2'))).toBe('OK'); // MOVED
});

it('many at once that met a failover are tried again by their callers, and soon taken', async () => {
  const cluster = await startRedisCluster(VOTES_SOON_MS);
  undo.push(cluster.stop);
  const redis = connectRedis(cluster.address);
  redis.on('error', () => undefined);
  undo.push(() => redis.disconnect());
  const names = ['x', 'y', 'z', 'u', 'v', 'w', 'a', 'b', 'c', 'd'];
  const setAll = () => Promise.allSettled(names.map((name) => redis.set(name, '1')));
  expect((await setAll()).map(({ status }) => status)).toEqual(names.map(() => 'fulfilled'));
  const unanswered: unknown[] = [];
  const again = async (): Promise<number> => {
    const failed = (await setAll()).flatMap((one) =>
      one.status === 'rejected' ? [one.reason] : [],
    );
    unanswered.push(...failed);
    return failed.length;
  };
  const hasMoved = (): boolean => unanswered.some((error) => String(error).includes('MOVED'));
  // More than once where ioredis asked who has the slots before anybody met it.
  for (let turn = 0; turn < 5 && !hasMoved(); turn++) {
    await cluster.healthy();
    const old = await cluster.masterOf('x');
    const heir = await replicaOf(cluster, old);
    await takeOver(old, heir);
    await expect.poll(again, { timeout: 5_000 }).toBe(0);
  }
  expect(unanswered.every(isRedisAway), String(unanswered)).toBe(true);
  expect(hasMoved()).toBe(true);
});

it('a process that is always busy sees in the end that Redis stands still', async () => {
  const server = await plainRedis();
  undo.push(server.close);
  const states: string[] = [];
  const redis = connectRedis(server.address, { onGuard: (state) => states.push(state) });
  redis.on('error', () => undefined);
  undo.push(() => redis.disconnect());
  expect(await redis.set('x', '1')).toBe('OK');
  server.signal('SIGSTOP');
  void redis.get('x').catch(() => undefined);
  const giveUpAtMs = monotonicMs() + 8_000;
  while (!states.includes('STALLED') && monotonicMs() < giveUpAtMs) {
    const busyUntilMs = monotonicMs() + 400;
    while (monotonicMs() < busyUntilMs);
    await sleep(0);
  }
  expect(states).toEqual(['STALLED']);
});

it('replies go to who asked, also where one of a pipeline was given up before it was sent', async () => {
  const server = await plainRedis();
  undo.push(server.close);
  const [redis, other] = [connectRedis(server.address), connectRedis(server.address)];
  for (const one of [redis, other]) {
    one.on('error', () => undefined);
    undo.push(() => one.disconnect());
  }
  const names = ['a', 'b', 'c', 'd'];
  for (const name of names) await redis.set(name, `of ${name}`);
  const own = String(await redis.client('ID'));
  await other.client('KILL', 'ID', own);
  server.signal('SIGSTOP'); // it is connected to again, and says nothing
  await expect.poll(() => redis.status).toBe('connect');
  const given = redis.pipeline().get('a').get('b');
  const answered = given.exec();
  // As its time-out does, when only the first has waited long enough.
  const { offlineQueue } = redis as unknown as {
    offlineQueue: { peekFront: () => { command: { reject: (error: Error) => void } } };
  };
  offlineQueue.peekFront().command.reject(new Error('Command timed out'));
  server.signal('SIGCONT');
  redis.options.enableAutoPipelining = false;
  expect(await Promise.all(names.map((name) => redis.get(name)))).toEqual(
    names.map((name) => `of ${name}`),
  );
  expect(await answered).toEqual([
    [expect.objectContaining({ message: 'Command timed out' })],
    [null, 'of b'],
  ]);
});

it('a connection that is told to end while Redis is away leaves nothing running', async () => {
  const server = await plainRedis();
  undo.push(server.close);
  const started = vi.spyOn(globalThis, 'setInterval');
  undo.push(() => started.mockRestore());
  const redis = connectRedis(server.address);
  redis.on('error', () => undefined);
  await redis.ping();
  const at = started.mock.calls.findIndex(([run]) => run.name === 'tick');
  const ofGuard = present(started.mock.results[at], "the guard's timer").value;
  await server.close();
  await expect.poll(() => redis.status).toBe('reconnecting');
  const cleared = vi.spyOn(globalThis, 'clearInterval');
  undo.push(() => cleared.mockRestore());
  redis.disconnect();
  await expect.poll(() => cleared.mock.calls.flat()).toContain(ofGuard);
});
