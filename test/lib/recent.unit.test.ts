import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRecent } from '../../src/lib/recent.ts';

test('makes a value only where it is none of those asked for last', () => {
  const most = fc.integer({ min: 1, max: 5 });
  fc.assert(
    fc.property(most, fc.array(fc.nat({ max: 8 })), (size, asked) => {
      const recent = createRecent<number, string>(size);
      for (const [at, key] of asked.entries()) {
        const before = [...new Set(asked.slice(0, at).toReversed())].slice(0, size);
        let made = false;
        const value = recent.get(key, () => {
          made = true;
          return `value ${key}`;
        });
        expect(value).toBe(`value ${key}`);
        expect(made).toBe(!before.includes(key));
      }
    }),
  );
});

test('keeps a value that is undefined, and nothing of what could not be made', () => {
  const recent = createRecent<string, undefined>(1);
  const fail = () => {
    throw new Error('no');
  };
  expect(() => recent.get('a', fail)).toThrow('no');
  expect(recent.get('a', () => undefined)).toBeUndefined();
  expect(recent.get('a', fail)).toBeUndefined();
});
