/**
 * Whether an access token was revoked. Whoever signs out everywhere raises their account's epoch,
 * which a request with a token reads in the pipeline of the limits: so it costs no round trip, and
 * a revocation holds from the next request on, everywhere. Only what is limited in memory
 * (IN_MEMORY in limit-table.ts) asks Redis nothing, and not this either. The epoch is read where
 * the account is: a shard that is away keeps out those whose account is on it, and nobody else.
 */
import { LRUCache } from 'lru-cache';
import { monotonicMs } from '../lib/clock.ts';
import { together } from '../lib/together.ts';
import type { Redis } from '../redis/client.ts';
import { keys } from '../redis/keys.ts';
import type { Proved } from './access-tokens.ts';

export type Revocations = {
  /** Whether this grant was not revoked. Rejects while Redis is away: nobody is let in unasked. */
  readonly stands: (grant: Proved) => Promise<boolean>;
  /**
   * What Redis said of this grant within the last seconds; undefined where it was not asked. False
   * is as good as an answer, since an epoch that was left does not come back within them. True is
   * not: it only tells that no revocation is older than that.
   */
  readonly lately: (grant: Proved) => boolean | undefined;
};

/**
 * So long after a revocation a process may still take a token for a good one where it need not be
 * sure. An account that is erased keeps its epoch for longer than this and its tokens' lifetime.
 */
const REMEMBERED_MS = 10_000;
/** Grants that are remembered: as many as ask a process in that time, 10 MB of them at most. */
const GRANTS_KEPT = 50_000;

/** `now`: any clock in milliseconds; tests move it. */
export function createRevocations(redis: Redis, now: () => number = monotonicMs): Revocations {
  const heard = new LRUCache<string, boolean>({
    max: GRANTS_KEPT,
    ttl: REMEMBERED_MS,
    ttlResolution: 0,
    perf: { now },
  });
  const nameOf = ({ account, epoch }: Proved): string => `${account} ${epoch}`;
  const epochOf = together(
    (account) =>
      new Promise<number>((resolve, reject) => {
        // Leaves with the limits' counters, which wait for the end of the turn too (counters.ts).
        setImmediate(() => {
          redis
            .hget(keys.account(account), 'epoch')
            .then((epoch) => resolve(Number(epoch)), reject);
        });
      }),
  );
  // Not `>=`: a Redis that lost its last writes knows an earlier epoch, and whoever is ahead of it
  // would stand whatever is revoked from then on.
  const stands = async (grant: Proved): Promise<boolean> => {
    const isCurrent = grant.epoch === (await epochOf(grant.account));
    heard.set(nameOf(grant), isCurrent);
    return isCurrent;
  };
  return { stands, lately: (grant) => heard.get(nameOf(grant)) };
}
