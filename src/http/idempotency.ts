/**
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the first request with a key does
 * the work, and whoever repeats it within a day gets the same answer. Every write is idempotent in
 * Redis as well; this spares a client whose connection broke from having to know so. So an answer
 * need not be kept at any price: where it is too long, or one of too many, its repetition is done
 * again.
 */
import { v4 as uuid } from 'uuid';
import type { Secrets } from '../lib/secrets.ts';
import type { Log } from '../log.ts';
import type { Redis } from '../redis/client.ts';
import { keys } from '../redis/keys.ts';
import { oneOf, replyWord, script, unexpectedReply } from '../redis/script.ts';
import { isRefusal, type Refusal, refuse } from '../refusal.ts';
import type { Reply } from './exchange.ts';

export type Attempt = {
  /** The account or operator that the key belongs to. */
  readonly owner: string;
  /** Whether the owner is anybody who signed in: their answers are kept up to a number. */
  readonly isBounded: boolean;
  /** The header's value. */
  readonly key: string;
  /** All that makes the request this one: method, path, query and body. */
  readonly fingerprint: string;
};

/**
 * Runs `perform` unless this attempt was made before; then the answer of that time, or a refusal.
 */
export type Once = (
  attempt: Attempt,
  perform: () => Promise<Reply | Refusal>,
) => Promise<Reply | Refusal>;

const REPLY_LIFETIME_S = 24 * 60 * 60;
const MOST_KEPT_BYTES = 4_096;
/** Attempts of an account in a day whose answers are kept: 0.3 to 1.4 kB each in Redis. */
const KEPT_A_DAY = 200;
/**
 * Of the mark that somebody is at work: longer than a handler of a citizen, since each Redis
 * command gives up in 3 s. Whoever asks again after a crash waits as long.
 */
const PENDING_LIFETIME_S = 20;
/** Marks of attempts that failed, remembered until they end by themselves. */
const ABANDONED_KEPT = 10_000;
const PENDING_RETRY_S = 1;
const KEY_FORM = /^[\x21-\x7e]{1,64}$/;

/** The key's value: `<fingerprint> pending <who>` or `<fingerprint> reply <encrypted>`. */
const PENDING = 'pending';
const REPLY = 'reply';

const markScript = script({
  file: 'http/mark',
  keys: ['idempotency', 'attempts'],
  args: ['mark', 'mark_s', 'attempts_s'],
  reply: (raw): { readonly attempts: number; readonly found?: string } => {
    const { word, fields } = replyWord(raw);
    const [attempts = 0, found = ''] = fields;
    if (word === 'MARKED') return { attempts: Number(attempts) };
    if (word === 'FOUND') return { attempts: Number(attempts), found: String(found) };
    throw unexpectedReply('http/mark', word);
  },
});

const forgetMark = script({
  file: 'http/forget-mark',
  keys: ['idempotency'],
  args: ['mark'],
  reply: oneOf('http/forget-mark', ['FORGOTTEN', 'GONE']),
});

/** `onReplay`: hears of a key that was used before. */
export function createOnce(
  redis: Redis,
  secrets: Secrets,
  log: Log,
  onReplay: (outcome: 'replayed' | 'refused') => void = () => undefined,
): Once {
  const abandoned = createAbandoned();
  const forget = (key: string, mark: string): void => {
    abandoned.add(mark);
    // Not waited for: should it fail, the mark ends by itself.
    forgetMark(redis, { idempotency: key }, { mark }).then(
      () => abandoned.delete(mark),
      (error: unknown) => log.warn({ err: error }, 'an idempotency mark stays'),
    );
  };

  const perform = async (
    key: string,
    mark: string,
    mayKeep: boolean,
    work: () => Promise<Reply | Refusal>,
  ) => {
    let reply: Reply | Refusal;
    try {
      reply = await work();
    } catch (fault) {
      forget(key, mark);
      throw fault;
    }
    const text = mayKeep && isFinal(reply) ? JSON.stringify(reply) : '';
    if (text === '' || Buffer.byteLength(text) > MOST_KEPT_BYTES) {
      forget(key, mark);
      return reply;
    }
    const [fingerprint = ''] = mark.split(' ');
    const value = `${fingerprint} ${REPLY} ${secrets.encrypt(text)}`;
    try {
      await redis.set(key, value, 'EX', REPLY_LIFETIME_S);
    } catch (error) {
      // The work is done and its answer is true, whether or not it can be repeated.
      log.warn({ err: error }, 'an answer could not be kept for its idempotency key');
    }
    return reply;
  };

  return async (attempt, work) => {
    if (!KEY_FORM.test(attempt.key)) return refuse('IDEMPOTENCY_KEY_INVALID');
    const key = keys.idempotency(attempt.owner, attempt.key);
    // Keyed, since a body may hold an ID number, which a bare hash would not hide.
    const fingerprint = secrets.pseudonym('idempotency', attempt.fingerprint);
    // One of its own, since ioredis may send a script twice.
    const mark = `${fingerprint} ${PENDING} ${uuid()}`;
    const places = { idempotency: key, attempts: keys.attempts(attempt.owner) };
    const { attempts, found } = await markScript(redis, places, {
      mark,
      mark_s: PENDING_LIFETIME_S,
      attempts_s: REPLY_LIFETIME_S,
    }).catch((fault: unknown) => {
      abandoned.add(mark); // it may have been set
      throw fault;
    });
    const mayKeep = !attempt.isBounded || attempts <= KEPT_A_DAY;
    if (found === undefined) return perform(key, mark, mayKeep, work);
    if (found.startsWith(`${fingerprint} `) && abandoned.delete(found))
      return perform(key, found, mayKeep, work);

    const again = replay(secrets, found, fingerprint);
    onReplay(isRefusal(again) ? 'refused' : 'replayed');
    return again;
  };
}

/**
 * A Redis that was away took the mark, perhaps, but not its end: who asks again must not be told
 * for the mark's lifetime that somebody is at work.
 */
function createAbandoned() {
  const marks = new Set<string>();
  return {
    add: (mark: string): void => {
      const [oldest] = marks;
      if (marks.size >= ABANDONED_KEPT && oldest !== undefined) marks.delete(oldest);
      marks.add(mark);
    },
    delete: (mark: string): boolean => marks.delete(mark),
  };
}

/** What a request gets whose key was used before. */
function replay(secrets: Secrets, found: string, fingerprint: string): Reply | Refusal {
  const [before, state, sealed = ''] = found.split(' ');
  if (before !== fingerprint) return refuse('IDEMPOTENCY_KEY_REUSED');
  if (state === PENDING) return refuse('IDEMPOTENCY_IN_FLIGHT', { retryAfterS: PENDING_RETRY_S });
  const reply: Reply = JSON.parse(secrets.decrypt(sealed));
  return { ...reply, headers: { ...reply.headers, 'idempotent-replayed': 'true' } };
}

/**
 * Only what was done is kept. A refusal changed nothing and may be another one a moment later: too
 * early, full, being drawn. Only text can be kept.
 */
const isFinal = (reply: Reply | Refusal): boolean =>
  !isRefusal(reply) &&
  reply.status < 400 &&
  (reply.body === undefined || typeof reply.body === 'string');
