/**
 * What Prometheus asks of a process, on a port of its own: whoever reaches it may read, so it is
 * not to be reached from outside.
 */
import type { Registry } from 'prom-client';
import type { Log } from '../log.ts';
import type { App } from './app.ts';
import type { HttpRequest, Reply } from './exchange.ts';
import { createListener } from './node.ts';
import { listen, type Server } from './server.ts';

const PLAIN = { 'content-type': 'text/plain; charset=utf-8' };

/** What is shown: of one process, or of all that one started. */
type Shown = Pick<Registry, 'contentType' | 'metrics'>;

/** `GET /metrics` and `GET /livez`, for `listen`. */
export function createMonitor(registry: Shown, log: Log): Pick<App, 'handler' | 'leave'> {
  const answer = async ({ method, url }: HttpRequest): Promise<Reply> => {
    const path = method === 'GET' ? url.split('?')[0] : undefined;
    if (path === '/metrics') {
      const headers = { 'content-type': registry.contentType };
      return { status: 200, headers, body: await registry.metrics() };
    }
    return path === '/livez'
      ? { status: 200, headers: PLAIN, body: 'alive\n' }
      : { status: 404, headers: PLAIN, body: 'no such page\n' };
  };
  return { handler: createListener(answer, log), leave: () => undefined };
}

/**
 * Listens; on port 0 nowhere. A process goes on when nobody can watch it: two of one machine want
 * the same port.
 */
export async function openMonitor(
  registry: Shown,
  { host, port }: { readonly host: string; readonly port: number },
  log: Log,
): Promise<Server | undefined> {
  if (port === 0) return undefined;
  try {
    return await listen(createMonitor(registry, log), { host, port });
  } catch (error) {
    log.warn({ err: error, port }, 'this process has no port for /metrics');
    return undefined;
  }
}
