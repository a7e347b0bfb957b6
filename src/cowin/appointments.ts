/** An account's appointments as the surface shows them, and what it does with them. */
import { present } from '../lib/assert.ts';
import type { BookingService, BookingView } from '../bookings/service.ts';
import type { Slips } from '../bookings/slips.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import { type Published, type ReleaseService, slotAt } from '../releases/service.ts';
import { appointmentIdOf, sessionIdOf } from './ids.ts';
import type { Scheduler } from './schedule.ts';
import { bandText, dayText, secondsText } from './words.ts';

type Parts = {
  releases: ReleaseService;
  bookings: BookingService;
  slips: Slips;
  places: Scheduler['places'];
};

/** A seat that is held, or offered and not yet given up. */
const HELD: readonly string[] = ['offered', 'booked', 'arrived'];

export type AppointmentView = ReturnType<typeof appointmentView>;
export type Appointments = ReturnType<typeof createAppointments>;

export function createAppointments({ releases, bookings, slips, places }: Parts) {
  const held = async (account: string): Promise<BookingView[]> =>
    (await bookings.list(account)).filter(({ state }) => HELD.includes(state));

  const find = async (account: string, id: string): Promise<BookingView | Refusal> =>
    (await held(account)).find((one) => appointmentIdOf(one.bookingId) === id) ??
    refuse('BOOKING_UNKNOWN');

  return {
    /** Of each person. */
    byPerson: async (account: string): Promise<Map<string, AppointmentView[]>> => {
      const views = new Map<string, AppointmentView[]>();
      for (const booking of await held(account)) {
        const found = await releases.published(booking.release);
        if (isRefusal(found)) continue;
        const view = appointmentView(found, booking);
        for (const person of booking.beneficiaries)
          views.set(person, [...(views.get(person) ?? []), view]);
      }
      return views;
    },

    /** Exchanges a seat that was booked at once for one in another slot of the release. */
    async reschedule(
      account: string,
      id: string,
      wish: { readonly session: string; readonly slot: string },
    ): Promise<'MOVED' | Refusal> {
      const booking = await find(account, id);
      if (isRefusal(booking)) return booking;
      const found = await releases.published(booking.release);
      if (isRefusal(found)) return found;
      const { dose } = slotOf(found, booking.slot).session;
      const named = await places({ ...wish, dose });
      if (isRefusal(named)) return named;
      const to = named.find((one) => one.places.release === booking.release);
      if (!to) return refuse('NOT_MOVABLE');
      return bookings.move(account, booking.bookingId, to.slotNumber);
    },

    /**
     * As PDF. Whoever fetches the slip of what they were offered takes it: clients of the surface
     * have no other word for it.
     */
    async slip(account: string, id: string): Promise<Buffer | Refusal> {
      const booking = await find(account, id);
      if (isRefusal(booking)) return booking;
      const { bookingId, state } = booking;
      const taken = state === 'offered' ? await bookings.confirm(account, bookingId) : booking;
      return isRefusal(taken) ? taken : slips.of(account, bookingId);
    },

    /**
     * Gives an appointment back. `persons`: all whom it is for, since who was given a seat together
     * gives it back together.
     */
    async cancel(
      account: string,
      id: string,
      persons: readonly string[],
    ): Promise<'CANCELLED' | Refusal> {
      const booking = await find(account, id);
      if (isRefusal(booking)) return booking;
      const named = new Set(persons);
      const isWhole = booking.beneficiaries.every((person) => named.has(person));
      if (!isWhole || named.size !== booking.beneficiaries.length) return refuse('NOT_CANCELLABLE');
      return bookings.cancel(account, booking.bookingId);
    },
  };
}

const slotOf = (published: Published, id: string) =>
  slotAt(published, present(published.slotNumbers.get(id), id));

function appointmentView(
  published: Published,
  { bookingId, release, slot: slotId, state, confirmBy }: BookingView,
) {
  const { slot, session, centre } = slotOf(published, slotId);
  const { directory } = centre;
  return {
    appointment_id: appointmentIdOf(bookingId),
    center_id: directory ? Number(centre.centre) : 0,
    name: centre.name,
    state_name: directory?.state_name ?? '',
    district_name: directory?.district_name ?? '',
    block_name: directory?.block_name ?? '',
    from: directory ? secondsText(directory.from) : '',
    to: directory ? secondsText(directory.to) : '',
    dose: session.dose,
    session_id: sessionIdOf(release, session),
    date: dayText(session.date),
    slot: bandText(slot),
    fairslot: { bookingId, state, confirmBy },
  };
}
