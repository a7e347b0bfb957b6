/** The pipeline as a listener of node:http; Express calls it too. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Log } from '../log.ts';
import { type Refusal, refuse } from '../refusal.ts';
import type { Dispatch, HttpRequest, Reply } from './exchange.ts';

export type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

/**
 * The rest of a refused body is read and dropped up to here, so that its sender gets to see the
 * refusal.
 */
const DROPPED_BODY_BYTES = 1024 * 1024;

export function createListener(dispatch: Dispatch, log: Log): Listener {
  return (incoming, outgoing) => {
    dispatch(requestOf(incoming))
      .then((reply) => send(reply, incoming, outgoing))
      .catch((fault: unknown) => {
        outgoing.destroy();
        if (!isClientGone(fault)) log.error({ err: fault }, 'an answer broke off');
      });
  };
}

const requestOf = (incoming: IncomingMessage): HttpRequest => ({
  method: incoming.method ?? '',
  url: incoming.url ?? '',
  address: plainAddress(incoming.socket.remoteAddress ?? ''),
  header: (name) => {
    const value = incoming.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  },
  body: (limitBytes) => readBody(incoming, limitBytes),
});

/** An IPv4 client of a socket that also listens on IPv6. */
const plainAddress = (address: string): string =>
  address.startsWith('::ffff:') && address.includes('.')
    ? address.slice('::ffff:'.length)
    : address;

function readBody(incoming: IncomingMessage, limitBytes: number): Promise<Buffer | Refusal> {
  const endedEarly = refuse('REQUEST_INVALID', { detail: 'The body ended early.' });
  if (incoming.destroyed) return Promise.resolve(endedEarly);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limitBytes) chunks.push(chunk);
      else resolve(refuse('BODY_TOO_LARGE', { extra: { limitBytes } }));
    });
    incoming.once('end', () => resolve(Buffer.concat(chunks)));
    incoming.once('close', () => resolve(endedEarly));
  });
}

async function send(reply: Reply, incoming: IncomingMessage, outgoing: ServerResponse) {
  const length = Number(incoming.headers['content-length'] ?? Number.POSITIVE_INFINITY);
  if (!incoming.complete && length > DROPPED_BODY_BYTES) outgoing.shouldKeepAlive = false;
  outgoing.writeHead(reply.status, reply.headers);
  if (reply.body instanceof Readable) await pipeline(reply.body, outgoing);
  else outgoing.end(reply.body);
}

const isClientGone = (fault: unknown): boolean =>
  fault instanceof Error && 'code' in fault && fault.code === 'ERR_STREAM_PREMATURE_CLOSE';
