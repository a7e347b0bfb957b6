/** What the peers on Redis share: plain ioredis with its pipelining, and a count and a hash a slot. */
import { Redis } from 'ioredis';
import { present } from '../../src/lib/assert.ts';
import type { Books, Desk, Places } from './peer.ts';

export const connect = ({ redis }: Places): Redis =>
  new Redis(redis.url, { enableAutoPipelining: true });

export type SlotKeys = {
  /** string: free seats */
  readonly seats: string;
  /** hash: person -> booking */
  readonly bookings: string;
};

export const keysOf = (peer: string, slot: string): SlotKeys => ({
  seats: `peer:${peer}:seats:${slot}`,
  bookings: `peer:${peer}:bookings:${slot}`,
});

/** All of a desk but how it books. */
export const deskOn = (redis: Redis, peer: string): Omit<Desk, 'book'> => ({
  prepare: async (slot, seats) => {
    const keys = keysOf(peer, slot);
    await redis.del(keys.bookings);
    await redis.set(keys.seats, seats);
  },
  books: async (slot): Promise<Books> => {
    const keys = keysOf(peer, slot);
    const free = Number(present(await redis.get(keys.seats), keys.seats));
    return { free, persons: await redis.hkeys(keys.bookings) };
  },
  close: async () => void (await redis.quit()),
});
