/** The house rules (docs/architecture.md) as tests: which room may know which, and what stands in one place only. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERRORS } from '../../src/errors.ts';

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

describe('the house', () => {
  it('keeps src/lib free of I/O and of everything else of ours', () => {
    const allowed = ['node:crypto', 'canonicalize'];
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

  it('keeps a slice out of the stores of the others, except to have them handed in as a type', () => {
    const foreign = importsThat(
      ({ file, of }) => of.endsWith('/store.ts') && room(of) !== room(file) && !isDoor(file),
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
    const pure = ['draw', 'ledger', 'entry-table', 'seal', 'pools', 'bytes', 'lines'].map(
      (name) => `src/rounds/${name}.ts`,
    );
    const impure = ['src/redis', 'src/http', 'src/notify', 'src/gates'];
    expect(importsThat(({ file, of }) => pure.includes(file) && impure.includes(room(of)))).toEqual(
      [],
    );
  });

  it.each([
    ['Date.now', /\bDate\.now\b|\bperformance\.now\b/, ['src/lib/clock.ts']],
    ['Math.random', /\bMath\.random\b/, []],
    [
      'process.env',
      /\bprocess\.env\b/,
      ['src/config.ts', 'src/start.ts', 'src/cli.ts', 'src/install.ts', 'src/demo/engine.ts'],
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

describe('the dashboards', () => {
  it('name only metrics that exist', () => {
    const known = new Set(
      Array.from(read('src/metrics.ts').matchAll(/'(fairslot_\w+)'/g), ([, name = '']) => name),
    );
    const used = filesBelow('grafana', '.json').flatMap((file) =>
      Array.from(read(file).matchAll(/\bfairslot_\w+/g), ([name]) =>
        name.replace(/_(?:bucket|sum|count)$/, ''),
      ),
    );
    expect(used.length).toBeGreaterThan(0);
    expect([...new Set(used)].filter((name) => !known.has(name))).toEqual([]);
  });

  it('show every metric', () => {
    const shown = filesBelow('grafana/dashboards', '.json').map(read).join('\n');
    const names = Array.from(
      read('src/metrics.ts').matchAll(/'(fairslot_\w+)'/g),
      ([, name = '']) => name,
    );
    expect(names.filter((name) => !shown.includes(name))).toEqual([]);
  });
});
