/** The pipeline as a listener of node:http; Express calls it too. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Log } from '../log.ts';
import { type Refusal, refuse } from '../refusal.ts';
import { type ClientAddress, peerAddress } from './client-address.ts';
import type { Dispatch, HttpRequest, Reply } from './exchange.ts';

export type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

/**
 * The rest of a refused body is read and dropped up to here, so that its sender gets to see the
 * refusal where the connection goes on; the pipeline ends it for one that is known to be vast.
 */
const DROPPED_BODY_BYTES = 1024 * 1024;

export function createListener(
  dispatch: Dispatch,
  log: Log,
  clientAddress: ClientAddress = peerAddress,
): Listener {
  return (incoming, outgoing) => {
    dispatch(requestOf(incoming, clientAddress))
      .then((reply) => send(reply, incoming, outgoing))
      .catch((fault: unknown) => {
        outgoing.destroy();
        if (!isClientGone(fault)) log.error({ err: fault }, 'an answer broke off');
      });
  };
}

function requestOf(incoming: IncomingMessage, clientAddress: ClientAddress): HttpRequest {
  const header = (name: string): string | undefined => {
    const value = incoming.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };
  return {
    method: incoming.method ?? '',
    url: incoming.url ?? '',
    address: clientAddress(incoming.socket.remoteAddress ?? '', header('x-forwarded-for')),
    header,
    body: (limitBytes) => readBody(incoming, limitBytes),
  };
}

function readBody(incoming: IncomingMessage, limitBytes: number): Promise<Buffer | Refusal> {
  const endedEarly = refuse('REQUEST_INVALID', { detail: 'The body ended early.' });
  if (incoming.destroyed) return Promise.resolve(endedEarly);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limitBytes) {
        chunks.push(chunk);
        return;
      }
      incoming.pause(); // or all of it would be here before the gates have answered
      resolve(refuse('BODY_TOO_LARGE', { extra: { limitBytes } }));
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
