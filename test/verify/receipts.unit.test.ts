/** Three verifiers that share no code say the same of a receipt, good or forged. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bytesToNumberLE, numberToBytesLE } from '@noble/curves/utils.js';
import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jcs } from '../../src/lib/jcs.ts';
import { createSecrets } from '../../src/lib/secrets.ts';
import { manifestHash } from '../../src/releases/manifest.ts';
import { createReceipts, type Receipt, receiptTerms } from '../../src/rounds/receipts.ts';
import { verifyOwn } from '../../src/rounds/verify-own.ts';
import { file } from '../rounds/files.ts';
import { findPython } from '../support/python.ts';
import { checkReceipt, source, verifyDraw } from './page-files.ts';
import { SAMPLES, SECRET } from './samples.ts';

const { manifest, files, seals } = SAMPLES[0]!;
const receipts = createReceipts([SECRET]);
const { receipt: sign, seal: signSeal } = receipts.signerFor(
  receiptTerms(manifest, manifestHash(manifest)),
)!;

type Entry = Receipt['entry'];
const entries = files.map((bytes) =>
  bytes
    .toString()
    .split('\n')
    .filter((line) => line.includes('"kind":"entry"'))
    .map((line) => {
      const { cats, entry, prefs, size } = JSON.parse(line) as Entry;
      return { cats, entry, prefs, size };
    }),
);
const sealedAtMs = seals.map(({ sealed_at }) => Date.parse(sealed_at));
const own = entries[0]![7]!;
const good = sign(own, sealedAtMs[0]! - 1);

const GROUP_ORDER = ed25519.Point.Fn.ORDER;
const { Point } = ed25519;
const bytesOf = ({ signature }: Receipt): Buffer => Buffer.from(signature, 'base64url');
const signedWith = (bytes: Uint8Array): Receipt => ({
  ...good,
  signature: Buffer.from(bytes).toString('base64url'),
});

/** The same receipt, signed with an R that has a part of small order. */
function withTorsion(): Receipt {
  const { signature: _, ...unsigned } = good;
  const message = Buffer.concat([Buffer.from('fairslot/v1/receipt\0'), Buffer.from(jcs(unsigned))]);
  const seed = createSecrets(SECRET).key('receipt');
  const { scalar, pointBytes } = ed25519.utils.getExtendedPublicKey(seed);
  const nonce = 1_234_567_890n;
  const torsion = Point.fromHex(ED25519_TORSION_SUBGROUP[1]!);
  const r = Point.BASE.multiply(nonce).add(torsion).toBytes();
  const k = bytesToNumberLE(sha512(Buffer.concat([r, pointBytes, message])));
  const s = (nonce + (k % GROUP_ORDER) * scalar) % GROUP_ORDER;
  const signature = Buffer.concat([r, numberToBytesLE(s, 32)]);
  // Whoever multiplies by the cofactor takes it for right: that is why it is in this list.
  expect(ed25519.verify(signature, message, pointBytes, { zip215: false })).toBe(true);
  return signedWith(signature);
}

/** S and S + L are the same to whoever does not look. */
function withLargeS(): Receipt {
  const bytes = bytesOf(good);
  const s = bytesToNumberLE(bytes.subarray(32)) + GROUP_ORDER;
  return signedWith(Buffer.concat([bytes.subarray(0, 32), numberToBytesLE(s, 32)]));
}

const spelled = (change: (signature: string) => string): Receipt => ({
  ...good,
  signature: change(good.signature),
});
const NEXT: Readonly<Record<string, string>> = { A: 'B', Q: 'R', g: 'h', w: 'x' };
const stranger = createReceipts(['another secret, just as long as the first']);
const signStranger = stranger.signerFor({
  ...receiptTerms(manifest, manifestHash(manifest)),
  key: stranger.newest,
})!.receipt;

