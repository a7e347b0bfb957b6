/**
 * What the embedded server runs with. A killed process cannot show it, since what it wrote is in the
 * kernel's cache: only these settings have an acknowledged write outlive a power failure.
 */
import { expect, it } from 'vitest';
import { useRedis } from '../support/redis.ts';

const test = useRedis();

it('syncs each write before it is answered, and drops none for want of memory', async () => {
  const valueOf = async (name: string): Promise<unknown> =>
    ((await test.redis.config('GET', name)) as unknown[])[1];
  expect(await valueOf('appendonly')).toBe('yes');
  expect(await valueOf('appendfsync')).toBe('always');
  expect(await valueOf('no-appendfsync-on-rewrite')).toBe('no');
  expect(await valueOf('maxmemory-policy')).toBe('noeviction');
});
