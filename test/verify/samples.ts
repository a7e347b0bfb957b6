/**
 * The sample transcripts under verify/samples, made anew: two releases of three rounds with groups,
 * reserves, seats lost, a slot closed and reserves given up, one drawn by a hash chain and one by
 * values that the drand network published on 23 August 2023.
 */
import { isoFromMs } from '../../src/lib/clock.ts';
import { sha256 } from '../../src/lib/hash.ts';
import { createSecrets } from '../../src/lib/secrets.ts';
import type { LotteryManifest } from '../../src/releases/manifest.ts';
import {
  type BeaconPlan,
  type BeaconValue,
  createHashChain,
  hashChainTerms,
  QUICKNET,
} from '../../src/rounds/beacon/beacon.ts';
import { drawRound } from '../../src/rounds/draw/draw.ts';
import { buildEntryTable, entryAt, type EntryRow } from '../../src/rounds/draw/entry-table.ts';
import {
  createLedger,
  inOrder,
  type Ledger,
  NOTHING_SINCE,
  type Since,
} from '../../src/rounds/draw/ledger.ts';
import { receiptKeyOf } from '../../src/rounds/receipts.ts';
import { type Seal, sealRound, type SealTimes, seedOf } from '../../src/rounds/draw/seal.ts';
import { closeRound, transcriptLines } from '../../src/rounds/draw/transcript.ts';

export type Sample = {
  /** Folder under verify/samples. */
  readonly name: string;
  readonly manifest: LotteryManifest;
  /** Transcripts, not compressed, from round 0 on. */
  readonly files: readonly Buffer[];
  readonly seals: readonly Seal[];
  readonly digest: string;
};

/** What the key of their receipts is derived from. */
export const SECRET = 'the secret of the samples, which everyone knows';
const SECRETS = createSecrets(SECRET);
const CHAIN = createHashChain(sha256(Buffer.from('the hash chain of the samples')), 12);
/** Quicknet's rounds 1000 to 1002. */
const SIGNATURES = [
  'b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39',
  'b33bf3667cbd5a82de3a24b4e0e9fe5513cc1a0e840368c6e31f5fcfa79bea03f73896b25883abf2853d10337fb8fa41',
  'ab066f9c12dd6de1336fca0f925192fb0c72a771c3e4c82ede1fd362c1a770f9eb05843c6308ce2530b53a99c0281a6e',
];

type SampleBeacon = {
  readonly terms: LotteryManifest['beacon'];
  readonly value: (plan: BeaconPlan) => BeaconValue;
  /** Just the time from a value to the next list. */
  readonly confirmWithinS: number;
};

const BEACONS = {
  'hash-chain': {
    terms: hashChainTerms(CHAIN),
    value: (plan) => {
      if (plan.kind !== 'hash-chain') throw new Error('the seal names no step');
      return { ...plan, preimage: CHAIN.preimage(plan.step).toString('hex') };
    },
    confirmWithinS: 2,
  },
  drand: {
    terms: { kind: 'drand', ...QUICKNET, seal_margin_s: 1 },
    value: (plan) => {
      if (plan.kind !== 'drand') throw new Error('the seal names no drand round');
      const signature = SIGNATURES[plan.round - 1000];
      if (signature === undefined) throw new Error(`round ${plan.round} was not recorded`);
      return { ...plan, signature };
    },
    confirmWithinS: 1,
  },
} satisfies Record<string, SampleBeacon>;

const centre = (id: string, name: string) => ({ centre: id, name });
const session = (id: string) => ({
  session: `${id}-20230824`,
  centre: id,
  date: '2023-08-24',
  service: 'COVISHIELD',
  dose: 1,
  min_age: 18,
  max_age: null,
});
const slot = (id: string, from: string, to: string, pools: Readonly<Record<string, number>>) => ({
  slot: `${id}-${from.replace(':', '')}`,
  session: `${id}-20230824`,
  from,
  to,
  pools: Object.entries(pools).map(([pool, seats]) => ({ pool, seats })),
});

const manifestOf = (name: string, { terms, confirmWithinS }: SampleBeacon): LotteryManifest => ({
  rules: 'fairslot/v1',
  release: `sample-${name}`,
  title: 'Vaccination in Puné, 24 August',
  mode: 'lottery',
  opens_at: '2023-08-23T15:44:20.000Z',
  closes_at: '2023-08-23T15:59:20.000Z',
  ends_at: '2023-08-23T18:30:00.000Z',
  round_every_s: 3,
  confirm_within_s: confirmWithinS,
  id_types: ['aadhaar'],
  limits: { preferences: 5, entries_per_account: 4, group_size: 4 },
  dereserve_after_round: 1,
  series: null,
  receipt_key: receiptKeyOf(SECRETS),
  centres: [centre('kothrud', 'Kothrud Sutar Hospital'), centre('yerawada', 'Yerawada "Rajiv" ©')],
  sessions: [session('kothrud'), session('yerawada')],
  slots: [
    slot('kothrud', '09:00', '11:00', { frontline: 3, elder: 2, open: 5 }),
    slot('kothrud', '11:00', '13:00', { open: 4, frontline: 2 }),
    slot('yerawada', '09:00', '11:00', { open: 6 }),
    slot('yerawada', '11:00', '13:00', { elder: 4, open: 2 }),
  ],
  beacon: terms,
});

