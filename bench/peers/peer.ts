/**
 * A way to give a seat to a person, as somebody would build it: all of them do the same work and are
 * measured by the same crowd. Each is one file of this directory.
 */
import type { RedisAddress } from '../../src/redis/client.ts';

/** REFUSED: no seat is left, or the person has one. BUSY: it gave up, and the person may ask again. */
export type Answer = 'BOOKED' | 'REFUSED' | 'BUSY';

/** What a peer keeps of one slot. */
export type Books = {
  /** What its count of free seats says, which may be less than none. */
  readonly free: number;
  /** The person of each booking. */
  readonly persons: readonly string[];
};

/** A peer at work, over connections of its own. */
export type Desk = {
  /** A slot that nobody has asked for yet. */
  readonly prepare: (slot: string, seats: number) => Promise<void>;
  readonly book: (person: string, slot: string) => Promise<Answer>;
  readonly books: (slot: string) => Promise<Books>;
  readonly close: () => Promise<void>;
};

/** The servers that there are. A peer opens only what it needs. */
export type Places = {
  readonly redis: RedisAddress;
  /** Directory of the socket of Postgres. */
  readonly postgres: string;
};

export type Peer = {
  /** As it stands in the output. */
  readonly label: string;
  /** Why people build it so, in a sentence. */
  readonly why: string;
  /** Whether it gives a seat twice, or a person two, when many ask at once. */
  readonly isSafe: boolean;
  /** Whether its count agrees with its bookings after the process that books was killed. */
  readonly survivesKill: boolean;
  readonly needs: keyof Places;
  readonly open: (places: Places) => Promise<Desk>;
};
