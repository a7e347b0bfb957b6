/**
 * The audit stream: who of the operators did what, when by Redis's clock, and what came of it. An
 * action is written down before it begins, so that none can happen unseen, and again when it has
 * ended; both lines name the request. Nothing in it is personal: the names of keys, routes and
 * releases, and words of the error catalogue. What centres do stands in a stream of its own: they
 * do so much in a day that nothing else would be left in one.
 */
import { isoFromMs } from '../lib/clock.ts';
import type { Log } from '../log.ts';
import type { Redis } from '../redis/client.ts';
import { keys } from '../redis/keys.ts';

/** Whose streams there are. */
export const AUDITED = ['operators', 'centres'] as const;
export type Audited = (typeof AUDITED)[number];

export type Action = {
  /** Operators, where it is left out. */
  readonly of?: Audited;
  /** Name of the operator's key; `cli:<user>` for what the command line does on Redis itself. */
  readonly who: string;
  /** The route's name. */
  readonly what: string;
  /** The release, or key, that it concerns; empty for none. */
  readonly subject: string;
  readonly requestId: string;
};

export type AuditLine = Omit<Action, 'of'> & {
  readonly id: string;
  readonly at: string;
  /** STARTED, then DONE or the code of a refusal. */
  readonly outcome: string;
};

export const AUDIT_LIMITS = {
  /** Lines that are kept, the latest; a little more, since the stream is cut in blocks. */
  lines: { operators: 100_000, centres: 1_000_000 } satisfies Record<Audited, number>,
  page: 500,
} as const;
const STREAMS = { operators: keys.operatorAudit, centres: keys.centreAudit } as const;
const FIELDS = ['who', 'what', 'subject', 'requestId', 'outcome'] as const;

export type Audit = ReturnType<typeof createAudit>;
export type AuditReader = ReturnType<typeof createAuditReader>;

/** `log`: a second copy of every line, for a collector that keeps more than Redis does. */
export function createAudit(redis: Redis, log: Log) {
  const write = async ({ of = 'operators', ...action }: Action, outcome: string): Promise<void> => {
    const line = { ...action, outcome };
    const fields = FIELDS.flatMap((field) => [field, line[field]]);
    await redis.xadd(STREAMS[of](), 'MAXLEN', '~', AUDIT_LIMITS.lines[of], '*', ...fields);
    log.info({ audit: line }, 'an operator acted');
  };
  return {
    write,
    /**
     * Does what must be seen. `outcomeOf`: the word for what came of it. Rejects, with nothing done,
     * when it cannot be written down before.
     */
    audited: async <T>(
      action: Action,
      work: () => Promise<T>,
      outcomeOf: (result: T) => string,
    ): Promise<T> => {
      await write(action, 'STARTED');
      let outcome = 'FAILED';
      try {
        const result = await work();
        outcome = outcomeOf(result);
        return result;
      } finally {
        // What was done is done, and its start is in the stream.
        await write(action, outcome).catch((error: unknown) =>
          log.error({ err: error, audit: { ...action, outcome } }, 'an outcome was not audited'),
        );
      }
    },
  };
}

export function createAuditReader(redis: Redis) {
  return {
    /** Newest first. `before`: id of the last line of the page before. */
    page: async (
      limit: number,
      before?: string,
      of: Audited = 'operators',
    ): Promise<AuditLine[]> => {
      const from = before === undefined ? '+' : `(${before}`;
      const lines = await redis.xrevrange(STREAMS[of](), from, '-', 'COUNT', limit);
      return lines.map(([id, flat]) => lineOf(id, flat));
    },
  };
}

function lineOf(id: string, flat: readonly string[]): AuditLine {
  const held = new Map<string, string>();
  for (let i = 0; i < flat.length; i += 2) held.set(flat[i] ?? '', flat[i + 1] ?? '');
  const of = (field: (typeof FIELDS)[number]): string => held.get(field) ?? '';
  return {
    id,
    at: isoFromMs(Number(id.split('-')[0])),
    who: of('who'),
    what: of('what'),
    subject: of('subject'),
    requestId: of('requestId'),
    outcome: of('outcome'),
  };
}
