/** A real browser without a window, for tests of pages. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import puppeteer, { type Browser } from 'puppeteer-core';
import { afterAll, beforeAll } from 'vitest';
import { present } from '../../src/lib/assert.ts';

const NAMES = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'];
const PACKAGE = 'chromium-headless-shell';
/** Downloading and unpacking it, about 100 MiB, takes most of that on a slow line. */
const INSTALL_MS = 300_000;

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

function findOnPath(): string | undefined {
  const { CHROME_PATH, PATH = '' } = process.env;
  if (CHROME_PATH) return CHROME_PATH;
  return NAMES.flatMap((name) => PATH.split(delimiter).map((folder) => join(folder, name))).find(
    isProgram,
  );
}

/** Runs a command as root; gives what it says if it fails. */
function asRoot(...command: readonly string[]): string | undefined {
  const [name = '', ...parameters] =
    process.getuid?.() === 0 ? command : ['sudo', '-n', ...command];
  const { status, stderr, error } = spawnSync(name, parameters, {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (status === 0) return undefined;
  return `${[name, ...parameters].join(' ')}: ${error?.message ?? stderr}`;
}

/** Path of a Chromium or Chrome; installs one where there is none and that is possible. */
export function findBrowser(): string {
  const found = findOnPath();
  if (found) return found;
  const problem =
    asRoot('apt-get', 'update', '-qq') ??
    asRoot('apt-get', 'install', '-y', '-qq', '--no-install-recommends', PACKAGE);
  const installed = findOnPath();
  if (installed) return installed;
  throw new Error(
    `The tests of the page need Chromium, and there is none (${problem ?? 'not on the PATH'}).\n` +
      `Install it (Debian: apt-get install ${PACKAGE}; elsewhere Chromium or Google Chrome), ` +
      'or set CHROME_PATH to the path of the program.',
  );
}

export type TestBrowser = {
  /** From beforeAll to afterAll. */
  readonly browser: Browser;
};

/** Call it at the top of a test file, and read `browser` inside tests and hooks only. */
export function useBrowser(): TestBrowser {
  let browser: Browser | undefined;
  let profile: string | undefined;
  beforeAll(async () => {
    profile = mkdtempSync(join(tmpdir(), 'fairslot-browser-'));
    browser = await puppeteer.launch({
      executablePath: findBrowser(),
      userDataDir: profile,
      // Chromium keeps no sandbox as root, and its shared memory can be too small in a container.
      args: ['--disable-dev-shm-usage', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])],
    });
  }, INSTALL_MS);
  afterAll(async () => {
    await browser?.close();
    if (profile !== undefined) rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  return {
    get browser() {
      return present(browser, 'the browser');
    },
  };
}
