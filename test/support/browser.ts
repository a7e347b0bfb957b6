/** A real browser without a window, for tests of pages. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer, { type Browser } from 'puppeteer-core';
import { afterAll, beforeAll } from 'vitest';
import { findProgram, onPath } from '../../src/install.ts';
import { present } from '../../src/lib/assert.ts';

const NAMES = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'];
/** Downloading and unpacking it, about 100 MiB, takes most of that on a slow line. */
const INSTALL_MS = 300_000;

/** Path of a Chromium or Chrome; installs one where there is none and that is possible. */
export const findBrowser = (): string =>
  findProgram({
    need: 'The tests of the page need Chromium or Google Chrome',
    look: () => process.env['CHROME_PATH'] ?? onPath(...NAMES),
    packages: { 'apt-get': 'chromium-headless-shell' },
    otherwise: 'set CHROME_PATH to the path of the program',
  });

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
