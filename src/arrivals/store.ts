import { keys } from '../redis/keys.ts';
import { type Redis, redisNowMs } from '../redis/client.ts';
import { oneOf, replyWord, script, unexpectedReply } from '../redis/script.ts';
import type { BookingRef } from '../bookings/rules.ts';
import {
  ARRIVAL_LIMITS,
  type DueDose,
  listed,
  packDue,
  unpackDue,
  unpackVisit,
  type Visit,
} from './rules.ts';

export type ArriveReply =
  | { outcome: 'ARRIVED'; slot: number; persons: string[]; isNew: boolean }
  | { outcome: 'CODE_WRONG'; triesLeft: number }
  | { outcome: 'SLOT_CHANGED' | 'NOT_TODAY' | 'TRIES_SPENT' | 'NOT_BOOKED' };

const ARRIVE_REFUSALS = ['SLOT_CHANGED', 'NOT_TODAY', 'TRIES_SPENT', 'NOT_BOOKED'] as const;

const arriveScript = script({
  file: 'arrivals/arrive',
  keys: ['release', 'bookings', 'entries', 'visits', 'arrival_tries', 'attended', 'audit'],
  args: ['entry_id', 'grant', 'slot', 'place', 'from_ms', 'until_ms', 'is_right', 'tries'],
  reply: (raw): ArriveReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'ARRIVED')
      return {
        outcome: word,
        slot: Number(fields[0]),
        persons: listed(String(fields[1])),
        isNew: fields[2] === 1,
      };
    if (word === 'CODE_WRONG') return { outcome: word, triesLeft: Number(fields[0]) };
    const refusal = ARRIVE_REFUSALS.find((one) => one === word);
    if (refusal) return { outcome: refusal };
    throw unexpectedReply('arrivals/arrive', word);
  },
});

const takeTryScript = script({
  file: 'arrivals/take-try',
  keys: ['key_tries', 'key_trying'],
  args: ['try', 'most', 'right_for_more', 'lease_ms', 'lifetime_ms'],
  reply: oneOf('arrivals/take-try', ['TAKEN', 'SPENT', 'BUSY']),
});

const settleTryScript = script({
  file: 'arrivals/settle-try',
  keys: ['key_tries', 'key_trying'],
  args: ['try', 'as', 'lifetime_ms'],
  reply: (raw): void => {
    const { word } = replyWord(raw);
    if (word !== 'SETTLED') throw unexpectedReply('arrivals/settle-try', word);
  },
});

const markNoShowsScript = script({
  file: 'arrivals/mark-no-shows',
  keys: ['bookings', 'entries', 'visits', 'arrival_tries', 'missed', 'audit'],
  args: ['tries'],
  rest: true,
  reply: (raw): number => {
    const { word, fields } = replyWord(raw);
    if (word !== 'MARKED') throw unexpectedReply('arrivals/mark-no-shows', word);
    return Number(fields[0]);
  },
});

/** A code that an operator key is trying; `id`: unlike that of any other. */
export type KeyTry = { readonly key: string; readonly day: string; readonly id: string };

/** What a presented code is held against; without a slot there is no such booking. */
export type Presented = {
  readonly slot: number | undefined;
  readonly place: string;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly isRight: boolean;
};

/** A booking whose people may not have come. */
export type Absent = {
  readonly entry: string;
  readonly grant: string;
  readonly slot: number;
  readonly missedAtMs: number;
};

/** A missed seat that is yet to be counted. */
export type Missed = {
  /** `<entry id>.<grant>`. */
  readonly seat: string;
  readonly missedAtMs: number;
  readonly persons: readonly string[];
  /** Of an offer that lapsed: the slot that was offered. */
  readonly offered?: number;
};

export type ArrivalStore = ReturnType<typeof createArrivalStore>;

export function createArrivalStore(redis: Redis) {
  return { ...visitStore(redis), ...absenceStore(redis), ...dueStore(redis) };
}

const seatOf = ({ entry, grant }: Pick<BookingRef, 'entry' | 'grant'>): string =>
  `${entry}.${grant}`;

