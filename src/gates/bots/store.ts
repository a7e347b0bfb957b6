/** The only access to Redis of the bad-bot report: what processes tally, and what is read of it. */
import { present } from '../../lib/assert.ts';
import type { Redis } from '../../redis/client.ts';
import { keys } from '../../redis/keys.ts';
import { oneOf, script } from '../../redis/script.ts';
import {
  type CallerId,
  type CallerKind,
  KINDS,
  OFFENCES,
  type Offenders,
  parseCallerId,
} from './report.ts';

export const TALLY_LIMITS = {
  /** Offenders of a kind that are kept, of a release or an hour; up to twice as many in between. */
  offenders: 10_000,
  /** Names in one script call, so that it keeps Redis from others for a fraction of a ms. */
  batch: 250,
  /** How long an hour at the door is kept. */
  doorDays: 30,
  /** Fields of `accounts` that one HSCAN asks for. */
  scanned: 1_000,
} as const;

const DAY_S = 86_400;

/** Names, each an error code or a caller, with how often. */
export type Counts = readonly (readonly [name: string, count: number])[];

const tallyScript = script({
  file: 'gates/tally',
  acknowledges: false,
  keys: ['release', 'refusals', 'accounts', 'devices', 'networks'],
  args: ['most'],
  rest: true,
  reply: oneOf('gates/tally', ['RELEASE_UNKNOWN', 'TALLIED']),
});

const doorScript = script({
  file: 'gates/tally-door',
  acknowledges: false,
  keys: ['refusals', 'accounts', 'devices', 'networks'],
  args: ['most', 'lifetime_s'],
  rest: true,
  reply: oneOf('gates/tally-door', ['TALLIED']),
});

export type BotStore = ReturnType<typeof createBotStore>;

export function createBotStore(redis: Redis) {
  return { ...writing(redis), ...reading(redis), ...counting(redis) };
}

const offendersOf = (keyOf: (kind: CallerKind) => string) => ({
  accounts: keyOf('account'),
  devices: keyOf('device'),
  networks: keyOf('network'),
});

function writing(redis: Redis) {
  const most = TALLY_LIMITS.offenders;
  return {
    tally: (release: string, counts: Counts) =>
      tallyScript(
        redis,
        {
          release: keys.release(release),
          refusals: keys.refusals(release),
          ...offendersOf((kind) => keys.offenders(release, kind)),
        },
        { most },
        counts.flat(),
      ),

    /** `hour`: hours since the epoch. */
    tallyDoor: (hour: number, counts: Counts) =>
      doorScript(
        redis,
        {
          refusals: keys.doorRefusals(hour),
          ...offendersOf((kind) => keys.doorOffenders(hour, kind)),
        },
        { most, lifetime_s: TALLY_LIMITS.doorDays * DAY_S },
        counts.flat(),
      ),
  };
}

/** First letters of the fields of `accounts`; an account has none. */
const FIELD_PREFIX: Readonly<Record<CallerKind, string>> = {
  account: '',
  device: 'd:',
  network: 'n:',
};
/** Characters that lua/lib/accounts keeps of each entry id. */
const MARK_LENGTH = 6;

const peopleIn = (kind: CallerKind, value: string): number =>
  kind === 'network' ? Number(value) : value.length / MARK_LENGTH;

const kindOfField = (field: string): CallerKind =>
  field.startsWith('d:') ? 'device' : field.startsWith('n:') ? 'network' : 'account';

/** Whoever entered people, and how many. */
export type Entrant = { readonly kind: CallerKind; readonly id: string; readonly people: number };

/** The most refused of a kind, the most first. */
export type Refused = { readonly id: string; readonly refusals: number };

const refusedIn =
  (redis: Redis) =>
  async (key: string, most: number): Promise<Refused[]> => {
    const flat = await redis.zrevrange(key, 0, most - 1, 'WITHSCORES');
    const refused: Refused[] = [];
    for (let i = 0; i < flat.length; i += 2)
      refused.push({ id: flat[i] ?? '', refusals: Number(flat[i + 1]) });
    return refused;
  };

