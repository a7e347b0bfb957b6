/**
 * Where a round's randomness comes from. A seal names a value that is still to come, the value is
 * published with the round, and anyone can check it against the manifest. All that depends on the
 * kind of beacon is in this file.
 */
import { bls12_381 } from '@noble/curves/bls12-381.js';
import { z } from 'zod';
import { assert } from '../../lib/assert.ts';
import { msFromIso } from '../../lib/clock.ts';
import { hex, sha256, u64 } from '../../lib/hash.ts';
import { type LotteryManifest, MANIFEST_LIMITS } from '../../releases/manifest.ts';

/** A manifest's terms: which beacon its rounds use. */
export type BeaconTerms = LotteryManifest['beacon'];
export type DrandTerms = Extract<BeaconTerms, { kind: 'drand' }>;

/** A drand chain, as its network publishes it. */
export type DrandChain = Omit<DrandTerms, 'kind' | 'seal_margin_s'>;

/** The public network's chain with a value every three seconds (docs/draw.md). */
export const QUICKNET: DrandChain = {
  chain: '52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971',
  genesis_time: 1_692_803_367,
  period_s: 3,
  public_key:
    '83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a',
};

const step = z.int().min(1).max(MANIFEST_LIMITS.rounds);
const drandRound = z.int().min(1);

/** What a seal names before the value exists. */
export const BeaconPlan = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('hash-chain'), step }),
  z.strictObject({ kind: z.literal('drand'), round: drandRound }),
]);
export type BeaconPlan = z.output<typeof BeaconPlan>;

/** What is published once it does. */
export const BeaconValue = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('hash-chain'),
    step,
    preimage: z.string().regex(/^[0-9a-f]{64}$/),
  }),
  z.strictObject({
    kind: z.literal('drand'),
    round: drandRound,
    signature: z.string().regex(/^[0-9a-f]{96}$/),
  }),
]);
export type BeaconValue = z.output<typeof BeaconValue>;

/** The side that has secrets or a network; everything else here is pure. */
export type Beacon = {
  /** The value that a seal names, or NOT_YET while it does not exist. `round`: of it, for the log. */
  readonly value: (plan: BeaconPlan, round?: number) => Promise<BeaconValue | 'NOT_YET'>;
};

const TRUST = {
  'hash-chain':
    'the operator: the values of a hash chain were fixed before the release opened, ' +
    'but the operator knew them while entries came in',
  quicknet:
    'the drand network: nobody can know or choose a value before its time ' +
    'unless most members of the network work together',
  drand:
    'whoever runs the drand chain that the manifest names: no file tells whether that is ' +
    'a network of many, or the operator alone, who then knew every value in advance',
} as const;

/** Whether the manifest names the public network, or a chain of which only its key is known. */
export const isQuicknet = (terms: BeaconTerms): boolean =>
  terms.kind === 'drand' && terms.chain === QUICKNET.chain;

/** What a reader must still take on trust when everything else was recomputed (docs/draw.md). */
export const trustOf = (terms: BeaconTerms): string =>
  TRUST[isQuicknet(terms) ? 'quicknet' : terms.kind];

/** What no verifier would accept of a manifest's terms, if anything. */
export function termsProblem(terms: BeaconTerms): string | undefined {
  if (terms.kind !== 'drand' || !isQuicknet(terms)) return undefined;
  const same =
    terms.genesis_time === QUICKNET.genesis_time &&
    terms.period_s === QUICKNET.period_s &&
    terms.public_key === QUICKNET.public_key;
  return same ? undefined : 'the chain is quicknet, but key, period or genesis are not';
}

/** When a drand round's value comes into being, in milliseconds since the epoch. */
export const drandTimeMs = (terms: DrandChain, round: number): number =>
  (terms.genesis_time + (round - 1) * terms.period_s) * 1000;

/** When the value that a seal names comes into being; undefined where the operator had it. */
export const valueTimeMs = (terms: BeaconTerms, plan: BeaconPlan): number | undefined =>
  terms.kind === 'drand' && plan.kind === 'drand' ? drandTimeMs(terms, plan.round) : undefined;

/** What the seal of `round` must name. `sealedAt`: RFC 3339, UTC, milliseconds. */
export function planBeacon(terms: BeaconTerms, round: number, sealedAt: string): BeaconPlan {
  if (terms.kind === 'hash-chain') return { kind: terms.kind, step: round + 1 };
  const earliestMs = msFromIso(sealedAt) + terms.seal_margin_s * 1000;
  const periods = Math.ceil((earliestMs - terms.genesis_time * 1000) / (terms.period_s * 1000));
  return { kind: terms.kind, round: 1 + Math.max(0, periods) };
}

/**
 * Why `value` is not what `plan` names under `terms`, if it is not. `previous` is the value of the
 * round before, checked already: one hash then links each step of a chain to the manifest's anchor.
 */
export function beaconProblem(
  terms: BeaconTerms,
  plan: BeaconPlan,
  previous: BeaconValue | undefined,
  value: BeaconValue,
): string | undefined {
  if (value.kind === 'hash-chain' && terms.kind === 'hash-chain' && plan.kind === 'hash-chain') {
    if (value.step !== plan.step) return `the seal names step ${plan.step}`;
    if (value.step > terms.length) return `the chain ends at step ${terms.length}`;
    const before = previous?.kind === 'hash-chain' ? previous.preimage : terms.anchor;
    return hex(sha256(Buffer.from(value.preimage, 'hex'))) === before
      ? undefined
      : `the preimage does not hash to step ${value.step - 1} of the chain`;
  }
  if (value.kind === 'drand' && terms.kind === 'drand' && plan.kind === 'drand') {
    if (value.round !== plan.round) return `the seal names drand round ${plan.round}`;
    return isDrandSignature(terms, value.round, value.signature)
      ? undefined
      : `this is not the drand network's signature of round ${value.round}`;
  }
  return `the manifest's beacon is a ${terms.kind}`;
}

const { shortSignatures } = bls12_381;
const DRAND_DOMAIN = 'BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_';

/**
 * Whether `signature` (hex) is the chain's of a round: drand's scheme bls-unchained-g1-rfc9380. Any
 * string is an answer, never an exception.
 */
export function isDrandSignature(chain: DrandChain, round: number, signature: string): boolean {
  const message = sha256(u64(round));
  try {
    return shortSignatures.verify(
      Buffer.from(signature, 'hex'),
      shortSignatures.hash(message, DRAND_DOMAIN),
      Buffer.from(chain.public_key, 'hex'),
    );
  } catch {
    return false; // no point of the curve
  }
}

/** beacon_bytes of docs/draw.md: what goes into the seed. */
export function beaconBytes(terms: BeaconTerms, value: BeaconValue): Buffer {
  if (value.kind === 'hash-chain') return Buffer.from(value.preimage, 'hex');
  assert(terms.kind === 'drand', 'the value is of the kind that the manifest names');
  const { round, signature } = value;
  return Buffer.concat([
    Buffer.from(terms.chain, 'hex'),
    u64(round),
    Buffer.from(signature, 'hex'),
  ]);
}

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

export const hashChainTerms = ({ anchor, length }: HashChain): BeaconTerms => ({
  kind: 'hash-chain',
  anchor,
  length,
});

export const hashChainBeacon = (chain: HashChain): Beacon => ({
  value: (plan) => {
    assert(plan.kind === 'hash-chain', 'a hash chain is asked for its own steps');
    const { kind, step } = plan;
    return Promise.resolve({ kind, step, preimage: hex(chain.preimage(step)) });
  },
});
