/**
 * Erasing an account, or one person of it, with all that is kept of them but what fairness needs:
 * docs/retention.md says what stays, and why. Each step is one tag's and may be done twice; what a
 * process that died has left over is found and done by erasing again.
 */
import { EPOCH_LIFETIME_MS } from '../gates/access-tokens.ts';
import type { Outbox } from '../notify/outbox.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import type { Claims } from './claims.ts';
import { PEOPLE_LIMITS } from './rules.ts';
import type { PeopleStore } from './store.ts';
import { nextDose } from './vaccines.ts';

/** Next doses that people are to be told of. */
export type Reminders = {
  readonly forgetDue: (
    due: readonly { readonly person: string; readonly dose: number; readonly vaccine: string }[],
  ) => Promise<void>;
};

export type ErasureParts = {
  readonly store: PeopleStore;
  readonly claims: Claims;
  readonly outbox: Pick<Outbox, 'forget'>;
  readonly reminders: Reminders;
};

export type Erased = {
  /** UNKNOWN: there was nothing to erase. */
  readonly outcome: 'ERASED' | 'WOULD_ERASE' | 'UNKNOWN';
  /** People who were listed. */
  readonly people: number;
  /** That waited, or were dead letters. */
  readonly sms: number;
};

export type Held = { readonly beneficiary: string; readonly release: string };

const askAgainAfter = (waitMs: number): Refusal =>
  refuse('ACCOUNT_HAS_CLAIMS', {
    retryAfterS: Math.ceil(waitMs / 1000),
    detail: 'Somebody is just being added to it. Who is not listed any more was erased.',
  });

const UNKNOWN: Erased = { outcome: 'UNKNOWN', people: 0, sms: 0 };

/** What keeps an account from being erased: what its people hold. */
async function heldBy(
  { store, claims }: ErasureParts,
  account: string,
  persons: readonly string[],
): Promise<Held[]> {
  const named = await store.claimsOf(persons);
  const held = await Promise.all(
    persons.map(async (beneficiary, index): Promise<Held[]> => {
      const release = named[index];
      if (!release || (await store.accountOfPerson(beneficiary)) !== account) return [];
      const isLive = (await claims.stateOf(release, beneficiary)) === 'LIVE';
      return isLive ? [{ beneficiary, release }] : [];
    }),
  );
  return held.flat();
}

/** The steps for one person. */
function stepsOf({ store, claims, reminders }: ErasureParts) {
  const forgetReminders = async (person: string): Promise<void> => {
    const [doses = []] = await store.dosesOf([person]);
    const due = doses.flatMap((dose) => {
      const next = nextDose(dose);
      return next ? [{ person, dose: next.dose, vaccine: dose.vaccine }] : [];
    });
    if (due.length > 0) await reminders.forgetDue(due);
  };

  /**
   * Doses, missed seats and what an operator attested stay under the keyed hash of the ID
   * (lua/people/unregister).
   */
  const free = async (account: string, person: string): Promise<'FREED' | Refusal> => {
    const freed = await claims.unregister(account, person);
    return isRefusal(freed) ? { ...freed, refused: 'ACCOUNT_HAS_CLAIMS' } : 'FREED';
  };

  /** A request may yet bind somebody whom it has listed. */
  const beingAdded = async (
    account: string,
    persons: readonly string[],
  ): Promise<Refusal | undefined> => {
    const waits = await Promise.all(persons.map((person) => store.addingForMs(account, person)));
    const waitMs = Math.max(0, ...waits);
    return waitMs === 0 ? undefined : askAgainAfter(waitMs);
  };

  /** Off the list last: the list is where erasing again finds whom it had begun with. */
  const eraseAll = async (account: string): Promise<'ERASED' | Refusal> => {
    const listed = Object.entries(await store.beneficiaries(account));
    const refusal = await beingAdded(
      account,
      listed.map(([person]) => person),
    );
    if (refusal) return refusal;
    for (const [person, record] of listed) {
      const freed = await free(account, person);
      if (isRefusal(freed)) return freed;
      await forgetReminders(person);
      await store.removeBeneficiary(account, person, record);
    }
    return 'ERASED';
  };

  /** Off the list first: erasing again finds the account by the person. */
  const eraseFrom = async (account: string, person: string): Promise<'ERASED' | Refusal> => {
    const record = await store.beneficiary(account, person);
    const refusal = await beingAdded(account, [person]);
    if (refusal) return refusal;
    await forgetReminders(person);
    if (record !== null && (await store.removeBeneficiary(account, person, record)) !== 'REMOVED')
      return eraseFrom(account, person);
    const freed = await free(account, person);
    // Somebody has claimed them since they were seen to hold nothing.
    if (isRefusal(freed) && record !== null) await store.keepListed(account, person, record);
    return isRefusal(freed) ? freed : 'ERASED';
  };

  return { eraseAll, eraseFrom };
}

export type Erasure = ReturnType<typeof createErasure>;

export function createErasure(parts: ErasureParts) {
  const { store, outbox } = parts;
  const { eraseAll, eraseFrom } = stepsOf(parts);
  return {
    /**
     * Refused while one of its people has an entry or a booking. `withSms`: false where looking at
     * all SMS that wait would take too long.
     */
    async eraseAccount(
      account: string,
      { dryRun = false, withSms = true } = {},
    ): Promise<Erased | Refusal> {
      const forget = (isDry: boolean) => (withSms ? outbox.forget(account, isDry) : 0);
      const persons = Object.keys(await store.beneficiaries(account));
      const isKnown = persons.length > 0 || (await store.isAccount(account));
      if (!isKnown && (await forget(true)) === 0) return UNKNOWN;
      const held = await heldBy(parts, account, persons);
      if (held.length > 0) return refuse('ACCOUNT_HAS_CLAIMS', { extra: { held } });
      if (dryRun) {
        const sms = await forget(true);
        return { outcome: 'WOULD_ERASE', people: persons.length, sms };
      }
      const erased = await eraseAll(account);
      if (isRefusal(erased)) return erased;
      // While its tokens can still ask again, should this fail.
      const sms = await forget(false);
      // From this step on a request that was under way lists nobody, and finds no mobile.
      if ((await store.eraseAccount(account, EPOCH_LIFETIME_MS)) === 'LISTED')
        return askAgainAfter(PEOPLE_LIMITS.claimLeaseMs);
      return { outcome: 'ERASED', people: persons.length, sms: sms + (await forget(false)) };
    },

    /** One person, whichever account has listed them; the account and its mobile stay. */
    async erasePerson(person: string, { dryRun = false } = {}): Promise<Erased | Refusal> {
      const account = await store.accountOfPerson(person);
      if (account === null) return UNKNOWN;
      const held = await heldBy(parts, account, [person]);
      if (held.length > 0) return refuse('ACCOUNT_HAS_CLAIMS', { extra: { held } });
      if (dryRun) return { outcome: 'WOULD_ERASE', people: 1, sms: 0 };
      const erased = await eraseFrom(account, person);
      return isRefusal(erased) ? erased : { outcome: 'ERASED', people: 1, sms: 0 };
    },
  };
}
