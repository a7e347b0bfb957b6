/** What an orchestrator and Prometheus ask: behind no limit, and always answered. */
import { z } from 'zod';
import type { Metrics } from '../metrics/server.ts';
import type { Redis } from '../redis/client.ts';
import { refuse } from '../refusal.ts';
import { type Route, route } from './route.ts';

const gates = { limit: 'none', caller: 'anyone' } as const;
const slice = 'http';

export function healthRoutes(redis: Redis, metrics: Metrics, isLeaving: () => boolean): Route[] {
  return [
    route({
      method: 'get',
      path: '/livez',
      name: 'livez',
      summary: 'Whether this process runs.',
      slice,
      gates,
      answers: { 200: z.object({ alive: z.literal(true) }) },
      errors: [],
      handler: async () => ({ status: 200, body: { alive: true } }),
    }),
    route({
      method: 'get',
      path: '/readyz',
      name: 'readyz',
      summary: 'Whether this process takes requests: it reaches Redis and is not about to end.',
      slice,
      gates,
      answers: { 200: z.object({ ready: z.literal(true) }) },
      errors: ['SHUTTING_DOWN'],
      handler: async () => {
        if (isLeaving()) return refuse('SHUTTING_DOWN');
        await redis.ping(); // a Redis that is away makes this UNAVAILABLE
        return { status: 200, body: { ready: true } };
      },
    }),
    route({
      method: 'get',
      path: '/metrics',
      name: 'metrics',
      summary: 'Metrics of this process, for operators; Prometheus reads them at METRICS_PORT.',
      slice,
      gates: { limit: 'none', caller: 'operator', scope: 'ops' },
      answers: { 200: { mediaType: 'text/plain' } },
      errors: [],
      handler: async () => ({
        status: 200,
        headers: { 'content-type': metrics.registry.contentType },
        body: await metrics.registry.metrics(),
      }),
    }),
  ];
}
