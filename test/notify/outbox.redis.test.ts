/** The outbox in Redis: what is queued is sent once, again, or never, as it is worth. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { isoFromMs, nowMs } from '../../src/lib/clock.ts';
import type { Message } from '../../src/notify/messages.ts';
import { createOutbox, type Sms } from '../../src/notify/outbox.ts';
import { OUTBOX_LIMITS, type Verdict } from '../../src/notify/store.ts';
import { keys } from '../../src/redis/keys.ts';
import { engineOn, fresh, letSmsPass } from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);
const OTP: Message = { template: 'otp', otp: '123456' };
const WITHOUT_DEADLINE = 3_000_000_000_000;

let engine: Engine;
let store: Engine['stores']['outbox'];
beforeEach(() => {
  engine = engineOn(test.redis);
  store = engine.stores.outbox;
});

const smsOf = (id: string, message: Message = OTP): Sms => ({
  id,
  account: 'account',
  mobile: '+919812345678',
  language: 'en',
  message,
});
const offer = (confirmByMs = WITHOUT_DEADLINE): Message => ({
  template: 'offer',
  title: 'Pune',
  centre: 'Kothrud',
  date: '2099-01-01',
  from: '09:00',
  confirmBy: isoFromMs(confirmByMs),
});
const queue = async (id: string, message?: Message): Promise<Sms> => {
  const sms = smsOf(id, message);
  expect(await engine.outbox.send([sms])).toBe('QUEUED');
  return sms;
};
const take = async (room = 10) => (await store.take('urgent', room)).taken;
const takeOne = async () => {
  const [taken] = await take(1);
  if (taken?.what !== 'sms') throw new Error(`took ${taken?.what}`);
  return taken;
};
const waiting = async () => (await engine.outbox.state()).urgent.waiting;
const fail = (taken: { id: string; attempt: number }, verdict: Verdict, waitMs = 0) =>
  store.failed('urgent', taken, { reason: 'status-500', verdict, waitMs });
const bury = async (id: string, message?: Message) => {
  await queue(id, message);
  const [taken] = (await store.take(message?.template === 'offer' ? 'routine' : 'urgent', 1)).taken;
  await store.failed(
    message?.template === 'offer' ? 'routine' : 'urgent',
    { id, attempt: taken?.attempt ?? 0 },
    { reason: 'status-400', verdict: 'bury', waitMs: 0 },
  );
};
/** Everything that is stored of SMS, but for the ids that are remembered. */
const stored = async () =>
  (await test.redis.keys('*')).filter((key) => !key.includes(':once:')).toSorted();

