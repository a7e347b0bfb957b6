/** Next doses: told once, by day, to who still needs them. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createReminder, type ReminderOutcome } from '../../src/arrivals/reminders.ts';
import type { ArrivalStore } from '../../src/arrivals/store.ts';
import type { Engine } from '../../src/engine.ts';
import { createLog } from '../../src/log.ts';
import { createOutbox } from '../../src/notify/outbox.ts';
import type { Dose } from '../../src/people/vaccines.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { forgetSms, fresh, register, smsOf } from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';
import { engineHere, zoneAt } from './day.ts';

const test = useRedis(['--appendfsync', 'no']);
const MOBILE = '+919812345678';

let engine: Engine;
let person: string;
let nowMs: number;
let outcomes: [ReminderOutcome, number][];

const given = (dose: number): Dose => ({
  dose,
  vaccine: 'COVISHIELD',
  date: '2021-04-10',
  booking: `evening.${dose}`,
  batch: '1',
});
const second = () => ({ person, dose: 2, vaccine: 'COVISHIELD' });
const waiting = (): Promise<number> => test.redis.zcard(keys.dosesDue());

beforeEach(async () => {
  engine = engineHere(test.redis);
  outcomes = [];
  const account = fresh('account');
  person = await register(engine, account);
  await test.redis.hset(keys.account(account), 'mobile', engine.secrets.encrypt(MOBILE));
  nowMs = await redisNowMs(test.redis);
  await engine.stores.people.recordDose(person, [], given(1));
  await engine.stores.arrivals.schedule(second(), nowMs - 1_000);
});

const reminderWith = (parts: Partial<Parameters<typeof createReminder>[0]> = {}) =>
  createReminder({
    store: engine.stores.arrivals,
    people: engine.stores.people,
    outbox: engine.outbox,
    secrets: engine.secrets,
    log: createLog('silent'),
    timeZone: zoneAt(nowMs, 13),
    onReminders: (outcome, count) => void (count > 0 && outcomes.push([outcome, count])),
    ...parts,
  });

describe('a next dose that is due', () => {
  it('is told of, once, and forgotten', async () => {
    const remind = reminderWith();
    expect(await remind()).toBe(1);
    expect(await remind()).toBe(0);
    const sms = await smsOf(engine, test.redis);
    expect(sms.map(({ message, mobile }) => ({ message, mobile }))).toEqual([
      { mobile: MOBILE, message: { template: 'dose-due', vaccine: 'COVISHIELD', dose: 2 } },
    ]);
    expect(sms[0]?.id).not.toContain(person);
    expect(await waiting()).toBe(0);
    expect(outcomes).toEqual([['told', 1]]);
  });

  it('is told of once though the worker dies between, and by two of them', async () => {
    const dying: ArrivalStore = {
      ...engine.stores.arrivals,
      forgetDue: () => Promise.reject(new Error('the worker is gone')),
    };
    await expect(reminderWith({ store: dying })()).rejects.toThrow('gone');
    expect(await waiting()).toBe(1);
    await Promise.all([reminderWith()(), reminderWith()()]);
    expect(await smsOf(engine, test.redis)).toHaveLength(1);
    // Even when it was sent before the other came.
    await forgetSms(test.redis);
    await engine.stores.arrivals.schedule(second(), nowMs - 1_000);
    await reminderWith()();
    expect(await smsOf(engine, test.redis)).toHaveLength(0);
    expect(await waiting()).toBe(0);
  });

  it('waits for the day, and for its time', async () => {
    for (const hour of [3, 8, 21, 23])
      expect(await reminderWith({ timeZone: zoneAt(nowMs, hour) })()).toBe(0);
    await engine.stores.arrivals.schedule(second(), nowMs + 60_000);
    expect(await reminderWith()()).toBe(0);
    await engine.stores.arrivals.schedule(second(), nowMs);
    expect(await reminderWith({ timeZone: zoneAt(nowMs, 9) })()).toBe(1);
  });

  it('is no news to who has it already, or never had the one before', async () => {
    await engine.stores.people.recordDose(person, [given(1)], given(2));
    const other = await register(engine, fresh('account'));
    await engine.stores.arrivals.schedule({ ...second(), person: other }, nowMs - 1_000);
    expect(await reminderWith()()).toBe(2);
    expect(await smsOf(engine, test.redis)).toEqual([]);
    expect(outcomes).toEqual([['dropped', 2]]);
    expect(await waiting()).toBe(0);
  });

  it('reaches nobody who has no account any more, and is dropped then', async () => {
    await test.redis.hdel(keys.person(person), 'account');
    expect(await reminderWith()()).toBe(1);
    expect(await smsOf(engine, test.redis)).toEqual([]);
    expect(outcomes).toEqual([['dropped', 1]]);
  });

  it('stays due while the outbox is full', async () => {
    const full = createOutbox({
      store: engine.stores.outbox,
      secrets: engine.secrets,
      onSms: () => undefined,
      capacity: { urgent: 0, routine: 0 },
    });
    await expect(reminderWith({ outbox: full })()).rejects.toThrow('full');
    expect(await waiting()).toBe(1);
    expect(await reminderWith()()).toBe(1);
    expect(await smsOf(engine, test.redis)).toHaveLength(1);
  });
});
