// @ts-check
/** Where the randomness comes from: what a seal must name, and whether a value is the one named. */
import { bls12_381 } from './vendor/noble.js';
import { fromHex, hash, hex, isHex, u64 } from './bytes.js';
import { isObject, members } from './canonical.js';
import { demand, quoted } from './refusal.js';

/**
 * @typedef {{kind: 'drand', chain: string, genesis_time: number, period_s: number,
 *   public_key: string, seal_margin_s: number}} DrandTerms
 * @typedef {{kind: 'hash-chain', anchor: string, length: number}} HashChainTerms
 * @typedef {DrandTerms | HashChainTerms} Terms
 * @typedef {{plan: Record<string, unknown>, number: number, atMs: number}} Plan number: of the
 *   network's round, or of the chain's step; atMs: before that nobody knew the value but who makes it
 */

const TRUST = {
  quicknet:
    'the drand network: nobody can know or choose a value before its time ' +
    'unless most members of the network work together',
  drand:
    'whoever runs the drand chain that the manifest names: no file tells whether that is ' +
    'a network of many, or the operator alone, who then knew every value in advance',
  'hash-chain':
    'the operator: the values of a hash chain were fixed before the release opened, ' +
    'but the operator knew them while entries came in',
};

const QUICKNET = '52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971';
const QUICKNET_KEY =
  '83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451' +
  '0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a';
const DOMAIN = 'BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_';

/** @param {Terms} terms */
export const isQuicknet = (terms) => terms.kind === 'drand' && terms.chain === QUICKNET;

/** @param {Terms} terms */
export const trustOf = (terms) => TRUST[isQuicknet(terms) ? 'quicknet' : terms.kind];

/**
 * @param {unknown} value
 * @param {number} least
 * @param {number} most
 */
const isWhole = (value, least, most) =>
  Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;

/** @type {['genesis_time' | 'period_s' | 'seal_margin_s', number, number][]} */
const DRAND_BOUNDS = [
  ['genesis_time', 0, 100_000_000_000],
  ['period_s', 1, 3_600],
  ['seal_margin_s', 1, 3_600],
];

/**
 * The manifest's beacon.
 *
 * @param {unknown} value
 * @returns {Terms}
 */
export function readTerms(value) {
  demand(isObject(value), 'the beacon of the manifest is not an object');
  if (value['kind'] === 'hash-chain') {
    const { anchor, length } = members(value, 'the beacon', ['anchor', 'kind', 'length']);
    demand(isHex(anchor, 32), 'the anchor of the hash chain is not 32 bytes in hexadecimal');
    demand(isWhole(length, 1, 20_000), 'the length of the hash chain is not 1 to 20,000');
    return { kind: 'hash-chain', anchor, length: Number(length) };
  }
  demand(value['kind'] === 'drand', `a beacon of kind ${quoted(value['kind'])} is not known`);
  const names = /** @type {const} */ ([
    'chain',
    'genesis_time',
    'kind',
    'period_s',
    'public_key',
    'seal_margin_s',
  ]);
  const terms = members(value, 'the beacon', names);
  const { chain, public_key: publicKey } = terms;
  demand(isHex(chain, 32), 'the chain of the beacon is not 32 bytes in hexadecimal');
  demand(isHex(publicKey, 96), 'the public_key of the beacon is not 96 bytes in hexadecimal');
  for (const [name, least, most] of DRAND_BOUNDS)
    demand(isWhole(terms[name], least, most), `the ${name} of the beacon is out of bounds`);
  const read = /** @type {DrandTerms} */ (/** @type {unknown} */ (terms));
  demand(
    !isQuicknet(read) ||
      (read.genesis_time === 1692803367 && read.period_s === 3 && publicKey === QUICKNET_KEY),
    'the chain of the beacon is quicknet, but its time, period or public key are not',
  );
  return read;
}

/**
 * What the seal of a round must name.
 *
 * @param {Terms} terms
 * @param {number} round
 * @param {number} sealedAtMs
 * @returns {Plan}
 */
export function planOf(terms, round, sealedAtMs) {
  if (terms.kind === 'hash-chain')
    return { plan: { kind: 'hash-chain', step: round + 1 }, number: round + 1, atMs: sealedAtMs };
  const genesisMs = BigInt(terms.genesis_time) * 1000n;
  const periodMs = BigInt(terms.period_s) * 1000n;
  const waitMs = BigInt(sealedAtMs) + BigInt(terms.seal_margin_s) * 1000n - genesisMs;
  const first = waitMs <= 0n ? 1n : 1n + (waitMs + periodMs - 1n) / periodMs;
  const number = Number(first);
  demand(Number.isSafeInteger(number), 'the beacon round is too far away');
  const atMs = Number(genesisMs + (first - 1n) * periodMs);
  return { plan: { kind: 'drand', round: number }, number, atMs };
}

/**
 * The value of a round, and what goes into the seed.
 *
 * @param {Terms} terms
 * @param {Plan} plan
 * @param {string} previous value of the hash chain one step before, in hex
 * @param {unknown} value
 * @returns {{link: string, bytes: Uint8Array, value: Record<string, unknown>}}
 */
export function readValue(terms, { plan, number }, previous, value) {
  if (terms.kind === 'hash-chain') {
    const { preimage } = members(value, 'the beacon', ['kind', 'preimage', 'step']);
    demand(number <= terms.length, `the hash chain ends at step ${terms.length}`);
    demand(isHex(preimage, 32), 'the preimage is not 32 bytes in hexadecimal');
    const bytes = fromHex(preimage);
    demand(
      hex(hash(bytes)) === previous,
      `the preimage does not hash to step ${number - 1} of the chain`,
    );
    return { link: preimage, bytes, value: { ...plan, preimage } };
  }
  const { signature } = members(value, 'the beacon', ['kind', 'round', 'signature']);
  demand(isHex(signature, 48), 'the signature of the beacon is not 48 bytes in hexadecimal');
  const signed = fromHex(signature);
  demand(
    isSignedBy(terms.public_key, number, signed),
    `the signature is not that of round ${number} of the network`,
  );
  const bytes = new Uint8Array([...fromHex(terms.chain), ...u64(number), ...signed]);
  return { link: '', bytes, value: { ...plan, signature } };
}

/**
 * @param {string} publicKey
 * @param {number} round
 * @param {Uint8Array} signature
 */
function isSignedBy(publicKey, round, signature) {
  const { shortSignatures } = bls12_381;
  const message = shortSignatures.hash(hash(u64(round)), DOMAIN);
  try {
    return shortSignatures.verify(signature, message, fromHex(publicKey));
  } catch {
    return false; // not even points of the curve
  }
}
