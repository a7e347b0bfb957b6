import { present } from '../lib/assert.ts';
import { keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { oneOf, replyWord, script, unexpectedReply } from '../redis/script.ts';
import type { ReleaseReading } from './rules.ts';

const saveDraftScript = script({
  file: 'releases/save-draft',
  keys: ['draft', 'manifest'],
  args: ['draft', 'expected'],
  reply: oneOf('releases/save-draft', ['SAVED', 'EXISTS', 'PUBLISHED', 'DRAFT_CHANGED']),
});

const publishScript = script({
  file: 'releases/publish',
  keys: ['release', 'draft', 'manifest', 'seats', 'audit'],
  args: ['draft', 'manifest', 'state', 'manifest_hash'],
  rest: true,
  reply: oneOf('releases/publish', ['PUBLISHED', 'ALREADY', 'DRAFT_CHANGED']),
});

const readScript = script({
  file: 'releases/read',
  acknowledges: false,
  keys: ['release'],
  args: [],
  reply: (raw): ReleaseReading | undefined => {
    const { word, fields } = replyWord(raw);
    if (word === 'UNKNOWN') return undefined;
    if (word !== 'READ') throw unexpectedReply('releases/read', word);
    const [
      nowMs,
      opensAtMs,
      closesAtMs,
      endsAtMs,
      endedAtMs,
      round,
      phase,
      published,
      nextRoundAtMs,
      changingRound,
    ] = fields as [
      number,
      number,
      number,
      number,
      number,
      number,
      'OPEN' | 'DRAWING',
      number,
      number,
      number,
    ];
    return {
      nowMs,
      opensAtMs,
      closesAtMs,
      endsAtMs,
      endedAtMs,
      round,
      phase,
      published,
      nextRoundAtMs,
      changingRound,
    };
  },
});

const endScript = script({
  file: 'releases/end',
  keys: ['release', 'audit'],
  args: [],
  reply: (raw): { outcome: 'UNKNOWN' } | { outcome: 'ENDED'; endedAtMs: number } => {
    const { word, fields } = replyWord(raw);
    if (word === 'UNKNOWN') return { outcome: word };
    if (word !== 'ENDED') throw unexpectedReply('releases/end', word);
    return { outcome: word, endedAtMs: Number(fields[0]) };
  },
});

export type CloseSlotsReply =
  | { outcome: 'RELEASE_UNKNOWN' | 'RELEASE_ENDED' }
  /** By slot: the round that settles its closing. */
  | { outcome: 'CLOSED'; rounds: number[] };

const LOSE_REFUSALS = [
  'RELEASE_UNKNOWN',
  'CHANGE_ID_REUSED',
  'RELEASE_ENDED',
  'ROUND_DRAWING',
  'SLOT_CLOSED',
] as const;

export type LoseSeatsReply =
  | { outcome: 'LOST'; round: number }
  /** `seats`: those that the pool has. */
  | { outcome: 'POOL_TOO_SMALL'; seats: number }
  | { outcome: (typeof LOSE_REFUSALS)[number] };

const closeSlotsScript = script({
  file: 'releases/close-slots',
  keys: ['release', 'entering', 'sealed', 'happened', 'happened_sealed', 'changes', 'audit'],
  args: [],
  rest: true,
  reply: (raw): CloseSlotsReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'CLOSED') return { outcome: word, rounds: fields.map(Number) };
    if (word === 'RELEASE_UNKNOWN' || word === 'RELEASE_ENDED') return { outcome: word };
    throw unexpectedReply('releases/close-slots', word);
  },
});

const loseSeatsScript = script({
  file: 'releases/lose-seats',
  keys: [
    'release',
    'entering',
    'sealed',
    'happened',
    'happened_sealed',
    'changes',
    'resized',
    'audit',
  ],
  args: ['change', 'slot', 'pool', 'seats', 'manifest_seats', 'dereserve_after_round'],
  reply: (raw): LoseSeatsReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'LOST') return { outcome: word, round: Number(fields[0]) };
    if (word === 'POOL_TOO_SMALL') return { outcome: word, seats: Number(fields[0]) };
    const refusal = LOSE_REFUSALS.find((one) => one === word);
    if (refusal) return { outcome: refusal };
    throw unexpectedReply('releases/lose-seats', word);
  },
});

/** What scripts need that may have to cut round 0 first, and then change what it hands on. */
const changeKeys = (release: string) => ({
  release: keys.release(release),
  entering: keys.entering(release),
  sealed: keys.sealed(release),
  happened: keys.happened(release),
  happened_sealed: keys.happenedSealed(release),
  changes: keys.changes(release),
  audit: keys.audit(release),
});

