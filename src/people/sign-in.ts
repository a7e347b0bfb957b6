/** Signing in by OTP, and signing out everywhere. */
import { randomInt } from 'node:crypto';
import { generateSecret, generateSync } from 'otplib';
import { v7 as uuid } from 'uuid';
import type { Proved } from '../gates/access-tokens.ts';
import { networkIdOf, type Origin } from '../gates/origin.ts';
import type { Requester, SmsBudget } from '../gates/sms-budget.ts';
import { hex, sha256 } from '../lib/hash.ts';
import type { Secrets } from '../lib/secrets.ts';
import type { Language } from '../notify/messages.ts';
import type { Outbox } from '../notify/outbox.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import { createDeviceAccounts, type DeviceTerms } from './device-accounts.ts';
import { OTP_TERMS } from './rules.ts';
import type { CheckOtpReply, SignInStore } from './sign-in-store.ts';

export type SignInParts = {
  readonly store: SignInStore;
  readonly secrets: Secrets;
  readonly outbox: Outbox;
  readonly smsBudget: SmsBudget;
  readonly devices?: DeviceTerms;
};

/** Keyed hash of a mobile in E.164 form: the account's id. */
export const accountOf = (secrets: Secrets, mobile: string): string =>
  secrets.pseudonym('account', mobile);

/**
 * What Redis keeps of an OTP: a keyed hash of its transaction and its SHA-256, which is what some
 * clients send in its place; never the OTP.
 */
const otpDigest = (secrets: Secrets, txnId: string, otpHash: string): string =>
  secrets.mac('otp', `${txnId}|${otpHash}`).toString('base64url');

/** SHA-256 of an OTP's digits, in hex. */
export const otpHashOf = (otp: string): string => hex(sha256(Buffer.from(otp)));

/** An HOTP value (RFC 4226) of a secret that lives for this transaction only. */
const newOtp = (): string =>
  generateSync({
    strategy: 'hotp',
    secret: generateSecret(),
    counter: randomInt(2 ** 32),
    digits: OTP_TERMS.digits,
  });

const seconds = (durationMs: number): number => Math.max(1, Math.ceil(durationMs / 1000));

const REFUSALS = {
  TOO_SOON: 'OTP_TOO_SOON',
  TRIES_SPENT: 'OTP_TRIES_SPENT',
  TOO_MANY: 'OTP_TOO_MANY',
} as const;

/**
 * Keyed hashes of who asks or tries: a device where one is known. A neighbour behind the same NAT
 * is then another, and who moves to another network is the same.
 */
function requesterOf(secrets: Secrets, { network, device }: Origin) {
  const hashed = {
    network: networkIdOf(secrets, network),
    device: device === '' ? '' : secrets.pseudonym('requester', device),
  };
  return { ...hashed, requester: hashed.device || hashed.network };
}

/** Whose budget an OTP that was right came from. */
const askerOf = (reply: CheckOtpReply & { outcome: 'RIGHT' }): Requester => ({
  network: reply.network,
  device: reply.askedBy === reply.network ? '' : reply.askedBy,
  known: !reply.stranger,
});

/** `from`, of both: only keyed hashes of it are kept. */
export function createSignIn(parts: SignInParts) {
  const { store, secrets, outbox, smsBudget } = parts;
  const { findRoom, useDevice } = createDeviceAccounts(store, parts.devices);
  return {
    useDevice,

    /**
     * Sends an OTP. The same commands go to Redis whether or not the mobile is known; who asks from
     * where it has signed in before draws on another budget. `wished`: the language of this SMS and,
     * once the OTP has proved the mobile, of all later ones; the account's where it is left out.
     */
    async sendOtp(
      mobile: string,
      from: Origin,
      wished?: Language,
      surface?: 'cowin',
    ): Promise<{ txnId: string } | Refusal> {
      const account = accountOf(secrets, mobile);
      const { network, device, requester } = requesterOf(secrets, from);
      const known = await store.isFamiliar(account, requester, OTP_TERMS.familiarMs);
      const by = { network, device, known, surface };
      const budget = await smsBudget.spend(by);
      if (budget.outcome === 'SPENT')
        return refuse('SMS_BUDGET_SPENT', { retryAfterS: seconds(budget.waitMs) });
      const txnId = uuid();
      const otp = newOtp();
      const digest = otpDigest(secrets, txnId, otpHashOf(otp));
      const reply = await store.sendOtp(
        account,
        { txnId, digest, mobile: secrets.encrypt(mobile), requester, network, language: wished },
        OTP_TERMS,
      );
      if (reply.outcome !== 'SENT') {
        await smsBudget.unspend(by);
        return refuse(REFUSALS[reply.outcome], { retryAfterS: seconds(reply.waitMs) });
      }
      await store.rememberTransaction(txnId, account, OTP_TERMS.lifetimeMs);
      const { language } = reply;
      const message = { template: 'otp', otp } as const;
      const queued = await outbox.send([
        { id: `otp:${txnId}`, account, mobile, language, message },
      ]);
      if (queued === 'FULL') {
        await Promise.all([smsBudget.unspend(by), store.forgetOtp(account, txnId, requester)]);
        return refuse('SMS_OUTBOX_FULL', { retryAfterS: seconds(OTP_TERMS.resendAfterMs) });
      }
      return { txnId };
    },

    /**
     * Turns an OTP into what it grants to the account that it proves, once. `otpHash`: as
     * `otpHashOf` gives it.
     */
    async checkOtp(txnId: string, otpHash: string, from: Origin): Promise<Proved | Refusal> {
      const account = await store.accountOfTransaction(txnId);
      if (!account) return refuse('OTP_UNKNOWN');
      // Before the OTP is used up, and the mobile knows the device for nothing.
      const room = await findRoom(from.device, account);
      if (isRefusal(room)) return room;
      const digest = otpDigest(secrets, txnId, otpHash);
      const { requester } = requesterOf(secrets, from);
      const reply = await store.checkOtp(account, { txnId, digest, requester }, OTP_TERMS);
      switch (reply.outcome) {
        case 'RIGHT':
          await smsBudget.used(askerOf(reply));
          const admitted = await useDevice(from.device, account);
          return isRefusal(admitted) ? admitted : { account, epoch: reply.epoch };
        case 'UNKNOWN':
          return refuse('OTP_UNKNOWN');
        case 'WRONG':
          return refuse('OTP_WRONG', { extra: { triesLeft: reply.triesLeft } });
        case 'TRIES_SPENT':
          return refuse('OTP_TRIES_SPENT', { retryAfterS: seconds(reply.waitMs) });
      }
    },

    /**
     * Ends every access token of the account that was issued until now. Once this has resolved they
     * are refused everywhere; if it rejects, they may still pass, and it is to be tried again.
     */
    signOutEverywhere: (account: string): Promise<void> => store.raiseEpoch(account),
  };
}
