/** Standing entries on their way from a release that is over into a later one of its series. */
import { keys } from '../../redis/keys.ts';
import type { Redis } from '../../redis/client.ts';
import { replyWord, script, unexpectedReply } from '../../redis/script.ts';

/** An entry as it is on its way: with a minus before it where it was withdrawn meanwhile. */
export type Moving = { readonly id: string; readonly standing: string };

export type CarryOutReply =
  /** Its rounds may still give seats. */
  | { outcome: 'RUNNING' }
  /** It is over, and nobody stands there any more, now or ever. */
  | { outcome: 'EMPTY' }
  /** `left`: how many wait to be handed out. */
  | { outcome: 'HANDED'; into: string; nowMs: number; left: number; moving: Moving[] };

const carryOutScript = script({
  file: 'rounds/carry-out',
  keys: ['release', 'bookings', 'standing', 'carrying'],
  args: ['into', 'at_most'],
  reply: (raw): CarryOutReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'RUNNING' || word === 'EMPTY') return { outcome: word };
    if (word !== 'HANDED') throw unexpectedReply('rounds/carry-out', word);
    const [into, nowMs, left, ...flat] = fields;
    const moving: Moving[] = [];
    for (let i = 0; i + 1 < flat.length; i += 2)
      moving.push({ id: String(flat[i]), standing: String(flat[i + 1]) });
    return {
      outcome: word,
      into: String(into),
      nowMs: Number(nowMs),
      left: Number(left),
      moving,
    };
  },
});

const carryDoneScript = script({
  file: 'rounds/carry-done',
  keys: ['standing', 'carrying'],
  args: ['whither'],
  rest: true,
  reply: (raw): void => {
    const { word } = replyWord(raw);
    if (word !== 'DONE') throw unexpectedReply('rounds/carry-done', word);
  },
});

export type CarryStore = ReturnType<typeof createCarryStore>;

export function createCarryStore(redis: Redis) {
  return {
    /** Releases of its series before this one where somebody may stand, the latest first. */
    before: async (series: string, release: string, atMost: number): Promise<string[]> => {
      const rank = await redis.zrevrank(keys.series(series), release);
      if (rank === null) return [];
      return redis.zrevrange(keys.series(series), rank + 1, rank + atMost);
    },

    /** Takes a release that will never hold a standing entry again off its series' list. */
    forget: async (series: string, release: string): Promise<void> => {
      await redis.zrem(keys.series(series), release);
    },

    /** What is on its way from one release into another, filled up to `atMost`. */
    carryOut: (from: string, into: string, atMost: number): Promise<CarryOutReply> =>
      carryOutScript(
        redis,
        {
          release: keys.release(from),
          bookings: keys.bookings(from),
          standing: keys.standing(from),
          carrying: keys.carrying(from),
        },
        { into, at_most: atMost },
      ),

    /** BACK: to be handed out again. */
    done: async (
      from: string,
      whither: 'ARRIVED' | 'BACK',
      moving: readonly Moving[],
    ): Promise<void> => {
      if (moving.length === 0) return;
      await carryDoneScript(
        redis,
        { standing: keys.standing(from), carrying: keys.carrying(from) },
        { whither },
        moving.flatMap(({ id, standing }) => [id, standing]),
      );
    },
  };
}