const GOOD: Readonly<Record<string, unknown>> = {
  'of an entry of round 0': good,
  'issued as the round was sealed': sign(own, sealedAtMs[0]!),
  'of an entry of round 1': sign(entries[1]![2]!, sealedAtMs[0]! + 1),
};
const FORGED: Readonly<Record<string, unknown>> = {
  'issued when the round was sealed': sign(own, sealedAtMs[0]! + 1),
  'of an entry that was left out': sign({ ...own, entry: 'A'.repeat(22) }, sealedAtMs[0]! - 1),
  'of other wishes': sign({ ...own, size: 1 + (own.size % 4) }, sealedAtMs[0]!),
  'signed by somebody else': signStranger(own, sealedAtMs[0]! - 1),
  'signed by somebody else under the name of the key': {
    ...signStranger(own, sealedAtMs[0]! - 1),
    kid: good.kid,
  },
  'under the name of another key': { ...good, kid: stranger.newest.kid },
  'under no name': { ...good, kid: '' },
  'of another time': { ...good, issued_at: '2023-08-23T15:50:00.000Z' },
  'of another release': { ...good, release: 'sample-other' },
  'of another manifest': { ...good, manifest_hash: '0'.repeat(64) },
  'of another leaf': { ...good, leaf: '0'.repeat(64) },
  'with a member too many': { ...good, name: 'Asha Kale' },
  'with a second spelling of the signature': spelled((text) =>
    text.replace(/.$/, (last) => NEXT[last]!),
  ),
  'with padding': spelled((text) => `${text}==`),
  'in the other alphabet': spelled((text) => text.replaceAll('-', '+').replaceAll('_', '/')),
  'with a line feed': spelled((text) => `${text}\n`),
  'with a signature that is too short': spelled((text) => text.slice(0, -2)),
  'with a signature of nothing': spelled(() => ''),
  'with a signature in a list': { ...good, signature: [good.signature] },
  'with an S beyond the order of the group': withLargeS(),
  'with an R that has a part of small order': withTorsion(),
  'with an R beyond the field': signedWith(
    Buffer.concat([Buffer.from(`ee${'ff'.repeat(30)}7f`, 'hex'), bytesOf(good).subarray(32)]),
  ),
  'with a neutral R': signedWith(Buffer.concat([Point.ZERO.toBytes(), bytesOf(good).subarray(32)])),
  'with a signature of zeros': signedWith(Buffer.alloc(64)),
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fairslot-receipts-'));
  for (const [round, bytes] of files.entries())
    writeFileSync(join(folder, `round-${round}.ndjson`), bytes);
});
afterAll(() => rmSync(folder, { recursive: true }));

const names = files.map((_, round) => `round-${round}.ndjson`);

async function byCommandLine(text: string): Promise<boolean> {
  const transcripts = files.map((bytes, round) => file(names[round]!, bytes));
  return (await verifyOwn(transcripts, { receipt: { name: 'receipt', text } })).accepted;
}

function byPython(text: string): boolean {
  const receipt = join(folder, 'receipt.json');
  writeFileSync(receipt, text);
  const script = fileURLToPath(new URL('../../verify/verify_draw.py', import.meta.url));
  const paths = names.map((name) => join(folder, name));
  const { status } = spawnSync(findPython(), [script, '--receipt', receipt, ...paths]);
  expect([0, 1]).toContain(status);
  return status === 0;
}

async function byPage(text: string): Promise<boolean> {
  const { ledger } = await verifyDraw(files.map((bytes, round) => source(names[round]!, bytes)));
  const { verdict } = checkReceipt({ receipt: text }, ledger);
  return verdict === 'accepted';
}

describe.each([
  ['accept', true, GOOD],
  ['refuse', false, FORGED],
] as const)('three verifiers %s a receipt', (_, accepted, cases) => {
  test.each(Object.entries(cases))('%s', async (_name, receipt) => {
    const text = JSON.stringify(receipt);
    const verdicts = {
      commandLine: await byCommandLine(text),
      python: byPython(text),
      page: await byPage(text),
    };
    expect(verdicts).toEqual({ commandLine: accepted, python: accepted, page: accepted });
  });
});
