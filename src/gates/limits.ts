/**
 * Requests per minute (limit-table.ts), counted in Redis for all processes together. Whoever is
 * over a limit is refused from memory until the minute ends, so that asking more costs us less.
 */
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { present } from '../lib/assert.ts';
import type { Redis } from '../redis/client.ts';
import { keys } from '../redis/keys.ts';
import { monotonicMs } from '../lib/clock.ts';
import { createRecent } from '../lib/recent.ts';
import type { Secrets } from '../lib/secrets.ts';
import { type Refusal, refuse } from '../refusal.ts';
import { type Count, createCounters } from './counters.ts';
import {
  COUNTED_BY,
  type CountedBy,
  IN_MEMORY,
  LIMIT_NAMES,
  type LimitName,
  type LimitTable,
} from './limit-table.ts';
import { addressPrefix, networkOf } from './origin.ts';

/** Whom a request is counted for. */
export type Who = {
  readonly address: string;
  /** Empty where no account calls. */
  readonly account: string;
  /** The device that we minted; empty where none is known. */
  readonly device: string;
};

export type Counted = {
  readonly refusal: Refusal | undefined;
  /** RateLimit and RateLimit-Policy in the form of draft-ietf-httpapi-ratelimit-headers-10. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the tightest of these limits but the network's, what is used up: 0 to 1. */
  readonly share: number;
};

/** Callers that are refused from memory. */
export type Blocked = Readonly<Record<CountedBy, number>>;
/** Hears of a request over a limit. */
export type OnLimit = (limit: LimitName, by: CountedBy) => void;

export type Limits = {
  /** The refusal of a caller who is known to be over, without asking Redis. */
  readonly blocked: (limit: LimitName, who: Who) => Counted | undefined;
  /** Counts one request. */
  readonly count: (limit: LimitName, who: Who) => Promise<Counted>;
  readonly blockedCallers: () => Blocked;
};

/** One limit: a fixed window for each key. */
type Counter = {
  readonly policy: string;
  /** Undefined unless this key is known to be over its limit. */
  readonly blocked: (key: string) => State | undefined;
  readonly count: (key: string) => Promise<State>;
  /** Keys that are known to be over. */
  readonly blockedKeys: () => number;
};
type State = {
  readonly name: string;
  readonly by: CountedBy;
  readonly over: boolean;
  readonly left: number;
  readonly resetS: number;
  /** What is used up: 0 to 1. */
  readonly share: number;
};

const WINDOW_S = 60;
/** Blocks added to a limit until those that have ended are dropped. */
const SWEEP_EVERY = 1_000;
/** Hashes of addresses and networks that a process remembers. */
const HASHES_KEPT = 20_000;

/** Who a request is, as each kind of counter counts it; '' where that is not known. */
const CALLER_OF: Record<CountedBy, (who: Who, hashed: (place: string) => string) => string> = {
  address: ({ address }, hashed) => hashed(addressPrefix(address)),
  network: ({ address }, hashed) => hashed(networkOf(address)),
  account: ({ account }) => account,
  device: ({ device }) => device,
};

export function createLimits(
  redis: Redis,
  secrets: Secrets,
  table: LimitTable,
  onLimit: OnLimit = () => undefined,
): Limits {
  // Where somebody is stands in no key: Redis's append-only file outlives the minute.
  const hashes = createRecent<string, string>(HASHES_KEPT);
  const hashed = (place: string): string =>
    hashes.get(place, () => secrets.pseudonym('limit', place));
  const counters = new Map(
    LIMIT_NAMES.map((limit) => [
      limit,
      COUNTED_BY.flatMap((by) => {
        const points = table[limit][by];
        return points === undefined ? [] : { by, counter: counterOf(redis, limit, by, points) };
      }),
    ]),
  );
  const countsDevice = (limit: LimitName, { device }: Who): boolean =>
    device !== '' && table[limit].device !== undefined;

  /** Whom a counter of a limit counts; '' where it does not. */
  const callerOf = (limit: LimitName, by: CountedBy, who: Who): string =>
    // Whoever comes with a device is not their neighbours (limit-table.ts).
    by === 'address' && countsDevice(limit, who) ? '' : CALLER_OF[by](who, hashed);

  /** What counts here, each with whom it counts. */
  const countersFor = (limit: LimitName, who: Who): Counting[] => {
    const counting: Counting[] = [];
    for (const { by, counter } of present(counters.get(limit), `the limit ${limit}`)) {
      const caller = callerOf(limit, by, who);
      if (caller !== '') counting.push({ counter, caller });
    }
    return counting;
  };

  const judged = (
    limit: LimitName,
    counting: readonly Counting[],
    states: readonly State[],
  ): Counted => {
    const { over, ...counted } = verdict(counting, states);
    if (over) onLimit(limit, over.by);
    return counted;
  };

  return {
    blocked: (limit, who) => {
      for (const { by, counter } of present(counters.get(limit), `the limit ${limit}`)) {
        const state = counter.blocked(callerOf(limit, by, who));
        if (state) return judged(limit, countersFor(limit, who), [state]);
      }
      return undefined;
    },
    count: async (limit, who) => {
      const counting = countersFor(limit, who);
      // In memory a network that is over adds no more of its addresses to what is remembered.
      if (IN_MEMORY.has(limit)) return judged(limit, counting, await countUntilOver(counting));
      // All in one turn of the event loop, so that they leave in one pipeline.
      const states = await Promise.all(
        counting.map(({ counter, caller }) => counter.count(caller)),
      );
      return judged(limit, counting, states);
    },
    blockedCallers: () => {
      const blocked = { address: 0, network: 0, account: 0, device: 0 };
      for (const { by, counter } of [...counters.values()].flat())
        blocked[by] += counter.blockedKeys();
      return blocked;
    },
  };
}

