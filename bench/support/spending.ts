/**
 * What work costs a server process and Redis: CPU, bytes of the append-only file, and how Redis's
 * CPU falls on the hash tags, which says what another node of a cluster would take off.
 */
import { present } from '../../src/lib/assert.ts';
import type { Redis } from '../../src/redis/client.ts';
import { tagKindOf } from '../../src/redis/keys.ts';
import type { BenchEngine } from './engine.ts';
import { watchCpu } from './measure.ts';
import { median, rounded, sum } from './numbers.ts';

/** Of one request. Numbers of `tags` are parts of `redisUs`. */
export type Spending = {
  readonly serverUs: number;
  readonly redisUs: number;
  /** Bytes that the append-only file grew by; as many go to each replica. */
  readonly aofBytes: number;
  /** Microseconds of Redis by tag: of tags that are one a thing by kind (`r`), of others whole. */
  readonly tags: Readonly<Record<string, number>>;
  readonly errors: number;
};

/** Sums of what was spent, in milliseconds and bytes. */
export type Spent = {
  readonly serverMs: number;
  readonly redisMs: number;
  readonly aofBytes: number;
  readonly errors: number;
};

/** Runs some work, which answers its errors, and adds up what it spent. */
export type Meter = {
  readonly run: (work: () => Promise<{ readonly errors: number }>) => Promise<void>;
  readonly spent: () => Spent;
};

export function createMeter({ server, redis }: BenchEngine, pid: number): Meter {
  const total = { serverMs: 0, redisMs: 0, aofBytes: 0, errors: 0 };
  return {
    run: async (work) => {
      const bytesBefore = await aofBytes(redis);
      const cpu = watchCpu({ server: pid, redis: server.pid });
      const { errors } = await work();
      const used = cpu();
      total.serverMs += used.server;
      total.redisMs += used.redis;
      total.aofBytes += (await aofBytes(redis)) - bytesBefore;
      total.errors += errors;
    },
    spent: () => total,
  };
}

/** Bytes of the append-only file; `keepAof` makes it only grow. */
async function aofBytes(redis: Redis): Promise<number> {
  const info = await redis.info('persistence');
  return Number(present(/^aof_current_size:(\d+)/m.exec(info)?.[1], 'aof_current_size'));
}

/** Nothing is rewritten while it is measured. */
export const keepAof = async (redis: Redis): Promise<void> =>
  void (await redis.config('SET', 'auto-aof-rewrite-percentage', '0'));

/** Commands whose first argument is a key; those of scripts name it after their text and a number. */
const KEY_AT: Readonly<Record<string, number>> = { eval: 3, evalsha: 3 };
/** Where Redis says that a command came from a script, which is counted already. */
const FROM_A_SCRIPT = '?:0';
/** One tag for each person, release, account and so on; any other tag is shared by all. */
const ONE_EACH: ReadonlySet<string> = new Set(['r', 'p', 'm', 'd', 'c', 't', 's', 'v', 'h']);
const ALL = 10_000_000;

type SlowCommand = readonly [id: number, at: number, us: number, args: string[], from: string];

/** How much of the time that Redis runs commands, and how many of them, are of each tag. */
export type Shares = Readonly<Record<string, { readonly us: number; readonly calls: number }>>;

/**
 * By SLOWLOG, told to keep every command. Keeping it costs Redis time, so that what is measured
 * like this is measured in no other way.
 */
export function createTagMeter(redis: Redis): Meter & { readonly shares: () => Shares } {
  const total: Record<string, { us: number; calls: number }> = {};
  let failed = 0;
  return {
    run: async (work) => {
      await redis.config('SET', 'slowlog-max-len', String(ALL));
      await redis.config('SET', 'slowlog-log-slower-than', '0');
      await redis.slowlog('RESET');
      const { errors } = await work();
      await redis.config('SET', 'slowlog-log-slower-than', '-1');
      failed += errors;
      for (const one of (await redis.slowlog('GET', -1)) as SlowCommand[]) {
        const tag = tagOf(one);
        if (tag === undefined) continue;
        const of = (total[tag] ??= { us: 0, calls: 0 });
        of.us += one[2];
        of.calls += 1;
      }
    },
    spent: () => ({ serverMs: 0, redisMs: 0, aofBytes: 0, errors: failed }),
    shares: () => total,
  };
}

/** Undefined for a command without a key of ours, and for one that a script gave. */
function tagOf([, , , args, from]: SlowCommand): string | undefined {
  if (from.startsWith(FROM_A_SCRIPT)) return undefined;
  const [command = ''] = args;
  const key = args[KEY_AT[command.toLowerCase()] ?? 1] ?? '';
  const kind = tagKindOf(key);
  if (kind === '') return undefined;
  return ONE_EACH.has(kind) ? kind : (/\{([^}]*)\}/.exec(key)?.[1] ?? '');
}

const US_OF_MS = 1_000;

/**
 * Medians over volleys of `count` requests each. Redis's CPU beside what it runs commands for
 * (reading, answering, writing the file) falls on every command alike.
 */
export function spendingOf(volleys: readonly Spent[], count: number, shares: Shares): Spending {
  const middle = (what: keyof Spent): number => median(volleys.map((one) => one[what])) / count;
  const redisUs = middle('redisMs') * US_OF_MS;
  const all = Object.values(shares);
  const ranUs = sum(all.map(({ us }) => us)) / count;
  const calls = sum(all.map((one) => one.calls)) / count;
  const besideUs = Math.max(0, redisUs - ranUs) / calls;
  const scale = Math.min(1, redisUs / ranUs);
  const tags = Object.entries(shares).map(([tag, of]) => {
    const us = (of.us / count) * scale + (of.calls / count) * besideUs;
    return [tag, rounded(us)] as const;
  });
  return {
    serverUs: Math.round(middle('serverMs') * US_OF_MS),
    redisUs: Math.round(redisUs),
    aofBytes: Math.round(middle('aofBytes')),
    tags: Object.fromEntries(tags.toSorted(([, one], [, other]) => other - one)),
    errors: sum(volleys.map(({ errors }) => errors)),
  };
}
