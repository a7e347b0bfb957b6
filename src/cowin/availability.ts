/**
 * How many seats the surface shows. In a lottery a number says nothing that is worth polling for:
 * it is what the manifest gives, made coarse, for as long as one may ask. Pure.
 */
import { present } from '../lib/assert.ts';
import type { Published } from '../releases/service.ts';
import { type ReleaseReading, stateOf } from '../releases/rules.ts';
import type { Session } from './places.ts';

/** What is shown of a release. The same object for as long as nothing that is shown changes. */
export type Availability = {
  /** Names this state of things among all that the process has seen. */
  readonly serial: number;
  /** By slot number: seats to be shown; all zero where nobody may ask. */
  readonly seats: readonly number[];
  readonly isCoarse: boolean;
  readonly mayAsk: boolean;
  /** Slot numbers that operators have closed. */
  readonly closed: ReadonlySet<number>;
};

const STEPS = [1, 2, 5] as const;

/** The largest of 1, 2, 5, 10, 20, 50, … that is not above a number; 0 for 0. */
export function coarse(seats: number): number {
  let shown = 0;
  for (let power = 1; power <= seats; power *= 10)
    for (const step of STEPS) if (step * power <= seats) shown = step * power;
  return shown;
}

let serials = 0;

/**
 * `free`: free seats by slot number, of a release that books at once. `before`: what was shown
 * until now.
 */
export function availabilityOf(
  { manifest }: Published,
  reading: ReleaseReading,
  free: readonly number[] | undefined,
  closed: ReadonlySet<number>,
  before: Availability | undefined,
): Availability {
  const state = stateOf(reading);
  const mayAsk = state === 'open' || state === 'drawing' || state === 'running';
  const seats = manifest.slots.map(({ pools }, number) => {
    if (!mayAsk || closed.has(number)) return 0;
    return free ? (free[number] ?? 0) : pools.reduce((sum, pool) => sum + pool.seats, 0);
  });
  const same =
    before?.mayAsk === mayAsk &&
    before.closed.size === closed.size &&
    seats.every((count, number) => count === before.seats[number]);
  if (same) return before;
  serials += 1;
  return { serial: serials, seats, isCoarse: manifest.mode === 'lottery', mayAsk, closed };
}

export type Shown = {
  readonly dose1: number;
  readonly dose2: number;
  /** Bands that a seat can be had in, as the manifest orders them. */
  readonly bands: readonly string[];
};

/** `isHidden`: for who has asked already: there is nothing more to be had. */
export function shownOf(session: Session, availability: Availability, isHidden: boolean): Shown {
  const { seats, isCoarse, closed } = availability;
  const bands = new Set<string>();
  const seatsOf = (dose: number): number => {
    let sum = 0;
    for (const [band, slot] of session.slots.get(dose) ?? []) {
      if (closed.has(slot)) continue;
      bands.add(band);
      sum += present(seats[slot], 'the seats of a slot');
    }
    if (isHidden) return 0;
    return isCoarse ? coarse(sum) : sum;
  };
  return { dose1: seatsOf(1), dose2: seatsOf(2), bands: [...bands] };
}
