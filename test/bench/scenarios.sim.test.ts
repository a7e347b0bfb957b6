import { execFile } from 'node:child_process';
import { describe, expect, it } from 'vitest';

type Outcome = { readonly status: number; readonly stdout: string; readonly stderr: string };

const bench = (...options: string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    execFile(process.execPath, ['bench/bench.ts', ...options], (error, stdout, stderr) =>
      resolve({ status: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });

const figuresOf = ({ stdout }: Outcome): Record<string, unknown> =>
  JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');

describe('the bench', () => {
  it.each([
    ['an unknown scenario', ['nonsense'], 'unknown command'],
    ['an unknown option', ['draw', '--nonsense'], 'unknown option'],
    ['an amount that is none', ['draw', '--entries', 'many'], 'whole number'],
    ['no scenario', [], 'Usage'],
  ])('refuses %s with a message and status 2', async (_name, options, message) => {
    const outcome = await bench(...options);
    expect(outcome).toMatchObject({ status: 2, stdout: '' });
    expect(outcome.stderr).toContain(message);
  });

  it.each([
    ['floor', ['--requests', '300', '--repeats', '1'], { errors: 0, ratio: expect.any(Number) }],
    ['memory', ['--entries', '300'], { bytesPerEntry: expect.any(Number) }],
    ['draw', ['--entries', '300'], { totalMs: expect.any(Number), met: true }],
    ['kill', ['--entries', '300', '--runs', '2', '--kills', '3'], { sameDigest: true, errors: 0 }],
    ['carry', ['--entries', '600'], { carried: 600, met: true }],
  ])(
    'measures %s and ends with one JSON object',
    async (scenario, options, figures) => {
      const outcome = await bench(scenario, ...options, '--json');
      expect(outcome.status).toBe(0);
      expect(figuresOf(outcome)).toMatchObject({ scenario, ...figures });
    },
    60_000,
  );
});
