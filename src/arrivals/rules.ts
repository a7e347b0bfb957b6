/** What happens on the day, as Redis holds it, and how often a code may be wrong. Pure. */
import { assert } from '../lib/assert.ts';

export const ARRIVAL_LIMITS = {
  /** Wrong security codes of a booking, ever. */
  triesPerBooking: 5,
  /** And of an operator key on a day of the deployment's zone; those being tried included. */
  triesPerKey: 30,
  /** For so many people who arrived by it that day, it may be wrong once more. */
  rightForOneMore: 20,
  /** A try that nobody settled counts no more after that: its process died, or Redis was away. */
  tryLeaseMs: 60_000,
  /** The count of a key outlives its day wherever that is. */
  triesKeptMs: 2 * 86_400_000,
  /** Bookings looked at, and missed seats counted, at once. */
  batch: 500,
  /** A next dose is told of from then on, and for some hours of the day only. */
  tellFrom: '09:00',
  tellUntil: '21:00',
} as const;

/** An operator key of a centre, or of several; bound to none, of all. */
export type Vaccinator = {
  readonly name: string;
  readonly centres?: readonly string[] | undefined;
};

export const worksAt = ({ centres }: Vaccinator, centre: string): boolean =>
  centres?.includes(centre) ?? true;

export type VisitState = 'ARRIVED' | 'NO_SHOW';

/** A packed visit of lua/lib/visit.lua, read. */
export type Visit = {
  readonly state: VisitState;
  /** Number in manifest order. */
  readonly slot: number;
  /** When they came; or missed it. */
  readonly atMs: number;
  readonly persons: readonly string[];
};

const PACKED = /^(ARRIVED|NO_SHOW)\|(\d+)\|(\d+)\|(.*)$/;

export function unpackVisit(packed: string): Visit {
  const match = PACKED.exec(packed);
  assert(match, 'a packed visit has an unknown form');
  const [, state, slot, at, persons = ''] = match;
  return {
    state: state as VisitState,
    slot: Number(slot),
    atMs: Number(at),
    persons: listed(persons),
  };
}

export const listed = (persons: string): string[] => (persons === '' ? [] : persons.split(','));

/** A session, as far as it matters who came: whoever is at a centre on a day. */
export const placeOn = ({ centre, date }: { centre: string; date: string }): string =>
  `${centre}/${date}`;

/** A next dose that somebody is to be told of. */
export type DueDose = {
  readonly person: string;
  readonly dose: number;
  readonly vaccine: string;
};

export const packDue = ({ person, dose, vaccine }: DueDose): string =>
  `${person}|${dose}|${vaccine}`;

export function unpackDue(packed: string): DueDose {
  const [person, dose, vaccine] = packed.split('|');
  assert(person && dose && vaccine, 'a dose that is due has an unknown form');
  return { person, dose: Number(dose), vaccine };
}
