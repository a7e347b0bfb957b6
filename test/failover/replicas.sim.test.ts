/** A write counts once REDIS_REPLICAS have it: with fewer it is refused, and reads go on. */
import { afterEach, expect, it } from 'vitest';
import { sleep } from '../../src/lib/clock.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { serveApi } from '../support/api.ts';
import { plainRedis } from '../support/redis-node.ts';
import { ONLY_IF_SLOW } from '../support/slow.ts';
import { attempt, entryOf, entryPath, foundTown, persist } from '../support/town.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

const NAME =
  'writes are refused while the replica is away, reads are not, and one WAIT serves many';
it(NAME, ONLY_IF_SLOW, async () => {
  const fast = ['--repl-diskless-sync-delay', '0'];
  const master = await plainRedis(fast);
  undo.push(master.close);
  const replica = await plainRedis([...fast, '--replicaof', '127.0.0.1', String(master.port)]);
  undo.push(replica.close);
  const connect = (replicas: number) => {
    const made = connectRedis({ ...master.address, replicas, replicasWithinMs: 900 });
    made.on('error', () => undefined);
    undo.push(() => made.disconnect());
    return made;
  };
  const redis = connect(1);
  const hasty = connect(0); // for what is not tried here
  const isOnline = async (): Promise<boolean> =>
    (await redis.info('replication').catch(() => '')).includes('state=online');
  await expect.poll(isOnline).toBe(true);
  const town = await foundTown(hasty, 100, { seats: [10] });
  const api = await serveApi(redis);
  undo.push(api.close);
  const path = entryPath(town.release);
  const slots = [String(town.slots[0])];
  const calls = async (command: string): Promise<number> =>
    Number(
      new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await redis.info('commandstats'))?.[1] ??
        0,
    );
  const waitsBefore = await calls('wait');
  const writesBefore = (await calls('evalsha')) + (await calls('eval'));
  await Promise.all(
    town.townsmen.map((who) => persist(api.url, who, 'PUT', path, entryOf(who, slots))),
  );
  const waits = (await calls('wait')) - waitsBefore;
  const writes = (await calls('evalsha')) + (await calls('eval')) - writesBefore;
  expect(waits).toBeGreaterThan(0);
  expect(waits).toBeLessThan(writes / 3);

  const later = await foundTown(hasty, 6, { seats: [10] });
  const [first, ...others] = later.townsmen;
  if (!first) throw new Error('nobody');
  const there = entryPath(later.release);
  const wish = (who: typeof first) => entryOf(who, [String(later.slots[0])]);
  replica.signal('SIGSTOP');
  const { answer } = await attempt(api.url, first, 'PUT', there, wish(first));
  expect(answer?.json).toMatchObject({
    status: 503,
    detail: expect.stringContaining('Nothing can be written'),
  });
  await sleep(200);
  const held = await redis.hlen(keys.entering(later.release));
  for (const who of others) {
    const refused = await attempt(api.url, who, 'PUT', there, wish(who));
    expect(refused.status).toBe(503);
    expect((await persist(api.url, who, 'GET', there)).status).toBe(200);
  }
  // What came after was not even sent.
  expect(await redis.hlen(keys.entering(later.release))).toBe(held);
  replica.signal('SIGCONT');
  const all = await Promise.all(
    later.townsmen.map((who) => persist(api.url, who, 'PUT', there, wish(who))),
  );
  expect(all.map(({ status }) => status)).toEqual(Array(6).fill(200));
  expect(await redis.hlen(keys.entering(later.release))).toBe(6);
});
