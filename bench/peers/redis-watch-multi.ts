import { Redis } from 'ioredis';
import { nowMs } from '../../src/lib/clock.ts';
import { createPool } from './pool.ts';
import type { Answer, Peer } from './peer.ts';
import { connect, deskOn, keysOf } from './redis-desk.ts';

const NAME = 'watch-multi';
/** WATCH belongs to a connection. More of them only disturb one another more. */
const CONNECTIONS = 8;
const TRIES = 200;

async function attempt(redis: Redis, person: string, slot: string): Promise<Answer | undefined> {
  const keys = keysOf(NAME, slot);
  // Sent together; Redis takes the commands of a connection in their order.
  const [, free, isKnown] = await Promise.all([
    redis.watch(keys.seats),
    redis.get(keys.seats),
    redis.hexists(keys.bookings, person),
  ]);
  if (isKnown === 1 || Number(free) <= 0) {
    await redis.unwatch();
    return 'REFUSED';
  }
  const done = await redis.multi().decr(keys.seats).hset(keys.bookings, person, nowMs()).exec();
  return done ? 'BOOKED' : undefined;
}

export const redisWatchMulti: Peer = {
  label: 'Redis: WATCH, MULTI, EXEC',
  why: "It is what Redis's own documentation shows for a check and a write together: whoever was overtaken tries again.",
  isSafe: true,
  survivesKill: true,
  needs: 'redis',
  open: async (places) => {
    const desk = deskOn(connect(places), NAME);
    const connections = Array.from({ length: CONNECTIONS }, () => new Redis(places.redis.url));
    const pool = createPool(connections);
    return {
      ...desk,
      book: (person, slot) =>
        pool.use(async (redis) => {
          for (let tries = 0; tries < TRIES; tries++) {
            const answer = await attempt(redis, person, slot);
            if (answer) return answer;
          }
          return 'BUSY';
        }),
      close: async () => {
        await Promise.all([desk.close(), ...connections.map((redis) => redis.quit())]);
      },
    };
  },
};
