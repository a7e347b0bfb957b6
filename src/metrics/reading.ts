/**
 * What gauges read of Redis: at most once in `everyMs`, for all of them together, and never so that
 * a scrape waits for a Redis that is away. One that is slow is read beside the scrapes, which tell
 * meanwhile what it said last.
 */
import { monotonicMs } from '../lib/clock.ts';
import { PATIENCE_MS } from './patience.ts';

/** Undefined where there is nothing to tell: it could not be read, or not in time. */
export type Reading<Value> = () => Promise<Value | undefined>;

/** What was read longer ago is not told any more: three scrapes, as Prometheus is set up here. */
const OLDEST_MS = 15_000;
const LATE = Symbol('late');

export function createReading<Value>(
  read: () => Promise<Value | undefined>,
  everyMs: number,
): Reading<Value> {
  let last: { readonly value: Value | undefined; readonly atMs: number } | undefined;
  let reading: Promise<Value | undefined> | undefined;
  const isYounger = (ageMs: number): boolean =>
    last !== undefined && monotonicMs() - last.atMs < ageMs;
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
    if (isYounger(everyMs)) return last?.value;
    reading ??= begin();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<typeof LATE>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS.reading, LATE);
    });
    const value = await Promise.race([reading, late]);
    clearTimeout(timer);
    if (value !== LATE) return value;
    return isYounger(OLDEST_MS) ? last?.value : undefined;
  };
}
