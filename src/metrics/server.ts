/** All that a server tells at /metrics; docs/metrics.md lists it. */
import { arrivalMetrics } from './arrivals.ts';
import { bookingMetrics } from './bookings.ts';
import { createBook } from './book.ts';
import { captchaMetrics, gateMetrics } from './gates.ts';
import { httpMetrics } from './http.ts';
import { smsMetrics } from './notify.ts';
import { claimMetrics, peopleMetrics } from './people.ts';
import { processMetrics } from './process.ts';
import { connectionMetrics } from './redis.ts';
import { entryMetrics } from './rounds.ts';

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics() {
  const book = createBook();
  processMetrics(book);
  const gates = gateMetrics(book);
  return {
    registry: book.registry,
    /** All there is, with the values of its labels. */
    entries: book.entries,
    http: httpMetrics(book),
    gates,
    captcha: captchaMetrics(book),
    redis: connectionMetrics(book),
    /** For `createEngine`. */
    watch: {
      ...smsMetrics(book),
      ...claimMetrics(book),
      ...peopleMetrics(book),
      ...entryMetrics(book),
      ...bookingMetrics(book),
      ...arrivalMetrics(book),
      onSmsBudget: (requester: string, outcome: string): void =>
        gates.smsBudget.inc({ requester, outcome }),
    },
  } as const;
}
