/** verify/verify_draw.py, the verifier for who trusts no JavaScript: as a stranger would run it. */
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { sha256 } from '../../src/lib/hash.ts';
import { jcs } from '../../src/lib/jcs.ts';
import type { ResultFile } from '../../src/rounds/results/results.ts';
import { withLine } from '../rounds/files.ts';
import { resultFilesOf } from './corpus.ts';
import { createLedger, idOf, lottery, playRound, wants } from '../rounds/release.ts';
import { findPython } from '../support/python.ts';

vi.setConfig({ testTimeout: 60_000 }); // Python is started often

const PYTHON = findPython();
const SCRIPTS = join(import.meta.dirname, '../../verify');
const SCRIPT = join(SCRIPTS, 'verify_draw.py');
const page = readFileSync(join(import.meta.dirname, '../../docs/draw.md'), 'utf8');
const [FIRST, SECOND] = Array.from(page.matchAll(/```ndjson\n(.*?)```/gs), ([, text = '']) =>
  Buffer.from(text),
) as [Buffer, Buffer];

const directory = mkdtempSync(join(tmpdir(), 'fairslot-python-'));
afterAll(() => rmSync(directory, { recursive: true }));

const put = (name: string, bytes: Buffer | string): string => {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
};

const python = (...args: readonly string[]) =>
  spawnSync(PYTHON, ['-B', ...args], {
    encoding: 'utf8',
    env: { ...process.env, PYTHONPATH: SCRIPTS },
  });

const verify = (...args: readonly string[]) => python(SCRIPT, ...args);

const refusal = (args: readonly string[]) => {
  const { status, stdout, stderr } = verify('--json', ...args);
  expect(stderr).toMatch(/^REFUSED [^\n]+ line \d+: [^\n]+\n$/);
  expect(status).toBe(1);
  return JSON.parse(stdout) as { accepted: false; file: string; line: number; reason: string };
};

const digestOf = (bytes: Buffer): string =>
  present(bytes.toString().match(/"digest":"([0-9a-f]{64})"/)?.[1], 'digest');

describe('the example on the page', () => {
  const files = [put('first.ndjson', FIRST), put('second.ndjson.gz', gzipSync(SECOND))] as const;

  it('is accepted, in any order of its files', () => {
    const { status, stdout } = verify('--json', '--digest', digestOf(SECOND), files[1], files[0]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      accepted: true,
      release: 'pune-2021-04-10',
      rounds: [
        { round: 0, file: files[0], entries: 5, served: 4, digest: digestOf(FIRST) },
        { round: 1, file: files[1], entries: 2, served: 2, digest: digestOf(SECOND) },
      ],
      digest: digestOf(SECOND),
      trust: expect.stringContaining('the operator: '),
    });
  });

  it('is explained to people', () => {
    const { status, stdout } = verify(...files);
    expect(status).toBe(0);
    expect(stdout).toContain('round 1: 2 new entries, 2 entries got seats, digest ');
    expect(stdout).toContain('trust: the operator: ');
    expect(stdout).toMatch(/^ACCEPTED, digest [0-9a-f]{64}$/m);
  });

  it('is refused under another digest, at its last line', () => {
    const report = refusal(['--digest', digestOf(FIRST), ...files]);
    expect(report).toMatchObject({ file: files[1], line: 8 });
  });

  it('is refused with any other byte in any place', () => {
    const { stdout } = python(
      '-c',
      `
import os, sys, verify_draw
first, second, changed = sys.argv[1:]
out, sys.stdout, sys.stderr = sys.stdout, open(os.devnull, "w"), open(os.devnull, "w")
for path, other in ((first, second), (second, first)):
    data = open(path, "rb").read()
    for place in range(0, len(data), 5):
        with open(changed, "wb") as file:
            file.write(data[:place] + bytes([data[place] ^ (1 + place % 7)]) + data[place + 1:])
        if verify_draw.main([changed, other]) != 1:
            print(path, place, file=out)
print("done", file=out)
`,
      files[0],
      put('second.ndjson', SECOND),
      join(directory, 'changed.ndjson'),
    );
    expect(stdout).toBe('done\n');
  });
});

