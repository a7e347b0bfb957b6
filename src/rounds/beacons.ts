/** The beacon of a release by its manifest: the side of rounds/beacon.ts that has secrets. */
import type { Secrets } from '../lib/secrets.ts';
import type { LotteryManifest } from '../releases/manifest.ts';
import { assert } from '../lib/assert.ts';
import { type Beacon, createHashChain, type HashChain, hashChainBeacon } from './beacon.ts';

export type Beacons = {
  /** The chain of a release: the same for as long as the engine's secret is. */
  readonly hashChain: (release: string, length: number) => HashChain;
  readonly of: (manifest: LotteryManifest) => Beacon;
};

export function createBeacons(secrets: Secrets): Beacons {
  const hashChain = (release: string, length: number): HashChain =>
    createHashChain(secrets.mac('hash-chain', release), length);
  const kept = new Map<string, Beacon>();
  const of = ({ release, beacon: terms }: LotteryManifest): Beacon => {
    assert(terms.kind === 'hash-chain', 'a drand beacon is asked over HTTP');
    const beacon = kept.get(release) ?? hashChainBeacon(hashChain(release, terms.length));
    kept.set(release, beacon);
    return beacon;
  };
  return { hashChain, of };
}
