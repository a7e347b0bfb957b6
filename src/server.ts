/** The server's door: the HTTP API over one Redis. */
import { readConfig } from './config.ts';
import { createEngine } from './engine.ts';
import { createApp } from './http/app.ts';
import { openMonitor } from './http/monitor.ts';
import { listen } from './http/server.ts';
import { present } from './lib/assert.ts';
import { createLog } from './log.ts';
import { createMetrics } from './metrics/server.ts';
import { logConnection } from './outage.ts';
import { joinMachine } from './processes/child.ts';
import { placeOf } from './redis/address.ts';
import { connectRedis, disconnectRedis } from './redis/client.ts';
import { misfitOf, watchFit } from './redis/fit.ts';
import { followRedisClock } from './redis/time.ts';
import { allRoutes } from './routes.ts';
import { onStop } from './stop.ts';

/** Why nobody can listen there. */
const WHY_NOT: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use',
  EACCES: 'may not be taken by this user',
  EADDRNOTAVAIL: 'is not of this machine',
};

const config = readConfig();
const metrics = createMetrics();
const machine = joinMachine('server', metrics.registry);
const log = createLog(config.logLevel).child({ process: machine.name });
const { onScript } = metrics.redis;
const address = present(config.redis, 'REDIS_URL');
const redis = connectRedis(address, {
  onScript,
  onGuard: (state, node) => log.warn({ state, node }, 'a Redis node changed'),
});
metrics.redis.watchConnection(redis);
logConnection(redis, log);
const engine = createEngine(redis, config, { log, ...metrics.watch });
const misfit = misfitOf(redis, engine.secrets, { mark: 'set' });
await followRedisClock(redis);
await watchFit(redis, misfit, (problem) => {
  log.error(problem);
  process.exit(1);
});
const app = createApp({
  routes: allRoutes(engine, redis, config),
  redis,
  config,
  secrets: engine.secrets,
  log,
  metrics,
});
const { host, metricsPort: port } = config;
const server = await listen(app, config).catch((error: Error & { readonly code?: string }) => {
  log.error(`PORT ${config.port} of HOST ${host} ${WHY_NOT[error.code ?? ''] ?? error.message}`);
  return process.exit(1);
});
const monitor = await openMonitor(metrics.registry, { host, port }, log);
/** For a client that asks again and again on one connection: it learns that it ends. */
const LAST_REQUESTS_MS = 1_000;
onStop(log, async () => {
  await Promise.all([server.close({ idleMs: LAST_REQUESTS_MS }), monitor?.close()]);
  await disconnectRedis(redis);
});
log.info({ listening: server.url, redis: placeOf(address) }, 'server ready');
void machine.ready(redis);
