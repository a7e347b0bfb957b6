/** The log of a real process: nothing is lost when it ends, and nobody who reads slowly holds it up. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';
import { everyNth } from '../../src/log.ts';

const LOG = new URL('../../src/log.ts', import.meta.url).href;
const LINES = 2_000;
let stop: () => void = () => undefined;
afterEach(() => stop());

/** A process that logs so many lines, tells on stderr that it goes on, and ends in some way. */
function logging(lines: number, ending: string, padding = 0) {
  const program = `
    import { createLog } from '${LOG}';
    const log = createLog('info');
    const padding = 'x'.repeat(${padding});
    for (let line = 0; line < ${lines}; line++) log.info({ line, padding }, 'a line');
    process.stderr.write('goes on\\n');
    ${ending}
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
  stop = () => void child.kill('SIGKILL');
  return child;
}

async function linesOf(child: ReturnType<typeof logging>): Promise<Record<string, unknown>[]> {
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  child.stderr.resume();
  await once(child, 'close');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('the log', () => {
  test.each([
    ['ends by itself', ''],
    ['calls process.exit', 'process.exit(1);'],
    ['dies of an exception', "throw new Error('nobody catches this');"],
  ])('is whole when a process %s', async (_how, ending) => {
    const lines = await linesOf(logging(LINES, ending));
    expect(lines.map(({ line }) => line)).toEqual(Array.from({ length: LINES }, (_, line) => line));
  });

  test('holds nobody up who reads slowly, and says what was lost meanwhile', async () => {
    // 32 MB, of which nobody takes any until the process has gone on.
    const child = logging(8_000, 'setTimeout(() => process.exit(), 1_500);', 4_000);
    const startedMs = monotonicMs();
    await once(child.stderr, 'data');
    expect(monotonicMs() - startedMs).toBeLessThan(20_000);
    await sleep(100);
    const lines = await linesOf(child);
    const told = lines.filter(({ msg }) => msg === 'lines of the log were lost: nobody took them');
    const lost = told.reduce((sum, { lines: count }) => sum + Number(count), 0);
    expect(lost).toBeGreaterThan(1_000);
    expect(lines.length - told.length + lost).toBe(8_000);
  });

  test('has a line for one request in so many', () => {
    const drawn = (one: number) => Array.from({ length: 7 }, everyNth(one));
    expect(drawn(0)).toEqual(Array(7).fill(false));
    expect(drawn(1)).toEqual(Array(7).fill(true));
    expect(drawn(3)).toEqual([true, false, false, true, false, false, true]);
  });
});
