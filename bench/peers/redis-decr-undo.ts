import { nowMs } from '../../src/lib/clock.ts';
import type { Peer } from './peer.ts';
import { connect, deskOn, keysOf } from './redis-desk.ts';

const NAME = 'decr-undo';

export const redisDecrUndo: Peer = {
  label: 'Redis: DECR, undone by INCR',
  why: 'DECR is atomic and fast, and whoever gets a number below zero puts it back.',
  isSafe: true,
  survivesKill: false,
  needs: 'redis',
  open: async (places) => {
    const redis = connect(places);
    return {
      ...deskOn(redis, NAME),
      book: async (person, slot) => {
        const keys = keysOf(NAME, slot);
        if ((await redis.decr(keys.seats)) < 0) {
          await redis.incr(keys.seats);
          return 'REFUSED';
        }
        if ((await redis.hsetnx(keys.bookings, person, nowMs())) === 0) {
          await redis.incr(keys.seats);
          return 'REFUSED';
        }
        return 'BOOKED';
      },
    };
  },
};
