/**
 * The outbox: SMS wait in a Redis stream until a worker has handed them to the driver, so that no
 * request waits for a gateway and a stopped gateway loses nothing.
 */
import type { Secrets } from '../lib/secrets.ts';
import { nowMs } from '../lib/clock.ts';
import { keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import type { Message } from './messages.ts';

export type Sms = {
  readonly account: string;
  /** E.164. */
  readonly mobile: string;
  readonly message: Message;
};

/** Hands one SMS to the world. Rejects when it could not; it is then tried again. */
export type SmsDriver = (sms: Sms) => Promise<void>;

export type Outbox = ReturnType<typeof createOutbox>;

const GROUP = 'senders';
const READ_COUNT = 100;
const BLOCK_MS = 1_000;
/** An SMS taken by a sender that died is taken over after this time. */
const ABANDONED_AFTER_MS = 30_000;

type StreamEntry = [id: string, fields: string[]];

export function createOutbox(redis: Redis, secrets: Secrets) {
  const open = (entry: StreamEntry): Sms => JSON.parse(secrets.decrypt(entry[1][1] ?? '')) as Sms;

  return {
    /** Queues SMS; they are encrypted at rest, since an OTP or a name may be in them. */
    async send(messages: readonly Sms[]): Promise<void> {
      await Promise.all(
        messages.map((sms) =>
          redis.xadd(keys.outbox(), '*', 'sms', secrets.encrypt(JSON.stringify(sms))),
        ),
      );
    },

    /**
     * Delivers what waits until `signal` aborts. `blocking`: a connection of its own; `sender`:
     * this process's name.
     */
    async deliver(
      blocking: Redis,
      sender: string,
      driver: SmsDriver,
      signal: AbortSignal,
      onFailure: (error: unknown) => void,
    ): Promise<void> {
      await createGroup(redis);
      let lastTakeoverMs = nowMs();
      while (!signal.aborted) {
        const batch = await readNew(blocking, sender);
        if (nowMs() - lastTakeoverMs > ABANDONED_AFTER_MS) {
          lastTakeoverMs = nowMs();
          batch.push(...(await takeOver(redis, sender)));
        }
        await Promise.all(
          batch.map(async (entry) => {
            try {
              await driver(open(entry));
              await redis.xack(keys.outbox(), GROUP, entry[0]);
              await redis.xdel(keys.outbox(), entry[0]);
            } catch (error) {
              onFailure(error); // stays pending; taken over and tried again
            }
          }),
        );
      }
    },
  };
}

async function createGroup(redis: Redis): Promise<void> {
  try {
    await redis.xgroup('CREATE', keys.outbox(), GROUP, '0', 'MKSTREAM');
  } catch (error) {
    if (!String(error).includes('BUSYGROUP')) throw error;
  }
}

async function readNew(blocking: Redis, sender: string): Promise<StreamEntry[]> {
  const reply = (await blocking.xreadgroup(
    'GROUP',
    GROUP,
    sender,
    'COUNT',
    READ_COUNT,
    'BLOCK',
    BLOCK_MS,
    'STREAMS',
    keys.outbox(),
    '>',
  )) as [string, StreamEntry[]][] | null;
  return reply?.[0]?.[1] ?? [];
}

async function takeOver(redis: Redis, sender: string): Promise<StreamEntry[]> {
  const reply = (await redis.xautoclaim(
    keys.outbox(),
    GROUP,
    sender,
    ABANDONED_AFTER_MS,
    '0',
    'COUNT',
    READ_COUNT,
  )) as [string, StreamEntry[]];
  return reply[1];
}
