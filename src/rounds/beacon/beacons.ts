/** The beacon of a release by its manifest: what beacon.ts has no secrets or network for. */
import { createRecent } from '../../lib/recent.ts';
import type { Secrets } from '../../lib/secrets.ts';
import type { LotteryManifest } from '../../releases/manifest.ts';
import { type Beacon, createHashChain, type HashChain, hashChainBeacon } from './beacon.ts';
import type { Drand } from './drand.ts';

export type Beacons = {
  /** The chain of a release: the same for as long as the engine's secret is. */
  readonly hashChain: (release: string, length: number) => HashChain;
  readonly of: (manifest: LotteryManifest) => Beacon;
};

/** Chains that are kept, 640 kB each at the longest; any other takes some 10 ms to make again. */
const CHAINS_KEPT = 32;

export function createBeacons(secrets: Secrets, drand: Drand): Beacons {
  const hashChain = (release: string, length: number): HashChain =>
    createHashChain(secrets.mac('hash-chain', release), length);
  const chains = createRecent<string, Beacon>(CHAINS_KEPT);
  const of = ({ release, beacon: terms }: LotteryManifest): Beacon => {
    // Of the network that the manifest names, whatever new releases are published with by now.
    if (terms.kind === 'drand') return drand.beaconOf(release, terms);
    return chains.get(release, () => hashChainBeacon(hashChain(release, terms.length)));
  };
  return { hashChain, of };
}
