/** What Redis holds of signing in: OTPs, where an account has signed in before, its epoch. */
import { type Language, LANGUAGES } from '../notify/messages.ts';
import { keys } from '../redis/keys.ts';
import { type Redis, redisNowMs } from '../redis/client.ts';
import { oneOf, replyWord, script, unexpectedReply } from '../redis/script.ts';
import type { OTP_TERMS } from './rules.ts';

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

/** What an account's field says; English for one that never chose. */
export const languageOf = (field: unknown): Language =>
  LANGUAGES.find((one) => one === field) ?? LANGUAGES[0];

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

export type SignInStore = ReturnType<typeof signInStore>;

export function signInStore(redis: Redis) {
  return {
    ...otpStore(redis),
    ...deviceStore(redis),

    /** Signs an account out everywhere: its access tokens stand from a new epoch on. */
    raiseEpoch: async (account: string): Promise<void> => {
      await redis.hincrby(keys.account(account), 'epoch', 1);
    },
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
    /** Whether an account signed in from there within `withinMs`. */
    isFamiliar: async (account: string, requester: string, withinMs: number): Promise<boolean> => {
      const [signedInMs, now] = await Promise.all([
        redis.zscore(keys.familiar(account), requester),
        redisNowMs(redis),
      ]);
      return signedInMs !== null && Number(signedInMs) >= now - withinMs;
    },

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