describe('asked in a wrong way', () => {
  it.each([
    [[]],
    [['--digest', 'abc', SCRIPT]],
    [['--digest', '0'.repeat(64)]],
    [['--receipt', SCRIPT]],
    [['--result', SCRIPT]],
    [[join(directory, 'not there')]],
    [[directory]],
  ])('says so: %j', (args) => {
    const { status, stderr } = verify(...args);
    expect(status).toBe(2);
    expect(stderr).toContain('error: ');
    expect(stderr).not.toContain('Traceback');
  });
});

describe('hostile files', () => {
  const lines = FIRST.toString().split('\n');
  const line = (number: number): string => present(lines[number - 1], 'line');
  const zipped = gzipSync(FIRST);
  const seal = line(3);
  const manifest = line(1);
  const cases: Record<string, [Buffer | string, number]> = {
    empty: ['', 1],
    'a line feed': ['\n', 1],
    'half a line': [FIRST.subarray(0, -1), 11],
    'three lines': [`${lines.slice(0, 3).join('\n')}\n`, 4],
    'half an entry': [FIRST.subarray(0, FIRST.indexOf('"kind":"entry"')), 5],
    'two entries exchanged': [withLine(withLine(FIRST, 6, line(5)), 5, line(6)), 5],
    'an entry twice': [withLine(FIRST, 5, line(5), line(5)), 6],
    'an entry too few': [withLine(FIRST, 7), 9],
    'the digest line twice': [withLine(FIRST, 11, line(11), line(11)), 12],
    'not JSON': [withLine(FIRST, 2, 'since'), 2],
    'not an object': [withLine(FIRST, 2, '[]'), 2],
    'not UTF-8': [Buffer.concat([Buffer.from([0xff, 0xfe]), FIRST]), 1],
    'a byte order mark': [`\ufeff${FIRST.toString()}`, 1],
    'carriage returns': [FIRST.toString().replaceAll('\n', '\r\n'), 1],
    'a member twice': [withLine(FIRST, 3, seal.replace('"count":5', '"count":5,"count":5')), 3],
    NaN: [withLine(FIRST, 3, seal.replace('"count":5', '"count":NaN')), 3],
    Infinity: [withLine(FIRST, 3, seal.replace('"count":5', '"count":-Infinity')), 3],
    'a fraction': [withLine(FIRST, 3, seal.replace('"count":5', '"count":5.0')), 3],
    'an exponent': [withLine(FIRST, 3, seal.replace('"count":5', '"count":5e0')), 3],
    'a number for a flag': [withLine(FIRST, 3, seal.replace('"step":1', '"step":true')), 3],
    'a million digits': [
      withLine(FIRST, 3, seal.replace('"count":5', `"count":${'5'.repeat(1_000_000)}`)),
      3,
    ],
    'millions of entries, and none there': [
      withLine(FIRST, 3, seal.replace('"count":5', '"count":8000000')),
      10,
    ],
    'too many entries': [withLine(FIRST, 3, seal.replace('"count":5', '"count":8000001')), 3],
    'deep lists': [withLine(FIRST, 1, `{"kind":${'['.repeat(1e6)}${']'.repeat(1e6)}}`), 1],
    'rather deep objects': [
      withLine(FIRST, 1, manifest.replace('[]', `${'{"a":'.repeat(900)}1${'}'.repeat(900)}`)),
      1,
    ],
    'half a character': [withLine(FIRST, 1, manifest.replace('Puné', '\\ud800')), 1],
    'other rules': [withLine(FIRST, 1, manifest.replace('fairslot/v1', 'fairslot/v2')), 1],
    'a gzip cut off': [zipped.subarray(0, -4), 12],
    'a gzip of another length': [Buffer.concat([zipped.subarray(0, -4), Buffer.alloc(4)]), 1],
    'something after the gzip': [Buffer.concat([zipped, Buffer.from('x')]), 12],
    'two gzip members': [Buffer.concat([zipped, gzipSync('')]), 12],
    'gzip in gzip': [gzipSync(zipped), 1],
    'no gzip, but its head': [Buffer.from([0x1f, 0x8b, 8, 0]), 1],
    'nothing but zeros': [Buffer.alloc(17 * 1024 * 1024), 1],
  };

  it.each(Object.entries(cases))('are refused: %s', (name, [bytes, at]) => {
    const path = put(`${name}.ndjson`, bytes);
    expect(refusal([path])).toMatchObject({ accepted: false, file: path, line: at });
  });

  it('do not fill the memory', () => {
    const bomb = put('bomb.gz', gzipSync(Buffer.alloc(300 * 1024 * 1024)));
    const { status, stderr } = python(
      '-c',
      `
import resource, sys, verify_draw
resource.setrlimit(resource.RLIMIT_AS, (200 * 2**20, 200 * 2**20))
sys.exit(verify_draw.main(sys.argv[1:]))
`,
      bomb,
    );
    expect(stderr).toContain('line 1: is longer than 16777216');
    expect(status).toBe(1);
  });

  it('do not reach the terminal', () => {
    const text = manifest.replace('fairslot/v1', '\\u001b[2J\u202e\\u0007');
    const { stderr } = verify(put('escape\u001b[2J.ndjson', withLine(FIRST, 1, text)));
    expect(stderr).toContain('its rules are \\u001b[2J\\u202e\\u0007');
    expect(stderr.replaceAll('\n', '')).not.toMatch(/\p{Cc}|\p{Cf}/u);
  });

  it('are refused where a round is missing, twice there, or of another release', async () => {
    const [first, second] = [put('1.ndjson', FIRST), put('2.ndjson', SECOND)];
    expect(refusal([second])).toMatchObject({ file: second, line: 1 });
    expect(refusal([second]).reason).toContain("the file's seal names round 1");
    expect(refusal([first, second, second])).toMatchObject({ file: second, line: 1 });
    expect(refusal([first, first])).toMatchObject({ file: first, line: 1 });
    const other = createLedger(lottery({ hall: { open: 1 } }));
    await playRound(other, [wants('Asha', [0])]);
    const path = put('other.ndjson', (await playRound(other, [])).bytes);
    expect(refusal([first, path])).toMatchObject({ file: path, line: 2 });
  });
});

