/** Three verifiers that share no code say the same of every file, good or forged. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyOwn } from '../../src/rounds/verify/verify-own.ts';
import { useBrowser } from '../support/browser.ts';
import { findPython } from '../support/python.ts';
import {
  forgeriesOf,
  type NamedFile,
  resultFilesOf,
  resultForgeriesOf,
  resultNamed,
} from './corpus.ts';
import { createLedger, lottery, playRound } from '../rounds/release.ts';
import { CHAIN_TERMS, emptyRound } from './page-files.ts';
import { SAMPLES } from './samples.ts';

type Verdict = {
  accepted: boolean | null;
  file?: string;
  line?: number | null;
  reason?: string;
  digest?: string | null;
};
type Chain = readonly NamedFile[];

const verdict = ({ accepted, file, line, reason, digest }: Verdict): Verdict =>
  accepted
    ? { accepted, ...(digest !== undefined && { digest }) }
    : { accepted, file: basename(file ?? ''), line: line ?? 0, reason: reason ?? '' };

const byCommandLine = (chains: readonly Chain[]): Promise<Verdict[]> =>
  Promise.all(
    chains.map(async (chain) => {
      const files = chain
        .filter(({ isResult }) => !isResult)
        .map(({ name, bytes }) => ({
          name,
          open: async function* () {
            yield bytes;
          },
        }));
      const results = chain
        .filter(({ isResult }) => isResult)
        .map(({ name, bytes }) => ({ name, text: bytes.toString() }));
      return verdict(await verifyOwn(files, { results }));
    }),
  );

/** The script's own `main`, once for each chain, in one process. */
const ALL_IN_ONE = `
import json, sys
sys.path.insert(0, sys.argv[1])
import verify_draw
for line in sys.stdin:
    verify_draw.main(["--json", *json.loads(line)])
`;

async function byPython(chains: readonly Chain[]): Promise<Verdict[]> {
  const directory = mkdtempSync(join(tmpdir(), 'fairslot-agreement-'));
  const calls = chains.map((chain, number) =>
    chain.flatMap(({ name, bytes, isResult }) => {
      const path = join(directory, `${number}-${name}`);
      writeFileSync(path, bytes);
      return isResult ? ['--result', path] : [path];
    }),
  );
  const folder = fileURLToPath(new URL('../../verify', import.meta.url));
  const running = promisify(execFile)(findPython(), ['-c', ALL_IN_ONE, folder], {
    maxBuffer: 64 << 20,
  });
  running.child.stdin?.end(calls.map((paths) => `${JSON.stringify(paths)}\n`).join(''));
  const { stdout } = await running;
  rmSync(directory, { recursive: true });
  return stdout
    .trim()
    .split('\n')
    .map((line) => verdict(JSON.parse(line) as Verdict))
    .map((one) => (one.file ? { ...one, file: one.file.replace(/^\d+-/, '') } : one));
}

/** Each check is a thread of the browser that loads the page's code: one for each core, not hundreds. */
const THREADS = 2;

async function byPage(page: Page, chains: readonly Chain[]): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  const queue = chains.entries();
  const check = async (): Promise<void> => {
    for (const [number, chain] of queue) verdicts[number] = await saidByPage(page, chain);
  };
  await Promise.all(Array.from({ length: THREADS }, check));
  return verdicts;
}

async function saidByPage(page: Page, chain: Chain): Promise<Verdict> {
  const told = chain.map(({ name, bytes }) => ({ name, base64: bytes.toString('base64') }));
  const report = await page.evaluate(async (files) => {
    const { fairslotVerify } = globalThis as unknown as {
      fairslotVerify: (files: File[]) => Promise<Verdict>;
    };
    const opened = files.map(async ({ name, base64 }) => {
      const response = await fetch(`data:application/octet-stream;base64,${base64}`);
      return new File([await response.blob()], name);
    });
    return fairslotVerify(await Promise.all(opened));
  }, told);
  return verdict(report);
}

