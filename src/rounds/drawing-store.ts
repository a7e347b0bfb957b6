/** What a worker reads and writes while it draws a round. */
import { setImmediate } from 'node:timers/promises';
import { keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { oneOf, replyWord, script, unexpectedReply } from '../redis/script.ts';

export type CutReply =
  | { outcome: 'DRAWING'; round: number; cutAtMs: number }
  | { outcome: 'NOT_DUE'; waitMs: number }
  /** EXPIRE_FIRST: offers that have lapsed are to expire before this round. */
  | { outcome: 'ENDED' | 'NOTHING_NEW' | 'EXPIRE_FIRST' };

export type WriteSealReply =
  /** Canonical JSON of the seal that counts: this one, or one that was written before. */
  | { outcome: 'SEALED'; seal: string }
  | { outcome: 'NOT_DRAWING' }
  /** The value that the seal names exists: seal again, with this time. */
  | { outcome: 'TOO_LATE'; nowMs: number };

export type PublishReply =
  | { outcome: 'PUBLISHED'; publishedAtMs: number }
  | { outcome: 'NOT_DRAWING' }
  | { outcome: 'SEATS_SHORT'; field: string };

const cutScript = script({
  file: 'rounds/cut',
  keys: ['release', 'rounds', 'entering', 'sealed', 'happened', 'happened_sealed', 'audit'],
  args: [],
  reply: (raw): CutReply => {
    const { word, fields } = replyWord(raw);
    const [first, second] = fields.map(Number) as [number, number];
    if (word === 'DRAWING') return { outcome: word, round: first, cutAtMs: second };
    if (word === 'NOT_DUE') return { outcome: word, waitMs: first - second };
    if (word === 'ENDED' || word === 'NOTHING_NEW' || word === 'EXPIRE_FIRST')
      return { outcome: word };
    throw unexpectedReply('rounds/cut', word);
  },
});

const writeSealScript = script({
  file: 'rounds/write-seal',
  keys: ['release', 'rounds'],
  args: ['round', 'seal', 'value_at_ms', 'write_before_ms'],
  reply: (raw): WriteSealReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'NOT_DRAWING') return { outcome: word };
    if (word === 'SEALED') return { outcome: word, seal: String(fields[0]) };
    if (word === 'TOO_LATE') return { outcome: word, nowMs: Number(fields[0]) };
    throw unexpectedReply('rounds/write-seal', word);
  },
});

const stageScript = script({
  file: 'rounds/stage',
  keys: ['release', 'target'],
  args: ['round'],
  rest: true,
  reply: oneOf('rounds/stage', ['STAGED', 'NOT_DRAWING']),
});