/** Addresses last: a flood may have as many of them as it likes. */
async function countUntilOver(counting: readonly Counting[]): Promise<State[]> {
  const states: State[] = [];
  for (const { counter, caller } of counting.toReversed()) {
    const state = await counter.count(caller);
    states.unshift(state);
    if (state.over) break;
  }
  return states;
}

type Counting = { readonly counter: Counter; readonly caller: string };

function counterOf(redis: Redis, limit: LimitName, by: CountedBy, points: number): Counter {
  const name = `${limit}-${by}`;
  const keyPrefix = keys.limitPrefix(name);
  const here = new RateLimiterMemory({ keyPrefix, points, duration: WINDOW_S });
  const everywhere = createCounters(redis, keyPrefix, WINDOW_S);
  const blocks = createBlocks();
  const stateOf = (over: boolean, left: number, resetMs: number): State => ({
    name,
    by,
    over,
    left,
    resetS: Math.max(1, Math.ceil(resetMs / 1000)),
    // What strangers in the same network do is not the asker's doing.
    share: by === 'network' ? 0 : 1 - left / points,
  });
  const blocked = (key: string): State | undefined => {
    const blockedMs = blocks.leftMs(key);
    return blockedMs > 0 ? stateOf(true, 0, blockedMs) : undefined;
  };
  const countHere = async (key: string): Promise<State> => {
    try {
      const { remainingPoints, msBeforeNext } = await here.consume(key);
      return stateOf(false, remainingPoints, msBeforeNext);
    } catch (over) {
      if (over instanceof RateLimiterRes)
        return stateOf(true, over.remainingPoints, over.msBeforeNext);
      throw over;
    }
  };
  const countEverywhere = async (key: string): Promise<State> => {
    let counted: Count;
    try {
      counted = await everywhere.count(key);
    } catch {
      // While Redis is away each process counts for itself.
      return countHere(key);
    }
    const [count, resetMs] = counted;
    const over = count > points;
    // A fixed window only fills: whoever is over stays over until it ends.
    if (over) blocks.add(key, resetMs);
    return stateOf(over, Math.max(0, points - count), resetMs);
  };
  return {
    policy: `"${name}";q=${points};w=${WINDOW_S}`,
    blocked,
    count: IN_MEMORY.has(limit)
      ? countHere
      : async (key) => blocked(key) ?? (await countEverywhere(key)),
    blockedKeys: blocks.size,
  };
}

/** Who is over, until when: they need not ask Redis again. */
function createBlocks() {
  const endsAtMs = new Map<string, number>();
  let unswept = 0;
  const sweep = (): void => {
    unswept = 0;
    const now = monotonicMs();
    for (const [key, end] of endsAtMs) if (end <= now) endsAtMs.delete(key);
  };
  return {
    add: (key: string, durationMs: number): void => {
      endsAtMs.set(key, monotonicMs() + durationMs);
      unswept += 1;
      if (unswept >= SWEEP_EVERY) sweep();
    },
    leftMs: (key: string): number => {
      const end = endsAtMs.get(key);
      return end === undefined ? 0 : Math.max(0, end - monotonicMs());
    },
    size: (): number => {
      sweep();
      return endsAtMs.size;
    },
  };
}

/** `over`: the limit that it waits for longest, of those that it is over. */
function verdict(
  counting: readonly Counting[],
  states: readonly State[],
): Counted & { readonly over: State | undefined } {
  const headers = {
    ratelimit: states.map(({ name, left, resetS }) => `"${name}";r=${left};t=${resetS}`).join(', '),
    'ratelimit-policy': counting.map(({ counter }) => counter.policy).join(', '),
  };
  let worst: State | undefined;
  let share = 0;
  for (const state of states) {
    share = Math.max(share, state.share);
    if (state.over && state.resetS > (worst?.resetS ?? 0)) worst = state;
  }
  const refusal =
    worst &&
    refuse('TOO_MANY_REQUESTS', { retryAfterS: worst.resetS, extra: { limit: worst.name } });
  return { refusal, headers, share, over: worst };
}
