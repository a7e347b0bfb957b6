/** Bookings as Redis holds them, and their public ids. Pure. */
import { assert } from '../lib/assert.ts';

export const BOOKING_LIMITS = {
  /** Of an entry, bookings that are told of by SMS: whoever books and cancels costs no more. */
  told: 3,
} as const;

export type BookingState = 'OFFERED' | 'BOOKED' | 'CANCELLED' | 'LAPSED';

/** A packed booking of lua/lib/booking.lua, read. Slot and pool are numbers in manifest order. */
export type Booking = {
  readonly state: BookingState;
  /** Number of the round that gave the seat, or `i` and a nonce in immediate mode. */
  readonly grant: string;
  readonly slot: number;
  readonly pool: number;
  /** Seats: the people of the entry. */
  readonly size: number;
};

const PACKED = /^(OFFERED|BOOKED|CANCELLED|LAPSED)\|(\w+)\|(\d+)\|(\d+)\|(\d+)\|\d+$/;

export function unpackBooking(packed: string): Booking {
  const match = PACKED.exec(packed);
  assert(match, 'a packed booking has an unknown form');
  const [, state, grant, slot, pool, size] = match;
  return {
    state: state as BookingState,
    grant: String(grant),
    slot: Number(slot),
    pool: Number(pool),
    size: Number(size),
  };
}

/** Whether a booking counts when `published` is the last round: see lua/lib/booking.lua. */
export const isPublished = ({ grant }: Booking, published: number): boolean =>
  grant.startsWith('i') || Number(grant) <= published;

/**
 * An offer as a round writes it. The time is filled in when somebody answers it: the deadline is
 * the round's.
 */
export const packOffer = (
  round: number,
  offer: { slot: number; pool: number; size: number },
): string => `OFFERED|${round}|${offer.slot}|${offer.pool}|${offer.size}|0`;

/** A booking's public id holds all that is needed to find it: release, entry and grant. */
export type BookingRef = {
  readonly release: string;
  readonly entry: string;
  readonly grant: string;
};

const BOOKING_ID = /^([a-z0-9-]{3,40})\.([\w-]{22})\.(\d{1,5}|i[a-z0-9]{1,16})$/;

export const bookingId = ({ release, entry, grant }: BookingRef): string =>
  `${release}.${entry}.${grant}`;

/** Undefined when the text is no booking id. */
export function parseBookingId(text: string): BookingRef | undefined {
  const match = BOOKING_ID.exec(text);
  if (!match) return undefined;
  const [, release, entry, grant] = match;
  return { release: String(release), entry: String(entry), grant: String(grant) };
}
