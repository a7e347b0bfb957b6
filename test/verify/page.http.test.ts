/** The page /verify in a real browser, served by the engine. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Page } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createApp } from '../../src/http/app.ts';
import { listen, type Server } from '../../src/http/server.ts';
import { present } from '../../src/lib/assert.ts';
import { sha256 } from '../../src/lib/hash.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics/server.ts';
import { apiRoutes } from '../../src/routes.ts';
import { createReceipts, receiptTerms } from '../../src/rounds/receipts.ts';
import type { ResultFile } from '../../src/rounds/results/results.ts';
import { createLedger, lottery, playRound } from '../rounds/release.ts';
import { call, configWith } from '../support/app.ts';
import { useBrowser } from '../support/browser.ts';
import {
  engineOn,
  granted,
  letPass,
  nextRound,
  publishRelease,
  registerMany,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';
import { resultFilesOf } from './corpus.ts';
import { emptyRound, EXAMPLE, type Report, sample } from './page-files.ts';

/** A browser and its pages take their time where many tests run at once. */
vi.setConfig({ testTimeout: 60_000 });

const used = useRedis();
const inBrowser = useBrowser();

let server: Server;
let directory: string;
let page: Page;
/** What the browser complains of: errors, failed requests, violations of the policy. */
let complaints: string[];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'fairslot-page-'));
  const config = configWith({ LIMIT_READ_PER_ADDRESS: '100000' });
  const engine = engineOn(used.redis);
  const app = createApp({
    routes: apiRoutes(engine, used.redis, config),
    redis: used.redis,
    config,
    secrets: engine.secrets,
    log: createLog('silent'),
    metrics: createMetrics(),
  });
  server = await listen(app, { host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

beforeEach(async () => {
  complaints = [];
  page = await inBrowser.browser.newPage();
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (fault) => complaints.push(String(fault)));
  page.on('requestfailed', (request) => complaints.push(`${request.url()} failed`));
});
afterEach(async () => {
  await page.close();
});

const open = (query = '') => page.goto(`${server.url}/verify${query}`);

/** A file to choose, as it would lie on somebody's disk. */
function onDisk(name: string, bytes: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
}
async function choose(...paths: readonly string[]): Promise<void> {
  const input = present(await page.$<'input'>('#files' as 'input'), 'the file input');
  // What was said of other files is no verdict on these.
  await page.evaluate("document.querySelector('#verdict')?.remove()");
  await input.uploadFile(...paths);
}
/** A value in the page: this program's types know no browser, so what is run there is text. */
const inPage = <T>(script: string): Promise<T> => page.evaluate(script) as Promise<T>;
const textOf = (selector: string): Promise<string> =>
  inPage(`document.querySelector(${JSON.stringify(selector)}).textContent`);
const until = (condition: string) => page.waitForFunction(condition, { polling: 20 });
const verdict = async (): Promise<string> => {
  await page.waitForSelector('#verdict', { timeout: 60_000 });
  return textOf('#verdict');
};

/** What auditors call: the report of these files, given to the page as they are. */
const reportOn = (...files: readonly (string | Uint8Array)[]): Promise<Report> =>
  page.evaluate(
    async (contents) => {
      const { fairslotVerify } = globalThis as unknown as {
        fairslotVerify: (files: File[]) => Promise<Report>;
      };
      const all = contents.map((base64, number) => {
        const bytes = Uint8Array.from(atob(base64), (letter) => letter.codePointAt(0) ?? 0);
        return new File([bytes], `file-${number}`);
      });
      return fairslotVerify(all);
    },
    files.map((bytes) => Buffer.from(bytes).toString('base64')),
  );

describe('the page', () => {
  test('comes with a policy that lets nothing else run, and only with its own files', async () => {
    const answer = await call(server.url, 'GET', '/verify');
    expect(answer.status).toBe(200);
    expect(answer.headers['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src/,
    );
    const etag = String(answer.headers['etag']);
    const again = await call(server.url, 'GET', '/verify', { headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
    const worker = await call(server.url, 'GET', '/verify/worker.js');
    expect(worker.headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'content-security-policy': answer.headers['content-security-policy'],
    });
    for (const path of ['/verify/vendor/make.ts', '/verify/nothing.js', '/verify/..%2f..%2fREADME'])
      expect((await call(server.url, 'GET', path)).status).not.toBe(200);
  });

  test('loads without a complaint, has a name for each field, and fits a phone', async () => {
    await page.setViewport({ width: 360, height: 700 });
    await open();
    const unnamed = await inPage<string[]>(`
      Array.from(document.querySelectorAll('input, textarea, button'))
        .filter(({ labels, ariaLabel, textContent }) =>
          !labels?.length && !ariaLabel && textContent.trim() === '')
        .map(({ id }) => id)`);
    expect(unnamed).toEqual([]);
    await choose(onDisk('first.ndjson', EXAMPLE[0]!));
    await verdict();
    const width = await inPage<number>('document.documentElement.scrollWidth');
    expect(width).toBeLessThanOrEqual(360);
    expect(complaints).toEqual([]);
  });
});

describe('files', () => {
  test('of the worked example are accepted, in any order, with all that is to be seen', async () => {
    await open();
    await choose(
      onDisk('second.ndjson.gz', gzipSync(EXAMPLE[1]!)),
      onDisk('first.ndjson', EXAMPLE[0]!),
    );
    expect(await verdict()).toBe('ACCEPTED');
    expect(await inPage('document.activeElement.id')).toBe('verdict');
    const { digest } = JSON.parse(EXAMPLE[1]!.trim().split('\n').at(-1)!) as { digest: string };
    expect(await textOf('#digest')).toBe(digest);
    const rows = await inPage<string[][]>(`
      Array.from(document.querySelectorAll('.rounds tbody tr'), ({ children }) =>
        Array.from(children, ({ textContent }) => textContent))`);
    expect(rows.map(([round, , entries, served]) => [round, entries, served])).toEqual([
      ['0', '5', '4'],
      ['1', '2', '2'],
    ]);
    expect(await textOf('.slots tbody')).toContain('hall-0900');
    expect(await textOf('#result')).toContain('Whom you still have to trust');

    await page.type('#elsewhere', ` ${digest.toUpperCase()}`);
    expect(await textOf('#compared')).toMatch(/the same/);
    await page.type('#elsewhere', '0');
    expect(await textOf('#compared')).toMatch(/another one/);
    expect(complaints).toEqual([]);
  });

  test('are refused for one byte, at its line, by page and hook alike', async () => {
    await open();
    const lines = EXAMPLE[0]!.split('\n');
    lines[6] = lines[6]!.replace('"size":1', '"size":2');
    const changed = lines.join('\n');
    await choose(onDisk('changed.ndjson', changed));
    expect(await verdict()).toBe('REFUSED');
    expect(await textOf('#result')).toMatch(/Line 7 of changed\.ndjson/);
    expect(await reportOn(changed)).toMatchObject({ accepted: false, file: 'file-0', line: 7 });
    expect(await reportOn(...sample('drand'))).toMatchObject({ accepted: true });
    expect(complaints).toEqual([]);
  });

  test('are shown as the text that they are, whatever is written in them', async () => {
    await open();
    const evil = '<img src=x onerror="document.title=1">';
    const slots = [{ pools: [{ pool: 'open', seats: 1 }], slot: evil }];
    await choose(onDisk('slot.ndjson', emptyRound({ slots })));
    expect(await verdict()).toBe('REFUSED');
    expect(await page.$$('#result img')).toEqual([]);
    await choose(onDisk('evil.ndjson', emptyRound({ title: evil })));
    expect(await verdict()).toBe('ACCEPTED');
    expect(await textOf('#result')).toContain(evil);
    expect(await page.$$('#result img')).toEqual([]);
    expect(await textOf('#result')).toContain('Whose network this is no file can tell');
    expect(complaints).toEqual([]);
  });

  test('that unfold to a thousand times their size are refused before they do', async () => {
    await open();
    const bomb = (byte: string) => gzipSync(Buffer.alloc(64 << 20, byte));
    expect(await reportOn(bomb(' '))).toMatchObject({
      line: 1,
      reason: expect.stringContaining('longer than 16777216 bytes'),
    });
    expect(await reportOn(bomb('\n'))).toMatchObject({
      line: 1,
      reason: expect.stringContaining('not JSON'),
    });
  });

  test('of gzip with something after it are refused after their last line', async () => {
    await open();
    const packed = gzipSync(EXAMPLE[0]!);
    const after = EXAMPLE[0]!.split('\n').length;
    for (const more of [Buffer.from('x'), packed, gzipSync('')])
      expect(await reportOn(Buffer.concat([packed, more]))).toMatchObject({
        accepted: false,
        line: after,
      });
    const cut = packed.subarray(0, -1);
    expect(await reportOn(cut)).toMatchObject({ accepted: false, line: after });
    expect(await reportOn(packed)).toMatchObject({ accepted: true });
  });

  test('of many entries show how far it is, and can be stopped', async () => {
    const ledger = createLedger(lottery({ north: { open: 500 }, south: { open: 500 } }));
    const { bytes } = await playRound(
      ledger,
      Array.from({ length: 20_000 }, (_, number) => ({
        entry: sha256(Buffer.from(`${number}`)).toString('base64url', 0, 16),
        size: 1,
        categories: [],
        prefs: number % 2 ? [0, 1] : [1],
      })),
    );
    const packed = gzipSync(bytes);
    await open();
    await choose(onDisk('many.ndjson.gz', packed));
    await until("document.querySelector('#progress-text').textContent.includes('drawn')");
    expect(await verdict()).toBe('ACCEPTED');
    expect(await textOf('#result')).toContain('20,000');
    // From within the page: a click from here might come when all is checked.
    await page.evaluate(`{
      const progress = document.querySelector('#progress');
      const stop = () => progress.hidden || document.querySelector('#stop').click();
      new MutationObserver(stop).observe(progress, { attributes: true });
    }`);
    await choose(onDisk('again.ndjson.gz', packed));
    expect(await verdict()).toBe('NOT CHECKED');
    expect(complaints).toEqual([]);
  });
});

describe('result files', () => {
  const transcripts = EXAMPLE.map((text, round) => ({ name: `example-${round}.ndjson`, text }));
  const [file] = resultFilesOf(Buffer.from(EXAMPLE[0]!), 1) as [ResultFile];
  const id = file.waiting[0]!;
  const forged = { ...file, waiting: file.waiting.slice(1) };

  const told = async (word: string): Promise<string> => {
    await until(`!document.querySelector('#given').hidden &&
      document.querySelector('#given-result').textContent.includes(${JSON.stringify(word)})`);
    return textOf('#given-result');
  };
  const drop = (name: string, text: string) =>
    inPage(`{
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([${JSON.stringify(text)}], ${JSON.stringify(name)}));
      document.dispatchEvent(new DragEvent('drop', { dataTransfer }));
    }`);

  test('chosen beside the files of the draw say what it gave, or do not', async () => {
    await open();
    const paths = transcripts.map(({ name, text }) => onDisk(name, text));
    const packed = gzipSync(JSON.stringify(file));
    await choose(...paths, onDisk('0', JSON.stringify(file)), onDisk('0.gz', packed));
    expect(await verdict()).toBe('ACCEPTED');
    const right = `gave to the entries whose ids begin with 0: ${file.offered.length} got seats, 1`;
    const good = await told('ACCEPTED');
    expect(good.split(right)).toHaveLength(3);

    await choose(...paths, onDisk('forged', JSON.stringify(forged)));
    const bad = await told('REFUSED');
    expect(bad).toContain(`forged: It leaves out the entry ${id}, which waits in round 0.`);
    expect(await textOf('#verdict')).toBe('ACCEPTED'); // the draw is right all the same
    expect(complaints).toEqual([]);
  });

  test('may be dropped before the draw, which is waited for, and after it', async () => {
    await open();
    await drop('early', JSON.stringify(forged));
    expect(await told('NOT CHECKED')).toContain('early: What the draw gave stands in the files');
    await choose(...transcripts.map(({ name, text }) => onDisk(name, text)));
    expect(await told('REFUSED')).toContain(`early: It leaves out the entry ${id}`);
    await drop('late', JSON.stringify(file));
    expect(await told('ACCEPTED')).toContain('late: It says what round 0 gave');
    expect(await textOf('#verdict')).toBe('ACCEPTED');
    await choose(onDisk('other.ndjson', emptyRound()));
    expect(await told('REFUSED')).toContain('late: It is of the release "pune-2021-04-10"');
    expect(complaints).toEqual([]);
  });
});

describe('a receipt', () => {
  const files = sample('drand').map(String);
  const manifestLine = JSON.parse(files[0]!.split('\n')[0]!) as {
    manifest: Parameters<typeof receiptTerms>[0];
  };
  const { seal } = JSON.parse(files[0]!.split('\n')[2]!) as { seal: { manifest_hash: string } };
  const entry = JSON.parse(files[0]!.split('\n')[4]!) as Parameters<
    NonNullable<ReturnType<ReturnType<typeof createReceipts>['signerFor']>>['receipt']
  >[0];
  const receipts = createReceipts(['the secret of the samples, which everyone knows']);
  const sign = receipts.signerFor(receiptTerms(manifestLine.manifest, seal.manifest_hash))!.receipt;
  const receipt = JSON.stringify(sign(entry, Date.parse('2023-08-23T15:50:00.000Z')));

  const answer = async (): Promise<string> => {
    await inPage("document.querySelector('#entry-result').replaceChildren()");
    await page.click('#entry button[type=submit]');
    await page.waitForSelector('#entry-result .answer');
    return textOf('#entry-result');
  };

  test('tells its owner the place in the order, and what came of it', async () => {
    await open();
    await page.type('#receipt', receipt);
    expect(await answer()).toMatch(/Not everything could be checked.*the key is in the files/);
    await choose(...files.map((text, round) => onDisk(`drand-${round}.ndjson`, text)));
    expect(await verdict()).toBe('ACCEPTED');
    expect(await textOf('#result')).toContain('The network is quicknet');
    expect(await answer()).toMatch(/All is as the receipt says\.Place 1 of 48 in round 0\./);

    const chosen = present(await page.$<'input'>('#receipt-file' as 'input'), 'the input');
    await chosen.uploadFile(onDisk('receipt.json', receipt.replace('.000Z', '.001Z')));
    await until("document.querySelector('#receipt').value.includes('.001Z')");
    expect(await answer()).toMatch(/Something is wrong\..*not signed with the key/);
    expect(complaints).toEqual([]);
  });
});

describe('a release of this server', () => {
  test('is fetched and verified by its name, in the field or in the address', async () => {
    const engine = engineOn(used.redis);
    const { release, slots } = await publishRelease(engine, used.redis, { seats: [1, 1] });
    const enter = async (count: number) => {
      for (const { account, person } of await registerMany(engine, count)) {
        const wish = { beneficiaries: [person], preferences: slots };
        granted(await engine.rounds.enter(account, release, wish));
      }
    };
    await enter(3);
    await letPass(used.redis, 600);
    expect(await nextRound(engine, release)).toBe(0);
    await enter(1);
    await letPass(used.redis, 60);
    expect(await nextRound(engine, release)).toBe(1);

    await open(`?release=${release}`);
    expect(await verdict()).toBe('ACCEPTED');
    expect(await textOf('#result')).toContain(`The draw of ${release}`);
    expect(await inPage("document.querySelectorAll('.rounds tbody tr').length")).toBe(2);
    expect(complaints).toEqual([]);

    await inPage("document.querySelector('#release').value = ''");
    await page.type('#release', 'no-such-release\n');
    await until("document.querySelector('#verdict')?.textContent.startsWith('NOT')");
    expect(await textOf('#result')).toContain('knows no release of that name');
  });
});
