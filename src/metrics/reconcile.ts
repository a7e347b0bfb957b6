/** What the last check of all releases found, whichever worker ran it. */
import { parseJson } from '../lib/json.ts';
import { nowMs } from '../lib/clock.ts';
import { KINDS } from '../reconcile/findings.ts';
import type { LastRun } from '../reconcile/store.ts';
import type { Book } from './book.ts';
import type { Reading } from './reading.ts';

export function reconcileGauges(book: Book, lastRun: Reading<LastRun>, everyS: () => number): void {
  book.gauge(
    {
      name: 'fairslot_reconcile_every_seconds',
      help: 'Between two checks of all releases; 0: none is made.',
      unit: 'seconds',
      of: 'process',
    },
    function collect() {
      this.set(everyS());
    },
  );
  book.told(
    {
      name: 'fairslot_reconcile_discrepancies_count',
      help: 'What did not agree in the last check of all releases and was not repaired, by kind.',
      unit: 'discrepancies',
      labels: { kind: KINDS },
    },
    lastRun,
    ({ counts }) => {
      const found = (parseJson(counts) ?? {}) as Record<string, number>;
      return KINDS.map((kind) => [{ kind }, found[kind] ?? 0]);
    },
  );
  book.told(
    {
      name: 'fairslot_reconcile_age_seconds',
      help: 'Since the last complete check of all releases.',
      unit: 'seconds',
    },
    lastRun,
    ({ finishedAtMs }) => [[{}, Math.max(0, nowMs() - finishedAtMs) / 1000]],
  );
  book.told(
    {
      name: 'fairslot_reconcile_duration_seconds',
      help: 'What the last complete check of all releases took.',
      unit: 'seconds',
    },
    lastRun,
    ({ durationMs }) => [[{}, durationMs / 1000]],
  );
}
