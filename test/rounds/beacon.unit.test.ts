import { describe, expect, test } from 'vitest';
import { hex, sha256 } from '../../src/lib/hash.ts';
import {
  beaconProblem,
  createHashChain,
  hashChainBeacon,
  planBeacon,
} from '../../src/rounds/beacon.ts';

const SECRET = sha256(Buffer.from('secret'));
const chain = createHashChain(SECRET, 5);

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
  const planOf = (round: number) => planBeacon(beacon.terms, round, 0);
  const valueOf = async (round: number) => {
    const value = await beacon.value({ beacon: planOf(round) });
    if (value === 'NOT_YET') throw new Error('a hash chain always has a value');
    return value;
  };

  test('gives round n the step n + 1, and each value follows from the one before', async () => {
    let previous: Awaited<ReturnType<typeof valueOf>> | undefined;
    for (let round = 0; round < 5; round++) {
      const value = await valueOf(round);
      expect(value.step).toBe(round + 1);
      expect(beaconProblem(beacon.terms, planOf(round), previous, value)).toBeUndefined();
      previous = value;
    }
  });

  test('is refused with a value of another step, of another chain, or beyond the end', async () => {
    const [first, second] = [await valueOf(0), await valueOf(1)];
    const { terms } = beacon;
    expect(beaconProblem(terms, planOf(0), undefined, second)).toBe('the seal names step 1');
    expect(beaconProblem(terms, planOf(1), undefined, second)).toContain('does not hash to step 1');
    expect(
      beaconProblem(terms, planOf(0), undefined, { ...first, preimage: 'ab'.repeat(32) }),
    ).toContain('does not hash to step 0');
    const short = { ...terms, length: 1 };
    expect(beaconProblem(short, planOf(1), first, second)).toBe('the chain ends at step 1');
  });
});