/** How many there are, never who. */
function counting(redis: Redis) {
  const refusedOf = refusedIn(redis);
  const countOffenders = async (names: readonly string[]) => {
    const [over, tops] = await Promise.all([
      Promise.all(
        OFFENCES.map((least) => Promise.all(names.map((key) => redis.zcount(key, least, '+inf')))),
      ),
      Promise.all(names.map((key) => refusedOf(key, 1))),
    ]);
    return {
      over: over.map((counts) => counts.reduce((sum, count) => sum + count, 0)),
      worst: Math.max(0, ...tops.flat().map(({ refusals }) => refusals)),
    };
  };

  return {
    /** Of these releases and of an hour at the door. */
    offendersOf: async (releases: readonly string[], hour: number): Promise<Offenders> => {
      const of = (kind: CallerKind) =>
        countOffenders([
          keys.doorOffenders(hour, kind),
          ...releases.map((release) => keys.offenders(release, kind)),
        ]);
      const [account, device, network] = await Promise.all(KINDS.map(of));
      return {
        account: present(account, 'accounts'),
        device: present(device, 'devices'),
        network: present(network, 'networks'),
      };
    },
  };
}

function reading(redis: Redis) {
  const refusedOf = refusedIn(redis);
  const byReason = async (key: string): Promise<Map<string, number>> => {
    const held = Object.entries(await redis.hgetall(key));
    return new Map(held.map(([code, count]) => [code, Number(count)]));
  };
  const offenders = async (keyOf: (kind: CallerKind) => string, most: number) =>
    new Map(
      await Promise.all(
        KINDS.map(async (kind) => [kind, await refusedOf(keyOf(kind), most)] as const),
      ),
    );

  return {
    /**
     * Everyone who entered anybody in a release, batch by batch: a field that is there all the
     * while comes at least once, and more than once only if the hash shrinks, which it never does.
     */
    entrants: async function* (release: string): AsyncGenerator<Entrant[]> {
      let cursor = '0';
      do {
        const key = keys.accounts(release);
        const [next, flat] = await redis.hscan(key, cursor, 'COUNT', TALLY_LIMITS.scanned);
        cursor = next;
        const batch: Entrant[] = [];
        for (let i = 0; i < flat.length; i += 2) {
          const [field = '', value = ''] = flat.slice(i, i + 2);
          const kind = kindOfField(field);
          const id = field.slice(FIELD_PREFIX[kind].length);
          batch.push({ kind, id, people: peopleIn(kind, value) });
        }
        yield batch;
      } while (cursor !== '0');
    },

    /** How many there are of them. */
    entrantsHeld: (release: string): Promise<number> => redis.hlen(keys.accounts(release)),

    /** People that each of these entered; 0 for who entered nobody. */
    peopleOf: async (release: string, callers: readonly CallerId[]): Promise<number[]> => {
      if (callers.length === 0) return [];
      const parsed = callers.map(parseCallerId);
      const fields = parsed.map(({ kind, id }) => `${FIELD_PREFIX[kind]}${id}`);
      const values = await redis.hmget(keys.accounts(release), ...fields);
      return parsed.map(({ kind }, index) => peopleIn(kind, values[index] ?? ''));
    },

    /** Requests of each of these that were refused; 0 for who is not among the offenders kept. */
    refusalsOf: async (
      release: string,
      kind: CallerKind,
      ids: readonly string[],
    ): Promise<number[]> => {
      if (ids.length === 0) return [];
      return (await redis.zmscore(keys.offenders(release, kind), ...ids)).map(Number);
    },

    byReason: (release: string) => byReason(keys.refusals(release)),
    offenders: (release: string, most: number) =>
      offenders((kind) => keys.offenders(release, kind), most),
    doorByReason: (hour: number) => byReason(keys.doorRefusals(hour)),
    doorOffenders: (hour: number, most: number) =>
      offenders((kind) => keys.doorOffenders(hour, kind), most),
  };
}
