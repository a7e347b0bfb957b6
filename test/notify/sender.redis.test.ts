/** Senders in this process, and drivers that behave, or do not. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEngine, type Engine } from '../../src/engine.ts';
import { monotonicMs } from '../../src/lib/clock.ts';
import { createLog } from '../../src/log.ts';
import { createBreaker } from '../../src/lib/breaker.ts';
import type { Delivery, Letter, SmsDriver } from '../../src/notify/drivers.ts';
import { PRIORITIES } from '../../src/notify/messages.ts';
import { backoffMs, BREAKER, sendAll } from '../../src/notify/sender.ts';
import type { OutboxStore } from '../../src/notify/store.ts';
import { createTexts } from '../../src/notify/texts.ts';
import { OUTBOX_LIMITS } from '../../src/notify/store.ts';
import { keys } from '../../src/redis/keys.ts';
import { SECRET } from '../support/app.ts';
import { engineOn, letSmsPass, smsWaiting } from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);
const MOBILE = '+919812345678';
const CONCURRENCY = 4;

let engine: Engine;
let stopping: AbortController;
let running: Promise<unknown>;
/** What was logged, and what became of SMS. */
let lines: string[];
let told: string[];
let faults: string[];

beforeEach(() => {
  engine = engineOn(test.redis);
  [lines, told, faults] = [[], [], []];
});
afterEach(async () => {
  stopping.abort();
  await running;
});

function start(driver: SmsDriver, store: OutboxStore = engine.stores.outbox): void {
  stopping = new AbortController();
  const parts = {
    store,
    secrets: engine.secrets,
    driver,
    textOf: createTexts('Asia/Kolkata'),
    breaker: createBreaker(BREAKER, monotonicMs),
    concurrency: CONCURRENCY,
    log: createLog('debug', { write: (line) => void lines.push(line) }),
    onSms: (outcome: string, template: string) => void told.push(`${template} ${outcome}`),
    onFault: (error: unknown, message: string) => void faults.push(`${message}: ${String(error)}`),
    onDropped: () => undefined,
  };
  running = Promise.all(PRIORITIES.map((priority) => sendAll(parts, priority, stopping.signal)));
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(5);
}
const queueOtps = async (ids: readonly string[], language: 'en' | 'mr' = 'en') => {
  const message = { template: 'otp', otp: '493021' } as const;
  await engine.outbox.send(
    ids.map((id) => ({ id, account: 'account', mobile: MOBILE, language, message })),
  );
};
const waiting = () => smsWaiting(test.redis, 'urgent');
const numbered = (count: number) => Array.from({ length: count }, (_one, n) => `otp:${n}`);
const SENT: Delivery = { outcome: 'sent' };
const AWAY: Delivery = { outcome: 'away', reason: 'status-503' };

describe('a sender', () => {
  it('tells of an outbox that it cannot read, and goes on', async () => {
    const letters: Letter[] = [];
    let fails = 2;
    const { outbox } = engine.stores;
    const take: OutboxStore['take'] = (...parts) =>
      fails-- > 0 ? Promise.reject(new Error('away')) : outbox.take(...parts);
    await queueOtps(['otp:1']);
    start(
      async (letter) => {
        letters.push(letter);
        return SENT;
      },
      { ...outbox, take },
    );
    await until(() => letters.length === 1);
    expect(faults).toEqual(Array(2).fill('the outbox could not be read: Error: away'));
  });

  it('hands over each SMS once, in the language of its account, under a reference', async () => {
    const letters: Letter[] = [];
    start(async (letter) => {
      letters.push(letter);
      return SENT;
    });
    await queueOtps(numbered(100));
    await queueOtps(['otp:mr'], 'mr');
    await until(async () => (await waiting()) === 0);
    expect(new Set(letters.map(({ reference }) => reference)).size).toBe(101);
    expect(letters).toHaveLength(101);
    expect(letters.at(-1)?.text).toMatch(/\p{Script=Devanagari}/u);
    expect(letters[0]).toMatchObject({ account: 'account', mobile: MOBILE, template: 'otp' });
    expect(letters[0]?.reference).toMatch(/^[\w-]{22}$/);
    expect(told.filter((one) => one === 'otp sent')).toHaveLength(101);
  });

  it('has no more in hand than it may, of each priority', async () => {
    let [inHand, most] = [0, 0];
    start(async () => {
      most = Math.max(most, ++inHand);
      await sleep(5);
      inHand -= 1;
      return SENT;
    });
    await queueOtps(numbered(60));
    await until(async () => (await waiting()) === 0);
    expect(most).toBe(CONCURRENCY);
  });

  it('ends what it began when it is stopped, and begins no more', async () => {
    let [begun, delivered] = [0, 0];
    start(async () => {
      begun += 1;
      await sleep(100);
      delivered += 1;
      return SENT;
    });
    await queueOtps(numbered(50));
    await until(() => begun === CONCURRENCY);
    stopping.abort();
    await running;
    expect(delivered).toBe(CONCURRENCY);
    expect(await waiting()).toBe(50 - CONCURRENCY);
  });

  it('buries at once what a gateway will never take, and goes on', async () => {
    start(async ({ reference }) =>
      reference === engine.secrets.pseudonym('sms', 'otp:3')
        ? { outcome: 'refused', reason: 'status-422' }
        : SENT,
    );
    await queueOtps(numbered(10));
    await until(async () => (await waiting()) === 0);
    const { letters } = await engine.outbox.dead(10);
    expect(letters).toMatchObject([{ id: 'otp:3', reason: 'status-422' }]);
    expect(told.filter((one) => one === 'otp dead')).toHaveLength(1);
  });

  it('buries after its attempts what fails while others get through', async () => {
    const poison = engine.secrets.pseudonym('sms', 'otp:poison');
    let tries = 0;
    start(async ({ reference }) => {
      if (reference !== poison) return SENT;
      tries += 1;
      return AWAY;
    });
    await queueOtps(['otp:poison']);
    for (let n = 0; n < OUTBOX_LIMITS.attempts; n++) {
      await until(() => tries === n + 1);
      await queueOtps([`otp:${n}`]);
      await until(() => told.filter((one) => one === 'otp sent').length === n + 1);
      await test.redis.zadd(keys.smsDue('urgent'), 'XX', 1, 'otp:poison'); // its backoff is over
    }
    await until(async () => (await waiting()) === 0);
    expect(tries).toBe(OUTBOX_LIMITS.attempts);
    expect((await engine.outbox.dead(10)).letters).toMatchObject([{ id: 'otp:poison' }]);
  });

  it('buries what another secret has sealed', async () => {
    const other = createEngine(test.redis, { secret: `${SECRET}, but another` });
    const message = { template: 'otp', otp: '1' } as const;
    const sms = { id: 'otp:1', account: 'a', mobile: MOBILE, language: 'en', message } as const;
    await other.outbox.send([sms]);
    start(async () => SENT);
    await until(async () => (await waiting()) === 0);
    expect((await engine.outbox.dead(10)).letters).toMatchObject([{ reason: 'unreadable' }]);
  });
});

