/**
 * The day of a session: who came, proved by the security code of their booking, and what they were
 * given. A centre cannot say of anybody that they were there who did not tell it their code.
 */
import { randomUUID } from 'node:crypto';
import { bookingId, parseBookingId, unpackBooking, type BookingRef } from '../bookings/rules.ts';
import { securityCodeOf } from '../bookings/security-code.ts';
import { present } from '../lib/assert.ts';
import { dayAt, dayBoundsMs, instantMs } from '../lib/days.ts';
import { equalSecrets, type Secrets } from '../lib/secrets.ts';
import type { BeneficiaryRecord, PeopleService } from '../people/service.ts';
import type { PeopleStore } from '../people/store.ts';
import {
  type Dose,
  doseProblem,
  nextDose,
  vaccinationStatusOf,
  type VaccinationStatus,
  vaccineOf,
  type VaccineName,
} from '../people/vaccines.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import type { Published, ReleaseService } from '../releases/service.ts';
import { ARRIVAL_LIMITS, placeOn, type Vaccinator, type Visit, worksAt } from './rules.ts';
import type { ArrivalStore, KeyTry, Presented } from './store.ts';

/** What came of an arrival; labels of a metric. */
export const ARRIVAL_OUTCOMES = [
  'arrived',
  'code-wrong',
  'tries-spent',
  'not-today',
  'not-booked',
] as const;
export type ArrivalOutcome = (typeof ARRIVAL_OUTCOMES)[number];

export type ArrivedPerson = BeneficiaryRecord & {
  readonly beneficiaryId: string;
  /** What the session gives; null for a service that is no vaccine. */
  readonly vaccine: VaccineName | null;
  readonly dose: number;
};

export type Arrival = {
  readonly booking: string;
  readonly centre: string;
  readonly date: string;
  readonly from: string;
  readonly service: string;
  readonly people: readonly ArrivedPerson[];
};

export type DoseToRecord = {
  readonly booking: string;
  readonly beneficiary: string;
  readonly vaccine: string;
  readonly batch: string;
};

export type RecordedDose = {
  readonly beneficiaryId: string;
  readonly dose: number;
  readonly vaccine: VaccineName;
  readonly date: string;
  readonly batch: string;
  readonly vaccinationStatus: VaccinationStatus;
  readonly nextDoseFrom: string | null;
};

type Parts = {
  store: ArrivalStore;
  releases: ReleaseService;
  people: Pick<PeopleService, 'recordsOf'>;
  doses: Pick<PeopleStore, 'dosesOf' | 'recordDose'>;
  secrets: Secrets;
  /** IANA name: whose days and hours those of the centres are. */
  timeZone: string;
  onArrival: (outcome: ArrivalOutcome) => void;
  onDose: (vaccine: VaccineName) => void;
};

export type ArrivalService = ReturnType<typeof createArrivalService>;

export function createArrivalService(parts: Parts) {
  return { ...arriving(parts), ...dosing(parts) };
}

const sessionOf = ({ slotSessions }: Published, slot: number) =>
  present(slotSessions[slot], 'the session of a booking');
const dateOf = (found: Published, slot: number | undefined): string | undefined =>
  slot === undefined ? undefined : sessionOf(found, slot).date;

/** What came of a code, and what it counts as for the key that tried it. */
type Tried = { readonly answer: Arrival | Refusal; readonly as: 'wrong' | 'right' | '' };

const BUSY = 'This operator key tries as many security codes just now as may be wrong today.';

