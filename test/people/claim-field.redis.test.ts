import { expect, test } from 'vitest';
import { between, seededRandom } from '../../src/demo/random.ts';
import { packClaim, unpackClaim } from '../../src/people/claim-field.ts';
import { readScript } from '../../src/redis/script.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis();
const BOTH_WAYS = `${readScript('lib/claim')}
local release, at_ms = unpack_claim(ARGV[1])
return { pack_claim(release, at_ms), release, string.format('%.0f', at_ms) }`;

test('scripts and processes read a claim alike, to the millisecond', async () => {
  const random = seededRandom('claims');
  const times = [1, 35, 36, 1_295, 36 ** 7, 36 ** 8 - 1, 253_402_300_799_999];
  for (let i = 0; i < 200; i++) times.push(between(random, 1, 1_900_000) * 1e6 + i);
  for (const claimedAtMs of times) {
    const claim = { release: 'pune-2021-04-10', claimedAtMs };
    const packed = packClaim(claim);
    expect(unpackClaim(packed)).toEqual(claim);
    expect(await used.redis.eval(BOTH_WAYS, 0, packed)).toEqual([
      packed,
      claim.release,
      String(claimedAtMs),
    ]);
  }
});
