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
import type { Beacon } from './beacon.ts';
import { drawRound, type Offer } from './draw.ts';
import { buildEntryTable, type EntryRow } from './entry-table.ts';
import { createLedger, inOrder, type Ledger, type Since } from './ledger.ts';
import { unpackEntry } from './rules.ts';
import { sealRound, seedOf } from './seal.ts';
import type { RoundStore } from './store.ts';
import { finishRound } from './transcript.ts';
import { replay } from './verify.ts';

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
  bookings: BookingStore;
  releases: ReleaseService;
  beaconOf: (manifest: LotteryManifest) => Beacon;
  /** Called with the winners of a round once it is published; may be called again after a crash. */
  notify: (manifest: LotteryManifest, entryIds: readonly string[]) => Promise<void>;
  log: Log;
};

/** How long to wait before looking again when nothing says when. */
const IDLE_MS = 1_000;

export type Conductor = ReturnType<typeof createConductor>;

export function createConductor(parts: Parts) {
  const { store, bookings, releases, log } = parts;
  /**
   * Ledgers after the last published round; rebuilt from the transcripts when they are not at hand.
   */
  const ledgers = new Map<string, Ledger>();

  const ledgerBefore = async (manifest: LotteryManifest, round: number): Promise<Ledger> => {
    const kept = ledgers.get(manifest.release);
    ledgers.delete(manifest.release); // it changes while it is used: kept again once the round is published
    if (kept?.nextRound === round) return kept;
    const ledger = createLedger(manifest);
    for (let past = 0; past < round; past++)
      await replay(ledger, store.transcript(manifest.release, past));
    return ledger;
  };

  const drawAndPublish = async (
    manifest: LotteryManifest,
    round: number,
    sealedAtMs: number,
  ): Promise<Step> => {
    const { release } = manifest;
    const startedMs = monotonicMs();
    const ledger = await ledgerBefore(manifest, round);
    const [sealed, happened] = await Promise.all([
      store.sealedEntries(release),
      store.sealedHappenings(release),
    ]);
    const table = buildEntryTable(manifest, entryRows(sealed));
    const since = sinceOf(happened);
    const seal = sealRound({ ledger, table, since, sealedAt: isoFromMs(sealedAtMs) });
    if (!(await store.writeSeal(release, round, jcs(seal)))) return { step: 'AGAIN' };
    const beacon = await parts.beaconOf(manifest).value(seal);
    if (beacon === 'NOT_YET') return { step: 'AGAIN' };

    const drawn = drawRound({ ledger, table, since, seed: seedOf(seal, beacon) });
    const { record, digest, transcript } = await finishRound({
      ledger,
      table,
      since,
      seal,
      beacon,
      drawn,
    });
    const staged =
      (await store.stageBookings(
        release,
        round,
        drawn.offers.map((offer) => [offer.entry, packOffer(round, offer)]),
      )) &&
      (await store.stageOffers(
        release,
        round,
        drawn.offers.map(({ entry }) => entry),
      )) &&
      (await store.stageTranscript(release, round, transcript));
    if (!staged) return { step: 'AGAIN' };
    const published = await store.publish(release, round, {
      record: jcs(record),
      digest,
      given: seatsGiven(drawn.offers),
    });
    if (published.outcome === 'NOT_DRAWING') return { step: 'AGAIN' };
    assert(
      published.outcome === 'PUBLISHED',
      `round ${round} of ${release} gave a seat that is not free`,
    );
    ledgers.set(release, ledger);
    const tookMs = Math.round(monotonicMs() - startedMs);
    log.info(
      { release, round, digest, entries: table.count, offers: drawn.offers.length, tookMs },
      'round published',
    );
    return { step: 'PUBLISHED', round, digest };
  };

  /**
   * Tells the winners of published rounds that were not told; most of the time there is nothing to
   * do.
   */
  const notifyWinners = async (manifest: LotteryManifest, published: number): Promise<void> => {
    const { release } = manifest;
    for (let round = (await store.notified(release)) + 1; round <= published; round++) {
      await parts.notify(manifest, await store.openOffers(release, round));
      await store.markNotified(release, round);
    }
  };

  return {
    /** Takes the step that is due for a release, if this process leads it. */
    async step(release: string): Promise<Step> {
      const found = await releases.published(release);
      if (isRefusal(found)) return { step: 'WAITING', waitMs: IDLE_MS }; // listed, about to be published
      const { manifest } = found;
      if (manifest.mode !== 'lottery') return { step: 'OVER' };
      const reading = present(await releases.read(release), `state of ${release}`);
      await notifyWinners(manifest, reading.published);
      const expiry = await expireOffers(bookings, release);
      const cut = await store.cut(release);
      switch (cut.outcome) {
        case 'DRAWING':
          return drawAndPublish(manifest, cut.round, cut.sealedAtMs);
        case 'NOT_DUE':
          return { step: 'WAITING', waitMs: Math.min(cut.waitMs, IDLE_MS) };
        case 'NOTHING_NEW':
          return { step: 'WAITING', waitMs: IDLE_MS };
        case 'ENDED':
          return expiry === 'NONE_OUT' ? { step: 'OVER' } : { step: 'WAITING', waitMs: IDLE_MS };
      }
    },
  };
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
