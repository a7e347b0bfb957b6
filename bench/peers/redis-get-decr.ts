import { connect, deskOn } from './redis-desk.ts';
import type { Peer } from './peer.ts';

const NAME = 'get-decr';

export const redisGetDecr: Peer = {
  label: "Redis: GET, then DECR (the command sequence of DIVOC's scheduler)",
  why: 'It reads like the rule itself: look whether there is one, then take it; in a test by hand it is always right.',
  isSafe: false,
  survivesKill: false,
  needs: 'redis',
  open: async (places) => {
    const redis = connect(places);
    const desk = deskOn(redis, NAME);
    const seatsOf = (slot: string): string => `peer:${NAME}:seats:${slot}`;
    const peopleOf = (slot: string): string => `peer:${NAME}:people:${slot}`;
    const bookingsOf = (slot: string): string => `peer:${NAME}:bookings:${slot}`;
    return {
      close: desk.close,
      prepare: async (slot, seats) => {
        await redis.del(peopleOf(slot), bookingsOf(slot));
        await redis.set(seatsOf(slot), seats);
      },
      book: async (person, slot) => {
        const [isKnown, free] = await Promise.all([
          redis.sismember(peopleOf(slot), person),
          redis.get(seatsOf(slot)),
        ]);
        if (isKnown === 1 || Number(free) <= 0) return 'REFUSED';
        await redis.decr(seatsOf(slot));
        // Bookings have ids of their own, so that a second one of a person replaces none.
        await Promise.all([
          redis.sadd(peopleOf(slot), person),
          redis.rpush(bookingsOf(slot), person),
        ]);
        return 'BOOKED';
      },
      books: async (slot) => ({
        free: Number(await redis.get(seatsOf(slot))),
        persons: await redis.lrange(bookingsOf(slot), 0, -1),
      }),
    };
  },
};
