/** What a process says while Redis is away: a line when that begins, none for each that fails. */
import { isRedisAway } from './http/unavailable.ts';
import { monotonicMs } from './lib/clock.ts';
import type { Log } from './log.ts';
import { failureOf, NodeAwayError, ReplicasAwayError } from './redis/away.ts';
import type { Redis } from './redis/client.ts';

const SAY_AGAIN_AFTER_MS = 60_000;

/** A connection is tried anew some times a second: a line for each reason, until it is there. */
export function logConnection(redis: Redis, log: Log): void {
  let said: string | undefined;
  redis.on('error', (error: Error) => {
    const reason = failureOf(error);
    if (reason === said) return;
    said = reason;
    log.warn({ err: error }, 'redis');
  });
  redis.on('ready', () => {
    said = undefined;
  });
}

/** Hears why something failed that is tried again until it succeeds. */
export type OnFault = (
  error: unknown,
  message: string,
  facts?: Readonly<Record<string, string | number>>,
) => void;

/**
 * A fault of ours is an error, each time; that Redis is away, or takes no writes, is a warning once
 * a minute, of each of its nodes: many releases meet one outage, at every step.
 */
export function createFaults(log: Log): OnFault {
  const saidAtMs = new Map<string, number>();
  return (error, message, facts = {}) => {
    if (!(error instanceof Error) || !isRedisAway(error)) {
      log.error({ err: error, ...facts }, message);
      return;
    }
    const nowMs = monotonicMs();
    const said = `${message}: ${outageOf(error)}`;
    if (nowMs - (saidAtMs.get(said) ?? -Infinity) < SAY_AGAIN_AFTER_MS) return;
    saidAtMs.set(said, nowMs);
    log.warn({ reason: error.message, ...facts }, message);
  };
}

/** The node, or a word of Redis or ioredis: of each there are few, of slots in a message many. */
const outageOf = (error: Error): string =>
  error instanceof NodeAwayError || error instanceof ReplicasAwayError
    ? error.message
    : `${error.name} ${error.message.split(' ', 1)[0]}`;