describe('a gateway that is away', () => {
  it('is probed, not hammered, and costs no SMS but those that come too late', async () => {
    let [calls, away] = [0, true];
    const sent = new Set<string>();
    start(async ({ reference }) => {
      calls += 1;
      if (away) return AWAY;
      sent.add(reference);
      return SENT;
    });
    await queueOtps(numbered(200));
    await sleep(3_500);
    expect(calls, 'the first ones, and probes after 1 s and 2 s').toBeGreaterThan(CONCURRENCY);
    expect(calls).toBeLessThan(5 + 2 * CONCURRENCY + 3);
    expect(await waiting()).toBe(200);
    away = false;
    await until(() => sent.size > 0);
    await letSmsPass(test.redis, 'urgent', 60); // backoffs are over
    await until(async () => (await waiting()) === 0);
    expect(sent.size).toBe(200);
    expect((await engine.outbox.dead(10)).total).toBe(0);
    const log = lines.join('');
    expect(log).toContain('the SMS gateway is away');
    expect(log).toContain('the SMS gateway is back');
  }, 20_000);

  it('and asks to be left alone, is', async () => {
    const calls: number[] = [];
    start(async () => {
      calls.push(monotonicMs());
      return calls.length === 1
        ? { outcome: 'away', reason: 'status-429', retryAfterMs: 1_500 }
        : SENT;
    });
    await queueOtps(['otp:1']);
    await until(() => calls.length === 1);
    await queueOtps(numbered(20));
    await until(async () => (await waiting()) === 0);
    expect((calls[1] ?? 0) - (calls[0] ?? 0)).toBeGreaterThanOrEqual(1_490);
    expect(calls, 'twenty SMS, and the one that was told to come later').toHaveLength(21);
  });

  it('delays no request: an OTP is queued while every SMS hangs', async () => {
    const hanging = Promise.withResolvers<Delivery>();
    start(() => hanging.promise);
    await queueOtps(numbered(50));
    await until(async () => (await test.redis.zcard(keys.smsDue('urgent'))) === 50);
    const startMs = monotonicMs();
    expect(
      await engine.people.sendOtp(MOBILE, { network: '203.0.113', device: '' }),
    ).toHaveProperty('txnId');
    expect(monotonicMs() - startMs).toBeLessThan(1_000);
    hanging.resolve(SENT);
  });
});

describe('what is logged', () => {
  it('holds no mobile and no text, whatever fails', async () => {
    const failures: (() => Promise<Delivery>)[] = [
      async () => AWAY,
      async () => ({ outcome: 'refused', reason: 'status-400' }),
      async () => {
        throw new Error('a fault');
      },
      async () => SENT,
    ];
    let calls = 0;
    start(() => (failures[calls++ % failures.length] ?? (async () => SENT))());
    await queueOtps(numbered(12));
    await until(() => calls >= 12);
    const log = lines.join('');
    expect(log).toContain('otp:1');
    for (const text of [MOBILE, MOBILE.slice(3), '493021', 'sign in'])
      expect(log).not.toContain(text);
  });
});

describe('many SMS that came too late', () => {
  it('hold up no fresh one', async () => {
    await queueOtps(numbered(20_000));
    await letSmsPass(test.redis, 'urgent', 200);
    await queueOtps(['otp:fresh']);
    const startMs = monotonicMs();
    const sent = Promise.withResolvers<number>();
    start(async () => {
      sent.resolve(monotonicMs() - startMs);
      return SENT;
    });
    expect(await sent.promise).toBeLessThan(3_000);
    expect(told.filter((one) => one === 'otp expired')).toHaveLength(20_000);
  });
});

describe('the backoff', () => {
  it('doubles up to a minute, spread over its upper half', () => {
    const steps = [1, 2, 4, 8, 16, 32, 60, 60].map((seconds) => seconds * 1_000);
    for (const [index, longestMs] of steps.entries()) {
      const waits = Array.from({ length: 300 }, () => backoffMs(index + 1));
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(longestMs / 2);
      expect(Math.max(...waits)).toBeLessThanOrEqual(longestMs);
      expect(new Set(waits).size).toBeGreaterThan(100);
    }
  });
});
