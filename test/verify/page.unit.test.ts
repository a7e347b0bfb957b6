/** The page's verifier without a browser: what it accepts, and what hostile files do to it. */
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VERIFY_FILES } from '../../src/http/verify-page.ts';
import { jcs } from '../../src/lib/jcs.ts';
import { inclusionPath, leafHash, treeLevels } from '../../src/lib/merkle.ts';
import { createReceipts, receiptTerms } from '../../src/rounds/receipts.ts';
import { makeVendorFile } from '../../verify/page/vendor/make.ts';
import { playBoth } from '../rounds/scenario.ts';
import {
  CHAIN_TERMS,
  checkReceipt,
  emptyRound,
  EXAMPLE,
  type Report,
  sample,
  source,
  verifyDraw,
} from './page-files.ts';

const FOLDER = new URL('../../verify/page/', import.meta.url);
const [FIRST = '', SECOND = ''] = EXAMPLE;

const verify = async (...files: (string | Uint8Array)[]): Promise<Report> => {
  const sources = files.map((bytes, at) => source(`file-${at}`, bytes));
  return (await verifyDraw(sources)).report;
};
const linesOf = (text: string): string[] => text.split('\n').slice(0, -1);
const withLine = (text: string, number: number, line: string): string =>
  `${linesOf(text)
    .with(number - 1, line)
    .join('\n')}\n`;

describe('the folder of the page', () => {
  test('is served whole, and nothing else is', () => {
    const kept = (name: string) => /\.(?:js|css|html)$/.test(name);
    const there = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter(kept);
    expect([...VERIFY_FILES].toSorted()).toEqual(there.toSorted());
  });

  test('has the libraries as they are made from the packages', async () => {
    const committed = readFileSync(new URL('vendor/noble.js', FOLDER), 'utf8');
    expect((await makeVendorFile()) === committed).toBe(true);
  });
});

describe('a release', () => {
  test('is accepted with all that there is to say of it, in any order, packed or not', async () => {
    const { report } = await verifyDraw([
      source('second', gzipSync(SECOND)),
      source('first', FIRST),
    ]);
    const digestOf = (text: string) => (JSON.parse(linesOf(text).at(-1)!) as Report).digest;
    const seal = JSON.parse(linesOf(FIRST)[2]!) as { seal: { manifest_hash: string } };
    expect(report).toEqual({
      accepted: true,
      release: 'pune-2021-04-10',
      manifestHash: seal.seal.manifest_hash,
      rounds: [
        { round: 0, file: 'first', entries: 5, served: 4, digest: digestOf(FIRST) },
        { round: 1, file: 'second', entries: 2, served: 2, digest: digestOf(SECOND) },
      ],
      digest: digestOf(SECOND),
      checked: expect.any(Array),
      notChecked: [],
      trust: expect.stringMatching(/^the operator: /),
    });
  });

  test.each(['drand', 'hash-chain'])('is accepted: the sample %s', async (name) => {
    expect(await verify(...sample(name))).toMatchObject({ accepted: true, notChecked: [] });
  });

  test('is accepted, whatever happened in it, with the digest that the engine gave it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.gen(), async (pick) => {
        const { files, ledger } = await playBoth(pick, () => undefined);
        expect(await verify(...files)).toMatchObject({
          accepted: true,
          digest: ledger.previousDigest,
        });
      }),
      { numRuns: 200 },
    );
  }, 60_000);

  test('of a drand network that nobody knows is accepted, and that is said', async () => {
    const report = await verify(emptyRound());
    expect(report).toMatchObject({
      accepted: true,
      trust: expect.stringMatching(/^whoever runs the drand chain/),
    });
    expect(report.notChecked).toEqual([expect.stringContaining('whose network')]);
    expect(await verify(emptyRound({ beacon: CHAIN_TERMS }))).toMatchObject({ notChecked: [] });
  });

  test('is refused at its last line when its digest is not the one asked for', async () => {
    const { report, ledger } = await verifyDraw([source('0', FIRST), source('1', SECOND)], {
      digest: 'ab'.repeat(32),
    });
    expect(report).toMatchObject({ accepted: false, file: '1', line: linesOf(SECOND).length });
    expect(ledger).toBeUndefined();
  });

  test('tells how far it is', async () => {
    const told: number[] = [];
    await verifyDraw([source('0', FIRST)], { onProgress: ({ entries }) => told.push(entries) });
    expect(told.at(-1)).toBe(5);
  });
});

