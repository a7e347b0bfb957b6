import { expect, test } from 'vitest';
import { hex, sha256, tag, u32 } from '../../src/lib/hash.ts';

test('SHA-256 is that of FIPS 180-2, whether the message comes in one part or several', () => {
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  expect(hex(sha256(Buffer.from('abc')))).toBe(abc);
  expect(hex(sha256(Buffer.from('a'), Buffer.from('bc')))).toBe(abc);
  expect(hex(sha256())).toBe(hex(sha256(Buffer.alloc(0))));
  expect(sha256(Buffer.from('abc'))).toHaveLength(32);
});

test('a tag ends with a zero byte, so that none is the beginning of another', () => {
  expect(tag('seed').toString()).toBe('fairslot/v1/seed\0');
});

test('u32 is four bytes, most significant first', () => {
  expect(hex(u32(0x01020304))).toBe('01020304');
  expect(() => u32(2 ** 32)).toThrow(RangeError);
});
