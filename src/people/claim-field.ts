/** The field of a person's hash that holds their claim, as lua/lib/claim.lua packs it. */
export const CLAIM_FIELD = 'c';

const RADIX = 36;

export type PackedClaim = { readonly release: string; readonly claimedAtMs: number };

export const packClaim = ({ release, claimedAtMs }: PackedClaim): string =>
  `${release} ${claimedAtMs.toString(RADIX)}`;

/** Undefined where there is none. */
export function unpackClaim(packed: string | null | undefined): PackedClaim | undefined {
  if (!packed) return undefined;
  const [release = '', digits = ''] = packed.split(' ');
  return { release, claimedAtMs: Number.parseInt(digits, RADIX) };
}
