/**
 * A round as a worker conducts it: sealed, drawn, written, published; then verified as a stranger
 * would.
 */
import type { Progress } from '../src/demo/progress.ts';
import { assert } from '../src/lib/assert.ts';
import { monotonicMs } from '../src/lib/clock.ts';
import { createLog } from '../src/log.ts';
import { keys } from '../src/redis/keys.ts';
import { redisNowMs } from '../src/redis/client.ts';
import { hashChainSecret } from '../src/releases/service.ts';
import { createHashChain, hashChainBeacon } from '../src/rounds/beacon.ts';
import { createConductor } from '../src/rounds/conduct.ts';
import { verifyChain } from '../src/rounds/verify.ts';
import { type BenchEngine, withEngine } from './support/engine.ts';
import { enterAll, granted, openRelease, registerCitizens } from './support/pune.ts';

const GOAL_MS = 10_000;
const RELEASE = 'pune';

export const round = ({ entries }: { readonly entries: number }, progress: Progress) =>
  withEngine(async ({ engine, redis }: BenchEngine) => {
    const published = await openRelease(engine, RELEASE, entries);
    const citizens = await registerCitizens(engine, entries, progress);
    await enterAll(engine, published, citizens, progress);
    // Closing time comes at once: a bench need not wait for it.
    const closesAtMs = await redisNowMs(redis);
    await redis.hset(
      keys.release(RELEASE),
      'closes_at_ms',
      closesAtMs,
      'next_round_at_ms',
      closesAtMs,
    );

    const startedMs = monotonicMs();
    const step = await conductorOf(engine).step(RELEASE);
    const publishedMs = monotonicMs();
    assert(step.step === 'PUBLISHED', 'the round was not published');
    const report = await verifyChain(
      [{ name: 'round 0', bytes: granted(await engine.rounds.transcript(RELEASE, 0)) }],
      { digest: step.digest },
    );
    const verifiedMs = monotonicMs();
    assert(report.accepted, 'the transcript was refused');
    const totalMs = Math.round(verifiedMs - startedMs);
    return {
      entries,
      totalMs,
      goal: GOAL_MS,
      met: totalMs <= GOAL_MS,
      phases: {
        publishMs: Math.round(publishedMs - startedMs),
        verifyMs: Math.round(verifiedMs - publishedMs),
      },
      transcriptBytes: await transcriptBytes({ engine }),
      rssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
    };
  });

function conductorOf(engine: BenchEngine['engine']) {
  const { stores, releases, secrets } = engine;
  return createConductor({
    store: stores.rounds,
    drawing: stores.drawing,
    bookings: stores.bookings,
    releases,
    beaconOf: ({ release, beacon }) =>
      hashChainBeacon(createHashChain(hashChainSecret(secrets, release), beacon.length)),
    notify: async () => undefined,
    log: createLog('silent'),
  });
}

async function transcriptBytes({ engine }: Pick<BenchEngine, 'engine'>): Promise<number> {
  let bytes = 0;
  for await (const chunk of granted(await engine.rounds.transcript(RELEASE, 0)))
    bytes += chunk.length;
  return bytes;
}
