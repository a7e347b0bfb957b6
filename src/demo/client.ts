/**
 * The demo's HTTP client: keep-alive connections from each person's own address, every request
 * counted.
 */
import * as clear from 'node:http';
import * as tls from 'node:https';
import { urlToHttpOptions } from 'node:url';
import { monotonicMs } from '../lib/clock.ts';
import type { Group } from './population.ts';

/**
 * What a request is for; `attempt` is the booking route in immediate mode, the entry route in a
 * lottery.
 */
export type Purpose = 'sign-in' | 'read' | 'attempt' | 'confirm';
export type Counter = `${Group}/${Purpose}`;

/** With what somebody calls; an access token that was issued to a device goes with its token. */
export type Credentials = {
  /** Access token or operator key. */
  readonly bearer?: string | undefined;
  readonly deviceToken?: string | undefined;
};

export type Call = Credentials & {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  /** Loopback address to send from. */
  readonly address: string;
  readonly captchaSolution?: string | undefined;
  /** A string is sent as CSV, anything else as JSON. */
  readonly body?: unknown;
  /** Where to count it; the demo's own requests are not counted. */
  readonly counter?: Counter;
};

export type Reply<T> = {
  /** HTTP status; 0 when no answer came. */
  readonly status: number;
  readonly body: T;
  /** The error code of a refusal; of a lost connection, Node's. */
  readonly code: string | undefined;
  readonly retryAfterMs: number;
  /**
   * Requests left under the tightest limit, by the RateLimit header; Infinity where it says
   * nothing.
   */
  readonly left: number;
};

/** Requests of one group for one purpose. */
export type Counts = {
  accepted: number;
  refused: number;
  limited: number;
  failed: number;
  /** Milliseconds from sending to the whole answer, one for each request that was answered. */
  readonly latenciesMs: number[];
};
export type RequestLog = ReadonlyMap<Counter, Counts>;

export type Client = {
  readonly send: <T>(call: Call) => Promise<Reply<T>>;
  /** GET something that must be there; throws unless the answer is a 200. */
  readonly read: <T>(path: string, address: string, as?: Credentials) => Promise<T>;
  /** The same for what is not JSON. */
  readonly download: (path: string, address: string) => Promise<Buffer>;
  readonly log: RequestLog;
  readonly close: () => void;
};

const ANSWER_TIMEOUT_MS = 30_000;

/**
 * How people come: each from a loopback address of their own; all from one address; or as through a
 * load balancer, which names an address of their own for each and which the engine must trust.
 */
export type Coming = 'each' | 'together' | 'forwarded';

/** `base`: the engine's address, `http://127.0.0.1:8080`; the certificate of `https` is checked. */
export function createClient(base: string, coming: Coming): Client {
  const { protocol, hostname, port } = urlToHttpOptions(new URL(base));
  const { Agent, request } = protocol === 'https:' ? tls : clear;
  // One agent serves everybody: it keeps connections from different local addresses apart.
  const agent = new Agent({ keepAlive: true });
  const log = new Map<Counter, Counts>();

  const exchange = (call: Call): Promise<Answer> => {
    const { method, path, address } = call;
    const { headers, text } = encode(call);
    const source = coming === 'each' ? { localAddress: address } : {};
    if (coming === 'forwarded') Object.assign(headers, forwardedFor(address));
    const to = { hostname, port, method, path, headers, agent, timeout: ANSWER_TIMEOUT_MS };
    return new Promise((resolve, reject) => {
      const sent = request({ ...to, ...source }, (message) =>
        collect(message.once('error', reject), resolve),
      );
      sent.once('timeout', () => sent.destroy(new Error('no answer in time')));
      sent.once('error', (error: NodeJS.ErrnoException) => {
        // The server closed an idle connection in the moment in which it was used again.
        if (sent.reusedSocket && error.code === 'ECONNRESET') resolve(exchange(call));
        else reject(error);
      });
      sent.end(text);
    });
  };

  const send = async <T>(call: Call): Promise<Reply<T>> => {
    const sentAtMs = monotonicMs();
    const answer = await exchange(call).catch(lost);
    if (call.counter) count(log, call.counter, answer.status, monotonicMs() - sentAtMs);
    const body: T & { code?: string } = answer.isJson
      ? JSON.parse(answer.bytes.toString('utf8'))
      : {};
    const { status, retryAfterMs, left } = answer;
    return { status, body, code: answer.lostBy ?? body.code, retryAfterMs, left };
  };
  const download = async (path: string, address: string, as?: Credentials): Promise<Buffer> => {
    const { status, bytes } = await exchange({ method: 'GET', path, address, ...as });
    if (status !== 200) throw new Error(`GET ${path} answered ${status}`);
    return bytes;
  };
  const read = async <T>(path: string, address: string, as?: Credentials): Promise<T> => {
    const body: T = JSON.parse((await download(path, address, as)).toString('utf8'));
    return body;
  };
  return { send, read, download, log, close: () => agent.destroy() };
}