describe('a change of one byte', () => {
  test.each([0, 1])(
    'anywhere in round %i is refused, at its line',
    async (round) => {
      const bytes = Buffer.from(EXAMPLE[round]!);
      const before = EXAMPLE.slice(0, round);
      const mistakes: unknown[] = [];
      let line = 1;
      for (const [at, byte] of bytes.entries()) {
        // A first manifest and a seal may read well, and be refuted by a hash further down only.
        const late = line === 3 - round || (line === 1 && round === 0);
        for (const other of at % 4 === 0 || byte === 0x0a ? [byte ^ 1, 0x0a] : [byte ^ 1]) {
          if (other === byte) continue;
          const changed = Buffer.from(bytes);
          changed[at] = other;
          const sources = [...before, changed].map((file, n) => source(`${n}`, file));
          // Their order is not looked for: a seal that was hit would change it.
          const { report } = await verifyDraw(sources, { inOrder: true } as object);
          const there = !report.accepted && report.file === `${round}`;
          if (!there || (report.line !== line && !(late && report.line > line)))
            mistakes.push({ at, line, other, report });
        }
        if (byte === 0x0a) line += 1;
      }
      expect(mistakes).toEqual([]);
    },
    120_000,
  );
});

/** `line`: null for any. */
const refused = async (file: string | Uint8Array, line: number | null, reason: RegExp) =>
  expect(await verify(file)).toEqual({
    accepted: false,
    file: 'file-0',
    line: line ?? expect.any(Number),
    reason: expect.stringMatching(reason),
  });

/** The example, its manifest changed: refused before anything else is looked at, or after. */
const withManifest = (change: (manifest: Record<string, unknown>) => void): string => {
  const line = JSON.parse(linesOf(FIRST)[0]!) as { manifest: Record<string, unknown> };
  change(line.manifest);
  return withLine(FIRST, 1, jcs(line));
};

