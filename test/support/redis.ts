/**
 * One Redis of its own for each test file; FAIRSLOT_TEST_CLUSTER=true makes it a one-node Redis
 * Cluster.
 */
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { connectRedis, disconnectRedis, type Redis } from '../../src/redis/client.ts';
import { type EmbeddedRedis, startEmbeddedRedis } from '../../src/redis/embedded.ts';

export const ON_CLUSTER = process.env['FAIRSLOT_TEST_CLUSTER'] === 'true';

/** A node that never met another does not know its own address, and clients need it. */
const ANNOUNCED = ['--cluster-announce-ip', '127.0.0.1'];

export type TestRedis = {
  /** Connected from beforeAll to afterAll, empty at the start of each test. */
  readonly redis: Redis;
  readonly server: EmbeddedRedis;
};

/**
 * Call it at the top of a test file, and read `redis` inside tests and hooks only. `settings`: as for
 * the embedded Redis.
 */
export function useRedis(settings: readonly string[] = []): TestRedis {
  let server: EmbeddedRedis | undefined;
  let redis: Redis | undefined;
  beforeAll(async () => {
    server = await startEmbeddedRedis({
      cluster: ON_CLUSTER,
      settings: [...(ON_CLUSTER ? ANNOUNCED : []), ...settings],
    });
    redis = connectRedis(server.address);
    redis.on('error', () => undefined); // tests that stop the server see it in their answers
  });
  beforeEach(async () => {
    await redis?.flushall();
  });
  afterAll(async () => {
    if (redis) await disconnectRedis(redis);
    await server?.stop();
  });
  return {
    get redis() {
      return present(redis, 'the test Redis');
    },
    get server() {
      return present(server, 'the test Redis server');
    },
  };
}
