/**
 * Requests per minute (limit-table.ts), counted in Redis for all processes together. Whoever is
 * over a limit is refused from memory until the minute ends, so that asking more costs us less.
 */
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { present } from '../lib/assert.ts';
import type { Redis } from '../redis/client.ts';
import { keys } from '../redis/keys.ts';
import { createRecent } from '../lib/recent.ts';
import type { Secrets } from '../lib/secrets.ts';
import { type Refusal, refuse } from '../refusal.ts';
import { createCounters } from './counters.ts';
import {
  COUNTED_BY,
  type CountedBy,
  IN_MEMORY,
  LIMIT_NAMES,
  type LimitName,
  type LimitTable,
} from './limit-table.ts';
import { addressPrefix, networkOf } from './origin.ts';

declare module 'rate-limiter-flexible' {
  // Public in the library, absent from its types.
  interface RateLimiterStoreAbstract {
    getInMemoryBlockMsBeforeExpire(key: string): number;
  }
}

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

export type Limits = {
  /** The refusal of a caller who is known to be over, without asking Redis. */
  readonly blocked: (limit: LimitName, who: Who) => Counted | undefined;
  /** Counts one request. */
  readonly count: (limit: LimitName, who: Who) => Promise<Counted>;
};

/** One limit: a fixed window for each key. */
type Counter = {
  readonly policy: string;
  /** Undefined unless this key is known to be over its limit. */
  readonly blocked: (key: string) => State | undefined;
  readonly count: (key: string) => Promise<State>;
};
type State = {
  readonly name: string;
  readonly over: boolean;
  readonly left: number;
  readonly resetS: number;
  /** What is used up: 0 to 1. */
  readonly share: number;
};

const WINDOW_S = 60;
/** Hashes of addresses and networks that are remembered. */
const HASHES_KEPT = 20_000;

/** Who a request is, as each kind of counter counts it; '' where that is not known. */
const CALLER_OF: Record<CountedBy, (who: Who, hashed: (place: string) => string) => string> = {
  address: ({ address }, hashed) => hashed(addressPrefix(address)),
  network: ({ address }, hashed) => hashed(networkOf(address)),
  account: ({ account }) => account,
  device: ({ device }) => device,
};

export function createLimits(redis: Redis, secrets: Secrets, table: LimitTable): Limits {
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

  /** What counts here, each with whom it counts. */
  const countersFor = (limit: LimitName, who: Who): Counting[] => {
    const counting: Counting[] = [];
    for (const { by, counter } of present(counters.get(limit), `the limit ${limit}`)) {
      // Whoever comes with a device is not their neighbours (limit-table.ts).
      if (by === 'address' && countsDevice(limit, who)) continue;
      const caller = CALLER_OF[by](who, hashed);
      if (caller !== '') counting.push({ counter, caller });
    }
    return counting;
  };

  return {
    blocked: (limit, who) => {
      const counting = countersFor(limit, who);
      for (const { counter, caller } of counting) {
        const state = counter.blocked(caller);
        if (state) return verdict(counting, [state]);
      }
      return undefined;
    },
    count: async (limit, who) => {
      const counting = countersFor(limit, who);
      // In memory a network that is over adds no more of its addresses to what is remembered.
      if (IN_MEMORY.has(limit)) return verdict(counting, await countUntilOver(counting));
      // All in one turn of the event loop, so that they leave in one pipeline.
      const states = await Promise.all(
        counting.map(({ counter, caller }) => counter.count(caller)),
      );
      return verdict(counting, states);
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
  const window = { keyPrefix, points, duration: WINDOW_S };
  const inMemory = new RateLimiterMemory(window);
  const limiter = new RateLimiterRedis({
    ...window,
    storeClient: createCounters(redis, keyPrefix, WINDOW_S),
    // A fixed window only fills: whoever is over stays over until it ends, and need not ask Redis
    // again.
    inMemoryBlockOnConsumed: points + 1,
    // While Redis is away each process counts for itself, at once rather than after a time-out.
    insuranceLimiter: inMemory,
    rejectIfRedisNotReady: true,
  });
  const stateOf = (over: boolean, { remainingPoints, msBeforeNext }: RateLimiterRes): State => ({
    name,
    over,
    left: remainingPoints,
    resetS: Math.max(1, Math.ceil(msBeforeNext / 1000)),
    // What strangers in the same network do is not the asker's doing.
    share: by === 'network' ? 0 : 1 - remainingPoints / points,
  });
  return {
    policy: `"${name}";q=${points};w=${WINDOW_S}`,
    blocked: (key) => {
      const blockedMs = limiter.getInMemoryBlockMsBeforeExpire(limiter.getKey(key));
      return blockedMs > 0 ? stateOf(true, new RateLimiterRes(0, blockedMs)) : undefined;
    },
    count: async (key) => {
      try {
        return stateOf(false, await (IN_MEMORY.has(limit) ? inMemory : limiter).consume(key));
      } catch (over) {
        if (over instanceof RateLimiterRes) return stateOf(true, over);
        throw over;
      }
    },
  };
}

function verdict(counting: readonly Counting[], states: readonly State[]): Counted {
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
  return { refusal, headers, share };
}
