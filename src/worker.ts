/** The worker's door: conducts the rounds of every release it leads, and delivers SMS. */
import { v7 as uuid } from 'uuid';
import { readConfig, type Config } from './config.ts';
import { createEngine, type Engine } from './engine.ts';
import { sleep } from './lib/clock.ts';
import { present } from './lib/assert.ts';
import { createLog, type Log } from './log.ts';
import { consoleDriver } from './notify/drivers.ts';
import { connectBlocking, connectRedis, disconnectRedis, type Redis } from './redis/client.ts';
import { createHashChain, hashChainBeacon, type Beacon } from './rounds/beacon.ts';
import { createConductor, type Conductor } from './rounds/conduct.ts';
import { createNotifier } from './rounds/notify.ts';
import { hashChainSecret } from './releases/service.ts';
import type { LotteryManifest } from './releases/manifest.ts';
import { onStop } from './stop.ts';

/** A worker that dies is replaced after at most this long. */
const LEASE_MS = 10_000;
/** Longest pause between two looks at the releases. */
const PACE_MS = 250;
const AFTER_FAULT_MS = 1_000;

const config = readConfig();
const log = createLog(config.logLevel).child({ process: 'worker' });
const address = present(config.redis, 'REDIS_URL');
const redis = connectRedis(address);
const blocking = connectBlocking(address);
redis.on('error', (error: Error) => log.warn({ err: error }, 'redis'));
blocking.on('error', (error: Error) => log.debug({ err: error }, 'redis'));

const engine = createEngine(redis, config);
const stopping = new AbortController();
onStop(log, async () => {
  stopping.abort();
  await Promise.allSettled([conducting, delivering]);
  await Promise.all([disconnectRedis(redis), disconnectRedis(blocking)]);
});
const workerId = uuid();
const conducting = conductAll(conductorOf(engine, log), engine, workerId, stopping.signal);
const delivering = deliverAll(engine, config, blocking, stopping.signal);
log.info({ workerId }, 'worker ready');

function conductorOf({ stores, releases, outbox, secrets }: Engine, log: Log): Conductor {
  const beacons = new Map<string, Beacon>();
  const beaconOf = ({ release, beacon }: LotteryManifest): Beacon => {
    const known =
      beacons.get(release) ??
      hashChainBeacon(createHashChain(hashChainSecret(secrets, release), beacon.length));
    beacons.set(release, known);
    return known;
  };
  const notify = createNotifier({ store: stores.rounds, people: stores.people, outbox, secrets });
  return createConductor({
    store: stores.rounds,
    drawing: stores.drawing,
    bookings: stores.bookings,
    releases,
    beaconOf,
    notify,
    log,
  });
}

/**
 * Looks at every release in turn until told to stop. A fault in one does not hold up the others.
 */
async function conductAll(
  conductor: Conductor,
  { releases, stores }: Engine,
  worker: string,
  signal: AbortSignal,
): Promise<void> {
  const over = new Set<string>();
  const look = async (release: string): Promise<number> => {
    if (over.has(release) || signal.aborted) return PACE_MS;
    if (!(await stores.drawing.lead(release, worker, LEASE_MS))) return PACE_MS;
    const outcome = await conductor.step(release);
    if (outcome.step === 'OVER') over.add(release);
    return outcome.step === 'WAITING' ? Math.max(1, outcome.waitMs) : PACE_MS;
  };
  while (!signal.aborted) {
    let waitMs = PACE_MS;
    const listed = await releases.listed().catch((error: unknown) => {
      log.error({ err: error }, 'the releases could not be read');
      return [];
    });
    for (const release of listed) {
      try {
        waitMs = Math.min(waitMs, await look(release));
      } catch (error) {
        log.error({ err: error, release }, 'a round could not be conducted and is tried again');
      }
    }
    await sleep(waitMs);
  }
}

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
      await sleep(AFTER_FAULT_MS);
    }
  }
}
