import { keys } from '../redis/keys.ts';
import { type Redis, redisNowMs } from '../redis/client.ts';
import { type Language, LANGUAGES } from '../notify/messages.ts';
import { oneOf, replyWord, script, unexpectedReply } from '../redis/script.ts';
import type { OTP_TERMS } from './rules.ts';
import { attendanceStore, categoriesIn } from './attendance-store.ts';
import { CLAIM_FIELD, unpackClaim } from './claim-field.ts';
import { type Dose, unpackDoses } from './vaccines.ts';

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
  | { outcome: 'CLAIMED_ELSEWHERE'; release: string; claimedAtMs: number; nowMs: number };

export type UnregisterReply =
  | { outcome: 'UNREGISTERED' | 'NOT_YOURS' }
  | { outcome: 'CLAIMED'; release: string; claimedAtMs: number; nowMs: number };

export type RegisterReply =
  | { outcome: 'REGISTERED' | 'TOO_LATE' }
  | { outcome: 'TAKEN'; account: string; registeredAtMs: number; nowMs: number }
  | { outcome: 'CLAIMED'; release: string; claimedAtMs: number; nowMs: number };

export type AddBeneficiaryReply =
  | { outcome: 'ERASED' | 'TOO_MANY' }
  /** `record`: what the list holds of the person now. */
  | { outcome: 'LISTED'; listedAtMs: number; record: string };

export type SendOtpReply =
  | { outcome: 'SENT'; language: Language }
  | { outcome: 'TOO_SOON' | 'TRIES_SPENT' | 'TOO_MANY'; waitMs: number };

type OtpTerms = typeof OTP_TERMS;

export type CheckOtpReply =
  /** `askedBy`: the requester who asked for the OTP; `stranger`: whether it was one then. */
  | { outcome: 'RIGHT'; epoch: number; askedBy: string; network: string; stranger: boolean }
  | { outcome: 'UNKNOWN' }
  | { outcome: 'WRONG'; triesLeft: number }
  | { outcome: 'TRIES_SPENT'; waitMs: number };

export type Contact = { account: string; mobile: string; language: Language };

/** A claim of another release that was seen to be over, and so may be taken over. */
export type StaleClaim = { readonly release: string; readonly claimedAtMs: number };

/** Whose registration is taken over: an account that was seen not to list the person. */
export type Abandoned = {
  readonly account: string;
  readonly registeredAtMs: number;
  readonly stale?: StaleClaim;
};

/** What an account's field says; English for one that never chose. */
const languageOf = (field: unknown): Language =>
  LANGUAGES.find((one) => one === field) ?? LANGUAGES[0];

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
    const [release, claimedAtMs, nowMs] = fields as [string, number, number];
    return { outcome: word, release, claimedAtMs, nowMs };
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
    if (word === 'CLAIMED') {
      const [release, claimedAtMs, nowMs] = fields as [string, number, number];
      return { outcome: word, release, claimedAtMs, nowMs };
    }
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
    const [release, claimedAtMs, nowMs] = fields as [string, number, number];
    return { outcome: word, release, claimedAtMs, nowMs };
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

const sendOtpScript = script({
  file: 'people/send-otp',
  keys: ['account', 'familiar', 'otp', 'otp_gap', 'otp_unused', 'otp_wrong'],
  args: [
    'digest',
    'mobile',
    'requester',
    'lifetime_ms',
    'resend_after_ms',
    'tries',
    'unused_window_ms',
    'most_unused',
    'most_unused_of_strangers',
    'familiar_ms',
    'language',
    'network',
  ],
  reply: (raw): SendOtpReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'SENT') return { outcome: word, language: languageOf(fields[0]) };
    if (word === 'TOO_SOON' || word === 'TRIES_SPENT' || word === 'TOO_MANY')
      return { outcome: word, waitMs: Number(fields[0]) };
    throw unexpectedReply('people/send-otp', word);
  },
});

const checkOtpScript = script({
  file: 'people/check-otp',
  keys: ['account', 'familiar', 'otp', 'otp_unused', 'otp_wrong'],
  args: ['digest', 'requester', 'tries', 'tries_window_ms', 'familiar_ms', 'most_familiar'],
  reply: (raw): CheckOtpReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'UNKNOWN') return { outcome: word };
    if (word === 'WRONG') return { outcome: word, triesLeft: Number(fields[0]) };
    if (word === 'TRIES_SPENT') return { outcome: word, waitMs: Number(fields[0]) };
    if (word !== 'RIGHT') throw unexpectedReply('people/check-otp', word);
    const [epoch, askedBy, network, stranger] = fields as [number, string, string, number];
    return { outcome: word, epoch, askedBy, network, stranger: stranger === 1 };
  },
});

const forgetOtpScript = script({
  file: 'people/forget-otp',
  keys: ['otp', 'otp_gap', 'otp_unused'],
  args: [],
  reply: (raw): void => {
    const { word } = replyWord(raw);
    if (word !== 'FORGOTTEN' && word !== 'UNKNOWN')
      throw unexpectedReply('people/forget-otp', word);
  },
});

