import { bls12_381 } from '@noble/curves/bls12-381.js';
import { describe, expect, test } from 'vitest';
import { isDrandSignature, QUICKNET } from '../../src/rounds/beacon/beacon.ts';
import { configWith } from '../support/app.ts';
import { ownNetwork } from '../support/drand.ts';

/** What quicknet answers to `/info`. */
const INFO = {
  public_key: QUICKNET.public_key,
  period: 3,
  genesis_time: 1_692_803_367,
  hash: QUICKNET.chain,
  groupHash: 'f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e',
  schemeID: 'bls-unchained-g1-rfc9380',
  metadata: { beaconID: 'quicknet' },
};
const own = ownNetwork('own').chain;
const ownInfo = { ...INFO, hash: own.chain, public_key: own.public_key, period: 7 };
const chainOf = (info: unknown) =>
  configWith({ DRAND_CHAIN: typeof info === 'string' ? info : JSON.stringify(info) }).drand.chain;

describe('the network of new releases', () => {
  test('is quicknet unless another is described as drand describes itself', () => {
    expect(configWith().drand.chain).toEqual(QUICKNET);
    expect(chainOf('')).toEqual(QUICKNET);
    expect(chainOf(INFO)).toEqual(QUICKNET);
    expect(chainOf(ownInfo)).toEqual({ ...own, period_s: 7, genesis_time: 1_692_803_367 });
    const { schemeID: _any, ...unsaid } = ownInfo;
    expect(chainOf(unsaid).chain).toBe(own.chain);
  });

  const infinity = `c0${'00'.repeat(95)}`;
  test.each([
    ['that is no JSON', '{'],
    ['that is no object', '7'],
    ['without a key', { ...ownInfo, public_key: undefined }],
    ['with half a key', { ...ownInfo, public_key: own.public_key.slice(96) }],
    ['with a key that is no point', { ...ownInfo, public_key: 'ff'.repeat(96) }],
    ['with the key of nobody', { ...ownInfo, public_key: infinity }],
    ['of another scheme', { ...ownInfo, schemeID: 'pedersen-bls-chained' }],
    ['without a period', { ...ownInfo, period: 0 }],
    ['that calls itself quicknet and is not', { ...ownInfo, hash: QUICKNET.chain }],
    ['of quicknet with another genesis', { ...INFO, genesis_time: 1 }],
  ])('is refused at the start: one %s', (_name, info) => {
    expect(() => chainOf(info)).toThrow('DRAND_CHAIN');
  });
});

describe('the endpoints', () => {
  test('are those of the network, or others', () => {
    expect(configWith().drand.endpoints).toHaveLength(4);
    expect(
      configWith({ DRAND_URLS: 'http://one:1/, https://two/drand//' }).drand.endpoints,
    ).toEqual(['http://one:1', 'https://two/drand']);
  });

  test.each([
    'one',
    'ftp://one',
    'http://one,',
    'http://name:word@one',
    'http://one?key=1',
    'http://',
  ])('cannot be %s', (text) => {
    expect(() => configWith({ DRAND_URLS: text })).toThrow('DRAND_URLS');
  });
});

describe('a signature', () => {
  const { ORDER } = bls12_381.fields.Fp;
  const BITS = 381n;
  /** The same point with its coordinate written beyond the modulus, where that fits. */
  function otherSpelling(signature: string): string | undefined {
    const whole = BigInt(`0x${signature}`);
    const coordinate = whole & ((1n << BITS) - 1n);
    if (coordinate + ORDER >= 1n << BITS) return undefined;
    return (((whole >> BITS) << BITS) | (coordinate + ORDER)).toString(16);
  }

  test('has one spelling only, or whoever hands it over could choose between two seeds', () => {
    const { chain, signatureOf } = ownNetwork('own');
    let tried = 0;
    for (let round = 1; tried < 2; round++) {
      const signature = String(signatureOf(round));
      const other = otherSpelling(signature);
      if (other === undefined) continue;
      expect(isDrandSignature(chain, round, signature)).toBe(true);
      expect(isDrandSignature(chain, round, other)).toBe(false);
      tried += 1;
    }
  });
});
