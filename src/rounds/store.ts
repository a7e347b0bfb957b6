import { assert, present } from '../lib/assert.ts';
import { keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { replyWord, script, unexpectedReply } from '../redis/script.ts';
import type { EntryState } from './rules.ts';

const ENTER_REFUSALS = [
  'CLAIM_EXPIRED',
  'RELEASE_UNKNOWN',
  'RELEASE_ENDED',
  'ROUND_DRAWING',
  'ENTRY_SEALED',
  'HAS_BOOKING',
  'ENTRY_LAPSED',
  'TOO_MANY_ENTRIES',
] as const;

export type EnterReply =
  | { outcome: 'ENTERED'; resultAtMs: number }
  | { outcome: 'RELEASE_NOT_OPEN'; opensAtMs: number }
  | { outcome: (typeof ENTER_REFUSALS)[number] };

export type WithdrawReply = 'ROUND_DRAWING' | 'HAS_BOOKING' | 'ENTRY_UNKNOWN' | 'WITHDRAWN';

export type CutReply =
  | { outcome: 'DRAWING'; round: number; sealedAtMs: number }
  | { outcome: 'NOT_DUE'; waitMs: number }
  | { outcome: 'ENDED' | 'NOTHING_NEW' };

export type PublishReply =
  | { outcome: 'PUBLISHED'; publishedAtMs: number }
  | { outcome: 'NOT_DRAWING' }
  | { outcome: 'SEATS_SHORT'; field: string };

export type EntryStanding = {
  readonly state: EntryState;
  /** Packed entry; '' once it is gone. */
  readonly entry: string;
  /** Packed booking; '' where there is none. */
  readonly booking: string;
  /** 0 where nothing is to be confirmed. */
  readonly confirmByMs: number;
};

const enterScript = script({
  file: 'rounds/enter',
  keys: [
    'release',
    'entering',
    'sealed',
    'entries',
    'bookings',
    'accounts',
    'happened',
    'happened_sealed',
    'audit',
  ],
  args: ['entry_id', 'entry', 'account', 'enter_before_ms'],
  reply: (raw): EnterReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'ENTERED') return { outcome: word, resultAtMs: Number(fields[0]) };
    if (word === 'RELEASE_NOT_OPEN') return { outcome: word, opensAtMs: Number(fields[0]) };
    const refusal = ENTER_REFUSALS.find((one) => one === word);
    if (refusal) return { outcome: refusal };
    throw unexpectedReply('rounds/enter', word);
  },
});

const withdrawScript = script({
  file: 'rounds/withdraw',
  keys: [
    'release',
    'entering',
    'sealed',
    'entries',
    'bookings',
    'happened',
    'happened_sealed',
    'audit',
  ],
  args: ['entry_id'],
  reply: (raw): WithdrawReply => {
    const { word } = replyWord(raw);
    if (
      word === 'ROUND_DRAWING' ||
      word === 'HAS_BOOKING' ||
      word === 'ENTRY_UNKNOWN' ||
      word === 'WITHDRAWN'
    ) {
      return word;
    }
    throw unexpectedReply('rounds/withdraw', word);
  },
});

const viewScript = script({
  file: 'rounds/view',
  keys: ['release', 'entering', 'sealed', 'entries', 'bookings', 'rounds'],
  args: [],
  rest: true,
  reply: (raw): EntryStanding[] => {
    const flat = raw as (string | number)[];
    const standings: EntryStanding[] = [];
    for (let i = 0; i < flat.length; i += 4) {
      const [state, entry, booking, confirmByMs] = flat.slice(i, i + 4) as [
        EntryState,
        string,
        string,
        number,
      ];
      standings.push({ state, entry, booking, confirmByMs });
    }
    return standings;
  },
});

const cutScript = script({
  file: 'rounds/cut',
  keys: ['release', 'entering', 'sealed', 'happened', 'happened_sealed', 'audit'],
  args: [],
  reply: (raw): CutReply => {
    const { word, fields } = replyWord(raw);
    const [first, second] = fields.map(Number) as [number, number];
    if (word === 'DRAWING') return { outcome: word, round: first, sealedAtMs: second };
    if (word === 'NOT_DUE') return { outcome: word, waitMs: first - second };
    if (word === 'ENDED' || word === 'NOTHING_NEW') return { outcome: word };
    throw unexpectedReply('rounds/cut', word);
  },
});

const writeSealScript = script({
  file: 'rounds/write-seal',
  keys: ['release', 'rounds'],
  args: ['round', 'seal'],
  reply: (raw): 'WRITTEN' | 'NOT_DRAWING' | 'SEAL_DIFFERS' => {
    const { word } = replyWord(raw);
    if (word === 'WRITTEN' || word === 'NOT_DRAWING' || word === 'SEAL_DIFFERS') return word;
    throw unexpectedReply('rounds/write-seal', word);
  },
});