export type ReleaseStore = ReturnType<typeof createReleaseStore>;

export function createReleaseStore(redis: Redis) {
  return { ...publishedStore(redis), ...draftCount(redis), ...changeStore(redis) };
}

function changeStore(redis: Redis) {
  return {
    closeSlots: (release: string, slots: readonly number[]): Promise<CloseSlotsReply> =>
      closeSlotsScript(redis, changeKeys(release), {}, slots),

    /** `manifestSeats`: those of the pool. */
    loseSeats: (
      release: string,
      loss: {
        change: string;
        slot: number;
        pool: number;
        seats: number;
        manifestSeats: number;
        dereserveAfterRound: number | null;
      },
    ): Promise<LoseSeatsReply> =>
      loseSeatsScript(
        redis,
        { ...changeKeys(release), resized: keys.resized(release) },
        {
          change: loss.change,
          slot: loss.slot,
          pool: loss.pool,
          seats: loss.seats,
          manifest_seats: loss.manifestSeats,
          dereserve_after_round: loss.dereserveAfterRound ?? '',
        },
      ),

    /** The hash `changes` as it is held. */
    changes: (release: string): Promise<Record<string, string>> =>
      redis.hgetall(keys.changes(release)),
  };
}

/** Ids of drafts, for whoever only counts them. */
function draftCount(redis: Redis) {
  return {
    countDraft: async (release: string): Promise<void> => {
      await redis.sadd(keys.drafts(), release);
    },
    uncountDraft: async (release: string): Promise<void> => {
      await redis.srem(keys.drafts(), release);
    },
  };
}

function publishedStore(redis: Redis) {
  return {
    /** `expected`: the draft as it was read, or '' to create one. */
    saveDraft: (release: string, draft: string, expected: string) =>
      saveDraftScript(
        redis,
        { draft: keys.draft(release), manifest: keys.manifest(release) },
        { draft, expected },
      ),

    draft: (release: string): Promise<string | null> => redis.get(keys.draft(release)),
    manifest: (release: string): Promise<string | null> => redis.get(keys.manifest(release)),
    read: (release: string) => readScript(redis, { release: keys.release(release) }, {}),

    publish: (
      release: string,
      published: {
        draft: string;
        manifest: string;
        manifestHash: string;
        state: Readonly<Record<string, string>>;
        /** Capacities by `<slot index>/<pool index>`. */
        seats: readonly (readonly [field: string, seats: number])[];
      },
    ) =>
      publishScript(
        redis,
        {
          release: keys.release(release),
          draft: keys.draft(release),
          manifest: keys.manifest(release),
          seats: keys.seats(release),
          audit: keys.audit(release),
        },
        {
          draft: published.draft,
          manifest: published.manifest,
          state: JSON.stringify(published.state),
          manifest_hash: published.manifestHash,
        },
        published.seats.flat(),
      ),

    /**
     * Lists a release under its opening time, in its series too if it has one; publishing again
     * lists it again.
     */
    list: async (release: string, opensAtMs: number, series: string | null): Promise<void> => {
      const indexes = [keys.releases(), ...(series === null ? [] : [keys.series(series)])];
      await Promise.all(indexes.map((index) => redis.zadd(index, opensAtMs, release)));
    },
    /** Ids of the published releases, the latest to open first, at most `limit`. */
    listed: (limit: number): Promise<string[]> => redis.zrevrange(keys.releases(), 0, limit - 1),
    /** Ids of all of them: whoever draws must not miss one. */
    all: (): Promise<string[]> => redis.zrange(keys.releases(), '0', '-1'),
    openingAfter: (epochMs: number): Promise<string[]> =>
      redis.zrangebyscore(keys.releases(), `(${epochMs}`, '+inf'),
    /** Free seats by `<slot index>/<pool index>`. */
    free: (release: string): Promise<Record<string, string>> => redis.hgetall(keys.seats(release)),

    end: (release: string) =>
      endScript(redis, { release: keys.release(release), audit: keys.audit(release) }, {}),

    /**
     * Free seats by `<slot index>/<pool index>`, all packed bookings (offers too) and the last
     * published round, at one instant: for operators, not for requests of citizens.
     */
    holdings: async (release: string) => {
      const replies = await redis
        .multi()
        .hgetall(keys.seats(release))
        .hvals(keys.bookings(release))
        .hget(keys.release(release), 'published')
        .exec();
      const [free, bookings, published] = present(replies, 'a transaction').map(([, is]) => is);
      return {
        free: free as Record<string, string>,
        bookings: bookings as string[],
        published: Number(published),
      };
    },
  };
}
