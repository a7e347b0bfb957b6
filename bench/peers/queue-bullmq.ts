import { Queue, QueueEvents, Worker } from 'bullmq';
import { nowMs } from '../../src/lib/clock.ts';
import type { Answer, Peer } from './peer.ts';
import { connect, deskOn, keysOf } from './redis-desk.ts';

const NAME = 'bullmq';
const WAIT_MS = 20_000;
/** Finished jobs that are kept, so that whoever waits for one finds its result. */
const KEPT = 2_000;

type Wish = { readonly person: string; readonly slot: string };

export const queueBullmq: Peer = {
  label: 'Queue: one BullMQ worker, asked and waited for',
  why: 'One worker takes one request after another, so that nothing can happen at once, and a crowd waits in line.',
  isSafe: true,
  survivesKill: true,
  needs: 'redis',
  open: async (places) => {
    const redis = connect(places);
    const desk = deskOn(redis, NAME);
    const connection = { path: places.redis.url, maxRetriesPerRequest: null };
    const opened: { close: () => Promise<void> }[] = [];
    // Whoever only prepares and counts needs no queue, and must not be a second worker.
    const open = () => {
      const queue = new Queue<Wish, Answer>(NAME, { connection });
      const events = new QueueEvents(NAME, { connection });
      const worker = new Worker<Wish, Answer>(
        NAME,
        async ({ data: { person, slot } }) => {
          const keys = keysOf(NAME, slot);
          const [free, isKnown] = await Promise.all([
            redis.get(keys.seats),
            redis.hexists(keys.bookings, person),
          ]);
          if (isKnown === 1 || Number(free) <= 0) return 'REFUSED';
          // Both or none: a job may be taken up again whose worker died.
          await redis.multi().decr(keys.seats).hset(keys.bookings, person, nowMs()).exec();
          return 'BOOKED';
        },
        { connection, concurrency: 1 },
      );
      for (const one of [queue, events]) one.setMaxListeners(0); // one for each who waits
      opened.push(worker, events, queue);
      return { queue, events };
    };
    let line: ReturnType<typeof open> | undefined;
    return {
      ...desk,
      book: async (person, slot) => {
        line ??= open();
        const { queue, events } = line;
        const options = { removeOnComplete: KEPT, removeOnFail: KEPT };
        const job = await queue.add('book', { person, slot }, options);
        return job.waitUntilFinished(events, WAIT_MS).catch(() => 'BUSY' as const);
      },
      close: async () => {
        for (const one of opened) await one.close();
        await desk.close();
      },
    };
  },
};
