/**
 * HTTP as a stubborn client speaks it: what gets no answer is sent again with the same
 * Idempotency-Key until it is answered, and whatever stays without is said to be unknown.
 */
import { Agent, request } from 'node:http';
import { monotonicMs, nowMs, sleep } from '../../src/lib/clock.ts';
import { between, type Random } from '../../src/demo/random.ts';
import type { Outcome } from './history.ts';

export type Call = {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  /** Access token or operator key. */
  readonly bearer?: string;
  /** A string is sent as CSV, anything else as JSON. */
  readonly body?: unknown;
  /** Loopback address to call from; 127.0.0.1 unless said. */
  readonly from?: string | undefined;
};

export type Written = {
  readonly outcome: Outcome;
  /** HTTP status of the last answer; 0 for none. */
  readonly status: number;
  /** Of a refusal. */
  readonly code: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- callers know what they asked for
  readonly body: any;
  /** Epoch ms. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
};

/** What clients noticed of it all. */
export type Service = {
  attempts: number;
  /** Attempts without any answer, or that were answered that the engine is away. */
  unanswered: number;
  unavailable: number;
  /** Longest time in which nobody got an answer though somebody waited for one, in ms. */
  longestOutageMs: number;
};

export type Client = {
  /** Until it is answered, or that time has come. */
  readonly write: (call: Call, untilMs: number) => Promise<Written>;
  /** JSON that must be there, or undefined where it is not by then. */
  // oxlint-disable-next-line typescript/no-explicit-any -- callers know what they asked for
  readonly read: (path: string, bearer?: string, untilMs?: number) => Promise<any>;
  readonly download: (path: string, untilMs: number) => Promise<Buffer | undefined>;
  /** The code with which a read is refused for good; undefined where it is not by then. */
  readonly refusal: (path: string, untilMs: number) => Promise<string | undefined>;
  readonly service: Service;
  readonly close: () => void;
};

const ANSWER_WITHIN_MS = 4_000;
const AGAIN_AFTER_MS = [80, 300] as const;
/** How long a read is tried, unless said. */
const READ_WITHIN_MS = 3_000;

type Attempt = {
  /** 0: no answer. */
  readonly status: number;
  readonly bytes: Buffer;
  /** Whether a server may have read the request. */
  readonly arrived: boolean;
  readonly retryAfterMs: number;
};

/**
 * `urls`: any of these may be asked, each attempt another. `random`: orders pauses and servers. Once
 * `signal` is aborted everything that was asked for rejects.
 */
export function createClient(
  urls: () => readonly string[],
  random: Random,
  signal?: AbortSignal,
): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const service: Service = { attempts: 0, unanswered: 0, unavailable: 0, longestOutageMs: 0 };
  let wanting = 0;
  let quietSinceMs = monotonicMs();
  /** Counts whoever wants an answer until they have it, or give up. */
  const wanted = async <T>(work: () => Promise<T>): Promise<T> => {
    if (wanting++ === 0) quietSinceMs = monotonicMs();
    return work().finally(() => {
      wanting -= 1;
    });
  };

  const attempt = async (call: Call, key?: string): Promise<Attempt> => {
    signal?.throwIfAborted();
    const known = urls();
    const url = known[between(random, 0, known.length - 1)];
    service.attempts += 1;
    const answer = url === undefined ? NOT_SENT : await send(agent, url, call, key);
    if (answer.status === 0) service.unanswered += 1;
    else if (answer.status >= 500) service.unavailable += 1;
    else {
      const quietMs = Math.round(monotonicMs() - quietSinceMs);
      service.longestOutageMs = Math.max(service.longestOutageMs, quietMs);
      quietSinceMs = monotonicMs();
    }
    return answer;
  };
  const pause = ({ retryAfterMs }: Attempt): Promise<void> =>
    sleep(Math.max(between(random, ...AGAIN_AFTER_MS), Math.min(retryAfterMs, 1_000)));

  const write = async (call: Call, untilMs: number): Promise<Written> => {
    const startedAtMs = nowMs();
    const key = Math.floor(random() * 2 ** 52).toString(36) + startedAtMs.toString(36);
    for (let uncertain = false; ; ) {
      const answer = await attempt(call, key);
      const endedAtMs = nowMs();
      const times = { startedAtMs, endedAtMs, status: answer.status };
      if (isDone(answer))
        return { ...times, outcome: 'acknowledged', code: '', body: jsonOf(answer) };
      const { code = '' } = jsonOf(answer) ?? {};
      if (isFinal(answer, code))
        return { ...times, outcome: uncertain ? 'unknown' : 'refused', code, body: undefined };
      uncertain ||= answer.arrived && answer.status !== 429;
      if (endedAtMs > untilMs) {
        const outcome = uncertain ? 'unknown' : 'refused';
        return { ...times, outcome, code: code || 'NO_ANSWER', body: undefined };
      }
      await pause(answer);
    }
  };

  /** Found or refused; undefined where neither was to be had by then. */
  const get = (path: string, bearer: string | undefined, untilMs: number) =>
    wanted(async () => {
      for (;;) {
        const answer = await attempt({ method: 'GET', path, ...(bearer && { bearer }) });
        if (answer.status === 200 || isFinal(answer, '')) return answer;
        if (nowMs() > untilMs) return undefined;
        await pause(answer);
      }
    });
  return {
    write: (call, untilMs) => wanted(() => write(call, untilMs)),
    download: async (path, untilMs) => foundIn(await get(path, undefined, untilMs)),
    read: async (path, bearer, untilMs = nowMs() + READ_WITHIN_MS) => {
      const bytes = foundIn(await get(path, bearer, untilMs));
      return bytes && JSON.parse(bytes.toString('utf8'));
    },
    refusal: async (path, untilMs) => {
      const answer = await get(path, undefined, untilMs);
      return answer && answer.status !== 200 ? jsonOf(answer)?.code : undefined;
    },
    service,
    close: () => agent.destroy(),
  };
}

