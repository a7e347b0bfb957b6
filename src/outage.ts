/** What a process says while Redis is away: a line when that begins, none for each that fails. */
import { isRedisAway } from './http/unavailable.ts';
import { monotonicMs } from './lib/clock.ts';
import type { Log } from './log.ts';
import { failureOf } from './redis/away.ts';
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

/**
 * For what is tried again until it succeeds. A fault of ours is an error, each time; that Redis is
 * away, or takes no writes, is a warning once a minute.
 */
export function createFaults(log: Log) {
  const saidAtMs = new Map<string, number>();
  return (error: unknown, message: string, facts: Readonly<Record<string, string>> = {}): void => {
    if (!(error instanceof Error) || !isRedisAway(error)) {
      log.error({ err: error, ...facts }, message);
      return;
    }
    const nowMs = monotonicMs();
    if (nowMs - (saidAtMs.get(message) ?? -Infinity) < SAY_AGAIN_AFTER_MS) return;
    saidAtMs.set(message, nowMs);
    log.warn({ reason: error.message, ...facts }, message);
  };
}
