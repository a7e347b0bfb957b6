/**
 * The least that an HTTP server for JSON can be: node:http, no route, no gate, no validation. What
 * stands between it and a route of ours is what that route costs.
 */
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';

export type Bare = { readonly status: number; readonly body: object };

async function readJson(incoming: IncomingMessage): Promise<never> {
  return new Promise((resolve, reject) => {
    let text = '';
    incoming.setEncoding('utf8');
    incoming.on('data', (chunk: string) => {
      text += chunk;
    });
    incoming.once('end', () => resolve(JSON.parse(text) as never));
    incoming.once('error', reject);
  });
}

/** All are counted by whoever asks; one is enough to see what it is. */
let isTold = false;
function tellFirst(error: unknown): void {
  if (!isTold) process.stderr.write(`${String(error)}\n`);
  isTold = true;
}

/** Answers every request with what `answerTo` makes of its body; a fault with 500. See `listen`. */
export function serveBare(
  answerTo: (body: never) => Promise<Bare>,
  close: () => Promise<unknown>,
): void {
  listen(async (incoming, outgoing) => {
    try {
      const { status, body } = await answerTo(await readJson(incoming));
      const text = JSON.stringify(body);
      const length = Buffer.byteLength(text);
      outgoing.writeHead(status, { 'content-type': 'application/json', 'content-length': length });
      outgoing.end(text);
    } catch (error) {
      tellFirst(error);
      outgoing.writeHead(500);
      outgoing.end();
    }
  }, close);
}

/** On a free port of 127.0.0.1 that it tells as our own server does. SIGTERM ends it, `close` last. */
export function listen(
  answer: (...parts: Parameters<RequestListener>) => void | Promise<void>,
  close: () => Promise<unknown> = async () => undefined,
): void {
  const server = createServer((incoming, outgoing) => void answer(incoming, outgoing));
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    process.stdout.write(`{"listening":"http://127.0.0.1:${port}"}\n`);
  });
  process.once('SIGTERM', () => {
    server.closeAllConnections();
    server.close(() => void close());
  });
}
