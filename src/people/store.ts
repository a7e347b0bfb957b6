import { keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import type { Language } from '../notify/messages.ts';
import { oneOf, replyWord, script, unexpectedReply } from '../redis/script.ts';
import { attendanceStore, categoriesIn } from './attendance-store.ts';
import { CLAIM_FIELD, type PackedClaim, unpackClaim } from './claim-field.ts';
import { languageOf, signInStore } from './sign-in-store.ts';
import { type Dose, unpackDoses } from './vaccines.ts';

/** A claim that is in the way, and the time by Redis's clock. */
export type HeldClaim = PackedClaim & { readonly nowMs: number };

export type ClaimReply =
  | { outcome: 'NOT_YOURS' }
  | {
      outcome: 'CLAIMED';
      claimedAtMs: number;
      birthYear: number;
      idType: string;
      categories: string[];
      doses: Dose[];
    }
  | { outcome: 'COOLING_DOWN'; untilMs: number }
  | ({ outcome: 'CLAIMED_ELSEWHERE' } & HeldClaim);

export type UnregisterReply =
  | { outcome: 'UNREGISTERED' | 'NOT_YOURS' }
  | ({ outcome: 'CLAIMED' } & HeldClaim);

export type RegisterReply =
  | { outcome: 'REGISTERED' | 'TOO_LATE' }
  | { outcome: 'TAKEN'; account: string; registeredAtMs: number; nowMs: number }
  | ({ outcome: 'CLAIMED' } & HeldClaim);

export type AddBeneficiaryReply =
  | { outcome: 'ERASED' | 'TOO_MANY' }
  /** `record`: what the list holds of the person now. */
  | { outcome: 'LISTED'; listedAtMs: number; record: string };

export type Contact = { account: string; mobile: string; language: Language };

/** Whose registration is taken over: an account that was seen not to list the person. */
export type Abandoned = {
  readonly account: string;
  readonly registeredAtMs: number;
  readonly stale?: PackedClaim;
};

const heldClaim = (fields: readonly unknown[]): HeldClaim => {
  const [release, claimedAtMs, nowMs] = fields as [string, number, number];
  return { release, claimedAtMs, nowMs };
};

/** A claim that was seen to be over, as the scripts below take it. */
const staleArgs = (stale: PackedClaim | undefined) => ({
  stale_claim: stale?.release ?? '',
  stale_claimed_at_ms: stale?.claimedAtMs ?? '',
});

const claimScript = script({
  file: 'people/claim',
  keys: ['person'],
  args: ['account', 'release', 'stale_claim', 'stale_claimed_at_ms'],
  reply: (raw): ClaimReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'NOT_YOURS') return { outcome: word };
    if (word === 'CLAIMED') {
      const [claimedAtMs, birthYear, idType, categories, doses] = fields as [
        number,
        number,
        string,
        string,
        string | undefined,
      ];
      const facts = { categories: categoriesIn(categories), doses: unpackDoses(doses ?? '') };
      return { outcome: word, claimedAtMs, birthYear, idType, ...facts };
    }
    if (word === 'COOLING_DOWN') return { outcome: word, untilMs: Number(fields[0]) };
    if (word !== 'CLAIMED_ELSEWHERE') throw unexpectedReply('people/claim', word);
    return { outcome: word, ...heldClaim(fields) };
  },
});

const registerScript = script({
  file: 'people/register',
  keys: ['person'],
  args: [
    'account',
    'id_type',
    'birth_year',
    'bind_before_ms',
    'abandoned_account',
    'abandoned_at_ms',
    'stale_claim',
    'stale_claimed_at_ms',
  ],
  reply: (raw): RegisterReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'REGISTERED' || word === 'TOO_LATE') return { outcome: word };
    if (word === 'CLAIMED') return { outcome: word, ...heldClaim(fields) };
    if (word !== 'TAKEN') throw unexpectedReply('people/register', word);
    const [account, registeredAtMs, nowMs] = fields as [string, number, number];
    return { outcome: word, account, registeredAtMs, nowMs };
  },
});

const unregisterScript = script({
  file: 'people/unregister',
  keys: ['person'],
  args: ['account', 'stale_claim', 'stale_claimed_at_ms'],
  reply: (raw): UnregisterReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'UNREGISTERED' || word === 'NOT_YOURS') return { outcome: word };
    if (word !== 'CLAIMED') throw unexpectedReply('people/unregister', word);
    return { outcome: word, ...heldClaim(fields) };
  },
});

