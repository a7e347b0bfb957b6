import { beforeEach, describe, expect, it } from 'vitest';
import { createFresh } from '../../src/lib/fresh.ts';
import { sleep } from '../../src/lib/clock.ts';

const TERMS = { freshForMs: 60, patienceMs: 40, most: 10 };
let reads: number;
let takesMs: number;
let fails: boolean;
let ask: (key: string) => Promise<{ count: number }>;

beforeEach(() => {
  [reads, takesMs, fails] = [0, 0, false];
  ask = createFresh(TERMS, async () => {
    const count = ++reads;
    await sleep(takesMs);
    if (fails) throw new Error('away');
    return { count };
  });
});

describe('what may be a moment old', () => {
  it('is read once for all who ask, and again when it is old', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => ask('a')));
    expect(new Set(all.map(({ count }) => count))).toEqual(new Set([1]));
    expect(await ask('a')).toEqual({ count: 1 });
    await sleep(70);
    expect(await ask('a')).toEqual({ count: 2 });
    expect(await ask('b')).toEqual({ count: 3 });
  });

  it('is what was known before where a reading takes long, and the new one once it is there', async () => {
    await ask('a');
    await sleep(70);
    takesMs = 200;
    const startedMs = performance.now();
    expect(await ask('a')).toEqual({ count: 1 });
    expect(performance.now() - startedMs).toBeLessThan(150);
    // whoever comes later does not wait for it again, and starts no other reading
    const laterMs = performance.now();
    expect(await ask('a')).toEqual({ count: 1 });
    expect(performance.now() - laterMs).toBeLessThan(30);
    await sleep(200);
    expect(reads).toBe(2);
    expect(await ask('a')).toEqual({ count: 2 });
  });

  it('is what was known before where it cannot be read, which is not tried at every look', async () => {
    await ask('a');
    await sleep(70);
    fails = true;
    for (let asked = 0; asked < 20; asked++) expect(await ask('a')).toEqual({ count: 1 });
    expect(reads).toBe(2);
    await expect(ask('nothing before')).rejects.toThrow('away');
    fails = false;
    await sleep(70);
    expect(await ask('a')).toEqual({ count: 4 });
  });
});
