/**
 * Operator keys: named, each with the scopes of its task. Redis holds their SHA-256 only. A slow
 * hash is for passwords, which people choose and others can guess; a key has 256 random bits, and
 * nobody finds it by trying, however fast a try is.
 */
import { timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { randomKey } from '../lib/secrets.ts';
import { monotonicMs } from '../lib/clock.ts';
import { sha256 } from '../lib/hash.ts';
import { type Redis, redisNowMs } from '../redis/client.ts';
import { keys } from '../redis/keys.ts';
import { CentreId } from '../releases/manifest.ts';
import { type Scope, SCOPES } from './scopes.ts';

export type Operator = {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Centres whose arrivals and doses the key is for; all where it is bound to none. */
  readonly centres?: readonly string[] | undefined;
};

/** The key of the environment, which needs no Redis to be made: it has all scopes. */
export const BOOTSTRAP: Operator = { name: 'bootstrap', scopes: SCOPES };

export const OperatorKeyName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{1,31}$/, '2 to 32 of a-z, 0-9 and -, a letter first')
  .refine((name) => name !== BOOTSTRAP.name, 'the name of the key in the environment');
export const OperatorScopes = z.array(z.enum(SCOPES)).min(1);

export const OPERATOR_KEY_LIMITS = {
  keys: 1_000,
  /** Centres that a key may be bound to. */
  centres: 100,
  /** A key made or revoked is known to every process after this long. */
  knownAfterMs: 2_000,
  /** Characters of a presented key that is looked at. */
  presented: 256,
} as const;

export const OperatorCentres = z.array(CentreId).min(1).max(OPERATOR_KEY_LIMITS.centres);

const Stored = z.object({
  hash: z.string(),
  scopes: OperatorScopes,
  centres: OperatorCentres.optional(),
  createdAtMs: z.number(),
});
/** By the digest of the key, in hexadecimal. */
type Known = ReadonlyMap<string, Operator>;

export type ListedKey = Operator & { readonly createdAtMs: number };
export type OperatorKeys = ReturnType<typeof createOperatorKeys>;

const digestOf = (key: string): Buffer => sha256(Buffer.from(key));
/** Secret scanners know a key by how it begins. */
const PREFIX = 'fsk_';

/** Whoever presents a key, for the server. `bootstrap`: the key of the environment. */
export function createOperatorKeys(redis: Redis, bootstrap: string) {
  const always = digestOf(bootstrap);
  let known: { readonly keys: Known; readonly readAtMs: number } | undefined;
  let reading: Promise<Known> | undefined;

  const read = async (): Promise<Known> => {
    const readAtMs = monotonicMs();
    const stored = await storedKeys(redis);
    const found = stored.map(({ hash, name, scopes, centres }) => {
      const operator: Operator = { name, scopes, ...(centres && { centres }) };
      return [hash, operator] as const;
    });
    known = { keys: new Map(found), readAtMs };
    return known.keys;
  };
  /** Read by one for all who ask meanwhile. Rejects rather than trust a list that is too old. */
  const current = async (): Promise<Known> => {
    if (known && monotonicMs() - known.readAtMs < OPERATOR_KEY_LIMITS.knownAfterMs)
      return known.keys;
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };

  return {
    /**
     * Undefined for a key that is none. Looked up by its digest: how long that takes tells about
     * digests, and nobody can choose a key by its digest.
     */
    find: async (presented: string): Promise<Operator | undefined> => {
      if (presented.length > OPERATOR_KEY_LIMITS.presented) return undefined;
      const digest = digestOf(presented);
      if (timingSafeEqual(digest, always)) return BOOTSTRAP;
      return (await current()).get(digest.toString('hex'));
    },
  };
}

/** Making and revoking keys: done on Redis itself, so that no route can make a key. */
export function operatorKeyring(redis: Redis) {
  return {
    /** The key itself is in this answer and nowhere else. */
    create: async (
      name: string,
      scopes: readonly Scope[],
      centres?: readonly string[],
    ): Promise<{ key: string } | 'EXISTS' | 'TOO_MANY'> => {
      if ((await redis.hlen(keys.operatorKeys())) >= OPERATOR_KEY_LIMITS.keys) return 'TOO_MANY';
      const key = PREFIX + randomKey();
      const hash = digestOf(key).toString('hex');
      const stored = { hash, scopes, centres, createdAtMs: await redisNowMs(redis) };
      const made = await redis.hsetnx(keys.operatorKeys(), name, JSON.stringify(stored));
      return made === 1 ? { key } : 'EXISTS';
    },
    list: async (): Promise<ListedKey[]> =>
      (await storedKeys(redis)).map(({ name, scopes, centres, createdAtMs }) => ({
        name,
        scopes,
        ...(centres && { centres }),
        createdAtMs,
      })),
    revoke: async (name: string): Promise<'REVOKED' | 'UNKNOWN'> =>
      (await redis.hdel(keys.operatorKeys(), name)) === 1 ? 'REVOKED' : 'UNKNOWN',
  };
}

const storedKeys = async (redis: Redis) =>
  Object.entries(await redis.hgetall(keys.operatorKeys()))
    .map(([name, text]) => ({ name, ...Stored.parse(JSON.parse(text)) }))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
