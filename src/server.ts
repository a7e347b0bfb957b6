/** The server's door: the HTTP API over one Redis. */
import { readConfig } from './config.ts';
import { createEngine } from './engine.ts';
import { createApp } from './http/app.ts';
import { openMonitor } from './http/monitor.ts';
import { listen } from './http/server.ts';
import { present } from './lib/assert.ts';
import { createLog } from './log.ts';
import { createMetrics } from './metrics.ts';
import { connectRedis, disconnectRedis } from './redis/client.ts';
import { allRoutes } from './routes.ts';
import { onStop } from './stop.ts';

const config = readConfig();
const log = createLog(config.logLevel).child({ process: 'server' });
const redis = connectRedis(present(config.redis, 'REDIS_URL'));
redis.on('error', (error: Error) => log.warn({ err: error }, 'redis'));

const metrics = createMetrics();
const engine = createEngine(redis, config, {
  log,
  onBeaconAnswer: () => undefined,
  onSms: (outcome, template) => metrics.notify.sms.inc({ outcome, template }),
  onArrival: (outcome) => metrics.arrivals.arrivals.inc({ outcome }),
  onDose: (vaccine) => metrics.arrivals.doses.inc({ vaccine }),
  onSmsBudget: (requester, outcome) => metrics.gates.smsBudget.inc({ requester, outcome }),
});
const app = createApp({
  routes: allRoutes(engine, redis, config),
  redis,
  config,
  secrets: engine.secrets,
  log,
  metrics,
});
const server = await listen(app, config);
const { host, metricsPort: port } = config;
const monitor = await openMonitor(metrics.registry, { host, port }, log);
onStop(log, async () => {
  await Promise.all([server.close(), monitor?.close()]);
  await disconnectRedis(redis);
});
log.info({ listening: server.url }, 'server ready');
