/** Entries that a round is to be measured with, and nothing of the people behind them. */
import type { Progress } from '../../src/progress.ts';
import { present } from '../../src/lib/assert.ts';
import { type Redis, redisNowMs } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import type { Published } from '../../src/releases/service.ts';
import { entryIdOf, packEntry } from '../../src/rounds/rules.ts';
import type { BenchEngine } from './engine.ts';
import { RELEASE, type Wishes } from './pune.ts';

export type Strangers = Pick<BenchEngine, 'engine' | 'redis'> & {
  readonly published: Published;
  readonly wishes: Wishes;
};

/** Entries in one command. */
const BATCH = 1_000;

/** A draw knows no persons and no claims: entries are written to where entering leaves them. */
export async function enterStrangers(
  { engine, redis, published, wishes }: Strangers,
  first: number,
  count: number,
  progress: Progress,
): Promise<void> {
  const phase = progress('entering', count);
  for (let start = first; start < first + count; start += BATCH) {
    const fields: string[] = [];
    for (let index = start; index < Math.min(start + BATCH, first + count); index++) {
      const person = engine.secrets.pseudonym('person', String(index));
      const prefs = wishes(index).map((slot) => present(published.slotNumbers.get(slot), slot));
      const packed = packEntry({ persons: [person], prefs, categories: [] });
      fields.push(entryIdOf(engine.secrets, RELEASE, person), packed);
      phase.advance();
    }
    await redis.hset(keys.entering(RELEASE), ...fields);
  }
  phase.done();
}

/** The time of a round comes at once: a bench need not wait for it. */
export async function makeDue(redis: Redis, round: number): Promise<void> {
  const nowMs = await redisNowMs(redis);
  const closes = round === 0 ? { closes_at_ms: nowMs } : {};
  await redis.hset(keys.release(RELEASE), { ...closes, next_round_at_ms: nowMs });
}
