/**
 * The published manifest: everything that decides a release, fixed and hashed before it opens
 * (docs/draw.md). Its members are snake_case because the document itself is published and hashed as
 * it stands.
 */
import { z } from 'zod';
import { sha256, hex } from '../lib/hash.ts';
import { jcs } from '../lib/jcs.ts';

export const RULES = 'fairslot/v1' as const;

/** Upper bounds of a manifest: what the engine is built and tested for. */
export const MANIFEST_LIMITS = {
  /** Slots of one release; preferences are stored as slot numbers. */
  slots: 20_000,
  centres: 10_000,
  poolsPerSlot: 8,
  seatsPerPool: 1_000_000,
  preferences: 10,
  groupSize: 4,
  entriesPerAccount: 8,
  /** Rounds of one release: the length of its hash chain. */
  rounds: 20_000,
} as const;

const slug = (longest: number) =>
  z
    .string()
    .max(longest)
    .regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/);
export const ReleaseId = slug(40)
  .min(3)
  .regex(/^[^.]*$/, 'no dots')
  .meta({ id: 'ReleaseId', example: 'pune-2021-04-10' });
export const SlotId = slug(64).meta({ id: 'SlotId', example: '6291-0900' });
const Instant = z.iso.datetime({ precision: 3 }).meta({ example: '2026-11-22T14:30:00.000Z' });
const Day = z.iso.date();
const TimeOfDay = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'HH:MM');
const Hash = z.string().regex(/^[0-9a-f]{64}$/);
/** `open` takes everyone; any other name is a reserve category. */
export const OPEN_POOL = 'open';

const Pool = z.strictObject({
  pool: slug(24),
  seats: z.int().min(0).max(MANIFEST_LIMITS.seatsPerPool),
});
const Slot = z.strictObject({
  slot: SlotId,
  session: slug(48),
  from: TimeOfDay,
  to: TimeOfDay,
  pools: z.array(Pool).min(1).max(MANIFEST_LIMITS.poolsPerSlot),
});
const Session = z.strictObject({
  session: slug(48),
  centre: slug(32),
  date: Day,
  service: z.string().min(1).max(60),
  dose: z.int().min(1).max(9),
  min_age: z.int().min(0).max(130),
  max_age: z.int().min(0).max(130).nullable(),
});
const Centre = z.strictObject({ centre: slug(32), name: z.string().min(1).max(120) });

const HashChainTerms = z.strictObject({
  kind: z.literal('hash-chain'),
  /** s_0: the seed of round n is bound to s_(n+1), and H(s_(n+1)) = s_n. */
  anchor: Hash,
  length: z.int().min(1).max(MANIFEST_LIMITS.rounds),
});

const shared = {
  rules: z.literal(RULES),
  release: ReleaseId,
  title: z.string().min(1).max(120),
  opens_at: Instant,
  ends_at: Instant,
  id_types: z.array(z.string()).min(1).max(20),
  centres: z.array(Centre).max(MANIFEST_LIMITS.centres),
  sessions: z.array(Session).max(MANIFEST_LIMITS.slots),
  slots: z.array(Slot).min(1).max(MANIFEST_LIMITS.slots),
  limits: z.strictObject({
    preferences: z.int().min(1).max(MANIFEST_LIMITS.preferences),
    entries_per_account: z.int().min(1).max(MANIFEST_LIMITS.entriesPerAccount),
    group_size: z.int().min(1).max(MANIFEST_LIMITS.groupSize),
  }),
};

export const LotteryManifest = z.strictObject({
  ...shared,
  mode: z.literal('lottery'),
  closes_at: Instant,
  round_every_s: z.int().min(1).max(86_400),
  confirm_within_s: z.int().min(1).max(604_800),
  beacon: HashChainTerms,
});
export const ImmediateManifest = z.strictObject({ ...shared, mode: z.literal('immediate') });
export const Manifest = z.discriminatedUnion('mode', [LotteryManifest, ImmediateManifest]);

export type LotteryManifest = z.output<typeof LotteryManifest>;
export type ImmediateManifest = z.output<typeof ImmediateManifest>;
export type Manifest = z.output<typeof Manifest>;
export type ManifestSlot = z.output<typeof Slot>;

/** manifest_hash = H(JCS(manifest)), in hex. */
export const manifestHash = (manifest: Manifest): string => hex(sha256(Buffer.from(jcs(manifest))));
