/** What an entry costs in Redis, claim and audit included. */
import type { Progress } from '../src/demo/progress.ts';
import { present } from '../src/lib/assert.ts';
import { keys } from '../src/redis/keys.ts';
import type { Redis } from '../src/redis/client.ts';
import { type BenchEngine, withEngine } from './support/engine.ts';
import { enterAll, openRelease, registerCitizens } from './support/pune.ts';

const GOAL_BYTES = 400;
const RELEASE = 'pune';

export const memory = ({ entries }: { readonly entries: number }, progress: Progress) =>
  withEngine(async ({ engine, redis }: BenchEngine) => {
    const published = await openRelease(engine, RELEASE, entries);
    const emptyBytes = await usedBytes(redis);
    const citizens = await registerCitizens(engine, entries, progress);
    const registeredBytes = await usedBytes(redis);
    await enterAll(engine, published, citizens, progress);
    const bytes = ((await usedBytes(redis)) - registeredBytes) / entries;
    const person = present(citizens[0], 'a citizen');
    const perEntry = async (key: string): Promise<number> =>
      Math.round((await sizeOf(redis, key)) / entries);
    return {
      entries,
      bytesPerEntry: Math.round(bytes),
      goal: GOAL_BYTES,
      met: bytes <= GOAL_BYTES,
      /** By MEMORY USAGE, which leaves out what Redis's key table adds. */
      of: {
        entering: await perEntry(keys.entering(RELEASE)),
        accounts: await perEntry(keys.accounts(RELEASE)),
        audit: await perEntry(keys.audit(RELEASE)),
        claim:
          Math.round(bytes) -
          (await perEntry(keys.entering(RELEASE))) -
          (await perEntry(keys.accounts(RELEASE))) -
          (await perEntry(keys.audit(RELEASE))),
      },
      bytesPerPersonRegistered: Math.round((registeredBytes - emptyBytes) / entries),
      personBytes: await sizeOf(redis, keys.person(person.person)),
      accountBytes: await sizeOf(redis, keys.beneficiaries(person.account)),
    };
  });

const sizeOf = async (redis: Redis, key: string): Promise<number> =>
  present(await redis.memory('USAGE', key, 'SAMPLES', 1_000), `memory of ${key}`);

async function usedBytes(redis: Redis): Promise<number> {
  await redis.memory('PURGE');
  const info = await redis.info('memory');
  return Number(present(/^used_memory:(\d+)/m.exec(info)?.[1], 'used_memory'));
}
