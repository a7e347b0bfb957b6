import { expect, it } from 'vitest';
import { together } from '../../src/lib/together.ts';

it('reads once for all who ask for the same in one turn, and again in the next', async () => {
  const read: string[] = [];
  const ask = together(async (key) => {
    read.push(key);
    if (key === 'broken') throw new Error('away');
    return `${key} ${read.length}`;
  });
  expect(await Promise.all([ask('a'), ask('b'), ask('a')])).toEqual(['a 1', 'b 2', 'a 1']);
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  expect(await ask('a')).toBe('a 3');
  // nobody is told later what went wrong before
  await expect(Promise.all([ask('broken'), ask('broken')])).rejects.toThrow('away');
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  await expect(ask('broken')).rejects.toThrow('away');
  expect(read.filter((key) => key === 'broken')).toHaveLength(2);
});
