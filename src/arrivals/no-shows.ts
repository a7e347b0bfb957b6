/**
 * Marks who did not come, once the day of a session is over, and counts for each person the seats
 * that they let go to waste: these, and offers that lapsed (lua/bookings/expire leaves them in the
 * same place). Every step can be repeated and be taken by two workers at once.
 */
import { bookingId, unpackBooking } from '../bookings/rules.ts';
import { present } from '../lib/assert.ts';
import { msFromIso } from '../lib/clock.ts';
import { dayBoundsMs } from '../lib/days.ts';
import { MISS_TERMS } from '../people/rules.ts';
import type { PeopleStore } from '../people/store.ts';
import { isRefusal } from '../refusal.ts';
import { type ReleaseReading, stateOf } from '../releases/rules.ts';
import type { Published, ReleaseService } from '../releases/service.ts';
import { isMiss } from '../rounds/rules.ts';
import { placeOn } from './rules.ts';
import type { Absent, ArrivalStore } from './store.ts';

/** Nothing comes of a release this long after its last day and its last offer's deadline. */
const AFTERWARDS_MS = 7 * 86_400_000;
const OVER = 'OVER';

type Parts = {
  store: ArrivalStore;
  people: Pick<PeopleStore, 'countMiss'>;
  releases: ReleaseService;
  /** IANA name. */
  timeZone: string;
  onNoShows?: (count: number) => void;
};

/** Sees to one release. OVER: there is nothing left to see to, now or ever. */
export type Attendance = (release: string, signal?: AbortSignal) => Promise<'OVER' | 'LATER'>;

export function createAttendance(parts: Parts): Attendance {
  const { store, releases, timeZone } = parts;
  return async (release, signal) => {
    const markedTo = await store.attendance(release);
    if (markedTo === OVER) return OVER;
    const [found, reading] = await Promise.all([
      releases.published(release),
      releases.read(release),
    ]);
    if (isRefusal(found) || !reading) return 'LATER'; // listed, about to be published
    const { nowMs } = reading;
    const dates = found.dates.filter((date) => date > markedTo);
    const past = dates.filter((date) => dayBoundsMs(date, timeZone).untilMs <= nowMs);
    if (past.length > 0) {
      const isDone = await mark(parts, found, new Set(past), signal);
      if (!isDone) return 'LATER';
      await store.setAttendance(release, present(past.at(-1), 'a date'));
    }
    await countMissed(parts, found, signal);
    const isPast = past.length === dates.length && nowMs > overAtMs(found);
    if (!isPast || signal?.aborted || (await isUnsettled(store, release, reading))) return 'LATER';
    await store.setAttendance(release, OVER);
    return OVER;
  };
}

function overAtMs({ manifest, lastDayEndsAtMs }: Published): number {
  const confirmWithinMs = manifest.mode === 'lottery' ? manifest.confirm_within_s * 1000 : 0;
  const lastOfferMs = msFromIso(manifest.ends_at) + confirmWithinMs;
  return Math.max(lastDayEndsAtMs, lastOfferMs) + AFTERWARDS_MS;
}

/** Whether a round may still give, or offers of one still lapse, however late that is. */
async function isUnsettled(
  store: ArrivalStore,
  release: string,
  reading: ReleaseReading,
): Promise<boolean> {
  if (stateOf(reading) !== 'ended' || reading.phase === 'DRAWING') return true;
  const unexpired = await store.unexpiredRound(release);
  return unexpired !== undefined && unexpired <= reading.published;
}

/**
 * Looks through all bookings of a release for those of these dates whose people did not come, a
 * batch at a time; only where anybody was said to have come: a centre that says it of nobody
 * punishes nobody. Whether it came to the end.
 */
async function mark(
  { store, timeZone, onNoShows }: Parts,
  found: Published,
  dates: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { manifest, slotSessions } = found;
  const attended = await store.attended(manifest.release);
  const missedAtMs = found.slotSessions.map((session) =>
    dates.has(session.date) && attended.has(placeOn(session))
      ? dayBoundsMs(session.date, timeZone).untilMs
      : undefined,
  );
  if (missedAtMs.every((time) => time === undefined)) return true;
  let cursor = '0';
  do {
    if (signal?.aborted) return false;
    const { next, bookings } = await store.someBookings(manifest.release, cursor);
    const absent = bookings.flatMap(([entry, packed]): Absent[] => {
      const { state, grant, slot } = unpackBooking(packed);
      present(slotSessions[slot], 'the session of a booking');
      const missed = missedAtMs[slot];
      return state === 'BOOKED' && missed !== undefined
        ? [{ entry, grant, slot, missedAtMs: missed }]
        : [];
    });
    const count = absent.length === 0 ? 0 : await store.markNoShows(manifest.release, absent);
    if (count > 0) onNoShows?.(count);
    cursor = next;
  } while (cursor !== '0');
  return true;
}

/** For each person once, under the booking's id, however often this is tried. */
async function countMissed(
  { store, people, timeZone }: Parts,
  found: Published,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { release } = found.manifest;
  for (;;) {
    const missed = signal?.aborted ? [] : await store.someMissed(release);
    if (missed.length === 0) return;
    await Promise.all(
      missed.flatMap(({ seat, missedAtMs, persons, offered }) => {
        if (offered !== undefined && !isMiss(found, offered, missedAtMs, timeZone)) return [];
        const [entry = '', grant = ''] = seat.split('.');
        const miss = { booking: bookingId({ release, entry, grant }), missedAtMs };
        return persons.map((person) => people.countMiss(person, miss, MISS_TERMS));
      }),
    );
    await store.forgetMissed(release, missed);
  }
}
