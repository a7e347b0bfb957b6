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
  /** Numbers of the directory that a centre may stand in. */
  stateId: 999,
  districtId: 99_999,
  centreNumber: 999_999_999,
  /** Rupees that a dose costs. */
  fee: 100_000,
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
const Day = z.iso.date('not a day as in 2026-11-22');
const TimeOfDay = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'not a time as in 09:00');
const whole = (least: number, most: number) => {
  const error = `not a whole number from ${least} to ${most}`;
  return z.int(error).min(least, error).max(most, error);
};
const words = (least: number, most: number) => {
  const error = `not ${least} to ${most} characters`;
  return z.string(error).min(least, error).max(most, error);
};
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
export const Session = z.strictObject({
  session: SessionId,
  centre: CentreId,
  date: Day,
  service: words(1, 60),
  dose: whole(1, 9),
  min_age: whole(0, 130),
  max_age: whole(0, 130).nullable(),
  /** Rupees for a dose. Absent where it was not imported. */
  fee: whole(0, MANIFEST_LIMITS.fee).optional(),
});

/** Where a centre stands in the public directory. Degrees are whole, as all its numbers are. */
export const Directory = z.strictObject({
  state_id: whole(1, MANIFEST_LIMITS.stateId),
  state_name: words(1, 60),
  district_id: whole(1, MANIFEST_LIMITS.districtId),
  district_name: words(1, 60),
  block_name: words(0, 60),
  pincode: whole(100_000, 999_999),
  address: words(0, 200),
  lat: whole(-90, 90),
  long: whole(-180, 180),
  from: TimeOfDay,
  to: TimeOfDay,
  fee_type: z.enum(['Free', 'Paid'], 'not Free or Paid'),
});

/** The id of a centre in the public directory. */
export const CENTRE_NUMBER = /^[1-9]\d{0,8}$/;
export const Centre = z
  .strictObject({
    centre: CentreId,
    name: words(1, 120),
    /** Absent where it was not imported. */
    directory: Directory.optional(),
  })
  .refine(({ centre, directory }) => directory === undefined || CENTRE_NUMBER.test(centre), {
    message: `not a whole number from 1 to ${MANIFEST_LIMITS.centreNumber}`,
    path: ['centre'],
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
export type ManifestSession = z.output<typeof Session>;
export type ManifestCentre = z.output<typeof Centre>;

/** manifest_hash = H(JCS(manifest)), in hex. */
export const manifestHash = (manifest: Manifest | DrawnManifest): string =>
  hex(sha256(Buffer.from(jcs(manifest))));
