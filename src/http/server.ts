/** The listening server: its limits, its time-outs, and its leaving without dropping anybody. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Server as NetServer, Socket } from 'node:net';
import { addressPrefix } from '../gates/origin.ts';
import { present } from '../lib/assert.ts';
import type { App } from './app.ts';
import { type Networks, NO_NETWORKS, unmapped } from './networks.ts';

export type Server = {
  /** `http://host:port`, with the port that was really taken. */
  readonly url: string;
  /**
   * Takes nothing new, answers what is in flight, then resolves; after `timeoutMs` it cuts what is
   * left.
   */
  readonly close: (timeoutMs?: number) => Promise<void>;
};

/** How long the server waits for a client, in ms. */
export type Patience = {
  /** For all headers, from the connection or the first byte of the request on. */
  readonly headersMs: number;
  /** For the whole request. */
  readonly requestMs: number;
  /** For a client that takes nothing of its answer. */
  readonly readerMs: number;
  /** How often requests are looked at. */
  readonly checkMs: number;
};

const PATIENCE: Patience = {
  headersMs: 10_000,
  requestMs: 20_000,
  readerMs: 30_000,
  checkMs: 2_000,
};
/**
 * Above the 60 s after which common load balancers drop an idle connection: the one who dials
 * closes first.
 */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** The request line with its URL is among them, and no header is dropped for being one of many. */
const HEADERS_LIMIT_BYTES = 8 * 1024;
const MOST_CONNECTIONS = 10_000;
const CLOSE_TIMEOUT_MS = 10_000;
const IDLE_CHECK_MS = 20;

export type ListenOptions = {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** Open connections of one client address; as many as there are in all where left out. */
  readonly connectionsPerAddress?: number;
  /** Peers that speak for many clients, and are not held to that limit. */
  readonly trustedProxies?: Networks;
  readonly patience?: Patience;
};

export async function listen(
  app: Pick<App, 'handler' | 'leave'> & Partial<Pick<App, 'unreadable' | 'finish'>>,
  options: ListenOptions,
): Promise<Server> {
  const { host, port, patience = PATIENCE } = options;
  const latest = new WeakMap<object, Exchange>();
  const server = createServer(
    {
      headersTimeout: patience.headersMs,
      requestTimeout: patience.requestMs,
      connectionsCheckingInterval: patience.checkMs,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderSize: HEADERS_LIMIT_BYTES,
    },
    (incoming: IncomingMessage, outgoing: ServerResponse) => {
      const queued = latest.get(incoming.socket)?.outgoing.writableFinished === false;
      latest.set(incoming.socket, { incoming, outgoing, queued });
      app.handler(incoming, outgoing);
    },
  );
  server.timeout = patience.readerMs;
  server.maxHeadersCount = 0;
  server.maxConnections = MOST_CONNECTIONS;
  limitConnections(server, options);
  server.on('clientError', (fault: Error, socket: Socket) => {
    const answer = app.unreadable?.(fault);
    if (answer && socket.writable && mayAnswer(latest.get(socket))) socket.write(answer.text);
    socket.destroy();
  });
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
    await app.finish?.();
  };
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}`, close };
}

/** The request that a connection was last heard of, and its answer. */
type Exchange = {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  /** Behind an answer that was not finished when it came (pipelining). */
  readonly queued: boolean;
};

/**
 * Whether what is said now is taken for what it is: not for the answer to an earlier request that
 * its sender still waits for. The rest of the latest request may be what could not be read.
 */
const mayAnswer = (latest: Exchange | undefined): boolean => {
  if (latest === undefined || latest.outgoing.writableFinished) return true;
  return !latest.incoming.complete && !latest.outgoing.headersSent && !latest.queued;
};

/** Drops what is too much of one address, so that one cannot take the connections of all. */
function limitConnections(
  server: NetServer,
  { connectionsPerAddress = MOST_CONNECTIONS, trustedProxies = NO_NETWORKS }: ListenOptions,
): void {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const peer = unmapped(socket.remoteAddress ?? '');
    if (trustedProxies.has(peer)) return;
    const client = addressPrefix(peer);
    const count = (open.get(client) ?? 0) + 1;
    if (count > connectionsPerAddress) {
      socket.destroy();
      return;
    }
    open.set(client, count);
    socket.once('close', () => {
      const left = (open.get(client) ?? 0) - 1;
      if (left > 0) open.set(client, left);
      else open.delete(client);
    });
  });
}
