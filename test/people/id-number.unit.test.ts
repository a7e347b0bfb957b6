import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ID_TYPES, normaliseIdNumber } from '../../src/people/rules.ts';

const AADHAAR = '234567890123';
/** Zeros of some of the scripts that Indian documents are written in, and of full width. */
const ZEROS = { devanagari: 0x966, bengali: 0x9e6, tamil: 0xbe6, arabic: 0x660, fullWidth: 0xff10 };

const inScript = (zero: number): string =>
  Array.from(AADHAAR, (digit) => String.fromCodePoint(zero + Number(digit))).join('');

describe("a document's number", () => {
  test.each(Object.entries(ZEROS))('is the same in %s digits', (_script, zero) => {
    expect(normaliseIdNumber('aadhaar', inScript(zero))).toBe(AADHAAR);
  });

  test.each(['2345 6789 0123', '2345-6789-0123', ' 2345/6789.0123 '])(
    'is the same as %j',
    (text) => {
      expect(normaliseIdNumber('aadhaar', text)).toBe(AADHAAR);
    },
  );

  test.each(['', '----', '12345678901', '023456789012', '2345678901234', 'АВСDЕ1234F'])(
    'is none in %j',
    (text) => {
      expect(normaliseIdNumber('aadhaar', text)).toBeUndefined();
      if (text.startsWith('А')) expect(normaliseIdNumber('pan', text)).toBeUndefined();
    },
  );

  test('has one spelling, which is its own, in ASCII capitals and digits', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ID_TYPES),
        fc.string({ unit: 'binary', maxLength: 30 }),
        (type, text) => {
          const number = normaliseIdNumber(type, text);
          if (number === undefined) return;
          expect(number).toMatch(/^[A-Z0-9]{4,24}$/);
          expect(normaliseIdNumber(type, number)).toBe(number);
          expect(normaliseIdNumber(type, number.toLowerCase().split('').join(' '))).toBe(number);
        },
      ),
    );
  });
});
