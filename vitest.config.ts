import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Each test file starts a Redis of its own and often waits: for it, for a clock, for a process.
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'pure', include: ['test/**/*.unit.test.ts'] } },
      {
        extends: true,
        test: { name: 'engine', include: ['test/**/*.{redis,http}.test.ts'] },
      },
      {
        extends: true,
        test: {
          name: 'simulation',
          include: ['test/**/*.sim.test.ts'],
          // These end what hangs, and promise nothing: a bound of time is an expectation of its own.
          testTimeout: 180_000,
          hookTimeout: 180_000,
          expect: { poll: { timeout: 30_000 } },
          // For time alone: real processes are killed and real clocks waited for, on a machine that
          // others may load, and what is promised within a time holds if it holds once in three
          // tries. That nothing is lost, doubled or oversold holds always: such a test has
          // ONLY_IF_SLOW (test/support/slow.ts).
          retry: 2,
        },
      },
    ],
  },
});
