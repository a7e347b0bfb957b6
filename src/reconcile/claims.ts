/** Whether the people of what lives in a release are bound to it, and charged there. */
import type { ClaimStateOf } from '../people/claims.ts';
import type { Found } from './findings.ts';
import { bookingOf, isHeld, itemOf, liveEntry, type Reading, readEntry } from './reading.ts';
import { type Context, isCharged } from './rules.ts';
import type { Pace, PersonHeld, ReconcileStore } from './store.ts';

export type ClaimParts = {
  readonly store: Pick<ReconcileStore, 'persons' | 'marksOf' | 'everybody'>;
  /** The release's word. */
  readonly stateOf: ClaimStateOf;
  readonly pace: Pace;
};

type Bound = { readonly entry: string; readonly person: string };

/** People read in one turn of the event loop. */
const BATCH = 500;

/** The people of all that may bind them, by what was read of the release. */
function* peopleOf({ reading, lastDayEndsAtMs }: Context): Generator<Bound> {
  const { drawsOver, nowMs } = reading.instant;
  const daysOver = nowMs >= lastDayEndsAtMs;
  for (const [entry, item] of reading.items) {
    if (isHeld(bookingOf(reading, item)) ? daysOver : drawsOver) continue;
    for (const person of readEntry(liveEntry(reading, item))?.persons ?? [])
      yield { entry, person };
  }
}

function* inBatches<T>(all: Iterable<T>): Generator<T[]> {
  let batch: T[] = [];
  for (const one of all) {
    batch.push(one);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

export async function checkClaims(parts: ClaimParts, context: Context): Promise<Found[]> {
  const { reading, entryIdOf } = context;
  const { release } = reading.manifest;
  const all: Found[] = [];
  for (const batch of inBatches(peopleOf(context))) {
    const held = await parts.store.persons(batch.map(({ person }) => person));
    const found = await Promise.all(
      batch.map(async (bound, at): Promise<Found[]> => {
        const { account = '', claim = '' } = held[at] ?? {};
        const id = entryIdOf(bound.person);
        if (claim !== release) return claimFound(parts, release, bound);
        const marks = reading.fixed.accounts.get(account) ?? '';
        return isCharged(marks, id) ? [] : chargeFound(parts, release, bound, id);
      }),
    );
    all.push(...found.flat());
    await parts.pace();
  }
  return all;
}

/**
 * A release that says LIVE, then a claim that is none of it, then LIVE again: within the 10 s for
 * which a claim that was used cannot be taken over, no one can have left and come back between.
 */
async function claimFound(
  { store, stateOf }: ClaimParts,
  release: string,
  { entry, person }: Bound,
): Promise<Found[]> {
  if ((await stateOf(release, person)) !== 'LIVE') return [];
  const [read] = await store.persons([person]);
  if (!read || read.claim === release) return [];
  if ((await stateOf(release, person)) !== 'LIVE') return [];
  const where = `entry ${entry}`;
  const expected = `a claim of ${release}`;
  if (read.claim !== '')
    return [{ kind: 'claim-elsewhere', where, expected, found: `one of ${read.claim}` }];
  const found: Found = { kind: 'claim-missing', where, expected, found: 'none' };
  if (read.account === '') return [found];
  return [{ ...found, mend: { what: 'claim', entry, person, ...read, release } }];
}

async function chargeFound(
  { store, stateOf }: ClaimParts,
  release: string,
  { entry, person }: Bound,
  id: string,
): Promise<Found[]> {
  if ((await stateOf(release, person)) !== 'LIVE') return [];
  const [read] = await store.persons([person]);
  if (!read || read.claim !== release) return [];
  if (isCharged(await store.marksOf(release, read.account), id)) return [];
  if ((await stateOf(release, person)) !== 'LIVE') return [];
  const expected = 'each of its people charged to their account';
  const found = id === entry ? 'its lead is not' : `entry ${id} is not`;
  return [{ kind: 'charge-missing', where: `entry ${entry}`, expected, found }];
}

/** Offers that are out, and the lists of them, as far as they do not seem to agree. */
export function* offersToLookAt(reading: Reading): Generator<{ entry: string; round: number }> {
  const { offers } = reading.fixed;
  for (const [entry, item] of reading.items) {
    const booking = bookingOf(reading, item);
    if (booking?.state !== 'OFFERED') continue;
    const round = Number(booking.grant);
    if (!offers.get(round)?.has(entry)) yield { entry, round };
  }
  for (const [round, listed] of offers)
    for (const entry of listed) {
      const booking = bookingOf(reading, itemOf(reading, entry));
      const isOut = booking?.state === 'OFFERED' && booking.grant === String(round);
      if (!isOut) yield { entry, round };
    }
}

/** Claims of releases that do not exist, of everybody there is. */
export async function checkStrayClaims(
  { store, pace }: ClaimParts,
  exists: (release: string) => Promise<boolean>,
  entryIdOf: (release: string, person: string) => string,
): Promise<(Found & { readonly release: string })[]> {
  const all: (Found & { release: string })[] = [];
  const known = new Map<string, boolean>();
  const check = async (read: PersonHeld & { person: string }): Promise<void> => {
    const { claim: release, person } = read;
    if (release === '') return;
    const isKnown = known.get(release) ?? (await exists(release));
    if (isKnown) return void known.set(release, true);
    const entry = entryIdOf(release, person);
    const finding = {
      release,
      kind: 'claim-stray',
      where: `entry ${entry}`,
      expected: 'a claim of a release that exists',
      found: `one of ${release}`,
    } as const;
    all.push({ ...finding, mend: { what: 'claim', entry, ...read, release: '' } });
  };
  for await (const some of store.everybody()) {
    for (const one of some) await check(one);
    await pace();
  }
  return all;
}
