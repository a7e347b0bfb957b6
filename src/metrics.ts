/**
 * Every metric of the engine: `fairslot_<slice>_<thing>_<unit>[_total]`. Labels come from closed
 * lists (route names, statuses, codes of the catalogue), never from a request, so that no flood can
 * grow their number.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { nowMs } from './lib/clock.ts';
import { PRIORITIES, type Priority } from './notify/messages.ts';
import type { OutboxState } from './notify/store.ts';

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
    notify: { sms: smsCounter(registers) },
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
      uncounted: new Counter({
        name: 'fairslot_gates_tally_uncounted_total',
        help: 'Refusals that are in no count of callers, since too many called in one second.',
        registers,
      }),
    },
    captcha: captchaMetrics(registers),
    arrivals: {
      arrivals: new Counter({
        name: 'fairslot_arrivals_arrivals_total',
        help: 'Arrivals that centres recorded or tried to, by what came of it.',
        labelNames: ['outcome'],
        registers,
      }),
      doses: new Counter({
        name: 'fairslot_arrivals_doses_total',
        help: 'Doses recorded, by vaccine.',
        labelNames: ['vaccine'],
        registers,
      }),
    },
  } as const;
}

function captchaMetrics(registers: Registry[]) {
  let isDown: () => boolean = () => false;
  return {
    challenges: new Counter({
      name: 'fairslot_gates_captcha_challenges_total',
      help: 'Captchas given out, by kind.',
      labelNames: ['kind'],
      registers,
    }),
    answers: new Counter({
      name: 'fairslot_gates_captcha_answers_total',
      help: 'Solutions that passed or were refused, by why.',
      labelNames: ['outcome'],
      registers,
    }),
    provider: new Histogram({
      name: 'fairslot_gates_captcha_provider_duration_seconds',
      help: 'Time of a provider to answer siteverify, by what its answer was.',
      labelNames: ['outcome'],
      buckets: DURATIONS_S,
      registers,
    }),
    providerDown: new Gauge({
      name: 'fairslot_gates_captcha_provider_down',
      help: '1 while the provider fails and proof of work stands in for it.',
      registers,
      collect() {
        this.set(isDown() ? 1 : 0);
      },
    }),
    /** `down`: read when Prometheus asks. */
    watchProvider: (down: () => boolean): void => {
      isDown = down;
    },
  };
}

export type WorkerMetrics = ReturnType<typeof createWorkerMetrics>;

/** From a round of a village to one of millions of entries. */
const PHASES_S = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** What a worker is asked when Prometheus asks it. */
type WorkerReadings = {
  readonly beaconOverdueS: () => number;
  readonly outbox: () => Promise<Readonly<Record<Priority, OutboxState>>>;
  readonly isGatewayAway: () => boolean;
};

export function createWorkerMetrics(readings: WorkerReadings) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    notify: notifyMetrics(registers, readings),
    arrivals: {
      noShows: new Counter({
        name: 'fairslot_arrivals_no_shows_total',
        help: 'Bookings whose people did not come.',
        registers,
      }),
      reminders: new Counter({
        name: 'fairslot_arrivals_reminders_total',
        help: 'Next doses that were due, by whether somebody was told of it.',
        labelNames: ['outcome'],
        registers,
      }),
    },
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
      displaced: new Counter({
        name: 'fairslot_rounds_displaced_total',
        help: "Entries that lost their seats to an operator's change.",
        registers,
      }),
      carried: new Counter({
        name: 'fairslot_rounds_carried_total',
        help: 'Standing entries that were to be carried over, by what became of them.',
        labelNames: ['outcome'],
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
          this.set(readings.beaconOverdueS());
        },
      }),
    },
  } as const;
}

/** Of servers, which queue OTPs, and of workers, which do all the rest. */
const smsCounter = (registers: Registry[]) =>
  new Counter({
    name: 'fairslot_notify_sms_total',
    help: 'SMS by what became of them, each attempt that failed included.',
    labelNames: ['outcome', 'template'],
    registers,
  });

/** The outboxes are one for all workers: each of them tells the same. */
function notifyMetrics(registers: Registry[], { outbox, isGatewayAway }: WorkerReadings) {
  const ofOutbox = (name: string, help: string, valueOf: (state: OutboxState) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['priority'],
      registers,
      async collect() {
        this.reset(); // without Redis there is nothing to tell
        const states = await outbox().catch(() => undefined);
        if (!states) return;
        for (const priority of PRIORITIES) this.set({ priority }, valueOf(states[priority]));
      },
    });
  return {
    sms: smsCounter(registers),
    dropped: new Counter({
      name: 'fairslot_notify_dead_letters_dropped_total',
      help: 'Dead letters that went because there were too many, or for their age.',
      registers,
    }),
    waiting: ofOutbox(
      'fairslot_notify_waiting_sms',
      'SMS that wait to be sent, those that are being sent included.',
      ({ waiting }) => waiting,
    ),
    oldest: ofOutbox(
      'fairslot_notify_oldest_waiting_seconds',
      'Age of the SMS that waits longest.',
      ({ oldestMs }) => (oldestMs === undefined ? 0 : Math.max(0, nowMs() - oldestMs) / 1000),
    ),
    dead: ofOutbox('fairslot_notify_dead_letters_sms', 'Dead letters.', ({ dead }) => dead),
    gatewayAway: new Gauge({
      name: 'fairslot_notify_gateway_away_state',
      help: 'Whether this worker finds the SMS gateway away, and only probes it: 1 or 0.',
      registers,
      collect() {
        this.set(isGatewayAway() ? 1 : 0);
      },
    }),
  } as const;
}
