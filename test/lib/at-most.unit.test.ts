import { expect, it } from 'vitest';
import { atMost } from '../../src/lib/at-most.ts';

it('runs at most so many at once, each in its turn, and goes on after one that failed', async () => {
  const run = atMost(3);
  const began: number[] = [];
  let running = 0;
  let mostAtOnce = 0;
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, number) =>
      run(async () => {
        began.push(number);
        mostAtOnce = Math.max(mostAtOnce, ++running);
        await new Promise((resolve) => setTimeout(resolve, number % 4));
        running -= 1;
        if (number === 4) throw new Error('this one');
        return number;
      }),
    ),
  );
  expect(mostAtOnce).toBe(3);
  expect(began).toEqual(Array.from({ length: 20 }, (_, number) => number));
  expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(1);
  expect(outcomes.at(-1)).toEqual({ status: 'fulfilled', value: 19 });
});
