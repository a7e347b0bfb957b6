/**
 * Mends what is provably safe to mend; docs/reconcile.md argues each case. Every repair is one
 * script that checks again what it rests on.
 */
import type { LotteryManifest } from '../releases/manifest.ts';
import { createLedger, type Ledger } from '../rounds/draw/ledger.ts';
import type { Found, Mend } from './findings.ts';
import { compareLedger } from './ledger.ts';
import { catchUp } from './reader.ts';
import { verifyRounds, type RoundParts } from './rounds.ts';
import { type Context, entriesAgree, freeOf, sumsOf } from './rules.ts';
import type { ReconcileStore } from './store.ts';

type MendParts = RoundParts & {
  readonly store: Pick<
    ReconcileStore,
    'offer' | 'setSeats' | 'setSums' | 'mendClaim' | 'note' | 'read'
  >;
};

/** A release that changes all the time is left for the next run. */
const TRIES = 5;

/** What was mended of these. */
export async function mendAll(
  parts: MendParts & RoundParts & { readonly store: ReconcileStore },
  context: Context,
  found: readonly Found[],
): Promise<Set<Found>> {
  const { store } = parts;
  const mended = new Set<Found>();
  const seats: Found[] = [];
  for (const one of found) {
    if (one.mend?.what === 'seats') seats.push(one);
    else if (one.mend?.what === 'sums') {
      if (await mendSums(store, context)) mended.add(one);
    } else if (one.mend && (await mendOne(store, context.reading.manifest.release, one.mend)))
      mended.add(one);
  }
  if (seats.length === 0) return mended;
  const ledger = await ledgerOf(parts, context);
  if (!ledger) return mended;
  for (const one of seats)
    if (one.mend?.what === 'seats' && (await mendSeats(store, context, one, ledger)))
      mended.add(one);
  return mended;
}

async function mendOne(
  store: MendParts['store'],
  release: string,
  mend: Exclude<Mend, { what: 'seats' | 'sums' }>,
): Promise<boolean> {
  if (mend.what === 'offer')
    return (await store.offer(release, mend.entry, mend.round, 'MEND')) === 'MENDED';
  return mendClaim(store, release, mend);
}

/** Sums follow from what was read; nobody is given a seat by them. */
async function mendSums(store: ReconcileStore, { reading }: Context): Promise<boolean> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (!(await catchUp(store, reading))) return false;
    const line = await store.setSums(reading.manifest.release, reading.after, sumsOf(reading));
    if (line === undefined) continue;
    reading.after = line;
    return true;
  }
  return false;
}

/** The person stands under another tag than the release: the line comes after. */
export async function mendClaim(
  store: Pick<ReconcileStore, 'mendClaim' | 'note'>,
  release: string,
  mend: Extract<Mend, { what: 'claim' }>,
): Promise<boolean> {
  const isMended = await store.mendClaim(mend.person, mend, mend.release);
  if (isMended && mend.release !== '')
    await store.note(release, `repaired claim-missing ${mend.entry}`);
  return isMended;
}

/** What seats are held against: nothing in immediate mode; undefined where nothing proves them. */
async function ledgerOf(
  parts: RoundParts,
  context: Context,
): Promise<Ledger | 'IMMEDIATE' | undefined> {
  const { manifest, instant } = context.reading;
  if (manifest.mode === 'immediate') return 'IMMEDIATE';
  if (instant.published < 0) return createLedger(manifest satisfies LotteryManifest);
  return (await verifyRounds(parts, context)).ledger;
}

/**
 * Sets a count of free seats right where two records that do not know of one another, the bookings
 * and the transcripts (in immediate mode the bookings and the audit stream, entry by entry), agree
 * on who holds what, so that the count alone can be wrong.
 */
async function mendSeats(
  store: ReconcileStore,
  context: Context,
  { kind, mend }: Found,
  ledger: Ledger | 'IMMEDIATE',
): Promise<boolean> {
  const { reading } = context;
  if (mend?.what !== 'seats') return false;
  const { place } = mend;
  const { published } = reading.instant;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const isPicture = await catchUp(store, reading, [place]);
    if (!isPicture || reading.instant.published !== published) return false;
    const found = reading.free.get(place) ?? '';
    const seats = freeOf(reading, place);
    const isProved =
      reading.instant.phase === 'OPEN' &&
      entriesAgree(context) &&
      (ledger === 'IMMEDIATE' || compareLedger(ledger, reading).length === 0);
    if (found === String(seats) || seats < 0 || !isProved) return false;
    const wished = { place, found, seats, after: reading.after, kind };
    const line = await store.setSeats(reading.manifest.release, wished);
    if (line === undefined) continue;
    reading.after = line;
    reading.free.set(place, String(seats));
    return true;
  }
  return false;
}
