/**
 * One step of a release's rounds, as a worker takes it: let offers lapse, seal what is due, draw
 * it, publish it, tell the winners. Every step can be repeated: a worker that dies anywhere is
 * replaced by another, which gets the same bytes, and one that was overtaken is stopped by the
 * fence in rounds/stage and rounds/publish.
 */
import type { Log } from '../log.ts';
import { assert, present } from '../lib/assert.ts';
import { isoFromMs, monotonicMs } from '../lib/clock.ts';
import { jcs } from '../lib/jcs.ts';
import { packOffer } from '../bookings/rules.ts';
import type { BookingStore } from '../bookings/store.ts';
import { isRefusal } from '../refusal.ts';
import type { LotteryManifest } from '../releases/manifest.ts';
import type { ReleaseService } from '../releases/service.ts';
import { type Beacon, beaconProblem } from './beacon.ts';
import { drawRound, type Offer } from './draw.ts';
import { buildEntryTable, type EntryRow } from './entry-table.ts';
import { createLedger, inOrder, type Ledger, type Since } from './ledger.ts';
import { unpackEntry } from './rules.ts';
import { sealRound, seedOf } from './seal.ts';
import type { DrawingStore } from './drawing-store.ts';
import type { RoundStore } from './store.ts';
import { finishRound } from './transcript.ts';
import { isMismatch, replay } from './replay.ts';

export type Step =
  /** Nothing to do before `waitMs`. */
  | { readonly step: 'WAITING'; readonly waitMs: number }
  | { readonly step: 'PUBLISHED'; readonly round: number; readonly digest: string }
  /** The beacon has no value yet, or another worker finished the round. */
  | { readonly step: 'AGAIN' }
  /** No round and no expiry will ever be due again. */
  | { readonly step: 'OVER' };

type Parts = {
  store: RoundStore;
  drawing: DrawingStore;
  bookings: BookingStore;
  releases: ReleaseService;
  beaconOf: (manifest: LotteryManifest) => Beacon;
  /** Called with the winners of a round once it is published; may be called again after a crash. */
  notify: (manifest: LotteryManifest, entryIds: readonly string[]) => Promise<void>;
  log: Log;
};

/** How long to wait before looking again when nothing says when. */
const IDLE_MS = 1_000;
const IDLE: Step = { step: 'WAITING', waitMs: IDLE_MS };

export type Conductor = { readonly step: (release: string) => Promise<Step> };

export function createConductor(parts: Parts): Conductor {
  const ledgers = keepLedgers(parts.store);

  /** Takes the step that is due for a release, if this process leads it. */
  const step = async (release: string): Promise<Step> => {
    const found = await parts.releases.published(release);
    if (isRefusal(found)) return IDLE; // listed, about to be published
    const { manifest } = found;
    if (manifest.mode !== 'lottery') return { step: 'OVER' };
    const expiry = await expireOffers(parts.bookings, release);
    const cut = await parts.drawing.cut(release);
    if (cut.outcome === 'DRAWING') return drawAndPublish(parts, ledgers, manifest, cut);
    await notifyWinners(parts, manifest);
    if (cut.outcome === 'NOT_DUE')
      return { step: 'WAITING', waitMs: Math.min(cut.waitMs, IDLE_MS) };
    return cut.outcome === 'ENDED' && expiry === 'NONE_OUT' ? { step: 'OVER' } : IDLE;
  };
  return { step };
}

type Ledgers = {
  /** The ledger before a round: at hand, or rebuilt from the transcripts of the rounds before. */
  readonly before: (manifest: LotteryManifest, round: number) => Promise<Ledger>;
  /** Keeps a ledger once the round that changed it is published. */
  readonly keep: (ledger: Ledger) => void;
};

function keepLedgers(store: RoundStore): Ledgers {
  const kept = new Map<string, Ledger>();
  const before = async (manifest: LotteryManifest, round: number): Promise<Ledger> => {
    const held = kept.get(manifest.release);
    kept.delete(manifest.release); // it is about to change, and the round may fail
    if (held?.nextRound === round) return held;
    const ledger = createLedger(manifest);
    for (let past = 0; past < round; past++) {
      const replayed = await replay(ledger, store.transcript(manifest.release, past));
      assert(
        !isMismatch(replayed),
        `the transcript of round ${past} of ${manifest.release} is damaged`,
      );
    }
    return ledger;
  };
  return { before, keep: (ledger) => void kept.set(ledger.manifest.release, ledger) };
}

