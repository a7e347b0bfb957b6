import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jcs } from '../../src/lib/jcs.ts';

test('members are sorted by UTF-16 code units and numbers written as ECMAScript does', () => {
  // The example of RFC 8785, section 3.2.3.
  const value = {
    '\u20ac': 'Euro',
    '\r': 'CR',
    '1': 'One',
    '\u0080': 'C',
    '\u00f6': 'o',
    '\ud83d\ude00': 'S',
  };
  expect(Object.keys(JSON.parse(jcs(value)) as object)[0]).toBe('1');
  expect(jcs(value)).toBe('{"\\r":"CR","1":"One","\u0080":"C","ö":"o","€":"Euro","😀":"S"}');
  expect(jcs(JSON.parse('[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001]'))).toBe(
    '[333333333.3333333,1e+30,4.5,0.002,1e-27]',
  );
});

test('what is read back is the same value, and canonical already', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = jcs(value);
      expect(jcs(JSON.parse(text))).toBe(text);
    }),
  );
});

test('what is not JSON is a fault', () => {
  expect(() => jcs(undefined)).toThrow('canonical JSON is missing');
  expect(() => jcs({ number: Number.NaN })).toThrow('NaN');
  expect(() => jcs('\ud800')).toThrow('surrogate');
});
