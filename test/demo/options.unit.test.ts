import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const DEMO = fileURLToPath(new URL('../../src/demo.ts', import.meta.url));
const demo = (...options: string[]) =>
  spawnSync(process.execPath, [DEMO, ...options], { encoding: 'utf8' });

it.each([
  [['--citizens', 'many'], 'not a whole number from 10 to 20000'],
  [['--bots', '0'], 'not a whole number from 1 to 5000'],
  [['--seed', 'a b'], 'letters, digits'],
  [['--speed', '9'], "unknown option '--speed'"],
  [['now'], 'too many arguments'],
])('refuses %j with status 2 and a clear message', (options, message) => {
  const { status, stderr, stdout } = demo(...options);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toContain(message);
});
