// @ts-check
/** Bytes, the ways in which docs/draw.md writes them, and hashes of them. */
import { sha256 } from './vendor/noble.js';

const encoder = new TextEncoder();

/** @param {string} text */
export const utf8 = (text) => encoder.encode(text);

const PAIRS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** @param {Uint8Array} bytes */
export function hex(bytes) {
  let text = '';
  for (let at = 0; at < bytes.length; at++) text += PAIRS[bytes[at] ?? 0];
  return text;
}

/**
 * @param {unknown} value
 * @param {number} bytes how many they must be
 * @returns {value is string}
 */
export const isHex = (value, bytes) =>
  typeof value === 'string' && value.length === 2 * bytes && /^[0-9a-f]*$/.test(value);

/** @param {string} text lower-case hexadecimal */
export function fromHex(text) {
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++)
    bytes[at] = Number.parseInt(text.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const DIGITS = new Int8Array(128).fill(-1);
for (let digit = 0; digit < 64; digit++) DIGITS[ALPHABET.charCodeAt(digit)] = digit;

/**
 * Base64url without padding; undefined unless it is the one way to write that many bytes.
 *
 * @param {unknown} text
 * @param {number} length of the bytes
 */
export function fromBase64Url(text, length) {
  if (typeof text !== 'string' || text.length !== Math.ceil((length * 4) / 3)) return undefined;
  const bytes = new Uint8Array(length);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = DIGITS[text.charCodeAt(i)] ?? -1;
    if (digit < 0) return undefined;
    bits = ((bits << 6) | digit) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes[at++] = bits >>> held;
  }
  return (bits & ((1 << held) - 1)) === 0 ? bytes : undefined;
}

/** @param {Uint8Array} bytes */
export function toBase64Url(bytes) {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(at, at + 3);
    const letters = [a >> 2, ((a & 3) << 4) | (b >> 4), ((b & 15) << 2) | (c >> 6), c & 63];
    const used = Math.min(bytes.length - at, 3) + 1;
    for (const letter of letters.slice(0, used)) text += ALPHABET[letter];
  }
  return text;
}

/** @param {(Uint8Array | string)[]} parts text goes in as UTF-8 */
export function hash(...parts) {
  const hasher = sha256.create();
  for (const part of parts) hasher.update(typeof part === 'string' ? utf8(part) : part);
  return hasher.digest();
}

/** @param {string} name */
export const tag = (name) => `fairslot/v1/${name}\0`;

/** @param {number} value */
export function u32(value) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** @param {number} value a safe integer */
export function u64(value) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}
