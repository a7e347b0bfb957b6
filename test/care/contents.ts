/** What a Redis holds, for a test that compares two of them, whatever their encodings. */
import { mastersOf, type Redis } from '../../src/redis/client.ts';

async function valueOf(redis: Redis, key: string, type: string): Promise<unknown> {
  const latin1 = (buffers: Buffer[]): string[] => buffers.map((one) => one.toString('latin1'));
  switch (type) {
    case 'string':
      return (await redis.getBuffer(key))?.toString('latin1');
    case 'hash':
      return Object.entries(await redis.hgetallBuffer(key))
        .map(([field, value]) => `${field} ${value.toString('latin1')}`)
        .toSorted();
    case 'list':
      return latin1(await redis.lrangeBuffer(key, 0, -1));
    case 'set':
      return latin1(await redis.smembersBuffer(key)).toSorted();
    case 'zset':
      return redis.zrange(key, 0, '-1', 'WITHSCORES');
    default: {
      const about = (await redis.call('XINFO', 'STREAM', key)) as unknown[];
      const kept = ['last-generated-id', 'entries-added', 'max-deleted-entry-id', 'length'];
      return [
        await redis.xrange(key, '-', '+'),
        ...kept.map((one) => about[about.indexOf(one) + 1]),
      ];
    }
  }
}

/** Every key: type, when it expires, value. */
export async function contentsOf(redis: Redis): Promise<Record<string, unknown>> {
  const nodes = await mastersOf(redis);
  const names = (await Promise.all(nodes.map((node) => node.keys('*')))).flat().toSorted();
  const found = await Promise.all(
    names.map(async (key) => {
      const type = await redis.type(key);
      return [key, [type, await redis.pexpiretime(key), await valueOf(redis, key, type)]];
    }),
  );
  return Object.fromEntries(found) as Record<string, unknown>;
}
