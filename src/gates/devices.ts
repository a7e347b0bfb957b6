/**
 * Device tokens: one for each solved captcha. Limits and caps count the devices that we minted;
 * what a client calls itself counts for nothing.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { isRefusal, type Refusal, refuse } from '../refusal.ts';
import { createSignedTokens, type TokenSecrets } from './signed-tokens.ts';

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

const ID_BYTES = 16;
const TERMS = {
  name: 'device-token',
  type: 'device+jwt',
  lifetimeS: DEVICE_LIFETIME_MS / 1000,
  claims: z.object({ sub: z.string().min(1) }),
};

/** `now`: milliseconds since the epoch; tests move it. */
export function createDeviceTokens(secrets: TokenSecrets, now?: () => number): DeviceTokens {
  const tokens = createSignedTokens(TERMS, secrets, now);
  return {
    mint: async () => {
      const device = randomBytes(ID_BYTES).toString('base64url');
      const { token, expiresAtMs } = await tokens.sign({ sub: device });
      return { deviceToken: token, device, expiresAtMs };
    },
    verify: async (token) => {
      const verified = await tokens.verify(token);
      if (typeof verified === 'string') return refuse('DEVICE_TOKEN_INVALID');
      return { device: verified.claims.sub };
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

/**
 * `required`: false where a deployment does without. An access token that is bound is worth nothing
 * without its device, on whichever route: reads show names and security codes.
 */
export function createRecognise(
  tokens: Pick<DeviceTokens, 'verify'>,
  required: boolean,
): Recognise {
  return async (asked, token, bound) => {
    if (token === undefined)
      return (asked && required) || bound !== '' ? refuse('DEVICE_TOKEN_MISSING') : '';
    const verified = await tokens.verify(token);
    if (isRefusal(verified)) return verified;
    if (bound !== '' && bound !== verified.device) return refuse('ACCESS_TOKEN_OTHER_DEVICE');
    return verified.device;
  };
}
