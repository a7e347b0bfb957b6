import express from 'express';
import type { Listener } from './node.ts';

/**
 * Express around the pipeline, for whoever wants to put middleware before it. Nothing else knows
 * Express.
 */
export function createExpressApp(listener: Listener): Listener {
  const app = express();
  app.disable('x-powered-by');
  app.use(listener);
  return app;
}
