/** What Prometheus and an orchestrator ask of a process that serves nothing else. */
import type { Registry } from 'prom-client';
import type { Log } from '../log.ts';
import type { App } from './app.ts';
import type { HttpRequest, Reply } from './exchange.ts';
import { createListener } from './node.ts';

const PLAIN = { 'content-type': 'text/plain; charset=utf-8' };

/** `GET /metrics` and `GET /livez`, for `listen`. */
export function createMonitor(registry: Registry, log: Log): Pick<App, 'handler' | 'leave'> {
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
