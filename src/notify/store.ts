/** The outbox in Redis: one for each priority. Its scripts say how an SMS goes through it. */
import { keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { oneOf, replyWord, script, unexpectedReply } from '../redis/script.ts';
import type { Priority, Template } from './messages.ts';

export const OUTBOX_LIMITS = {
  /** SMS that may wait, each kind of priority; about 700 bytes each. */
  capacity: { urgent: 100_000, routine: 2_000_000 } satisfies Record<Priority, number>,
  /** How long an id counts as queued, at least; longer where the SMS is worth sending longer. */
  rememberMs: 3_600_000,
  /** Attempts of an SMS while others get through. */
  attempts: 8,
  /** Dead letters of each priority; the oldest go first. */
  deadLetters: 10_000,
  deadKeptMs: 7 * 86_400_000,
  /** An SMS that a dead sender had in hand is due again after this; longer than any attempt. */
  leaseMs: 30_000,
  /** SMS that one call looks at, where many have expired. */
  lookAt: 500,
} as const;

export type QueueOutcome = 'QUEUED' | 'REPEATED' | 'EXPIRED' | 'FULL';
export type RetryOutcome = 'QUEUED' | 'EXPIRED' | 'UNKNOWN';
export type DropOutcome = 'DROPPED' | 'UNKNOWN';
export type FailedReply =
  | { outcome: 'WAITS' | 'EXPIRED' | 'GONE' }
  | { outcome: 'DEAD'; dropped: number };

/** Whose fault a failed attempt is: `spare` is the gateway's, and costs the SMS no attempt. */
export type Verdict = 'count' | 'spare' | 'bury';

export type Taken = {
  readonly what: 'sms' | 'expired' | 'dead';
  readonly template: Template;
  readonly id: string;
  readonly attempt: number;
  readonly sealed: string;
};

export type DeadLetter = {
  readonly id: string;
  readonly template: Template;
  readonly reason: string;
  readonly queuedAtMs: number;
  readonly diedAtMs: number;
  readonly worthUntilMs: number;
};

export type OutboxState = {
  readonly waiting: number;
  /** When the SMS that waits longest was queued. */
  readonly oldestMs: number | undefined;
  readonly dead: number;
};

const queueScript = script({
  file: 'notify/queue',
  keys: ['sms', 'due', 'queued', 'once'],
  args: ['id', 'template', 'sealed', 'lifetime_ms', 'worth_until_ms', 'remember_ms', 'capacity'],
  reply: oneOf('notify/queue', ['QUEUED', 'REPEATED', 'EXPIRED', 'FULL']),
});

const takeScript = script({
  file: 'notify/take',
  keys: ['sms', 'due', 'queued', 'dead'],
  args: ['room', 'look', 'lease_ms', 'attempts', 'dead_capacity', 'dead_kept_ms'],
  reply: (raw): { dropped: number; taken: Taken[] } => {
    const { word, fields } = replyWord(raw);
    if (word !== 'TAKEN') throw unexpectedReply('notify/take', word);
    const [dropped, ...flat] = fields;
    const taken: Taken[] = [];
    for (let i = 0; i < flat.length; i += 5) {
      const [what, template, id, attempt, sealed] = flat.slice(i, i + 5) as [
        Taken['what'],
        Template,
        string,
        number,
        string,
      ];
      taken.push({ what, template, id, attempt, sealed });
    }
    return { dropped: Number(dropped), taken };
  },
});

const sentScript = script({
  file: 'notify/sent',
  keys: ['sms', 'due', 'queued', 'dead'],
  args: ['id'],
  reply: oneOf('notify/sent', ['SENT', 'GONE']),
});

const failedScript = script({
  file: 'notify/failed',
  keys: ['sms', 'due', 'queued', 'dead'],
  args: ['id', 'attempt', 'reason', 'verdict', 'wait_ms', 'attempts', 'dead_capacity'],
  reply: (raw): FailedReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'DEAD') return { outcome: word, dropped: Number(fields[0]) };
    if (word === 'WAITS' || word === 'EXPIRED' || word === 'GONE') return { outcome: word };
    throw unexpectedReply('notify/failed', word);
  },
});

const retryScript = script({
  file: 'notify/retry',
  keys: ['sms', 'due', 'queued', 'dead'],
  args: ['id'],
  reply: oneOf('notify/retry', ['QUEUED', 'EXPIRED', 'UNKNOWN']),
});

const dropScript = script({
  file: 'notify/drop',
  keys: ['sms', 'dead'],
  args: ['id'],
  reply: oneOf('notify/drop', ['DROPPED', 'UNKNOWN']),
});

const keysOf = (priority: Priority) => ({
  sms: keys.sms(priority),
  due: keys.smsDue(priority),
  queued: keys.smsQueued(priority),
  dead: keys.smsDead(priority),
});

