import { randomInt } from 'node:crypto';
import { createBookingStore } from '../../src/bookings/store.ts';
import { createEngine } from '../../src/engine.ts';
import { connectRedis, disconnectRedis } from '../../src/redis/client.ts';
import { entryIdOf, packEntry } from '../../src/rounds/rules.ts';
import { SECRET } from '../support/engine.ts';
import type { Peer } from './peer.ts';
import { booksOf, openAtOnce } from './release.ts';

const NONCE_BELOW = 2 ** 40;

export const fairslotScript: Peer = {
  label: 'fairslot script (the booking script of immediate mode, without gates)',
  why: 'All that decides about a seat is read and written in one atomic script, which all requests of a turn share a round trip for.',
  isSafe: true,
  survivesKill: true,
  needs: 'redis',
  open: async (places) => {
    const redis = connectRedis(places.redis);
    const { secrets } = createEngine(redis, { secret: SECRET });
    const store = createBookingStore(redis);
    return {
      prepare: async (slot, seats) => {
        await openAtOnce(createEngine(redis, { secret: SECRET }), slot, seats);
      },
      book: async (person, release) => {
        const { outcome } = await store.book(
          release,
          { account: person, enterBeforeMs: Number.MAX_SAFE_INTEGER },
          { grant: `i${randomInt(NONCE_BELOW).toString(36)}`, slot: 0 },
          [
            {
              id: entryIdOf(secrets, release, person),
              packed: packEntry({ persons: [person], prefs: [0], categories: [] }),
              pools: [0],
            },
          ],
        );
        if (outcome === 'BOOKED') return 'BOOKED';
        if (outcome === 'HAS_BOOKING' || outcome === 'SLOT_FULL') return 'REFUSED';
        throw new Error(outcome);
      },
      books: (release) => booksOf(redis, release),
      close: () => disconnectRedis(redis),
    };
  },
};
