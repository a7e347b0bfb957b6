/**
 * One step of a release's rounds, as a worker takes it: let offers lapse, draw what is due, tell
 * whom it concerns. Every step can be repeated: a worker that dies anywhere is replaced by another,
 * which gets the same bytes, and one that was overtaken is stopped by the fence in rounds/stage and
 * rounds/publish.
 */
import type { Log } from '../log.ts';
import { present } from '../lib/assert.ts';
import type { BookingStore } from '../bookings/store.ts';
import type { OnFault } from '../outage.ts';
import { isRefusal } from '../refusal.ts';
import type { LotteryManifest } from '../releases/manifest.ts';
import type { Published, ReleaseService } from '../releases/service.ts';
import type { Beacon } from './beacon/beacon.ts';
import { createDrawing, type Step } from './drawing.ts';
import type { DrawingStore } from './drawing-store.ts';
import type { RoundStore } from './store.ts';

/** Whom a round concerns. */
export type Concerned = {
  readonly round: number;
  /** Entries whose offer of this round is unanswered. */
  readonly offered: readonly string[];
  /** Packed bookings that people held until this round took them, by entry. */
  readonly displaced: Readonly<Record<string, string>>;
};

type Parts = {
  store: RoundStore;
  drawing: DrawingStore;
  bookings: BookingStore;
  releases: ReleaseService;
  beaconOf: (manifest: LotteryManifest) => Beacon;
  /** Called once a round is published; may be called again after a crash. */
  notify: (found: Published, concerned: Concerned) => Promise<void>;
  log: Log;
  /** Hears why somebody was not told. */
  onFault: OnFault;
  /** Called as each phase of a round is over; phases are few and have fixed names. */
  onPhase?: (phase: string, ms: number) => void;
};

/** How long to wait before looking again when nothing says when. */
const IDLE_MS = 1_000;
const IDLE: Step = { step: 'WAITING', waitMs: IDLE_MS };

export type Conductor = {
  readonly step: (release: string) => Promise<Step>;
  /** Lets go of what is kept for the next step, which then reads it of Redis. */
  readonly forget: (release: string) => void;
};

export function createConductor(parts: Parts): Conductor {
  const drawing = createDrawing(parts);

  /** Takes the step that is due for a release, if this process leads it. */
  const step = async (release: string): Promise<Step> => {
    const found = await parts.releases.published(release);
    if (isRefusal(found)) return IDLE; // listed, about to be published
    const { manifest } = found;
    if (manifest.mode !== 'lottery') return { step: 'OVER' };
    let expiry = await expireOffers(parts.bookings, release);
    let cut = await parts.drawing.cut(release);
    for (; cut.outcome === 'EXPIRE_FIRST'; cut = await parts.drawing.cut(release))
      expiry = await expireOffers(parts.bookings, release);
    if (cut.outcome === 'DRAWING') return drawing.step(manifest, cut);
    await notifyConcerned(parts, found);
    if (cut.outcome === 'NOT_DUE')
      return { step: 'WAITING', waitMs: Math.min(cut.waitMs, IDLE_MS) };
    if (cut.outcome !== 'ENDED' || expiry !== 'NONE_OUT') return IDLE;
    drawing.forget(release);
    return { step: 'OVER' };
  };
  return { step, forget: drawing.forget };
}

/**
 * Tells whom it concerns of rounds that were published and not told. It never holds up a round.
 */
async function notifyConcerned(
  { store, drawing, releases, notify, onFault }: Parts,
  found: Published,
): Promise<void> {
  const { release } = found.manifest;
  const reading = present(await releases.read(release), `state of ${release}`);
  for (let round = (await store.notified(release)) + 1; round <= reading.published; round++) {
    try {
      const [offered, displaced] = await Promise.all([
        store.openOffers(release, round),
        drawing.displaced(release, round),
      ]);
      await notify(found, { round, offered, displaced });
    } catch (error) {
      onFault(error, 'a result was not told and is told again', { release, round });
      return;
    }
    await drawing.forgetDisplaced(release, round);
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