/** Holds a code that is known to be right or wrong against a booking, as it is now. */
function presenting({ store, people, timeZone }: Parts) {
  /** Undefined where a booking changed between two looks at it. */
  return async (
    by: Vaccinator,
    found: Published,
    ref: BookingRef,
    isRight: boolean,
  ): Promise<Tried | undefined> => {
    const { booking, visit } = await store.seat(ref);
    const held = booking === undefined ? undefined : unpackBooking(booking);
    const slot = visit?.slot ?? (held?.grant === ref.grant ? held.slot : undefined);
    // Of another centre's booking no try is used up, and it is not told from one that is none.
    if (by.centres && !(slot !== undefined && worksAt(by, sessionOf(found, slot).centre)))
      return wrongCode(ARRIVAL_LIMITS.triesPerBooking - 1);
    const reply = await store.arrive(ref, {
      ...whereAndWhen(found, slot, timeZone),
      slot,
      isRight,
    });
    switch (reply.outcome) {
      case 'SLOT_CHANGED':
        return undefined;
      case 'ARRIVED':
        return {
          answer: await viewOf(people, found, ref, reply),
          as: reply.isNew ? 'right' : '',
        };
      case 'CODE_WRONG':
        return wrongCode(reply.triesLeft);
      case 'TRIES_SPENT':
        return { answer: refuse('ARRIVAL_TRIES_SPENT'), as: '' };
      case 'NOT_TODAY': {
        const date = dateOf(found, slot);
        return { answer: refuse('ARRIVAL_NOT_TODAY', { extra: { date } }), as: '' };
      }
      case 'NOT_BOOKED':
        return { answer: refuse('ARRIVAL_NOT_BOOKED'), as: '' };
    }
  };
}

function arriving(parts: Parts) {
  const { store, releases, secrets, timeZone, onArrival } = parts;
  const tryOnce = presenting(parts);

  const arriveAt = async (by: Vaccinator, id: string, securityCode: string): Promise<Tried> => {
    const ref = parseBookingId(id);
    const found = ref && (await releases.published(ref.release));
    // As a wrong code for a booking that is: nobody learns here which bookings there are.
    if (!ref || !found || isRefusal(found)) return wrongCode(ARRIVAL_LIMITS.triesPerBooking - 1);
    const isRight = equalSecrets(securityCodeOf(secrets, id), securityCode);
    for (;;) {
      const tried = await tryOnce(by, found, ref, isRight);
      if (tried) return tried;
    }
  };

  /** A try that came to nothing is given back, as far as Redis is there; else it lapses soon. */
  const trying = async (
    one: KeyTry,
    by: Vaccinator,
    id: string,
    securityCode: string,
  ): Promise<Tried> => {
    try {
      return await arriveAt(by, id, securityCode);
    } catch (error) {
      await store.settleTry(one, '').catch(() => undefined);
      throw error;
    }
  };

  return {
    /** The people of a booking are there. `by`: the operator key that says so. Again: the same. */
    async arrive(by: Vaccinator, id: string, securityCode: string): Promise<Arrival | Refusal> {
      const key = by.name;
      const nowMs = await store.nowMs();
      const today = dayAt(nowMs, timeZone);
      const one = { key, day: today, id: randomUUID() };
      const taken = await store.takeTry(one);
      if (taken === 'BUSY') return refuse('UNAVAILABLE', { detail: BUSY, retryAfterS: 1 });
      if (taken === 'SPENT') {
        onArrival('tries-spent');
        const waitMs = dayBoundsMs(today, timeZone).untilMs - nowMs;
        return refuse('ARRIVAL_TRIES_SPENT', { retryAfterS: Math.ceil(waitMs / 1000) });
      }
      const { answer, as } = await trying(one, by, id, securityCode);
      // Before the answer is given: nobody learns of a code that was wrong and is not counted.
      await store.settleTry(one, as);
      onArrival(outcomeOf(answer));
      return answer;
    },
  };
}

async function viewOf(
  people: Parts['people'],
  found: Published,
  ref: BookingRef,
  seat: { readonly slot: number; readonly persons: readonly string[] },
): Promise<Arrival> {
  const { slot, persons } = seat;
  const { manifest } = found;
  const { centre, date, service, dose } = sessionOf(found, slot);
  const vaccine = vaccineOf(service)?.name ?? null;
  const records = await people.recordsOf(persons);
  return {
    booking: bookingId(ref),
    centre,
    date,
    from: present(manifest.slots[slot], 'a slot').from,
    service,
    people: records.map((record) => ({ ...record, vaccine, dose })),
  };
}

function whereAndWhen(
  found: Published,
  slot: number | undefined,
  timeZone: string,
): Pick<Presented, 'place' | 'fromMs' | 'untilMs'> {
  if (slot === undefined) return { place: '', fromMs: 0, untilMs: 0 };
  const session = sessionOf(found, slot);
  return { place: placeOn(session), ...dayBoundsMs(session.date, timeZone) };
}

