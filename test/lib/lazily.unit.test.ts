import { expect, it } from 'vitest';
import { lazily } from '../../src/lib/lazily.ts';

it('is made when it is first asked for, and once, also where it is nothing', () => {
  let made = 0;
  const thing = lazily(() => {
    made += 1;
  });
  expect(made).toBe(0);
  expect([thing(), thing(), made]).toEqual([undefined, undefined, 1]);
});
