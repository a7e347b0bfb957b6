/**
 * Takes SMS from the outbox and hands them to a driver, some at a time: at least once, and again
 * under the same reference when it cannot be known whether it was. A sender that dies leaves what
 * it had in hand to others, who find it due when its lease is over.
 */
import { randomInt } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { Secrets } from '../lib/secrets.ts';
import type { Log } from '../log.ts';
import type { Breaker, BreakerTerms } from '../lib/breaker.ts';
import type { OnFault } from '../outage.ts';
import type { Delivery, Letter, SmsDriver } from './drivers.ts';
import type { Priority } from './messages.ts';
import { type OnSms, unseal } from './outbox.ts';
import type { OutboxStore, Taken } from './store.ts';
import type { TextOf } from './texts.ts';

/** Of the gateway. */
export const BREAKER: BreakerTerms = {
  failures: 5,
  firstPauseMs: 1_000,
  longestPauseMs: 30_000,
};

export type SenderParts = {
  readonly store: OutboxStore;
  readonly secrets: Secrets;
  readonly driver: SmsDriver;
  readonly textOf: TextOf;
  /** Of the gateway: one for all senders of a process. */
  readonly breaker: Breaker;
  /** SMS in hand at once, of each priority. */
  readonly concurrency: number;
  readonly log: Log;
  /** Hears why the outbox could not be read. */
  readonly onFault: OnFault;
  readonly onSms: OnSms;
  /** Dead letters that went because there were too many, or for their age. */
  readonly onDropped: (count: number) => void;
};

/** Pause between two looks at an empty outbox. */
const IDLE_MS = 100;
const AFTER_FAULT_MS = 1_000;
const FIRST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 60_000;

/** Before the next attempt, `attempt` of them made: doubled each time, and spread over its half. */
export function backoffMs(attempt: number): number {
  const longestMs = Math.min(FIRST_BACKOFF_MS * 2 ** (attempt - 1), LONGEST_BACKOFF_MS);
  return randomInt(longestMs / 2, longestMs + 1);
}

/** Sends what waits in one outbox until `signal` aborts, and ends what it began. Never rejects. */
export async function sendAll(
  parts: SenderParts,
  priority: Priority,
  signal: AbortSignal,
): Promise<void> {
  const { concurrency, onFault } = parts;
  const inHand = new Set<Promise<void>>();
  /** How many it looked at: where many have expired, there may be more behind them. */
  const begin = async (): Promise<number> => {
    const { taken, probe, looked } = await take(parts, priority, concurrency - inHand.size);
    for (const one of taken) {
      const attempted = attempt(parts, priority, one, probe).finally(() =>
        inHand.delete(attempted),
      );
      inHand.add(attempted);
    }
    return looked;
  };
  while (!signal.aborted) {
    try {
      const looked = await begin();
      if (inHand.size >= concurrency) await Promise.race(inHand);
      else if (looked === 0) await pause(IDLE_MS, signal);
    } catch (error) {
      onFault(error, 'the outbox could not be read', { priority });
      await pause(AFTER_FAULT_MS, signal);
    }
  }
  await Promise.all(inHand);
}

/** Sleeps, or less when told to stop. */
const pause = (durationMs: number, signal: AbortSignal): Promise<unknown> =>
  setTimeout(durationMs, undefined, { signal }).catch(() => undefined);

/** What may be begun now; tells what had expired or was abandoned too often. */
async function take(
  { store, breaker, onSms, onDropped }: SenderParts,
  priority: Priority,
  free: number,
): Promise<{ taken: Taken[]; probe: boolean; looked: number }> {
  const probe = breaker.isOpen();
  const room = Math.min(free, breaker.room());
  if (room === 0) return { taken: [], probe: false, looked: 0 };
  let all: Taken[] = [];
  try {
    const reply = await store.take(priority, room);
    all = reply.taken;
    if (reply.dropped > 0) onDropped(reply.dropped);
  } finally {
    if (probe && !all.some(({ what }) => what === 'sms')) breaker.spare();
  }
  for (const { what, template } of all) if (what !== 'sms') onSms(what, template);
  return { taken: all.filter(({ what }) => what === 'sms'), probe, looked: all.length };
}

/** One attempt of one SMS. Never rejects: what cannot be written down is due again by its lease. */
async function attempt(
  parts: SenderParts,
  priority: Priority,
  taken: Taken,
  probe: boolean,
): Promise<void> {
  const { id, template } = taken;
  try {
    const letter = letterOf(parts, taken);
    const delivery = letter ? await deliver(parts, taken, letter) : UNREADABLE;
    if (letter) watchGateway(parts, delivery, probe);
    else if (probe) parts.breaker.spare();
    await settle(parts, priority, taken, delivery);
  } catch (error) {
    parts.log.warn({ err: error, id, template }, 'what became of an SMS could not be written down');
  }
}

const UNREADABLE: Delivery = { outcome: 'refused', reason: 'unreadable' };

/** Undefined for what another secret has sealed, or another version has queued. */
function letterOf({ secrets, textOf }: SenderParts, { id, sealed }: Taken): Letter | undefined {
  try {
    const { account, mobile, language, message } = unseal(secrets, sealed);
    const text = textOf(message, language);
    // An id names an entry of a published list: the gateway, which knows the mobile, must not.
    const reference = secrets.pseudonym('sms', id);
    return { reference, account, mobile, template: message.template, text };
  } catch {
    return undefined;
  }
}

async function deliver(
  { driver, log }: SenderParts,
  { id, template }: Taken,
  letter: Letter,
): Promise<Delivery> {
  try {
    return await driver(letter);
  } catch (error) {
    log.error({ err: error, id, template }, 'the SMS driver has a fault');
    return { outcome: 'away', reason: 'fault' };
  }
}

function watchGateway({ breaker, log }: SenderParts, delivery: Delivery, probe: boolean): void {
  const wasOpen = breaker.isOpen();
  if (delivery.outcome === 'away') {
    const { reason, retryAfterMs = 0 } = delivery;
    breaker.failed({ probe, retryAfterMs });
    if (!wasOpen && breaker.isOpen()) log.warn({ reason }, 'the SMS gateway is away; SMS wait');
    return;
  }
  breaker.answered();
  if (wasOpen) log.info('the SMS gateway is back');
}

async function settle(
  { store, breaker, log, onSms, onDropped }: SenderParts,
  priority: Priority,
  taken: Taken,
  delivery: Delivery,
): Promise<void> {
  const { id, template } = taken;
  if (delivery.outcome === 'sent') {
    onSms('sent', template);
    await store.sent(priority, id);
    return;
  }
  const { reason } = delivery;
  onSms('failed', template);
  const retryAfterMs = delivery.outcome === 'away' ? (delivery.retryAfterMs ?? 0) : 0;
  const blame = breaker.isOpen() ? 'spare' : 'count';
  const settled = await store.failed(priority, taken, {
    reason,
    verdict: delivery.outcome === 'refused' ? 'bury' : blame,
    waitMs: Math.max(backoffMs(taken.attempt), retryAfterMs),
  });
  log.debug({ id, template, reason, settled: settled.outcome }, 'an SMS was not sent');
  if (settled.outcome === 'EXPIRED') onSms('expired', template);
  if (settled.outcome !== 'DEAD') return;
  onSms('dead', template);
  if (settled.dropped > 0) onDropped(settled.dropped);
  log.warn({ id, template, reason }, 'an SMS is dead: see sms dead');
}
