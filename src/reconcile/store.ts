/** What a check reads, some at a time so that nobody waits for it, and the little that it mends. */
import { setImmediate, setTimeout } from 'node:timers/promises';
import { type Redis, scanKeys } from '../redis/client.ts';
import { keys } from '../redis/keys.ts';
import { oneOf, replyWord, script, unexpectedReply } from '../redis/script.ts';
import { CLAIM_FIELD, unpackClaim } from '../people/claim-field.ts';
import { auditLine } from '../rounds/audit-line.ts';
import { type Instant, type Item, type SumName, SUMS } from './reading.ts';

export const RECONCILE_LIMITS = {
  /** Fields of a hash, keys, or lines of a stream, read in one step. */
  batch: 500,
  /** Lines of a stream, with all that they name, in one script. */
  lines: 200,
  /** Things that looked wrong and are read once more, in one script. */
  asks: 100,
  /** Times that a release is read anew since a round came between. */
  attempts: 20,
  /** Findings of a release that are listed; all are counted. */
  listed: 1_000,
  /** Between two steps of a worker, which is in no hurry. */
  paceMs: 2,
  leaseMs: 30_000,
} as const;

export type Line = { readonly id: string; readonly text: string };

export type ReadReply = {
  readonly instant: Instant;
  /** Whether there are further lines. */
  readonly more: boolean;
  readonly lines: readonly Line[];
  readonly items: readonly (readonly [id: string, item: Item])[];
  readonly free: readonly (readonly [place: string, seats: string])[];
};

/** Takes what follows one another in a flat reply. */
function taker(fields: readonly (string | number)[]) {
  let at = 0;
  const text = (): string => String(fields[at++] ?? '');
  const number = (): number => Number(fields[at++] ?? 0);
  const list = <T>(one: () => T): T[] => Array.from({ length: number() }, one);
  return { text, number, list };
}

const readScript = script({
  file: 'reconcile/read',
  keys: [
    'release',
    'rounds',
    'entering',
    'sealed',
    'entries',
    'bookings',
    'members',
    'seats',
    'happened_sealed',
    'audit',
  ],
  args: ['after', 'at_most'],
  rest: true,
  reply: (raw): ReadReply | undefined => {
    const { word, fields } = replyWord(raw);
    if (word === 'UNKNOWN') return undefined;
    if (word !== 'READ') throw unexpectedReply('reconcile/read', word);
    const { text, number, list } = taker(fields);
    const instant = {
      nowMs: number(),
      drawsOver: number() === 1,
      phase: text(),
      round: number(),
      published: number(),
      unexpiredRound: number(),
      leftover: number(),
      sums: Object.fromEntries(SUMS.map((name) => [name, text()])) as Instant['sums'],
    };
    const more = number() === 1;
    const lines = list(() => ({ id: text(), text: auditLine(text()) }));
    const items = list((): [string, Item] => {
      const id = text();
      const [entering, sealed, entries] = [text(), text(), text()];
      return [id, { entering, sealed, entries, booking: text(), members: text() }];
    });
    return { instant, more, lines, items, free: list(() => [text(), text()] as const) };
  },
});

const OFFER_WORDS = ['RIGHT', 'OVERLOOKED', 'STALE', 'UNLISTED', 'MENDED'] as const;
export type OfferWord = (typeof OFFER_WORDS)[number];

const offerScript = script({
  file: 'reconcile/offer',
  keys: ['release', 'bookings', 'offers', 'displacements', 'audit'],
  args: ['entry_id', 'round', 'act'],
  reply: oneOf('reconcile/offer', OFFER_WORDS),
});

const setSeatsScript = script({
  file: 'reconcile/set-seats',
  keys: ['release', 'seats', 'audit'],
  args: ['place', 'found', 'seats', 'after', 'kind'],
  /** The id of the line that this wrote; undefined where something has changed. */
  reply: (raw): string | undefined => {
    const { word, fields } = replyWord(raw);
    if (word === 'CHANGED') return undefined;
    if (word === 'MENDED') return String(fields[0]);
    throw unexpectedReply('reconcile/set-seats', word);
  },
});

const setSumsScript = script({
  file: 'reconcile/set-sums',
  keys: ['release', 'audit'],
  args: ['after'],
  rest: true,
  /** The id of the line that this wrote; undefined where something has changed. */
  reply: (raw): string | undefined => {
    const { word, fields } = replyWord(raw);
    if (word === 'CHANGED') return undefined;
    if (word === 'MENDED') return String(fields[0]);
    throw unexpectedReply('reconcile/set-sums', word);
  },
});

