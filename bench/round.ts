/**
 * A round as a worker conducts it: cut, sealed, drawn, staged, published; then downloaded and
 * verified as a stranger would.
 */
import { Readable } from 'node:stream';
import type { Progress } from '../src/demo/progress.ts';
import type { Engine } from '../src/engine.ts';
import { assert, present } from '../src/lib/assert.ts';
import { monotonicMs } from '../src/lib/clock.ts';
import { createLog } from '../src/log.ts';
import { keys } from '../src/redis/keys.ts';
import { type Redis, redisNowMs } from '../src/redis/client.ts';
import { type Published } from '../src/releases/service.ts';
import { createConductor } from '../src/rounds/conduct.ts';
import type { DrawingStore } from '../src/rounds/drawing-store.ts';
import { entryIdOf, packEntry } from '../src/rounds/rules.ts';
import { verifyChain } from '../src/rounds/verify.ts';
import { type BenchEngine, SECRET, withEngine } from './support/engine.ts';
import { startServer } from './support/processes.ts';
import { inBatches, openRelease, RELEASE, wishesFor } from './support/pune.ts';

const GOAL_MS = 10_000;

export const round = ({ entries }: { readonly entries: number }, progress: Progress) =>
  withEngine(async (bench) => {
    const { engine, redis } = bench;
    await enterStrangers(engine, await openRelease(engine, RELEASE, entries), entries, progress);
    await closeNow(redis);
    const { digest, served, phases: conducted } = await conduct(engine);
    const checked = await check(bench, digest);
    const phases = { ...conducted, ...checked.phases };
    const totalMs = Object.values(phases).reduce((sum, phaseMs) => sum + phaseMs, 0);
    return {
      totalMs,
      goal: GOAL_MS,
      met: totalMs <= GOAL_MS,
      phases,
      entries,
      served,
      transcriptBytes: checked.bytes,
      rssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
    };
  });

/** Straight through the script that takes entries: a draw knows no persons, so none registers. */
async function enterStrangers(
  { stores, secrets }: Engine,
  published: Published,
  entries: number,
  progress: Progress,
): Promise<void> {
  const wishes = wishesFor(published);
  const phase = progress('entering', entries);
  await inBatches(entries, async (index) => {
    const person = secrets.pseudonym('person', String(index));
    const prefs = wishes(index).map((slot) => present(published.slotNumbers.get(slot), slot));
    const { outcome } = await stores.rounds.enter(RELEASE, {
      id: entryIdOf(secrets, RELEASE, person),
      packed: packEntry({ persons: [person], prefs, categories: [] }),
      account: person,
      enterBeforeMs: Number.MAX_SAFE_INTEGER,
    });
    assert(outcome === 'ENTERED', `an entry was refused: ${outcome}`);
    phase.advance();
  });
  phase.done();
}

/** Closing time comes at once: a bench need not wait for it. */
async function closeNow(redis: Redis): Promise<void> {
  const nowMs = await redisNowMs(redis);
  const times = { closes_at_ms: nowMs, next_round_at_ms: nowMs };
  await redis.hset(keys.release(RELEASE), times);
}

async function conduct({ stores, releases, beaconOf }: Engine) {
  const firstCallMs = new Map<string | symbol, number>();
  const drawing = new Proxy(stores.drawing, {
    get: (store, name: keyof DrawingStore) => {
      if (!firstCallMs.has(name)) firstCallMs.set(name, monotonicMs());
      return store[name];
    },
  });
  const conductor = createConductor({
    store: stores.rounds,
    drawing,
    bookings: stores.bookings,
    releases,
    beaconOf,
    notify: async () => undefined,
    log: createLog('silent'),
  });
  const step = await conductor.step(RELEASE);
  const endedMs = monotonicMs();
  assert(step.step === 'PUBLISHED', 'the round was not published');
  const at = (name: keyof DrawingStore): number => present(firstCallMs.get(name), name);
  const between = (startMs: number, endMs: number): number => Math.round(endMs - startMs);
  return {
    digest: step.digest,
    served: (await stores.rounds.openOffers(RELEASE, 0)).length,
    phases: {
      /** Reads the list, hashes its leaves and its root. */
      sealMs: between(at('cut'), at('writeSeal')),
      /** Draws, and writes the compressed transcript. */
      drawMs: between(at('writeSeal'), at('stageBookings')),
      stageMs: between(at('stageBookings'), at('publish')),
      publishMs: between(at('publish'), endedMs),
    },
  };
}

/** Downloads the transcript from the server and recomputes the round. */
async function check({ server: redis }: BenchEngine, digest: string) {
  const server = await startServer('src/server.ts', {
    REDIS_URL: redis.address.url,
    FAIRSLOT_SECRET: SECRET,
    FAIRSLOT_OPERATOR_KEY: SECRET,
  });
  try {
    const startedMs = monotonicMs();
    const response = await fetch(`${server.url}/v1/releases/${RELEASE}/rounds/0/transcript`);
    assert(response.ok, `the transcript was not there: ${response.status}`);
    const transcript = Buffer.from(await response.arrayBuffer());
    const downloadedMs = monotonicMs();
    const files = [{ name: 'round 0', open: () => Readable.from([transcript]) }];
    const report = await verifyChain(files, { digest });
    assert(report.accepted, 'the transcript was refused');
    const verifiedMs = monotonicMs();
    return {
      bytes: transcript.length,
      phases: {
        downloadMs: Math.round(downloadedMs - startedMs),
        verifyMs: Math.round(verifiedMs - downloadedMs),
      },
    };
  } finally {
    await server.stop();
  }
}
