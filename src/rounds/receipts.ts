/** Receipts: what the engine signs when it takes an entry (docs/draw.md). */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { present } from '../lib/assert.ts';
import { sha256 } from '../lib/hash.ts';
import { jcs } from '../lib/jcs.ts';
import type { Secrets } from '../lib/secrets.ts';
import type { LotteryManifest } from '../releases/manifest.ts';

export type ReceiptKey = LotteryManifest['receipt_key'];

/** What stands before the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410, section 7). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

const privateKeyOf = (secrets: Secrets): KeyObject =>
  createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, secrets.key('receipt')]),
    format: 'der',
    type: 'pkcs8',
  });

/** The public key of the engine's receipts; its id is its RFC 7638 thumbprint. */
export function receiptKeyOf(secrets: Secrets): ReceiptKey {
  const jwk = createPublicKey(privateKeyOf(secrets)).export({ format: 'jwk' });
  const x = present(jwk.x, 'public key');
  const kid = sha256(Buffer.from(jcs({ crv: 'Ed25519', kty: 'OKP', x }))).toString('base64url');
  return { kid, x };
}