const mendClaimScript = script({
  file: 'reconcile/mend-claim',
  keys: ['person'],
  args: ['account', 'claim', 'claimed_at_ms', 'release'],
  reply: (raw): boolean => {
    const { word } = replyWord(raw);
    if (word === 'MENDED' || word === 'CHANGED') return word === 'MENDED';
    throw unexpectedReply('reconcile/mend-claim', word);
  },
});

export type LeadReply = { outcome: 'LEADS' | 'FOLLOWS' } | { outcome: 'NOT_DUE'; waitMs: number };

const leadScript = script({
  file: 'reconcile/lead',
  keys: ['lease', 'last'],
  args: ['worker', 'lease_ms', 'every_ms'],
  reply: (raw): LeadReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'LEADS' || word === 'FOLLOWS') return { outcome: word };
    if (word === 'NOT_DUE') return { outcome: word, waitMs: Number(fields[0]) };
    throw unexpectedReply('reconcile/lead', word);
  },
});

const finishScript = script({
  file: 'reconcile/finish',
  keys: ['lease', 'last'],
  args: ['worker', 'duration_ms', 'counts'],
  reply: (raw): void => {
    const { word } = replyWord(raw);
    if (word !== 'FINISHED') throw unexpectedReply('reconcile/finish', word);
  },
});

/** Hashes of a release that are read whole, by and by. */
export type Noun =
  | 'seats'
  | 'resized'
  | 'changes'
  | 'accounts'
  | 'members'
  | 'bookings'
  | 'displacements'
  | 'entering'
  | 'sealed'
  | 'entries';

export type PersonHeld = {
  readonly account: string;
  readonly claim: string;
  readonly claimedAtMs: string;
};

/** What the last run over all releases came to. */
export type LastRun = {
  readonly finishedAtMs: number;
  readonly durationMs: number;
  /** JSON: findings by kind. */
  readonly counts: string;
};

/** Called between two steps; a worker takes its time. */
export type Pace = () => Promise<unknown>;
export const atOnce: Pace = () => setImmediate();
export const unhurried: Pace = () => setTimeout(RECONCILE_LIMITS.paceMs);

export type ReconcileStore = ReturnType<typeof createReconcileStore>;

export function createReconcileStore(redis: Redis) {
  return { ...readingStore(redis), ...peopleStore(redis), ...mendingStore(redis), ...runs(redis) };
}

function readingStore(redis: Redis) {
  const scan = async (
    key: string,
    take: (field: string, value: string) => void,
    pace: Pace,
  ): Promise<void> => {
    let cursor = '0';
    do {
      const [next, flat] = await redis.hscan(key, cursor, 'COUNT', RECONCILE_LIMITS.batch);
      for (let i = 0; i + 1 < flat.length; i += 2) take(String(flat[i]), String(flat[i + 1]));
      cursor = next;
      await pace();
    } while (cursor !== '0');
  };

  return {
    /** Gives all fields of a hash that are there all the time; some perhaps twice. */
    scan: (release: string, noun: Noun, take: Parameters<typeof scan>[1], pace: Pace) =>
      scan(keys[noun](release), take, pace),

    scanOffers: (release: string, round: number, take: (id: string) => void, pace: Pace) =>
      scan(keys.offers(release, round), (id) => take(id), pace),

    /** The next lines of the audit stream. */
    lines: async (release: string, after: string): Promise<Line[]> => {
      const { batch } = RECONCILE_LIMITS;
      const lines = await redis.xrange(keys.audit(release), `(${after}`, '+', 'COUNT', batch);
      return lines.map(([id, [, text = '']]) => ({ id, text: auditLine(text) }));
    },

    /** Undefined for a release that does not exist. */
    read: (release: string, after: string, asks: readonly string[] = []) =>
      readScript(
        redis,
        {
          release: keys.release(release),
          rounds: keys.rounds(release),
          entering: keys.entering(release),
          sealed: keys.sealed(release),
          entries: keys.entries(release),
          bookings: keys.bookings(release),
          members: keys.members(release),
          seats: keys.seats(release),
          happened_sealed: keys.happenedSealed(release),
          audit: keys.audit(release),
        },
        { after, at_most: RECONCILE_LIMITS.lines },
        asks,
      ),

    /** What is kept of a published round; null for what is missing. */
    round: async (release: string, round: number) => {
      const names = ['record', 'digest', 'seal', 'published_at_ms', 'value_at_ms'] as const;
      const fields = names.map((name) => `${name}:${round}`);
      const values = await redis.hmget(keys.rounds(release), ...fields);
      return Object.fromEntries(names.map((name, at) => [name, values[at] ?? null])) as Record<
        (typeof names)[number],
        string | null
      >;
    },

    /** Whether retention deleted all but what is published. */
    isCleared: async (release: string): Promise<boolean> =>
      (await redis.hexists(keys.release(release), 'cleared_at_ms')) === 1,

    /** Numbers of the chunks of a transcript. */
    chunks: (release: string, round: number): Promise<string[]> =>
      redis.hkeys(keys.transcript(release, round)),

    marksOf: async (release: string, account: string): Promise<string> =>
      (await redis.hget(keys.accounts(release), account)) ?? '',
  };
}

