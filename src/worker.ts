/**
 * The worker's door: conducts the rounds of every release it leads, delivers SMS, and sees to what
 * follows from a session's day: who did not come, and whose next dose is due.
 */
import { setTimeout } from 'node:timers/promises';
import { v7 as uuid } from 'uuid';
import { createAttendance } from './arrivals/no-shows.ts';
import { createReminder } from './arrivals/reminders.ts';
import { boot } from './boot.ts';
import { createRetention } from './care/retention.ts';
import { createRetentionStore } from './care/retention-store.ts';
import { readConfig, type Config } from './config.ts';
import type { Engine } from './engine.ts';
import { present } from './lib/assert.ts';
import { createBreaker } from './lib/breaker.ts';
import { monotonicMs } from './lib/clock.ts';
import { hearing } from './lib/hearing.ts';
import { openMonitor } from './http/monitor.ts';
import type { Log } from './log.ts';
import { PATIENCE_MS } from './metrics/patience.ts';
import { createWorkerMetrics } from './metrics/worker.ts';
import { consoleDriver, type SmsDriver } from './notify/drivers.ts';
import { createGateway } from './notify/gateway.ts';
import { PRIORITIES } from './notify/messages.ts';
import { BREAKER, sendAll, type SenderParts } from './notify/sender.ts';
import { createTexts } from './notify/texts.ts';
import { createFaults } from './outage.ts';
import { reconcileIfDue } from './reconcile/hourly.ts';
import { disconnectRedis } from './redis/client.ts';
import { readHealth } from './redis/health.ts';
import { carryingOver, createCarrier } from './rounds/carry/carry.ts';
import { createConductor, type Conductor } from './rounds/conduct.ts';
import type { Step } from './rounds/drawing.ts';
import { conductingWithLead, LEASE_MS } from './rounds/lead.ts';
import { createNotifier } from './rounds/notify.ts';
import { onStop } from './stop.ts';

/** Pause between two looks for new releases. */
const PACE_MS = 250;
const AFTER_FAULT_MS = 1_000;
/** Pause between two looks at whose day is over, and at next doses that are due. */
const DAILY_PACE_MS = 10_000;

const config = readConfig();
const breaker = createBreaker(BREAKER, monotonicMs);
const metrics = createWorkerMetrics({
  beaconOverdueS: () => engine.beaconOverdueS(),
  isGatewayAway: breaker.isOpen,
  outbox: () => engine.outbox.state(),
  census: () => engine.census(),
  offenders: (census) => engine.bots.offenders(census),
  health: () => readHealth(redis, PATIENCE_MS.node),
  reconcileEveryS: () => config.reconcileEveryMs / 1000,
  lastRun: () => engine.reconciler.last(),
});
const { log, redis, engine, settled, ready } = boot('worker', config, metrics);
const fault = createFaults(log);
await settled;
const { host, metricsPort: port } = config;
const monitor = await openMonitor(metrics.registry, { host, port }, log);
const stopping = new AbortController();
onStop(log, async () => {
  stopping.abort();
  await Promise.allSettled([conducting, ...sending, attending, reminding, reconciling, retaining]);
  await Promise.all([disconnectRedis(redis), monitor?.close()]);
});
const workerId = uuid();
const conducting = conductAll(conductorOf(engine, log), engine.releases, stopping.signal);
const sender = senderOf(engine, config);
const sending = PRIORITIES.map((priority) => sendAll(sender, priority, stopping.signal));
const attending = repeated('who came could not be seen to', attendanceOf(engine));
const reminding = repeated('next doses could not be told of', reminderOf(engine));
const reconciling = repeated('the releases could not be checked', reconcilingOf(engine));
const retaining = repeated('what is over could not be deleted', retentionOf(engine));
if (config.environment === 'production' && config.smsDriver === 'console')
  log.warn('SMS_DRIVER is console: no SMS is sent, so nobody gets an OTP');
ready({ workerId });

function conductorOf(engine: Engine, log: Log): Conductor {
  const { stores, releases, rounds, outbox, secrets } = engine;
  const told = { store: stores.rounds, people: stores.people, outbox, secrets, log };
  const carrier = createCarrier({
    ...told,
    carry: stores.carry,
    rounds,
    releases,
    onFault: fault,
    onCarried: (outcome) => metrics.rounds.carried.inc({ outcome: outcome.toLowerCase() }),
  });
  const conductor = createConductor({
    store: stores.rounds,
    drawing: stores.drawing,
    bookings: hearing(stores.bookings, {
      expire: (reply) => reply.outcome === 'EXPIRED' && metrics.bookings.expired.inc(reply.count),
    }),
    releases,
    beaconOf: engine.beaconOf,
    notify: createNotifier(told),
    log,
    onFault: fault,
    onPhase: (phase, ms) => metrics.rounds.phases.observe({ phase }, ms / 1000),
  });
  const carrying = carryingOver(conductor, carrier, { releases, onFault: fault });
  return conductingWithLead(carrying, stores.drawing, workerId);
}

