/** The listening server: its time-outs, and its leaving without dropping anybody. */
import { createServer } from 'node:http';
import { present } from '../lib/assert.ts';
import type { App } from './app.ts';

export type Server = {
  /** `http://host:port`, with the port that was really taken. */
  readonly url: string;
  /**
   * Takes nothing new, answers what is in flight, then resolves; after `timeoutMs` it cuts what is
   * left.
   */
  readonly close: (timeoutMs?: number) => Promise<void>;
};

/** A slow sender holds a connection for so long and no longer. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 20_000;
const TIMEOUT_CHECK_MS = 2_000;
/**
 * Above the 60 s after which common load balancers drop an idle connection: the one who dials
 * closes first.
 */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
const HEADERS_LIMIT_BYTES = 8 * 1024;
const MOST_CONNECTIONS = 10_000;
const CLOSE_TIMEOUT_MS = 10_000;
const IDLE_CHECK_MS = 20;

/** `port` 0 takes any free one. */
export async function listen(
  app: Pick<App, 'handler' | 'leave'>,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Server> {
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderSize: HEADERS_LIMIT_BYTES,
    },
    app.handler,
  );
  server.maxConnections = MOST_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = present(server.address(), 'the listening address');
  const taken = typeof address === 'string' ? port : address.port;

  const close = async (timeoutMs = CLOSE_TIMEOUT_MS): Promise<void> => {
    app.leave();
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    // A connection whose answer left as keep-alive, before we knew that we would leave, goes idle
    // later.
    const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
    const late = setTimeout(() => server.closeAllConnections(), timeoutMs);
    await closed;
    clearInterval(idle);
    clearTimeout(late);
  };
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}`, close };
}
