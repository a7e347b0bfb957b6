/** The simulator: what each persona gains by the engine's own draw, and where scalping pays. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { sharesOverAllOrders } from '../../bench/sim/all-orders.ts';
import {
  certainly,
  hypergeometric,
  meanOf,
  onceIn,
  rangeOf,
  summed,
} from '../../bench/sim/chances.ts';
import { asPublished, playMarkets } from '../../bench/sim/market.ts';
import { computed, measure, type Verdict } from '../../bench/sim/persona.ts';
import { PERSONAS } from '../../bench/sim/personas.ts';
import { openRelease, peopleNamed, type Release } from '../../bench/sim/release.ts';
import { seededRandom } from '../../src/demo/random.ts';
import { entryAt, HASH_BYTES } from '../../src/rounds/draw/entry-table.ts';

const SEED = 'test';

/** Verdict and exact gain of each, in the order of the table. */
const EXPECTED: readonly (readonly [persona: string, verdict: Verdict, gain: number])[] = [
  ['sprinter', 'gains nothing', 1],
  ['sprinter', 'gains', 4],
  ['re-roller', 'gains nothing', 1],
  ['re-roller', 'gains nothing', 1],
  ['re-roller', 'loses', 19 / 37],
  ['re-roller', 'gains nothing', 1],
  ['re-roller', 'gains nothing', 1],
  ['re-roller', 'loses', 25 / 30],
  ['re-roller', 'gains nothing', 1],
  ['re-roller', 'loses', 20 / 30],
  ['gambler', 'gains', 1.5],
  ['ID splitter', 'gains nothing', 1],
  ['ID splitter', 'gains', 2.76],
  ['farm', 'gains nothing', 1],
  ['farm', 'gains nothing', 1],
  ['farm', 'gains nothing', 1],
  ['scalper', 'loses', 0],
  ['scalper', 'gains nothing', 1],
  ['seat burner', 'loses', 0],
  ['insider', 'gains', 5 / 1.04],
  ['insider', 'gains', 100 / 60],
  ['insider', 'gains', (1 - 0.8 ** 16) / 0.2],
  ['insider', 'gains', (1 - 0.8 ** 16) / 0.2],
  ['insider', 'gains nothing', 1],
  ['insider', 'gains', 1.5],
];

describe('the personas', () => {
  it('are those that this test knows', () => {
    expect(PERSONAS.map(({ persona }) => persona)).toEqual(EXPECTED.map(([name]) => name));
  });

  it.each(
    PERSONAS.map((persona, i) => [persona.persona, persona.does, persona, EXPECTED[i]!] as const),
  )('measure what is computed: %s %s', async (_name, _does, persona, [, verdict, gain]) => {
    const finding = await measure(persona, { runs: 60, seed: SEED });
    expect(finding.verdict).toBe(verdict);
    expect(finding.expected).toBeCloseTo(gain, 2);
    expect(finding.gain).toBeGreaterThanOrEqual(finding.least);
    expect(finding.gain).toBeLessThanOrEqual(finding.most);
  });

  it('are told when a draw is not as computed', async () => {
    const [sprinter] = PERSONAS;
    const rigged = { ...sprinter!, play: () => Math.round(sprinter!.honest * 1.2) };
    const finding = await measure(rigged, { runs: 100, seed: SEED });
    expect(finding.verdict).toBe('not as computed');
  });
});

describe('the page for citizens', () => {
  it('shows gains and ranges as they are computed', () => {
    const page = readFileSync('docs/fairness.md', 'utf8');
    const shown = Array.from(
      page.matchAll(/\| ([\d.]+ \| [\d.]+ to [\d.]+) \|$/gm),
      ([, one]) => one,
    );
    const known = PERSONAS.map(({ exact, honest }) => {
      const { expected, least, most } = computed(exact, honest, 1_000);
      return `${expected.toFixed(2)} | ${least.toFixed(2)} to ${most.toFixed(2)}`;
    });
    expect(shown.length).toBeGreaterThan(15);
    expect(shown.filter((one) => !known.includes(one!))).toEqual([]);
  });
});

const CITIZENS = peopleNamed('citizen', 30);
const opened = (): Release => {
  const release = openRelease([5], seededRandom(SEED));
  for (const citizen of CITIZENS) release.enter(citizen);
  return release;
};