describe('result files', () => {
  const files = [put('first.ndjson', FIRST), put('second.ndjson', SECOND)] as const;
  const [low, high] = resultFilesOf(FIRST, 1) as [ResultFile, ResultFile];

  it('are what their rounds gave, also where later ones moved on', () => {
    const all = [FIRST, SECOND].flatMap((bytes) => [1, 3].flatMap((n) => resultFilesOf(bytes, n)));
    const paths = all.map((file, at) => put(`result-${at}`, jcs(file)));
    const { status, stdout } = verify(...files, '--result', ...paths);
    expect(status).toBe(0);
    expect(stdout.match(/^checked: .* says what round \d gave to /gm)).toHaveLength(all.length);
    expect(stdout).toContain(`begin with 0: ${low.offered.length} got seats, 1 wait`);
  });

  it('are refused by the entry that differs, and only when the rounds are right', () => {
    const [seat] = high.offered as [ResultFile['offered'][0]];
    const other = { ...seat, slot: seat.slot === 'hall-0900' ? 'hall-1100' : 'hall-0900' };
    const path = put('forged', jcs({ ...high, offered: high.offered.with(0, other) }));
    expect(refusal([...files, '--result', put('right', jcs(low)), path])).toEqual({
      accepted: false,
      file: path,
      line: 1,
      reason:
        `entry ${seat.entry} gets seats of ${seat.slot}, ${seat.pool} in round 0, ` +
        `but here it gets seats of ${other.slot}, ${other.pool}`,
    });
    const cut = put('cut.ndjson', SECOND.subarray(0, -1));
    expect(refusal([files[0], cut, '--result', path]).file).toBe(cut);
  });
});