function peopleStore(redis: Redis) {
  const held = async (key: string): Promise<PersonHeld> => {
    const [account, packed] = await redis.hmget(key, 'account', CLAIM_FIELD);
    const claim = unpackClaim(packed);
    return {
      account: account ?? '',
      claim: claim?.release ?? '',
      claimedAtMs: String(claim?.claimedAtMs ?? ''),
    };
  };
  const [before = '', behind = ''] = keys.person('*').split('*');

  return {
    persons: (persons: readonly string[]): Promise<PersonHeld[]> =>
      Promise.all(persons.map((person) => held(keys.person(person)))),

    /** Everybody, some at a time. */
    everybody: async function* (): AsyncGenerator<(PersonHeld & { person: string })[]> {
      for await (const found of scanKeys(redis, keys.person('*'), RECONCILE_LIMITS.batch))
        yield await Promise.all(
          found.map(async (key) => ({
            ...(await held(key)),
            person: key.slice(before.length, -behind.length),
          })),
        );
    },

    mendClaim: (person: string, read: PersonHeld, release: string): Promise<boolean> =>
      mendClaimScript(
        redis,
        { person: keys.person(person) },
        { account: read.account, claim: read.claim, claimed_at_ms: read.claimedAtMs, release },
      ),
  };
}

function mendingStore(redis: Redis) {
  return {
    offer: (release: string, entryId: string, round: number, act: 'LOOK' | 'MEND') =>
      offerScript(
        redis,
        {
          release: keys.release(release),
          bookings: keys.bookings(release),
          offers: keys.offers(release, round),
          displacements: keys.displacements(release),
          audit: keys.audit(release),
        },
        { entry_id: entryId, round, act },
      ),

    setSeats: (
      release: string,
      seats: { place: string; found: string; seats: number; after: string; kind: string },
    ) =>
      setSeatsScript(
        redis,
        {
          release: keys.release(release),
          seats: keys.seats(release),
          audit: keys.audit(release),
        },
        seats,
      ),

    setSums: (release: string, after: string, sums: Readonly<Record<SumName, number>>) =>
      setSumsScript(
        redis,
        { release: keys.release(release), audit: keys.audit(release) },
        { after },
        Object.entries(sums).flat(),
      ),

    /** Writes down what was mended under another tag. */
    note: async (release: string, line: string): Promise<void> => {
      await redis.xadd(keys.audit(release), '*', 'e', line);
    },
  };
}

function runs(redis: Redis) {
  const places = { lease: keys.reconcileLease(), last: keys.reconcileLast() };
  return {
    lead: (worker: string, everyMs: number): Promise<LeadReply> =>
      leadScript(redis, places, {
        worker,
        lease_ms: RECONCILE_LIMITS.leaseMs,
        every_ms: everyMs,
      }),

    /** `worker`: '' without a lease. `counts`: JSON. */
    finish: (worker: string, durationMs: number, counts: string): Promise<void> =>
      finishScript(redis, places, { worker, duration_ms: Math.round(durationMs), counts }),

    last: async (): Promise<LastRun | undefined> => {
      const [at, duration, counts] = await redis.hmget(
        places.last,
        'finished_at_ms',
        'duration_ms',
        'counts',
      );
      if (!at || !counts) return undefined;
      return { finishedAtMs: Number(at), durationMs: Number(duration), counts };
    },
  };
}
