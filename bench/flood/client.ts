/** One HTTP client with very many addresses: all of 127.0.0.0/8 is this machine. */
import { Agent, request as httpRequest } from 'node:http';

export type Sent = {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  /** The client's address. */
  readonly from: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Sends the body without saying how long it is. */
  readonly chunked?: boolean;
  /** Nothing more will come on this connection. */
  readonly last?: boolean;
};

export type Answer = {
  /** 0 where there was none. */
  readonly status: number;
  /** `200`, `401 ACCESS_TOKEN_INVALID`; `ECONNRESET` and the like where there was no answer. */
  readonly label: string;
  readonly etag: string;
  readonly text: string;
};

const TIMEOUT_MS = 10_000;

/** Connections are kept alive, each for one client address. */
export function createClient(url: string): (sent: Sent) => Promise<Answer> {
  const { hostname, port } = new URL(url);
  const agent = new Agent({ keepAlive: true });
  return ({ method, path, from, headers = {}, body, chunked = false, last = false }) =>
    new Promise((resolve) => {
      const none = (label: string): void => resolve({ status: 0, label, etag: '', text: '' });
      const outgoing = httpRequest(
        {
          hostname,
          port,
          method,
          path,
          agent,
          localAddress: from,
          timeout: TIMEOUT_MS,
          headers: {
            ...headers,
            ...(last && { connection: 'close' }),
            ...(body !== undefined && { 'content-type': 'application/json' }),
            ...(body !== undefined && !chunked && { 'content-length': Buffer.byteLength(body) }),
          },
        },
        (incoming) => {
          const { statusCode: status = 0, headers } = incoming;
          let text = '';
          incoming.setEncoding('utf8');
          incoming.on('data', (chunk: string) => {
            text += chunk;
          });
          incoming.once('end', () =>
            resolve({ status, label: labelOf(status, text), etag: headers.etag ?? '', text }),
          );
          incoming.once('error', (error) => none(codeOf(error)));
        },
      );
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')));
      outgoing.on('error', (error) => none(codeOf(error)));
      outgoing.end(body);
    });
}

export const codeOf = (error: Error & { readonly code?: string }): string =>
  error.code ?? error.message;

/** `429 TOO_MANY_REQUESTS`, of an answer's text. */
export function labelOf(status: number, text: string): string {
  const code = status < 400 ? undefined : /"code":"(\w+)"/.exec(text)?.[1];
  return code === undefined ? String(status) : `${status} ${code}`;
}
