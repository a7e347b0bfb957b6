/**
 * All that was read of a release: by and by, and then brought to one instant by the lines that its
 * audit stream got meanwhile (lua/reconcile/read.lua). Pure.
 */
import { type Booking, isPublished, unpackBooking } from '../bookings/rules.ts';
import type { Manifest } from '../releases/manifest.ts';
import { seatFields } from '../releases/rules.ts';
import { type PackedEntry, unpackEntry } from '../rounds/rules.ts';
import type { AuditReplay } from './audit.ts';

/** What Redis holds under one entry id; '' for nothing. */
export type Item = {
  readonly entering: string;
  readonly sealed: string;
  readonly entries: string;
  readonly booking: string;
  readonly members: string;
};
export type Part = keyof Item;

export const NOTHING: Item = { entering: '', sealed: '', entries: '', booking: '', members: '' };

/** The release hash, and what goes with it. */
export type Instant = {
  readonly nowMs: number;
  /** No round gives a seat any more. */
  readonly drawsOver: boolean;
  readonly phase: string;
  readonly round: number;
  /** -1 before round 0. */
  readonly published: number;
  readonly unexpiredRound: number;
  /** Things that only a round being drawn has. */
  readonly leftover: number;
  /** As they are kept; '' for one that is none, which is 0. */
  readonly sums: Readonly<Record<SumName, string>>;
};

/** Fields of the release hash for whoever only counts (releases/census-store.ts). */
export const SUMS = [
  'capacity',
  'free_seats',
  'offered_seats',
  'booked_seats',
  'offered_entries',
  'booked_entries',
] as const;
export type SumName = (typeof SUMS)[number];

export type Loss = { readonly round: number; readonly seats: number };

/** What changes with a turning line of the audit stream only, or seldom. */
export type Fixed = {
  readonly resized: ReadonlyMap<string, string>;
  readonly changes: ReadonlyMap<string, string>;
  /** By pool: seats that it loses, and the round that settles it. */
  readonly losses: ReadonlyMap<string, readonly Loss[]>;
  /** Entry id -> the last round that took its booking. */
  readonly displacedIn: ReadonlyMap<string, number>;
  /** Account, or d: and device -> marks. */
  readonly accounts: ReadonlyMap<string, string>;
  /** Entry ids by round, of rounds whose offers may be out. */
  readonly offers: ReadonlyMap<number, ReadonlySet<string>>;
};

export type Reading = {
  readonly manifest: Manifest;
  readonly told: AuditReplay;
  /** `<slot index>/<pool index>` -> seats of the manifest. */
  readonly seats: ReadonlyMap<string, number>;
  readonly items: Map<string, Item>;
  /** Free seats as they are kept. */
  readonly free: Map<string, string>;
  /** Seats of offers and bookings. */
  readonly held: Map<string, number>;
  fixed: Fixed;
  instant: Instant;
  /** Id of the last line of the audit stream that it knows. */
  after: string;
};

export const createReading = (
  manifest: Manifest,
  told: AuditReplay,
  instant: Instant,
): Reading => ({
  manifest,
  told,
  seats: new Map(seatFields(manifest)),
  items: new Map(),
  free: new Map(),
  held: new Map(),
  fixed: {
    resized: new Map(),
    changes: new Map(),
    losses: new Map(),
    displacedIn: new Map(),
    accounts: new Map(),
    offers: new Map(),
  },
  instant,
  after: '0-0',
});

/** The booking, or undefined where the text is none. */
export function readBooking(packed: string): Booking | undefined {
  if (packed === '') return undefined;
  try {
    return unpackBooking(packed);
  } catch {
    return undefined;
  }
}

const ENTRY = /^[^|,]+(?:,[^|,]+)*\|\d+(?:,\d+)*\|[^|]*$/;

/** The entry, or undefined where the text is none. */
export const readEntry = (packed: string): PackedEntry | undefined =>
  ENTRY.test(packed) ? unpackEntry(packed) : undefined;

/** The booking that counts: what a round being drawn staged does not. */
export function bookingOf({ instant }: Reading, { booking }: Item): Booking | undefined {
  const read = readBooking(booking);
  return read && isPublished(read, instant.published) ? read : undefined;
}

export const isHeld = (booking: Booking | undefined): boolean =>
  booking?.state === 'OFFERED' || booking?.state === 'BOOKED';

export const placeOf = ({ slot, pool }: Booking): string => `${slot}/${pool}`;

function count(reading: Reading, item: Item, sign: 1 | -1): void {
  const booking = bookingOf(reading, item);
  if (!booking || !isHeld(booking)) return;
  const place = placeOf(booking);
  reading.held.set(place, (reading.held.get(place) ?? 0) + sign * booking.size);
}

export const itemOf = ({ items }: Reading, id: string): Item => items.get(id) ?? NOTHING;

/** Replaces what is known under an id. */
export function putItem(reading: Reading, id: string, item: Item): void {
  count(reading, itemOf(reading, id), -1);
  count(reading, item, 1);
  if (Object.values(item).every((text) => text === '')) reading.items.delete(id);
  else reading.items.set(id, item);
}

export const putPart = (reading: Reading, part: Part, id: string, text: string): void =>
  putItem(reading, id, { ...itemOf(reading, id), [part]: text });

/** The entry that is in the release, unless it is gone; a lapsed or cancelled one is. */
export function liveEntry(reading: Reading, item: Item): string {
  if (item.entering !== '') return item.entering;
  if (item.sealed !== '') return item.sealed;
  const booking = bookingOf(reading, item);
  return booking && !isHeld(booking) ? '' : item.entries;
}

/** Slot and pool, as people name them. */
export function placeName({ slots }: Manifest, place: string): string {
  const [slot = '', pool = ''] = place.split('/');
  const known = slots[Number(slot)];
  return `slot ${known?.slot ?? slot}, pool ${known?.pools[Number(pool)]?.pool ?? pool}`;
}

/** From the fields `loss:<id>` of what operators changed. */
export function lossesOf(changes: ReadonlyMap<string, string>): Map<string, Loss[]> {
  const losses = new Map<string, Loss[]>();
  for (const [name, value] of changes) {
    if (!name.startsWith('loss:')) continue;
    const [place = '', seats, round] = value.split(' ');
    const loss = { round: Number(round), seats: Number(seats) };
    losses.set(place, [...(losses.get(place) ?? []), loss]);
  }
  return losses;
}
