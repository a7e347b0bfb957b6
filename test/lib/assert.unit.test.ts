import { expect, test } from 'vitest';
import { AssertionError, assert, present } from '../../src/lib/assert.ts';

test('a broken invariant is a fault with its own name', () => {
  expect(() => assert(0, 'seats are negative')).toThrow(new AssertionError('seats are negative'));
  expect(() => assert(1, 'never')).not.toThrow();
});

test('nothing but null and undefined is missing', () => {
  expect(present(0, 'count')).toBe(0);
  expect(present('', 'name')).toBe('');
  expect(() => present(undefined, 'count')).toThrow('count is missing');
  expect(() => present(null, 'count')).toThrow('count is missing');
});