const publishScript = script({
  file: 'rounds/publish',
  keys: [
    'release',
    'rounds',
    'sealed',
    'entries',
    'happened_sealed',
    'bookings',
    'displaced',
    'displacements',
    'seats',
    'resized',
    'audit',
  ],
  args: ['round', 'record', 'digest', 'offered_seats', 'offered_entries'],
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

/** `<slot index>/<pool index>`, the change of its free seats, and of its seats by dereserving. */
export type SeatChange = readonly [pool: string, free: number, moved: number];

/** Hash fields read in one step of a scan, and written in one script. */
const SCAN_COUNT = 2_000;
const STAGE_FIELDS = 2_000;
/** Chunks of a tree, of 48 KiB each, written in one script. */
const STAGE_CHUNKS = 16;
/** Result files, of 10 KiB each where everybody gets a seat, written in one script. */
const STAGE_RESULTS = 64;

export type DrawingStore = ReturnType<typeof createDrawingStore>;

export function createDrawingStore(redis: Redis) {
  return { ...stepStore(redis), ...stagingStore(redis), ...flipStore(redis) };
}

function stepStore(redis: Redis) {
  return {
    lead: (release: string, worker: string, leaseMs: number): Promise<boolean> =>
      leadScript(redis, { lease: keys.lease(release) }, { worker, lease_ms: leaseMs }),

    cut: (release: string): Promise<CutReply> =>
      cutScript(
        redis,
        {
          release: keys.release(release),
          rounds: keys.rounds(release),
          entering: keys.entering(release),
          sealed: keys.sealed(release),
          happened: keys.happened(release),
          happened_sealed: keys.happenedSealed(release),
          audit: keys.audit(release),
        },
        {},
      ),

    /**
     * Hands on the entries of the round being drawn, in batches: entry id, packed entry, and so on.
     * The hash no longer changes; a scan may give an entry twice.
     */
    sealedEntries: async (
      release: string,
      take: (batch: readonly string[]) => void,
    ): Promise<void> => {
      const scan = (cursor: string): Promise<[string, string[]]> =>
        redis.hscan(keys.sealed(release), cursor, 'COUNT', SCAN_COUNT);
      let [cursor, batch] = await scan('0');
      while (cursor !== '0') {
        // Redis looks for the next one while this process takes in the last: the client sends what
        // it is given only when its turn of the event loop is over.
        const next = scan(cursor);
        next.catch(() => undefined); // for the case that `take` throws
        await setImmediate();
        take(batch);
        [cursor, batch] = await next;
      }
      take(batch);
    },

    /** What happened before the cut: `<word> <entry id>`, and what an operator changed (keys.ts). */
    sealedHappenings: (release: string): Promise<string[]> =>
      redis.lrange(keys.happenedSealed(release), 0, -1),

    writeSeal: (
      release: string,
      round: number,
      seal: {
        /** Canonical JSON. */
        readonly text: string;
        /** When the value comes into being that it names, or it was sealed. */
        readonly valueAtMs: number;
        /** Undefined for any time. */
        readonly writeBeforeMs: number | undefined;
      },
    ): Promise<WriteSealReply> =>
      writeSealScript(
        redis,
        { release: keys.release(release), rounds: keys.rounds(release) },
        {
          round,
          seal: seal.text,
          value_at_ms: seal.valueAtMs,
          write_before_ms: seal.writeBeforeMs ?? '',
        },
      ),
  };
}

function flipStore(redis: Redis) {
  return {
    /** Packed bookings, by entry, that a published round displaced; until they are forgotten. */
    displaced: (release: string, round: number): Promise<Record<string, string>> =>
      redis.hgetall(keys.displaced(release, round)),

    forgetDisplaced: async (release: string, round: number): Promise<void> => {
      await redis.unlink(keys.displaced(release, round));
    },

    /** Makes all that was staged count, at once. */
    publish: (
      release: string,
      round: number,
      result: {
        record: string;
        digest: string;
        seats: readonly SeatChange[];
        offers: readonly { readonly size: number }[];
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
          bookings: keys.bookings(release),
          displaced: keys.displaced(release, round),
          displacements: keys.displacements(release),
          seats: keys.seats(release),
          resized: keys.resized(release),
          audit: keys.audit(release),
        },
        {
          round,
          record: result.record,
          digest: result.digest,
          offered_seats: result.offers.reduce((sum, { size }) => sum + size, 0),
          offered_entries: result.offers.length,
        },
        result.seats.flat(),
      ),
  };
}

export type StagedTree = {
  readonly roots: Uint8Array;
  /** By number. */
  readonly chunks: Iterable<readonly [number, Uint8Array]>;
  /** Ids of the entries, unless this is round 0. */
  readonly newcomers: readonly string[];
  /** Of the round's result files, in bits. */
  readonly prefixLength: number;
};

function* inBatches<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let batch: T[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

function* eachWith(ids: Iterable<string>, value: string): Generator<readonly [string, string]> {
  for (const id of ids) yield [id, value];
}

function stagingStore(redis: Redis) {
  /**
   * Writes fields in batches, made as they are wanted, for all together are large; false as soon as
   * another worker has finished the round.
   */
  const stage = async (
    release: string,
    round: number,
    target: string,
    fields: Iterable<readonly [string | number, string | Uint8Array]>,
    size: number,
  ): Promise<boolean> => {
    const places = { release: keys.release(release), target };
    for (const batch of inBatches(fields, size)) {
      const reply = await stageScript(redis, places, { round }, batch.flat());
      if (reply === 'NOT_DRAWING') return false;
    }
    return true;
  };

  return {
    stageBookings: (
      release: string,
      round: number,
      bookings: Iterable<readonly [string, string]>,
    ) => stage(release, round, keys.bookings(release), bookings, STAGE_FIELDS),

    /**
     * Bookings in place of those that people held whom a change displaced, '' for none. What they
     * held counts until the flip.
     */
    stageDisplaced: (
      release: string,
      round: number,
      bookings: Iterable<readonly [string, string]>,
    ) => stage(release, round, keys.displaced(release, round), bookings, STAGE_FIELDS),

    stageOffers: (release: string, round: number, entryIds: Iterable<string>) =>
      stage(release, round, keys.offers(release, round), eachWith(entryIds, ''), STAGE_FIELDS),

    /**
     * What proofs are made from: the round's tree in chunks, their roots, and which round its
     * entries are new in; and how its result files will be cut.
     */
    stageTree: async (
      release: string,
      round: number,
      { roots, chunks, newcomers, prefixLength }: StagedTree,
    ): Promise<boolean> => {
      const target = keys.tree(release, round);
      const cut = [['prefix_length', String(prefixLength)]] as const;
      const newIn = eachWith(newcomers, String(round));
      return (
        (await stage(release, round, target, chunks, STAGE_CHUNKS)) &&
        (await stage(release, round, target, [['roots', roots]], 1)) &&
        (await stage(release, round, keys.results(release, round), cut, 1)) &&
        stage(release, round, keys.newIn(release), newIn, STAGE_FIELDS)
      );
    },

    /**
     * The round's offers, by result file. The digest comes last: a worker from before there were
     * result files may finish what another began, and then they must not be taken for whole.
     */
    stageResults: async (
      release: string,
      round: number,
      digest: string,
      files: Iterable<readonly [number, Uint8Array]>,
    ): Promise<boolean> => {
      const target = keys.results(release, round);
      return (
        (await stage(release, round, target, files, STAGE_RESULTS)) &&
        stage(release, round, target, [['digest', digest]], 1)
      );
    },

    /** One chunk of the compressed transcript, numbered from 0. */
    stageTranscript: (release: string, round: number, number: number, chunk: Uint8Array) =>
      stage(release, round, keys.transcript(release, round), [[number, chunk]], 1),
  };
}
