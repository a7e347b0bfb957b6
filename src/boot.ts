/** How a server and a worker begin: a process of a machine, its log, its Redis, an engine on it. */
import type { Config } from './config.ts';
import { createEngine } from './engine.ts';
import { present } from './lib/assert.ts';
import { createLog } from './log.ts';
import type { Metrics } from './metrics/server.ts';
import { logConnection } from './outage.ts';
import { joinMachine } from './processes/child.ts';
import { placeOf } from './redis/address.ts';
import { connectRedis } from './redis/client.ts';
import { misfitOf, watchFit } from './redis/fit.ts';
import { followRedisClock } from './redis/time.ts';
import type { Watch } from './watch.ts';

type Told = Pick<Metrics, 'registry' | 'redis'> & { readonly watch: Partial<Watch> };

export function boot(kind: 'server' | 'worker', config: Config, metrics: Told) {
  const machine = joinMachine(kind, metrics.registry);
  const log = createLog(config.logLevel).child({ process: machine.name });
  const address = present(config.redis, 'REDIS_URL');
  const redis = connectRedis(address, {
    onScript: metrics.redis.onScript,
    onGuard: (state, node) => log.warn({ state, node }, 'a Redis node changed'),
  });
  metrics.redis.watchConnection(redis);
  logConnection(redis, log);
  const engine = createEngine(redis, config, { log, ...metrics.watch });
  const misfit = misfitOf(redis, engine.secrets, { mark: 'set' });
  const settle = async (): Promise<void> => {
    await followRedisClock(redis);
    await watchFit(redis, misfit, (problem) => {
      log.error(problem);
      process.exit(1);
    });
  };
  return {
    log,
    redis,
    engine,
    /** Done when this process has Redis's time and has looked at whether it is the one meant. */
    settled: settle(),
    /** Tells that this process does its work. */
    ready: (facts: Readonly<Record<string, string>>): void => {
      log.info({ ...facts, redis: placeOf(address) }, `${kind} ready`);
      void machine.ready(redis);
    },
  };
}