describe('an SMS', () => {
  it('is queued once, however many queue it at the same time', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => engine.outbox.send([smsOf('otp:1')])),
    );
    expect(new Set(answers)).toEqual(new Set(['QUEUED']));
    expect(await take(100)).toHaveLength(1);
  });

  it('is taken by one of many senders', async () => {
    await Promise.all(Array.from({ length: 50 }, (_one, n) => queue(`otp:${n}`)));
    const taken = await Promise.all(Array.from({ length: 100 }, () => take(3)));
    const ids = taken.flat().map(({ id }) => id);
    expect(ids).toHaveLength(50);
    expect(new Set(ids).size).toBe(50);
  });

  it('is taken in the order in which it was queued', async () => {
    for (const id of ['c', 'a', 'b']) {
      await queue(id);
      await letSmsPass(test.redis, 'urgent', 0.01);
    }
    expect((await take()).map(({ id }) => id)).toEqual(['c', 'a', 'b']);
  });

  it('is forgotten once it is sent, but not sent again for an hour', async () => {
    await queue('otp:1');
    expect(await store.sent('urgent', (await takeOne()).id)).toBe('SENT');
    expect(await stored()).toEqual([]);
    await queue('otp:1');
    expect(await waiting()).toBe(0);
    const leftMs = await test.redis.pttl(keys.smsOnce('urgent', 'otp:1'));
    expect(leftMs).toBeGreaterThan(OUTBOX_LIMITS.rememberMs - 10_000);
    expect(leftMs).toBeLessThanOrEqual(OUTBOX_LIMITS.rememberMs);
    await test.redis.del(keys.smsOnce('urgent', 'otp:1'));
    await queue('otp:1');
    expect(await waiting()).toBe(1);
  });

  it('of a sender that died is due again when its lease is over, and counts the attempt', async () => {
    await queue('otp:1');
    const lost = await takeOne();
    expect(await take()).toEqual([]);
    await letSmsPass(test.redis, 'urgent', OUTBOX_LIMITS.leaseMs / 1000 - 1);
    expect(await take()).toEqual([]);
    await letSmsPass(test.redis, 'urgent', 1);
    const again = await takeOne();
    expect([lost.attempt, again.attempt]).toEqual([1, 2]);
    expect(await fail(lost, 'bury'), 'the late word of the first sender').toEqual({
      outcome: 'GONE',
    });
    expect(await store.sent('urgent', again.id)).toBe('SENT');
    expect(await fail(again, 'count')).toEqual({ outcome: 'GONE' });
    expect(await stored()).toEqual([]);
  });

  it('waits for its next attempt', async () => {
    await queue('otp:1');
    expect(await fail(await takeOne(), 'count', 2_000)).toEqual({ outcome: 'WAITS' });
    expect(await take()).toEqual([]);
    await letSmsPass(test.redis, 'urgent', 2);
    expect((await takeOne()).attempt).toBe(2);
  });

  it('is dead after its attempts, unless the gateway was at fault', async () => {
    await queue('otp:1');
    for (let spared = 0; spared < 20; spared++)
      expect(await fail(await takeOne(), 'spare')).toEqual({ outcome: 'WAITS' });
    for (let attempt = 1; attempt < OUTBOX_LIMITS.attempts; attempt++)
      expect(await fail(await takeOne(), 'count')).toEqual({ outcome: 'WAITS' });
    expect(await fail(await takeOne(), 'count')).toEqual({ outcome: 'DEAD', dropped: 0 });
    expect(await take()).toEqual([]);
    expect(await engine.outbox.state()).toMatchObject({ urgent: { waiting: 0, dead: 1 } });
  });

  it('that kills its senders is dead after as many attempts', async () => {
    await queue('otp:1', offer());
    const seconds = OUTBOX_LIMITS.leaseMs / 1000;
    for (let attempt = 1; attempt <= OUTBOX_LIMITS.attempts; attempt++) {
      expect((await store.take('routine', 1)).taken).toMatchObject([{ what: 'sms', attempt }]);
      await letSmsPass(test.redis, 'routine', seconds);
    }
    expect((await store.take('routine', 1)).taken).toMatchObject([{ what: 'dead' }]);
    const { letters } = await engine.outbox.dead(10);
    expect(letters).toMatchObject([{ id: 'otp:1', reason: 'abandoned' }]);
  });

  it('is sealed: nothing of it stands in Redis in clear', async () => {
    const { mobile } = await queue('otp:1');
    const packed = String(await test.redis.hget(keys.sms('urgent'), 'otp:1'));
    expect(packed).toMatch(/^otp\|0\|\d+\|\d+\|\|1\./);
    for (const text of [mobile, mobile.slice(3), '123456', 'account'])
      expect(packed).not.toContain(text);
  });

  it('that is none holds up no other', async () => {
    await test.redis.hset(keys.sms('urgent'), 'garbage', 'garbage');
    await test.redis.zadd(keys.smsDue('urgent'), 1, 'garbage', 1, 'nothing at all');
    await queue('otp:1');
    expect(await store.take('urgent', 10)).toMatchObject({ dropped: 2, taken: [{ id: 'otp:1' }] });
    expect(await store.take('urgent', 10)).toEqual({ dropped: 0, taken: [] });
  });
});

describe('an SMS that came too late', () => {
  it('is not sent: an OTP after three minutes', async () => {
    await queue('otp:1');
    await letSmsPass(test.redis, 'urgent', 179);
    await queue('otp:2');
    await letSmsPass(test.redis, 'urgent', 1);
    expect((await take()).map(({ what, id }) => [what, id])).toEqual([
      ['expired', 'otp:1'],
      ['sms', 'otp:2'],
    ]);
    await store.sent('urgent', 'otp:2');
    expect(await stored()).toEqual([]);
  });

  it('is not sent: an offer after its deadline, nor is it queued then', async () => {
    await queue('offer:1', offer(nowMs() + 60_000));
    await queue('offer:2', offer(nowMs() - 1));
    await letSmsPass(test.redis, 'routine', 61);
    expect((await store.take('routine', 10)).taken).toMatchObject([
      { what: 'expired', id: 'offer:1' },
    ]);
  });

  it('does not wait for an attempt that would be too late', async () => {
    await queue('otp:1');
    expect(await fail(await takeOne(), 'spare', 180_000)).toEqual({ outcome: 'EXPIRED' });
    expect(await stored()).toEqual([]);
  });

  it('makes way for the others, however many they are', async () => {
    const late = Array.from({ length: 1_200 }, (_one, n) => smsOf(`otp:${n}`));
    await engine.outbox.send(late);
    await letSmsPass(test.redis, 'urgent', 200);
    await queue('otp:fresh');
    const looked = [await take(1), await take(1), await take(1)];
    expect(looked.map((taken) => taken.length)).toEqual([500, 500, 201]);
    expect(looked.flat().at(-1)).toMatchObject({ what: 'sms', id: 'otp:fresh' });
  });
});

