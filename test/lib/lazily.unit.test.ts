import { expect, it } from 'vitest';
import { lazily } from '../../src/lib/lazily.ts';

it('is made when it is first asked for, and once', () => {
  let made = 0;
  const thing = lazily(() => ({ number: ++made }));
  expect(made).toBe(0);
  expect(thing()).toBe(thing());
  expect(made).toBe(1);
});