const addBeneficiaryScript = script({
  file: 'people/add-beneficiary',
  keys: ['account', 'beneficiaries', 'adding'],
  args: ['person', 'record', 'limit', 'request', 'lease_ms'],
  reply: (raw): AddBeneficiaryReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'ERASED' || word === 'TOO_MANY') return { outcome: word };
    if (word !== 'LISTED') throw unexpectedReply('people/add-beneficiary', word);
    const [listedAtMs, record] = fields as [number, string];
    return { outcome: word, listedAtMs, record };
  },
});

const keepBeneficiaryScript = script({
  file: 'people/keep-beneficiary',
  keys: ['beneficiaries', 'adding'],
  args: ['person', 'record', 'request'],
  reply: oneOf('people/keep-beneficiary', ['KEPT', 'REMOVED']),
});

const dropBeneficiaryScript = script({
  file: 'people/drop-beneficiary',
  keys: ['beneficiaries', 'adding'],
  args: ['person', 'record', 'request'],
  reply: oneOf('people/drop-beneficiary', ['DROPPED', 'LEFT']),
});

const removeBeneficiaryScript = script({
  file: 'people/remove-beneficiary',
  keys: ['beneficiaries'],
  args: ['person', 'record'],
  reply: oneOf('people/remove-beneficiary', ['REMOVED', 'LISTED_ANEW']),
});

const eraseAccountScript = script({
  file: 'people/erase-account',
  keys: ['account', 'beneficiaries', 'familiar', 'image_captcha', 'inbox'],
  args: ['epoch_lifetime_ms'],
  reply: oneOf('people/erase-account', ['ERASED', 'LISTED']),
});

export type PeopleStore = ReturnType<typeof createPeopleStore>;

export function createPeopleStore(redis: Redis) {
  return {
    ...personStore(redis),
    ...attendanceStore(redis),
    ...listStore(redis),
    ...accountStore(redis),
    ...signInStore(redis),
  };
}

function personStore(redis: Redis) {
  return {
    claim: (
      person: string,
      account: string,
      release: string,
      stale?: PackedClaim,
    ): Promise<ClaimReply> =>
      claimScript(
        redis,
        { person: keys.person(person) },
        {
          account,
          release,
          ...staleArgs(stale),
        },
      ),

    /** `bindBeforeMs`: for so long the account is sure to list the person. */
    register: (
      person: string,
      account: string,
      facts: { idType: string; birthYear: number; bindBeforeMs: number },
      abandoned?: Abandoned,
    ): Promise<RegisterReply> =>
      registerScript(
        redis,
        { person: keys.person(person) },
        {
          account,
          id_type: facts.idType,
          birth_year: facts.birthYear,
          bind_before_ms: facts.bindBeforeMs,
          abandoned_account: abandoned?.account ?? '',
          abandoned_at_ms: abandoned?.registeredAtMs ?? '',
          ...staleArgs(abandoned?.stale),
        },
      ),

    unregister: (person: string, account: string, stale?: PackedClaim): Promise<UnregisterReply> =>
      unregisterScript(
        redis,
        { person: keys.person(person) },
        {
          account,
          ...staleArgs(stale),
        },
      ),

    /** Replaces the categories of a person, registered or not. Ascending; none for none. */
    attest: async (person: string, categories: readonly string[]): Promise<void> => {
      if (categories.length === 0) await redis.hdel(keys.person(person), 'categories');
      else await redis.hset(keys.person(person), 'categories', categories.join(','));
    },

    /** The release that each person's claim names, or null. */
    claimsOf: (persons: readonly string[]): Promise<(string | null)[]> =>
      Promise.all(
        persons.map(async (person) => {
          const packed = await redis.hget(keys.person(person), CLAIM_FIELD);
          return unpackClaim(packed)?.release ?? null;
        }),
      ),
  };
}

const listKeys = (account: string, person: string) => ({
  beneficiaries: keys.beneficiaries(account),
  adding: keys.adding(account, person),
});

