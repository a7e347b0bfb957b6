/**
 * Whether a Redis is the one that the settings mean. It is looked at once, when a process starts:
 * an engine on the wrong one looks well, and nobody finds what they had.
 */
import { Cluster } from 'ioredis';
import { sleep } from '../lib/clock.ts';
import { markOf, type Secrets } from '../lib/secrets.ts';
import type { Redis } from './client.ts';
import { keys } from './keys.ts';

const LOOK_AGAIN_AFTER_MS = 250;

const OTHER_SECRET =
  'FAIRSLOT_SECRET is not the one that the data in this Redis were made with: nobody would be ' +
  'known again. Set the one of then, or in REDIS_URL the Redis that is meant.';

const CLUSTER = 'REDIS_URL names a node of a Redis Cluster: set REDIS_CLUSTER=true.';
const NO_CLUSTER = 'REDIS_URL names a Redis that is no cluster: set REDIS_CLUSTER=false.';

/** What is wrong, and what to do; undefined for nothing. Rejects while Redis does not answer. */
export type Misfit = () => Promise<string | undefined>;

/**
 * `mark`: of an engine, whose secret is from then on that of a Redis that had none; or only
 * compared; or of no matter, since what Redis holds is replaced. Called as soon as there is a
 * connection, whose first words may be what tells.
 */
export function misfitOf(
  redis: Redis,
  secrets: Secrets,
  { mark }: { readonly mark: 'set' | 'compared' | 'replaced' },
): Misfit {
  let isPlain = false;
  if (redis instanceof Cluster)
    redis.on('error', (error: Error) => {
      isPlain ||= saysNoCluster(error);
    });
  return async () => {
    try {
      if (await isNodeOfCluster(redis)) return CLUSTER;
      return mark !== 'replaced' && (await isOfOther(redis, secrets, mark === 'set'))
        ? OTHER_SECRET
        : undefined;
    } catch (error) {
      if (isPlain) return NO_CLUSTER;
      throw error;
    }
  };
}

/** One that is spoken to alone: most keys would be refused, or not be seen. */
async function isNodeOfCluster(redis: Redis): Promise<boolean> {
  if (!(redis instanceof Cluster))
    return (await redis.info('cluster')).includes('cluster_enabled:1');
  await redis.ping();
  return false;
}

/** ioredis keeps what a node said on the error of all of them. */
const saysNoCluster = (error: Error & { readonly lastNodeError?: Error }): boolean =>
  /cluster support disabled/.test(`${error.message} ${error.lastNodeError?.message}`);

async function isOfOther(redis: Redis, secrets: Secrets, marks: boolean): Promise<boolean> {
  const own = markOf(secrets);
  let held = await redis.get(keys.secretMark());
  if (held === null && marks) {
    await redis.set(keys.secretMark(), own, 'NX'); // another process may have been faster
    held = await redis.get(keys.secretMark());
  }
  return held !== null && held !== own;
}

/**
 * Calls `end` for what is wrong. Done when Redis was looked at, or does not answer: then it is
 * looked at as soon as it does.
 */
export async function watchFit(
  redis: Redis,
  misfit: Misfit,
  end: (problem: string) => void,
): Promise<void> {
  const look = async (): Promise<boolean> => {
    try {
      const problem = await misfit();
      if (problem !== undefined) end(problem);
      return true;
    } catch {
      return redis.status === 'end';
    }
  };
  const lookUntilSeen = async (): Promise<void> => {
    while (!(await look())) await sleep(LOOK_AGAIN_AFTER_MS);
  };
  if (!(await look())) void lookUntilSeen();
}
