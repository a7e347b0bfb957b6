/** From what an operator asks for to a manifest that can be published. Pure. */
import { z } from 'zod';
import { msFromIso } from '../lib/clock.ts';
import { refuse, type Refusal } from '../refusal.ts';
import { ID_TYPES } from '../people/rules.ts';
import type { DrandChain } from '../rounds/beacon/beacon.ts';
import type { Places } from './import.ts';
import {
  Category,
  type LotteryManifest,
  Manifest,
  MANIFEST_LIMITS,
  type ManifestSlot,
  OPEN_POOL,
  ReleaseId,
  RULES,
  Series,
} from './manifest.ts';

const Instant = z.iso
  .datetime({ offset: true })
  .transform((text) => new Date(msFromIso(text)).toISOString())
  .meta({ example: '2026-11-22T20:00:00+05:30' });

/** How the seats of every slot are shared out: a reserve's percentage, and the rest to `open`. */
const PoolShare = z.strictObject({
  pool: z.union([z.literal(OPEN_POOL), Category]),
  percent: z.int().min(1).max(100).optional(),
});
export type PoolShare = z.output<typeof PoolShare>;

const isSharedOut = (pools: readonly PoolShare[]): boolean =>
  new Set(pools.map(({ pool }) => pool)).size === pools.length &&
  pools.every(({ pool, percent }) => (pool === OPEN_POOL) === (percent === undefined)) &&
  pools.some(({ pool }) => pool === OPEN_POOL) &&
  pools.reduce((sum, { percent = 0 }) => sum + percent, 0) <= 100;

const shared = {
  release: ReleaseId,
  title: z.string().trim().min(1).max(120),
  opensAt: Instant,
  endsAt: Instant,
  /** One accepted type means that nobody has several identities here. */
  idTypes: z.array(z.enum(ID_TYPES)).min(1).default(['aadhaar']),
  limits: z
    .strictObject({
      preferences: z.int().min(1).max(MANIFEST_LIMITS.preferences).default(5),
      entriesPerAccount: z.int().min(1).max(MANIFEST_LIMITS.entriesPerAccount).default(4),
      entriesPerDevice: z.int().min(1).max(MANIFEST_LIMITS.entriesPerDevice).default(12),
      groupSize: z.int().min(1).max(MANIFEST_LIMITS.groupSize).default(MANIFEST_LIMITS.groupSize),
    })
    .prefault({}),
  /** The pools of every slot in the order in which they are tried: the order is the policy. */
  pools: z
    .array(PoolShare)
    .min(1)
    .max(MANIFEST_LIMITS.poolsPerSlot)
    .refine(isSharedOut, {
      message:
        'pools are distinct: `open` without a percentage, reserves with at most 100 together',
    })
    .default([{ pool: OPEN_POOL }]),
};

const Lottery = z.strictObject({
  mode: z.literal('lottery'),
  ...shared,
  closesAt: Instant,
  roundEveryS: z.int().min(1).max(86_400).default(60),
  confirmWithinS: z.int().min(1).max(604_800).default(1_800),
  dereserveAfterRound: z.int().min(0).max(MANIFEST_LIMITS.rounds).nullable().default(null),
  series: Series.nullable().default(null),
  beacon: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('hash-chain') }),
      z.strictObject({
        kind: z.literal('drand'),
        sealMarginS: z.int().min(1).max(MANIFEST_LIMITS.sealMarginS).default(30),
      }),
    ])
    .default({ kind: 'hash-chain' }),
});
const Immediate = z.strictObject({ mode: z.literal('immediate'), ...shared });

const inOrder = (terms: { opensAt: string; closesAt?: string; endsAt: string }): boolean =>
  terms.closesAt === undefined
    ? terms.opensAt < terms.endsAt
    : terms.opensAt < terms.closesAt && terms.closesAt < terms.endsAt;

export const ReleaseTerms = z
  .discriminatedUnion('mode', [Lottery, Immediate])
  .refine(inOrder, {
    message: 'opensAt, closesAt and endsAt must follow one another',
    path: ['endsAt'],
  })
  .refine((terms) => terms.mode === 'immediate' || roundsOf(terms) <= MANIFEST_LIMITS.rounds, {
    message: `more than ${MANIFEST_LIMITS.rounds} rounds until endsAt`,
    path: ['roundEveryS'],
  });
export type ReleaseTerms = z.output<typeof ReleaseTerms>;

export type Draft = { readonly terms: ReleaseTerms; readonly places: Places };

/** Rounds that may take place before their time, to settle an operator's changes (ADR 11). */
export const SPARE_ROUNDS = 100;

/**
 * Most rounds that fit: round 0, then one every roundEveryS from closing to the end; and those to
 * spare.
 */
export const roundsOf = (terms: {
  closesAt: string;
  endsAt: string;
  roundEveryS: number;
}): number =>
  SPARE_ROUNDS +
  2 +
  Math.ceil((msFromIso(terms.endsAt) - msFromIso(terms.closesAt)) / (terms.roundEveryS * 1000));

/** What a lottery's manifest needs beyond its draft. */
export type ManifestGrounds = {
  /** s_0 of a hash chain of that length, in hex. */
  readonly anchorOf: (length: number) => string;
  readonly drand: DrandChain;
  readonly receiptKey: LotteryManifest['receipt_key'];
};

