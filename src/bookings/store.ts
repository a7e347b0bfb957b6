import { keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { enteredBy } from '../rounds/rules.ts';
import { BOOKING_LIMITS, type BookingRef } from './rules.ts';
import { replyWord, script, unexpectedReply } from '../redis/script.ts';

export type ConfirmReply =
  | { outcome: 'BOOKED'; slot: number }
  | { outcome: 'OFFER_TOO_LATE'; confirmByMs: number }
  | { outcome: (typeof CONFIRM_REFUSALS)[number] };

const CONFIRM_REFUSALS = ['BOOKING_DISPLACED', 'BOOKING_UNKNOWN', 'BOOKING_OVER'] as const;
const CANCEL_REPLIES = ['CANCELLED', ...CONFIRM_REFUSALS, 'ROUND_DRAWING'] as const;
export type CancelReply = (typeof CANCEL_REPLIES)[number];

export type ExpireReply =
  | { outcome: 'OTHER_ROUND'; round: number }
  | { outcome: 'NOT_DUE'; confirmByMs: number }
  | { outcome: 'EXPIRED'; count: number }
  | { outcome: 'NONE_OUT' };

const BOOK_REFUSALS = [
  'CLAIM_EXPIRED',
  'RELEASE_UNKNOWN',
  'RELEASE_ENDED',
  'HAS_BOOKING',
  'SLOT_FULL',
  'TOO_MANY_ENTRIES',
  'TOO_MANY_FROM_DEVICE',
] as const;

export type BookReply =
  | { outcome: 'BOOKED' }
  | { outcome: 'RELEASE_NOT_OPEN'; opensAtMs: number }
  | { outcome: (typeof BOOK_REFUSALS)[number] };

const confirmScript = script({
  file: 'bookings/confirm',
  keys: ['release', 'rounds', 'bookings', 'offers', 'displacements', 'visits', 'audit'],
  args: ['entry_id', 'grant', 'begins_at_ms'],
  reply: (raw): ConfirmReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'BOOKED') return { outcome: word, slot: Number(fields[0]) };
    if (word === 'OFFER_TOO_LATE') return { outcome: word, confirmByMs: Number(fields[0]) };
    const refusal = CONFIRM_REFUSALS.find((one) => one === word);
    if (refusal) return { outcome: refusal };
    throw unexpectedReply('bookings/confirm', word);
  },
});

const cancelScript = script({
  file: 'bookings/cancel',
  keys: [
    'release',
    'rounds',
    'entries',
    'bookings',
    'offers',
    'seats',
    'happened',
    'displacements',
    'visits',
    'audit',
  ],
  args: ['entry_id', 'grant', 'slot', 'begins_at_ms'],
  reply: (raw): CancelReply => {
    const { word } = replyWord(raw);
    const said = CANCEL_REPLIES.find((one) => one === word);
    if (said) return said;
    throw unexpectedReply('bookings/cancel', word);
  },
});

const expireScript = script({
  file: 'bookings/expire',
  keys: [
    'release',
    'rounds',
    'entries',
    'bookings',
    'offers',
    'seats',
    'happened',
    'visits',
    'missed',
    'audit',
  ],
  args: ['round', 'at_most'],
  reply: (raw): ExpireReply => {
    const { word, fields } = replyWord(raw);
    const first = Number(fields[0]);
    if (word === 'OTHER_ROUND') return { outcome: word, round: first };
    if (word === 'NOT_DUE') return { outcome: word, confirmByMs: first };
    if (word === 'EXPIRED') return { outcome: word, count: first };
    if (word === 'NONE_OUT') return { outcome: word };
    throw unexpectedReply('bookings/expire', word);
  },
});

const bookScript = script({
  file: 'bookings/book',
  keys: ['release', 'entries', 'bookings', 'seats', 'accounts', 'audit'],
  args: ['by', 'enter_before_ms', 'slot', 'grant'],
  rest: true,
  reply: (raw): BookReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'BOOKED') return { outcome: word };
    if (word === 'RELEASE_NOT_OPEN') return { outcome: word, opensAtMs: Number(fields[0]) };
    const refusal = BOOK_REFUSALS.find((one) => one === word);
    if (refusal) return { outcome: refusal };
    throw unexpectedReply('bookings/book', word);
  },
});

const MOVE_REPLIES = [
  'MOVED',
  'RELEASE_UNKNOWN',
  'RELEASE_ENDED',
  'BOOKING_UNKNOWN',
  'BOOKING_OVER',
  'NOT_MOVABLE',
  'SLOT_FULL',
] as const;
export type MoveReply = (typeof MOVE_REPLIES)[number];

const moveScript = script({
  file: 'bookings/move',
  keys: ['release', 'entries', 'bookings', 'seats', 'visits', 'audit'],
  args: ['entry_id', 'grant', 'entry', 'from_slot', 'begins_at_ms', 'slot'],
  rest: true,
  reply: (raw): MoveReply => {
    const { word } = replyWord(raw);
    const said = MOVE_REPLIES.find((one) => one === word);
    if (said) return said;
    throw unexpectedReply('bookings/move', word);
  },
});

