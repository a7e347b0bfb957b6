/** What is left of a bench that is ended in its middle, as by Ctrl-C: nothing. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

/** Processes that run below a directory, as every Redis and Postgres of a bench does. */
const runningIn = (directory: string): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`).startsWith(directory);
    } catch {
      return false; // it has ended
    }
  });

it.each([
  ['one scenario', ['memory', '--entries', '50000'], 'fairslot-redis-*/address'],
  ['one on the processes of npm start', ['rush'], 'fairslot-demo-*/redis/address'],
  ['all of them', ['all', '--quick'], 'fs-bench-*/fairslot-redis-*/address'],
])('leaves nothing of %s', { timeout: 120_000 }, async (_which, options, begun) => {
  const directory = mkdtempSync(join(tmpdir(), 'fairslot-ends-'));
  const child = spawn(process.execPath, ['bench/bench.ts', ...options], {
    env: { ...process.env, TMPDIR: directory },
    stdio: 'ignore',
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
    for (const pid of runningIn(directory)) process.kill(Number(pid), 'SIGKILL');
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  await expect
    .poll(() => globSync(begun, { cwd: directory }), { timeout: 60_000, interval: 50 })
    .toHaveLength(1);
  const ended = once(child, 'exit');
  child.kill('SIGINT');
  expect(await ended).toEqual([1, null]);
  expect(readdirSync(directory)).toEqual([]);
  await expect.poll(() => runningIn(directory), { timeout: 20_000 }).toEqual([]);
});
