/**
 * Device tokens: JWTs (RFC 7519) signed with HS256 that we mint, one for each solved captcha.
 * Limits and caps count the devices that we minted; what a client calls itself counts for nothing.
 */
import { createSecretKey, randomBytes } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { nowMs } from '../lib/clock.ts';
import type { Secrets } from '../lib/secrets.ts';
import { isRefusal, type Refusal, refuse } from '../refusal.ts';

export type DeviceTokens = {
  readonly mint: () => Promise<{
    readonly deviceToken: string;
    readonly device: string;
    readonly expiresAtMs: number;
  }>;
  readonly verify: (token: string) => Promise<{ readonly device: string } | Refusal>;
};

/** A year of use; what is counted for a device is kept as long (lua/people/use-device.lua). */
export const DEVICE_LIFETIME_MS = 365 * 86_400_000;

const KEY_ID = 'device-token/1';
const ISSUER = 'fairslot';
const AUDIENCE = 'fairslot/api';
const TYPE = 'device+jwt';
const HMAC = { name: 'HMAC', hash: 'SHA-256' };
const ID_BYTES = 16;
const LONGEST_TOKEN = 1_024;
/** Verified ones are remembered, the oldest forgotten first. */
const CACHED_TOKENS = 20_000;

type Verified = { readonly device: string; readonly expiresAtMs: number };

/** `now`: milliseconds since the epoch; tests move it. */
export function createDeviceTokens(secrets: Secrets, now: () => number = nowMs): DeviceTokens {
  // Imported once: jose would import bare bytes anew for each signature.
  const key = createSecretKey(secrets.key(KEY_ID)).toCryptoKey(HMAC, false, ['sign', 'verify']);
  const verified = new Map<string, Verified>();

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
    return { device: payload.sub ?? '', expiresAtMs: (payload.exp ?? 0) * 1000 };
  };

  return {
    mint: async () => {
      const device = randomBytes(ID_BYTES).toString('base64url');
      const issuedAtS = Math.floor(now() / 1000);
      const expiresAtS = issuedAtS + DEVICE_LIFETIME_MS / 1000;
      const deviceToken = await new SignJWT()
        .setProtectedHeader({ alg: 'HS256', kid: KEY_ID, typ: TYPE })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(device)
        .setIssuedAt(issuedAtS)
        .setExpirationTime(expiresAtS)
        .sign(key);
      return { deviceToken, device, expiresAtMs: expiresAtS * 1000 };
    },
    verify: async (token) => {
      const known = verified.get(token);
      if (known && known.expiresAtMs > now()) return known;
      verified.delete(token);
      if (token.length > LONGEST_TOKEN) return refuse('DEVICE_TOKEN_INVALID');
      try {
        const entry = await check(token);
        const oldest = verified.size < CACHED_TOKENS ? undefined : verified.keys().next().value;
        if (oldest !== undefined) verified.delete(oldest);
        verified.set(token, entry);
        return entry;
      } catch (error) {
        if (error instanceof errors.JOSEError) return refuse('DEVICE_TOKEN_INVALID');
        throw error;
      }
    },
  };
}

/**
 * The device that a request comes from; '' where none is known. `asked`: the route needs one;
 * `token`: the value of Device-Token; `bound`: the device that the access token was issued to, or
 * ''.
 */
export type Recognise = (
  asked: boolean,
  token: string | undefined,
  bound: string,
) => Promise<string | Refusal>;

/** `required`: false where a deployment does without; an access token that is bound stays bound. */
export function createRecognise(
  tokens: Pick<DeviceTokens, 'verify'>,
  required: boolean,
): Recognise {
  return async (asked, token, bound) => {
    if (token === undefined)
      return asked && (required || bound !== '') ? refuse('DEVICE_TOKEN_MISSING') : '';
    const verified = await tokens.verify(token);
    if (isRefusal(verified)) return verified;
    if (bound !== '' && bound !== verified.device) return refuse('ACCESS_TOKEN_OTHER_DEVICE');
    return verified.device;
  };
}
