/**
 * The log: JSON lines by pino. A line names routes, ids, codes and counts, never a URL, a header, a
 * body or an address: mobiles travel in all of those. Redaction is the second line of defence, for
 * the line that should not have been written.
 */
import { type DestinationStream, type Logger, pino } from 'pino';

export type Log = Logger;

const PERSONAL = [
  'mobile',
  'name',
  'birthYear',
  'gender',
  'idNumber',
  'otp',
  'text',
  'address',
  'authorization',
  'accessToken',
  'headers',
  'body',
  'url',
];

/** Bytes of lines that wait for a reader of standard output who takes none; then lines are lost. */
const MOST_WAITING_BYTES = 16 * 1024 * 1024;
const STDOUT_FD = 1;

/** `destination`: standard output where it is left out. */
export function createLog(level: string, destination: DestinationStream = stdout()): Log {
  const options = {
    level,
    redact: [...PERSONAL, ...PERSONAL.map((member) => `*.${member}`)],
    serializers: { err: describeError },
  };
  return pino(options, destination);
}

let shared: DestinationStream | undefined;

/**
 * Written while the process goes on, so that no request waits for whoever reads the log. Nothing is
 * gathered: what is not written yet is what the reader has not taken, and pino writes that out when
 * the process ends, by itself, by process.exit or by an exception that nobody caught. SIGKILL takes
 * it along.
 */
function stdout(): DestinationStream {
  shared ??= createStdout();
  return shared;
}

function createStdout(): DestinationStream {
  const stream = pino.destination({
    dest: STDOUT_FD,
    sync: false,
    maxLength: MOST_WAITING_BYTES,
  });
  let lost = 0;
  stream.on('drop', () => {
    lost += 1;
  });
  stream.on('drain', () => {
    if (lost === 0) return;
    const lines = lost;
    lost = 0;
    pino({}, stream).warn({ lines }, 'lines of the log were lost: nobody took them');
  });
  return stream;
}

/** True for the first of so many calls, and the first of the next so many; never for 0. */
export function everyNth(one: number): () => boolean {
  let calls = 0;
  return () => {
    if (one === 0) return false;
    calls = (calls + 1) % one;
    return calls === 1 % one;
  };
}

/**
 * pino's own serializer copies every member, and ioredis hangs the failed command with its
 * arguments on its errors.
 */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error };
  return { type: error.name, message: error.message, stack: error.stack };
}
