/** The server's door: the HTTP API over one Redis. */
import { boot } from './boot.ts';
import { readConfig } from './config.ts';
import { createApp } from './http/app.ts';
import { openMonitor } from './http/monitor.ts';
import { listen } from './http/server.ts';
import { createMetrics } from './metrics/server.ts';
import { disconnectRedis } from './redis/client.ts';
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
const { log, redis, engine, settled, ready } = boot('server', config, metrics);
await settled;
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
ready({ listening: server.url });
