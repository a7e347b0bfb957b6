/** What the engine signs: receipts, when it takes an entry, and seals (docs/draw.md). */
import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto';
import { z } from 'zod';
import { present } from '../lib/assert.ts';
import { isoFromMs } from '../lib/clock.ts';
import { hex, tag } from '../lib/hash.ts';
import { jcs } from '../lib/jcs.ts';
import { createSecrets, type Secrets } from '../lib/secrets.ts';
import { Category, type DrawnManifest, Instant, SlotId } from '../releases/manifest.ts';
import { ENTRY_ID, type EntryDocument, leafOf, rowProblem } from './draw/entry-table.ts';
import { categoriesOf } from './draw/pools.ts';
import { kidOf, type ReceiptKey } from './receipt-key.ts';
import type { Seal } from './draw/seal.ts';

const Hash = z.string().regex(/^[0-9a-f]{64}$/);

/** 64 bytes; the last character carries two bits. */
const Signature = z.string().regex(/^[A-Za-z0-9_-]{85}[AQgw]$/);

/** As it is handed out, kept by its owner, and read by whoever checks it. */
export const Receipt = z
  .strictObject({
    entry: z.strictObject({
      cats: z.array(Category),
      entry: z.string().regex(ENTRY_ID),
      prefs: z.array(SlotId),
      size: z.int().min(1),
    }),
    issued_at: Instant,
    kid: z.string(),
    leaf: Hash,
    manifest_hash: Hash,
    release: z.string(),
    signature: Signature,
  })
  .meta({ id: 'Receipt', description: 'Signed by the engine: docs/draw.md.' });
export type Receipt = z.output<typeof Receipt>;

/** A public key as it is listed at /v1/keys (RFC 7517, RFC 8037). */
export type PublicJwk = ReceiptKey & {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly use: 'sig';
  readonly alg: 'EdDSA';
};

/** What stands before the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410, section 7). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

const privateKeyOf = (secrets: Secrets): KeyObject =>
  createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, secrets.key('receipt')]),
    format: 'der',
    type: 'pkcs8',
  });

function publicKeyOf(privateKey: KeyObject): ReceiptKey {
  const x = present(createPublicKey(privateKey).export({ format: 'jwk' }).x, 'public key');
  return { kid: kidOf(x), x };
}

/** The public key of the receipts that an engine with these secrets signs. */
export const receiptKeyOf = (secrets: Secrets): ReceiptKey => publicKeyOf(privateKeyOf(secrets));

const TAGS = { receipt: tag('receipt').toString(), seal: tag('seal').toString() } as const;

/** What is signed: a receipt without its signature, or a seal. `text`: of the document, by JCS. */
const messageOf = (kind: keyof typeof TAGS, text: string): Buffer => Buffer.from(TAGS[kind] + text);

/** What a receipt is for: a published release. */
export type ReceiptTerms = {
  readonly release: string;
  readonly manifestHash: string;
  readonly key: ReceiptKey;
};

export const receiptTerms = (manifest: DrawnManifest, manifestHash: string): ReceiptTerms => ({
  release: manifest.release,
  manifestHash,
  key: manifest.receipt_key,
});

export type Signer = {
  /** That an entry stood in its release at a time by Redis's clock. */
  readonly receipt: (entry: EntryDocument, issuedAtMs: number) => Receipt;
  /** In base64url: that this is the seal of its round. */
  readonly seal: (seal: Seal) => string;
};

export type Receipts = {
  /** What new manifests pin. */
  readonly newest: ReceiptKey;
  /** Every public key of this engine, newest first. */
  readonly jwks: readonly PublicJwk[];
  /** Undefined where the key that the manifest pins is not configured any more. */
  readonly signerFor: (terms: ReceiptTerms) => Signer | undefined;
};