const stageScript = script({
  file: 'rounds/stage',
  keys: ['release', 'target'],
  args: ['round'],
  rest: true,
  reply: (raw): 'STAGED' | 'NOT_DRAWING' => {
    const { word } = replyWord(raw);
    if (word === 'STAGED' || word === 'NOT_DRAWING') return word;
    throw unexpectedReply('rounds/stage', word);
  },
});

const publishScript = script({
  file: 'rounds/publish',
  keys: ['release', 'rounds', 'sealed', 'entries', 'happened_sealed', 'seats', 'audit'],
  args: ['round', 'record', 'digest'],
  rest: true,
  reply: (raw): PublishReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'PUBLISHED') return { outcome: word, publishedAtMs: Number(fields[0]) };
    if (word === 'NOT_DRAWING') return { outcome: word };
    if (word === 'SEATS_SHORT') return { outcome: word, field: String(fields[0]) };
    throw unexpectedReply('rounds/publish', word);
  },
});

const leadScript = script({
  file: 'rounds/lead',
  keys: ['lease'],
  args: ['worker', 'lease_ms'],
  reply: (raw): boolean => {
    const { word } = replyWord(raw);
    if (word === 'LEADS' || word === 'FOLLOWS') return word === 'LEADS';
    throw unexpectedReply('rounds/lead', word);
  },
});

/** Hash fields read in one step of a scan, and written in one script. */
const SCAN_COUNT = 2_000;
const STAGE_FIELDS = 2_000;
/** Transcript bytes kept in one hash field. */
export const TRANSCRIPT_CHUNK_BYTES = 512 * 1024;

export type RoundStore = ReturnType<typeof createRoundStore>;

export function createRoundStore(redis: Redis) {
  return { ...entryStore(redis), ...drawingStore(redis), ...publishedStore(redis) };
}

function entryStore(redis: Redis) {
  return {
    enter: (
      release: string,
      entry: { id: string; packed: string; account: string; enterBeforeMs: number },
    ): Promise<EnterReply> =>
      enterScript(
        redis,
        {
          release: keys.release(release),
          entering: keys.entering(release),
          sealed: keys.sealed(release),
          entries: keys.entries(release),
          bookings: keys.bookings(release),
          accounts: keys.accounts(release),
          happened: keys.happened(release),
          happened_sealed: keys.happenedSealed(release),
          audit: keys.audit(release),
        },
        {
          entry_id: entry.id,
          entry: entry.packed,
          account: entry.account,
          enter_before_ms: entry.enterBeforeMs,
        },
      ),

    withdraw: (release: string, entryId: string): Promise<WithdrawReply> =>
      withdrawScript(
        redis,
        {
          release: keys.release(release),
          entering: keys.entering(release),
          sealed: keys.sealed(release),
          entries: keys.entries(release),
          bookings: keys.bookings(release),
          happened: keys.happened(release),
          happened_sealed: keys.happenedSealed(release),
          audit: keys.audit(release),
        },
        { entry_id: entryId },
      ),

    /** Where each of these entries stands; empty for a release that is not published. */
    view: (release: string, entryIds: readonly string[]): Promise<EntryStanding[]> =>
      viewScript(
        redis,
        {
          release: keys.release(release),
          entering: keys.entering(release),
          sealed: keys.sealed(release),
          entries: keys.entries(release),
          bookings: keys.bookings(release),
          rounds: keys.rounds(release),
        },
        {},
        entryIds,
      ),
  };
}

