/**
 * `npm test`: format, lint, types, then the tests, on one Redis and again, where commands reach
 * Redis that no other test sends, on a one-node Redis Cluster, which refuses what touches two tags.
 * Ends with one line for both: `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { findPostgres } from '../bench/support/postgres.ts';
import { findRedisServer } from '../src/redis/embedded.ts';
import { findPrometheus } from './support/prometheus.ts';

/**
 * What runs again on a cluster. Not test/http and test/gates: they are about what happens before a
 * script, and the scripts behind them have `.redis.` tests.
 */
const ON_CLUSTER = [
  '.redis.test.ts',
  ...['arrivals', 'bookings', 'notify', 'people', 'releases', 'rounds'].map(
    (slice) => `test/${slice}/`,
  ),
  'test/cowin/account.http',
  'test/cowin/whole-way.http',
  // Long, and what they are about is a beacon and what Redis's files hold.
  '--exclude=test/rounds/drand.http.test.ts',
  '--exclude=test/people/privacy.http.test.ts',
];

type Counts = { passed: number; failed: number };
type Report = {
  numPassedTests: number;
  testResults: {
    name: string;
    status: string;
    assertionResults: { fullName: string; status: string; failureMessages: string[] }[];
    message: string;
  }[];
};

/** What failed, by name: repeated at the end, where a long run's last lines are looked at. */
const failures: string[] = [];
/** Of each failure there; vitest's own report, further up, has all of it. */
const WHY_LINES = 6;
const scratch = mkdtempSync(join(tmpdir(), 'fairslot-test-'));
// Tests start hundreds of processes, of which each took half its start for compiling the same.
process.env['NODE_COMPILE_CACHE'] ??= join(scratch, 'compiled');

/** The first lines of a failure, and where in our own files it came to light. */
const briefly = (why: string): string => {
  const lines = why.split('\n').filter((line) => line.trim() !== '');
  const trace = lines.findIndex((line) => /^\s+at /.test(line));
  const said = lines.slice(0, Math.min(WHY_LINES, trace < 0 ? WHY_LINES : trace));
  const where = lines.find((line) => /^\s+at /.test(line) && !line.includes('node_modules'));
  return [...said, ...(where === undefined ? [] : [where.trim()])]
    .map((line) => `  ${line}`)
    .join('\n');
};

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
    const { numPassedTests, testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
    const before = failures.length;
    for (const file of testResults.filter(({ status: ended }) => ended === 'failed')) {
      const broken = file.assertionResults
        .filter(({ status: ended }) => ended === 'failed')
        .map(({ fullName, failureMessages }) => ({ test: fullName, why: failureMessages.at(-1) }));
      if (broken.length === 0) broken.push({ test: 'the file itself', why: file.message });
      for (const { test, why = '' } of broken)
        failures.push(`${name}: ${relative('.', file.name)}: ${test}\n${briefly(why)}`);
    }
    if (status !== 0 && failures.length === before)
      failures.push(`${name}: an error outside every test (vitest ended with ${status})`);
    return { passed: numPassedTests, failed: failures.length - before };
  } catch {
    failures.push(`${name}: vitest left no report`);
    return { passed: 0, failed: 1 };
  }
}

/** A command that passes or fails as a whole. */
function command(name: string): Counts {
  process.stdout.write(`\n== npm run ${name}\n`);
  const { status } = spawnSync('npm', ['run', '--silent', name], { stdio: 'inherit' });
  if (status === 0) return { passed: 1, failed: 0 };
  failures.push(`npm run ${name}`);
  return { passed: 0, failed: 1 };
}

// Installed where there are none, before the tests count time.
findRedisServer();
findPrometheus();
findPostgres();
const filters = process.argv.slice(2);
const counts =
  filters.length > 0
    ? [vitest('tests', filters, {})]
    : [
        ...['format:check', 'lint', 'types'].map(command),
        vitest('tests', [], {}),
        vitest('tests on a Redis Cluster', ['--project=engine', ...ON_CLUSTER], {
          FAIRSLOT_TEST_CLUSTER: 'true',
        }),
      ];
rmSync(scratch, { recursive: true, force: true });
const passed = counts.reduce((sum, one) => sum + one.passed, 0);
const failed = counts.reduce((sum, one) => sum + one.failed, 0);
for (const failure of failures) process.stdout.write(`\nFAILED ${failure}`);
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
