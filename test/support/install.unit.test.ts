/** Programs of the system: found, or installed by whatever package manager there is. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findProgram, onPath } from '../../src/install.ts';

let folder: string;
const path = process.env['PATH'];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fairslot-install-'));
  process.env['PATH'] = folder;
});
afterEach(() => {
  process.env['PATH'] = path;
  rmSync(folder, { recursive: true });
});

/** A program in the only folder of the PATH; gives its path. */
function program(name: string, ...lines: readonly string[]): string {
  const file = join(folder, name);
  writeFileSync(file, ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 });
  return file;
}
/** Everybody may install here. */
const sudo = () => program('sudo', 'shift', 'exec "$@"');
const find = () =>
  findProgram({
    need: 'The test needs a teapot',
    look: () => onPath('teapot', 'samovar'),
    packages: { 'apt-get': 'teapots', apk: 'tea' },
    otherwise: 'make do without tea',
  });

test('what is there is not installed', () => {
  program('apt-get', 'exit 1');
  const samovar = program('samovar');
  expect(find()).toBe(samovar);
  expect(find()).toBe(samovar);
  expect(onPath('kettle')).toBeUndefined();
});

test('what is not there is installed, though a source of packages may be out of reach', () => {
  sudo();
  program('apt-get', `case "$1" in install) /bin/cp "$0" ${folder}/teapot ;; *) exit 100 ;; esac`);
  expect(find()).toBe(join(folder, 'teapot'));
});

test('the package manager that is there is asked, for its own package', () => {
  sudo();
  const copy = `test $last = tea && /bin/cp "$0" ${folder}/teapot`;
  program('apk', 'for last in "$@"; do :; done', copy);
  expect(find()).toBe(join(folder, 'teapot'));
});

test('what cannot be installed is asked for in words', () => {
  expect(find).toThrow(
    'The test needs a teapot. Install it with your package manager, as an administrator, or make do without tea.',
  );
  sudo();
  program('apt-get', 'echo the shelf is empty >&2', 'exit 100');
  expect(find).toThrow(/with apt-get, package teapots, as an administrator.*\nthe shelf is empty/);
});