const wrongCode = (triesLeft: number): Tried => ({
  answer: refuse('ARRIVAL_CODE_WRONG', { extra: { triesLeft } }),
  as: 'wrong',
});

function outcomeOf(answer: Arrival | Refusal): ArrivalOutcome {
  if (!isRefusal(answer)) return 'arrived';
  switch (answer.refused) {
    case 'ARRIVAL_CODE_WRONG':
      return 'code-wrong';
    case 'ARRIVAL_TRIES_SPENT':
      return 'tries-spent';
    case 'ARRIVAL_NOT_TODAY':
      return 'not-today';
    default:
      return 'not-booked';
  }
}

function dosing({ store, releases, doses, timeZone, onDose }: Parts) {
  /** The dose that a session gives, if this is its vaccine and the person one of those who came. */
  const doseOf = async (
    by: Vaccinator,
    { booking, beneficiary, vaccine, batch }: DoseToRecord,
    ref: BookingRef,
    visit: Visit,
  ): Promise<Dose | Refusal> => {
    const found = await releases.published(ref.release);
    if (isRefusal(found)) return refuse('ARRIVAL_MISSING');
    const { centre, service, date, dose } = sessionOf(found, visit.slot);
    if (!worksAt(by, centre)) return refuse('ARRIVAL_MISSING');
    if (!visit.persons.includes(beneficiary)) return refuse('DOSE_MISMATCH');
    const given = vaccineOf(service)?.name;
    if (given === undefined || given !== vaccineOf(vaccine)?.name)
      return refuse('DOSE_MISMATCH', { extra: { service } });
    return { dose, vaccine: given, date, booking, batch };
  };

  /**
   * Three tags, in an order in which a crash loses nothing and the request may be sent again: told
   * of first (a reminder of a dose that was not given after all is dropped when it is due), then
   * the entry is marked, so that once the dose frees the person for another release no other seat
   * of this one can be theirs, then the dose. Undefined where another dose came between.
   */
  const record = async (
    person: string,
    ref: BookingRef,
    dose: Dose,
  ): Promise<readonly Dose[] | Refusal | undefined> => {
    const [held = []] = await doses.dosesOf([person]);
    const before = held.find(({ booking }) => booking === dose.booking);
    if (before) return before.batch === dose.batch ? held : refuse('DOSE_RECORDED');
    const { dose: number, date, vaccine } = dose;
    const problem = doseProblem(held, { service: vaccine, dose: number, date });
    if (problem) return refuse('DOSE_NOT_DUE', { extra: { dose: number, ...problem } });
    const next = nextDose(dose);
    if (next) {
      const dueMs = instantMs(next.dueFrom, ARRIVAL_LIMITS.tellFrom, timeZone);
      // Not before the dose can be there, where its day is long past.
      const atMs = Math.max(dueMs, (await store.nowMs()) + SOON_MS);
      await store.schedule({ person, dose: next.dose, vaccine }, atMs);
    }
    await store.markDosed(ref);
    if ((await doses.recordDose(person, held, dose)) === 'CHANGED') return undefined;
    onDose(vaccine);
    return [...held, dose];
  };

  return {
    /** Writes down the dose that one of a booking's people was given. Again: the same. */
    async recordDose(by: Vaccinator, asked: DoseToRecord): Promise<RecordedDose | Refusal> {
      const ref = parseBookingId(asked.booking);
      const [visit] = ref ? await store.visits([ref]) : [];
      if (!ref || visit?.state !== 'ARRIVED') return refuse('ARRIVAL_MISSING');
      const dose = await doseOf(by, asked, ref, visit);
      if (isRefusal(dose)) return dose;
      for (;;) {
        const held = await record(asked.beneficiary, ref, dose);
        if (isRefusal(held)) return held;
        if (held) return recordedView(asked.beneficiary, dose, held);
      }
    },
  };
}

const SOON_MS = 60_000;

function recordedView(beneficiaryId: string, given: Dose, held: readonly Dose[]): RecordedDose {
  const { dose, vaccine, date, batch } = given;
  return {
    beneficiaryId,
    dose,
    vaccine,
    date,
    batch,
    vaccinationStatus: vaccinationStatusOf(held),
    nextDoseFrom: nextDose(given)?.dueFrom ?? null,
  };
}