function visitStore(redis: Redis) {
  return {
    nowMs: (): Promise<number> => redisNowMs(redis),

    takeTry: ({ key, day, id }: KeyTry): Promise<'TAKEN' | 'SPENT' | 'BUSY'> =>
      takeTryScript(
        redis,
        { key_tries: keys.keyTries(key, day), key_trying: keys.keyTrying(key, day) },
        {
          try: id,
          most: ARRIVAL_LIMITS.triesPerKey,
          right_for_more: ARRIVAL_LIMITS.rightForOneMore,
          lease_ms: ARRIVAL_LIMITS.tryLeaseMs,
          lifetime_ms: ARRIVAL_LIMITS.triesKeptMs,
        },
      ),

    /** Counts a try as this; as neither, gives it back. */
    settleTry: ({ key, day, id }: KeyTry, as: 'wrong' | 'right' | ''): Promise<void> =>
      settleTryScript(
        redis,
        { key_tries: keys.keyTries(key, day), key_trying: keys.keyTrying(key, day) },
        { try: id, as, lifetime_ms: ARRIVAL_LIMITS.triesKeptMs },
      ),

    /** The packed booking of an entry, whichever it has, and the visit on the booking named. */
    seat: async (
      ref: BookingRef,
    ): Promise<{ booking: string | undefined; visit: Visit | undefined }> => {
      const [booking, visit] = await Promise.all([
        redis.hget(keys.bookings(ref.release), ref.entry),
        redis.hget(keys.visits(ref.release), seatOf(ref)),
      ]);
      return { booking: booking ?? undefined, visit: visit ? unpackVisit(visit) : undefined };
    },

    arrive: ({ release, entry, grant }: BookingRef, presented: Presented): Promise<ArriveReply> =>
      arriveScript(
        redis,
        {
          release: keys.release(release),
          bookings: keys.bookings(release),
          entries: keys.entries(release),
          visits: keys.visits(release),
          arrival_tries: keys.arrivalTries(release),
          attended: keys.attended(release),
          audit: keys.audit(release),
        },
        {
          entry_id: entry,
          grant,
          slot: presented.slot ?? '',
          place: presented.place,
          from_ms: presented.fromMs,
          until_ms: presented.untilMs,
          is_right: presented.isRight ? 1 : 0,
          tries: ARRIVAL_LIMITS.triesPerBooking,
        },
      ),

    /** Whether the people of each of these bookings came; undefined where nobody said. */
    visits: async (refs: readonly BookingRef[]): Promise<(Visit | undefined)[]> =>
      Promise.all(
        refs.map(async (ref) => {
          const packed = await redis.hget(keys.visits(ref.release), seatOf(ref));
          return packed ? unpackVisit(packed) : undefined;
        }),
      ),

    /** From now on no other offer of this entry can be confirmed. */
    markDosed: async ({ release, entry }: BookingRef): Promise<void> => {
      await redis.hsetnx(keys.visits(release), entry, '');
    },

    /**
     * Why no other offer of this entry can be confirmed: '' for a dose, or the grant of the booking
     * whose day is over, which no longer binds its people. Null where one can.
     */
    markOf: ({ release, entry }: Omit<BookingRef, 'grant'>): Promise<string | null> =>
      redis.hget(keys.visits(release), entry),
  };
}

function absenceStore(redis: Redis) {
  return {
    /** The last date whose no-shows are marked, '' before any; or OVER. */
    attendance: async (release: string): Promise<string> =>
      (await redis.hget(keys.release(release), 'attendance')) ?? '',

    /** The oldest round whose offers have not all been answered or let lapse, published or not. */
    unexpiredRound: async (release: string): Promise<number | undefined> => {
      const round = await redis.hget(keys.release(release), 'unexpired_round');
      return round === null ? undefined : Number(round);
    },

    setAttendance: async (release: string, upTo: string): Promise<void> => {
      await redis.hset(keys.release(release), 'attendance', upTo);
    },

    /** `<centre>/<date>` of every session where anybody arrived. */
    attended: async (release: string): Promise<ReadonlySet<string>> =>
      new Set(await redis.smembers(keys.attended(release))),

    /** Some packed bookings by entry, and where to go on; `0` where that was all. */
    someBookings: async (
      release: string,
      cursor: string,
    ): Promise<{ next: string; bookings: [entry: string, packed: string][] }> => {
      const { batch } = ARRIVAL_LIMITS;
      const [next, flat] = await redis.hscan(keys.bookings(release), cursor, 'COUNT', batch);
      const bookings: [string, string][] = [];
      for (let i = 0; i + 1 < flat.length; i += 2)
        bookings.push([String(flat[i]), String(flat[i + 1])]);
      return { next, bookings };
    },

    markNoShows: (release: string, absent: readonly Absent[]): Promise<number> =>
      markNoShowsScript(
        redis,
        {
          bookings: keys.bookings(release),
          entries: keys.entries(release),
          visits: keys.visits(release),
          arrival_tries: keys.arrivalTries(release),
          missed: keys.missed(release),
          audit: keys.audit(release),
        },
        { tries: ARRIVAL_LIMITS.triesPerBooking },
        absent.flatMap(({ entry, grant, slot, missedAtMs }) => [entry, grant, slot, missedAtMs]),
      ),

    /** Some of the missed seats that are yet to be counted. */
    someMissed: async (release: string): Promise<Missed[]> => {
      const { batch } = ARRIVAL_LIMITS;
      const flat = (await redis.hrandfield(keys.missed(release), batch, 'WITHVALUES')) ?? [];
      const missed: Missed[] = [];
      for (let i = 0; i + 1 < flat.length; i += 2) {
        const [missedAtMs = '', persons = '', slot] = String(flat[i + 1]).split(' ');
        const seat = { seat: String(flat[i]), missedAtMs: Number(missedAtMs) };
        const offered = slot === undefined ? {} : { offered: Number(slot) };
        missed.push({ ...seat, persons: listed(persons), ...offered });
      }
      return missed;
    },

    forgetMissed: async (release: string, missed: readonly Missed[]): Promise<void> => {
      await redis.hdel(keys.missed(release), ...missed.map(({ seat }) => seat));
    },
  };
}

function dueStore(redis: Redis) {
  return {
    /** Has somebody told of a next dose at a time. */
    schedule: async (due: DueDose, atMs: number): Promise<void> => {
      await redis.zadd(keys.dosesDue(), atMs, packDue(due));
    },

    /** Some of those who are to be told by now, the longest due first. */
    due: async (nowMs: number): Promise<DueDose[]> => {
      const { batch } = ARRIVAL_LIMITS;
      const packed = await redis.zrangebyscore(keys.dosesDue(), 0, nowMs, 'LIMIT', 0, batch);
      return packed.map(unpackDue);
    },

    forgetDue: async (due: readonly DueDose[]): Promise<void> => {
      await redis.zrem(keys.dosesDue(), ...due.map(packDue));
    },
  };
}