export type OutboxStore = ReturnType<typeof createOutboxStore>;

export function createOutboxStore(redis: Redis) {
  return { ...sendingStore(redis), ...operatorStore(redis) };
}

function sendingStore(redis: Redis) {
  const { attempts, deadLetters: dead_capacity } = OUTBOX_LIMITS;
  return {
    /** `sealed`: encrypted. */
    queue: (
      priority: Priority,
      sms: {
        id: string;
        template: Template;
        sealed: string;
        lifetimeMs: number;
        worthUntilMs: number;
      },
      capacity: number,
    ): Promise<QueueOutcome> =>
      queueScript(
        redis,
        { ...keysOf(priority), once: keys.smsOnce(priority, sms.id) },
        {
          id: sms.id,
          template: sms.template,
          sealed: sms.sealed,
          lifetime_ms: sms.lifetimeMs,
          worth_until_ms: sms.worthUntilMs,
          remember_ms: OUTBOX_LIMITS.rememberMs,
          capacity,
        },
      ),

    take: (priority: Priority, room: number): Promise<{ dropped: number; taken: Taken[] }> =>
      takeScript(redis, keysOf(priority), {
        room,
        look: OUTBOX_LIMITS.lookAt,
        lease_ms: OUTBOX_LIMITS.leaseMs,
        attempts,
        dead_capacity,
        dead_kept_ms: OUTBOX_LIMITS.deadKeptMs,
      }),

    sent: (priority: Priority, id: string): Promise<'SENT' | 'GONE'> =>
      sentScript(redis, keysOf(priority), { id }),

    failed: (
      priority: Priority,
      { id, attempt }: { readonly id: string; readonly attempt: number },
      why: { reason: string; verdict: Verdict; waitMs: number },
    ): Promise<FailedReply> =>
      failedScript(redis, keysOf(priority), {
        id,
        attempt,
        reason: why.reason,
        verdict: why.verdict,
        wait_ms: Math.ceil(why.waitMs),
        attempts,
        dead_capacity,
      }),
  };
}

function operatorStore(redis: Redis) {
  return {
    state: async (priority: Priority): Promise<OutboxState> => {
      const [waiting, oldest, dead] = await Promise.all([
        redis.zcard(keys.smsDue(priority)),
        redis.zrange(keys.smsQueued(priority), 0, '0', 'WITHSCORES'),
        redis.zcard(keys.smsDead(priority)),
      ]);
      return { waiting, oldestMs: oldest[1] === undefined ? undefined : Number(oldest[1]), dead };
    },

    /** Oldest first. */
    deadIds: (priority: Priority, count: number): Promise<string[]> =>
      redis.zrange(keys.smsDead(priority), 0, String(count - 1)),

    /** Oldest first; without what went while they were read. */
    deadLetters: async (priority: Priority, count: number): Promise<DeadLetter[]> => {
      const flat = await redis.zrange(keys.smsDead(priority), 0, String(count - 1), 'WITHSCORES');
      const ids = flat.filter((_part, index) => index % 2 === 0);
      if (ids.length === 0) return [];
      const packed = await redis.hmget(keys.sms(priority), ...ids);
      return ids.flatMap((id, index) => {
        const letter = packed[index];
        return letter ? [unpackLetter(id, letter, Number(flat[2 * index + 1]))] : [];
      });
    },

    retry: (priority: Priority, id: string): Promise<RetryOutcome> =>
      retryScript(redis, keysOf(priority), { id }),

    /** Some of all SMS, dead letters too: id and sealed part; `next` is '0' after the last. */
    some: async (
      priority: Priority,
      cursor: string,
    ): Promise<{ next: string; sms: { id: string; sealed: string }[] }> => {
      const { lookAt } = OUTBOX_LIMITS;
      const [next, flat] = await redis.hscan(keys.sms(priority), cursor, 'COUNT', lookAt);
      const sms: { id: string; sealed: string }[] = [];
      for (let i = 0; i + 1 < flat.length; i += 2)
        sms.push({ id: flat[i] ?? '', sealed: flat[i + 1]?.split('|').at(-1) ?? '' });
      return { next, sms };
    },

    drop: (priority: Priority, id: string): Promise<DropOutcome> =>
      dropScript(redis, keysOf(priority), { id }),
  };
}

/** See lua/lib/sms.lua. */
function unpackLetter(id: string, packed: string, diedAtMs: number): DeadLetter {
  const [template, , queuedAtMs, worthUntilMs, reason = ''] = packed.split('|');
  return {
    id,
    template: template as Template,
    reason,
    queuedAtMs: Number(queuedAtMs),
    diedAtMs,
    worthUntilMs: Number(worthUntilMs),
  };
}
