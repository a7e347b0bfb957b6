/** Appointment slips: who may have one, and what stands on it. Knows no HTTP. */
import { present } from '../lib/assert.ts';
import type { Secrets } from '../lib/secrets.ts';
import type { IdType } from '../people/rules.ts';
import type { Beneficiary, PeopleService } from '../people/service.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import type { Manifest } from '../releases/manifest.ts';
import { type Published, type ReleaseService, slotAt } from '../releases/service.ts';
import type { RoundService } from '../rounds/service.ts';
import { securityCodeOf } from './security-code.ts';
import type { BookingService } from './service.ts';
import type { SlipFacts, SlipPerson } from './slip/facts.ts';
import type { SlipPress } from './slip/printer.ts';

type Parts = {
  readonly bookings: Pick<BookingService, 'own' | 'visitOf'>;
  readonly rounds: Pick<RoundService, 'list'>;
  readonly people: Pick<PeopleService, 'listBeneficiaries'>;
  readonly releases: Pick<ReleaseService, 'published'>;
  readonly secrets: Secrets;
  readonly print: SlipPress;
};

const BUSY = 'Many slips wait to be made just now.';

export type Slips = ReturnType<typeof createSlips>;

export function createSlips({ bookings, rounds, people, releases, secrets, print }: Parts) {
  return {
    /** The slip of a booking of the account's people, as PDF. */
    async of(account: string, bookingId: string): Promise<Buffer | Refusal> {
      const ref = await bookings.own(account, bookingId);
      if (isRefusal(ref)) return ref;
      const [found, entries, registered] = await Promise.all([
        releases.published(ref.release),
        rounds.list(account, ref.release),
        people.listBeneficiaries(account),
      ]);
      if (isRefusal(found) || isRefusal(entries)) return refuse('BOOKING_UNKNOWN');
      const entry = entries.find(({ booking }) => booking?.bookingId === bookingId);
      if (!entry?.booking) return refuse('BOOKING_UNKNOWN');
      const { slot, state } = entry.booking;
      const visit = await bookings.visitOf(ref);
      if (visit?.state === 'NO_SHOW')
        return refuse('SLIP_NOT_BOOKED', { extra: { state: 'no-show' } });
      if (state !== 'booked') return refuse('SLIP_NOT_BOOKED', { extra: { state } });
      const persons = entry.beneficiaries.map((person) =>
        present(
          registered.find(({ beneficiaryId }) => beneficiaryId === person),
          'a beneficiary of a booking',
        ),
      );
      const securityCode = securityCodeOf(secrets, bookingId);
      const slip = await print({
        ...appointmentOf(found, slot),
        people: persons.map(personOn),
        bookingId,
        securityCode,
      });
      return slip === 'BUSY' ? refuse('UNAVAILABLE', { detail: BUSY, retryAfterS: 2 }) : slip;
    },
  };
}

function appointmentOf(
  found: Published,
  slotId: string,
): Omit<SlipFacts, 'people' | 'bookingId' | 'securityCode'> {
  const number = present(found.slotNumbers.get(slotId), 'the slot of a booking');
  const { slot, session, centre } = slotAt(found, number);
  const { date, service, dose } = session;
  const { from, to } = slot;
  return {
    title: found.manifest.title,
    service,
    dose,
    centre: centre.name,
    place: placeLines(centre),
    date,
    from,
    to,
  };
}

const IN_DIRECTORY = ['address', 'block_name', 'district_name', 'state_name', 'pincode'] as const;

/** Where a centre is, from what its manifest knows: nothing, where it has no directory. */
export function placeLines(centre: Manifest['centres'][number]): string[] {
  const { directory } = centre as { directory?: Readonly<Record<string, unknown>> | null };
  return IN_DIRECTORY.flatMap((name) => {
    const line = directory?.[name];
    return typeof line === 'string' || typeof line === 'number' ? [String(line)] : [];
  }).filter((line) => line.trim() !== '');
}

const ID_WORDS: Readonly<Record<IdType, string>> = {
  aadhaar: 'Aadhaar',
  'driving-licence': 'Driving licence',
  pan: 'PAN',
  passport: 'Passport',
  'pension-passbook': 'Pension passbook',
  'npr-smart-card': 'NPR smart card',
  'voter-id': 'Voter ID',
};

const personOn = ({ name, birthYear, idType, idLast4 }: Beneficiary): SlipPerson => ({
  name,
  birthYear,
  idType: ID_WORDS[idType],
  idMasked: `XXXX${idLast4}`,
});