describe('a hostile file', () => {
  test('without anything, or without an end, is refused where it ends', async () => {
    await refused('', 1, /ends before its digest/);
    await refused('{', 1, /does not end with a line feed/);
    await refused(FIRST.slice(0, -1), linesOf(FIRST).length, /does not end with a line feed/);
    await refused(linesOf(FIRST).slice(0, 6).join('\n').concat('\n'), 7, /ends before its digest/);
    await refused(`${FIRST}\n`, linesOf(FIRST).length + 1, /something after/);
    await refused(`${FIRST}x`, linesOf(FIRST).length + 1, /something after/);
    expect(await verify()).toMatchObject({ accepted: false, line: 1 });
  });

  test('that is not canonical JSON in UTF-8 is refused at that line', async () => {
    await refused(Uint8Array.of(0xff, 0x0a), 1, /UTF-8/);
    await refused('hello\n', 1, /not JSON/);
    await refused('null\n', 1, /must be a line of kind "manifest"/);
    await refused(`\uFEFF${FIRST}`, 1, /not JSON/);
    await refused(FIRST.replaceAll('\n', '\r\n'), 1, /canonical/);
    await refused(withLine(FIRST, 5, linesOf(FIRST)[4]!.replace('{', '{"cats":[],')), 5, /canon/);
    await refused(withLine(FIRST, 5, linesOf(FIRST)[4]!.replace('"size":1', '"size":1.0')), 5, /c/);
    await refused(
      withManifest((m) => (m['extra'] = 0.5)),
      1,
      /not whole/,
    );
    await refused(
      withManifest((m) => (m['extra'] = 1e21)),
      1,
      /not whole/,
    );
    await refused(FIRST.replace('Vaccination', '\\ud800accination'), 1, /surrogate/);
    await refused(FIRST.replace('Vaccination', '\\u0056accination'), 1, /canonical/);
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    await refused(withLine(FIRST, 1, `{"kind":"manifest","manifest":{"x":${deep}}}`), 1, /deep/);
    await refused(`${'['.repeat(2_000_000)}\n`, 1, /more than/);
    const proto = linesOf(FIRST)[0]!.replace('"beacon"', '"__proto__":{"slots":[]},"beacon"');
    await refused(withLine(FIRST, 1, proto), null, /./);
  });

  test('with a manifest that nobody can draw by is refused at its first line', async () => {
    const slot = { pools: [{ pool: 'open', seats: 1 }], slot: 'a' };
    const many = Array.from({ length: 33 }, (_, n) => ({ pool: `p${n}`, seats: 1 }));
    const cases: [(manifest: Record<string, unknown>) => void, RegExp][] = [
      [(m) => (m['rules'] = 'fairslot/v2'), /rules/],
      [(m) => (m['slots'] = [slot, slot]), /two slots/],
      [(m) => (m['slots'] = [{ ...slot, pools: [...slot.pools, ...slot.pools] }]), /two pools/],
      [(m) => (m['slots'] = [{ ...slot, pools: many }]), /not 1 to 8/],
      [(m) => (m['slots'] = [{ ...slot, pools: [{ pool: 'open', seats: -1 }] }]), /seats/],
      [(m) => (m['slots'] = 7), /slots/],
      [(m) => (m['closes_at'] = '2021-02-31T14:40:00.000Z'), /closes_at/],
      [(m) => (m['closes_at'] = '2021-04-10T14:40:00Z'), /closes_at/],
      [(m) => delete m['limits'], /limits/],
      [(m) => delete m['receipt_key'], /receipt_key/],
      [(m) => delete m['dereserve_after_round'], /dereserve/],
      [(m) => (m['beacon'] = { kind: 'dice' }), /"dice" is not known/],
      [(m) => (m['beacon'] = { ...CHAIN_TERMS, length: 0 }), /length/],
      [(m) => (m['beacon'] = { ...CHAIN_TERMS, anchor: 'AB'.repeat(32) }), /anchor/],
    ];
    for (const [change, reason] of cases) await refused(withManifest(change), 1, reason);
    const reserved = [{ pools: [{ pool: 'senior', seats: 1 }], slot: 'a' }];
    await refused(
      withManifest((m) => Object.assign(m, { slots: reserved, dereserve_after_round: 3 })),
      1,
      /no open pool/,
    );
  });

  test('with a beacon value that is no point, or is not signed, is refused at its line', async () => {
    const line = linesOf(emptyRound())[3]!;
    const other = (signature: string) =>
      withLine(emptyRound(), 4, line.replace(/"signature":"\w+"/, `"signature":"${signature}"`));
    await refused(other('00'.repeat(48)), 4, /is not that of round/);
    await refused(other('ff'.repeat(48)), 4, /is not that of round/);
    await refused(other(`c0${'00'.repeat(47)}`), 4, /is not that of round/);
    await refused(other('ab'), 4, /48 bytes/);
  });

  test('of gzip is taken apart to its last whole line', async () => {
    const lines = linesOf(FIRST).length;
    const packed = gzipSync(FIRST);
    await refused(packed.subarray(0, -1), null, /gzip/);
    await refused(packed.subarray(0, packed.length >> 1), null, /gzip/);
    await refused(Buffer.concat([packed, Buffer.from('more')]), lines + 1, /gzip/);
    await refused(Buffer.concat([packed, packed]), null, /gzip|something after/);
    await refused(gzipSync(packed), 1, /UTF-8|JSON/);
    await refused(Buffer.of(0x1f, 0x8b), 1, /gzip/);
  });

  test('cannot make it hold more than a line, or believe a count', async () => {
    await refused(gzipSync(Buffer.alloc(64 << 20)), 1, /longer than 16777216 bytes/);
    await refused(gzipSync(Buffer.alloc(64 << 20, '\n')), 1, /not JSON/);
    const seal = linesOf(FIRST)[2]!;
    await refused(withLine(FIRST, 3, seal.replace('"count":5', '"count":8000000')), null, /./);
    await refused(withLine(FIRST, 3, seal.replace('"count":5', '"count":8000001')), 3, /more than/);
  });

  test('that cannot be read is refused where reading failed', async () => {
    const failing = {
      name: 'failing',
      size: 1,
      stream: () => new ReadableStream({ start: (stream) => stream.error(new Error('no disk')) }),
    };
    const { report } = await verifyDraw([failing]);
    expect(report).toMatchObject({ line: 1, reason: 'the file cannot be read: no disk' });
  });
});