const signer = (key: KeyObject, { release, manifestHash, key: { kid } }: ReceiptTerms): Signer => ({
  receipt: ({ cats, entry, prefs, size }, issuedAtMs) => {
    const document = { cats: [...cats], entry, prefs: [...prefs], size };
    const unsigned = {
      entry: document,
      issued_at: isoFromMs(issuedAtMs),
      kid,
      leaf: hex(leafOf(document)),
      manifest_hash: manifestHash,
      release,
    };
    // Its names are ASCII and stand in order, its only number is an integer: that is JCS already.
    const message = messageOf('receipt', JSON.stringify(unsigned));
    return { ...unsigned, signature: signBytes(null, message, key).toString('base64url') };
  },
  seal: (seal) => signBytes(null, messageOf('seal', jcs(seal)), key).toString('base64url'),
});

/** `keys`: what each key is derived from, newest first. */
export function createReceipts(keys: readonly [string, ...string[]]): Receipts {
  const privateKeys = new Map(
    [...new Set(keys)].map((secret) => {
      const privateKey = privateKeyOf(createSecrets(secret));
      return [publicKeyOf(privateKey), privateKey] as const;
    }),
  );
  const publicKeys = [...privateKeys.keys()];
  const byKid = new Map(Array.from(privateKeys, ([{ kid }, key]) => [kid, key]));
  return {
    newest: present(publicKeys[0], 'a receipt key'),
    jwks: publicKeys.map((key) => ({
      ...key,
      kty: 'OKP',
      crv: 'Ed25519',
      use: 'sig',
      alg: 'EdDSA',
    })),
    signerFor: (terms) => {
      const key = byKid.get(terms.key.kid);
      return key && signer(key, terms);
    },
  };
}

/**
 * As somebody shows it, whoever signed it: what breaks the rules of an entry may yet be signed, and
 * is evidence then.
 */
export const ShownReceipt = z.strictObject({
  ...Receipt.shape,
  entry: z.strictObject({
    cats: z.array(z.string()),
    entry: z.string(),
    prefs: z.array(z.string()),
    size: z.int(),
  }),
});
export type ShownReceipt = z.output<typeof ShownReceipt>;

/** What `GET …/rounds/{n}` answers, as far as it is looked at. */
export const SignedSeal = z.looseObject({
  seal: z.looseObject({ release: z.string(), round: z.int().min(0) }),
  signature: Signature,
});
export type SignedSeal = z.output<typeof SignedSeal>;

/** What is wrong with a receipt in itself, whoever signed it. */
export function leafProblem({ entry, leaf }: ShownReceipt): string | undefined {
  const expected = hex(leafOf(entry));
  return leaf === expected ? undefined : `the leaf is not that of the entry, ${expected}`;
}

/** Why an entry can be in no round of a release, if so. */
export function entryProblem(
  { entry: { cats, entry, prefs, size } }: ShownReceipt,
  manifest: DrawnManifest,
): string | undefined {
  const numbers = prefs.map((pref) => manifest.slots.findIndex(({ slot }) => slot === pref));
  const row = { entry, size, categories: cats, prefs: numbers };
  return rowProblem(manifest, categoriesOf(manifest), row);
}

function isSigned({ key: { x } }: ReceiptTerms, message: Buffer, signature: string): boolean {
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  return verifyBytes(null, message, key, Buffer.from(signature, 'base64url'));
}

const NOT_SIGNED = "the signature is not one of the release's key";

/** Why a receipt is none of this release's, if so. */
export function signatureProblem(receipt: ShownReceipt, terms: ReceiptTerms): string | undefined {
  const { signature, ...unsigned } = receipt;
  const { kid } = terms.key;
  if (receipt.release !== terms.release) return `it is for another release than ${terms.release}`;
  if (receipt.manifest_hash !== terms.manifestHash)
    return `manifest_hash is not that of the release, ${terms.manifestHash}`;
  if (receipt.kid !== kid) return `its key is not the manifest's, ${kid}`;
  return isSigned(terms, messageOf('receipt', jcs(unsigned)), signature) ? undefined : NOT_SIGNED;
}

/** The same of a seal. */
export function sealSignatureProblem(
  { seal, signature }: SignedSeal,
  terms: ReceiptTerms,
): string | undefined {
  if (seal.release !== terms.release) return `it is for another release than ${terms.release}`;
  return isSigned(terms, messageOf('seal', jcs(seal)), signature) ? undefined : NOT_SIGNED;
}
