/**
 * Access tokens: who has signed in, for 15 minutes. Whether a genuine one was revoked is asked of
 * Redis beside the limits (revocations.ts).
 */
import { z } from 'zod';
import { type Refusal, refuse } from '../refusal.ts';
import { CLOCK_LEEWAY_S, createSignedTokens, type TokenSecrets } from './signed-tokens.ts';

/** What signing in proves. */
export type Proved = {
  /** The keyed hash that names the account; `sub` in the token. */
  readonly account: string;
  /** The account's epoch at sign-in: signing out everywhere raises the account's. */
  readonly epoch: number;
};

/** What an access token says. */
export type Grant = Proved & {
  /** The device that it was issued to; '' where it is bound to none. */
  readonly device: string;
};

export type AccessTokens = {
  /** `device`: left out or '' to bind it to none. */
  readonly issue: (
    grant: Proved & { readonly device?: string },
  ) => Promise<{ accessToken: string; expiresInS: number }>;
  readonly verify: (token: string) => Promise<Grant | Refusal>;
};

export const ACCESS_TOKEN_LIFETIME_S = 15 * 60;
/** The last token of an epoch that was raised is over by then, whichever process issued it. */
export const EPOCH_LIFETIME_MS = (ACCESS_TOKEN_LIFETIME_S + 2 * CLOCK_LEEWAY_S) * 1000;

const TERMS = {
  name: 'access-token',
  type: 'at+jwt', // RFC 9068
  lifetimeS: ACCESS_TOKEN_LIFETIME_S,
  claims: z.object({ sub: z.string().min(1), epoch: z.int(), device: z.string() }),
};

/** `now`: milliseconds since the epoch; tests move it. */
export function createAccessTokens(secrets: TokenSecrets, now?: () => number): AccessTokens {
  const tokens = createSignedTokens(TERMS, secrets, now);
  return {
    issue: async ({ account, epoch, device = '' }) => {
      const { token } = await tokens.sign({ sub: account, epoch, device });
      return { accessToken: token, expiresInS: ACCESS_TOKEN_LIFETIME_S };
    },
    verify: async (token) => {
      const verified = await tokens.verify(token);
      if (verified === 'expired') return refuse('ACCESS_TOKEN_EXPIRED');
      if (verified === 'forged') return refuse('ACCESS_TOKEN_INVALID');
      const { sub, epoch, device } = verified.claims;
      return { account: sub, epoch, device };
    },
  };
}
