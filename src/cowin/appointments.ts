/** What an account's people have and hold, as the surface shows it; and what it does with it. */
import { present } from '../lib/assert.ts';
import type { Secrets } from '../lib/secrets.ts';
import type { BookingService, BookingView } from '../bookings/service.ts';
import type { Slips } from '../bookings/slips.ts';
import type { PeopleService } from '../people/service.ts';
import type { PeopleStore } from '../people/store.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import type { Published, ReleaseService } from '../releases/service.ts';
import { appointmentIdOf, referenceOf, sessionIdOf } from './ids.ts';
import { GENDERS, maskedNumber, PHOTO_IDS, statusText } from './registration.ts';
import type { Scheduler } from './schedule.ts';
import { bandText, dayText, secondsText } from './words.ts';

type Parts = {
  people: PeopleService;
  contacts: Pick<PeopleStore, 'contactsOf'>;
  releases: ReleaseService;
  bookings: BookingService;
  slips: Slips;
  secrets: Secrets;
  place: Scheduler['place'];
};

/** A seat that is held, or offered and not yet given up. */
const HELD: readonly string[] = ['offered', 'booked', 'arrived'];

export type Appointments = ReturnType<typeof createAppointments>;

export function createAppointments(parts: Parts) {
  const { people, contacts, releases, bookings, slips, secrets, place } = parts;

  const held = async (account: string): Promise<BookingView[]> =>
    (await bookings.list(account)).filter(({ state }) => HELD.includes(state));

  const find = async (account: string, id: string): Promise<BookingView | Refusal> =>
    (await held(account)).find((one) => appointmentIdOf(one.bookingId) === id) ??
    refuse('BOOKING_UNKNOWN');

  /** By person. */
  const appointmentsOf = async (account: string): Promise<Map<string, object[]>> => {
    const byPerson = new Map<string, object[]>();
    for (const booking of await held(account)) {
      const found = await releases.published(booking.release);
      if (isRefusal(found)) continue;
      for (const person of booking.beneficiaries)
        byPerson.set(person, [...(byPerson.get(person) ?? []), appointmentView(found, booking)]);
    }
    return byPerson;
  };

  /** The last four digits of an account's mobile; '' where there is nobody to show them beside. */
  const mobileEnd = async (persons: readonly string[]): Promise<string> => {
    const [contact] = await contacts.contactsOf(persons.slice(0, 1));
    return contact ? secrets.decrypt(contact.mobile).slice(-4) : '';
  };

  return {
    /** Every member of each, whether or not there is anything to say. */
    async beneficiaries(account: string) {
      const [listed, appointments] = await Promise.all([
        people.listBeneficiaries(account),
        appointmentsOf(account),
      ]);
      const mobile = await mobileEnd(listed.map(({ beneficiaryId }) => beneficiaryId));
      return listed.map((one) => {
        const doseDate = (dose: number): string => {
          const given = one.doses.find((record) => record.dose === dose);
          return given ? dayText(given.date) : '';
        };
        return {
          beneficiary_reference_id: referenceOf(secrets, one.beneficiaryId),
          name: one.name,
          birth_year: String(one.birthYear),
          gender: present(
            GENDERS.find(({ is }) => is === one.gender),
            one.gender,
          ).gender,
          mobile_number: mobile,
          photo_id_type: present(
            PHOTO_IDS.find(({ is }) => is === one.idType),
            one.idType,
          ).type,
          photo_id_number: maskedNumber(one.idLast4),
          comorbidity_ind: 'N',
          vaccination_status: statusText(one.vaccinationStatus),
          vaccine: one.doses[0]?.vaccine ?? '',
          dose1_date: doseDate(1),
          dose2_date: doseDate(2),
          appointments: appointments.get(one.beneficiaryId) ?? [],
        };
      });
    },

    find,

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
      const to = await place({ ...wish, dose });
      if (isRefusal(to)) return to;
      if (booking.release !== to.places.release) return refuse('NOT_MOVABLE');
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

function slotOf({ manifest, slotNumbers, slotSessions }: Published, id: string) {
  const number = present(slotNumbers.get(id), id);
  const session = present(slotSessions[number], id);
  const centre = present(
    manifest.centres.find((one) => one.centre === session.centre),
    session.centre,
  );
  return { slot: present(manifest.slots[number], id), session, centre };
}

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
