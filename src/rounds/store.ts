import { present } from '../lib/assert.ts';
import { keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { oneOf, replyWord, script, unexpectedReply } from '../redis/script.ts';
import { enteredBy, type EntryState } from './rules.ts';

const ENTER_REFUSALS = [
  'CLAIM_EXPIRED',
  'RELEASE_UNKNOWN',
  'RELEASE_ENDED',
  'ENTRY_SEALED',
  'HAS_BOOKING',
  'SLOTS_CLOSED',
  'ENTRY_CHANGED',
  'TOO_MANY_ENTRIES',
  'TOO_MANY_FROM_DEVICE',
] as const;

export type EnterRefusal =
  | { outcome: 'RELEASE_NOT_OPEN'; opensAtMs: number }
  /** `person`: which of the entry's people it is about. */
  | { outcome: 'ENTRY_LAPSED' | 'IN_ANOTHER_ENTRY'; person: number }
  | { outcome: (typeof ENTER_REFUSALS)[number] };

/** `repeated`: it stood there already. */
export type EnteredHow = 'entered' | 'edited' | 'repeated' | 'carried';

export type EnterReply =
  | { outcome: 'ENTERED'; resultAtMs: number; issuedAtMs: number; how: EnteredHow }
  | EnterRefusal;

export type CarryReply =
  | EnterReply
  /** By an earlier attempt; `entered`: its entry may still be edited. */
  | { outcome: 'ALREADY_CARRIED'; entered: boolean }
  | { outcome: 'HAS_ENTRY' | 'PASSED_OVER' | 'NOT_CARRIED' };

/**
 * How a standing entry comes. PASSED_OVER: it only stands on, without an entry. ASKED: whether it
 * came before, and nothing more.
 */
export type Coming = 'CARRIED' | 'PASSED_OVER' | 'ASKED';

export type EntryToPut = {
  readonly id: string;
  readonly packed: string;
  readonly account: string;
  /** The one that it comes from, where it is known; of one that is carried, none. */
  readonly device?: string;
  /** Keyed hash of the network that it comes from, likewise. */
  readonly network?: string;
  readonly enterBeforeMs: number;
  /** Ids that the others of its group would have alone. */
  readonly others?: readonly string[];
  /** Packed standing entry, of one that is to be carried over. */
  readonly standing?: string;
  /** The packed entry that this edits, '' where there must be none yet; left out for any. */
  readonly expected?: string;
};

const WITHDRAW_REPLIES = [
  'ROUND_DRAWING',
  'HAS_BOOKING',
  'ENTRY_UNKNOWN',
  'RELEASE_ENDED',
  'WITHDRAWN',
] as const;
export type WithdrawReply = (typeof WITHDRAW_REPLIES)[number];

export type EntryStanding = {
  readonly state: EntryState;
  /** Packed entry; '' once it is gone. */
  readonly entry: string;
  /** Packed booking; '' where there is none. */
  readonly booking: string;
  /** Of an offer, also one that has lapsed; else 0. */
  readonly confirmByMs: number;
  /** For the receipt of an entry that is ENTERED. */
  readonly issuedAtMs: number;
  /** Ids that the people of its group would have alone, the lead's first; empty for who is alone. */
  readonly group: readonly string[];
  /** Packed standing entry; '' where it is not to be carried over. */
  readonly standing: string;
};

const enterScript = script({
  file: 'rounds/enter',
  keys: [
    'release',
    'rounds',
    'entering',
    'sealed',
    'entries',
    'bookings',
    'accounts',
    'members',
    'happened',
    'happened_sealed',
    'changes',
    'standing',
    'withdrawn',
    'audit',
  ],
  args: ['entry_id', 'entry', 'by', 'enter_before_ms', 'standing', 'coming', 'expected'],
  rest: true,
  reply: (raw): CarryReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'ENTERED') {
      const [resultAtMs, issuedAtMs, how] = fields as [number, number, EnteredHow];
      return { outcome: word, resultAtMs, issuedAtMs, how };
    }
    if (word === 'RELEASE_NOT_OPEN') return { outcome: word, opensAtMs: Number(fields[0]) };
    if (word === 'ENTRY_LAPSED' || word === 'IN_ANOTHER_ENTRY')
      return { outcome: word, person: Number(fields[0]) };
    if (word === 'ALREADY_CARRIED') return { outcome: word, entered: fields[0] === 1 };
    if (word === 'HAS_ENTRY' || word === 'PASSED_OVER' || word === 'NOT_CARRIED')
      return { outcome: word };
    const refusal = ENTER_REFUSALS.find((one) => one === word);
    if (refusal) return { outcome: refusal };
    throw unexpectedReply('rounds/enter', word);
  },
});

const withdrawScript = script({
  file: 'rounds/withdraw',
  keys: [
    'release',
    'rounds',
    'entering',
    'sealed',
    'entries',
    'bookings',
    'standing',
    'carrying',
    'withdrawn',
    'happened',
    'happened_sealed',
    'audit',
  ],
  args: ['entry_id', 'standing'],
  reply: oneOf('rounds/withdraw', WITHDRAW_REPLIES),
});

