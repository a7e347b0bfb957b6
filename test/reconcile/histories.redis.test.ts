/**
 * No false alarm, whatever people, operators, workers and centres do. FAIRSLOT_MODEL_SEED and
 * FAIRSLOT_MODEL_PATH replay a failure, FAIRSLOT_MODEL_RUNS plays more.
 */
import { expect, test } from 'vitest';
import { assertProperty } from '../support/property.ts';
import { useRedis } from '../support/redis.ts';
import { beginPlay, evening, type Play, player } from './play.ts';

const it = useRedis(['--appendfsync', 'no']); // nothing outlives this Redis

const LONGEST_MS = 3_000;
const {
  FAIRSLOT_MODEL_RUNS: runs,
  FAIRSLOT_MODEL_SEED: seed,
  FAIRSLOT_MODEL_PATH: path,
} = process.env;
const chosen = {
  ...(runs ? { numRuns: Number(runs) } : { withinMs: LONGEST_MS }),
  ...(seed ? { seed: Number(seed) } : {}),
  ...(path ? { path } : {}),
};

async function findNothing({ engine, releases }: Play): Promise<void> {
  for (const { release } of releases)
    expect(await engine.reconciler.release(release, { verify: true })).toMatchObject({
      isComplete: true,
      findings: [],
    });
}

test('a release that nobody tampered with agrees with itself at any time', async () => {
  await assertProperty(
    evening,
    async (actions) => {
      const play = await beginPlay(it.redis);
      const act = player(play, () => findNothing(play));
      for (const action of actions) await act(action);
      await findNothing(play);
    },
    { numRuns: 60, ...chosen },
  );
}, 600_000);
