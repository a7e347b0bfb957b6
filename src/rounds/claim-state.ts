/** What a release says of a claim that names it (docs/adr/0004, 0020). */
import type { Secrets } from '../lib/secrets.ts';
import type { ArrivalStore } from '../arrivals/store.ts';
import { bookingId, type BookingRef, unpackBooking } from '../bookings/rules.ts';
import type { ClaimState, ClaimStateOf } from '../people/claims.ts';
import type { PeopleStore } from '../people/store.ts';
import { isRefusal } from '../refusal.ts';
import type { Published, ReleaseService } from '../releases/service.ts';
import { entryIdOf, type EntryState, isMiss, keepsClaim } from './rules.ts';
import type { EntryStanding, RoundStore } from './store.ts';

type StateParts = {
  rounds: RoundStore;
  arrivals: Pick<ArrivalStore, 'markOf' | 'visits'>;
  people: Pick<PeopleStore, 'dosesOf'>;
  releases: ReleaseService;
  secrets: Secrets;
  timeZone: string;
};

const TO_BE_GIVEN: readonly EntryState[] = ['ENTERED', 'SEALED', 'WAITING', 'OFFERED'];

/**
 * What a claim is held against: whether the person's entry in that release, their own or their
 * group's, is still alive.
 */
export function createClaimState(parts: StateParts): ClaimStateOf {
  const { rounds, releases, secrets } = parts;
  return async (release, person) => {
    const found = await releases.published(release);
    if (isRefusal(found)) return 'OVER';
    const entryId = entryIdOf(secrets, release, person);
    const [standing] = await rounds.view(release, [entryId]);
    const reading = await releases.read(release);
    if (!standing || !reading) return 'OVER';
    const { state, group, booking } = standing;
    if (state === 'BOOKED' || state === 'LAPSED') {
      const ref = { release, entry: group[0] ?? entryId, grant: unpackBooking(booking).grant };
      const end =
        state === 'BOOKED'
          ? await endOfBooking(parts, ref, person)
          : await endOfOffer(parts, found, ref, standing);
      if (end) return end;
    }
    // Nothing that a round gives to who was marked can be confirmed (lua/bookings/confirm).
    const isHopeless =
      TO_BE_GIVEN.includes(state) &&
      (await parts.arrivals.markOf({ release, entry: group[0] ?? entryId })) !== null;
    if (isHopeless) return 'OVER';
    return keepsClaim(state, reading.nowMs, found.lastDayEndsAtMs) ? 'LIVE' : 'OVER';
  };
}

/**
 * What a booking was for is over with its dose, and with its day. Nobody can cancel it any more,
 * nor enter here again beside it; and if a change takes it after all, nothing that comes in its
 * place can be confirmed (lua/bookings/confirm).
 */
async function endOfBooking(
  { arrivals, people }: StateParts,
  ref: BookingRef,
  person: string,
): Promise<ClaimState | undefined> {
  const [[doses = []], mark, [visit]] = await Promise.all([
    people.dosesOf([person]),
    arrivals.markOf(ref),
    arrivals.visits([ref]),
  ]);
  if (doses.some((dose) => dose.booking === bookingId(ref))) return 'OVER';
  if (mark !== ref.grant) return undefined;
  return visit?.state === 'NO_SHOW' ? { booking: bookingId(ref), missedAtMs: visit.atMs } : 'OVER';
}

/** As the worker counts it once it has come by (lua/bookings/expire, arrivals/no-shows). */
async function endOfOffer(
  { arrivals, timeZone }: StateParts,
  found: Published,
  ref: BookingRef,
  { booking, confirmByMs }: EntryStanding,
): Promise<ClaimState> {
  const { slot } = unpackBooking(booking);
  const isOne = isMiss(found, slot, confirmByMs, timeZone) && (await arrivals.markOf(ref)) === null;
  return isOne ? { booking: bookingId(ref), missedAtMs: confirmByMs } : 'OVER';
}