const viewScript = script({
  file: 'rounds/view',
  acknowledges: false,
  keys: [
    'release',
    'entering',
    'sealed',
    'entries',
    'bookings',
    'rounds',
    'members',
    'standing',
    'carrying',
    'audit',
  ],
  args: [],
  rest: true,
  reply: (raw): EntryStanding[] => {
    const [issuedAtMs, ...flat] = raw as [number, ...(string | number)[]];
    const standings: EntryStanding[] = [];
    for (let i = 0; i < flat.length; i += 6) {
      const [state, entry, booking, confirmByMs, group, standing] = flat.slice(i, i + 6) as [
        EntryState,
        string,
        string,
        number,
        string,
        string,
      ];
      standings.push({
        state,
        entry,
        booking,
        confirmByMs,
        issuedAtMs,
        group: group === '' ? [] : group.split(','),
        standing,
      });
    }
    return standings;
  },
});

export type RoundStore = ReturnType<typeof createRoundStore>;

export function createRoundStore(redis: Redis) {
  return { ...entryStore(redis), ...publishedStore(redis) };
}

/** What a release holds of its entries. */
const entryKeys = (release: string) => ({
  release: keys.release(release),
  rounds: keys.rounds(release),
  entering: keys.entering(release),
  sealed: keys.sealed(release),
  entries: keys.entries(release),
  bookings: keys.bookings(release),
  accounts: keys.accounts(release),
  members: keys.members(release),
  standing: keys.standing(release),
  carrying: keys.carrying(release),
  withdrawn: keys.withdrawn(release),
  happened: keys.happened(release),
  happened_sealed: keys.happenedSealed(release),
  changes: keys.changes(release),
  audit: keys.audit(release),
});

function entryStore(redis: Redis) {
  const put = (
    release: string,
    { id, packed, account, device, network, enterBeforeMs, others, ...more }: EntryToPut,
    coming: 'HAND' | Coming,
  ): Promise<CarryReply> =>
    enterScript(
      redis,
      entryKeys(release),
      {
        entry_id: id,
        entry: packed,
        by: enteredBy(account, device, network),
        enter_before_ms: enterBeforeMs,
        standing: more.standing ?? '',
        coming,
        expected: more.expected ?? '*',
      },
      others,
    );

  return {
    /** By hand. */
    enter: (release: string, entry: EntryToPut): Promise<EnterReply> =>
      put(release, entry, 'HAND') as Promise<EnterReply>, // the others are answers to who is carried

    /** Of a standing entry. */
    carry: (release: string, entry: EntryToPut, coming: Coming): Promise<CarryReply> =>
      put(release, entry, coming),

    /** `standing`: only an entry that stands for later releases, and begins like this. */
    withdraw: (release: string, entryId: string, standing = ''): Promise<WithdrawReply> =>
      withdrawScript(redis, entryKeys(release), { entry_id: entryId, standing }),

    /** Where each of these entries stands; empty for a release that is not published. */
    view: (release: string, entryIds: readonly string[]): Promise<EntryStanding[]> =>
      viewScript(redis, entryKeys(release), {}, entryIds),
  };
}

function publishedStore(redis: Redis) {
  return {
    /** Numbers and digests of published rounds, from one to another, both among them. */
    rounds: async (release: string, first: number, last: number) => {
      const numbers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
      if (numbers.length === 0) return [];
      const fields = numbers.flatMap((round) => [`digest:${round}`, `published_at_ms:${round}`]);
      const values = await redis.hmget(keys.rounds(release), ...fields);
      return numbers.map((round, index) => ({
        round,
        digest: present(values[2 * index], `digest of round ${round}`),
        publishedAtMs: Number(values[2 * index + 1]),
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

    /** The round that an entry was last new in; the first where nothing is known of it. */
    newIn: async (release: string, entryId: string): Promise<number> =>
      Number((await redis.hget(keys.newIn(release), entryId)) ?? 0),

    /**
     * How the result files of a round are cut, in bits, and the digest of the round once all of
     * them are there; undefined of one that has none.
     */
    resultsOf: async (
      release: string,
      round: number,
    ): Promise<{ readonly prefixLength: number; readonly digest: string | null } | undefined> => {
      const key = keys.results(release, round);
      const [length, digest = null] = await redis.hmget(key, 'prefix_length', 'digest');
      return length ? { prefixLength: Number(length), digest } : undefined;
    },

    /** The offers of one result file, 20 bytes each; undefined of a round that has no files. */
    resultOffers: async (
      release: string,
      round: number,
      file: number,
    ): Promise<Buffer | undefined> => {
      const key = keys.results(release, round);
      const [digest, offers] = await redis.hmgetBuffer(key, 'digest', String(file));
      return digest ? (offers ?? Buffer.alloc(0)) : undefined;
    },

    /** A chunk of a round's tree; `roots`: by chunk, its first entry id and its root. */
    treePart: (release: string, round: number, part: number | 'roots'): Promise<Buffer | null> =>
      redis.hgetBuffer(keys.tree(release, round), String(part)),

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
