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
import { buildEntryTable } from '../../src/rounds/draw/entry-table.ts';
import {
  chunkOf,
  idsOf,
  keptTree,
  type Proof,
  proofIn,
  subtreeOf,
  treeChunks,
} from '../../src/rounds/proofs.ts';
import { verifyOwn } from '../../src/rounds/verify/verify-own.ts';
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
const cutAtMs = seals.map(({ cut_at }) => Date.parse(cut_at));
const own = entries[0]![7]!;
const good = sign(own, cutAtMs[0]! - 1);

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
  'issued as the list was fixed': sign(own, cutAtMs[0]!),
  'of an entry of round 1': sign(entries[1]![2]!, cutAtMs[0]! + 1),
};
const FORGED: Readonly<Record<string, unknown>> = {
  'of who was in the round before, and is not in this one': sign(own, cutAtMs[0]! + 1),
  'of an entry that was put off to a later round': sign(entries[1]![2]!, cutAtMs[0]! - 1),
  'of a slot that is none': sign({ ...own, prefs: ['pashan-0900'] }, cutAtMs[0]!),
  'of a slot twice': sign({ ...own, prefs: [own.prefs[0]!, own.prefs[0]!] }, cutAtMs[0]!),
  'of no slot': sign({ ...own, prefs: [] }, cutAtMs[0]!),
  'of categories in another order': sign({ ...own, cats: ['frontline', 'elder'] }, cutAtMs[0]!),
  'of a category that is none': sign({ ...own, cats: ['Friends'] }, cutAtMs[0]!),
  'of a group of five': sign({ ...own, size: 5 }, cutAtMs[0]!),
  'of a group of nobody': sign({ ...own, size: 0 }, cutAtMs[0]!),
  'of no entry id': sign({ ...own, entry: 'me' }, cutAtMs[0]!),
  'of an entry that was left out': sign({ ...own, entry: 'A'.repeat(22) }, cutAtMs[0]! - 1),
  'of other wishes': sign({ ...own, size: 1 + (own.size % 4) }, cutAtMs[0]!),
  'signed by somebody else': signStranger(own, cutAtMs[0]! - 1),
  'signed by somebody else under the name of the key': {
    ...signStranger(own, cutAtMs[0]! - 1),
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

/** As a file: receipts, proofs and seals, canonical unless said. */
type Shown = { readonly receipt?: string; readonly proof?: string; readonly seal?: string };
type Verdict = 'accepted' | 'refused' | 'open';
type Chain = readonly Buffer[];

async function byCommandLine(shown: Shown, chain: Chain): Promise<Verdict> {
  const own: Record<string, { name: string; text: string }> = {};
  for (const [name, text] of Object.entries(shown)) own[name] = { name, text };
  const transcripts = chain.map((bytes, round) => file(names[round]!, bytes));
  const { accepted } = await verifyOwn(transcripts, own);
  if (accepted === null) return 'open';
  return accepted ? 'accepted' : 'refused';
}

function byPython(shown: Shown, chain: Chain): Verdict {
  const options = Object.entries(shown).flatMap(([name, text]) => {
    const path = join(folder, `${name}.json`);
    writeFileSync(path, text);
    return [`--${name}`, path];
  });
  const script = fileURLToPath(new URL('../../verify/verify_draw.py', import.meta.url));
  const paths = names.slice(0, chain.length).map((name) => join(folder, name));
  const { status, stderr } = spawnSync(findPython(), [script, ...options, ...paths]);
  const verdict = { 0: 'accepted', 1: 'refused', 3: 'open' }[status ?? -1];
  expect(verdict, String(stderr)).toBeDefined();
  return verdict as Verdict;
}

async function byPage({ receipt = '', ...others }: Shown, chain: Chain): Promise<Verdict> {
  const { ledger } = await verifyDraw(chain.map((bytes, round) => source(names[round]!, bytes)));
  return checkReceipt({ receipt, ...others }, ledger).verdict;
}

async function allSay(verdict: Verdict, shown: Shown, chain: Chain = files): Promise<void> {
  const verdicts = {
    commandLine: await byCommandLine(shown, chain),
    python: byPython(shown, chain),
    page: await byPage(shown, chain),
  };
  expect(verdicts).toEqual({ commandLine: verdict, python: verdict, page: verdict });
}

describe.each([
  ['accepted', GOOD],
  ['refused', FORGED],
] as const)('three verifiers say %s of a receipt', (verdict, cases) => {
  test.each(Object.entries(cases))('%s', (_name, receipt) =>
    allSay(verdict, { receipt: JSON.stringify(receipt) }),
  );
});

describe('three verifiers', () => {
  test('cannot tell before the round that a receipt must be in', async () => {
    const late = jcs(sign(own, cutAtMs[2]! + 1));
    await allSay('open', { receipt: late });
    await allSay('open', { receipt: jcs(sign(entries[1]![2]!, cutAtMs[1]!)) }, files.slice(0, 1));
  });

  test.each<[string, Verdict, (text: string) => string]>([
    ['indented, with a byte order mark', 'accepted', (text) => `\uFEFF${indented(text)}\r\n`],
    ['with a member twice', 'refused', (text) => text.replace('{"cats":', '{"cats":[],"cats":')],
    ['with a size of 1.0', 'refused', (text) => text.replace(/"size":(\d)/, '"size":$1.0')],
    ['in another order', 'refused', (text) => text.replace(/^{("entry":.*}),(.*)}$/, '{$2,$1}')],
    ['with white space in a string', 'refused', (text) => text.replace('"kid":"', '"kid":" ')],
    ['with half a surrogate pair', 'refused', (text) => text.replace('"prefs":["', '$&\\ud800')],
    ['with something behind it', 'refused', (text) => `${text}x`],
  ])('read a receipt as it was given: %s', async (_name, verdict, change) => {
    const changed = change(jcs(good));
    expect(changed).not.toBe(jcs(good));
    await allSay(verdict, { receipt: changed });
  });

  test('hold a proof against the seal and against the entries', async () => {
    const receipt = jcs(good);
    const proof = proofOf(own.entry);
    await allSay('accepted', { receipt, proof: jcs(proof) });
    await allSay('open', { receipt, proof: jcs(proof) }, []);
    // Its owner alone can make one that leads from the leaf to itself: no seal has that root.
    const short = { ...proof, count: 1, index: 0, path: [], root: proof.leaf };
    await allSay('refused', { receipt, proof: jcs(short) });
    await allSay('open', { receipt, proof: jcs(short) }, []);
    // A path is of a leaf: that of somebody else shows nothing of who never entered.
    const nobody = { ...own, entry: 'A'.repeat(22) };
    const stolen = { ...proof, entry: nobody.entry };
    expect(await byCommandLine({ proof: jcs(stolen) }, files)).toBe('refused');
    expect(byPython({ proof: jcs(stolen) }, files)).toBe('refused');
    await allSay('refused', { receipt: jcs(sign(nobody, cutAtMs[0]!)), proof: jcs(stolen) });
  });

  test('hold a signed seal against the files', async () => {
    const signed = (seal: (typeof seals)[number]) => ({ seal, signature: signSeal(seal) });
    const answer = { ...signed(seals[1]!), digest: '0'.repeat(64), release: manifest.release };
    await allSay('accepted', { seal: jcs(answer) });
    await allSay('accepted', { receipt: jcs(good), seal: jcs(signed(seals[0]!)) });
    // Two seals of one round, both signed: somebody was shown the other one.
    await allSay('refused', { seal: jcs(signed({ ...seals[1]!, root: '0'.repeat(64) })) });
    await allSay('refused', { seal: jcs({ ...answer, signature: good.signature }) });
    await allSay('refused', { seal: jcs({ ...answer, seal: seals[2] }) });
    await allSay('refused', { seal: jcs({ ...answer, signature: null }) });
    await allSay('refused', { seal: jcs(signed(seals[2]!)) }, files.slice(0, 2));
  });
});

const indented = (text: string): string => JSON.stringify(JSON.parse(text), null, 2);

/** Of round 0. */
function proofOf(entry: string): Proof {
  const table = buildEntryTable(
    manifest,
    entries[0]!.map(({ cats, prefs, size, entry: id }) => ({
      entry: id,
      size,
      categories: cats,
      prefs: prefs.map((pref) => manifest.slots.findIndex(({ slot }) => slot === pref)),
    })),
  );
  const { roots } = keptTree(table);
  const chunk = new Map(treeChunks(table)).get(chunkOf(idsOf(roots), entry))!;
  return proofIn(seals[0]!, subtreeOf(roots), subtreeOf(chunk), entry)!;
}
