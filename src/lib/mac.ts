/**
 * HMAC-SHA-256 (RFC 2104) under a key that is used again and again. Two hashes at one go take less
 * than half the time of node:crypto's createHmac, which sets up an object of OpenSSL's for each.
 */
import { createHmac, hash } from 'node:crypto';
import { assert } from './assert.ts';

/** 32 bytes for a text. */
export type Mac = (text: string) => Buffer;

/** Of one step of SHA-256. */
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
const INNER = 0x36;
const OUTER = 0x5c;
/** Of a text that fits where texts are hashed from; a longer one is the library's. */
const LONGEST_BYTES = 1_024;
/** A UTF-16 unit becomes at most so many bytes of UTF-8. */
const BYTES_PER_UNIT = 3;

/** `key`: at most 64 bytes. */
export function createMac(key: Buffer): Mac {
  assert(key.length <= BLOCK_BYTES, 'a longer key is hashed first');
  const inner = padded(key, INNER, LONGEST_BYTES);
  const outer = padded(key, OUTER, DIGEST_BYTES);
  return (text) => {
    if (text.length * BYTES_PER_UNIT > LONGEST_BYTES)
      return createHmac('sha256', key).update(text).digest();
    const end = BLOCK_BYTES + inner.write(text, BLOCK_BYTES, 'utf8');
    outer.write(hash('sha256', inner.subarray(0, end), 'binary'), BLOCK_BYTES, 'latin1');
    return Buffer.from(hash('sha256', outer, 'binary'), 'latin1');
  };
}

/** The key's block, and room for what is hashed behind it. */
function padded(key: Buffer, pad: number, room: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES + room, pad);
  for (const [at, byte] of key.entries()) block[at] = byte ^ pad;
  return block;
}
