/** Checks releases against themselves: seats, bookings, entries, claims, charges, audit, rounds. */
import { monotonicMs } from '../lib/clock.ts';
import type { Secrets } from '../lib/secrets.ts';
import type { ArrivalStore } from '../arrivals/store.ts';
import type { Claims } from '../people/claims.ts';
import { isRefusal, type Refusal } from '../refusal.ts';
import type { Published, ReleaseService } from '../releases/service.ts';
import { entryIdOf } from '../rounds/rules.ts';
import type { RoundStore } from '../rounds/store.ts';
import { createAuditReplay } from './audit.ts';
import { checkClaims, checkStrayClaims, offersToLookAt } from './claims.ts';
import { type Counts, countsOf, type Finding, type Found, type Kind } from './findings.ts';
import { compareLedger } from './ledger.ts';
import { mendAll, mendClaim } from './mend.ts';
import { readRelease } from './reader.ts';
import { checkRounds, verifyRounds } from './rounds.ts';
import type { Context } from './rules.ts';
import {
  atOnce,
  type OfferWord,
  type Pace,
  RECONCILE_LIMITS,
  type ReconcileStore,
} from './store.ts';

type Parts = {
  readonly store: ReconcileStore;
  readonly rounds: Pick<RoundStore, 'transcript'>;
  readonly arrivals: Pick<ArrivalStore, 'attendance'>;
  readonly releases: ReleaseService;
  readonly claims: Pick<Claims, 'stateOf'>;
  readonly secrets: Secrets;
};

export type Wishes = {
  /** Recompute all published rounds, and hold what stands against what they lead to. */
  readonly verify?: boolean;
  /** Mend what is provably safe to mend. */
  readonly repair?: boolean;
  readonly pace?: Pace;
  readonly onStep?: () => void;
  /** Its reason is thrown where it tells to stop. */
  readonly signal?: AbortSignal;
};

export type Reported = Finding & { readonly repaired: boolean };

export type ReleaseReport = {
  readonly release: string;
  /** False where a round came between each time that it was read: nothing is known then. */
  readonly isComplete: boolean;
  /** Entry ids that it holds something of. */
  readonly entries: number;
  readonly rounds: number;
  /** As many as are listed (docs/limits.md); `counts` has all of them. */
  readonly findings: readonly Reported[];
  /** Of all that was found and not mended. */
  readonly counts: Counts;
  readonly ms: number;
};

export type RunReport = {
  readonly releases: readonly ReleaseReport[];
  /** Of people whose claim is of no release. */
  readonly strays: readonly Reported[];
  readonly counts: Counts;
  readonly isComplete: boolean;
  /** Releases of which nothing is known, since rounds came between again and again. */
  readonly incomplete: number;
  readonly ms: number;
};

export type Reconciler = ReturnType<typeof createReconciler>;

export function createReconciler(parts: Parts) {
  const { store, releases } = parts;

  const release = async (id: string, wishes: Wishes = {}): Promise<ReleaseReport | Refusal> => {
    const found = await releases.published(id);
    return isRefusal(found) ? found : checkRelease(parts, found, wishes);
  };

  /** Those of which something may still come. */
  const living = async (): Promise<string[]> => {
    const all = await releases.all();
    const attended = await Promise.all(all.map((one) => parts.arrivals.attendance(one)));
    return all.filter((_one, at) => attended[at] !== 'OVER');
  };

  /** All releases that are not long over. `worker`: who has the lease; '' for nobody. */
  const all = async (wishes: Wishes = {}, worker = ''): Promise<RunReport> => {
    const startMs = monotonicMs();
    const reports: ReleaseReport[] = [];
    for (const id of await living()) {
      const report = await release(id, wishes);
      if (!isRefusal(report)) reports.push(report); // listed, about to be published
    }
    const strays = await checkStrays(parts, wishes);
    const counts = sumOf([
      ...reports.map((report) => report.counts),
      countsOf(strays.flatMap(({ kind, repaired }) => (repaired ? [] : [kind]))),
    ]);
    const ms = Math.round(monotonicMs() - startMs);
    const incomplete = reports.filter((report) => !report.isComplete).length;
    // One that is too busy to be read must not hide what was found in the others.
    await store.finish(worker, ms, JSON.stringify(counts));
    return { releases: reports, strays, counts, isComplete: incomplete === 0, incomplete, ms };
  };

  return { release, all, last: store.last, lead: store.lead };
}

const sumOf = (many: readonly Counts[]): Record<Kind, number> => {
  const sum = countsOf([]);
  for (const counts of many)
    for (const kind of Object.keys(sum) as Kind[]) sum[kind] += counts[kind];
  return sum;
};

/** Ends a run at its next step once it is to stop. */
function pacedBy({ pace = atOnce, signal }: Wishes): Pace {
  return async () => {
    await pace();
    signal?.throwIfAborted();
  };
}