describe('Ed25519', () => {
  /** RFC 8032, 7.1: public key, message, signature. */
  const VECTORS = [
    [
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      '',
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    ],
    [
      '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
      '72',
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    ],
    [
      'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
      'af82',
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
    ],
  ] as const;
  const L = 2n ** 252n + 27742317777372353535851937790883648493n;
  const turned = (hex: string): string => present(hex.match(/../g), 'bytes').toReversed().join('');
  const little = (n: bigint): string => turned(n.toString(16).padStart(64, '0'));
  const read = (text: string): bigint => BigInt(`0x${turned(text)}`);

  const verifies = (cases: readonly (readonly [string, string, string])[]): boolean[] => {
    const { stdout } = python(
      '-c',
      `
import json, sys, verify_draw
cases = [[bytes.fromhex(text) for text in case] for case in json.loads(sys.argv[1])]
print(json.dumps([verify_draw.ed25519_verify(*case) for case in cases]))
`,
      JSON.stringify(cases),
    );
    return JSON.parse(stdout) as boolean[];
  };

  it('accepts the signatures of RFC 8032', () => {
    expect(verifies(VECTORS)).toEqual([true, true, true]);
  });

  it('refuses all else', () => {
    const [key, message, signature] = VECTORS[2];
    const r = signature.slice(0, 64);
    const s = signature.slice(64);
    const one = little(1n);
    expect(
      verifies([
        [key, 'af83', signature],
        [VECTORS[1][0], message, signature],
        [key, message, signature.replace('6291', '6290')],
        [key, message, r + little(read(s) + 1n)],
        [key, message, r + little(read(s) + L)], // the same s, written in another way
        [key, message, signature.slice(2)],
        [key.slice(2), message, signature],
        [little(2n ** 255n - 19n), message, signature], // y beyond the field
        [one, message, one + little(0n)], // the neutral element signs everything
        [little(2n ** 255n + 1n), message, signature], // x = 0 with a sign
        [little(2n), message, signature], // no point of the curve
      ]),
    ).toEqual(Array(11).fill(false));
  });
});

