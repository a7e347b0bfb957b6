/**
 * Every metric of the engine: `fairslot_<slice>_<thing>_<unit>[_total]`. Labels come from closed
 * lists (route names, statuses, codes of the catalogue), never from a request, so that no flood can
 * grow their number.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export type Metrics = ReturnType<typeof createMetrics>;

/**
 * Upper bounds in seconds: fine where an answer should be, coarse where only its being late
 * matters.
 */
const DURATIONS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export function createMetrics() {
  const registry = new Registry();
  // Process, memory, garbage collection, event loop lag.
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    http: {
      requests: new Counter({
        name: 'fairslot_http_requests_total',
        help: 'Requests answered.',
        labelNames: ['route', 'status'],
        registers,
      }),
      durations: new Histogram({
        name: 'fairslot_http_request_duration_seconds',
        help: 'From the head of a request to its answer, without sending it.',
        labelNames: ['route'],
        buckets: DURATIONS_S,
        registers,
      }),
      refusals: new Counter({
        name: 'fairslot_http_refusals_total',
        help: 'Requests refused, by code of the error catalogue.',
        labelNames: ['code'],
        registers,
      }),
    },
    gates: {
      smsBudget: new Counter({
        name: 'fairslot_gates_sms_budget_total',
        help: 'OTPs taken from the SMS budget, or refused since it was spent, by whose it was.',
        labelNames: ['requester', 'outcome'],
        registers,
      }),
    },
  } as const;
}

export type WorkerMetrics = ReturnType<typeof createWorkerMetrics>;

/** From a round of a village to one of millions of entries. */
const PHASES_S = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Metrics of a worker. `overdueS`: read when Prometheus asks. */
export function createWorkerMetrics(overdueS: () => number) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    rounds: {
      phases: new Histogram({
        name: 'fairslot_rounds_phase_duration_seconds',
        help: 'What drawing a round took, by phase.',
        labelNames: ['phase'],
        buckets: PHASES_S,
        registers,
      }),
      published: new Counter({
        name: 'fairslot_rounds_published_total',
        help: 'Rounds that this worker published.',
        registers,
      }),
      beaconAnswers: new Counter({
        name: 'fairslot_rounds_beacon_answers_total',
        help: 'Answers of drand endpoints, by what they were.',
        labelNames: ['outcome'],
        registers,
      }),
      beaconWait: new Gauge({
        name: 'fairslot_rounds_beacon_wait_seconds',
        help: 'How long the most overdue beacon value that a round waits for is overdue.',
        registers,
        collect() {
          this.set(overdueS());
        },
      }),
    },
  } as const;
}
