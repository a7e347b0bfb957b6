/**
 * Access tokens: JWTs (RFC 7519) signed with HS256, 15 minutes. Verifying needs no Redis, so a
 * forged one costs nothing but the hash; whether a genuine one was revoked is asked of Redis beside
 * the limits (revocations.ts).
 */
import { createSecretKey } from 'node:crypto';
import { errors, type JWTHeaderParameters, jwtVerify, SignJWT } from 'jose';
import { nowMs } from '../lib/clock.ts';
import { createSecrets } from '../lib/secrets.ts';
import { type Refusal, refuse } from '../refusal.ts';

/** What signing in proves. */
export type Proved = {
  /** The keyed hash that names the account; `sub` in the token. */
  readonly account: string;
  /** The account's epoch at sign-in: signing out everywhere raises the account's. */
  readonly epoch: number;
};

/** What an access token says: the private claims of ours have these names in it. */
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
/** How far the clock of a process that issues may be ahead of one that verifies. */
export const CLOCK_LEEWAY_S = 10;

const ISSUER = 'fairslot';
const AUDIENCE = 'fairslot/api';
const TYPE = 'at+jwt'; // RFC 9068
const HMAC = { name: 'HMAC', hash: 'SHA-256' };
const LONGEST_TOKEN = 1_024;
/**
 * One account's 15 minutes hold many requests: verified tokens are remembered, the oldest forgotten
 * first.
 */
const CACHED_TOKENS = 20_000;

type Verified = Grant & { readonly expiresAtMs: number };
type Key = { readonly id: string; readonly key: CryptoKey };

/** Imported once: jose would import bare bytes anew for each signature. */
function keyOf(secret: string): Key {
  const secrets = createSecrets(secret);
  return {
    id: secrets.pseudonym('access-token/key-id', ''),
    key: createSecretKey(secrets.key('access-token')).toCryptoKey(HMAC, false, ['sign', 'verify']),
  };
}

/**
 * `keys`: what each key is derived from, newest first: the first signs, all verify. `now`:
 * milliseconds since the epoch; tests move it.
 */
export function createAccessTokens(
  keys: readonly [string, ...string[]],
  now: () => number = nowMs,
): AccessTokens {
  const newest = keyOf(keys[0]);
  const byId = new Map([newest, ...keys.slice(1).map(keyOf)].map(({ id, key }) => [id, key]));
  const check = createCheck(byId, now);
  const verified = new Map<string, Verified>();

  const remember = (token: string, entry: Verified): void => {
    const oldest = verified.size < CACHED_TOKENS ? undefined : verified.keys().next().value;
    if (oldest !== undefined) verified.delete(oldest);
    verified.set(token, entry);
  };

  return {
    issue: async ({ account, epoch, device = '' }) => {
      const issuedAtS = Math.floor(now() / 1000);
      const accessToken = await new SignJWT(device === '' ? { epoch } : { epoch, device })
        .setProtectedHeader({ alg: 'HS256', kid: newest.id, typ: TYPE })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(account)
        .setIssuedAt(issuedAtS)
        .setExpirationTime(issuedAtS + ACCESS_TOKEN_LIFETIME_S)
        .sign(newest.key);
      return { accessToken, expiresInS: ACCESS_TOKEN_LIFETIME_S };
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

/** What a token says, if it is one of ours and now is within its time. Throws jose's errors. */
function createCheck(keys: ReadonlyMap<string, CryptoKey>, now: () => number) {
  const keyFor = ({ kid }: JWTHeaderParameters): CryptoKey => {
    const key = kid === undefined ? undefined : keys.get(kid);
    if (!key) throw new errors.JWSInvalid('unknown key id');
    return key;
  };
  return async (token: string): Promise<Verified> => {
    const nowS = Math.floor(now() / 1000);
    const { payload } = await jwtVerify(token, keyFor, {
      algorithms: ['HS256'],
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: TYPE,
      requiredClaims: ['sub', 'iat', 'exp', 'epoch'],
      currentDate: new Date(now()),
    });
    const { sub = '', iat = 0, exp = 0, epoch } = payload;
    const inTime = iat <= nowS + CLOCK_LEEWAY_S && exp - iat === ACCESS_TOKEN_LIFETIME_S;
    if (sub === '' || !inTime || typeof epoch !== 'number' || !Number.isSafeInteger(epoch))
      throw new errors.JWTInvalid('not what we issue');
    const device = typeof payload['device'] === 'string' ? payload['device'] : '';
    return { account: sub, epoch, device, expiresAtMs: exp * 1000 };
  };
}
