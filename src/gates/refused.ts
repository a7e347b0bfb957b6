/** Which gate a refusal comes from: each has codes of its own. */
import type { ErrorCode } from '../errors.ts';

export const GATES = ['token', 'key', 'device', 'captcha', 'limit'] as const;
export type Gate = (typeof GATES)[number];

const CODES: Readonly<Record<Gate, readonly ErrorCode[]>> = {
  token: [
    'ACCESS_TOKEN_MISSING',
    'ACCESS_TOKEN_INVALID',
    'ACCESS_TOKEN_EXPIRED',
    'ACCESS_TOKEN_REVOKED',
    'ACCESS_TOKEN_OTHER_DEVICE',
  ],
  key: ['OPERATOR_KEY_INVALID', 'SCOPE_MISSING'],
  device: ['DEVICE_TOKEN_MISSING', 'DEVICE_TOKEN_INVALID'],
  captcha: [
    'CAPTCHA_MISSING',
    'CAPTCHA_INVALID',
    'CAPTCHA_EXPIRED',
    'CAPTCHA_MISMATCH',
    'CAPTCHA_SPENT',
    'CAPTCHA_WRONG',
    'CAPTCHA_UNAVAILABLE',
  ],
  limit: ['TOO_MANY_REQUESTS'],
};

const GATE_OF = new Map(GATES.flatMap((gate) => CODES[gate].map((code) => [code, gate])));

/** `none`: it passed the gates, or came to none. */
export const gateOf = (code: ErrorCode): Gate | 'none' => GATE_OF.get(code) ?? 'none';
