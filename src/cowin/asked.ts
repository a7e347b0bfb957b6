/** Where an account has asked already, remembered for a second: clients look again and again. */
import { LRUCache } from 'lru-cache';
import type { RoundService } from '../rounds/service.ts';

export const ASKED_LIMITS = { accounts: 20_000, rememberedMs: 1_000 } as const;

export type Asked = ReturnType<typeof createAsked>;

export function createAsked(rounds: Pick<RoundService, 'askedIn'>) {
  const remembered = new LRUCache<string, ReadonlySet<string>>({
    max: ASKED_LIMITS.accounts,
    ttl: ASKED_LIMITS.rememberedMs,
    fetchMethod: (account) => rounds.askedIn(account),
  });
  return {
    /** Lotteries. */
    in: async (account: string): Promise<ReadonlySet<string>> =>
      (await remembered.fetch(account)) ?? new Set<string>(),
    /** The account has just asked. */
    forget: (account: string): void => void remembered.delete(account),
  };
}
