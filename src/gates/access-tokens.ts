/**
 * Access tokens: JWTs (RFC 7519) signed with HS256, 15 minutes. Verifying needs no Redis, so a
 * forged one costs nothing but the hash.
 */
import { createSecretKey } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { nowMs } from '../lib/clock.ts';
import type { Secrets } from '../lib/secrets.ts';
import { type Refusal, refuse } from '../refusal.ts';

export type AccessTokens = {
  /** `account`: the keyed hash that names it; `device`: the one it is for, if any. */
  readonly issue: (
    account: string,
    device?: string,
  ) => Promise<{ accessToken: string; expiresInS: number }>;
  /** `device`: '' where it is bound to none. */
  readonly verify: (
    token: string,
  ) => Promise<{ readonly account: string; readonly device: string } | Refusal>;
};

const KEY_ID = 'access-token/1';
const ISSUER = 'fairslot';
const AUDIENCE = 'fairslot/api';
const TYPE = 'at+jwt'; // RFC 9068
const HMAC = { name: 'HMAC', hash: 'SHA-256' };
const LIFETIME_S = 15 * 60;
const LONGEST_TOKEN = 1_024;
/**
 * One account's 15 minutes hold many requests: verified tokens are remembered, the oldest forgotten
 * first.
 */
const CACHED_TOKENS = 20_000;

type Verified = {
  readonly account: string;
  readonly device: string;
  readonly expiresAtMs: number;
};

/** `now`: milliseconds since the epoch; tests move it. */
export function createAccessTokens(secrets: Secrets, now: () => number = nowMs): AccessTokens {
  // Imported once: jose would import bare bytes anew for each signature.
  const key = createSecretKey(secrets.key(KEY_ID)).toCryptoKey(HMAC, false, ['sign', 'verify']);
  const verified = new Map<string, Verified>();

  const remember = (token: string, entry: Verified): void => {
    const oldest = verified.size < CACHED_TOKENS ? undefined : verified.keys().next().value;
    if (oldest !== undefined) verified.delete(oldest);
    verified.set(token, entry);
  };

  const check = async (token: string): Promise<Verified> => {
    const { payload, protectedHeader } = await jwtVerify(token, key, {
      algorithms: ['HS256'],
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: TYPE,
      requiredClaims: ['sub', 'exp'],
      currentDate: new Date(now()),
    });
    if (protectedHeader.kid !== KEY_ID) throw new errors.JWSInvalid('unknown key id');
    const device = typeof payload['device'] === 'string' ? payload['device'] : '';
    return { account: payload.sub ?? '', device, expiresAtMs: (payload.exp ?? 0) * 1000 };
  };

  return {
    issue: async (account, device = '') => {
      const issuedAtS = Math.floor(now() / 1000);
      const accessToken = await new SignJWT(device === '' ? {} : { device })
        .setProtectedHeader({ alg: 'HS256', kid: KEY_ID, typ: TYPE })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(account)
        .setIssuedAt(issuedAtS)
        .setExpirationTime(issuedAtS + LIFETIME_S)
        .sign(key);
      return { accessToken, expiresInS: LIFETIME_S };
    },
    verify: async (token) => {
      const known = verified.get(token);
      if (known && known.expiresAtMs > now()) return known;
      verified.delete(token);
      if (token.length > LONGEST_TOKEN) return refuse('ACCESS_TOKEN_INVALID');
      try {
        const entry = await check(token);
        remember(token, entry);
        return entry;
      } catch (error) {
        if (error instanceof errors.JWTExpired) return refuse('ACCESS_TOKEN_EXPIRED');
        if (error instanceof errors.JOSEError) return refuse('ACCESS_TOKEN_INVALID');
        throw error;
      }
    },
  };
}