/** Any web server will do for the page: it needs no engine. */
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
};
const server = createServer((request, response) => {
  const path = request.url === '/' ? '/index.html' : (request.url ?? '');
  try {
    const bytes = readFileSync(new URL(`../../verify/page${path}`, import.meta.url));
    response.setHeader('content-type', TYPES[extname(path)] ?? 'application/octet-stream');
    response.setHeader('cache-control', 'max-age=3600'); // each check loads it all again
    response.end(bytes);
  } catch {
    response.writeHead(404).end();
  }
});

const inBrowser = useBrowser();
let page: Page;

/** A small evening of the demo: real processes and real HTTP. It mostly waits for its times. */
const demoFolder = mkdtempSync(join(tmpdir(), 'fairslot-agreement-demo-'));
const demo = promisify(execFile)(process.execPath, [
  fileURLToPath(new URL('../../src/demo.ts', import.meta.url)),
  '--citizens=40',
  '--bots=4',
  `--report=${join(demoFolder, 'demo.html')}`,
]);
demo.catch(() => undefined); // is awaited by its test

beforeAll(async () => {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  page = await inBrowser.browser.newPage();
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  demo.child.kill();
  rmSync(demoFolder, { recursive: true, force: true });
});

/** Ways to cut its rounds, and one that a text editor has saved again. */
const rightResults = ({ files }: (typeof SAMPLES)[number]): NamedFile[] =>
  files.flatMap((transcript, round) => {
    const cuts = [1, 2, 5].flatMap((length) => resultFilesOf(transcript, length));
    const [first] = cuts;
    return [
      ...cuts.map((file) => resultNamed(`${round}-${file.prefix}`, file)),
      resultNamed(`${round}-edited`, `\uFEFF${JSON.stringify(first, null, 2)}\r\n`),
    ];
  });

const SLOT = { pools: [{ pool: 'open', seats: 2, colour: 'red' }], slot: 'north' };
const goodFiles: readonly Chain[] = SAMPLES.flatMap(({ files }) => {
  const plain = files.map((bytes, round) => ({ name: `round-${round}.ndjson`, bytes }));
  const packed = plain.map(({ name, bytes }) => ({ name: `${name}.gz`, bytes: gzipSync(bytes) }));
  const other = plain.map(({ name, bytes }) => ({
    name: `${name}.gz`,
    bytes: gzipSync(bytes, { level: 1 }),
  }));
  return [plain, packed, other.toReversed(), plain.slice(0, 1)];
});

/** Twelve hundred pools lose a seat at once: more is told than anything but a pool's names can fill. */
async function manyLosses(): Promise<Chain> {
  const slots = Array.from(
    { length: 400 },
    (_, at) => `${'a-slot-with-a-long-name-'.repeat(2)}${at}`,
  );
  const pools = { open: 2, 'a-category-of-long-name': 2, 'another-of-a-long-name': 2 };
  const ledger = createLedger(lottery(Object.fromEntries(slots.map((slot) => [slot, pools]))));
  const lost = slots.flatMap((slot) =>
    Object.keys(pools).map((pool) => [slot, pool, 1] as [string, string, number]),
  );
  const rounds = [await playRound(ledger, []), await playRound(ledger, [], { lost })];
  return rounds.map(({ bytes }, round) => ({ name: `round-${round}.ndjson`, bytes }));
}

