import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Kind, KIND_NAMES, type KindName, KINDS } from '../../bench/flood/kinds.ts';
import { ROLES } from '../../bench/rush/cast.ts';
import { SCENARIOS } from '../../bench/scenarios.ts';
import { OPERATOR_KEY, settingsFor, withEngine } from '../../bench/support/engine.ts';
import { startServer } from '../../bench/support/processes.ts';
import type { JudgedGoal } from '../../bench/support/verdict.ts';
import { useBrowser } from '../support/browser.ts';

type Outcome = { readonly status: number; readonly stdout: string; readonly stderr: string };

const bench = (...options: string[]): Promise<Outcome> => benchWith({}, ...options);

/** In a shell that has exported `more`. */
const benchWith = (
  more: Readonly<Record<string, string>>,
  ...options: string[]
): Promise<Outcome> =>
  new Promise((resolve) => {
    const { FAIRSLOT_OPERATOR_KEY: _none, ...own } = process.env;
    const env = { ...own, ...more };
    const parameters = ['bench/bench.ts', ...options];
    const maxBuffer = 2 ** 24;
    execFile(process.execPath, parameters, { env, maxBuffer }, (error, stdout, stderr) =>
      resolve({ status: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });

type FloodFigures = {
  readonly hostile: { readonly kinds: Readonly<Record<KindName, Record<string, number>>> };
};

const figuresOf = ({ stdout }: Outcome): Record<string, unknown> =>
  JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');

const TARGET = ['--target', 'http://127.0.0.1:9'];

describe('the bench', () => {
  it.each([
    ['an unknown scenario', ['nonsense'], 'unknown command'],
    ['an unknown option', ['draw', '--nonsense'], 'unknown option'],
    ['an amount that is none', ['draw', '--entries', 'many'], 'whole number'],
    ['no scenario', [], 'Usage'],
    ['too few to leave anybody waiting', ['draw', '--entries', '49'], 'from 50'],
    ['a report in a file', ['draw', '--report', 'package.json/page.html'], 'cannot be written'],
    ['a report in a folder’s place', ['all', '--report', 'bench'], 'cannot be written'],
    ['results in a folder’s place', ['all', '--results', 'bench'], 'cannot be written'],
    ['a target that nobody said may be loaded', ['scrape', ...TARGET], 'a bench loads'],
    ['to play all on such a target', ['all', ...TARGET], 'a bench loads'],
    ['a target without a key', ['scrape', ...TARGET, '--i-may-load-it'], 'a target needs'],
    ['a target that is none', ['scrape', '--target', 'there', '--i-may-load-it'], 'no URL'],
    [
      'a scenario that no target can play',
      ['draw', ...TARGET, '--i-may-load-it', '--operator-key', 'key'],
      'cannot be played',
    ],
  ])('refuses %s with a message and status 2', async (_name, options, message) => {
    const outcome = await bench(...options);
    expect(outcome).toMatchObject({ status: 2, stdout: '' });
    expect(outcome.stderr).toContain(message);
  });

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
  });

  it('measures the same whatever settings of an engine the shell has exported', async () => {
    const exported = {
      NODE_ENV: 'production',
      REDIS_REPLICAS: '1',
      DEVICE_TOKEN_SECRETS: 'the secret of a deployment that is elsewhere',
      LIMIT_WRITE_PER_DEVICE: '1',
      SETTINGS_FILE: 'there-is-none',
    };
    const options = ['floor', '--requests', '100', '--repeats', '1', '--json'];
    const outcome = await benchWith(exported, ...options);
    expect(figuresOf(outcome)).toMatchObject({ errors: 0 });
    expect(outcome.status).toBe(0);
  });

  it('plays on a deployment whose owner has agreed', async () => {
    const outcome = await withEngine(async (own) => {
      const server = await startServer('src/server.ts', settingsFor(own));
      const target = ['--target', server.url, '--i-may-load-it', '--operator-key', OPERATOR_KEY];
      try {
        return await bench('scrape', '--scrapes', '3', ...target, '--json');
      } finally {
        await server.stop();
      }
    });
    expect(outcome.status, outcome.stderr).toBe(0);
    expect(figuresOf(outcome)).toMatchObject({ scenario: 'scrape', scrapes: 3, errors: 0 });
    expect(figuresOf(outcome)['series']).toBeGreaterThan(50);
  });

  it.each([
    ['a kind that is none', 'nonsense=1'],
    ['a weight that is none', 'forgedToken=much'],
  ])('refuses %s in a mix', async (_name, mix) => {
    expect(await bench('flood', '--mix', mix)).toMatchObject({ status: 2, stdout: '' });
  });
});

/** What each scenario says that takes part in `all --quick`. */
const A_NUMBER: unknown = expect.any(Number);
const COST = { serverUs: A_NUMBER, redisUs: A_NUMBER };
const SOUND = { oversold: 0, doubled: 0, lost: 0, disagreed: 0, unexpected: {} };
const WHOLE = { oversold: 0, doubled: 0, leaked: 0, lost: 0 };
const OURS = {
  seats10: { workers8: { ...WHOLE, sold: 10, unexpected: 0 } },
  seats100: { workers8: { ...WHOLE, sold: 40, bookingsPerS: A_NUMBER } },
  killed: WHOLE,
};
const SAID: Readonly<Record<string, object>> = {
  floor: { errors: 0, ratio: A_NUMBER, captcha: true },
  discovery: { errors: 0, floorRps: A_NUMBER, discoveryRps: A_NUMBER, ratio: A_NUMBER },
  flood: { errors: 0, honestSuccess: 1, costs: { unknownRoute: COST, noCaptcha: COST } },
  draw: { totalMs: A_NUMBER, served: A_NUMBER },
  memory: { bytesPerEntry: A_NUMBER },
  captcha: { checkUs: A_NUMBER, forgedUs: A_NUMBER },
  slip: { ownThread: expect.any(Object), thisThread: expect.any(Object) },
  kill: { sameDigest: true, errors: 0 },
  carry: { carried: 300 },
  reconcile: { findings: 0, errors: 0 },
  storm: { errors: 0, ratio: A_NUMBER, first: { commandsAFile: A_NUMBER } },
  cost: { errors: 0, signIn: { serverUs: A_NUMBER, redisUs: A_NUMBER } },
  // A lottery and a first come, first served: nobody has two seats, nothing is lost.
  rush: {
    lottery: {
      ...SOUND,
      people: 21,
      bots: 14,
      roundsRefused: [],
      seatsGiven: 18,
      seatsOfHundred: Object.fromEntries(ROLES.map((role) => [role, A_NUMBER])),
      latency: Object.fromEntries(
        ['sign-in', 'sms', 'registration', 'entry', 'result', 'confirm'].map((phase) => [
          phase,
          expect.any(Object),
        ]),
      ),
    },
    immediate: { ...SOUND, people: 21, bots: 14 },
    errors: 0,
  },
  immediate: {
    booked: 180,
    oversold: 0,
    doubled: 0,
    leaked: 0,
    lost: 0,
    errors: 0,
    ratio: A_NUMBER,
  },
  // Servers are killed amid the crowd, and ours comes out whole.
  peers: { fairslotScript: OURS, fairslotEngine: OURS },
  // Memory and latency are followed, and no goal is made of a warm-up.
  soak: {
    unexpected: {},
    errors: 0,
    p99Ratio: A_NUMBER,
    growth: {
      processes: { 'server-1': expect.any(Object), 'worker-1': expect.any(Object) },
      redis: { netMiBPerHour: A_NUMBER },
    },
    isLongEnoughForMemory: false,
  },
};

type Seen = {
  readonly name: string;
  readonly charts: readonly {
    readonly says: string;
    readonly widthPixels: number;
    readonly marks: number;
    readonly inside: boolean;
  }[];
};

/** In the page: what each scenario's section shows. */
const SEEN = `Array.from(document.querySelectorAll('section[id]'), (section) => ({
  name: section.id,
  charts: Array.from(section.querySelectorAll('svg'), (svg) => ({
    says: svg.getAttribute('aria-label') ?? '',
    widthPixels: svg.getBoundingClientRect().width,
    marks: svg.querySelectorAll('rect, circle, polyline').length,
    inside: Array.from(svg.querySelectorAll('text')).every(
      (text) => text.getBoundingClientRect().left >= section.getBoundingClientRect().left,
    ),
  })),
}))`;

/** Each of its scenarios may take two minutes, and ends itself then. */
const ALL_WITHIN_MS = 30 * 60_000;

describe('all of the bench', () => {
  const web = useBrowser();
  const directory = mkdtempSync(join(tmpdir(), 'fairslot-bench-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const report = join(directory, 'report.html');
  const results = join(directory, 'RESULTS.md');
  let outcome: Outcome;
  let all: Record<string, unknown>;
  beforeAll(async () => {
    outcome = await bench('all', '--quick', '--json', '--report', report, '--results', results);
    all = figuresOf(outcome);
  }, ALL_WITHIN_MS);

  it('runs, each scenario in turn, and ends with one JSON object and status 0', () => {
    expect(all, outcome.stderr).toMatchObject({ scenario: 'all', broken: [], scenarios: SAID });
    expect(outcome.status).toBe(0);
    const quick = SCENARIOS.filter((one) => one.quick).map(({ name }) => name);
    expect(Object.keys(all['scenarios'] as object)).toEqual(quick);
  });

  it('prints a row for each goal that was judged, met or missed', () => {
    const goals = all['goals'] as { scenario: string; name: string; met: boolean }[];
    expect(goals.length).toBeGreaterThan(10);
    const table = outcome.stderr.slice(outcome.stderr.lastIndexOf('\nscenario '));
    const text = readFileSync(results, 'utf8');
    for (const { scenario, name, met } of goals) {
      const row = table
        .split('\n')
        .find((line) => line.startsWith(scenario) && line.includes(name));
      expect(row, name).toMatch(met ? /met$/ : /missed$/);
      expect(text).toContain(`| ${scenario} | ${name} |`);
    }
  });

  it('judges what little was measured, and nothing that takes longer', () => {
    const goals = all['goals'] as (JudgedGoal & { scenario: string })[];
    const of = (name: string): JudgedGoal[] => goals.filter(({ scenario }) => scenario === name);
    const [byLot, atOnce] = of('rush');
    expect(byLot?.atLeast).toBeLessThan(1);
    expect(byLot?.atMost).toBeGreaterThan(1);
    expect(atOnce?.figure).toBeGreaterThan(1);
    expect(of('immediate')).toMatchObject([{ unit: 'ratio', atLeast: 0.8 }]);
    expect(of('soak').map(({ unit }) => unit)).toEqual(['ratio']);
    const never = { unit: 'seats', figure: 0, met: true };
    expect(of('peers')).toMatchObject([never, never, never, never]);
  });

  it('writes a page that opens without a network and has a chart for each scenario', async () => {
    const page = await web.browser.newPage();
    const asked: string[] = [];
    const faults: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    page.on('pageerror', (error) => faults.push(String(error)));
    await page.setOfflineMode(true);
    await page.goto(pathToFileURL(report).href);
    expect(asked).toEqual([pathToFileURL(report).href]);
    expect(faults).toEqual([]);
    const seen = (await page.evaluate(SEEN)) as Seen[];
    expect(seen.map(({ name }) => name)).toEqual(Object.keys(all['scenarios'] as object));
    for (const { name, charts } of seen) {
      expect(charts.length, name).toBeGreaterThan(0);
      for (const { says, widthPixels, marks, inside } of charts) {
        expect(says.length, name).toBeGreaterThan(20);
        expect(widthPixels, says).toBeGreaterThan(200);
        expect(marks, says).toBeGreaterThan(0);
        expect(inside, says).toBe(true);
      }
    }
    await page.close();
  });
});
