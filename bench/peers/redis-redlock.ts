import Redlock from 'redlock';
import { nowMs } from '../../src/lib/clock.ts';
import type { Answer, Peer } from './peer.ts';
import { connect, deskOn, keysOf } from './redis-desk.ts';

const NAME = 'redlock';
/** What one booking may take before another may believe that it is over. */
const LOCK_MS = 2_000;
/** By default it tries ten times, 200 ms apart, and half of a crowd is turned away. */
const PATIENCE = { retryCount: 500, retryDelay: 20, retryJitter: 10 };

export const redisRedlock: Peer = {
  label: 'Redis: redlock around a read and a write',
  why: 'A lock lets one write the rest as if nobody else was there, and there is a package for it.',
  isSafe: true,
  survivesKill: true,
  needs: 'redis',
  open: async (places) => {
    const redis = connect(places);
    // It was typed for an older ioredis, and uses of it what has not changed.
    const client = redis as unknown as Redlock.CompatibleRedisClient;
    const redlock = new Redlock([client], PATIENCE);
    redlock.on('clientError', () => undefined); // it says so by the lock that is not given

    const underLock = async (person: string, slot: string): Promise<Answer> => {
      const keys = keysOf(NAME, slot);
      const [free, isKnown] = await Promise.all([
        redis.get(keys.seats),
        redis.hexists(keys.bookings, person),
      ]);
      if (isKnown === 1 || Number(free) <= 0) return 'REFUSED';
      const taken = redis.multi().set(keys.seats, Number(free) - 1);
      await taken.hset(keys.bookings, person, nowMs()).exec();
      return 'BOOKED';
    };
    return {
      ...deskOn(redis, NAME),
      book: async (person, slot) => {
        const keys = keysOf(NAME, slot);
        // Whoever has one, and all once there is none, need not wait for the lock.
        const [free, isKnown] = await Promise.all([
          redis.get(keys.seats),
          redis.hexists(keys.bookings, person),
        ]);
        if (isKnown === 1 || Number(free) <= 0) return 'REFUSED';
        const lock = await Promise.resolve(redlock.lock(`lock:${slot}`, LOCK_MS)).catch(
          () => undefined,
        );
        if (!lock) return 'BUSY';
        try {
          return await underLock(person, slot);
        } finally {
          await Promise.resolve(lock.unlock()).catch(() => undefined); // it ends by itself
        }
      },
    };
  },
};
