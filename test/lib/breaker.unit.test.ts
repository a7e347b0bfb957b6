import { describe, expect, it } from 'vitest';
import { createBreaker } from '../../src/lib/breaker.ts';

const TERMS = { failures: 5, firstPauseMs: 1_000, longestPauseMs: 30_000 };

function breakerAt() {
  let nowMs = 0;
  const breaker = createBreaker(TERMS, () => nowMs);
  const fail = (probe = false, retryAfterMs = 0) => breaker.failed({ probe, retryAfterMs });
  const open = () => {
    for (let i = 0; i < TERMS.failures; i++) fail();
  };
  return { breaker, fail, open, wait: (ms: number) => void (nowMs += ms) };
}

describe('the breaker', () => {
  it('opens after some failures in a row, and not after as many with an answer between', () => {
    const { breaker, fail } = breakerAt();
    for (let i = 1; i < TERMS.failures; i++) fail();
    breaker.answered();
    for (let i = 1; i < TERMS.failures; i++) fail();
    expect(breaker.isOpen()).toBe(false);
    expect(breaker.room()).toBe(Infinity);
    fail();
    expect(breaker.isOpen()).toBe(true);
    expect(breaker.room()).toBe(0);
  });

  it('lets one request through to probe, ever less often, and all of them after an answer', () => {
    const { breaker, fail, open, wait } = breakerAt();
    open();
    const pauses: number[] = [];
    for (let probe = 0; probe < 8; probe++) {
      let waited = 0;
      for (; breaker.room() === 0; waited += 500) wait(500);
      expect(breaker.room(), 'room for a second probe').toBe(0);
      pauses.push(waited);
      fail(true);
    }
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    wait(30_000);
    expect(breaker.room()).toBe(1);
    breaker.answered();
    expect(breaker.room()).toBe(Infinity);
    open();
    wait(1_000);
    expect(breaker.room()).toBe(1);
  });

  it('does not wait longer because many were under way when it opened', () => {
    const { breaker, fail, open, wait } = breakerAt();
    open();
    for (let i = 0; i < 100; i++) fail();
    wait(1_000);
    expect(breaker.room()).toBe(1);
  });

  it('keeps its probe where there was nothing to send', () => {
    const { breaker, open, wait } = breakerAt();
    open();
    wait(1_000);
    expect(breaker.room()).toBe(1);
    expect(breaker.room()).toBe(0);
    breaker.spare();
    expect(breaker.room()).toBe(1);
  });

  it('opens at once, for as long as it is asked to be left alone', () => {
    const { breaker, fail, wait } = breakerAt();
    fail(false, 20_000);
    expect(breaker.isOpen()).toBe(true);
    wait(19_999);
    expect(breaker.room()).toBe(0);
    wait(1);
    expect(breaker.room()).toBe(1);
  });
});