describe('a receipt', () => {
  const thumbprint = (x: string): string =>
    sha256(Buffer.from(jcs({ crv: 'Ed25519', kty: 'OKP', x }))).toString('base64url');
  const keys = generateKeyPairSync('ed25519');
  const x = present(keys.publicKey.export({ format: 'jwk' }).x, 'public key');
  const receiptKey = { kid: thumbprint(x), x };
  const hash = (...parts: readonly (string | Uint8Array)[]): Buffer =>
    sha256(Buffer.concat(parts.map((part) => Buffer.from(part))));

  type Leaf = { readonly entry: string; readonly leaf: Buffer };
  const root = (leaves: readonly Leaf[]): Buffer =>
    leaves.length === 1
      ? present(leaves[0], 'leaf').leaf
      : hash('\u0001', root(leaves.slice(0, half(leaves))), root(leaves.slice(half(leaves))));
  const half = (leaves: readonly Leaf[]): number => 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  const path = (index: number, leaves: readonly Leaf[]): string[] => {
    if (leaves.length === 1) return [];
    const [left, right] = [leaves.slice(0, half(leaves)), leaves.slice(half(leaves))];
    return index < left.length
      ? [...path(index, left), root(right).toString('hex')]
      : [...path(index - left.length, right), root(left).toString('hex')];
  };

  const play = async () => {
    const manifest = { ...lottery({ hall: { open: 3 } }), receipt_key: receiptKey };
    const names = ['Asha', 'Babu', 'Chitra', 'Dev', 'Esha', 'Farah', 'Gita'];
    const round = await playRound(
      createLedger(manifest),
      names.map((name) => wants(name, [0])),
    );
    const entryOf = (name: string) => ({ cats: [], entry: idOf(name), prefs: ['hall'], size: 1 });
    const leafOf = (name: string) => hash('\0', jcs(entryOf(name)));
    const receiptOf = (name: string, more = {}, key: KeyObject = keys.privateKey) => {
      const unsigned = {
        entry: entryOf(name),
        issued_at: '2021-04-10T14:35:00.000Z',
        kid: receiptKey.kid,
        leaf: leafOf(name).toString('hex'),
        manifest_hash: round.seal.manifest_hash,
        release: manifest.release,
        ...more,
      };
      const message = Buffer.from(`fairslot/v1/receipt\0${jcs(unsigned)}`);
      return { ...unsigned, signature: sign(null, message, key).toString('base64url') };
    };
    const leaves: Leaf[] = names
      .map((name) => ({ entry: idOf(name), leaf: leafOf(name) }))
      .toSorted((a, b) =>
        Buffer.from(a.entry, 'base64url').compare(Buffer.from(b.entry, 'base64url')),
      );
    const proofOf = (name: string) => {
      const index = leaves.findIndex(({ entry }) => entry === idOf(name));
      return {
        count: leaves.length,
        entry: idOf(name),
        index,
        leaf: leafOf(name).toString('hex'),
        path: path(index, leaves),
        release: manifest.release,
        root: round.seal.root,
        round: 0,
      };
    };
    return { names, file: put('round-0.ndjson', round.bytes), receiptOf, proofOf };
  };
  const document = (name: string, value: unknown): string =>
    put(name, JSON.stringify(JSON.parse(jcs(value)), null, 2));

  it('is found in its round, and hangs in its tree', async () => {
    const { names, file, receiptOf, proofOf } = await play();
    for (const name of names) {
      const receipt = document('receipt.json', receiptOf(name));
      const proof = document('proof.json', proofOf(name));
      expect(verify('--receipt', receipt, '--proof', proof, file)).toMatchObject({ status: 0 });
    }
    const receipt = document('receipt.json', receiptOf('Asha'));
    const proof = document('proof.json', proofOf('Asha'));
    expect(verify('--receipt', receipt, file).stdout).toContain('entry is in round 0');
    const { status, stdout } = verify('--json', '--receipt', receipt, '--proof', proof);
    expect(status).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({
      accepted: null,
      rounds: [],
      notChecked: [expect.stringContaining("receipt's signature"), expect.stringContaining('root')],
    });
  });

  it('is refused when anything about it is wrong', async () => {
    const { file, receiptOf, proofOf } = await play();
    const good = receiptOf('Asha');
    const other = generateKeyPairSync('ed25519').privateKey;
    const wrong: [unknown, string][] = [
      [receiptOf('Nobody'), 'not in round 0'],
      [receiptOf('Asha', { release: 'pune-2021-04-11' }), 'is for release'],
      [receiptOf('Asha', { manifest_hash: '0'.repeat(64) }), 'manifest_hash'],
      [receiptOf('Asha', { kid: thumbprint('') }), 'kid'],
      [receiptOf('Asha', { leaf: '0'.repeat(64) }), 'leaf'],
      [receiptOf('Asha', {}, other), 'signature'],
      [{ ...good, issued_at: '2021-04-10T14:35:00.001Z' }, 'signature'],
      [{ ...good, signature: `${good.signature}==` }, 'signature'],
      [{ ...good, more: 1 }, 'not a receipt'],
    ];
    for (const [receipt, reason] of wrong) {
      const path = document('receipt.json', receipt);
      const report = refusal(['--receipt', path, file]);
      expect(report).toMatchObject({ file: path, line: 1 });
      expect(report.reason).toContain(reason);
    }
    const twice = put('receipt.json', JSON.stringify(good).replace('{', '{"kid":"",'));
    expect(refusal(['--receipt', twice, file]).reason).toContain('not canonical JSON');

    const receipt = document('receipt.json', good);
    const proof = proofOf('Asha');
    const wrongProofs = [
      proofOf('Babu'),
      { ...proof, index: (proof.index + 1) % proof.count },
      { ...proof, index: proof.count },
      { ...proof, path: proof.path.slice(1) },
      { ...proof, path: [...proof.path, proof.root] },
      { ...proof, root: proof.leaf },
      { ...proof, count: 1, index: 0, path: [], root: proof.leaf },
    ];
    for (const each of wrongProofs) {
      const path = document('proof.json', each);
      expect(refusal(['--receipt', receipt, '--proof', path, file]).file).toBe(path);
    }
  });
});
