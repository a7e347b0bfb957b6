/**
 * Which access tokens were revoked. Whoever signs out everywhere raises their account's epoch; for
 * as long as tokens of an earlier epoch may live, the new one stands here for every process to see.
 * It is read beside the limits, in their pipeline, by one command for all requests of one turn of
 * the event loop: so it costs no round trip, and a revocation holds from the next request on,
 * everywhere.
 */
import type { Redis } from '../redis/client.ts';
import { keys } from '../redis/keys.ts';
import { replyWord, script, unexpectedReply } from '../redis/script.ts';
import { ACCESS_TOKEN_LIFETIME_S, type Proved } from './access-tokens.ts';
import { CLOCK_LEEWAY_S } from './signed-tokens.ts';

export type Revocations = {
  /** Whether this grant was not revoked. Rejects while Redis is away: nobody is let in unasked. */
  readonly stands: (grant: Proved) => Promise<boolean>;
  /** From now on grants of the account stand from `epoch` on. */
  readonly publish: (account: string, epoch: number) => Promise<void>;
};

type Waiting = {
  readonly grant: Proved;
  readonly resolve: (stands: boolean) => void;
  readonly reject: (error: unknown) => void;
};

/** The last token of an earlier epoch is over by then, whichever process issued it. */
const LIFETIME_MS = (ACCESS_TOKEN_LIFETIME_S + 2 * CLOCK_LEEWAY_S) * 1000;

const revoke = script({
  file: 'gates/revoke',
  keys: ['revoked'],
  args: ['epoch', 'lifetime_ms'],
  reply: (raw): void => {
    const { word } = replyWord(raw);
    if (word !== 'REVOKED') throw unexpectedReply('gates/revoke', word);
  },
});

export function createRevocations(redis: Redis): Revocations {
  let waiting: Waiting[] = [];

  const flush = async (): Promise<void> => {
    const asked = waiting;
    waiting = [];
    try {
      const epochs = await redis.mget(asked.map(({ grant }) => keys.revoked(grant.account)));
      for (const [index, { grant, resolve }] of asked.entries())
        resolve(grant.epoch >= Number(epochs[index] ?? 0));
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  };

  return {
    stands: (grant) =>
      new Promise((resolve, reject) => {
        // Leaves with the limits' counters, which wait for the end of the turn too (counters.ts).
        if (waiting.push({ grant, resolve, reject }) === 1) setImmediate(() => void flush());
      }),
    publish: (account, epoch) =>
      revoke(redis, { revoked: keys.revoked(account) }, { epoch, lifetime_ms: LIFETIME_MS }),
  };
}
