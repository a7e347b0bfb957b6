/**
 * What is counted of releases, by reads of fixed size alone: fields, and lengths of hashes that may
 * hold millions. What is asked for in one turn of the event loop leaves in one pipeline.
 */
import { type Redis, redisNowMs } from '../redis/client.ts';
import { keys } from '../redis/keys.ts';
import type { ReleaseReading } from './rules.ts';

/** A release as Redis has it; the times by its clock. */
export type Standing = Omit<ReleaseReading, 'nowMs'> & {
  readonly release: string;
  readonly cutAtMs: number;
  /** Up to which rounds take place though nothing is new. */
  readonly certainRound: number;
  readonly capacity: number;
  readonly freeSeats: number;
  readonly offeredSeats: number;
  readonly bookedSeats: number;
  readonly offeredEntries: number;
  readonly bookedEntries: number;
};

/** How many, and when. */
export type Holdings = {
  readonly entering: number;
  readonly sealed: number;
  /** Those with an offer or a booking too. */
  readonly entries: number;
  /** Events since the last cut, such as a cancelled booking. */
  readonly happened: number;
  /** Undefined before round 0. */
  readonly publishedAtMs: number | undefined;
};

const FIELDS = [
  'opens_at_ms',
  'closes_at_ms',
  'ends_at_ms',
  'ended_at_ms',
  'round',
  'phase',
  'published',
  'next_round_at_ms',
  'changing_round',
  'cut_at_ms',
  'certain_round',
  'capacity',
  'free_seats',
  'offered_seats',
  'booked_seats',
  'offered_entries',
  'booked_entries',
] as const;

export type CensusStore = ReturnType<typeof createCensusStore>;

export function createCensusStore(redis: Redis) {
  return {
    nowMs: () => redisNowMs(redis),
    /**
     * Ids of those that have opened by then, ended ones too, the latest to open first. All of them:
     * whether one is over is not known by when it opened, and ended ones are counted. They are ids
     * alone, some 40 bytes each; a release that is known to be over is not read again.
     */
    opened: (nowMs: number): Promise<string[]> =>
      redis.zrevrangebyscore(keys.releases(), nowMs, '-inf'),
    /** How many open later, and those of them that open first. */
    coming: async (nowMs: number, most: number): Promise<{ count: number; first: string[] }> => {
      const [count, first] = await Promise.all([
        redis.zcount(keys.releases(), `(${nowMs}`, '+inf'),
        redis.zrangebyscore(keys.releases(), `(${nowMs}`, '+inf', 'LIMIT', 0, most),
      ]);
      return { count, first };
    },
    drafts: (): Promise<number> => redis.scard(keys.drafts()),

    /** Undefined for one that is about to be published. */
    standing: async (release: string): Promise<Standing | undefined> => {
      const values = await redis.hmget(keys.release(release), ...FIELDS);
      const held = Object.fromEntries(FIELDS.map((field, index) => [field, values[index] ?? null]));
      if (held['opens_at_ms'] === null) return undefined;
      const number = (field: (typeof FIELDS)[number], otherwise = 0): number =>
        Number(held[field] ?? otherwise);
      return {
        release,
        opensAtMs: number('opens_at_ms'),
        closesAtMs: number('closes_at_ms'),
        endsAtMs: number('ends_at_ms'),
        endedAtMs: number('ended_at_ms'),
        round: number('round'),
        phase: held['phase'] === 'DRAWING' ? 'DRAWING' : 'OPEN',
        published: number('published', -1),
        nextRoundAtMs: number('next_round_at_ms'),
        changingRound: number('changing_round', -1),
        cutAtMs: number('cut_at_ms'),
        certainRound: number('certain_round'),
        capacity: number('capacity'),
        freeSeats: number('free_seats'),
        offeredSeats: number('offered_seats'),
        bookedSeats: number('booked_seats'),
        offeredEntries: number('offered_entries'),
        bookedEntries: number('booked_entries'),
      };
    },

    holdings: async ({ release, published }: Standing): Promise<Holdings> => {
      const [entering, sealed, entries, happened, publishedAt] = await Promise.all([
        redis.hlen(keys.entering(release)),
        redis.hlen(keys.sealed(release)),
        redis.hlen(keys.entries(release)),
        redis.llen(keys.happened(release)),
        redis.hget(keys.rounds(release), `published_at_ms:${published}`),
      ]);
      const publishedAtMs = publishedAt === null ? undefined : Number(publishedAt);
      return { entering, sealed, entries, happened, publishedAtMs };
    },
  };
}
