/** Vaccines, the doses of a person, and when the next one may be given. Pure. */
import { assert } from '../lib/assert.ts';
import { addDays } from '../lib/days.ts';

export type Vaccine = {
  readonly name: VaccineName;
  readonly doses: number;
  /** Least days from one dose to the next; 0 where there is but one. */
  readonly intervalDays: number;
};

/** Those given in India. */
export const VACCINE_NAMES = [
  'COVISHIELD',
  'COVAXIN',
  'SPUTNIK V',
  'ZYCOV-D',
  'CORBEVAX',
  'COVOVAX',
  'SPUTNIK LIGHT',
  'INCOVACC',
] as const;
export type VaccineName = (typeof VACCINE_NAMES)[number];

const VACCINES: Readonly<Record<VaccineName, Omit<Vaccine, 'name'>>> = {
  COVISHIELD: { doses: 2, intervalDays: 84 },
  COVAXIN: { doses: 2, intervalDays: 28 },
  'SPUTNIK V': { doses: 2, intervalDays: 21 },
  'ZYCOV-D': { doses: 3, intervalDays: 28 },
  CORBEVAX: { doses: 2, intervalDays: 28 },
  COVOVAX: { doses: 2, intervalDays: 21 },
  'SPUTNIK LIGHT': { doses: 1, intervalDays: 0 },
  INCOVACC: { doses: 2, intervalDays: 28 },
};

/** The vaccine of a session's service, in any case; undefined where it is no vaccine of ours. */
export function vaccineOf(service: string): Vaccine | undefined {
  const upper = service.trim().toUpperCase();
  const name = VACCINE_NAMES.find((one) => one === upper);
  return name && { name, ...VACCINES[name] };
}

/** A dose that was given. */
export type Dose = {
  /** Its number, from 1. */
  readonly dose: number;
  readonly vaccine: VaccineName;
  /** Of the session, YYYY-MM-DD. */
  readonly date: string;
  /** Id of the booking on which it was given. */
  readonly booking: string;
  /** Of the vial, as the centre wrote it down. */
  readonly batch: string;
};

/** A dose each line, as a person's hash holds them. A batch is last: it may hold a separator. */
export const packDoses = (doses: readonly Dose[]): string =>
  doses
    .map(({ dose, vaccine, date, booking, batch }) =>
      [dose, vaccine, date, booking, batch].join('|'),
    )
    .join('\n');

const PACKED = /^(\d)\|([^|]+)\|([^|]+)\|([^|]+)\|(.+)$/;

export const unpackDoses = (packed: string): Dose[] =>
  packed === ''
    ? []
    : packed.split('\n').map((line) => {
        const [, dose, vaccine, date = '', booking = '', batch = ''] = PACKED.exec(line) ?? [];
        const name = VACCINE_NAMES.find((one) => one === vaccine);
        assert(name, 'a packed dose has an unknown form');
        return { dose: Number(dose), vaccine: name, date, booking, batch };
      });

/** A dose that a session gives. */
export type DoseGiven = {
  readonly service: string;
  readonly dose: number;
  readonly date: string;
};

/**
 * Why somebody may not have this dose, and from when they may: null where no time alone helps,
 * since they have it, or lack the one before of the same vaccine. Of a service that is no vaccine
 * nothing is asked.
 */
export function doseProblem(
  doses: readonly Dose[],
  { service, dose, date }: DoseGiven,
): { readonly dueFrom: string | null } | undefined {
  const vaccine = vaccineOf(service);
  if (!vaccine) return undefined;
  if (doses.some((one) => one.dose === dose)) return { dueFrom: null };
  if (dose === 1) return undefined;
  const before = doses.find((one) => one.dose === dose - 1 && one.vaccine === vaccine.name);
  if (!before) return { dueFrom: null };
  const dueFrom = addDays(before.date, vaccine.intervalDays);
  return date < dueFrom ? { dueFrom } : undefined;
}

/** The dose that follows one that was given, and the first day for it. */
export function nextDose({
  dose,
  vaccine,
  date,
}: Dose): { readonly dose: number; readonly dueFrom: string } | undefined {
  const known = vaccineOf(vaccine);
  if (!known || dose >= known.doses) return undefined;
  return { dose: dose + 1, dueFrom: addDays(date, known.intervalDays) };
}

export const VACCINATION_STATUSES = [
  'not-vaccinated',
  'partially-vaccinated',
  'vaccinated',
] as const;
export type VaccinationStatus = (typeof VACCINATION_STATUSES)[number];

/** Vaccinated: with the last dose of any vaccine. */
export function vaccinationStatusOf(doses: readonly Dose[]): VaccinationStatus {
  if (doses.length === 0) return 'not-vaccinated';
  const isComplete = doses.some(({ dose, vaccine }) => dose >= (vaccineOf(vaccine)?.doses ?? 0));
  return isComplete ? 'vaccinated' : 'partially-vaccinated';
}
