/** The house rules (docs/architecture.md) as tests: which room may know which, and what stands in one place only. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERRORS } from '../../src/errors.ts';
import '../../src/engine.ts'; // binds the scripts, whose names are label values
import { present } from '../../src/lib/assert.ts';
import type { Written } from '../../src/metrics/book.ts';
import { createMachineMetrics } from '../../src/metrics/machine.ts';
import { createMetrics } from '../../src/metrics/server.ts';
import { createWorkerMetrics } from '../../src/metrics/worker.ts';

/** Where no Redis is asked: who wires these metrics reads nothing of them. */
const unread = () => Promise.reject(new Error('no Redis'));
const NOTHING_READ = {
  beaconOverdueS: () => 0,
  isGatewayAway: () => false,
  outbox: unread,
  census: unread,
  offenders: unread,
  health: unread,
  reconcileEveryS: () => 3_600,
  lastRun: unread,
};
const ALONE = { names: () => [], ready: () => new Set<string>() };
/** Values of a label that the page of metrics repeats. */
const LISTED = 16;

const ROOT = resolve(import.meta.dirname, '../..');

const filesBelow = (directory: string, ending: string): string[] =>
  readdirSync(join(ROOT, directory)).flatMap((name) => {
    const path = join(directory, name);
    if (statSync(join(ROOT, path)).isDirectory()) return filesBelow(path, ending);
    return path.endsWith(ending) ? [path] : [];
  });

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const withoutComments = (text: string): string =>
  text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');

const SOURCES = filesBelow('src', '.ts');
const IMPORT = /(?:from|import) '([^']+)'/g;

type Import = { readonly file: string; readonly of: string };
const IMPORTS: Import[] = SOURCES.flatMap((file) =>
  Array.from(read(file).matchAll(IMPORT), ([, name = '']) => ({
    file,
    of: name.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file), name)) : name,
  })),
);
const importsThat = (breakTheRule: (one: Import) => boolean): string[] =>
  IMPORTS.filter(breakTheRule).map(({ file, of }) => `${file} imports ${of}`);
const room = (path: string): string => path.split('/').slice(0, 2).join('/');
const isDoor = (path: string): boolean => path.split('/').length === 2;

/** What is loaded before a module runs. */
function loadedBy(...modules: string[]): string[] {
  const loaded = new Set(modules);
  for (const file of loaded)
    for (const [, name = ''] of read(file).matchAll(/^import (?!type )[^;]*?'(\.[^']+)';/gm))
      loaded.add(relative(ROOT, resolve(ROOT, dirname(file), name)));
  return [...loaded];
}

