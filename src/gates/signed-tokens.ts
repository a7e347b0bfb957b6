/**
 * Tokens that we sign and read: JWTs (RFC 7519) signed with HS256, each type of them with keys of
 * its own (RFC 8725). Verifying needs no Redis, so a forged one costs nothing but the hash.
 */
import { createSecretKey } from 'node:crypto';
import { errors, type JWTHeaderParameters, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type { z } from 'zod';
import { nowMs } from '../lib/clock.ts';
import { createSecrets } from '../lib/secrets.ts';

/** What keys are derived from, newest first: the first signs, all verify. */
export type TokenSecrets = readonly [string, ...string[]];

export type TokenTerms<Claims> = {
  /** Names the purpose that keys and their ids are derived for. */
  readonly name: string;
  /** `typ` of the header: a token of one type is none of another. */
  readonly type: string;
  readonly lifetimeS: number;
  /** What stands in it beside the claims of every token, and has to. */
  readonly claims: z.ZodType<Claims, Claims>;
};

export type Verified<Claims> = { readonly claims: Claims; readonly expiresAtMs: number };

export type SignedTokens<Claims> = {
  readonly sign: (
    claims: Claims,
  ) => Promise<{ readonly token: string; readonly expiresAtMs: number }>;
  readonly verify: (token: string) => Promise<Verified<Claims> | 'forged' | 'expired'>;
};

/** How far the clock of a process that signs may be ahead of one that verifies. */
export const CLOCK_LEEWAY_S = 10;

const ISSUER = 'fairslot';
const AUDIENCE = 'fairslot/api';
const HMAC = { name: 'HMAC', hash: 'SHA-256' };
const LONGEST_TOKEN = 1_024;
/** RFC 7515, section 7.1: decoders pass over what is not of the alphabet, and we do not. */
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
/** One caller's token comes with many requests: verified ones are kept, the oldest dropped first. */
const REMEMBERED = 20_000;

/** Imported once: jose would import bare bytes anew for each signature. */
function keyOf(name: string, secret: string): { readonly id: string; readonly key: CryptoKey } {
  const secrets = createSecrets(secret);
  return {
    id: secrets.pseudonym(`${name}/key-id`, ''),
    key: createSecretKey(secrets.key(name)).toCryptoKey(HMAC, false, ['sign', 'verify']),
  };
}

/** `now`: milliseconds since the epoch; tests move it. */
export function createSignedTokens<Claims extends JWTPayload>(
  terms: TokenTerms<Claims>,
  secrets: TokenSecrets,
  now: () => number = nowMs,
): SignedTokens<Claims> {
  const newest = keyOf(terms.name, secrets[0]);
  const older = secrets.slice(1).map((secret) => keyOf(terms.name, secret));
  const keys = new Map([newest, ...older].map(({ id, key }) => [id, key]));
  const check = createCheck(terms, keys, now);
  const verified = new Map<string, Verified<Claims>>();

  const remember = (token: string, one: Verified<Claims>): void => {
    const oldest = verified.size < REMEMBERED ? undefined : verified.keys().next().value;
    if (oldest !== undefined) verified.delete(oldest);
    verified.set(token, one);
  };

  return {
    sign: async (claims) => {
      const issuedAtS = Math.floor(now() / 1000);
      const expiresAtS = issuedAtS + terms.lifetimeS;
      const token = await new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', kid: newest.id, typ: terms.type })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setIssuedAt(issuedAtS)
        .setExpirationTime(expiresAtS)
        .sign(newest.key);
      return { token, expiresAtMs: expiresAtS * 1000 };
    },
    verify: async (token) => {
      const known = verified.get(token);
      if (known && known.expiresAtMs > now()) return known;
      verified.delete(token);
      if (token.length > LONGEST_TOKEN || !COMPACT.test(token)) return 'forged';
      try {
        const one = await check(token);
        remember(token, one);
        return one;
      } catch (error) {
        if (error instanceof errors.JWTExpired) return 'expired';
        if (error instanceof errors.JOSEError) return 'forged';
        throw error;
      }
    },
  };
}

/** What a token says, if it is one of ours and now is within its time. Throws jose's errors. */
function createCheck<Claims>(
  { type, lifetimeS, claims }: TokenTerms<Claims>,
  keys: ReadonlyMap<string, CryptoKey>,
  now: () => number,
) {
  const keyFor = ({ kid }: JWTHeaderParameters): CryptoKey => {
    const key = kid === undefined ? undefined : keys.get(kid);
    if (!key) throw new errors.JWSInvalid('unknown key id');
    return key;
  };
  return async (token: string): Promise<Verified<Claims>> => {
    const nowS = Math.floor(now() / 1000);
    const { payload } = await jwtVerify(token, keyFor, {
      algorithms: ['HS256'],
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: type,
      requiredClaims: ['sub', 'iat', 'exp'],
      currentDate: new Date(now()),
    });
    const { iat = 0, exp = 0 } = payload;
    const inTime = iat <= nowS + CLOCK_LEEWAY_S && exp - iat === lifetimeS;
    const own = claims.safeParse(payload);
    if (!inTime || !own.success) throw new errors.JWTInvalid('not what we sign');
    return { claims: own.data, expiresAtMs: exp * 1000 };
  };
}