describe('three verifiers', () => {
  test('accept a release with more or less in its manifest, and a long list of losses', async () => {
    const rounds = [
      emptyRound(),
      emptyRound({ beacon: CHAIN_TERMS }),
      emptyRound({ note: 'Bring your ID.', slots: [{ ...SLOT, hall: 3 }] }),
    ].map((text) => [{ name: 'round-0.ndjson', bytes: Buffer.from(text) }]);
    const chains = [...rounds, await manyLosses()];
    const commandLine = await byCommandLine(chains);
    expect(commandLine.map(({ accepted }) => accepted)).toEqual(chains.map(() => true));
    expect(await byPython(chains)).toEqual(commandLine);
    expect(await byPage(page, chains)).toEqual(commandLine);
  }, 100_000);

  test('accept what was published: plain, packed by anyone, in any order, and a part of it', async () => {
    const [commandLine, python, browser] = await Promise.all([
      byCommandLine(goodFiles),
      byPython(goodFiles),
      byPage(page, goodFiles),
    ]);
    const digests = SAMPLES.flatMap(({ digest, seals }) => [
      digest,
      digest,
      digest,
      seals[1]!.previous,
    ]);
    expect(commandLine).toEqual(digests.map((digest) => ({ accepted: true, digest })));
    expect(python).toEqual(commandLine);
    expect(browser).toEqual(commandLine);
  }, 200_000);

  // What does not depend on the beacon is forged in one sample only: the one whose beacons are
  // hashes, of which a thousand take less time than one signature of the other.
  const [chain, drand] = SAMPLES.map((sample) => ({ ...sample, forgeries: forgeriesOf(sample) }));
  const names = new Set(chain!.forgeries.map(({ name }) => name));
  const others = drand!.forgeries.filter(({ name }) => !names.has(name) || /seed|trust/.test(name));

  test.each([chain!, { ...drand!, forgeries: others }])(
    'refuse every forgery of the sample $name, at the same line',
    async ({ forgeries }) => {
      const chains = forgeries.map(({ files }) => files);
      const [commandLine, python, browser] = await Promise.all([
        byCommandLine(chains),
        byPython(chains),
        byPage(page, chains),
      ]);
      const said = forgeries.map(({ name }, number) => ({
        name,
        verdicts: [commandLine[number]!, python[number]!, browser[number]!],
      }));
      const disputed = said.filter(({ verdicts }, number) => {
        const lines = verdicts.map(({ line }) => line ?? 0);
        const sameFile = new Set(verdicts.map(({ file }) => file)).size === 1;
        const apart = Math.max(...lines) - Math.min(...lines);
        const refused = verdicts.every(({ accepted }) => !accepted);
        return !refused || !sameFile || apart > forgeries[number]!.within;
      });
      expect(disputed).toEqual([]);
    },
    400_000,
  );

  test('accept result files that say what their rounds gave, however they are cut', async () => {
    const chains = SAMPLES.map((sample) => [
      ...sample.files.map((bytes, round) => ({ name: `round-${round}.ndjson`, bytes })),
      ...rightResults(sample),
    ]);
    const commandLine = await byCommandLine(chains);
    expect(commandLine).toEqual(SAMPLES.map(({ digest }) => ({ accepted: true, digest })));
    expect(await byPython(chains)).toEqual(commandLine);
    expect(await byPage(page, chains)).toEqual(commandLine);
  }, 100_000);

  test('refuse every forged result file, and the two of verify/ say what is wrong', async () => {
    const { files } = chain!;
    const transcripts = files.map((bytes, round) => ({ name: `round-${round}.ndjson`, bytes }));
    const right = resultNamed('right', resultFilesOf(files[0]!, 1)[0]!);
    const forged = resultForgeriesOf(chain!);
    const chains = forged.map((one) => [...transcripts, right, one.file]);
    const [commandLine, python, browser] = await Promise.all([
      byCommandLine(chains),
      byPython(chains),
      byPage(page, chains),
    ]);
    const disputed = forged
      .map(({ name, says }, number) => ({
        name,
        says,
        verdicts: [commandLine[number]!, python[number]!, browser[number]!],
      }))
      .filter(
        ({ says, verdicts }) =>
          !verdicts.every(({ accepted, file }) => accepted === false && file === 'result') ||
          !verdicts.slice(1).every(({ reason }) => says.test(reason ?? '')),
      );
    expect(disputed).toEqual([]);
  }, 200_000);

  test('accept what an evening of the demo has published', async () => {
    const { stdout } = await demo;
    const names = readdirSync(demoFolder).filter((name) => name.endsWith('.ndjson.gz'));
    expect(names).toContain('demo-round-0.ndjson.gz');
    const chain = names.map((name) => ({ name, bytes: readFileSync(join(demoFolder, name)) }));
    const verdicts = await Promise.all([
      byCommandLine([chain]),
      byPython([chain]),
      byPage(page, [chain]),
    ]);
    const digest = /--digest ([0-9a-f]{64})/.exec(stdout)?.[1];
    expect(verdicts.flat()).toEqual(verdicts.map(() => ({ accepted: true, digest })));
  }, 300_000);
});
