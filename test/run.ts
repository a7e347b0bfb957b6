/**
 * `npm test`: format, lint, types, then the tests, on one Redis and again, where Redis is asked, on
 * a one-node Redis Cluster. Ends with one line for both: `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRedisServer } from '../src/redis/embedded.ts';

type Counts = { passed: number; failed: number };

const scratch = mkdtempSync(join(tmpdir(), 'fairslot-test-'));

/** Runs vitest with its ordinary output; its JSON report is read for the counts. */
function vitest(
  name: string,
  filters: readonly string[],
  environment: Record<string, string>,
): Counts {
  const report = join(scratch, `${name}.json`);
  const parameters = [
    'run',
    ...filters,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  process.stdout.write(`\n== ${name}\n`);
  const { status } = spawnSync('vitest', parameters, {
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  try {
    const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(
      readFileSync(report, 'utf8'),
    ) as Record<string, number>;
    const failed = Math.max(numFailedTests ?? 0, numFailedTestSuites ?? 0, status === 0 ? 0 : 1);
    return { passed: numPassedTests ?? 0, failed };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

/** A command that passes or fails as a whole. */
function command(name: string): Counts {
  process.stdout.write(`\n== npm run ${name}\n`);
  const { status } = spawnSync('npm', ['run', '--silent', name], { stdio: 'inherit' });
  return status === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

findRedisServer(); // installs it where there is none, before the tests count time
const filters = process.argv.slice(2);
const counts =
  filters.length > 0
    ? [vitest('tests', filters, {})]
    : [
        ...['format:check', 'lint', 'types'].map(command),
        vitest('tests', [], {}),
        vitest('tests on a Redis Cluster', ['.redis.test.ts', '.http.test.ts'], {
          FAIRSLOT_TEST_CLUSTER: 'true',
        }),
      ];
rmSync(scratch, { recursive: true, force: true });
const passed = counts.reduce((sum, one) => sum + one.passed, 0);
const failed = counts.reduce((sum, one) => sum + one.failed, 0);
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