/** The list of an account: whom it has registered. */
function listStore(redis: Redis) {
  return {
    /**
     * Before the person is bound. `record`: encrypted. `request`: names this adding until it is
     * over, by `keepBeneficiary` or `dropBeneficiary`, or `leaseMs` have passed.
     */
    addBeneficiary: (
      account: string,
      person: string,
      record: string,
      { limit, request, leaseMs }: { limit: number; request: string; leaseMs: number },
    ): Promise<AddBeneficiaryReply> =>
      addBeneficiaryScript(
        redis,
        { account: keys.account(account), ...listKeys(account, person) },
        { person, record, limit, request, lease_ms: leaseMs },
      ),

    /** Once the person is bound. `record`: encrypted anew. */
    keepBeneficiary: (
      account: string,
      person: string,
      record: string,
      request: string,
    ): Promise<'KEPT' | 'REMOVED'> =>
      keepBeneficiaryScript(redis, listKeys(account, person), { person, record, request }),

    /** Where the person is bound to another account. `record`: as `addBeneficiary` said. */
    dropBeneficiary: (
      account: string,
      person: string,
      record: string,
      request: string,
    ): Promise<'DROPPED' | 'LEFT'> =>
      dropBeneficiaryScript(redis, listKeys(account, person), { person, record, request }),

    /**
     * `record`: as it was read, before it was seen that nobody is adding the person; each listing
     * has another, since it is encrypted.
     */
    removeBeneficiary: (
      account: string,
      person: string,
      record: string,
    ): Promise<'REMOVED' | 'LISTED_ANEW'> =>
      removeBeneficiaryScript(
        redis,
        { beneficiaries: keys.beneficiaries(account) },
        { person, record },
      ),

    /** For how long a request may yet bind a person whom it has listed; 0 for none. */
    addingForMs: async (account: string, person: string): Promise<number> =>
      Math.max(0, await redis.pttl(keys.adding(account, person))),

    /** Whoever is bound to an account and holds something stays on its list, over its limit too. */
    keepListed: async (account: string, person: string, record: string): Promise<void> => {
      await redis.hset(keys.beneficiaries(account), person, record);
    },

    /** What an account wrote down of a person, encrypted; null where it does not list them. */
    beneficiary: (account: string, person: string): Promise<string | null> =>
      redis.hget(keys.beneficiaries(account), person),

    listsBeneficiary: async (account: string, person: string): Promise<boolean> =>
      (await redis.hexists(keys.beneficiaries(account), person)) === 1,

    /** Person -> encrypted record. */
    beneficiaries: (account: string): Promise<Record<string, string>> =>
      redis.hgetall(keys.beneficiaries(account)),

    /**
     * The people that an account lists and that are registered to it. A request that died can leave
     * a person listed who is not registered, or is registered to another account.
     */
    persons: async (account: string): Promise<string[]> => {
      const listed = await redis.hkeys(keys.beneficiaries(account));
      const holders = await Promise.all(
        listed.map((person) => redis.hget(keys.person(person), 'account')),
      );
      return listed.filter((_person, index) => holders[index] === account);
    },
  };
}

function accountStore(redis: Redis) {
  const contactOf = async (account: string): Promise<Contact | null> => {
    const [mobile, chosen] = await redis.hmget(keys.account(account), 'mobile', 'language');
    return mobile ? { account, mobile, language: languageOf(chosen) } : null;
  };
  return {
    /** The account that a person is registered to; null for none. */
    accountOfPerson: (person: string): Promise<string | null> =>
      redis.hget(keys.person(person), 'account'),

    /** Whether an account has ever signed in, and was not erased since. */
    isAccount: async (account: string): Promise<boolean> =>
      (await redis.hexists(keys.account(account), 'mobile')) === 1,

    /**
     * Ends its access tokens, too; `epochLifetimeMs`: for how long they may live. LISTED: it still
     * lists people.
     */
    eraseAccount: (account: string, epochLifetimeMs: number): Promise<'ERASED' | 'LISTED'> =>
      eraseAccountScript(
        redis,
        {
          account: keys.account(account),
          beneficiaries: keys.beneficiaries(account),
          familiar: keys.familiar(account),
          image_captcha: keys.imageCaptcha(account),
          inbox: keys.inbox(account),
        },
        { epoch_lifetime_ms: epochLifetimeMs },
      ),

    /** How to reach each person's account, its mobile encrypted; null for who is not registered. */
    contactsOf: (persons: readonly string[]): Promise<(Contact | null)[]> =>
      Promise.all(
        persons.map(async (person) => {
          const account = await redis.hget(keys.person(person), 'account');
          return account ? contactOf(account) : null;
        }),
      ),

    /** The same of an account; null for one that is gone. */
    contactOf,
  };
}
