import { ERRORS } from '../errors.ts';
import { GATES } from '../gates/refused.ts';
import { type Book, DURATIONS_S } from './book.ts';

/** Names of routes; `preflight` and `unknown` where there is none. */
const ROUTE = /^[a-zA-Z]+$/;

export type HttpMetrics = ReturnType<typeof httpMetrics>;

export function httpMetrics(book: Book) {
  let inFlight = 0;
  book.gauge(
    {
      name: 'fairslot_http_in_flight_requests',
      help: 'Requests that have come and are not answered.',
      unit: 'requests',
      of: 'process',
    },
    function collect() {
      this.set(inFlight);
    },
  );
  return {
    requests: book.counter({
      name: 'fairslot_http_requests_total',
      help: 'Requests answered.',
      unit: 'requests',
      of: 'process',
      labels: { route: ROUTE, status: /^[2-5]\d\d$/ },
    }),
    durations: book.histogram(
      {
        name: 'fairslot_http_request_duration_seconds',
        help: 'From the head of a request to its answer, without sending it.',
        unit: 'seconds',
        of: 'process',
        labels: { route: ROUTE },
      },
      DURATIONS_S,
    ),
    refusals: book.counter({
      name: 'fairslot_http_refusals_total',
      help: 'Requests refused, by code of the error catalogue and the gate that refused them.',
      unit: 'requests',
      of: 'process',
      labels: { code: Object.keys(ERRORS), gate: [...GATES, 'none'] },
    }),
    replays: book.counter({
      name: 'fairslot_http_replays_total',
      help: 'Requests under an Idempotency-Key that was used before: answered as then, or refused.',
      unit: 'requests',
      of: 'process',
      labels: { outcome: ['replayed', 'refused'] },
    }),
    dropped: book.counter({
      name: 'fairslot_http_connections_dropped_total',
      help: 'Connections dropped since there were too many: of one address, of one network, or in all.',
      unit: 'connections',
      of: 'process',
      labels: { reason: ['address', 'network', 'full'] },
    }),
    began: (): void => {
      inFlight += 1;
    },
    ended: (): void => {
      inFlight -= 1;
    },
  } as const;
}
