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

export function createLog(level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    redact: [...PERSONAL, ...PERSONAL.map((member) => `*.${member}`)],
    serializers: { err: describeError },
  };
  return destination ? pino(options, destination) : pino(options);
}

/**
 * pino's own serializer copies every member, and ioredis hangs the failed command with its
 * arguments on its errors.
 */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error };
  return { type: error.name, message: error.message, stack: error.stack };
}
