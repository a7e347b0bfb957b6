/** A small release to draw: manifests, entries and whole rounds for the tests of this slice. */
import { sha256 } from '../../src/lib/hash.ts';
import { createSecrets } from '../../src/lib/secrets.ts';
import { receiptKeyOf } from '../../src/rounds/receipts.ts';
import type { LotteryManifest } from '../../src/releases/manifest.ts';
import {
  createHashChain,
  hashChainBeacon,
  hashChainTerms,
} from '../../src/rounds/beacon/beacon.ts';
import { drawRound } from '../../src/rounds/draw/draw.ts';
import { buildEntryTable, type EntryRow } from '../../src/rounds/draw/entry-table.ts';
import {
  createLedger,
  inOrder,
  type Ledger,
  NOTHING_SINCE,
  type Since,
} from '../../src/rounds/draw/ledger.ts';
import { sealRound, seedOf } from '../../src/rounds/draw/seal.ts';
import { closeRound, transcriptLines } from '../../src/rounds/draw/transcript.ts';

export const CHAIN = createHashChain(sha256(Buffer.from('the secret of a test')), 100);
const BEACON = hashChainBeacon(CHAIN);
/** What the key of this release's receipts is derived from. */
export const RECEIPT_SECRET = 'the secret of a test, long enough';
const RECEIPT_KEY = receiptKeyOf(createSecrets(RECEIPT_SECRET));

/** Slot id -> pools in the manifest's order -> seats. */
export type Seats = Readonly<Record<string, Readonly<Record<string, number>>>>;

export const lottery = (seats: Seats): LotteryManifest => ({
  rules: 'fairslot/v1',
  release: 'pune-2021-04-10',
  title: 'Vaccination in Puné',
  mode: 'lottery',
  opens_at: '2021-04-10T14:30:00.000Z',
  closes_at: '2021-04-10T14:40:00.000Z',
  ends_at: '2021-04-11T02:30:00.000Z',
  round_every_s: 60,
  confirm_within_s: 900,
  id_types: ['passport'],
  limits: { preferences: 10, entries_per_account: 4, group_size: 4 },
  centres: [],
  sessions: [],
  slots: Object.entries(seats).map(([slot, pools]) => ({
    slot,
    session: 'session',
    from: '09:00',
    to: '11:00',
    pools: Object.entries(pools).map(([pool, count]) => ({ pool, seats: count })),
  })),
  dereserve_after_round: null,
  series: null,
  receipt_key: RECEIPT_KEY,
  beacon: hashChainTerms(CHAIN),
});

/** An entry id that a name always gets. */
export const idOf = (name: string): string =>
  sha256(Buffer.from(name)).toString('base64url', 0, 16);

/** `name wants slots`, alone and in no category unless said. */
export const wants = (
  name: string,
  prefs: readonly number[],
  more: Partial<Pick<EntryRow, 'size' | 'categories'>> = {},
): EntryRow => ({ entry: idOf(name), size: 1, categories: [], prefs, ...more });

/** As far from one another as offers of the one must have before the other. */
export const sealedAt = (round: number): string =>
  new Date(Date.UTC(2021, 3, 10, 14, 40 + 15 * round)).toISOString();

/** Seals, draws and publishes the next round of a ledger. */
export async function playRound(
  ledger: Ledger,
  rows: readonly EntryRow[],
  happened: Partial<Since> = {},
) {
  const since = inOrder({ ...NOTHING_SINCE, ...happened });
  const table = buildEntryTable(ledger.manifest, rows);
  const seal = sealRound({ ledger, table, since, cutAt: sealedAt(ledger.nextRound) });
  const beacon = await BEACON.value(seal.beacon);
  if (beacon === 'NOT_YET') throw new Error('a hash chain always has a value');
  const drawn = drawRound({
    ledger,
    table,
    since,
    seed: seedOf(ledger.manifest.beacon, seal, beacon),
  });
  const chunks: Buffer[] = [];
  const lines = transcriptLines({ ledger, table, since, seal, beacon, drawn });
  let next = lines.next();
  for (; !next.done; next = lines.next()) chunks.push(next.value);
  closeRound(ledger, { seal, beacon }, next.value.digest);
  return { ...next.value, seal, table, drawn, bytes: Buffer.concat(chunks) };
}

export { createLedger };
