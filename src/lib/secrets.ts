/**
 * Keyed hashes and encryption of personal data. Every key is derived (HKDF-SHA-256, RFC 5869) from
 * the one configured secret, so that no two purposes share a key.
 */
import {
  createCipheriv,
  createDecipheriv,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { assert } from './assert.ts';
import { createMac, type Mac } from './mac.ts';

export type Secrets = {
  /** Keyed hash for `purpose`: 16 bytes of HMAC-SHA-256 in base64url, 22 characters. */
  readonly pseudonym: (purpose: string, value: string) => string;
  /** Keyed hash for `purpose`: 32 bytes. */
  readonly mac: (purpose: string, value: string) => Buffer;
  /**
   * AES-256-GCM: `1.<iv>.<ciphertext and tag>` in base64url; the leading number is the key's id.
   */
  readonly encrypt: (plaintext: string) => string;
  readonly decrypt: (sealed: string) => string;
  /** A 32-byte key for `purpose`, for libraries that take one. */
  readonly key: (purpose: string) => Buffer;
};

const KEY_ID = '1';
const IV_BYTES = 12;
const TAG_BYTES = 16;
const PSEUDONYM_BYTES = 16;

/** Tells which secret it is, and nothing else. */
export const markOf = (secrets: Secrets): string =>
  secrets.mac('backup', 'secret').toString('base64url');

/** `secret`: at least 32 bytes of entropy, from configuration. */
export function createSecrets(secret: string): Secrets {
  const derived = new Map<string, Buffer>();
  const key = (purpose: string): Buffer => {
    let found = derived.get(purpose);
    if (!found) {
      found = Buffer.from(hkdfSync('sha256', secret, 'fairslot/v1', purpose, 32));
      derived.set(purpose, found);
    }
    return found;
  };
  const macs = new Map<string, Mac>();
  const mac = (purpose: string, value: string): Buffer => {
    let found = macs.get(purpose);
    if (!found) {
      found = createMac(key(purpose));
      macs.set(purpose, found);
    }
    return found(value);
  };
  const encrypt = (plaintext: string): string => {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key('encrypt/1'), iv);
    const body = Buffer.concat([
      cipher.update(plaintext, 'utf8'),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
    return `${KEY_ID}.${iv.toString('base64url')}.${body.toString('base64url')}`;
  };
  const decrypt = (sealed: string): string => {
    const [keyId, iv, body] = sealed.split('.');
    assert(keyId === KEY_ID && iv && body, 'a sealed value has an unknown key id or form');
    const bytes = Buffer.from(body, 'base64url');
    const decipher = createDecipheriv(
      'aes-256-gcm',
      key('encrypt/1'),
      Buffer.from(iv, 'base64url'),
    );
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    return (
      decipher.update(bytes.subarray(0, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
    );
  };
  const pseudonym = (purpose: string, value: string): string =>
    mac(purpose, value).toString('base64url', 0, PSEUDONYM_BYTES);
  return { pseudonym, mac, encrypt, decrypt, key };
}

/** 256 random bits in base64url. */
export const randomKey = (): string => randomBytes(32).toString('base64url');

/** Compares in constant time for equal lengths; lengths themselves are no secret. */
export function equalSecrets(left: string, right: string): boolean {
  const a = Buffer.from(left);
  const b = Buffer.from(right);
  return a.length === b.length && timingSafeEqual(a, b);
}
