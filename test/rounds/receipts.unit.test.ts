import { createHash } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { jcs } from '../../src/lib/jcs.ts';
import { createSecrets } from '../../src/lib/secrets.ts';
import { manifestHash } from '../../src/releases/manifest.ts';
import {
  createReceipts,
  leafProblem,
  Receipt,
  receiptKeyOf,
  receiptTerms,
  signatureProblem,
} from '../../src/rounds/receipts.ts';
import { idOf, lottery, RECEIPT_SECRET } from './release.ts';

const OTHER_SECRET = 'another secret of a test, long enough';
const MANIFEST = lottery({ 'hall-0900': { senior: 1, open: 1 }, 'hall-1100': { open: 2 } });
const TERMS = receiptTerms(MANIFEST, manifestHash(MANIFEST));
const ENTRY = { cats: ['senior'], entry: idOf('asha'), prefs: ['hall-0900', 'hall-1100'], size: 1 };
const ISSUED_AT_MS = Date.UTC(2021, 3, 10, 14, 35);

const receipts = createReceipts([OTHER_SECRET, RECEIPT_SECRET]);
const { receipt: sign } = present(receipts.signerFor(TERMS), 'a signer');
const receipt = sign(ENTRY, ISSUED_AT_MS);

describe('a receipt', () => {
  test('is the document of docs/draw.md, and no more', () => {
    expect(Receipt.parse(receipt)).toEqual(receipt);
    expect(receipt).toEqual({
      entry: ENTRY,
      issued_at: '2021-04-10T14:35:00.000Z',
      kid: MANIFEST.receipt_key.kid,
      leaf: createHash('sha256')
        .update(`\0${jcs(ENTRY)}`)
        .digest('hex'),
      manifest_hash: manifestHash(MANIFEST),
      release: MANIFEST.release,
      signature: expect.stringMatching(/^[\w-]{86}$/),
    });
    expect(leafProblem(receipt)).toBeUndefined();
    expect(signatureProblem(receipt, TERMS)).toBeUndefined();
  });

  test('is signed as another library would have it', () => {
    const { signature, ...unsigned } = receipt;
    const signed = Buffer.concat([
      Buffer.from('fairslot/v1/receipt\0', 'ascii'),
      Buffer.from(jcs(unsigned)),
    ]);
    const key = Buffer.from(MANIFEST.receipt_key.x, 'base64url');
    const bytes = Buffer.from(signature, 'base64url');
    expect(ed25519.verify(bytes, signed, key, { zip215: false })).toBe(true);
    const seed = createSecrets(RECEIPT_SECRET).key('receipt');
    expect(Buffer.from(ed25519.getPublicKey(seed)).equals(key)).toBe(true);
    expect(Buffer.from(ed25519.sign(signed, seed)).equals(bytes)).toBe(true);
  });

  test('is the same whenever it is signed again', () => {
    expect(sign(ENTRY, ISSUED_AT_MS)).toEqual(receipt);
  });

  test('does not survive a change of any of its members', () => {
    const changes: Partial<Receipt>[] = [
      { issued_at: '2021-04-10T14:35:00.001Z' },
      { leaf: receipt.leaf.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) },
      { entry: { ...ENTRY, size: 2 } },
      { entry: { ...ENTRY, prefs: ENTRY.prefs.toReversed() } },
      { entry: { ...ENTRY, cats: [] } },
      { entry: { ...ENTRY, entry: idOf('babu') } },
      { manifest_hash: '0'.repeat(64) },
      { release: 'mumbai-2021-04-10' },
      { kid: receiptKeyOf(createSecrets(OTHER_SECRET)).kid },
    ];
    for (const change of changes)
      expect(signatureProblem({ ...receipt, ...change }, TERMS), jcs(change)).toBeDefined();
    const bytes = Buffer.from(receipt.signature, 'base64url');
    fc.assert(
      fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
        const forged = Buffer.from(bytes);
        forged[bit >> 3]! ^= 1 << (bit & 7);
        const signature = forged.toString('base64url');
        expect(signatureProblem({ ...receipt, signature }, TERMS)).toBeDefined();
      }),
      { numRuns: 60 },
    );
  });

  test('has the leaf of its entry, or is none', () => {
    expect(leafProblem({ ...receipt, entry: { ...ENTRY, size: 2 } })).toContain('the leaf is not');
  });

  test('of another engine is not taken for one of this release', () => {
    const { newest: key } = createReceipts([OTHER_SECRET]);
    const theirs = present(createReceipts([OTHER_SECRET]).signerFor({ ...TERMS, key }), 'a signer');
    expect(signatureProblem(theirs.receipt(ENTRY, ISSUED_AT_MS), TERMS)).toContain(
      "its key is not the manifest's",
    );
    const renamed = { ...theirs.receipt(ENTRY, ISSUED_AT_MS), kid: TERMS.key.kid };
    expect(signatureProblem(renamed, TERMS)).toContain('the signature is not');
  });
});

describe('the keys', () => {
  test('are listed newest first as RFC 8037 has them, without their private part', () => {
    const [newest, older] = receipts.jwks;
    expect(older).toEqual({
      kty: 'OKP',
      crv: 'Ed25519',
      use: 'sig',
      alg: 'EdDSA',
      ...MANIFEST.receipt_key,
    });
    expect(newest).toMatchObject(receipts.newest);
    expect(receipts.newest).toEqual(receiptKeyOf(createSecrets(OTHER_SECRET)));
  });

  test('have the thumbprint of RFC 8037, appendix A.3, made as ours are', () => {
    const x = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';
    const thumbprint = createHash('sha256').update(jcs({ crv: 'Ed25519', kty: 'OKP', x }));
    expect(thumbprint.digest('base64url')).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
  });

  test('sign for the release that pins them as long as they are configured', () => {
    expect(createReceipts([OTHER_SECRET]).signerFor(TERMS)).toBeUndefined();
    expect(createReceipts([RECEIPT_SECRET]).signerFor(TERMS)?.receipt(ENTRY, ISSUED_AT_MS)).toEqual(
      receipt,
    );
  });
});