/** Conducts every release in a loop of its own, so that none waits for another's draw or fault. */
async function conductAll(
  conductor: Conductor,
  releases: Engine['releases'],
  signal: AbortSignal,
): Promise<void> {
  const loops = new Map<string, Promise<void>>();
  const conduct = async (release: string): Promise<void> => {
    while (!signal.aborted) {
      let waitMs = AFTER_FAULT_MS;
      try {
        const taken = await conductor.step(release);
        if (taken.step === 'OVER') return;
        if (taken.step === 'PUBLISHED') {
          metrics.rounds.published.inc();
          metrics.rounds.displaced.inc(taken.displaced);
          metrics.rounds.offers.inc(taken.offers);
        }
        waitMs = waitAfter(taken);
      } catch (error) {
        metrics.rounds.faults.inc();
        fault(error, 'a round could not be conducted and is tried again', { release });
      }
      await pause(waitMs, signal);
    }
  };
  while (!signal.aborted) {
    try {
      for (const release of await releases.all()) {
        if (!loops.has(release)) loops.set(release, conduct(release));
      }
    } catch (error) {
      fault(error, 'the releases could not be read');
    }
    await pause(PACE_MS, signal);
  }
  await Promise.all(loops.values());
}

/** Does the same over and over until the worker stops. Whether there is more to do at once. */
async function repeated(failed: string, act: () => Promise<boolean>): Promise<void> {
  while (!stopping.signal.aborted) {
    let isMore = false;
    try {
      isMore = await act();
    } catch (error) {
      fault(error, failed);
    }
    if (!isMore) await pause(DAILY_PACE_MS, stopping.signal);
  }
}

/** Looks at every release that is not known to be over for good. */
function attendanceOf({ stores, releases }: Engine): () => Promise<boolean> {
  const { timeZone } = config;
  const attend = createAttendance({
    store: stores.arrivals,
    people: stores.people,
    releases,
    timeZone,
    onNoShows: (count) => metrics.arrivals.noShows.inc(count),
  });
  const over = new Set<string>();
  return async () => {
    for (const release of await releases.all()) {
      if (over.has(release) || stopping.signal.aborted) continue;
      try {
        if ((await attend(release, stopping.signal)) === 'OVER') over.add(release);
      } catch (error) {
        // None waits for another's fault.
        fault(error, 'who came could not be seen to, and is tried again', { release });
      }
    }
    return false;
  };
}

function reminderOf({ stores, outbox, secrets }: Engine): () => Promise<boolean> {
  const remind = createReminder({
    store: stores.arrivals,
    people: stores.people,
    outbox,
    secrets,
    timeZone: config.timeZone,
    log,
    onReminders: (outcome, count) => metrics.arrivals.reminders.inc({ outcome }, count),
  });
  return async () => (await remind()) > 0;
}

function reconcilingOf({ reconciler }: Engine): () => Promise<boolean> {
  const parts = { reconciler, worker: workerId, everyMs: config.reconcileEveryMs, log };
  return async () => {
    await reconcileIfDue(parts, stopping.signal);
    return false;
  };
}

/** Deletes what is over, once a day. */
function retentionOf({ stores, releases, erasure }: Engine): () => Promise<boolean> {
  const retention = createRetention({
    store: createRetentionStore(redis),
    releases,
    erasure,
    attendance: stores.arrivals.attendance,
    terms: config.retention,
  });
  return async () => {
    const cleared = await retention.takeTurn(workerId, stopping.signal);
    if (cleared) log.info({ cleared }, 'what is over was deleted');
    return false;
  };
}

function waitAfter(taken: Step): number {
  if (taken.step === 'PUBLISHED') return 0;
  if (taken.step !== 'WAITING') return PACE_MS;
  // A beacon's value may be an hour away: the lead is renewed on the way there.
  return Math.min(Math.max(1, taken.waitMs), LEASE_MS / 2);
}

/** Sleeps, or less when told to stop. */
const pause = (durationMs: number, signal: AbortSignal): Promise<unknown> =>
  setTimeout(durationMs, undefined, { signal }).catch(() => undefined);

/** What both outboxes are sent with: one gateway, one breaker. */
function senderOf({ stores, secrets, inbox }: Engine, config: Config): SenderParts {
  return {
    store: stores.outbox,
    secrets,
    driver: driverOf(config, inbox.driver),
    textOf: createTexts(config.timeZone),
    breaker,
    concurrency: config.sms.concurrency,
    log,
    onFault: fault,
    onSms: metrics.watch.onSms,
    onDropped: (count) => metrics.notify.dropped.inc(count),
  };
}

function driverOf({ smsDriver, sms, environment }: Config, inbox: SmsDriver): SmsDriver {
  switch (smsDriver) {
    case 'http':
      return createGateway(present(sms.gateway, 'settings of the SMS gateway'));
    case 'inbox':
      return inbox;
    case 'console':
      return consoleDriver(
        (line) => process.stderr.write(`${line}\n`),
        environment === 'production',
      );
  }
}