const useDeviceScript = script({
  file: 'people/use-device',
  keys: ['device_accounts'],
  args: ['account', 'limit', 'lifetime_ms'],
  reply: oneOf('people/use-device', ['ADMITTED', 'TOO_MANY']),
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
    ...otpStore(redis),
    ...deviceStore(redis),
  };
}

function personStore(redis: Redis) {
  return {
    claim: (
      person: string,
      account: string,
      release: string,
      stale?: StaleClaim,
    ): Promise<ClaimReply> =>
      claimScript(
        redis,
        { person: keys.person(person) },
        {
          account,
          release,
          stale_claim: stale?.release ?? '',
          stale_claimed_at_ms: stale?.claimedAtMs ?? '',
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
          stale_claim: abandoned?.stale?.release ?? '',
          stale_claimed_at_ms: abandoned?.stale?.claimedAtMs ?? '',
        },
      ),

    unregister: (person: string, account: string, stale?: StaleClaim): Promise<UnregisterReply> =>
      unregisterScript(
        redis,
        { person: keys.person(person) },
        {
          account,
          stale_claim: stale?.release ?? '',
          stale_claimed_at_ms: stale?.claimedAtMs ?? '',
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
     * Before the person is bound. `record`: encrypted. `request`: names this adding until it is over,
     * by `keepBeneficiary` or `dropBeneficiary`, or `leaseMs` have passed.
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
    /** Whether an account signed in from there within `withinMs`. */
    isFamiliar: async (account: string, requester: string, withinMs: number): Promise<boolean> => {
      const [signedInMs, now] = await Promise.all([
        redis.zscore(keys.familiar(account), requester),
        redisNowMs(redis),
      ]);
      return signedInMs !== null && Number(signedInMs) >= now - withinMs;
    },

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

    /** Signs an account out everywhere: its access tokens stand from a new epoch on. */
    raiseEpoch: async (account: string): Promise<void> => {
      await redis.hincrby(keys.account(account), 'epoch', 1);
    },

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

/** What sending and checking an OTP both read. */
const otpKeys = (account: string, txnId: string) => ({
  account: keys.account(account),
  familiar: keys.familiar(account),
  otp: keys.otp(account, txnId),
  otp_unused: keys.otpUnused(account),
  otp_wrong: keys.otpWrong(account),
});

function otpStore(redis: Redis) {
  return {
    /** Which account an OTP transaction belongs to is remembered for its lifetime only. */
    rememberTransaction: async (
      txnId: string,
      account: string,
      lifetimeMs: number,
    ): Promise<void> => {
      await redis.set(keys.otpTransaction(txnId), account, 'PX', lifetimeMs);
    },

    accountOfTransaction: (txnId: string): Promise<string | null> =>
      redis.get(keys.otpTransaction(txnId)),

    sendOtp: (
      account: string,
      otp: {
        txnId: string;
        digest: string;
        mobile: string;
        requester: string;
        network: string;
        language: Language | undefined;
      },
      terms: OtpTerms,
    ): Promise<SendOtpReply> =>
      sendOtpScript(
        redis,
        { ...otpKeys(account, otp.txnId), otp_gap: keys.otpGap(account, otp.requester) },
        {
          digest: otp.digest,
          mobile: otp.mobile,
          requester: otp.requester,
          lifetime_ms: terms.lifetimeMs,
          resend_after_ms: terms.resendAfterMs,
          tries: terms.tries,
          unused_window_ms: terms.unusedWindowMs,
          most_unused: terms.mostUnused,
          most_unused_of_strangers: terms.mostUnusedOfStrangers,
          familiar_ms: terms.familiarMs,
          language: otp.language ?? '',
          network: otp.network,
        },
      ),

    /** Of an OTP whose SMS could not be queued nothing stays. */
    forgetOtp: (account: string, txnId: string, requester: string): Promise<void> => {
      const { otp, otp_unused } = otpKeys(account, txnId);
      const otp_gap = keys.otpGap(account, requester);
      return forgetOtpScript(redis, { otp, otp_gap, otp_unused }, {});
    },

    checkOtp: (
      account: string,
      otp: { txnId: string; digest: string; requester: string },
      terms: OtpTerms,
    ): Promise<CheckOtpReply> =>
      checkOtpScript(redis, otpKeys(account, otp.txnId), {
        digest: otp.digest,
        requester: otp.requester,
        tries: terms.tries,
        tries_window_ms: terms.triesWindowMs,
        familiar_ms: terms.familiarMs,
        most_familiar: terms.mostFamiliar,
      }),
  };
}

function deviceStore(redis: Redis) {
  return {
    /** Whether an account has signed in on a device before, or there is room for one more. */
    hasRoom: async (device: string, account: string, limit: number): Promise<boolean> => {
      const accounts = keys.deviceAccounts(device);
      const [known, held] = await Promise.all([
        redis.sismember(accounts, account),
        redis.scard(accounts),
      ]);
      return known === 1 || held < limit;
    },

    /** An account signs in on a device. */
    useDevice: (device: string, account: string, terms: { limit: number; lifetimeMs: number }) =>
      useDeviceScript(
        redis,
        { device_accounts: keys.deviceAccounts(device) },
        { account, limit: terms.limit, lifetime_ms: terms.lifetimeMs },
      ),
  };
}
