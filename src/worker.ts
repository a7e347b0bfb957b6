/** The worker's door: conducts the rounds of every release it leads, and delivers SMS. */
import { setTimeout } from 'node:timers/promises';
import { v7 as uuid } from 'uuid';
import { readConfig, type Config } from './config.ts';
import { createEngine, type Engine } from './engine.ts';
import { present } from './lib/assert.ts';
import { openMonitor } from './http/monitor.ts';
import { createLog, type Log } from './log.ts';
import { createWorkerMetrics } from './metrics.ts';
import { consoleDriver } from './notify/drivers.ts';
import { connectBlocking, connectRedis, disconnectRedis, type Redis } from './redis/client.ts';
import { createConductor, type Conductor, type Step } from './rounds/conduct.ts';
import { createNotifier } from './rounds/notify.ts';
import { onStop } from './stop.ts';

/** A worker that dies is replaced after at most this long. */
const LEASE_MS = 10_000;
/** Pause between two looks for new releases. */
const PACE_MS = 250;
const AFTER_FAULT_MS = 1_000;

const config = readConfig();
const log = createLog(config.logLevel).child({ process: 'worker' });
const address = present(config.redis, 'REDIS_URL');
const redis = connectRedis(address);
const blocking = connectBlocking(address);
redis.on('error', (error: Error) => log.warn({ err: error }, 'redis'));
blocking.on('error', (error: Error) => log.debug({ err: error }, 'redis'));

const metrics = createWorkerMetrics(() => engine.beaconOverdueS());
const engine = createEngine(redis, config, {
  log,
  onBeaconAnswer: (outcome) => metrics.rounds.beaconAnswers.inc({ outcome }),
});
const { host, workerMetricsPort: port } = config;
const monitor = await openMonitor(metrics.registry, { host, port }, log);
const stopping = new AbortController();
onStop(log, async () => {
  stopping.abort();
  await Promise.allSettled([conducting, delivering]);
  await Promise.all([disconnectRedis(redis), disconnectRedis(blocking), monitor?.close()]);
});
const workerId = uuid();
const conducting = conductAll(conductorOf(engine, log), engine, workerId, stopping.signal);
const delivering = deliverAll(engine, config, blocking, stopping.signal);
log.info({ workerId }, 'worker ready');

function conductorOf(engine: Engine, log: Log): Conductor {
  const { stores, releases, outbox, secrets } = engine;
  const notify = createNotifier({ store: stores.rounds, people: stores.people, outbox, secrets });
  return createConductor({
    store: stores.rounds,
    drawing: stores.drawing,
    bookings: stores.bookings,
    releases,
    beaconOf: engine.beaconOf,
    notify,
    log,
    onPhase: (phase, ms) => metrics.rounds.phases.observe({ phase }, ms / 1000),
  });
}

/** Conducts every release in a loop of its own, so that none waits for another's draw or fault. */
async function conductAll(
  conductor: Conductor,
  { releases, stores }: Engine,
  worker: string,
  signal: AbortSignal,
): Promise<void> {
  const loops = new Map<string, Promise<void>>();
  const step = async (release: string): Promise<Step> =>
    (await stores.drawing.lead(release, worker, LEASE_MS))
      ? conductor.step(release)
      : { step: 'WAITING', waitMs: LEASE_MS / 2 };
  const conduct = async (release: string): Promise<void> => {
    while (!signal.aborted) {
      let waitMs = AFTER_FAULT_MS;
      try {
        const taken = await step(release);
        if (taken.step === 'OVER') return;
        if (taken.step === 'PUBLISHED') metrics.rounds.published.inc();
        waitMs = waitAfter(taken);
      } catch (error) {
        log.error({ err: error, release }, 'a round could not be conducted and is tried again');
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
      log.error({ err: error }, 'the releases could not be read');
    }
    await pause(PACE_MS, signal);
  }
  await Promise.all(loops.values());
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

async function deliverAll(
  { outbox, inbox }: Engine,
  { smsDriver, environment }: Config,
  blocking: Redis,
  signal: AbortSignal,
): Promise<void> {
  const driver =
    smsDriver === 'inbox'
      ? inbox.driver
      : consoleDriver((line) => process.stderr.write(`${line}\n`), environment === 'production');
  while (!signal.aborted) {
    try {
      await outbox.deliver(blocking, workerId, driver, signal, (error) =>
        log.warn({ err: error }, 'an SMS was not sent'),
      );
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error }, 'the outbox could not be read');
      await pause(AFTER_FAULT_MS, signal);
    }
  }
}
