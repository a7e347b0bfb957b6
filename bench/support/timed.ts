/**
 * Requests whose time runs from when they were due, not from when they could be sent: what had to
 * wait for a slow answer before it is late as well, and shows it. Those who leave that out, by
 * sending the next request when the last is answered, measure a stalled server once instead of all
 * through its stall (Gil Tene calls it coordinated omission).
 */
import type { Call, Client, Reply } from '../../src/demo/client.ts';
import { monotonicMs } from '../../src/lib/clock.ts';
import { type Percentiles, percentilesOf } from './numbers.ts';
import { until } from './open-loop.ts';

export type Sample = {
  /** Of the scenario: `entry`, `result`. */
  readonly phase: string;
  /** `people`, `bots`. */
  readonly group: string;
  /** Of the monotonic clock. */
  readonly dueMs: number;
  /** From when it was due to the whole answer. */
  readonly ms: number;
  /** HTTP status; 0 where no answer came. */
  readonly status: number;
  /** Of a refusal, or of a lost connection. */
  readonly code: string | undefined;
};

export type Due = Pick<Sample, 'phase' | 'group' | 'dueMs'>;

export type Timed = {
  /** Waits until it is due, sends, and notes how long after that it was answered. */
  readonly ask: <T>(due: Due, call: Call) => Promise<Reply<T>>;
  readonly samples: Sample[];
  /** How long after they were due requests left that waited for no other: the asker's own part. */
  readonly lateMs: number[];
};

export function createTimed(client: Pick<Client, 'send'>): Timed {
  const samples: Sample[] = [];
  const lateMs: number[] = [];
  const ask = async <T>({ phase, group, dueMs }: Due, call: Call): Promise<Reply<T>> => {
    if (monotonicMs() < dueMs) {
      await until(dueMs);
      lateMs.push(monotonicMs() - dueMs);
    }
    const reply = await client.send<T>(call);
    const { status, code } = reply;
    samples.push({ phase, group, dueMs, ms: monotonicMs() - dueMs, status, code });
    return reply;
  };
  return { ask, samples, lateMs };
}

/** A time of the monotonic clock from one since 1970. */
export const monotonicOf = (epochMs: number, nowMs: number): number =>
  monotonicMs() + epochMs - nowMs;

/** Of each phase that there was, in this order. */
export const byPhase = (
  phases: readonly string[],
  samples: readonly Sample[],
): Record<string, Percentiles> =>
  Object.fromEntries(
    phases.flatMap((phase) => {
      const times = samples.filter((one) => one.phase === phase).map(({ ms }) => ms);
      return times.length === 0 ? [] : [[phase, percentilesOf(times)]];
    }),
  );
