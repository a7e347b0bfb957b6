/**
 * Asks for one thing again and again, and throws what comes away: for answers so large that reading
 * them as HTTP would cost the asker more than the server. autocannon spends four times on 100 kB
 * what node:http does to send them.
 */
import { connect } from 'node:net';
import { monotonicMs } from '../../src/lib/clock.ts';
import { percentile } from './numbers.ts';

export type Poured = {
  /** Answers a second. */
  readonly rps: number;
  readonly p99Ms: number;
  /** Answers other than 200. */
  readonly errors: number;
};

const BUFFER_BYTES = 1024 * 1024;
const HEADER_END = '\r\n\r\n';

/** `requests` in all over `connections`, each of which asks again when it has its answer. */
export async function pour(
  url: string,
  request: { readonly path: string; readonly headers: Readonly<Record<string, string>> },
  requests: number,
  connections: number,
): Promise<Poured> {
  const { hostname, port } = new URL(url);
  const lines = Object.entries({ host: hostname, ...request.headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const bytes = Buffer.from(`GET ${request.path} HTTP/1.1\r\n${lines.join('')}\r\n`);
  const times: number[] = [];
  let [asked, errors] = [0, 0];
  const startedMs = monotonicMs();
  await Promise.all(
    Array.from({ length: connections }, () =>
      drink(Number(port), hostname, {
        next: () => (asked++ < requests ? bytes : undefined),
        answered: (status, ms) => {
          times.push(ms);
          if (status !== '200') errors++;
        },
      }),
    ),
  );
  return {
    rps: (times.length * 1000) / (monotonicMs() - startedMs),
    p99Ms: percentile(times, 99),
    errors: errors + requests - times.length,
  };
}

type Drinker = {
  readonly next: () => Buffer | undefined;
  readonly answered: (status: string, ms: number) => void;
};

/** One connection. Every answer must have a Content-Length. */
function drink(port: number, host: string, { next, answered }: Drinker): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  /** Bytes of this answer that are to come; undefined until its head has. */
  let left: number | undefined;
  let head = '';
  let status = '';
  let askedMs = 0;
  const ask = (): void => {
    const bytes = next();
    if (!bytes) {
      socket.end();
      return;
    }
    [left, head, askedMs] = [undefined, '', monotonicMs()];
    socket.write(bytes);
  };
  const read = (length: number, buffer: Uint8Array): boolean => {
    let got = length;
    if (left === undefined) {
      const before = head.length;
      head += Buffer.from(buffer.buffer, buffer.byteOffset, Math.min(length, 4_096)).toString(
        'latin1',
      );
      const end = head.indexOf(HEADER_END);
      if (end < 0) return true;
      status = head.slice(9, 12);
      left = Number(/\r\ncontent-length: (\d+)/i.exec(head.slice(0, end))?.[1] ?? 0);
      got = length - (end + HEADER_END.length - before);
    }
    left -= got;
    if (left <= 0) {
      answered(status, monotonicMs() - askedMs);
      ask();
    }
    return true;
  };
  const socket = connect({
    port,
    host,
    onread: { buffer: Buffer.alloc(BUFFER_BYTES), callback: read },
  });
  socket.once('connect', ask);
  socket.once('error', reject);
  socket.once('close', () => resolve());
  return promise;
}