const foundIn = (answer: Attempt | undefined): Buffer | undefined =>
  answer?.status === 200 ? answer.bytes : undefined;

const isDone = ({ status }: Attempt): boolean => status >= 200 && status < 300;

/** Whether it makes no sense to send it again: it was understood, and refused. */
const isFinal = ({ status }: Attempt, code: string): boolean =>
  status >= 400 && status < 500 && status !== 429 && code !== 'IDEMPOTENCY_IN_FLIGHT';

function jsonOf({ bytes }: Attempt) {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

const NOT_SENT: Attempt = { status: 0, bytes: Buffer.alloc(0), arrived: false, retryAfterMs: 0 };

function send(agent: Agent, url: string, call: Call, key?: string): Promise<Attempt> {
  const { method, path, bearer, body, from } = call;
  const isCsv = typeof body === 'string';
  const text = body === undefined || isCsv ? body : JSON.stringify(body);
  const headers = {
    ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
    ...(key !== undefined && { 'idempotency-key': key }),
    ...(text !== undefined && {
      'content-type': isCsv ? 'text/csv' : 'application/json',
      'content-length': String(Buffer.byteLength(text)),
    }),
  };
  return new Promise((resolve) => {
    const fail = ({ code }: NodeJS.ErrnoException): void =>
      resolve({ ...NOT_SENT, arrived: code !== 'ECONNREFUSED' });
    // A paused server keeps its connections, and says nothing.
    const settings = { method, headers, agent, localAddress: from };
    const sent = request(`${url}${path}`, settings, (received) => {
      const chunks: Buffer[] = [];
      received.on('data', (chunk: Buffer) => chunks.push(chunk));
      received.once('error', fail);
      received.once('end', () => {
        clearTimeout(timer);
        resolve({
          status: received.complete ? (received.statusCode ?? 0) : 0,
          bytes: Buffer.concat(chunks),
          arrived: true,
          retryAfterMs: Number(received.headers['retry-after'] ?? 0) * 1_000,
        });
      });
    });
    const timer = setTimeout(() => sent.destroy(new Error('no answer in time')), ANSWER_WITHIN_MS);
    sent.once('error', (error) => {
      clearTimeout(timer);
      fail(error);
    });
    sent.end(text);
  });
}