/** Ids, wishes and sizes that look like chance and are always the same. */
const entries = (round: number, count: number): EntryRow[] =>
  Array.from({ length: count }, (_, number) => {
    const dice = sha256(Buffer.from(`entry ${number} of round ${round}`));
    const at = (index: number, below: number): number => dice[index]! % below;
    const size = [1, 1, 1, 1, 2, 2, 3, 4][at(16, 8)]!;
    const categories = [[], [], ['elder'], ['frontline'], ['elder', 'frontline']][at(17, 5)]!;
    const first = at(18, 4);
    const prefs = [first, (first + 1 + at(19, 3)) % 4].slice(0, 1 + at(20, 2));
    return { entry: dice.toString('base64url', 0, 16), size, categories, prefs };
  });

/** Sealed a second after the list was fixed: a large one takes that long. */
const timesOf = (round: number): SealTimes => {
  const cutAtMs = Date.UTC(2023, 7, 23, 15, 59, 22 + 3 * round);
  return { cutAt: isoFromMs(cutAtMs), sealedAt: isoFromMs(cutAtMs + 1_000) };
};

/** Entries with (or without) a seat, in the order that they have. */
const those = ({ cohorts }: Ledger, seated: boolean): string[] =>
  cohorts.flatMap(({ table, order, standing }) =>
    Array.from(order)
      .filter((row) => standing[row]! >= 0 === seated && standing[row]! > -3)
      .map((row) => entryAt(table, row)),
  );

/** Entries of earlier rounds that the last round gave seats to. */
const carried = ({ cohorts, nextRound }: Ledger): string[] =>
  cohorts.slice(0, -1).flatMap(({ table, standing, seatedIn }) =>
    Array.from(standing.keys())
      .filter((row) => standing[row]! >= 0 && seatedIn[row] === nextRound - 1)
      .map((row) => entryAt(table, row)),
  );

/** What happens before each round. */
function sinceOf(ledger: Ledger): Since {
  const [seated, waiting] = [those(ledger, true), those(ledger, false)];
  const happened: readonly Partial<Since>[] = [
    {},
    {
      cancelled: [seated[2]!, seated[9]!],
      expired: seated.slice(5, 8),
      withdrawn: waiting.slice(0, 1),
      lost: [
        ['kothrud-1100', 'open', 3],
        ['yerawada-0900', 'open', 1],
      ],
    },
    {
      cancelled: seated.slice(0, 3),
      expired: carried(ledger).slice(0, 1),
      withdrawn: waiting.slice(1, 2),
      closed: ['kothrud-0900'],
    },
  ];
  return inOrder({ ...NOTHING_SINCE, ...happened[ledger.nextRound] });
}

function makeSample(
  name: string,
  sampleBeacon: SampleBeacon,
  timesOfRound: (round: number) => SealTimes = timesOf,
  happened: Partial<Since> = {},
): Sample {
  const { terms, value } = sampleBeacon;
  const manifest = manifestOf(name, sampleBeacon);
  const ledger = createLedger(manifest);
  const [files, seals]: [Buffer[], Seal[]] = [[], []];
  for (const [round, count] of [48, 9, 5].entries()) {
    const since = { ...sinceOf(ledger), ...happened };
    const table = buildEntryTable(manifest, entries(round, count));
    const seal = sealRound({ ledger, table, since, ...timesOfRound(round) });
    const beacon = value(seal.beacon);
    const drawn = drawRound({ ledger, table, since, seed: seedOf(terms, seal, beacon) });
    const lines = transcriptLines({ ledger, table, since, seal, beacon, drawn });
    const chunks: Buffer[] = [];
    let next = lines.next();
    for (; !next.done; next = lines.next()) chunks.push(next.value);
    closeRound(ledger, { seal, beacon }, next.value.digest);
    files.push(Buffer.concat(chunks));
    seals.push(seal);
  }
  return { name, manifest, files, seals, digest: ledger.previousDigest };
}

export const SAMPLES: readonly Sample[] = Object.entries(BEACONS).map(([name, beacon]) =>
  makeSample(name, beacon),
);

const at = (second: number): SealTimes => {
  const cutAt = isoFromMs(Date.UTC(2023, 7, 23, 15, 59) + second * 1_000);
  return { cutAt, sealedAt: cutAt };
};
/** What an operator could publish that writes its seals later than it says. */
export const SEALED_LATE: Readonly<Record<string, Sample>> = {
  'rounds that share one value of drand': makeSample(
    'drand',
    BEACONS.drand,
    (round) => at(21 + round),
    { expired: [] },
  ),
  'a list fixed when the value of the round before came out': makeSample(
    'drand',
    BEACONS.drand,
    (round) => at([23, 24, 27][round]!),
    { expired: [] },
  ),
  'offers that expire before their value is as old as it must be': makeSample(
    'drand',
    BEACONS.drand,
    (round) => at([21, 24.999, 28][round]!),
  ),
};
