/** The whole API over a real socket and a test Redis, with a worker's steps in this process. */
import { createEngine } from '../../src/engine.ts';
import { createApp } from '../../src/http/app.ts';
import { listen } from '../../src/http/server.ts';
import { createLog, type Log } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics/server.ts';
import type { Redis } from '../../src/redis/client.ts';
import { allRoutes } from '../../src/routes.ts';
import { call, type CallOptions, configWith, secrets } from './app.ts';
import { UNLIMITED } from './limits.ts';

export type TestApi = Awaited<ReturnType<typeof serveApi>>;

/** `settings`: beside those that let everything pass. */
export async function serveApi(
  redis: Redis,
  log: Log = createLog('silent'),
  settings: Readonly<Record<string, string>> = {},
) {
  const config = configWith({ PORT: '0', SMS_DRIVER: 'inbox', ...UNLIMITED, ...settings });
  const engine = createEngine(redis, config, { log, onBeaconAnswer: () => undefined });
  const routes = allRoutes(engine, redis, config);
  const metrics = createMetrics();
  const app = createApp({ routes, redis, config, secrets, log, metrics });
  const server = await listen(app, config);
  return {
    engine,
    routes,
    metrics,
    url: server.url,
    dispatch: app.dispatch,
    close: server.close,
    call: (method: string, path: string, options?: CallOptions) =>
      call(server.url, method, path, options),
  };
}
