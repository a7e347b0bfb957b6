/** The public key of a release's receipts, as its manifest pins it (docs/draw.md). */
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256 } from '../lib/hash.ts';
import { jcs } from '../lib/jcs.ts';
import type { LotteryManifest } from '../releases/manifest.ts';

export type ReceiptKey = LotteryManifest['receipt_key'];

/** Id of an Ed25519 public key: its RFC 7638 thumbprint. */
export const kidOf = (x: string): string =>
  sha256(Buffer.from(jcs({ crv: 'Ed25519', kty: 'OKP', x }))).toString('base64url');

/** Why no verifier would accept a key, if so: a signature under it would prove nothing. */
export function receiptKeyProblem({ kid, x }: ReceiptKey): string | undefined {
  if (kid !== kidOf(x)) return 'receipt_key.kid is not the thumbprint of its x';
  const bytes = Buffer.from(x, 'base64url');
  const isKey = bytes.toString('base64url') === x && isOfPrimeOrder(bytes);
  return isKey ? undefined : 'receipt_key.x is not a public key';
}

function isOfPrimeOrder(bytes: Buffer): boolean {
  try {
    const point = ed25519.Point.fromBytes(bytes);
    return point.isTorsionFree() && !point.is0();
  } catch {
    return false; // no point of the curve, or not the one way to write it
  }
}
