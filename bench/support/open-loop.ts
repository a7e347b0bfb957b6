/** Requests that leave when they are due, whatever becomes of those before them. */
import { monotonicMs } from '../../src/lib/clock.ts';

const BURST_EVERY_MS = 2;

/** Waits until a time of the monotonic clock. */
export const until = (dueMs: number): Promise<void> => {
  const leftMs = dueMs - monotonicMs();
  return leftMs <= 0
    ? Promise.resolve()
    : new Promise((resolve) => {
        setTimeout(resolve, Math.ceil(leftMs));
      });
};

/**
 * Does `act` so many times, `ratePerS` a second, with the time at which each was due. Resolves when
 * the last has begun.
 */
export async function atRate(
  count: number,
  ratePerS: number,
  act: (number: number, dueMs: number) => void,
): Promise<void> {
  const startedMs = monotonicMs();
  for (let number = 0; number < count; ) {
    const due = Math.ceil(((monotonicMs() - startedMs) * ratePerS) / 1_000);
    for (; number < Math.min(due, count); number++)
      act(number, startedMs + (number * 1_000) / ratePerS);
    await until(monotonicMs() + BURST_EVERY_MS);
  }
}
