/** The suite of the bench: what it makes of outcomes, whatever was measured. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { SCENARIOS } from '../../bench/scenarios.ts';
import { chartSvg } from '../../bench/support/chart.ts';
import { percentile, spread } from '../../bench/support/numbers.ts';
import { percentileChart } from '../../bench/support/latency-charts.ts';
import { playApart, takingPart } from '../../bench/support/play.ts';
import { reportHtml } from '../../bench/support/report.ts';
import { NOTES, resultsText } from '../../bench/support/results.ts';
import { type Chart, type Goal, isMet, timeLimitMs } from '../../bench/support/scenario.ts';
import {
  boundText,
  brokenOf,
  figureLines,
  goalTable,
  type Measured,
  numberText,
  type Played,
} from '../../bench/support/verdict.ts';

const GOAL = { name: 'a goal', unit: 'ratio' };
type Bounds = { readonly figure: number; readonly atLeast?: number; readonly atMost?: number };
const played = (goals: readonly Goal[], more: object = {}): Played => ({
  name: 'floor',
  summary: 'one beside another',
  tookMs: 1_234,
  outcome: { figures: { ratio: 0.5 }, goals, charts: [], errors: 0, ...more },
});
const died: Played = { name: 'peers', summary: 's', tookMs: 1, failure: 'ended', broke: true };
const late: Played = { name: 'rush', summary: 's', tookMs: 1, failure: 'too slow', broke: false };
const measured = (...all: Played[]): Measured => ({
  played: all,
  at: new Date('2026-11-26T20:00:00Z'),
  machine: {
    cpu: 'a CPU',
    cores: 2,
    memoryGiB: 4,
    freeGiB: 2,
    kernel: 'Linux 6',
    node: '26.10.0',
    redis: '7.0.15',
    loadBefore: 0.5,
  },
});

describe('a goal', () => {
  it.each<[string, Bounds, boolean]>([
    ['at its least', { figure: 0.8, atLeast: 0.8 }, true],
    ['just below its least', { figure: 0.7999, atLeast: 0.8 }, false],
    ['at its most', { figure: 2, atMost: 2 }, true],
    ['just above its most', { figure: 2.0001, atMost: 2 }, false],
    ['between both', { figure: 1, atLeast: 0.9, atMost: 1.1 }, true],
    ['below both', { figure: 0.89, atLeast: 0.9, atMost: 1.1 }, false],
    ['above both', { figure: 1.11, atLeast: 0.9, atMost: 1.1 }, false],
    ['that is no number, to be at most', { figure: Number.NaN, atMost: 2 }, false],
    ['that is no number, to be at least', { figure: Number.NaN, atLeast: 0 }, false],
    ['without end', { figure: Infinity, atLeast: 1 }, false],
  ])('%s', (_name, goal, met) => {
    expect(isMet({ ...GOAL, ...goal } as Goal)).toBe(met);
  });

  it('is named with its bound', () => {
    expect(boundText({ atLeast: 0.8 })).toBe('at least 0.8');
    expect(boundText({ atMost: 10_000 })).toBe('at most 10,000');
    expect(boundText({ atLeast: 0.9, atMost: 1.1 })).toBe('0.9 to 1.1');
    expect(boundText({ atLeast: 0, atMost: 0 })).toBe('exactly 0');
  });
});

describe('figures', () => {
  it('are written with the digits that count', () => {
    expect([0.123456, 12.3456, 1_234_567.8, 0, Number.NaN, 0.00046].map(numberText)).toEqual([
      '0.1235',
      '12.35',
      '1,234,568',
      '0',
      'none',
      '0.00046',
    ]);
  });

  it('stand one a line, those of an object under its name', () => {
    const lines = figureLines({ rps: 3, entry: { p50Ms: 12 }, seen: [1, 2], many: [{ a: 1 }] });
    expect(lines.map((line) => line.replaceAll(/ +/g, ' '))).toEqual([
      'rps 3',
      'entry.p50Ms 12',
      'seen 1 2',
      'many.0.a 1',
    ]);
  });

  it('of many runs are a middle and how far they lie apart', () => {
    expect(spread([3, 1, 2])).toEqual({ least: 1, median: 2, most: 3 });
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([50, 99, 99.9, 100].map((percent) => percentile(hundred, percent))).toEqual([
      50, 99, 100, 100,
    ]);
  });
});

describe('the table of goals', () => {
  it('has a row for each goal, and says which is missed', () => {
    const table = goalTable([
      played([
        { ...GOAL, figure: 0.8, atLeast: 0.8 },
        { ...GOAL, name: 'another', figure: 3, atMost: 2 },
      ]),
    ]);
    const rows = table.split('\n');
    expect(rows).toHaveLength(3);
    expect(rows[1]).toMatch(/floor +a goal +0.8 ratio +at least 0.8 +met$/);
    expect(rows[2]).toMatch(/floor +another +3 ratio +at most 2 +missed$/);
  });

  it('counts every goal of a scenario that did not end as missed, with the reason', () => {
    expect(goalTable([late])).toMatch(/rush +every goal of it +too slow +missed/);
    expect(brokenOf(late)).toEqual([]);
  });

  it('shouts what is broken, whatever the goals say', () => {
    const broken = played([{ ...GOAL, figure: 1, atLeast: 0.8 }], { errors: 2 });
    expect(goalTable([broken, died])).toMatch(
      /\nBROKEN: floor: 2 answers .*\nBROKEN: peers ended$/,
    );
    expect(reportHtml(measured(broken))).toMatch(/role="alert".*Broken/s);
    expect(reportHtml(measured(played([])))).not.toContain('role="alert"');
  });
});

const chart: Chart = {
  title: 'a <chart>',
  description: 'what to see',
  kind: 'lines',
  x: { label: 'seconds' },
  y: { label: 'ms', scale: 'logarithmic' },
  series: [
    {
      name: 'one & only',
      points: [
        [0, 1],
        [1, 100],
        [2, Number.NaN],
        [3, 0],
      ],
    },
  ],
};

describe('a chart', () => {
  it('leaves out what is no number, and what a logarithm has none of', () => {
    const html = reportHtml(measured(played([], { charts: [chart] })));
    expect(html.match(/<circle/g)).toHaveLength(2);
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
    expect(html).toContain('a &lt;chart&gt;');
    expect(html).toContain('one &amp; only');
  });

  it('leaves out on a linear axis what is no number', () => {
    const svg = chartSvg({ ...chart, y: { label: 'ms' }, series: chart.series });
    expect(svg).not.toContain('NaN');
  });

  it('tells what it shows to those who cannot see it, and each value to who points at it', () => {
    const svg = chartSvg({ ...chart, series: [{ name: 's', points: [[0, 5]] }] });
    expect(svg).toContain('role="img" aria-label="a &lt;chart&gt;. what to see"');
    expect(svg).toContain('<title>s, seconds 0: 5 ms</title>');
  });

  it.each(['lines', 'bars'] as const)('of %s stands empty where nothing was measured', (kind) => {
    const svg = chartSvg({ ...chart, kind, x: { label: '', categories: [] }, series: [] });
    expect(svg).toContain('Nothing was measured.');
    expect(svg).not.toMatch(/NaN|Infinity/);
  });

  it('draws bars from zero, up and down, and one beside the other', () => {
    const axes = { x: { label: '', categories: ['a', 'b'] }, y: { label: 'ms' } };
    const series = ['s', 't'].map((name) => ({
      name,
      points: [
        [0, 10],
        [1, -10],
      ] as const,
    }));
    const svg = chartSvg({ ...chart, kind: 'bars', ...axes, series });
    const bars = Array.from(
      svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/g),
      (found) => found.slice(1).map(Number),
    );
    expect(bars).toHaveLength(4);
    const [up = [], down = [], beside = []] = bars;
    expect(up[3]).toBeCloseTo(down[3] ?? 0, 0);
    expect((up[1] ?? 0) + (up[3] ?? 0)).toBeCloseTo(down[1] ?? 0, 0);
    expect(beside[0]).toBeGreaterThanOrEqual((up[0] ?? 0) + (up[2] ?? 0));
  });

  it('shows each of eight series in a colour of its own, as soak and rush have them', () => {
    const series = Array.from({ length: 8 }, (_, index) => ({
      name: `series ${index}`,
      points: [[0, 1]] as const,
    }));
    const html = reportHtml(measured(played([], { charts: [{ ...chart, series }] })));
    const classes = Array.from(
      html.matchAll(/<circle[^>]* class="series (series-\d)/g),
      ([, one]) => one,
    );
    const colours = classes.map((one) => new RegExp(`--${one}: (#\\w+);`).exec(html)?.[1]);
    expect(new Set(colours).size).toBe(8);
    expect(colours).not.toContain(undefined);
  });

  it('does not say of a target that its machine is this one', () => {
    const target = 'https://booking.example.org';
    expect(reportHtml(measured(played([])))).toContain('Measured on');
    expect(reportHtml({ ...measured(played([])), target })).not.toContain('Measured on');
    expect(resultsText({ ...measured(played([])), target }, [])).not.toContain('share');
  });

  it('of percentiles has a line for each that was measured', () => {
    const { series } = percentileChart('waits', { quiet: [1, 2, 3], flood: [9], none: [] });
    expect(series.map(({ name }) => name)).toEqual(['quiet', 'flood']);
    expect(series[0]?.points.at(-1)).toEqual([6, 3]);
  });
});

describe('bench/RESULTS.md', () => {
  const directory = mkdtempSync(join(tmpdir(), 'fairslot-notes-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const notes = pathToFileURL(`${directory}/`);

  it('is written anew around the notes that people keep', () => {
    writeFileSync(join(directory, 'floor.md'), 'The profile says: **garbage**.\n');
    const scenarios = [
      { name: 'floor', summary: 'one beside another' },
      { name: 'peers', summary: 'others' },
    ];
    const first = resultsText(
      measured(played([{ ...GOAL, figure: 0.5, atLeast: 0.8 }]), died),
      scenarios,
      notes,
    );
    expect(first).toContain('| floor | a goal | 0.5 ratio | at least 0.8 | missed |');
    expect(first).toContain('**Broken: peers ended**');
    expect(first).toMatch(
      /## floor\n\nOne beside another\.\n\n[^#]*ratio +0\.5[^#]*The profile says/,
    );
    const second = resultsText(
      measured(played([{ ...GOAL, figure: 0.9, atLeast: 0.8 }])),
      scenarios,
      notes,
    );
    expect(second).toContain('| floor | a goal | 0.9 ratio | at least 0.8 | met |');
    expect(second).toContain('The profile says: **garbage**.');
    expect(second).not.toContain('0.5 ratio');
    expect(second).toMatch(/## peers\n\nOthers\.\n\nIt took no part in that run\./);
  });

  it('says where no note tells why a goal is missed', () => {
    const scenarios = [{ name: 'floor', summary: 'one beside another' }];
    const told = (figure: number): boolean =>
      resultsText(measured(played([{ ...GOAL, figure, atLeast: 0.8 }])), scenarios, notes).includes(
        'No note says yet why a goal is missed.',
      );
    writeFileSync(join(directory, 'floor.md'), 'It is slow.\n');
    expect([told(0.5), told(0.9)]).toEqual([true, false]);
    writeFileSync(join(directory, 'floor.md'), '### Where it falls short\n\nGarbage.\n');
    expect(told(0.5)).toBe(false);
  });

  it('stands with all the notes there are, each of a scenario', () => {
    const text = readFileSync(new URL('../RESULTS.md', NOTES), 'utf8');
    for (const file of readdirSync(NOTES)) {
      expect(SCENARIOS.map(({ name }) => `${name}.md`)).toContain(file);
      expect(text, file).toContain(readFileSync(new URL(file, NOTES), 'utf8').trim());
    }
  });
});

describe('the list of scenarios', () => {
  it('is described in bench/README.md, one row each', () => {
    const page = readFileSync(new URL('../../bench/README.md', import.meta.url), 'utf8');
    const table = page.slice(page.indexOf('## Scenarios'), page.indexOf('## A deployment'));
    const rows = Array.from(table.matchAll(/^\| `(\w+)` \|/gm), ([, name]) => name);
    expect(new Set(rows)).toEqual(new Set(SCENARIOS.map(({ name }) => name)));
    expect(rows).toHaveLength(SCENARIOS.length);
  });

  it('takes part in `all` with options that the scenarios have', () => {
    const parts = [false, true].flatMap((quick) => takingPart(SCENARIOS, { quick }));
    expect(parts.length).toBeGreaterThan(0);
    for (const { scenario, options } of parts) {
      const names = scenario.options.map((option) => option.attributeName());
      expect(names, scenario.name).toEqual(expect.arrayContaining(Object.keys(options)));
    }
  });

  it('takes less than 28 minutes, each scenario with a time of its own', () => {
    const times = takingPart(SCENARIOS, { quick: false }).map(({ mostS }) => mostS);
    expect(Math.min(...times)).toBeGreaterThan(0);
    expect(times.reduce((sum, mostS) => sum + mostS)).toBeLessThan(28 * 60);
  });

  it.each(['soak', 'peers'])('gives %s the minutes that it was asked to go on for', (name) => {
    const scenario = SCENARIOS.find((one) => one.name === name);
    if (!scenario) throw new Error(name);
    const day = 24 * 60;
    expect(timeLimitMs(scenario, { minutes: day })).toBeGreaterThan(day * 60_000);
    const minutes = scenario.options.find((option) => option.attributeName() === 'minutes');
    expect(minutes?.parseArg?.(String(day), undefined)).toBe(day);
    // A timer of more than 2^31 ms goes off at once.
    expect(() => minutes?.parseArg?.(String(day + 1), undefined)).toThrow('1,440');
  });

  it('leaves out of a quick run what waits for long, or others measure as well', () => {
    const quick = takingPart(SCENARIOS, { quick: true }).map(({ scenario }) => scenario);
    const out = SCENARIOS.filter((one) => !quick.includes(one)).map(({ name }) => name);
    expect(out).toEqual(['scrape']);
  });

  it('leaves out on a target what cannot be played there', () => {
    const target = { url: 'http://127.0.0.1:1', operatorKey: 'key' };
    for (const { scenario } of takingPart(SCENARIOS, { quick: false, target }))
      expect(scenario.onTarget, scenario.name).toBeTypeOf('function');
  });
});

describe('a scenario in a process of its own', () => {
  const directory = mkdtempSync(join(tmpdir(), 'fairslot-apart-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const program = (name: string, text: string): URL => {
    writeFileSync(join(directory, name), text);
    return pathToFileURL(join(directory, name));
  };
  const scenario = { name: 'floor', summary: 's' };
  const isAlive = (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch {
      return false;
    }
  };

  it('is ended when it takes too long, with all that it started', async () => {
    const file = join(directory, 'pids');
    const hang = program(
      'hang.mjs',
      `import { spawn } from 'node:child_process';
      import { writeFileSync } from 'node:fs';
      import { tmpdir } from 'node:os';
      const started = [{}, { detached: true, cwd: tmpdir() }].map(
        (how) => spawn('sleep', ['60'], { stdio: 'ignore', ...how }).pid);
      writeFileSync(${JSON.stringify(file)}, [process.pid, ...started].join(' '));
      setInterval(() => {}, 1_000);`,
    );
    const outcome = await playApart(scenario, { options: {} }, 2_000, hang);
    expect(outcome).toMatchObject({ failure: 'took longer than 2 s', broke: false });
    const pids = readFileSync(file, 'utf8').split(' ').map(Number);
    expect(pids).toHaveLength(3);
    await expect.poll(() => pids.some(isAlive)).toBe(false);
  });

  it('may die alone, and says how', async () => {
    const dying = program('dying.mjs', 'process.exit(3);');
    const outcome = await playApart(scenario, { options: {} }, 20_000, dying);
    expect(outcome).toMatchObject({ failure: 'ended with status 3', broke: true });
  });

  it('says numbers as they are, also those that are none', async () => {
    const text = `process.once('message', (job) => process.send(
      { outcome: { figures: { job, none: NaN }, goals: [], charts: [], errors: 0 } },
      () => process.exit(0)));`;
    const options = { entries: 3 };
    const outcome = await playApart(scenario, { options }, 20_000, program('saying.mjs', text));
    expect(outcome).toMatchObject({
      outcome: { figures: { job: { name: 'floor', options }, none: Number.NaN } },
    });
  });
});
