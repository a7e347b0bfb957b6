/** What the page uses of noble.js, which vendor/make.ts makes. */
type Hasher = { update(bytes: Uint8Array): Hasher; digest(): Uint8Array };
type Point = { readonly point: unique symbol };

export const sha256: { (bytes: Uint8Array): Uint8Array; create(): Hasher };
type EdwardsPoint = { isTorsionFree(): boolean; is0(): boolean };

export const ed25519: {
  Point: { fromBytes(bytes: Uint8Array): EdwardsPoint };
  verify(
    signature: Uint8Array,
    message: Uint8Array,
    publicKey: Uint8Array,
    options: { zip215: boolean },
  ): boolean;
};
export const bls12_381: {
  shortSignatures: {
    hash(message: Uint8Array, domain: string): Point;
    verify(signature: Uint8Array, message: Point, publicKey: Uint8Array): boolean;
  };
};