describe('the house', () => {
  it('keeps src/lib free of I/O and of everything else of ours', () => {
    const allowed = ['node:crypto', 'canonicalize', 'lru-cache'];
    expect(
      importsThat(
        ({ file, of }) =>
          room(file) === 'src/lib' && room(of) !== 'src/lib' && !allowed.includes(of),
      ),
    ).toEqual([]);
  });

  it('lets only src/redis know ioredis', () => {
    expect(importsThat(({ file, of }) => of === 'ioredis' && room(file) !== 'src/redis')).toEqual(
      [],
    );
  });

  it('lets only src/http know Express', () => {
    expect(
      importsThat(({ file, of }) => of === 'express' && file !== 'src/http/express.ts'),
    ).toEqual([]);
  });

  it('starts the command line, and verifies a draw, without engine, settings and Redis', () => {
    const loaded = loadedBy('src/cli.ts', 'src/rounds/verify/verify-command.ts');
    expect(loaded).toEqual(
      expect.arrayContaining(['src/care/commands.ts', 'src/rounds/draw/draw.ts']),
    );
    const heavy = ['src/engine.ts', 'src/config.ts', 'src/log.ts', 'src/on-redis.ts'];
    expect(
      loaded.filter(
        (file) => heavy.includes(file) || ['src/redis', 'src/http'].includes(room(file)),
      ),
    ).toEqual([]);
  });

  it('keeps a slice out of the stores of the others, except to have them handed in as a type', () => {
    const foreign = importsThat(
      ({ file, of }) => of.endsWith('store.ts') && room(of) !== room(file) && !isDoor(file),
    );
    const asValue = foreign.filter((line) => {
      const [file = '', of = ''] = line.split(' imports ');
      const name = `./${relative(dirname(file), of)}`.replace('./..', '..');
      return !new RegExp(`import type [^;]* from '${name}'`).test(read(file));
    });
    expect(asValue).toEqual([]);
  });

  it('keeps rules pure: no Redis, no HTTP, no clock', () => {
    const impure = ['src/redis', 'src/http', 'src/notify', 'src/gates'];
    expect(
      importsThat(({ file, of }) => file.endsWith('/rules.ts') && impure.includes(room(of))),
    ).toEqual([]);
  });

  it('keeps the draw and all that is recomputed from it free of I/O', () => {
    const ofDraw = importsThat(({ file }) => file.startsWith('src/rounds/draw/'));
    expect(ofDraw.length).toBeGreaterThan(20);
    const impure = ['src/redis', 'src/http', 'src/notify', 'src/gates'];
    const isPure = ({ file, of }: Import): boolean =>
      !file.startsWith('src/rounds/draw/') || !impure.includes(room(of));
    expect(importsThat((one) => !isPure(one))).toEqual([]);
  });

  it.each([
    ['Date.now', /\bDate\.now\b|\bperformance\.now\b/, ['src/lib/clock.ts']],
    ['Math.random', /\bMath\.random\b/, []],
    [
      'process.env',
      /\bprocess\.env\b/,
      ['src/config.ts', 'src/settings-file.ts', 'src/install.ts', 'src/demo/engine.ts'],
    ],
    ['console', /\bconsole\./, []],
  ])('keeps %s in its home', (_name, pattern, homes) => {
    const strays = SOURCES.filter(
      (file) => !homes.includes(file) && pattern.test(withoutComments(read(file))),
    );
    expect(strays).toEqual([]);
  });

  it('writes Redis keys in one file only', () => {
    const strays = SOURCES.filter(
      (file) => file !== 'src/redis/keys.ts' && /['"`]fs:v1/.test(read(file)),
    );
    expect(strays).toEqual([]);
  });

  it('keeps code and scripts to 100 columns', () => {
    const long = [...SOURCES, ...filesBelow('lua', '.lua')].flatMap((file) =>
      read(file)
        .split('\n')
        .flatMap((line, index) =>
          line.length > 100 && !/['"`]/.test(line) ? [`${file}:${index + 1}`] : [],
        ),
    );
    expect(long).toEqual([]);
  });

  it('leaves no work undone on main', () => {
    const marks = /TO[D]O|FIX[M]E|X[X]X:|\.only\(|\.skip\(/;
    const files = [
      ...SOURCES,
      ...filesBelow('lua', '.lua'),
      ...filesBelow('test', '.ts'),
      ...filesBelow('docs', '.md'),
    ];
    expect(
      files.filter((file) => file !== 'test/tidy/house.unit.test.ts' && marks.test(read(file))),
    ).toEqual([]);
  });
});

describe('the error catalogue', () => {
  const sources = SOURCES.filter((file) => file !== 'src/errors.ts')
    .map(read)
    .join('\n');
  const scripts = filesBelow('lua', '.lua').map(read).join('\n');

  it('holds no code that nothing answers', () => {
    const unused = Object.keys(ERRORS).filter(
      (code) => !new RegExp(`['"]${code}['"]`).test(sources + scripts),
    );
    expect(unused).toEqual([]);
  });

  it('is documented, code by code', () => {
    const page = read('docs/errors.md');
    expect(Object.keys(ERRORS).filter((code) => !page.includes(`\`${code}\``))).toEqual([]);
  });
});

describe('the limits', () => {
  it('are written down, each environment setting with its default', () => {
    const settings = Array.from(
      read('src/config.ts').matchAll(/^ {2}([A-Z][A-Z_]+):/gm),
      ([, name = '']) => name,
    );
    const page = read('README.md');
    expect(settings.length).toBeGreaterThan(10);
    expect(settings.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
});

/** Who hands pages of metrics on. */
const SERVES_METRICS = ['src/http/monitor.ts', 'src/processes/child.ts'];

/** Of our own, as they are written down. */
const METRICS: readonly Written[] = [
  ...createMetrics().entries,
  ...createWorkerMetrics(NOTHING_READ).entries,
  ...createMachineMetrics(ALONE).entries,
].filter(({ name }, index, all) => all.findIndex((one) => one.name === name) === index);

describe('the metrics', () => {
  const page = read('docs/metrics.md');
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  const rowOf = (name: string): string => rows.find((row) => row.includes(`\`${name}\``)) ?? '';

  it('are documented, each with its type and the values of its labels, and no other', async () => {
    const made = [createMetrics(), createWorkerMetrics(NOTHING_READ), createMachineMetrics(ALONE)];
    const registries = made.map(({ registry }) => registry);
    const typed = (await Promise.all(registries.map((one) => one.getMetricsAsJSON()))).flat();
    const missing = METRICS.filter(({ name, labels = {} }) => {
      const row = rowOf(name);
      const { type } = present(
        typed.find((one) => one.name === name),
        name,
      );
      const values = Object.entries(labels).flatMap(([label, is]) =>
        is instanceof RegExp || is.length > LISTED ? [label] : [label, ...is],
      );
      return ![String(type), ...values].every((word) => row.includes(word));
    });
    expect(missing.map(({ name }) => name)).toEqual([]);
    const named = Array.from(page.matchAll(/`(fairslot_\w+)`/g), ([, name = '']) => name);
    expect(named.filter((name) => !METRICS.some((one) => one.name === name))).toEqual([]);
    const defaults = typed.map(({ name }) => name).filter((name) => !name.startsWith('fairslot_'));
    expect(defaults.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });

  it('are named by slice, thing and unit, and say in which unit and of what they are', () => {
    const slices =
      /^fairslot_(http|gates|people|releases|rounds|bookings|arrivals|notify|redis|reconcile|processes)_/;
    const odd = METRICS.filter(
      ({ name, help, unit }) =>
        !(slices.test(name) || name === 'fairslot_build_info') || help === '' || unit === '',
    );
    expect(odd.map(({ name }) => name)).toEqual([]);
  });

  it('are known to no slice: only src/metrics and whoever serves them know prom-client', () => {
    expect(
      importsThat(
        ({ file, of }) =>
          of === 'prom-client' && room(file) !== 'src/metrics' && !SERVES_METRICS.includes(file),
      ),
    ).toEqual([]);
  });
});
