/**
 * Requests per minute, by client address and by account, counted in Redis for all processes
 * together. Whoever is over a limit is refused from memory until the minute ends, so that asking
 * more costs us less.
 */
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { Config } from '../config.ts';
import { present } from '../lib/assert.ts';
import type { Redis } from '../redis/client.ts';
import { keys } from '../redis/keys.ts';
import { type Refusal, refuse } from '../refusal.ts';
import { createCounters } from './counters.ts';

declare module 'rate-limiter-flexible' {
  // Public in the library, absent from its types.
  interface RateLimiterStoreAbstract {
    getInMemoryBlockMsBeforeExpire(key: string): number;
  }
}

/** Limits are counted by client address; those with an account are counted by account too. */
export type LimitName = keyof Config['limits']['perAddress'];

export type Counted = {
  readonly refusal: Refusal | undefined;
  /** RateLimit and RateLimit-Policy in the form of draft-ietf-httpapi-ratelimit-headers-10. */
  readonly headers: Readonly<Record<string, string>>;
};

export type Limits = {
  /** The refusal of a caller who is known to be over, without asking Redis. */
  readonly blocked: (limit: LimitName, address: string, account: string) => Counted | undefined;
  /** Counts one request. `account`: empty where the caller has none. */
  readonly count: (limit: LimitName, address: string, account: string) => Promise<Counted>;
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
};

const WINDOW_S = 60;

export function createLimits(redis: Redis, limits: Config['limits']): Limits {
  const perAddress = countersOf(redis, 'address', limits.perAddress);
  const perAccount = countersOf(redis, 'account', limits.perAccount);

  const countersFor = (limit: LimitName, account: string) => {
    const byAddress = present(perAddress.get(limit), `the limit ${limit}`);
    const byAccount = account === '' ? undefined : perAccount.get(limit);
    const policy = byAccount ? `${byAddress.policy}, ${byAccount.policy}` : byAddress.policy;
    return { byAddress, byAccount, policy };
  };

  return {
    blocked: (limit, address, account) => {
      const { byAddress, byAccount, policy } = countersFor(limit, account);
      const state = byAddress.blocked(addressPrefix(address)) ?? byAccount?.blocked(account);
      return state && verdict(policy, [state]);
    },
    count: async (limit, address, account) => {
      const { byAddress, byAccount, policy } = countersFor(limit, account);
      // Both in one turn of the event loop, so that they leave in one pipeline.
      const states = await Promise.all([
        byAddress.count(addressPrefix(address)),
        ...(byAccount ? [byAccount.count(account)] : []),
      ]);
      return verdict(policy, states);
    },
  };
}

const countersOf = (redis: Redis, by: string, limits: Readonly<Record<string, number>>) =>
  new Map(
    Object.entries(limits).map(([limit, points]) => [
      limit,
      createCounter(redis, `${limit}-${by}`, points),
    ]),
  );

function createCounter(redis: Redis, name: string, points: number): Counter {
  const keyPrefix = keys.limitPrefix(name);
  const window = { keyPrefix, points, duration: WINDOW_S };
  const limiter = new RateLimiterRedis({
    ...window,
    storeClient: createCounters(redis, keyPrefix, WINDOW_S),
    // A fixed window only fills: whoever is over stays over until it ends, and need not ask Redis
    // again.
    inMemoryBlockOnConsumed: points + 1,
    // While Redis is away each process counts for itself, at once rather than after a time-out.
    insuranceLimiter: new RateLimiterMemory(window),
    rejectIfRedisNotReady: true,
  });
  const stateOf = (over: boolean, { remainingPoints, msBeforeNext }: RateLimiterRes): State => ({
    name,
    over,
    left: remainingPoints,
    resetS: Math.max(1, Math.ceil(msBeforeNext / 1000)),
  });
  return {
    policy: `"${name}";q=${points};w=${WINDOW_S}`,
    blocked: (key) => {
      const blockedMs = limiter.getInMemoryBlockMsBeforeExpire(limiter.getKey(key));
      return blockedMs > 0 ? stateOf(true, new RateLimiterRes(0, blockedMs)) : undefined;
    },
    count: async (key) => {
      try {
        return stateOf(false, await limiter.consume(key));
      } catch (over) {
        if (over instanceof RateLimiterRes) return stateOf(true, over);
        throw over;
      }
    },
  };
}

function verdict(policy: string, states: readonly State[]): Counted {
  const headers = {
    ratelimit: states.map(({ name, left, resetS }) => `"${name}";r=${left};t=${resetS}`).join(', '),
    'ratelimit-policy': policy,
  };
  let worst: State | undefined;
  for (const state of states) if (state.over && state.resetS > (worst?.resetS ?? 0)) worst = state;
  const refusal =
    worst &&
    refuse('TOO_MANY_REQUESTS', { retryAfterS: worst.resetS, extra: { limit: worst.name } });
  return { refusal, headers };
}

/** The network that an address is in, an IPv4 /24 or an IPv6 /48: one requester of OTPs. */
export const networkOf = (address: string): string =>
  address.includes(':')
    ? addressPrefix(address).split(':').slice(0, 3).join(':')
    : address.split('.').slice(0, 3).join('.');

const IPV6_GROUPS = 8;
const NETWORK_GROUPS = 4;

/**
 * What counts as one client: an IPv4 address, or the 64-bit network that an IPv6 subscriber has to
 * itself.
 */
export function addressPrefix(address: string): string {
  if (!address.includes(':')) return address;
  const [head = [], tail = []] = address
    .split('::')
    .map((half) => (half === '' ? [] : half.split(':')));
  const zeros = Array.from({ length: IPV6_GROUPS - head.length - tail.length }, () => '0');
  return [...head, ...zeros, ...tail].slice(0, NETWORK_GROUPS).join(':');
}
