import { describe, expect, test } from 'vitest';
import { hex, sha256 } from '../../src/lib/hash.ts';
import {
  beaconProblem,
  createHashChain,
  hashChainBeacon,
  hashChainTerms,
  drandTimeMs,
  isDrandSignature,
  planBeacon,
  QUICKNET,
  termsProblem,
} from '../../src/rounds/beacon/beacon.ts';

const SECRET = sha256(Buffer.from('secret'));
const chain = createHashChain(SECRET, 5);
const SEALED_AT = '2023-08-23T15:59:20.000Z';

describe('a hash chain', () => {
  test('ends in its secret, and each step hashes to the one before, down to the anchor', () => {
    expect(chain.preimage(5).equals(SECRET)).toBe(true);
    for (let step = 5; step > 1; step--)
      expect(sha256(chain.preimage(step)).equals(chain.preimage(step - 1))).toBe(true);
    expect(hex(sha256(chain.preimage(1)))).toBe(chain.anchor);
  });

  test('has no step 0, which is public, and none beyond its length', () => {
    expect(() => chain.preimage(0)).toThrow('no step 0');
    expect(() => chain.preimage(6)).toThrow('no step 6');
    expect(() => createHashChain(SECRET.subarray(1), 5)).toThrow('32 bytes');
    expect(() => createHashChain(SECRET, 20_001)).toThrow('20,000');
  });
});

describe('a hash-chain beacon', () => {
  const beacon = hashChainBeacon(chain);
  const terms = hashChainTerms(chain);
  const planOf = (round: number) => planBeacon(terms, round, SEALED_AT);
  const valueOf = async (round: number) => {
    const value = await beacon.value(planOf(round));
    if (value === 'NOT_YET' || value.kind !== 'hash-chain') throw new Error('not of a hash chain');
    return value;
  };

  test('gives round n the step n + 1, and each value follows from the one before', async () => {
    let previous: Awaited<ReturnType<typeof valueOf>> | undefined;
    for (let round = 0; round < 5; round++) {
      const value = await valueOf(round);
      expect(value.step).toBe(round + 1);
      expect(beaconProblem(terms, planOf(round), previous, value)).toBeUndefined();
      previous = value;
    }
  });

  test('is refused with a value of another step, of another chain, or beyond the end', async () => {
    const [first, second] = [await valueOf(0), await valueOf(1)];
    expect(beaconProblem(terms, planOf(0), undefined, second)).toBe('the seal names step 1');
    expect(beaconProblem(terms, planOf(1), undefined, second)).toContain('does not hash to step 1');
    expect(
      beaconProblem(terms, planOf(0), undefined, { ...first, preimage: 'ab'.repeat(32) }),
    ).toContain('does not hash to step 0');
    const short = hashChainTerms({ ...chain, length: 1 });
    expect(beaconProblem(short, planOf(1), first, second)).toBe('the chain ends at step 1');
  });
});

/** Rounds of quicknet as the network published them. */
const SIGNATURES = {
  1000: 'b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39',
  1001: 'b33bf3667cbd5a82de3a24b4e0e9fe5513cc1a0e840368c6e31f5fcfa79bea03f73896b25883abf2853d10337fb8fa41',
  1002: 'ab066f9c12dd6de1336fca0f925192fb0c72a771c3e4c82ede1fd362c1a770f9eb05843c6308ce2530b53a99c0281a6e',
} as const;

describe('a drand beacon', () => {
  const terms = { kind: 'drand', ...QUICKNET, seal_margin_s: 3 } as const;
  const planAt = (sealedAt: string) => planBeacon(terms, 0, sealedAt);
  const plan = { kind: 'drand', round: 1000 } as const;

  test('has the values that quicknet published, each for its own round only', () => {
    for (const [round, signature] of Object.entries(SIGNATURES)) {
      expect(isDrandSignature(QUICKNET, Number(round), signature)).toBe(true);
      expect(isDrandSignature(QUICKNET, Number(round) + 1, signature)).toBe(false);
    }
  });

  test('refuses what is no signature, whatever it is', () => {
    const flipped = SIGNATURES[1000].replace(/9$/, '8');
    const infinity = `c0${'00'.repeat(47)}`;
    for (const signature of [flipped, infinity, '00'.repeat(48), 'ff'.repeat(48), 'b4', ''])
      expect(isDrandSignature(QUICKNET, 1000, signature)).toBe(false);
    expect(isDrandSignature({ ...QUICKNET, public_key: 'ff'.repeat(96) }, 1000, '')).toBe(false);
  });

  test('names the first round that is far enough from the seal', () => {
    expect(drandTimeMs(QUICKNET, 1000)).toBe(Date.parse('2023-08-23T15:59:24Z'));
    expect(planAt('2023-08-23T15:59:21.000Z')).toEqual(plan);
    expect(planAt('2023-08-23T15:59:21.001Z')).toEqual({ kind: 'drand', round: 1001 });
    expect(planAt('2023-08-23T15:59:18.001Z')).toEqual(plan);
    expect(planAt('1999-01-01T00:00:00.000Z')).toEqual({ kind: 'drand', round: 1 });
  });

  test('is refused with another round, another kind, or a signature that is not the network’s', () => {
    const value = { kind: 'drand', round: 1000, signature: SIGNATURES[1000] } as const;
    const problem = (found: Parameters<typeof beaconProblem>[3]) =>
      beaconProblem(terms, plan, undefined, found);
    expect(problem(value)).toBeUndefined();
    expect(problem({ ...value, round: 1001 })).toBe('the seal names drand round 1000');
    expect(problem({ ...value, signature: SIGNATURES[1001] })).toContain('not the drand network');
    expect(problem({ kind: 'hash-chain', step: 1, preimage: 'ab'.repeat(32) })).toContain('drand');
  });

  test('cannot pass for quicknet with another key', () => {
    expect(termsProblem(terms)).toBeUndefined();
    expect(termsProblem({ ...terms, genesis_time: 1 })).toContain('quicknet');
    expect(termsProblem({ ...terms, chain: 'ab'.repeat(32), genesis_time: 1 })).toBeUndefined();
  });
});
