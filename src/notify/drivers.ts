import { nowMs } from '../lib/clock.ts';
import type { Secrets } from '../lib/secrets.ts';
import { keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { textOf } from './messages.ts';
import type { SmsDriver } from './outbox.ts';

const INBOX_LENGTH = 20;
const INBOX_LIFETIME_S = 3_600;

/**
 * Writes SMS to the terminal, where a developer signs in by hand. In production, where a terminal
 * is a log, it says only that there was one.
 */
export const consoleDriver =
  (print: (line: string) => void, production: boolean): SmsDriver =>
  async ({ mobile, message }) => {
    print(production ? `SMS: ${message.template}` : `SMS to ${mobile}: ${textOf(message)}`);
  };

export type InboxMessage = { readonly sentAtMs: number; readonly text: string };

/** A simulated phone per account: what GET /v1/dev/inbox reads. Development only. */
export function createInbox(redis: Redis, secrets: Secrets) {
  const driver: SmsDriver = async ({ account, message }) => {
    const item: InboxMessage = { sentAtMs: nowMs(), text: textOf(message) };
    await Promise.all([
      redis.lpush(keys.inbox(account), secrets.encrypt(JSON.stringify(item))),
      redis.ltrim(keys.inbox(account), 0, INBOX_LENGTH - 1),
      redis.expire(keys.inbox(account), INBOX_LIFETIME_S),
    ]);
  };
  /** Newest first. */
  const read = async (account: string): Promise<InboxMessage[]> => {
    const items = await redis.lrange(keys.inbox(account), 0, -1);
    return items.map((item) => JSON.parse(secrets.decrypt(item)) as InboxMessage);
  };
  return { driver, read };
}
