/**
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the first request with a key does
 * the work, and whoever repeats it within a day gets the same answer. Every write is idempotent in
 * Redis as well; this spares a client whose connection broke from having to know so.
 */
import { v4 as uuid } from 'uuid';
import type { Secrets } from '../lib/secrets.ts';
import type { Log } from '../log.ts';
import type { Redis } from '../redis/client.ts';
import { keys } from '../redis/keys.ts';
import { type Refusal, refuse } from '../refusal.ts';
import type { Reply } from './exchange.ts';

export type Attempt = {
  /** The account or operator that the key belongs to. */
  readonly owner: string;
  /** The header's value. */
  readonly key: string;
  /** All that makes the request this one: method, path, query and body. */
  readonly fingerprint: string;
};

/**
 * Runs `perform` unless this attempt was made before; then the answer of that time, or a refusal.
 */
export type Once = (attempt: Attempt, perform: () => Promise<Reply>) => Promise<Reply | Refusal>;

const REPLY_LIFETIME_S = 24 * 60 * 60;
/**
 * Of the mark that somebody is at work: longer than any handler, since each Redis command gives up
 * in 5 s.
 */
const PENDING_LIFETIME_S = 60;
const PENDING_RETRY_S = 1;
const KEY_FORM = /^[\x21-\x7e]{1,64}$/;

/** The key's value: `<fingerprint> pending <who>` or `<fingerprint> reply <encrypted>`. */
const PENDING = 'pending';
const REPLY = 'reply';

export function createOnce(redis: Redis, secrets: Secrets, log: Log): Once {
  const forget = (key: string): void => {
    // Not waited for: should it fail, the mark ends by itself.
    redis.del(key).catch((error: unknown) => log.warn({ err: error }, 'an idempotency mark stays'));
  };

  const perform = async (key: string, fingerprint: string, work: () => Promise<Reply>) => {
    let reply: Reply;
    try {
      reply = await work();
    } catch (fault) {
      forget(key);
      throw fault;
    }
    if (!isFinal(reply)) {
      forget(key);
      return reply;
    }
    const value = `${fingerprint} ${REPLY} ${secrets.encrypt(JSON.stringify(reply))}`;
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
    // ioredis may send a command twice; finding its own mark then means that the first one took.
    const mark = `${fingerprint} ${PENDING} ${uuid()}`;
    const found = await redis.set(key, mark, 'EX', PENDING_LIFETIME_S, 'NX', 'GET');
    if (found === null || found === mark) return perform(key, fingerprint, work);

    const [before, state, sealed = ''] = found.split(' ');
    if (before !== fingerprint) return refuse('IDEMPOTENCY_KEY_REUSED');
    if (state === PENDING) return refuse('IDEMPOTENCY_IN_FLIGHT', { retryAfterS: PENDING_RETRY_S });
    const reply: Reply = JSON.parse(secrets.decrypt(sealed));
    return { ...reply, headers: { ...reply.headers, 'idempotent-replayed': 'true' } };
  };
}

/**
 * Only what was done is kept. A refusal changed nothing and may be another one a moment later: too
 * early, full, being drawn. Only text can be kept.
 */
const isFinal = ({ status, body }: Reply): boolean =>
  status < 400 && (body === undefined || typeof body === 'string');
