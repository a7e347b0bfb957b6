/**
 * Who asks for a seat, in which order, and so many connections that ask for them. Requests are bytes
 * made beforehand and answers are hardly looked at: what the asker costs is not to be measured.
 */
import { connect, type Socket } from 'node:net';
import { between, logNormal, seededRandom } from '../../src/demo/random.ts';
import { monotonicMs } from '../../src/lib/clock.ts';

/** The person of a request, by number. The first of them are bots. */
export type Ask = number;

/** Of ten people one is a bot, which sends ten requests at once. */
export const BOTS = 0.1;
const ASKS_OF_BOT = 10;
/** From the opening until a bot asks, and a person: median, and the spread of its logarithm. */
const BOT_AFTER = [20, 0.5] as const;
const PERSON_AFTER = [2_000, 1] as const;

export const isBot = (person: number, people: number): boolean => person < people * BOTS;

/**
 * All requests in the order in which they come: bots ask within some milliseconds and ten times,
 * people once, within some seconds. Only the order is kept: nobody waits.
 */
export function arrivals(people: number, seed: string): Ask[] {
  const random = seededRandom(seed);
  const moments = Array.from({ length: people }, (_, person) => {
    const [median, spread] = isBot(person, people) ? BOT_AFTER : PERSON_AFTER;
    return { person, atMs: logNormal(random, median, spread) };
  });
  return moments
    .toSorted((one, other) => one.atMs - other.atMs)
    .flatMap(({ person }) =>
      Array.from({ length: isBot(person, people) ? ASKS_OF_BOT : 1 }, () => person),
    );
}

/** A seeded share of these requests, by place. */
export function someOf(asks: readonly Ask[], share: number, seed: string): Set<number> {
  const random = seededRandom(seed);
  const some = new Set<number>();
  const count = Math.round(asks.length * share);
  while (some.size < count) some.add(between(random, 0, asks.length - 1));
  return some;
}

/** `status` 0: broken off, by either side. */
export type Heard = { readonly status: number; readonly ms: number };

export type Asked = {
  /** By place of the request; undefined where the server was gone before it was sent. */
  readonly heard: readonly (Heard | undefined)[];
  /** From the first request to the last answer. */
  readonly tookMs: number;
};

export type Manner = {
  /** Requests whose connection is cut once they are sent. */
  readonly brokenOff?: ReadonlySet<number>;
  /** Called with the number of answers so far, at each. */
  readonly onAnswer?: (count: number) => void;
};

const ANSWER_WITHIN_MS = 30_000;
const HEAD_END = '\r\n\r\n';

export const requestOf = (
  url: string,
  path: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Buffer => {
  const text = JSON.stringify(body);
  const lines = Object.entries({
    host: new URL(url).host,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${text}`);
};

/**
 * `workers` connections, each of which sends the next request when it has the answer to its last.
 * Ends early where nobody listens any more.
 */
export async function ask(
  url: string,
  workers: number,
  requests: readonly Buffer[],
  { brokenOff = new Set(), onAnswer }: Manner = {},
): Promise<Asked> {
  const port = Number(new URL(url).port);
  const heard: (Heard | undefined)[] = Array.from({ length: requests.length });
  let [next, answered, lastMs] = [0, 0, 0];
  const line: Line = {
    next: () => (next < requests.length ? next++ : undefined),
    bytesOf: (place) => requests[place] ?? Buffer.alloc(0),
    isBrokenOff: (place) => brokenOff.has(place),
    answer: (place, one) => {
      heard[place] = one;
      lastMs = monotonicMs();
      if (one.status > 0) onAnswer?.(++answered);
    },
  };
  const sockets = await Promise.all(Array.from({ length: workers }, () => open(port)));
  const startedMs = monotonicMs();
  await Promise.all(sockets.map((socket) => work(port, socket, line)));
  return { heard, tookMs: lastMs - startedMs };
}

type Line = {
  /** Place of a request that nobody has sent. */
  readonly next: () => number | undefined;
  readonly bytesOf: (place: number) => Buffer;
  readonly isBrokenOff: (place: number) => boolean;
  readonly answer: (place: number, heard: Heard) => void;
};

const open = (port: number): Promise<Socket | undefined> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });

/** One worker, on one connection after another. */
async function work(port: number, first: Socket | undefined, line: Line): Promise<void> {
  let socket = first;
  while (socket && !(await talk(socket, line))) socket = await open(port);
}

/** Until the connection ends. Whether there is nothing left to ask. */
function talk(socket: Socket, line: Line): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let place: number | undefined;
  let text = '';
  let askedMs = 0;
  const hear = (status: number): void => {
    if (place === undefined) return;
    line.answer(place, { status, ms: monotonicMs() - askedMs });
    place = undefined;
  };
  const askNext = (): void => {
    place = line.next();
    if (place === undefined) {
      resolve(true);
      socket.end();
      return;
    }
    [text, askedMs] = ['', monotonicMs()];
    if (line.isBrokenOff(place)) socket.write(line.bytesOf(place), () => socket.destroy());
    else socket.write(line.bytesOf(place));
  };
  socket.setTimeout(ANSWER_WITHIN_MS, () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    const end = text.indexOf(HEAD_END);
    if (end < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1] ?? 0);
    if (text.length < end + HEAD_END.length + length) return;
    hear(Number(text.slice(9, 12)));
    askNext();
  });
  socket.on('error', () => undefined); // closes it
  socket.on('close', () => {
    hear(0);
    resolve(false);
  });
  askNext();
  return promise;
}
