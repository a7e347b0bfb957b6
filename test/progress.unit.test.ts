/** Progress where there is no terminal, of what takes a while. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createLatePhase } from '../src/progress.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function stream() {
  const written: string[] = [];
  const write = (text: string) => written.push(text) > 0;
  return { written, stream: { isTTY: false, write } as unknown as NodeJS.WriteStream };
}

test('nothing is shown of what is over within two seconds', () => {
  const { written, stream: to } = stream();
  const phase = createLatePhase(to, 'rounds', 3);
  vi.advanceTimersByTime(1_999);
  phase.done();
  vi.advanceTimersByTime(60_000);
  expect(written).toEqual([]);
});

test('what lasts is shown with all that was done before, every two seconds and at its end', () => {
  const { written, stream: to } = stream();
  const phase = createLatePhase(to, 'rounds', 3);
  phase.advance();
  vi.advanceTimersByTime(4_000);
  phase.advance();
  phase.done();
  vi.advanceTimersByTime(60_000);
  expect(written).toEqual(['rounds: 1/3\n', 'rounds: 2/3\n']);
});