describe('a receipt', () => {
  const receipts = createReceipts(['the secret of the samples, which everyone knows']);
  const files = sample('drand');
  const entries = files.map((bytes) =>
    linesOf(bytes.toString())
      .filter((line) => line.includes('"kind":"entry"'))
      .map((line) => JSON.parse(line) as Entry),
  );
  const [opening = '', , sealLine = ''] = linesOf(files[0]!.toString());
  const { manifest } = JSON.parse(opening) as { manifest: Parameters<typeof receiptTerms>[0] };
  const { seal } = JSON.parse(sealLine) as { seal: Record<string, unknown> };
  const terms = receiptTerms(manifest, seal['manifest_hash'] as string);
  const sign = receipts.signerFor(terms)!.receipt;
  const beforeSeal = Date.parse('2023-08-23T15:50:00.000Z');
  const ledgerOf = async () =>
    (await verifyDraw(files.map((bytes, round) => source(`${round}`, bytes)))).ledger;
  type Entry = { cats: string[]; entry: string; prefs: string[]; size: number; leaf: string };

  const idBytes = ({ entry }: Entry): Buffer => Buffer.from(entry, 'base64url');
  const inTree = entries[0]!.toSorted((a, b) => Buffer.compare(idBytes(a), idBytes(b)));
  const leaves = Buffer.concat(inTree.map(({ leaf }) => Buffer.from(leaf, 'hex')));
  const proofOf = (entry: Entry): Record<string, unknown> => ({
    count: inTree.length,
    entry: entry.entry,
    index: inTree.indexOf(entry),
    leaf: entry.leaf,
    path: inclusionPath(treeLevels(leaves), inTree.indexOf(entry)).map((node) =>
      node.toString('hex'),
    ),
    release: manifest.release,
    root: seal['root'],
    round: 0,
  });

  test('tells everyone their place, by files and by proof', async () => {
    const ledger = await ledgerOf();
    for (const [place, entry] of entries[0]!.entries()) {
      const receipt = JSON.stringify(sign(entry, beforeSeal));
      const report = checkReceipt({ receipt, proof: JSON.stringify(proofOf(entry)) }, ledger);
      expect(report).toMatchObject({
        verdict: 'accepted',
        standing: { round: 0, place: place + 1, of: entries[0]!.length },
      });
    }
  });

  test('can have its leaf and proof checked without files, but not its signature', () => {
    const entry = entries[0]![3]!;
    const texts = {
      receipt: JSON.stringify(sign(entry, beforeSeal)),
      proof: JSON.stringify(proofOf(entry)),
    };
    const report = checkReceipt(texts, undefined);
    expect(report).toMatchObject({ verdict: 'open', standing: null });
    expect(report.findings.map(({ ok }) => ok)).toEqual([null, true, true]);
  });

  test('that was tampered with, or is of others, is refused', async () => {
    const ledger = await ledgerOf();
    const entry = entries[0]![0]!;
    const good = sign(entry, beforeSeal);
    const stranger = createReceipts(['another secret, just as long as the first']);
    const byStranger = stranger
      .signerFor({ ...terms, key: stranger.newest })!
      .receipt(entry, beforeSeal);
    const bad: [object | string, RegExp][] = [
      ['hello', /not JSON/],
      ['null', /not an object/],
      [{}, /no member entry/],
      [{ ...good, issued_at: '2023-08-23T15:50:00.001Z' }, /not signed/],
      [{ ...good, signature: good.signature.replace(/^./, 'z') }, /not signed/],
      [{ ...good, signature: 'AAAA' }, /not signed/],
      [{ ...good, leaf: '0'.repeat(64) }, /not signed/],
      [{ ...good, entry: { ...good.entry, size: 3 } }, /not signed/],
      [{ ...good, release: 'elsewhere' }, /another release/],
      [byStranger, /not signed/],
      [{ ...byStranger, kid: good.kid }, /not signed/],
    ];
    for (const [receipt, reason] of bad) {
      const text = typeof receipt === 'string' ? receipt : JSON.stringify(receipt);
      const { verdict, findings } = checkReceipt({ receipt: text }, ledger);
      expect(verdict).toBe('refused');
      expect(findings.at(-1)?.text).toMatch(reason);
    }
  });

  test('of an entry that was left out, or changed, is evidence; a later one is early', async () => {
    const ledger = await ledgerOf();
    const entry = entries[0]![0]!;
    const of = (wishes: Partial<Entry>, issuedAtMs: number) =>
      checkReceipt({ receipt: JSON.stringify(sign({ ...entry, ...wishes }, issuedAtMs)) }, ledger);
    const lost = of({ entry: 'AAAAAAAAAAAAAAAAAAAAAA' }, beforeSeal);
    expect(lost.findings.at(-1)).toMatchObject({
      ok: false,
      text: expect.stringMatching(/not in round 0, the first/),
    });
    const changed = of({ size: entry.size + 1 }, beforeSeal);
    expect(changed.findings.at(-1)?.text).toMatch(/not with what the receipt says.*evidence/);
    const later = of({ entry: 'AAAAAAAAAAAAAAAAAAAAAA' }, Date.parse('2023-08-23T16:20:00.000Z'));
    expect(later).toMatchObject({ verdict: 'open', standing: null });
  });

  test('with a proof that leads elsewhere is refused', async () => {
    const ledger = await ledgerOf();
    const entry = entries[0]![5]!;
    const receipt = JSON.stringify(sign(entry, beforeSeal));
    const good = proofOf(entry);
    const path = good['path'] as string[];
    const bad: [object | string, RegExp][] = [
      ['[', /not JSON/],
      [{ ...good, zone: 1 }, /does not belong/],
      [{ ...good, index: inTree.length }, /does not lead/],
      [{ ...good, index: -1 }, /no index/],
      [{ ...good, path: path.slice(1) }, /does not lead/],
      [{ ...good, path: [...path, path[0]] }, /does not lead/],
      [{ ...good, path: path.toReversed() }, /does not lead/],
      [{ ...good, path: 'abc' }, /not a list/],
      [{ ...good, root: path[0] }, /does not lead/],
      [{ ...good, round: 1 }, /not the one in the seal/],
      [{ ...good, round: 9 }, /no round 9/],
      [{ ...good, release: 'elsewhere' }, /another release/],
      [proofOf(entries[0]![6]!), /another entry/],
      [{ ...good, leaf: leafHash(Buffer.from('x')).toString('hex') }, /another leaf/],
    ];
    for (const [document, reason] of bad) {
      const proof = typeof document === 'string' ? document : jcs(document);
      const { verdict, findings } = checkReceipt({ receipt, proof }, ledger);
      expect(verdict, proof).toBe('refused');
      expect(findings.at(-1)?.text).toMatch(reason);
    }
  });
});
