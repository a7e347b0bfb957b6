/** `fairslot keys`: works on Redis itself, and stands in the audit stream as `cli:<user>`. */
import { v7 as uuid } from 'uuid';
import type { z } from 'zod';
import { type Problem, userName } from '../command-line.ts';
import { isoFromMs } from '../lib/clock.ts';
import type { Log } from '../log.ts';
import type { Redis } from '../redis/client.ts';
import { createAudit } from './audit.ts';
import {
  OperatorCentres,
  OperatorKeyName,
  operatorKeyring,
  OperatorScopes,
} from './operator-keys.ts';

export type KeysCommand = ReturnType<typeof createKeysCommand>;

export function createKeysCommand(redis: Redis, log: Log, user = userName()) {
  const keyring = operatorKeyring(redis);
  const { audited } = createAudit(redis, log);
  const seen = <T>(what: string, subject: string, work: () => Promise<T>) => {
    const action = { who: `cli:${user}`, what, subject, requestId: uuid() };
    return audited(action, work, (result) => (typeof result === 'string' ? result : 'DONE'));
  };

  return {
    /** `scopes` and `centres`: with commas. The key, once. */
    create: async (
      name: string,
      scopes: string,
      centres?: string,
    ): Promise<{ key: string } | Problem> => {
      const wished = OperatorKeyName.safeParse(name);
      const may = OperatorScopes.safeParse(listOf(scopes));
      const where = OperatorCentres.optional().safeParse(centres && listOf(centres));
      if (!wished.success || !may.success || !where.success)
        return problemsOf({ name: wished, scopes: may, centres: where });
      if (where.data && !may.data.includes('vaccinator'))
        return { problem: '--centres: for a key with the scope vaccinator' };
      const made = await seen('createKey', name, () => keyring.create(name, may.data, where.data));
      if (made === 'EXISTS') return { problem: `There is a key named ${name} already.` };
      return made === 'TOO_MANY' ? { problem: 'There are as many keys as there may be.' } : made;
    },
    list: async () =>
      (await keyring.list()).map(({ createdAtMs, ...key }) => ({
        ...key,
        createdAt: isoFromMs(createdAtMs),
      })),
    revoke: async (name: string): Promise<'REVOKED' | Problem> => {
      if (!OperatorKeyName.safeParse(name).success) return { problem: `No key is named ${name}.` };
      const revoked = await seen('revokeKey', name, () => keyring.revoke(name));
      return revoked === 'UNKNOWN' ? { problem: `No key is named ${name}.` } : revoked;
    },
  };
}

const listOf = (text: string): string[] => [...new Set(text.split(',').map((one) => one.trim()))];

/** Of all options, so that nobody mends one to learn of the next. */
const problemsOf = (read: Readonly<Record<string, z.ZodSafeParseResult<unknown>>>): Problem => ({
  problem: Object.entries(read)
    .flatMap(([option, { error }]) =>
      error ? `--${option}: ${error.issues.map(({ message }) => message).join('; ')}` : [],
    )
    .join('\n'),
});