function drawingStore(redis: Redis) {
  /** Writes fields in batches; false as soon as another worker has finished the round. */
  const stage = async (
    release: string,
    round: number,
    target: string,
    fields: readonly (readonly [string | number, string | Uint8Array])[],
    batch: number,
  ): Promise<boolean> => {
    for (let i = 0; i < fields.length; i += batch) {
      const reply = await stageScript(
        redis,
        { release: keys.release(release), target },
        { round },
        fields.slice(i, i + batch).flat(),
      );
      if (reply === 'NOT_DRAWING') return false;
    }
    return true;
  };

  return {
    lead: (release: string, worker: string, leaseMs: number): Promise<boolean> =>
      leadScript(redis, { lease: keys.lease(release) }, { worker, lease_ms: leaseMs }),

    cut: (release: string): Promise<CutReply> =>
      cutScript(
        redis,
        {
          release: keys.release(release),
          entering: keys.entering(release),
          sealed: keys.sealed(release),
          happened: keys.happened(release),
          happened_sealed: keys.happenedSealed(release),
          audit: keys.audit(release),
        },
        {},
      ),

    /**
     * The entries of the round being drawn: entry id -> packed entry. The hash no longer changes.
     */
    sealedEntries: async (release: string): Promise<Map<string, string>> => {
      const entries = new Map<string, string>(); // a scan may give a field twice
      let cursor = '0';
      do {
        const [next, flat] = await redis.hscan(keys.sealed(release), cursor, 'COUNT', SCAN_COUNT);
        for (let i = 0; i < flat.length; i += 2)
          entries.set(flat[i] as string, flat[i + 1] as string);
        cursor = next;
      } while (cursor !== '0');
      return entries;
    },

    /** `<word> <entry id>` of what happened before the cut. */
    sealedHappenings: (release: string): Promise<string[]> =>
      redis.lrange(keys.happenedSealed(release), 0, -1),

    writeSeal: async (release: string, round: number, seal: string): Promise<boolean> => {
      const reply = await writeSealScript(
        redis,
        { release: keys.release(release), rounds: keys.rounds(release) },
        { round, seal },
      );
      assert(
        reply !== 'SEAL_DIFFERS',
        `round ${round} of ${release} was sealed differently before`,
      );
      return reply === 'WRITTEN';
    },

    stageBookings: (
      release: string,
      round: number,
      bookings: readonly (readonly [string, string])[],
    ) => stage(release, round, keys.bookings(release), bookings, STAGE_FIELDS),

    stageOffers: (release: string, round: number, entryIds: readonly string[]) =>
      stage(
        release,
        round,
        keys.offers(release, round),
        entryIds.map((id) => [id, ''] as const),
        STAGE_FIELDS,
      ),

    stageTranscript: (release: string, round: number, chunks: readonly Uint8Array[]) =>
      stage(
        release,
        round,
        keys.transcript(release, round),
        chunks.map((chunk, number) => [number, chunk] as const),
        1,
      ),

    publish: (
      release: string,
      round: number,
      result: {
        record: string;
        digest: string;
        given: readonly (readonly [field: string, seats: number])[];
      },
    ): Promise<PublishReply> =>
      publishScript(
        redis,
        {
          release: keys.release(release),
          rounds: keys.rounds(release),
          sealed: keys.sealed(release),
          entries: keys.entries(release),
          happened_sealed: keys.happenedSealed(release),
          seats: keys.seats(release),
          audit: keys.audit(release),
        },
        { round, record: result.record, digest: result.digest },
        result.given.flat(),
      ),
  };
}

function publishedStore(redis: Redis) {
  return {
    /** Numbers and digests of the published rounds. */
    rounds: async (release: string, published: number) => {
      const numbers = Array.from({ length: published + 1 }, (_, round) => round);
      if (numbers.length === 0) return [];
      const fields = numbers.flatMap((round) => [`digest:${round}`, `published_at_ms:${round}`]);
      const values = await redis.hmget(keys.rounds(release), ...fields);
      return numbers.map((round) => ({
        round,
        digest: present(values[2 * round], `digest of round ${round}`),
        publishedAtMs: Number(values[2 * round + 1]),
      }));
    },

    round: async (release: string, round: number) => {
      const [record, digest, publishedAtMs] = await redis.hmget(
        keys.rounds(release),
        `record:${round}`,
        `digest:${round}`,
        `published_at_ms:${round}`,
      );
      if (!record || !digest) return undefined;
      return { record, digest, publishedAtMs: Number(publishedAtMs) };
    },

    /** The seal alone, which is public before the round is drawn. */
    seal: (release: string, round: number): Promise<string | null> =>
      redis.hget(keys.rounds(release), `seal:${round}`),

    /** The gzipped transcript, chunk by chunk. */
    transcript: async function* (release: string, round: number): AsyncGenerator<Buffer> {
      const key = keys.transcript(release, round);
      const chunks = await redis.hlen(key);
      for (let chunk = 0; chunk < chunks; chunk++) {
        yield present(await redis.hgetBuffer(key, String(chunk)), `chunk ${chunk} of a transcript`);
      }
    },

    /** Entry ids whose offer of this round is unanswered. */
    openOffers: (release: string, round: number): Promise<string[]> =>
      redis.hkeys(keys.offers(release, round)),

    /** Packed entries by id; null for one that is gone. */
    entries: (release: string, entryIds: readonly string[]): Promise<(string | null)[]> =>
      entryIds.length === 0 ? Promise.resolve([]) : redis.hmget(keys.entries(release), ...entryIds),

    /** The last round whose winners were told, -1 before any. */
    notified: async (release: string): Promise<number> =>
      Number((await redis.hget(keys.release(release), 'notified')) ?? -1),

    markNotified: async (release: string, round: number): Promise<void> => {
      await redis.hset(keys.release(release), 'notified', round);
    },
  };
}
