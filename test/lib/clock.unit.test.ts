import { expect, test } from 'vitest';
import { isoFromMs, monotonicMs, msFromIso, nowMs, sleep } from '../../src/lib/clock.ts';

test('published times are UTC with milliseconds, and are read back exactly', () => {
  expect(isoFromMs(1_618_065_600_007)).toBe('2021-04-10T14:40:00.007Z');
  expect(msFromIso('2021-04-10T14:40:00.007Z')).toBe(1_618_065_600_007);
  expect(msFromIso('half past two')).toBeNaN();
});

test('durations do not run backwards', async () => {
  const start = monotonicMs();
  await sleep(5);
  expect(monotonicMs() - start).toBeGreaterThan(3);
  expect(nowMs()).toBeGreaterThan(1_600_000_000_000);
});
