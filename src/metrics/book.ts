/**
 * How a metric is written down: once, with its unit, whose it is, and every value that its labels
 * can have. Labels come from closed lists, never from a request, so that no flood can grow their
 * number (test/metrics).
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { ERRORS, type ErrorCode } from '../errors.ts';
import { isRefusal, type Refusal } from '../refusal.ts';
import type { Came } from '../watch.ts';
import type { Reading } from './reading.ts';

/** All there can be; a pattern where only the route table or Node knows them. */
export type LabelValues = readonly string[] | RegExp;

export type Written<Label extends string = string> = {
  /** `fairslot_<slice>_<thing>_<unit>[_total]`. */
  readonly name: string;
  readonly help: string;
  readonly unit: string;
  /**
   * `process`: add them up. `engine`: of what Redis holds, which every worker tells alike: take the
   * largest.
   */
  readonly of: 'process' | 'engine';
  readonly labels?: Readonly<Record<Label, LabelValues>>;
};

/** What one series says. */
export type Series<Label extends string> = readonly [Partial<Record<Label, string>>, number];

export type Book = ReturnType<typeof createBook>;

/** Series that a counter shows as 0 from the start, at most: a rate needs a first value. */
const MOST_SHOWN = 64;

const CODES: readonly string[] = Object.keys(ERRORS);
const OF = {
  process: 'this process',
  engine: 'the whole engine, as every worker tells it',
} as const;

export function createBook() {
  const registry = new Registry();
  const entries: Written[] = [];
  const write = <L extends string>(entry: Written<L>) => {
    entries.push(entry);
    return {
      name: entry.name,
      help: `${entry.help} In ${entry.unit}, of ${OF[entry.of]}.`,
      labelNames: Object.keys(entry.labels ?? {}) as L[],
      registers: [registry],
    };
  };
  const counter = <L extends string = never>(entry: Written<L>): Counter<L> => {
    const made = new Counter(write(entry));
    if (entry.labels && entry.of === 'process')
      for (const labels of combinations<L>(entry.labels)) made.inc(labels, 0);
    return made;
  };
  return {
    registry,
    /** All that was written down. */
    entries: entries as readonly Written[],
    counter,
    gauge: <L extends string = never>(
      entry: Written<L>,
      collect?: (this: Gauge<L>) => void | Promise<void>,
    ) => new Gauge({ ...write(entry), ...(collect && { collect }) }),
    histogram: <L extends string = never>(entry: Written<L>, buckets: number[]) =>
      new Histogram({ ...write(entry), buckets }),

    /**
     * What was read of Redis; where that could not be done, nothing is told. Of a name that ends
     * with `_total` Redis keeps the count.
     */
    told: <Value, L extends string = never>(
      entry: Omit<Written<L>, 'of'>,
      read: Reading<Value>,
      tell: (value: Value) => readonly Series<L>[],
    ): void => {
      const labelled = entry.labels !== undefined;
      const written = write<L>({ ...entry, of: 'engine' });
      const Kind = entry.name.endsWith('_total') ? Counter : Gauge;
      const made: Counter<L> | Gauge<L> = new Kind({
        ...written,
        collect: async () => {
          const value = await read();
          if (labelled) made.reset();
          else made.remove();
          if (value !== undefined) for (const [labels, is] of tell(value)) made.inc(labels, is);
        },
      });
    },

    /**
     * Counts what came of something: its outcome, and where that is `refused` the code of the
     * catalogue, '' else.
     */
    outcomes: <Word extends string>(
      { name, help, unit }: Pick<Written, 'name' | 'help' | 'unit'>,
      words: readonly Word[],
    ): Came<Word> => {
      const labels = { outcome: [...words, 'refused'], code: ['', ...CODES] };
      const made = counter({ name, help, unit, of: 'process', labels });
      for (const outcome of words) made.inc({ outcome, code: '' }, 0);
      return (came, count = 1) => made.inc(outcomeOf(came), count);
    },
  };
}

const outcomeOf = (came: string | Refusal): { outcome: string; code: ErrorCode | '' } =>
  isRefusal(came) ? { outcome: 'refused', code: came.refused } : { outcome: came, code: '' };

/** Of closed lists, where they are few. */
function combinations<L extends string>(
  labels: Readonly<Record<L, LabelValues>>,
): Partial<Record<L, string>>[] {
  let all: Partial<Record<L, string>>[] = [{}];
  for (const [label, values] of Object.entries(labels) as [L, LabelValues][]) {
    if (values instanceof RegExp || all.length * values.length > MOST_SHOWN) return [];
    all = all.flatMap((one) => values.map((value) => ({ ...one, [label]: value })));
  }
  return all;
}

/**
 * Upper bounds in seconds: fine where an answer should be, coarse where only its being late
 * matters.
 */
export const DURATIONS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
