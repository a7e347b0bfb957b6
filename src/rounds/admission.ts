/**
 * What every entry goes through, whether somebody puts it by hand or it is carried over from
 * another release: a key to sign its receipt, claims on its people, and the one script that enters.
 */
import { present } from '../lib/assert.ts';
import { isoFromMs } from '../lib/clock.ts';
import type { Secrets } from '../lib/secrets.ts';
import type { Log } from '../log.ts';
import type { Claim, Claims } from '../people/claims.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import type { LotteryManifest } from '../releases/manifest.ts';
import type { Published } from '../releases/service.ts';
import { type Receipts, receiptTerms, type Signer } from './receipts.ts';
import { asLottery, entryIdOf, ineligible, naming, packEntry, sharedCategories } from './rules.ts';
import type { EnterRefusal, EntryToPut } from './store.ts';

const NO_KEY = 'The key that signs the receipts of this release is not configured here.';
/** An operator has to act. */
const NO_KEY_RETRY_S = 30;

export type Terms = { readonly lottery: LotteryManifest; readonly signer: Signer };

/** The people of an entry, the lead first, and what they want, best first. */
export type Admitted = {
  readonly claims: readonly Claim[];
  readonly prefs: readonly number[];
  readonly categories: readonly string[];
};

export type Admission = ReturnType<typeof createAdmission>;

export function createAdmission(parts: {
  claims: Claims;
  secrets: Secrets;
  receipts: Receipts;
  log: Log;
  timeZone: string;
}) {
  const { claims, secrets, receipts, log, timeZone } = parts;
  /** Why some of these people may not have one of these slots; undefined when all may have all. */
  const unfit = (
    found: Published,
    claims: readonly Claim[],
    prefs: readonly number[],
  ): Refusal | undefined => {
    for (const claim of claims) {
      const refusal = ineligible(found, claim, prefs, timeZone);
      if (refusal) return naming(claim.person, refusal);
    }
    return undefined;
  };
  return {
    /** A release that gives seats by lottery, and the key of its receipts. */
    terms({ manifest, hash }: Published): Terms | Refusal {
      const lottery = asLottery(manifest);
      if (isRefusal(lottery)) return lottery;
      const signer = receipts.signerFor(receiptTerms(lottery, hash));
      if (signer) return { lottery, signer };
      log.error({ release: lottery.release, kid: lottery.receipt_key.kid }, NO_KEY);
      return refuse('UNAVAILABLE', { detail: NO_KEY, retryAfterS: NO_KEY_RETRY_S });
    },

    /** A claim for each of these people, or the first refusal. */
    async claimAll(
      account: string,
      release: string,
      people: readonly string[],
    ): Promise<Claim[] | Refusal> {
      const answers = await Promise.all(
        people.map(async (person) => {
          const claim = await claims.claim(account, person, release);
          return isRefusal(claim) ? naming(person, claim) : claim;
        }),
      );
      return answers.find(isRefusal) ?? (answers as Claim[]);
    },

    unfit,

    admit: (
      found: Published,
      claims: readonly Claim[],
      prefs: readonly number[],
    ): Admitted | Refusal =>
      unfit(found, claims, prefs) ?? { claims, prefs, categories: sharedCategories(found, claims) },

    /** The entry as the script takes it. */
    toPut(account: string, release: string, { claims, prefs, categories }: Admitted): EntryToPut {
      const persons = claims.map(({ person }) => person);
      const [id = '', ...others] = persons.map((person) => entryIdOf(secrets, release, person));
      const enterBeforeMs = Math.min(...claims.map((claim) => claim.enterBeforeMs));
      return {
        id,
        packed: packEntry({ persons, prefs, categories }),
        account,
        enterBeforeMs,
        others,
      };
    },
  };
}

/** What the script refused. `persons`: those of the entry. */
export function enterRefusal(reply: EnterRefusal, persons: readonly string[]): Refusal {
  switch (reply.outcome) {
    case 'RELEASE_NOT_OPEN':
      return refuse(reply.outcome, { extra: { opensAt: isoFromMs(reply.opensAtMs) } });
    case 'CLAIM_EXPIRED':
      return refuse('UNAVAILABLE', { retryAfterS: 1 });
    case 'ENTRY_LAPSED':
    case 'IN_ANOTHER_ENTRY':
      return naming(present(persons[reply.person], 'a person'), refuse(reply.outcome));
    default:
      return refuse(reply.outcome);
  }
}