/** Shares the seats of a slot out: reserves rounded down, `open` gets the rest. */
function shareOut(slot: ManifestSlot, shares: readonly PoolShare[]): ManifestSlot {
  const seats = slot.pools.reduce((sum, pool) => sum + pool.seats, 0);
  const reserved = ({ percent = 0 }: PoolShare): number => Math.floor((seats * percent) / 100);
  const open = seats - shares.reduce((sum, share) => sum + reserved(share), 0);
  const pools = shares.map((share) => ({
    pool: share.pool,
    seats: share.pool === OPEN_POOL ? open : reserved(share),
  }));
  return { ...slot, pools };
}

/** The manifest of a draft. */
export function manifestOf(draft: Draft, grounds: ManifestGrounds): Manifest | Refusal {
  const { terms, places } = draft;
  if (places.slots.length === 0) return refuse('RELEASE_EMPTY');
  const common = {
    rules: RULES,
    release: terms.release,
    title: terms.title,
    opens_at: terms.opensAt,
    ends_at: terms.endsAt,
    id_types: [...terms.idTypes],
    limits: {
      preferences: terms.limits.preferences,
      entries_per_account: terms.limits.entriesPerAccount,
      entries_per_device: terms.limits.entriesPerDevice,
      group_size: terms.mode === 'lottery' ? terms.limits.groupSize : 1,
    },
    ...places,
    slots: places.slots.map((slot) => shareOut(slot, terms.pools)),
  };
  if (terms.mode === 'immediate') return Manifest.parse({ ...common, mode: 'immediate' });
  const lottery: LotteryManifest = {
    ...common,
    mode: 'lottery',
    closes_at: terms.closesAt,
    round_every_s: terms.roundEveryS,
    confirm_within_s: terms.confirmWithinS,
    dereserve_after_round: terms.dereserveAfterRound,
    series: terms.series,
    receipt_key: grounds.receiptKey,
    beacon: beaconTerms(terms, grounds),
  };
  return Manifest.parse(lottery);
}

function beaconTerms(
  terms: Extract<ReleaseTerms, { mode: 'lottery' }>,
  { anchorOf, drand }: ManifestGrounds,
): LotteryManifest['beacon'] {
  if (terms.beacon.kind === 'drand')
    return { kind: 'drand', ...drand, seal_margin_s: terms.beacon.sealMarginS };
  const length = roundsOf(terms);
  return { kind: 'hash-chain', anchor: anchorOf(length), length };
}

/** Capacities by the fields of the seats hash: `<slot index>/<pool index>`. */
export const seatFields = (manifest: Manifest): [field: string, seats: number][] =>
  manifest.slots.flatMap((slot, slotNumber) =>
    slot.pools.map((pool, poolNumber): [string, number] => [
      `${slotNumber}/${poolNumber}`,
      pool.seats,
    ]),
  );

/** What the scripts need of a manifest, as the fields of the release hash. */
export function releaseState(manifest: Manifest): Record<string, string> {
  const seats = String(seatFields(manifest).reduce((sum, [, count]) => sum + count, 0));
  const state: Record<string, string> = {
    mode: manifest.mode,
    opens_at_ms: String(msFromIso(manifest.opens_at)),
    ends_at_ms: String(msFromIso(manifest.ends_at)),
    entries_per_account: String(manifest.limits.entries_per_account),
    ...(manifest.limits.entries_per_device !== undefined && {
      entries_per_device: String(manifest.limits.entries_per_device),
    }),
    round: '0',
    phase: 'OPEN',
    published: '-1',
    unexpired_round: '0',
    capacity: seats,
    free_seats: seats,
  };
  if (manifest.mode === 'immediate') return state;
  const closesAtMs = String(msFromIso(manifest.closes_at));
  return {
    ...state,
    closes_at_ms: closesAtMs,
    next_round_at_ms: closesAtMs,
    // Round 0 is cut later than this, each round later than the value of the one before.
    value_at_ms: String(msFromIso(manifest.closes_at) - 1),
    round_every_ms: String(manifest.round_every_s * 1000),
    ...(manifest.series !== null && { series: manifest.series }),
    confirm_within_ms: String(manifest.confirm_within_s * 1000),
    spare_rounds: String(SPARE_ROUNDS),
    certain_round: String((manifest.dereserve_after_round ?? -1) + 1),
  };
}

/** A release's state as Redis's clock has it (lua/releases/read.lua). */
export type ReleaseReading = {
  readonly nowMs: number;
  readonly opensAtMs: number;
  /** 0 in immediate mode. */
  readonly closesAtMs: number;
  readonly endsAtMs: number;
  /** 0 unless an operator ended it early. */
  readonly endedAtMs: number;
  readonly round: number;
  readonly phase: 'OPEN' | 'DRAWING';
  /** Last published round; -1 before round 0. */
  readonly published: number;
  readonly nextRoundAtMs: number;
  /** The last round that settles an operator's changes; -1 where there were none. */
  readonly changingRound: number;
};

export type ReleaseStateWord = 'published' | 'open' | 'drawing' | 'running' | 'ended';

export function stateOf(reading: ReleaseReading): ReleaseStateWord {
  const { nowMs } = reading;
  // As lua/lib/cut has it: a round that is to settle an operator's changes takes place after all.
  const settles = reading.round > 0 && reading.changingRound >= reading.round;
  if (reading.endedAtMs > 0 && !settles) return 'ended';
  if (nowMs < reading.opensAtMs) return 'published';
  if (reading.closesAtMs === 0) return nowMs < reading.endsAtMs ? 'open' : 'ended';
  if (nowMs < reading.closesAtMs) return 'open';
  if (reading.published < 0 || reading.phase === 'DRAWING') return 'drawing';
  return settles || nowMs < reading.endsAtMs ? 'running' : 'ended';
}