/**
 * For a citizen or a bot; RFC 2544 keeps 198.18.0.0/15 for benchmarks: no real client has one of
 * these.
 */
function forwardedFor(loopback: string): Record<string, string> {
  const [, group, rest] = /^127\.([12])(\..*)$/.exec(loopback) ?? [];
  if (group === undefined) return {};
  return { 'x-forwarded-for': `198.${group === '1' ? 18 : 19}${rest}` };
}

function encode({ body, bearer, deviceToken, captchaSolution }: Call): {
  headers: Record<string, string>;
  text?: string;
} {
  const headers: Record<string, string> = {};
  if (bearer !== undefined) headers['authorization'] = `Bearer ${bearer}`;
  if (deviceToken !== undefined) headers['device-token'] = deviceToken;
  if (captchaSolution !== undefined) headers['captcha-solution'] = captchaSolution;
  if (body === undefined) return { headers };
  const isCsv = typeof body === 'string';
  const text = isCsv ? body : JSON.stringify(body);
  headers['content-type'] = isCsv ? 'text/csv' : 'application/json';
  headers['content-length'] = String(Buffer.byteLength(text));
  return { headers, text };
}

type Answer = {
  readonly status: number;
  readonly bytes: Buffer;
  readonly isJson: boolean;
  readonly retryAfterMs: number;
  readonly left: number;
  /** Why no answer came. */
  readonly lostBy?: string;
};

function collect(message: clear.IncomingMessage, done: (answer: Answer) => void): void {
  const chunks: Buffer[] = [];
  message.on('data', (chunk: Buffer) => chunks.push(chunk));
  message.once('end', () =>
    done({
      status: message.statusCode ?? 0,
      bytes: Buffer.concat(chunks),
      isJson: /json/.test(message.headers['content-type'] ?? ''),
      retryAfterMs: Number(message.headers['retry-after'] ?? 0) * 1_000,
      left: leftOf(message.headers['ratelimit']),
    }),
  );
}

const leftOf = (header: string | string[] | undefined): number =>
  Math.min(...Array.from(String(header).matchAll(/;r=(\d+)/g), ([, left]) => Number(left)));

const lost = (error: NodeJS.ErrnoException): Answer => ({
  status: 0,
  bytes: Buffer.alloc(0),
  isJson: false,
  retryAfterMs: 0,
  left: Infinity,
  lostBy: error.code ?? error.message,
});

function count(log: Map<Counter, Counts>, counter: Counter, status: number, tookMs: number): void {
  let counts = log.get(counter);
  if (!counts) {
    counts = { accepted: 0, refused: 0, limited: 0, failed: 0, latenciesMs: [] };
    log.set(counter, counts);
  }
  if (status === 0 || status >= 500) counts.failed++;
  else if (status === 429) counts.limited++;
  else if (status >= 400) counts.refused++;
  else counts.accepted++;
  if (status > 0) counts.latenciesMs.push(tookMs);
}
