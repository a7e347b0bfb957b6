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
  entriesPerDevice: 64,
  /** Rounds of one release: the length of its hash chain. */
  rounds: 20_000,
  /** Seconds since 1970: some three thousand years. */
  genesisTimeS: 100_000_000_000,
  /** Seconds from the end of a window to the public randomness of its round. */
  sealMarginS: 3_600,
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
export const SessionId = slug(48);
export const CentreId = slug(32);
/** RFC 3339, in UTC, with milliseconds, from 1970 on: such texts sort as their times do. */
export const Instant = z.iso
  .datetime({ precision: 3 })
  .refine((text) => text >= '1970', 'before 1970')
  .meta({ example: '2026-11-22T14:30:00.000Z' });
const Day = z.iso.date();
const TimeOfDay = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'HH:MM');
const Hash = z.string().regex(/^[0-9a-f]{64}$/);
/** 32 bytes; the last character carries four bits. */
const Base64Url32 = z.string().regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/);
/** `open` takes everyone; any other name is a reserve category. */
export const OPEN_POOL = 'open';
export const PoolName = slug(24);
export const Category = PoolName.refine((name) => name !== OPEN_POOL).meta({
  id: 'Category',
  example: 'frontline',
});
export const Series = slug(40).meta({ id: 'Series', example: 'pune-evenings' });

const Pool = z.strictObject({
  pool: PoolName,
  seats: z.int().min(0).max(MANIFEST_LIMITS.seatsPerPool),
});
const Slot = z.strictObject({
  slot: SlotId,
  session: SessionId,
  from: TimeOfDay,
  to: TimeOfDay,
  pools: z.array(Pool).min(1).max(MANIFEST_LIMITS.poolsPerSlot),
});
const Session = z.strictObject({
  session: SessionId,
  centre: CentreId,
  date: Day,
  service: z.string().min(1).max(60),
  dose: z.int().min(1).max(9),
  min_age: z.int().min(0).max(130),
  max_age: z.int().min(0).max(130).nullable(),
  /** Rupees. */
  fee: z.int().min(0).max(100_000).optional(),
});
/** Where a centre is, as directories list it; its id is then a number that is known in public. */
const Directory = z.strictObject({
  state_id: z.int().min(1).max(999),
  state_name: z.string().min(1).max(60),
  district_id: z.int().min(1).max(99_999),
  district_name: z.string().min(1).max(60),
  block_name: z.string().max(60),
  pincode: z.int().min(100_000).max(999_999),
  address: z.string().max(200),
  lat: z.int().min(-90).max(90),
  long: z.int().min(-180).max(180),
  from: TimeOfDay,
  to: TimeOfDay,
  fee_type: z.enum(['Free', 'Paid']),
});
export type Directory = z.output<typeof Directory>;
const Centre = z.strictObject({
  centre: CentreId,
  name: z.string().min(1).max(120),
  directory: Directory.optional(),
});

/** Ed25519: `kid` is the RFC 7638 thumbprint of `x`, 32 bytes in base64url. */
const ReceiptKey = z.strictObject({ kid: Base64Url32, x: Base64Url32 });

/** A drand chain of the scheme bls-unchained-g1-rfc9380, and when a seal must be early enough. */
const DrandTerms = z.strictObject({
  kind: z.literal('drand'),
  chain: Hash,
  genesis_time: z.int().min(0).max(MANIFEST_LIMITS.genesisTimeS),
  period_s: z.int().min(1).max(3_600),
  public_key: z.string().regex(/^[0-9a-f]{192}$/),
  seal_margin_s: z.int().min(1).max(MANIFEST_LIMITS.sealMarginS),
});
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
    /** Absent of a release that was published before devices were counted: any number. */
    entries_per_device: z.int().min(1).max(MANIFEST_LIMITS.entriesPerDevice).optional(),
    group_size: z.int().min(1).max(MANIFEST_LIMITS.groupSize),
  }),
};

export const LotteryManifest = z.strictObject({
  ...shared,
  mode: z.literal('lottery'),
  closes_at: Instant,
  round_every_s: z.int().min(1).max(86_400),
  confirm_within_s: z.int().min(1).max(604_800),
  /** Last round that keeps the reserves; after it, what is left of them is for everyone. */
  dereserve_after_round: z.int().min(0).max(MANIFEST_LIMITS.rounds).nullable(),
  /** Releases of one series carry standing entries over from one to the next. */
  series: Series.nullable(),
  receipt_key: ReceiptKey,
  beacon: z.discriminatedUnion('kind', [DrandTerms, HashChainTerms]),
});
export const ImmediateManifest = z.strictObject({ ...shared, mode: z.literal('immediate') });
export const Manifest = z.discriminatedUnion('mode', [LotteryManifest, ImmediateManifest]);

/**
 * The members of a lottery's manifest that its draw depends on, as docs/draw.md bounds them: what a
 * verifier reads. The others are for people, and a verifier takes whatever they are.
 */
export const DrawnManifest = z.looseObject({
  ...LotteryManifest.pick({
    rules: true,
    release: true,
    mode: true,
    closes_at: true,
    confirm_within_s: true,
    dereserve_after_round: true,
    receipt_key: true,
    beacon: true,
  }).shape,
  slots: z
    .array(
      z.looseObject({
        slot: SlotId,
        pools: z.array(z.looseObject(Pool.shape)).min(1).max(MANIFEST_LIMITS.poolsPerSlot),
      }),
    )
    .min(1)
    .max(MANIFEST_LIMITS.slots),
  limits: z.looseObject(shared.limits.pick({ preferences: true, group_size: true }).shape),
});
export type DrawnManifest = z.output<typeof DrawnManifest>;

export type LotteryManifest = z.output<typeof LotteryManifest>;
export type ImmediateManifest = z.output<typeof ImmediateManifest>;
export type Manifest = z.output<typeof Manifest>;
export type ManifestSlot = z.output<typeof Slot>;

/** manifest_hash = H(JCS(manifest)), in hex. */
export const manifestHash = (manifest: Manifest | DrawnManifest): string =>
  hex(sha256(Buffer.from(jcs(manifest))));