const tellScript = script({
  file: 'bookings/tell',
  keys: ['told'],
  args: ['entry_id', 'seat', 'most'],
  reply: (raw): number | undefined => {
    const { word, fields } = replyWord(raw);
    if (word === 'NUMBER') return Number(fields[0]);
    if (word === 'ENOUGH') return undefined;
    throw unexpectedReply('bookings/tell', word);
  },
});

/** The slot that a booking has, by number, and when it begins. */
export type SlotSeen = { readonly slot: number; readonly beginsAtMs: number };

/** Offers that lapse in one script. */
const EXPIRE_AT_MOST = 500;

export type BookingStore = ReturnType<typeof createBookingStore>;

export function createBookingStore(redis: Redis) {
  return { ...answerStore(redis), ...grantStore(redis), ...moveStore(redis) };
}

function answerStore(redis: Redis) {
  return {
    /** `beginsAtMs`: when the slot of this grant does. */
    confirm: ({ release, entry, grant }: BookingRef, beginsAtMs: number): Promise<ConfirmReply> =>
      confirmScript(
        redis,
        {
          release: keys.release(release),
          rounds: keys.rounds(release),
          bookings: keys.bookings(release),
          offers: keys.offers(release, roundOf(grant)),
          displacements: keys.displacements(release),
          visits: keys.visits(release),
          audit: keys.audit(release),
        },
        { entry_id: entry, grant, begins_at_ms: beginsAtMs },
      ),

    /** The packed booking of an entry, whichever it has. */
    held: (release: string, entryId: string): Promise<string | null> =>
      redis.hget(keys.bookings(release), entryId),

    /** The how manieth of an entry's seats to be told of this is; undefined: one too many. */
    tell: ({ release, entry, grant }: BookingRef, slot: number): Promise<number | undefined> =>
      tellScript(
        redis,
        { told: keys.told(release) },
        { entry_id: entry, seat: `${grant}s${slot}`, most: BOOKING_LIMITS.told },
      ),

    /** `seen`: the slot that the booking was seen with, and when it begins. */
    cancel: (
      { release, entry, grant }: BookingRef,
      seen: SlotSeen | undefined,
    ): Promise<CancelReply> =>
      cancelScript(
        redis,
        {
          release: keys.release(release),
          rounds: keys.rounds(release),
          entries: keys.entries(release),
          bookings: keys.bookings(release),
          offers: keys.offers(release, roundOf(grant)),
          seats: keys.seats(release),
          happened: keys.happened(release),
          displacements: keys.displacements(release),
          visits: keys.visits(release),
          audit: keys.audit(release),
        },
        { entry_id: entry, grant, slot: seen?.slot ?? '', begins_at_ms: seen?.beginsAtMs ?? 0 },
      ),
  };
}

function moveStore(redis: Redis) {
  return {
    /** `entry`: packed, with the new slot. */
    move: (
      { release, entry, grant }: BookingRef,
      packed: string,
      to: { from: SlotSeen; slot: number; pools: readonly number[] },
    ): Promise<MoveReply> =>
      moveScript(
        redis,
        {
          release: keys.release(release),
          entries: keys.entries(release),
          bookings: keys.bookings(release),
          seats: keys.seats(release),
          visits: keys.visits(release),
          audit: keys.audit(release),
        },
        {
          entry_id: entry,
          grant,
          entry: packed,
          from_slot: to.from.slot,
          begins_at_ms: to.from.beginsAtMs,
          slot: to.slot,
        },
        to.pools,
      ),
  };
}

function grantStore(redis: Redis) {
  return {
    expire: (release: string, round: number): Promise<ExpireReply> =>
      expireScript(
        redis,
        {
          release: keys.release(release),
          rounds: keys.rounds(release),
          entries: keys.entries(release),
          bookings: keys.bookings(release),
          offers: keys.offers(release, round),
          seats: keys.seats(release),
          happened: keys.happened(release),
          visits: keys.visits(release),
          missed: keys.missed(release),
          audit: keys.audit(release),
        },
        { round, at_most: EXPIRE_AT_MOST },
      ),

    /** All of these people or none. `enterBeforeMs`: the first end of their claims' leases. */
    book: (
      release: string,
      by: { account: string; device?: string; network?: string; enterBeforeMs: number },
      seat: { grant: string; slot: number },
      people: readonly { id: string; packed: string; pools: readonly number[] }[],
    ): Promise<BookReply> =>
      bookScript(
        redis,
        {
          release: keys.release(release),
          entries: keys.entries(release),
          bookings: keys.bookings(release),
          seats: keys.seats(release),
          accounts: keys.accounts(release),
          audit: keys.audit(release),
        },
        {
          by: enteredBy(by.account, by.device, by.network),
          enter_before_ms: by.enterBeforeMs,
          slot: seat.slot,
          grant: seat.grant,
        },
        people.flatMap(({ id, packed, pools }) => [id, packed, pools.join(',')]),
      ),
  };
}

/**
 * The round whose unanswered offers a grant is among; immediate grants have none, and round 0
 * stands in.
 */
const roundOf = (grant: string): number => (grant.startsWith('i') ? 0 : Number(grant));