describe('a full outbox', () => {
  it('takes no more, says so, and takes the rest later without repeating any', async () => {
    const capacity = { urgent: 2, routine: 5 };
    const onSms: string[] = [];
    const outbox = createOutbox({
      store,
      secrets: engine.secrets,
      capacity,
      onSms: (outcome, template) => void onSms.push(`${template} ${outcome}`),
    });
    const all = ['otp:1', 'otp:2', 'otp:3'].map((id) => smsOf(id));
    expect(await outbox.send(all)).toBe('FULL');
    expect(await outbox.send([smsOf('offer:1', offer())]), 'the other priority').toBe('QUEUED');
    await store.sent('urgent', (await takeOne()).id);
    expect(await outbox.send(all)).toBe('QUEUED');
    expect(await waiting()).toBe(2);
    expect(onSms.toSorted()).toEqual([
      'offer queued',
      'otp full',
      'otp queued',
      'otp queued',
      'otp queued',
      'otp repeated',
      'otp repeated',
    ]);
  });
});

describe('dead letters', () => {
  it('are listed with what they are, oldest first', async () => {
    await bury('otp:1');
    await letSmsPass(test.redis, 'urgent', 10);
    await bury('offer:1', offer());
    const { total, letters } = await engine.outbox.dead(10);
    expect(total).toBe(2);
    expect(letters.map(({ id, template, reason }) => [id, template, reason])).toEqual([
      ['otp:1', 'otp', 'status-400'],
      ['offer:1', 'offer', 'status-400'],
    ]);
    expect((await engine.outbox.dead(1)).letters).toHaveLength(1);
  });

  it('are not queued beside themselves', async () => {
    await bury('otp:1');
    await test.redis.del(keys.smsOnce('urgent', 'otp:1'));
    await queue('otp:1');
    expect(await waiting()).toBe(0);
  });

  it('are sent after all when an operator says so, each once', async () => {
    await bury('otp:1');
    await bury('offer:1', offer());
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => engine.outbox.retry(['otp:1', 'offer:1', 'none'])),
    );
    expect(answers.map(({ queued }) => queued).reduce((a, b) => a + b)).toBe(2);
    expect(await takeOne()).toMatchObject({ id: 'otp:1', attempt: 1 });
    expect((await store.take('routine', 1)).taken).toMatchObject([{ id: 'offer:1', attempt: 1 }]);
    expect(await engine.outbox.dead(10)).toEqual({ total: 0, letters: [] });
  });

  it('that are worth nothing any more stay dead', async () => {
    await bury('otp:1');
    await letSmsPass(test.redis, 'urgent', 180);
    expect(await engine.outbox.retry('all')).toEqual({ queued: 0, expired: 1, unknown: 0 });
    expect(await engine.outbox.dead(10)).toMatchObject({ total: 1 });
  });

  it('are forgotten when an operator says so: some, or all', async () => {
    for (const id of ['otp:1', 'otp:2', 'otp:3']) await bury(id);
    await queue('otp:4');
    expect(await engine.outbox.drop(['otp:2', 'otp:4'])).toEqual({ dropped: 1, unknown: 1 });
    expect(await engine.outbox.drop('all')).toEqual({ dropped: 2, unknown: 0 });
    expect((await take()).map(({ id }) => id)).toEqual(['otp:4']);
  });

  it('are kept a week', async () => {
    await bury('otp:1');
    await letSmsPass(test.redis, 'urgent', 6.9 * 86_400);
    expect(await store.take('urgent', 1)).toEqual({ dropped: 0, taken: [] });
    await letSmsPass(test.redis, 'urgent', 0.2 * 86_400);
    expect(await store.take('urgent', 1)).toEqual({ dropped: 1, taken: [] });
    expect(await stored()).toEqual([]);
  });

  it('are kept up to a number, then the oldest go', async () => {
    const most = OUTBOX_LIMITS.deadLetters;
    const old = Array.from({ length: most }, (_one, n) => `old:${n}`);
    await test.redis.zadd(
      keys.smsDead('urgent'),
      ...old.flatMap((id, n) => [nowMs() + n - most, id]),
    );
    await queue('otp:1');
    expect(await fail(await takeOne(), 'bury')).toEqual({ outcome: 'DEAD', dropped: 1 });
    expect(await test.redis.zcard(keys.smsDead('urgent'))).toBe(most);
    expect(await test.redis.zscore(keys.smsDead('urgent'), 'old:0')).toBeNull();
  });
});

describe('the state', () => {
  it('tells how long the oldest waits, however often it was tried', async () => {
    const before = nowMs();
    await queue(fresh('otp'));
    await letSmsPass(test.redis, 'urgent', 100);
    await queue(fresh('otp'));
    await fail(await takeOne(), 'count', 60_000);
    const { urgent, routine } = await engine.outbox.state();
    expect(urgent.waiting).toBe(2);
    expect(before - (urgent.oldestMs ?? 0)).toBeGreaterThan(90_000);
    expect(before - (urgent.oldestMs ?? 0)).toBeLessThan(110_000);
    expect(routine).toEqual({ waiting: 0, oldestMs: undefined, dead: 0 });
  });
});
