import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type VerifyCommand, verifyCommand } from '../../src/rounds/verify/verify-command.ts';
import { jcs } from '../../src/lib/jcs.ts';
import { entryDocument } from '../../src/rounds/draw/entry-table.ts';
import { createReceipts, receiptTerms } from '../../src/rounds/receipts.ts';
import { manifestHash } from '../../src/releases/manifest.ts';
import { createLedger, lottery, playRound, RECEIPT_SECRET, wants } from './release.ts';

const MANIFEST = lottery({ hall: { open: 1 } });

const directory = mkdtempSync(join(tmpdir(), 'fairslot-verify-'));
afterAll(() => rmSync(directory, { recursive: true }));

let files: string[];
let digest: string;
beforeAll(async () => {
  const ledger = createLedger(MANIFEST);
  const rounds = [
    await playRound(ledger, [wants('a', [0]), wants('b', [0])]),
    await playRound(ledger, []),
  ];
  files = rounds.map(({ bytes }, round) => {
    const path = join(directory, `round-${round}.ndjson`);
    writeFileSync(path, bytes);
    return path;
  });
  digest = rounds[1]!.digest;
});

async function run(paths: readonly string[], options: Partial<VerifyCommand> = {}) {
  let [out, err] = ['', ''];
  const code = await verifyCommand(
    { files: paths, json: false, ...options },
    { write: (text) => (out += text) },
    { write: (text) => (err += text) },
  );
  return { code, out, err };
}

test('says what was checked, and what must still be trusted', async () => {
  const { code, out, err } = await run(files, { digest });
  expect(code).toBe(0);
  expect(err).toBe('');
  expect(out).toContain('round 0: 2 new entries, 1 entries got seats');
  expect(out).toContain('ACCEPTED release pune-2021-04-10, rounds 0 to 1');
  expect(out).toContain(`digest   ${digest}`);
  expect(out).toContain('Taken on trust: the operator');
});

test('names file, line and reason of a refusal', async () => {
  const { code, out, err } = await run([files[1]!]);
  expect(code).toBe(1);
  expect(out).toBe('');
  expect(err).toMatch(/^REFUSED .*round-1.ndjson line 1: .*\n$/);
});

test('refuses a file that cannot be read, without a stack trace', async () => {
  const { code, err } = await run([join(directory, 'missing')]);
  expect(code).toBe(1);
  expect(err).toMatch(/^REFUSED .*missing line 1: the file cannot be read: ENOENT.*\n$/);
  expect((await run([directory])).err).toContain('EISDIR');
  expect((await run([])).err).toBe('REFUSED: there is no file to verify\n');
});

test('tells of each round that is right, and ends with that before it reports', async () => {
  const seen: string[] = [];
  const phase = { advance: () => seen.push('round'), done: () => seen.push('done') };
  const out = { write: () => seen.push('report') };
  await verifyCommand({ files, json: false }, out, out, phase);
  expect(seen).toEqual([...files.map(() => 'round'), 'done', 'report']);
});

test('prints the report as one line of JSON when asked', async () => {
  const accepted = await run(files, { json: true });
  expect(JSON.parse(accepted.out)).toMatchObject({ accepted: true, digest });
  const refused = await run(files, { json: true, digest: 'ab' });
  expect(refused.code).toBe(1);
  expect(JSON.parse(refused.out)).toMatchObject({ accepted: false, reason: 'digest is not ab' });
});

test('looks up the entry of a receipt, in the files or without them', async () => {
  const sign = createReceipts([RECEIPT_SECRET]).signerFor(
    receiptTerms(MANIFEST, manifestHash(MANIFEST)),
  )!.receipt;
  const row = entryDocument(MANIFEST, wants('a', [0]));
  const write = (name: string, value: unknown): string => {
    const path = join(directory, name);
    writeFileSync(path, jcs(value));
    return path;
  };
  const receipt = write('receipt.json', sign(row, Date.parse(MANIFEST.opens_at)));
  const { code, out } = await run(files.toReversed(), { receipt });
  expect(code).toBe(0);
  expect(out).toMatch(/^entry .{22}: new in round 0, place [12] of 2 in its order\n {2}round 0: /m);
  expect(out).toContain('- the receipt is signed with the key in the release');
  const alone = await run([], { receipt });
  expect(alone).toMatchObject({
    code: 3,
    out: expect.stringMatching(/^INCOMPLETE [^]*Not checked/),
  });
  const manifest = write('manifest.json', MANIFEST);
  expect((await run([], { receipt, manifest })).out).toContain('- the receipt is signed');
  const forged = write('forged.json', { ...sign(row, 0), release: '\u001b[2J' });
  const refused = await run(files, { receipt: forged, json: true });
  expect(JSON.parse(refused.out)).toMatchObject({ accepted: false, file: forged, line: null });
  expect(refused.code).toBe(1);
  const missing = await run(files, { proof: join(directory, 'missing') });
  expect(missing.err).toMatch(/^REFUSED .*missing: the file cannot be read: ENOENT/);
  expect((await run([], { receipt: forged })).out).toMatch(/^[\x20-\x7e\n]+$/);
});

test('lets no control characters of a file through to the terminal', async () => {
  const path = join(directory, 'hostile');
  writeFileSync(path, '{"\\u001b[2J":1,"kind":"manifest"}\n');
  const { err } = await run([path]);
  expect(err).toMatch(/^[\x20-\x7e]+\n$/);
});

test('holds result files against the rounds, and names the one that is wrong', async () => {
  const write = (name: string, waiting: readonly string[]): string => {
    const path = join(directory, name);
    const head = { digest, offered: [], prefix: '0', release: MANIFEST.release, round: 1 };
    writeFileSync(path, jcs({ ...head, waiting }));
    return path;
  };
  const [right, wrong] = [write('right', []), write('wrong', ['AAAAAAAAAAAAAAAAAAAAAA'])];
  const both = await run(files, { result: [right, right] });
  expect(both).toMatchObject({ code: 0, err: '' });
  expect(both.out).toContain('each result file says what its round gave: 2 of them');
  const { code, err } = await run(files, { result: [right, wrong] });
  expect(code).toBe(1);
  expect(err).toContain(`REFUSED ${wrong}: it does not say what round 1 of`);
  const missing = await run(files, { result: [join(directory, 'none')] });
  expect(missing.err).toContain('the file cannot be read');
});
