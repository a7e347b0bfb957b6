/**
 * What gauges read of Redis: at most once in `everyMs`, for all of them together, and never so that
 * a scrape waits for a Redis that is away.
 */
import { monotonicMs } from '../lib/clock.ts';

/** Undefined where there is nothing to tell: it could not be read, or not in time. */
export type Reading<Value> = () => Promise<Value | undefined>;

/** Longest that a scrape waits; Prometheus gives up after 5 s (scrape_timeout), a test after 2. */
const WAIT_MS = 1_000;

export function createReading<Value>(
  read: () => Promise<Value | undefined>,
  everyMs: number,
): Reading<Value> {
  let last: { readonly value: Value | undefined; readonly atMs: number } | undefined;
  let reading: Promise<Value | undefined> | undefined;
  const begin = async (): Promise<Value | undefined> => {
    try {
      const value = await read();
      last = { value, atMs: monotonicMs() };
      return value;
    } catch {
      return undefined; // who scrapes sees a gap; what Redis suffers from is logged elsewhere
    } finally {
      reading = undefined;
    }
  };
  return async () => {
    if (last && monotonicMs() - last.atMs < everyMs) return last.value;
    reading ??= begin();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, WAIT_MS, undefined);
    });
    const value = await Promise.race([reading, late]);
    clearTimeout(timer);
    return value;
  };
}
