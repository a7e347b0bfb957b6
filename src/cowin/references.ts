/** From the references that a client knows people by to our ids of them. */
import { LRUCache } from 'lru-cache';
import type { Secrets } from '../lib/secrets.ts';
import type { PeopleStore } from '../people/store.ts';
import { refuse, type Refusal } from '../refusal.ts';
import { referenceOf } from './ids.ts';

export const REFERENCE_LIMITS = {
  /** Accounts whose people a process remembers, so that asking again asks Redis nothing of them. */
  accounts: 50_000,
  rememberedMs: 60_000,
} as const;

export type References = ReturnType<typeof createReferences>;

export function createReferences(people: Pick<PeopleStore, 'persons'>, secrets: Secrets) {
  const { accounts, rememberedMs } = REFERENCE_LIMITS;
  const kept = new LRUCache<string, ReadonlyMap<string, string>>({
    max: accounts,
    ttl: rememberedMs,
  });

  const read = async (account: string): Promise<ReadonlyMap<string, string>> => {
    const persons = await people.persons(account);
    const found = new Map(persons.map((person) => [referenceOf(secrets, person), person]));
    kept.set(account, found);
    return found;
  };

  return {
    /** Somebody was removed. */
    forget: (account: string): void => void kept.delete(account),

    /**
     * Those people of an account, or a refusal where one is not its own. Somebody who is removed in
     * another process is known for a minute more: nothing can be changed for them, since that asks
     * for a claim, but it can be learnt that they have an entry.
     */
    personsOf: async (
      account: string,
      references: readonly string[],
    ): Promise<string[] | Refusal> => {
      const isKnown = (map: ReadonlyMap<string, string> | undefined): boolean =>
        references.every((reference) => map?.has(reference) ?? false);
      const remembered = kept.get(account);
      const map = remembered && isKnown(remembered) ? remembered : await read(account);
      if (!isKnown(map)) return refuse('BENEFICIARY_UNKNOWN');
      return references.map((reference) => map.get(reference) ?? '');
    },
  };
}