/** Seals, draws and publishes the round that was cut, or the same once more after somebody's crash. */
async function drawAndPublish(
  { drawing, beaconOf, log }: Parts,
  ledgers: Ledgers,
  manifest: LotteryManifest,
  { round, sealedAtMs }: { readonly round: number; readonly sealedAtMs: number },
): Promise<Step> {
  const { release } = manifest;
  const startedMs = monotonicMs();
  const [ledger, sealed, happened] = await Promise.all([
    ledgers.before(manifest, round),
    drawing.sealedEntries(release),
    drawing.sealedHappenings(release),
  ]);
  const table = buildEntryTable(manifest, entryRows(sealed));
  const since = sinceOf(happened);
  const seal = sealRound({ ledger, table, since, sealedAt: isoFromMs(sealedAtMs) });
  if (!(await drawing.writeSeal(release, round, jcs(seal)))) return { step: 'AGAIN' };
  const beacon = await beaconOf(manifest).value(seal.beacon);
  if (beacon === 'NOT_YET') return { step: 'AGAIN' };
  // A value that no verifier would accept must never be published: it could not be taken back.
  const problem = beaconProblem(manifest.beacon, seal.beacon, ledger.previousBeacon, beacon);
  assert(problem === undefined, `the beacon of ${release} is wrong: ${problem}`);

  const drawn = drawRound({ ledger, table, since, seed: seedOf(manifest.beacon, seal, beacon) });
  const finished = await finishRound({ ledger, table, since, seal, beacon, drawn });
  const published = await publish(drawing, release, round, drawn.offers, finished);
  if (!published) return { step: 'AGAIN' };
  ledgers.keep(ledger);
  const { digest } = finished;
  const counts = { entries: table.count, offers: drawn.offers.length };
  const tookMs = Math.round(monotonicMs() - startedMs);
  log.info({ release, round, digest, ...counts, tookMs }, 'round published');
  return { step: 'PUBLISHED', round, digest };
}

/** Stages all results of a round, then flips. False when another worker did so before. */
async function publish(
  drawing: DrawingStore,
  release: string,
  round: number,
  offers: readonly Offer[],
  { record, digest, transcript }: Awaited<ReturnType<typeof finishRound>>,
): Promise<boolean> {
  const bookings = offers.map((offer) => [offer.entry, packOffer(round, offer)] as const);
  const ids = offers.map(({ entry }) => entry);
  const staged =
    (await drawing.stageBookings(release, round, bookings)) &&
    (await drawing.stageOffers(release, round, ids)) &&
    (await drawing.stageTranscript(release, round, transcript));
  if (!staged) return false;
  const result = { record: jcs(record), digest, given: seatsGiven(offers) };
  const { outcome } = await drawing.publish(release, round, result);
  assert(outcome !== 'SEATS_SHORT', `round ${round} of ${release} gave a seat that is not free`);
  return outcome === 'PUBLISHED';
}

/** Tells the winners of rounds that were published and not told. It never holds up a round. */
async function notifyWinners(
  { store, releases, notify, log }: Parts,
  manifest: LotteryManifest,
): Promise<void> {
  const { release } = manifest;
  const reading = present(await releases.read(release), `state of ${release}`);
  for (let round = (await store.notified(release)) + 1; round <= reading.published; round++) {
    try {
      await notify(manifest, await store.openOffers(release, round));
    } catch (error) {
      log.error({ err: error, release, round }, 'winners were not told and are told again');
      return;
    }
    await store.markNotified(release, round);
  }
}

/** Lets every offer lapse whose deadline has passed. */
async function expireOffers(
  bookings: BookingStore,
  release: string,
): Promise<'NONE_OUT' | 'NOT_DUE'> {
  let round = 0;
  for (;;) {
    const reply = await bookings.expire(release, round);
    if (reply.outcome === 'NONE_OUT' || reply.outcome === 'NOT_DUE') return reply.outcome;
    if (reply.outcome === 'OTHER_ROUND') round = reply.round;
  }
}

const entryRows = (sealed: ReadonlyMap<string, string>): EntryRow[] =>
  Array.from(sealed, ([entry, packed]) => {
    const { persons, prefs, categories } = unpackEntry(packed);
    return { entry, size: persons.length, prefs, categories };
  });

/** `<word> <entry id>` lines, sorted into the lists of a round record. */
function sinceOf(happened: readonly string[]): Since {
  const of = (word: string): string[] =>
    happened
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => line.slice(word.length + 1));
  return inOrder({
    cancelled: of('cancelled'),
    closed: [],
    expired: of('expired'),
    lost: [],
    withdrawn: of('withdrawn'),
  });
}

/** Seats given by field of the seats hash. */
function seatsGiven(offers: readonly Offer[]): [field: string, seats: number][] {
  const given = new Map<string, number>();
  for (const { slot, pool, size } of offers) {
    const field = `${slot}/${pool}`;
    given.set(field, (given.get(field) ?? 0) + size);
  }
  return [...given];
}
