/** What retention reads and deletes. */
import { KINDS } from '../gates/bots/report.ts';
import { accountIn, EVERY_ACCOUNT, keys } from '../redis/keys.ts';
import { mastersOf, type Redis, redisNowMs } from '../redis/client.ts';

const ACCOUNTS_AT_ONCE = 500;
/** Rounds whose keys go in one command. */
const ROUNDS_AT_ONCE = 100;

/** What is kept of a release for some time only; of these keys there is one each. */
const CLEARED = [
  keys.entering,
  keys.sealed,
  keys.entries,
  keys.accounts,
  keys.members,
  keys.standing,
  keys.carrying,
  keys.withdrawn,
  keys.bookings,
  keys.told,
  keys.displacements,
  keys.visits,
  keys.arrivalTries,
  keys.attended,
  keys.missed,
  keys.happened,
  keys.happenedSealed,
  keys.newIn,
  keys.refusals,
  keys.audit,
] as const;
/** Likewise, one for each round. */
const CLEARED_OF_ROUND = [keys.offers, keys.displaced, keys.results, keys.tree] as const;

export type RetentionStore = ReturnType<typeof createRetentionStore>;

export function createRetentionStore(redis: Redis) {
  return {
    nowMs: () => redisNowMs(redis),

    /** Whether nobody else deletes just now, or has today. */
    takeTurn: async (worker: string, leaseMs: number): Promise<boolean> =>
      (await redis.set(keys.retention(), worker, 'PX', leaseMs, 'NX')) === 'OK',
    /** Nobody is to begin before `forMs` have passed. */
    holdTurn: async (worker: string, forMs: number): Promise<void> => {
      await redis.set(keys.retention(), worker, 'PX', forMs);
    },

    isCleared: async (release: string): Promise<boolean> =>
      (await redis.hexists(keys.release(release), 'cleared_at_ms')) === 1,

    /** Marked last: what a process that died has left is found again. */
    clearRelease: async (release: string, published: number): Promise<void> => {
      const offenders = KINDS.map((kind) => keys.offenders(release, kind));
      await redis.unlink(...CLEARED.map((key) => key(release)), ...offenders);
      for (let from = 0; from <= published; from += ROUNDS_AT_ONCE) {
        const count = Math.min(ROUNDS_AT_ONCE, published + 1 - from);
        const rounds = Array.from({ length: count }, (_one, index) => from + index);
        const ofRounds = CLEARED_OF_ROUND.flatMap((key) =>
          rounds.map((round) => key(release, round)),
        );
        await redis.unlink(...ofRounds);
      }
      await redis.hset(keys.release(release), 'cleared_at_ms', await redisNowMs(redis));
    },

    /** Ids of all accounts, some hundreds at a time; one may come twice. */
    accounts: async function* (): AsyncGenerator<readonly string[], void> {
      for (const node of await mastersOf(redis)) {
        let cursor = '0';
        do {
          const args = [cursor, 'MATCH', EVERY_ACCOUNT, 'COUNT', ACCOUNTS_AT_ONCE] as const;
          const [next, names] = await node.scan(...args);
          yield names.map(accountIn);
          cursor = next;
        } while (cursor !== '0');
      }
    },

    /** When each account signed in last; undefined for what is left of one that was erased. */
    signedInMs: (accounts: readonly string[]): Promise<(number | undefined)[]> =>
      Promise.all(
        accounts.map(async (account) => {
          const at = await redis.hget(keys.account(account), 'signed_in_at_ms');
          return at === null ? undefined : Number(at);
        }),
      ),
  };
}
