/** The listening server: its limits, its time-outs, and its leaving without dropping anybody. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import { present } from '../lib/assert.ts';
import { monotonicMs, sleep } from '../lib/clock.ts';
import type { App } from './app.ts';
import { type ConnectionTerms, limitConnections } from './connections.ts';

export type Server = {
  /** `http://host:port`, with the port that was really taken. */
  readonly url: string;
  /**
   * Takes no new connection, answers what is in flight and what comes on open connections, each
   * with its last answer, then resolves.
   */
  readonly close: (patience?: ClosePatience) => Promise<void>;
};

/** How long the server waits when it closes, in ms. */
export type ClosePatience = {
  /** Before it closes idle connections, whose clients may be about to ask. */
  readonly idleMs?: number;
  /** Before it cuts what is left. */
  readonly timeoutMs?: number;
};

/** How long the server waits for a client, in ms. */
export type Patience = {
  /** For all headers, from the connection or the first byte of the request on. */
  readonly headersMs: number;
  /** For the whole request. */
  readonly requestMs: number;
  /** Likewise, where another client needs the connection. */
  readonly askingMs: number;
  /** For a client that takes nothing of its answer. */
  readonly readerMs: number;
  /** How often requests are looked at. */
  readonly checkMs: number;
};

export const PATIENCE: Patience = {
  headersMs: 10_000,
  requestMs: 20_000,
  askingMs: 2_000,
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
const CLOSE_TIMEOUT_MS = 10_000;
const IDLE_CHECK_MS = 20;

export type ListenOptions = ConnectionTerms & {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly patience?: Patience;
};

export async function listen(
  app: Pick<App, 'handler' | 'leave'> & Partial<Pick<App, 'unreadable' | 'finish' | 'onDropped'>>,
  options: ListenOptions,
): Promise<Server> {
  const { host, port, patience = PATIENCE } = options;
  const latest = new WeakMap<object, Exchange>();
  /** When a connection was opened, or its latest request began. */
  const begunMs = new WeakMap<object, number>();
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
      begunMs.set(incoming.socket, monotonicMs());
      app.handler(incoming, outgoing);
    },
  );
  server.timeout = patience.readerMs;
  server.maxHeadersCount = 0;
  server.on('connection', (socket: Socket) => begunMs.set(socket, monotonicMs()));
  const makesRoom = (socket: Socket): boolean => {
    const exchange = latest.get(socket);
    return exchange?.incoming.complete
      ? exchange.outgoing.writableFinished
      : monotonicMs() - (begunMs.get(socket) ?? 0) > patience.askingMs;
  };
  limitConnections(server, options, makesRoom, (reason) => app.onDropped?.(reason));
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

  const close = async (wait: ClosePatience = {}): Promise<void> => {
    const { idleMs = 0, timeoutMs = CLOSE_TIMEOUT_MS } = wait;
    app.leave();
    const closed = new Promise<void>((resolve) => {
      // That of node:http would close idle connections at once.
      NetServer.prototype.close.call(server, () => resolve());
    });
    const late = setTimeout(() => server.closeAllConnections(), timeoutMs);
    if (idleMs > 0) await Promise.race([closed, sleep(idleMs)]);
    server.close();
    // A connection whose answer left as keep-alive, before we knew that we would leave, goes idle
    // later.
    const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
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
