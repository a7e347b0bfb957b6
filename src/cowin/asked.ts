/** Where an account has asked already, remembered for a second: clients look again and again. */
import { LRUCache } from 'lru-cache';
import type { RoundService, WhereAsked } from '../rounds/service.ts';

const NOWHERE: WhereAsked = { lotteries: new Set(), allBound: false };

export const ASKED_LIMITS = { accounts: 20_000, rememberedMs: 1_000 } as const;

export type Asked = ReturnType<typeof createAsked>;

export function createAsked(rounds: Pick<RoundService, 'askedIn'>) {
  const remembered = new LRUCache<string, WhereAsked>({
    max: ASKED_LIMITS.accounts,
    ttl: ASKED_LIMITS.rememberedMs,
    // Forgotten while it is being read, it still answers who waits for it.
    ignoreFetchAbort: true,
    noDeleteOnFetchRejection: true,
    allowStaleOnFetchRejection: true,
    fetchMethod: (account) => rounds.askedIn(account),
  });
  return {
    in: async (account: string): Promise<WhereAsked> =>
      // While Redis is away, what was known last, or what anyone is shown.
      (await remembered.fetch(account).catch(() => undefined)) ?? NOWHERE,
    /** The account has just asked. */
    forget: (account: string): void => void remembered.delete(account),
  };
}
