/** All that a worker tells at /metrics; docs/metrics.md lists it. */
import type { Offenders } from '../gates/bots/report.ts';
import type { RedisHealth } from '../redis/health.ts';
import type { LastRun } from '../reconcile/store.ts';
import type { Census } from '../releases/census.ts';
import type { AnswerOutcome } from '../rounds/beacon/drand-endpoint.ts';
import { dayMetrics } from './arrivals.ts';
import { createBook } from './book.ts';
import { offerMetrics } from './bookings.ts';
import { offenderMetrics } from './gates.ts';
import { outboxMetrics, type Outboxes, smsMetrics } from './notify.ts';
import { claimMetrics } from './people.ts';
import { processMetrics } from './process.ts';
import { createReading } from './reading.ts';
import { reconcileGauges } from './reconcile.ts';
import { connectionMetrics, healthMetrics } from './redis.ts';
import { releaseGauges } from './releases.ts';
import { roundGauges, roundMetrics } from './rounds.ts';

/** What a worker is asked when Prometheus asks it. */
export type WorkerReadings = {
  readonly beaconOverdueS: () => number;
  readonly isGatewayAway: () => boolean;
  readonly outbox: () => Promise<Outboxes>;
  readonly census: () => Promise<Census>;
  readonly offenders: (census: Census) => Promise<Offenders>;
  readonly health: () => Promise<RedisHealth>;
  /** 0: never. */
  readonly reconcileEveryS: () => number;
  readonly lastRun: () => Promise<LastRun | undefined>;
};

/** At most so often each is read of Redis, by one worker. */
const EVERY_MS = {
  outbox: 1_000,
  census: 2_000,
  offenders: 5_000,
  health: 5_000,
  lastRun: 5_000,
} as const;

export function createWorkerMetrics(readings: WorkerReadings) {
  const book = createBook();
  processMetrics(book);
  const census = createReading(readings.census, EVERY_MS.census);
  const offenders = createReading(async () => {
    const counted = await census();
    if (!counted) throw new Error('no census to look for offenders in');
    return readings.offenders(counted);
  }, EVERY_MS.offenders);
  releaseGauges(book, census);
  roundGauges(book, census);
  offenderMetrics(book, offenders);
  reconcileGauges(
    book,
    createReading(readings.lastRun, EVERY_MS.lastRun),
    readings.reconcileEveryS,
  );
  healthMetrics(book, createReading(readings.health, EVERY_MS.health));
  const rounds = roundMetrics(book, readings);
  return {
    registry: book.registry,
    /** All there is, with the values of its labels. */
    entries: book.entries,
    redis: connectionMetrics(book),
    notify: outboxMetrics(book, {
      outbox: createReading(readings.outbox, EVERY_MS.outbox),
      isGatewayAway: readings.isGatewayAway,
    }),
    arrivals: dayMetrics(book),
    rounds,
    bookings: offerMetrics(book, census),
    /** For `createEngine`. */
    watch: {
      ...smsMetrics(book),
      ...claimMetrics(book),
      onBeaconAnswer: (outcome: AnswerOutcome): void => rounds.beaconAnswers.inc({ outcome }),
    },
  } as const;
}
