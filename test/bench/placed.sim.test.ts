/** What the bench says of hash tags, held against real Redis. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evenLayout } from '../../bench/shards/layout.ts';
import { slotOf } from '../../bench/support/key-slot.ts';
import { withEngine } from '../../bench/support/engine.ts';
import { createMeter, createTagMeter, keepAof, spendingOf } from '../../bench/support/spending.ts';
import { connectRedis, disconnectRedis } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { tokenOf } from '../chaos/players.ts';
import { engineOn, publishRelease, registerMany } from '../support/engine.ts';
import { kill, spawnServer } from '../support/processes.ts';
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';

const SHARDS = 3;
const PEOPLE = 40;
/** Strings under a tag of every kind. */
const KEYS: readonly string[] = Array.from({ length: 20 }, (_, index) => [
  keys.draft(`pune-${index}`),
  keys.lease(`district-${index}-2026`),
  keys.person(`person${index}`),
  keys.imageCaptcha(`account${index}`),
  keys.deviceAccounts(`device${index}`),
  keys.captcha(`nonce${index}`),
  keys.otpTransaction(`txn${index}`),
  keys.doorRefusals(index),
])
  .flat()
  .concat(
    keys.smsSpent('new', 'hour'),
    keys.smsOnce('urgent', 'an-id'),
    `${keys.limitPrefix('write-account')}:account`,
    keys.releases(),
  );

describe('a Redis Cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster.stop());

  it('has every key on the node that the simulation says', async () => {
    const redis = connectRedis(cluster.address);
    await Promise.all(KEYS.map((key) => redis.set(key, 'here')));
    const layout = evenLayout(SHARDS);
    const masters = await cluster.masters();
    const wrong: string[] = [];
    for (const [shard, node] of cluster.nodes.slice(0, SHARDS).entries()) {
      expect(masters).toContain(node); // nodes lead the ranges that they were dealt, in their order
      const held = (await node.redis.keys('*')).toSorted();
      const foreseen = KEYS.filter((key) => layout[slotOf(key)] === shard).toSorted();
      expect(foreseen.length).toBeGreaterThan(0);
      if (JSON.stringify(held) !== JSON.stringify(foreseen)) wrong.push(`${node.port}`);
    }
    expect(wrong).toEqual([]);
    await Promise.all(KEYS.map((key) => redis.del(key)));
    await disconnectRedis(redis);
  });

  it('without a shard is missed by those whose release, person or account is there, and by all others not', async () => {
    const shardOf = (key: string) => evenLayout(SHARDS)[slotOf(key)]!;
    const redis = connectRedis(cluster.address);
    redis.on('error', () => undefined); // of those that are stopped
    const engine = engineOn(redis);
    const terms = { seats: [2], closesInS: 300, endsInS: 400 };
    const releases = [
      await publishRelease(engine, redis, terms),
      await publishRelease(engine, redis, terms),
    ];
    const people = await registerMany(engine, PEOPLE);
    const tokens = await Promise.all(people.map(({ account }) => tokenOf(account)));
    const server = await spawnServer(cluster.address, { CAPTCHA_DRIVER: 'none' });
    const enter = async (number: number): Promise<boolean> => {
      const { release, slots } = releases[number % releases.length]!;
      const answer = await fetch(`${server.url}/v1/releases/${release}/entry`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${tokens[number]}` },
        body: JSON.stringify({ beneficiaries: [people[number]!.person], preferences: slots }),
      });
      await answer.text();
      return answer.ok;
    };
    const enterAll = () => Promise.all(people.map((_, number) => enter(number)));
    const open = shardOf(keys.entering(releases[0]!.release));
    const away = [0, 1, 2].find((shard) => shard !== open)!;
    const pids = [away, away + SHARDS].map((node) => cluster.nodes[node]!.pid());
    try {
      expect(await enterAll()).toEqual(people.map(() => true));
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      await enterAll(); // who asks first finds out that it is silent
      const foreseen = people.map(({ account, person }, number) => {
        const { release } = releases[number % releases.length]!;
        const own = [keys.account(account), keys.person(person), keys.entering(release)];
        return !own.map(shardOf).includes(away);
      });
      expect(await enterAll()).toEqual(foreseen);
      expect(new Set(foreseen).size).toBe(2);
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
      await kill(server.child, 'SIGKILL');
      await disconnectRedis(redis);
    }
  });
});

describe('what work spends', () => {
  it('falls on the tags of its keys, once each, and on the append-only file', async () => {
    await withEngine(async (bench) => {
      const { redis } = bench;
      await keepAof(redis);
      const work = async () => {
        const script = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])";
        for (let index = 0; index < 10; index++)
          await redis.eval(script, 1, keys.lease(`release-${index}`), 'x'.repeat(100));
        await redis.mget([keys.smsUnused('device', 'one'), keys.smsUnused('device', 'other')]);
        await redis.ping();
        return { errors: 1 };
      };
      const meter = createMeter(bench, process.pid);
      await meter.run(work);
      const spent = meter.spent();
      expect(spent.errors).toBe(1);
      expect(spent.aofBytes).toBeGreaterThan(10 * 100);
      expect(spent.aofBytes).toBeLessThan(10 * 300);

      const tags = createTagMeter(redis);
      await tags.run(work);
      const shares = tags.shares();
      expect(Object.keys(shares).toSorted()).toEqual(['r', 'sms']);
      expect(shares['r']!.calls).toBe(10); // and not the commands that the scripts give
      expect(shares['sms']!.calls).toBe(1);
      // Of 1 ms, what commands did not take falls on each alike: none is lost.
      const { tags: parts, redisUs } = spendingOf([{ ...spent, redisMs: 100 }], 10, shares);
      expect(redisUs).toBe(10_000);
      expect(parts['r']! + parts['sms']!).toBeCloseTo(redisUs, 0);
    });
  });
});
