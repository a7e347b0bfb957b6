import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createMac } from '../../src/lib/mac.ts';

describe('createMac', () => {
  it('gives the test vectors of RFC 4231 whose keys fit a block', () => {
    const hex = (bytes: Buffer): string => bytes.toString('hex');
    expect(hex(createMac(Buffer.alloc(20, 0x0b))('Hi There'))).toBe(
      'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    );
    expect(hex(createMac(Buffer.from('Jefe'))('what do ya want for nothing?'))).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    );
  });

  it('gives what node:crypto gives, whatever the text, the one before it, and its length', () => {
    const key = Buffer.alloc(32, 7);
    const mac = createMac(key);
    const texts = ['', 'a', 'ä€😀'.repeat(40), '\ud800', 'long before short'];
    for (let length = 330; length < 350; length++)
      texts.push('x'.repeat(length), '€'.repeat(length));
    for (const text of [...texts, ...texts.toReversed(), 'x'.repeat(100_000)])
      expect(mac(text)).toEqual(createHmac('sha256', key).update(text).digest());
  });

  it('takes no key that is longer than a block', () => {
    expect(() => createMac(Buffer.alloc(65))).toThrow(/longer key/);
  });
});
