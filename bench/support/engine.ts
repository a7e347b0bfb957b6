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
/** The same as a header may carry it. */
export const OPERATOR_KEY = SECRET.replaceAll(/\W/g, '-');

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

/** What a server of ours, in a process of its own, needs to work on the same Redis. */
export const settingsFor = ({ server }: BenchEngine): Record<string, string> => ({
  REDIS_URL: server.address.url,
  FAIRSLOT_SECRET: SECRET,
  FAIRSLOT_OPERATOR_KEY: OPERATOR_KEY,
});

/** Making the work is not measured, checking it is: one key to try costs as much to check as many. */
export const EASY_CAPTCHA = { CAPTCHA_DRIVER: 'altcha', CAPTCHA_TRIES: '1' } as const;

export const LIMITS_OF_WRITING = [
  'LIMIT_WRITE_PER_ADDRESS',
  'LIMIT_WRITE_PER_NETWORK',
  'LIMIT_WRITE_PER_ACCOUNT',
  'LIMIT_WRITE_PER_DEVICE',
] as const;

const MANY = '1000000000';

/** Settings that nobody reaches: a bench comes from one address, and is counted all the same. */
export const unlimited = (...names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, MANY]));
