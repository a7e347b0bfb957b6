/**
 * The seal of a round: everything that the draw depends on, fixed before its randomness exists
 * (docs/draw.md).
 */
import { z } from 'zod';
import { hex, sha256, tag, u32 } from '../../lib/hash.ts';
import { jcs } from '../../lib/jcs.ts';
import { merkleRoot } from '../../lib/merkle.ts';
import { Instant } from '../../releases/manifest.ts';
import {
  BeaconPlan,
  type BeaconTerms,
  type BeaconValue,
  beaconBytes,
  planBeacon,
} from '../beacon/beacon.ts';
import { ENTRIES_MAX, type EntryTable } from './entry-table.ts';
import type { Ledger, Since } from './ledger.ts';

const Hash = z.string().regex(/^[0-9a-f]{64}$/);

export const Seal = z.strictObject({
  beacon: BeaconPlan,
  count: z.int().min(0).max(ENTRIES_MAX),
  cut_at: Instant,
  manifest_hash: Hash,
  previous: Hash,
  release: z.string(),
  root: Hash,
  round: z.int().min(0),
  sealed_at: Instant,
  since_hash: Hash,
});
export type Seal = z.output<typeof Seal>;

/** RFC 3339, UTC, milliseconds. */
export type SealTimes = {
  /** When the list was fixed. */
  readonly cutAt: string;
  /** What the beacon's value is counted from. */
  readonly sealedAt: string;
};

/** The part of a seal that does not depend on the entries. */
export const sealTerms = (
  ledger: Ledger,
  since: Since,
  { cutAt, sealedAt }: SealTimes,
): Omit<Seal, 'count' | 'root'> => ({
  beacon: planBeacon(ledger.manifest.beacon, ledger.nextRound, sealedAt),
  cut_at: cutAt,
  manifest_hash: ledger.manifestHash,
  previous: ledger.previousDigest,
  release: ledger.manifest.release,
  round: ledger.nextRound,
  sealed_at: sealedAt,
  since_hash: hex(sha256(Buffer.from(jcs(since)))),
});

/** Merkle root of the entries, in hex. */
export const rootOf = (table: EntryTable): string => hex(merkleRoot(table.leaves));

/** Seals the next round of a ledger, at once unless said. `since` is in order. */
export const sealRound = (
  input: {
    readonly ledger: Ledger;
    readonly table: EntryTable;
    readonly since: Since;
  } & Pick<SealTimes, 'cutAt'> &
    Partial<SealTimes>,
): Seal => ({
  ...sealTerms(input.ledger, input.since, { sealedAt: input.cutAt, ...input }),
  count: input.table.count,
  root: rootOf(input.table),
});

/**
 * seed = H(tag("seed") || manifest_hash || u32(round) || previous || root || beacon_bytes): 32
 * bytes.
 */
export const seedOf = (terms: BeaconTerms, seal: Seal, beacon: BeaconValue): Buffer =>
  sha256(
    tag('seed'),
    Buffer.from(seal.manifest_hash, 'hex'),
    u32(seal.round),
    Buffer.from(seal.previous, 'hex'),
    Buffer.from(seal.root, 'hex'),
    beaconBytes(terms, beacon),
  );
