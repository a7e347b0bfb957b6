import { expect, test } from 'vitest';
import { createSecrets, type Secrets } from '../../src/lib/secrets.ts';
import { createLog } from '../../src/log.ts';
import { beaconProblem, hashChainTerms } from '../../src/rounds/beacon/beacon.ts';
import { createBeacons } from '../../src/rounds/beacon/beacons.ts';
import { createDrand } from '../../src/rounds/beacon/drand.ts';
import { lottery } from './release.ts';

test('chains of many releases have their values, and are kept while few others are asked for', async () => {
  const secrets = createSecrets('the secret of many releases');
  let made = 0;
  const counting: Secrets = { ...secrets, mac: (...parts) => (made++, secrets.mac(...parts)) };
  const log = createLog('silent');
  const drand = createDrand({ endpoints: [], timeoutMs: 50, log, onAnswer: () => undefined });
  const beacons = createBeacons(counting, drand);
  const ask = async (release: string): Promise<number> => {
    const terms = hashChainTerms(createBeacons(secrets, drand).hashChain(release, 10));
    const before = made;
    const plan = { kind: 'hash-chain', step: 1 } as const;
    const manifest = { ...lottery({ hall: { open: 1 } }), release, beacon: terms };
    const value = await beacons.of(manifest).value(plan);
    if (value === 'NOT_YET') throw new Error('a hash chain always has a value');
    expect(beaconProblem(terms, plan, undefined, value)).toBeUndefined();
    return made - before;
  };
  expect(await ask('first')).toBe(1);
  for (let other = 0; other < 31; other++) expect(await ask(`other ${other}`)).toBe(1);
  expect(await ask('first')).toBe(0);
  expect(await ask('one more')).toBe(1);
  expect(await ask('first')).toBe(0);
  expect(await ask('other 0')).toBe(1);
});
