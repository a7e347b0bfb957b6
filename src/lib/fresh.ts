/**
 * What many ask for and may be a moment old: read once for all who ask, at most once in a while.
 * What was known before serves while a reading takes long or fails.
 */
import { LRUCache } from 'lru-cache';
import { monotonicMs, sleep } from './clock.ts';

export type FreshTerms<V> = {
  /** A value is not read again before it is this old. */
  readonly freshForMs: number;
  /** Nobody who could be given an older value waits longer for a newer one. */
  readonly patienceMs: number;
  /** Of values that are kept, in the unit of `weigh`; what is longest unused goes first. */
  readonly most: number;
  /** 1 for each value where it is left out. */
  readonly weigh?: (value: V) => number;
};

type Held<V> = { readonly value: V; readonly readAtMs: number };
type Reading<V> = { readonly value: Promise<V>; readonly startedMs: number };

/** `read`: gets the value from before, if there is one. Rejects only where there is none. */
export function createFresh<V extends object>(
  { freshForMs, patienceMs, most, weigh = () => 1 }: FreshTerms<V>,
  read: (key: string, before: V | undefined) => Promise<V>,
): (key: string) => Promise<V> {
  const kept = new LRUCache<string, Held<V>>({
    maxSize: most,
    sizeCalculation: ({ value }) => weigh(value),
  });
  const readings = new Map<string, Reading<V>>();

  const begin = (key: string, before: V | undefined): Reading<V> => {
    const work = async (): Promise<V> => {
      let value = before;
      try {
        value = await read(key, before);
        return value;
      } finally {
        // Also after a failure: the next attempt is as far away as the next look would be.
        if (value) kept.set(key, { value, readAtMs: monotonicMs() });
        readings.delete(key);
      }
    };
    const reading = { value: work(), startedMs: monotonicMs() };
    readings.set(key, reading);
    return reading;
  };

  return async (key) => {
    const held = kept.get(key);
    if (held && monotonicMs() - held.readAtMs < freshForMs) return held.value;
    const { value, startedMs } = readings.get(key) ?? begin(key, held?.value);
    if (!held) return value;
    value.catch(() => undefined); // what was known before is the answer
    const leftMs = startedMs + patienceMs - monotonicMs();
    if (leftMs <= 0) return held.value;
    return Promise.race([value.catch(() => held.value), sleep(leftMs).then(() => held.value)]);
  };
}