async function checkRelease(
  parts: Parts,
  { manifest, hash, lastDayEndsAtMs }: Published,
  wishes: Wishes,
): Promise<ReleaseReport> {
  const { store, secrets } = parts;
  const { release } = manifest;
  const startMs = monotonicMs();
  const pace = pacedBy(wishes);
  const told = createAuditReplay(manifest.mode === 'lottery' && manifest.series !== null);
  const reader = { store, pace, ...(wishes.onStep && { onStep: wishes.onStep }) };
  const read = await readRelease(reader, manifest, told, {
    entryIdOf: (person) => entryIdOf(secrets, release, person),
    manifestHash: hash,
    lastDayEndsAtMs,
  });
  const ms = (): number => Math.round(monotonicMs() - startMs);
  const nothing = { release, entries: 0, rounds: 0, findings: [], counts: countsOf([]) };
  if (!read) return { ...nothing, isComplete: false, ms: ms() };
  const { context } = read;
  // Of one that retention cleared only what is published is left (docs/retention.md).
  const found: Found[] = (await store.isCleared(release))
    ? await checkPublished(parts, context, wishes, pace)
    : [...read.found, ...(await checkFurther(parts, context, wishes, pace))];
  const mended = wishes.repair
    ? await mendAll({ store, rounds: parts.rounds, pace }, context, found)
    : new Set<Found>();
  return {
    release,
    isComplete: true,
    entries: context.reading.items.size,
    rounds: context.reading.instant.published + 1,
    findings: found
      .slice(0, RECONCILE_LIMITS.listed)
      .map((one) => reported(release, one, mended.has(one))),
    counts: countsOf(found.flatMap((one) => (mended.has(one) ? [] : [one.kind]))),
    ms: ms(),
  };
}

const reported = (
  release: string,
  { kind, where, expected, found }: Found,
  repaired: boolean,
): Reported => ({ release, kind, where, expected, found, repaired });

async function checkPublished(
  { store, rounds }: Parts,
  context: Context,
  { verify }: Wishes,
  pace: Pace,
): Promise<Found[]> {
  const found = await checkRounds({ store, rounds, pace }, context);
  if (!verify || context.reading.instant.published < 0) return found;
  return [...found, ...(await verifyRounds({ store, rounds, pace }, context)).found];
}

/** What is held against more than the reading: each of these is looked at twice by itself. */
async function checkFurther(
  { store, rounds, claims }: Parts,
  context: Context,
  wishes: Wishes,
  pace: Pace,
): Promise<Found[]> {
  const found: Found[] = [];
  for (const offer of offersToLookAt(context.reading))
    found.push(...(await checkOffer(store, context, offer)));
  found.push(...(await checkClaims({ store, stateOf: claims.stateOf, pace }, context)));
  found.push(...(await checkRounds({ store, rounds, pace }, context)));
  if (wishes.verify && context.reading.instant.published >= 0) {
    const verified = await verifyRounds({ store, rounds, pace }, context);
    found.push(...verified.found);
    if (verified.ledger) found.push(...compareLedger(verified.ledger, context.reading));
  }
  return found;
}

const OFFER_KINDS: Readonly<Partial<Record<OfferWord, [Kind, string, string]>>> = {
  STALE: ['offer-stale', 'no such offer listed', 'listed'],
  UNLISTED: ['offer-unlisted', 'listed, so that it expires', 'not listed'],
  OVERLOOKED: ['offer-unlisted', 'of a round that is looked at', 'of one that is not'],
};

async function checkOffer(
  store: ReconcileStore,
  { reading }: Context,
  { entry, round }: { readonly entry: string; readonly round: number },
): Promise<Found[]> {
  const { release } = reading.manifest;
  const first = await store.offer(release, entry, round, 'LOOK');
  if (first === 'RIGHT' || (await store.offer(release, entry, round, 'LOOK')) !== first) return [];
  const means = OFFER_KINDS[first];
  if (!means) return [];
  const [kind, expected, found] = means;
  const finding: Found = { kind, where: `entry ${entry}, round ${round}`, expected, found };
  return [first === 'OVERLOOKED' ? finding : { ...finding, mend: { what: 'offer', entry, round } }];
}

async function checkStrays(
  { store, claims, releases, secrets }: Parts,
  wishes: Wishes,
): Promise<Reported[]> {
  const found = await checkStrayClaims(
    { store, stateOf: claims.stateOf, pace: pacedBy(wishes) },
    async (release) => !isRefusal(await releases.published(release)),
    (release, person) => entryIdOf(secrets, release, person),
  );
  const all: Reported[] = [];
  for (const { release, ...one } of found) {
    const { mend } = one;
    const isMended =
      wishes.repair === true && mend?.what === 'claim' && (await mendClaim(store, release, mend));
    all.push(reported(release, one, isMended));
  }
  return all;
}
