/** The real engine over a temporary Redis of its own, for one scenario. */
import { createEngine, type Engine } from '../../src/engine.ts';
import { connectRedis, disconnectRedis, type Redis } from '../../src/redis/client.ts';
import { type EmbeddedRedis, startEmbeddedRedis } from '../../src/redis/embedded.ts';

export type BenchEngine = {
  readonly engine: Engine;
  readonly redis: Redis;
  readonly server: EmbeddedRedis;
};

export const SECRET = 'a secret for the bench, of more than 32 characters';

/** Redis as `npm start` runs it: a unix socket, AOF always. It ends with `use`. */
export async function withEngine<T>(use: (bench: BenchEngine) => Promise<T>): Promise<T> {
  const server = await startEmbeddedRedis();
  const redis = connectRedis(server.address);
  try {
    return await use({ engine: createEngine(redis, { secret: SECRET }), redis, server });
  } finally {
    await disconnectRedis(redis);
    await server.stop();
  }
}