describe('a simulated release', () => {
  it('gives the same draw for the same seed, and foresees it', () => {
    const [one, other] = [opened(), opened()];
    const foreseen = one.foresee().winners;
    expect(one.draw().winners).toEqual(foreseen);
    expect(other.draw().winners).toEqual(foreseen);
    expect(foreseen).toHaveLength(5);
  });

  it('takes a person once, and keeps their entry id when they come back', () => {
    const release = opened();
    const person = CITIZENS[0]!;
    release.withdraw(person);
    release.enter(person);
    release.enter(person, { prefs: [0] });
    const { table } = release.draw();
    expect(table.count).toBe(CITIZENS.length);
    expect(release.enter(person)).toBe(false);
    const again = opened().draw();
    expect(Array.from({ length: table.count }, (_, row) => entryAt(table, row))).toEqual(
      Array.from({ length: table.count }, (_, row) => entryAt(again.table, row)),
    );
  });

  it('leaves everyone who was dropped with a receipt that is in no round', () => {
    const release = opened();
    const receipts = CITIZENS.map((citizen) => release.receiptOf(citizen));
    const dropped = CITIZENS.slice(0, 7);
    dropped.forEach(release.withdraw); // as the insider does it: nobody asked for that
    const { leaves } = release.draw().table;
    const sealed = new Set(
      Array.from({ length: leaves.length / HASH_BYTES }, (_, row) =>
        leaves.toString('hex', row * HASH_BYTES, (row + 1) * HASH_BYTES),
      ),
    );
    const missing = CITIZENS.filter((_, i) => !sealed.has(receipts[i]!.toString('hex')));
    expect(missing).toEqual(dropped);
  });
});

describe('exact chances', () => {
  it('add up', () => {
    expect(summed(certainly(3), 5)).toEqual(certainly(15));
    expect(summed(onceIn(0.5), 4).chances).toEqual([1, 4, 6, 4, 1].map((ways) => ways / 16));
    expect(meanOf(summed(hypergeometric(210, 10, 60), 100))).toBeCloseTo((100 * 600) / 210, 6);
    expect(rangeOf(summed(onceIn(0.25), 1_000), 0.999)).toEqual({ least: 206, most: 296 });
  });

  it('know serial dictatorship, groups too', () => {
    const [pair, single] = sharesOverAllOrders([2], [{ prefs: [0], size: 2 }, { prefs: [0] }]);
    expect(pair).toEqual([1 / 2]);
    expect(single).toEqual([1 / 2]);
  });
});

describe('the black market', () => {
  it('pays where cancelled seats come back at once and many want them, and nowhere else', async () => {
    const cells = await playMarkets({ runs: 40, seed: SEED });
    expect(asPublished(cells)).toBe(true);
    const profits = Object.fromEntries(
      cells.map(({ mechanism, demand, profit }) => [`${mechanism}/${demand}`, profit]),
    );
    expect(profits).toMatchObject({ 'immediate/low': -50, 'batch/low': -50 });
    expect(profits['immediate/high']).toBeGreaterThan(550);
    expect(profits['batch/high']).toBeLessThan(0);
    const ransom = cells.find(
      ({ mechanism, demand }) => mechanism.includes('next') && demand === 'high',
    );
    expect(ransom!.breakEven).toBeLessThan(8);
  });
});

describe('npm run sim', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'fairslot-sim-'));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));
  const sim = (...options: string[]) =>
    new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
      execFile(process.execPath, ['bench/sim.ts', ...options], (error, stdout, stderr) =>
        resolve({ status: error ? Number(error.code) : 0, stdout, stderr }),
      );
    });

  it('prints a table, ends with one JSON object and draws a picture', async () => {
    const picture = join(scratch, 'deep', 'sim.svg');
    const { status, stdout, stderr } = await sim('--json', '--runs', '5', '--plot', picture);
    expect(status).toBe(0);
    expect(stderr).toContain('All as computed.');
    const results = JSON.parse(stdout) as Record<string, unknown>;
    expect(results).toMatchObject({ seed: 'pune', runs: 5, asExpected: true });
    expect(readFileSync(picture, 'utf8')).toMatch(/^<svg xmlns=[^]*<\/svg>$/);
  });

  it.each([['--runs', 'many'], ['--nonsense'], ['--runs', '0']])(
    'refuses %s %s',
    async (...options) => {
      expect(await sim(...options)).toMatchObject({ status: 2, stdout: '' });
    },
  );
});
