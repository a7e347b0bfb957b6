/**
 * Where a round's randomness comes from. A seal names a value that is still to come, the value is
 * published with the round, and anyone can check it against the manifest. All that depends on the
 * kind of beacon is in this file.
 */
import { z } from 'zod';
import { assert } from '../lib/assert.ts';
import { hex, sha256 } from '../lib/hash.ts';
import { type LotteryManifest, MANIFEST_LIMITS } from '../releases/manifest.ts';

/** A manifest's terms: which beacon its rounds use. */
export type BeaconTerms = LotteryManifest['beacon'];

/** What a seal names before the value exists. */
export const BeaconPlan = z.strictObject({
  kind: z.literal('hash-chain'),
  step: z.int().min(1).max(MANIFEST_LIMITS.rounds),
});
export type BeaconPlan = z.output<typeof BeaconPlan>;

/** What is published once it does. */
export const BeaconValue = z.strictObject({
  kind: z.literal('hash-chain'),
  step: z.int().min(1).max(MANIFEST_LIMITS.rounds),
  preimage: z.string().regex(/^[0-9a-f]{64}$/),
});
export type BeaconValue = z.output<typeof BeaconValue>;

/** The side that has secrets or a network; everything else here is pure. */
export type Beacon = {
  readonly terms: BeaconTerms;
  /** The value that a seal names, or NOT_YET while it does not exist. */
  readonly value: (seal: { readonly beacon: BeaconPlan }) => Promise<BeaconValue | 'NOT_YET'>;
};

/**
 * What the seal of `round` must name. A beacon of another kind would choose by `_sealedAtMs`; a
 * chain need not.
 */
export const planBeacon = (terms: BeaconTerms, round: number, _sealedAtMs: number): BeaconPlan => ({
  kind: terms.kind,
  step: round + 1,
});

/**
 * Why `value` is not what `plan` names under `terms`, if it is not. `previous` is the value of the
 * round before, checked already: one hash then links each round to the manifest's anchor.
 */
export function beaconProblem(
  terms: BeaconTerms,
  plan: BeaconPlan,
  previous: BeaconValue | undefined,
  value: BeaconValue,
): string | undefined {
  if (value.step !== plan.step) return `the seal names step ${plan.step}`;
  if (value.step > terms.length) return `the chain ends at step ${terms.length}`;
  return hex(sha256(beaconBytes(value))) === (previous?.preimage ?? terms.anchor)
    ? undefined
    : `the preimage does not hash to step ${value.step - 1} of the chain`;
}

/** beacon_bytes of docs/draw.md: what goes into the seed. */
export const beaconBytes = (value: BeaconValue): Buffer => Buffer.from(value.preimage, 'hex');

/** What a reader must still take on trust when everything else was recomputed. */
export const beaconTrust = (_terms: BeaconTerms): string =>
  'the seeds come from a hash chain, whose values the operator fixed before the manifest was ' +
  'published but knew while entries came in: this trusts the operator.';

export type HashChain = {
  /** s_0 in hex; for the manifest. */
  readonly anchor: string;
  readonly length: number;
  /** s_step, 32 bytes, for steps 1 to length. */
  readonly preimage: (step: number) => Buffer;
};

const LINK_BYTES = 32;

/**
 * s_length is `secret` (32 bytes), s_k = H(s_(k+1)). All links are kept: 640 kB for the longest
 * chain.
 */
export function createHashChain(secret: Buffer, length: number): HashChain {
  assert(secret.length === LINK_BYTES, 'the secret of a hash chain is 32 bytes');
  assert(length >= 1 && length <= MANIFEST_LIMITS.rounds, 'a hash chain has 1 to 20,000 steps');
  const links = Buffer.alloc((length + 1) * LINK_BYTES);
  const link = (step: number): Buffer => links.subarray(step * LINK_BYTES, (step + 1) * LINK_BYTES);
  secret.copy(link(length));
  for (let step = length; step > 0; step--) sha256(link(step)).copy(link(step - 1));
  const preimage = (step: number): Buffer => {
    assert(step >= 1 && step <= length, `the chain has no step ${step}`);
    return Buffer.from(link(step));
  };
  return { anchor: hex(link(0)), length, preimage };
}

export const hashChainBeacon = (chain: HashChain): Beacon => ({
  terms: { kind: 'hash-chain', anchor: chain.anchor, length: chain.length },
  value: ({ beacon: { kind, step } }) =>
    Promise.resolve({ kind, step, preimage: hex(chain.preimage(step)) }),
});
