import { monotonicMs } from '../lib/clock.ts';
import { type Census, ENTRY_STATES } from '../releases/census.ts';
import { ANSWER_OUTCOMES } from '../rounds/beacon/drand-endpoint.ts';
import { PHASES } from '../rounds/drawing.ts';
import { CARRIED } from '../rounds/carry/standing.ts';
import type { Watch } from '../watch.ts';
import type { Book } from './book.ts';
import type { Reading } from './reading.ts';

/** From a round of a village to one of millions of entries. */
const PHASES_S = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export const entryMetrics = (book: Book): Pick<Watch, 'onEntry'> => ({
  onEntry: book.outcomes(
    {
      name: 'fairslot_rounds_entries_total',
      help: 'Entries put, edited, put again as they are, withdrawn, or refused any of it.',
      unit: 'entries',
    },
    ['entered', 'edited', 'repeated', 'withdrawn'],
  ),
});

export function roundMetrics(book: Book, { beaconOverdueS }: { beaconOverdueS: () => number }) {
  book.gauge(
    {
      name: 'fairslot_rounds_beacon_wait_seconds',
      help: 'How long the most overdue beacon value that a round waits for is overdue.',
      unit: 'seconds',
      of: 'process',
    },
    function collect() {
      this.set(beaconOverdueS());
    },
  );
  const count = (name: string, help: string, unit: string) =>
    book.counter({ name, help, unit, of: 'process' });
  return {
    phases: book.histogram(
      {
        name: 'fairslot_rounds_phase_duration_seconds',
        help: 'What drawing a round took, by phase.',
        unit: 'seconds',
        of: 'process',
        labels: { phase: PHASES },
      },
      PHASES_S,
    ),
    published: count(
      'fairslot_rounds_published_total',
      'Rounds that this worker published.',
      'rounds',
    ),
    offers: count(
      'fairslot_rounds_offers_total',
      'Offers given by rounds that this worker published.',
      'offers',
    ),
    faults: count(
      'fairslot_rounds_faults_total',
      "Steps of a release's rounds that failed, and are tried again.",
      'steps',
    ),
    displaced: count(
      'fairslot_rounds_displaced_total',
      "Entries that lost their seats to an operator's change.",
      'entries',
    ),
    carried: book.counter({
      name: 'fairslot_rounds_carried_total',
      help: 'Standing entries that were to be carried over, by what became of them.',
      unit: 'entries',
      of: 'process',
      labels: { outcome: CARRIED.map((one) => one.toLowerCase()) },
    }),
    beaconAnswers: book.counter({
      name: 'fairslot_rounds_beacon_answers_total',
      help: 'Answers of drand endpoints, by what they were.',
      unit: 'answers',
      of: 'process',
      labels: { outcome: ANSWER_OUTCOMES },
    }),
  } as const;
}

/** Milliseconds by Redis's clock, as it is by now. */
export const nowOf = ({ nowMs, takenMs }: Census): number => nowMs + monotonicMs() - takenMs;

export function roundGauges(book: Book, census: Reading<Census>): void {
  book.told(
    {
      name: 'fairslot_rounds_waiting_entries',
      help: 'Entries of live releases without a seat: new, sealed in the round being drawn, or waiting since a round.',
      unit: 'entries',
      labels: { state: ENTRY_STATES },
    },
    census,
    ({ entries }) => ENTRY_STATES.map((state) => [{ state }, entries[state]]),
  );
  book.told(
    {
      name: 'fairslot_rounds_overdue_seconds',
      help: 'How long the round is overdue that should have been published first; 0 where none is.',
      unit: 'seconds',
    },
    census,
    (counted) => [[{}, Math.max(0, nowOf(counted) - (counted.dueAtMs ?? Infinity)) / 1000]],
  );
  book.told(
    {
      name: 'fairslot_rounds_last_published_age_seconds',
      help: 'Since when a round of a live release was last published.',
      unit: 'seconds',
    },
    census,
    (counted) =>
      counted.publishedAtMs === undefined
        ? []
        : [[{}, Math.max(0, nowOf(counted) - counted.publishedAtMs) / 1000]],
  );
}
