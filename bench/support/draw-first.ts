/** Round 0 of the release of the bench, by the worker's own code and in this process. */
import { assert } from '../../src/lib/assert.ts';
import { monotonicMs } from '../../src/lib/clock.ts';
import { createLog } from '../../src/log.ts';
import { createDrawing } from '../../src/rounds/drawing.ts';
import type { BenchEngine } from './engine.ts';
import { granted, RELEASE } from './pune.ts';
import { makeDue } from './strangers.ts';

/** Milliseconds from the cut to published. `drawing`: its store. */
export async function drawFirst(
  { engine, redis }: Pick<BenchEngine, 'engine' | 'redis'>,
  drawing = engine.stores.drawing,
): Promise<number> {
  const { stores, releases, beaconOf } = engine;
  await makeDue(redis, 0);
  const { manifest } = granted(await releases.published(RELEASE));
  assert(manifest.mode === 'lottery', 'the release has rounds');
  const log = createLog('silent');
  const drawer = createDrawing({ store: stores.rounds, drawing, beaconOf, log });
  const startedMs = monotonicMs();
  const cut = await drawing.cut(RELEASE);
  assert(cut.outcome === 'DRAWING', 'the round is due');
  const { step } = await drawer.step(manifest, cut);
  assert(step === 'PUBLISHED', 'the round is published');
  return monotonicMs() - startedMs;
}
