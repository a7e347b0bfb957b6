/** How SMS leave the engine. Without a gateway: on the terminal, or into a simulated phone. */
import { nowMs } from '../lib/clock.ts';
import type { Secrets } from '../lib/secrets.ts';
import { keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import type { Template } from './messages.ts';

/** An SMS as a driver gets it. */
export type Letter = {
  /** The same for every attempt, and nobody else's: what a gateway tells repetitions by. */
  readonly reference: string;
  readonly account: string;
  /** E.164. */
  readonly mobile: string;
  readonly template: Template;
  readonly text: string;
};

/** `reason`: few words joined by hyphens, never from the SMS. */
export type Delivery =
  | { readonly outcome: 'sent' }
  /** This SMS will never be taken. */
  | { readonly outcome: 'refused'; readonly reason: string }
  /** Another attempt may succeed. */
  | { readonly outcome: 'away'; readonly reason: string; readonly retryAfterMs?: number };

/** Hands one SMS to the world. Rejects for faults only; it is then tried again. */
export type SmsDriver = (letter: Letter) => Promise<Delivery>;

const INBOX_LENGTH = 20;
const INBOX_LIFETIME_S = 3_600;

/**
 * Writes SMS to the terminal, where a developer signs in by hand. In production, where a terminal
 * is a log, it says only that there was one.
 */
export const consoleDriver =
  (print: (line: string) => void, production: boolean): SmsDriver =>
  async ({ mobile, template, text }) => {
    print(production ? `SMS: ${template}` : `SMS to ${mobile}: ${text}`);
    return { outcome: 'sent' };
  };

export type InboxMessage = { readonly sentAtMs: number; readonly text: string };

/** A simulated phone per account: what GET /v1/dev/inbox reads. Development only. */
export function createInbox(redis: Redis, secrets: Secrets) {
  const driver: SmsDriver = async ({ account, text }) => {
    const item: InboxMessage = { sentAtMs: nowMs(), text };
    await Promise.all([
      redis.lpush(keys.inbox(account), secrets.encrypt(JSON.stringify(item))),
      redis.ltrim(keys.inbox(account), 0, INBOX_LENGTH - 1),
      redis.expire(keys.inbox(account), INBOX_LIFETIME_S),
    ]);
    return { outcome: 'sent' };
  };
  /** Newest first. */
  const read = async (account: string): Promise<InboxMessage[]> => {
    const items = await redis.lrange(keys.inbox(account), 0, -1);
    return items.map((item) => JSON.parse(secrets.decrypt(item)) as InboxMessage);
  };
  return { driver, read };
}
