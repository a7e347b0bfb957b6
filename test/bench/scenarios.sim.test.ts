import { execFile } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { type Kind, KIND_NAMES, type KindName, KINDS } from '../../bench/flood/kinds.ts';

type Outcome = { readonly status: number; readonly stdout: string; readonly stderr: string };

const bench = (...options: string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    execFile(process.execPath, ['bench/bench.ts', ...options], (error, stdout, stderr) =>
      resolve({ status: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });

type FloodFigures = {
  readonly hostile: { readonly kinds: Readonly<Record<KindName, Record<string, number>>> };
};

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
    [
      'discovery',
      ['--requests', '40', '--connections', '4', '--repeats', '1'],
      {
        errors: 0,
        floorRps: expect.any(Number),
        discoveryRps: expect.any(Number),
        ratio: expect.any(Number),
      },
    ],
    ['slip', ['--slips', '5'], { ownThread: expect.any(Object), thisThread: expect.any(Object) }],
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

  it('floods, and every hostile request is refused as documented', async () => {
    const options = ['--rate', '20', '--seconds', '4', '--windows', '1'];
    const outcome = await bench('flood', ...options, '--json');
    expect(outcome.stderr).not.toContain('Error');
    const figures = figuresOf(outcome) as unknown as FloodFigures;
    expect(figures).toMatchObject({
      scenario: 'flood',
      quiet: { success: 1, p99Ms: expect.any(Number) },
      flood: { success: 1, p99Ms: expect.any(Number) },
      honestSuccess: 1,
      p99Ratio: expect.any(Number),
      errors: 0,
      hostile: { unexpected: 0 },
      verified: { missing: 0, twice: 0, foreign: 0 },
    });
    expect(outcome.status).toBe(0);
    const { kinds } = figures.hostile;
    expect(Object.keys(kinds)).toEqual(KIND_NAMES);
    for (const name of KIND_NAMES) {
      const kind: Kind = KINDS[name];
      const labels = Object.keys(kinds[name]);
      expect(kind.answers, name).toEqual(expect.arrayContaining(labels));
      const refusals = labels.filter((label) => !label.startsWith('2'));
      expect(refusals.length, name).toBeGreaterThan(0);
    }
    expect(kinds.slowBody).toHaveProperty('408 REQUEST_TOO_SLOW');
    expect(kinds.replayedCaptcha).toHaveProperty('403 CAPTCHA_SPENT');
  }, 120_000);

  it('floods with some kinds only, and measures what each costs', async () => {
    const options = ['--rate', '20', '--seconds', '1', '--windows', '1', '--kinds'];
    const outcome = await bench('flood', ...options, '--mix', 'unknownRoute=3,noCaptcha', '--json');
    expect(outcome.status).toBe(0);
    const { costs } = figuresOf(outcome);
    const cost = { serverUs: expect.any(Number), redisUs: expect.any(Number) };
    expect(costs).toEqual({ unknownRoute: cost, noCaptcha: cost });
  }, 60_000);

  it.each([
    ['a kind that is none', 'nonsense=1'],
    ['a weight that is none', 'forgedToken=much'],
  ])('refuses %s in a mix', async (_name, mix) => {
    expect(await bench('flood', '--mix', mix)).toMatchObject({ status: 2, stdout: '' });
  });
});
