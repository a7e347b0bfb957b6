/**
 * One person's whole way, over HTTP: registered, entered, drawn, confirmed, with a slip and its
 * code, arrived, vaccinated, told of the second dose, and vaccinated again. Rounds and reminders
 * take the worker's own steps; the weeks between two doses pass at once.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createReminder } from '../../src/arrivals/reminders.ts';
import { operatorKeyring } from '../../src/gates/operator-keys.ts';
import { present } from '../../src/lib/assert.ts';
import { addDays } from '../../src/lib/days.ts';
import { createLog } from '../../src/log.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { HERE, LATE, today, zoneAt } from '../arrivals/day.ts';
import { serveApi, type TestApi } from '../support/api.ts';
import type { CallOptions } from '../support/app.ts';
import { dayText } from '../../src/cowin/words.ts';
import { oldClient } from '../support/cowin.ts';
import { lastSms, letPass, nextRound, publishRelease, smsOf } from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';
import { readSlip, scan } from '../support/slips.ts';

const used = useRedis(['--appendfsync', 'no']);
let api: TestApi;
beforeAll(async () => {
  api = await serveApi(used.redis, undefined, { TIME_ZONE: HERE });
});
afterAll(() => api.close());

const MOBILE = '9812345678';
const INTERVAL_DAYS = 28;

/** A step that must succeed: its answer. */
async function step(method: string, path: string, options: CallOptions = {}, status = 200) {
  const answer = await api.call(method, path, options);
  expect(answer.status, `${method} ${path}: ${answer.text}`).toBe(status);
  return answer.text === '' ? {} : answer.json;
}

/** A lottery for a dose on this very day, which the only one who enters wins. */
const openLottery = async (dose: number) =>
  publishRelease(api.engine, used.redis, {
    seats: [1],
    alsoOn: '2099-01-01',
    places: { date: await today(used.redis), bands: LATE, service: 'COVAXIN', dose },
  });

type Person = { readonly token: string; readonly person: string };

/** Enters, is drawn, confirms; gives the booking. */
async function win({ token, person }: Person, dose: number): Promise<string> {
  const { release, slots } = await openLottery(dose);
  const path = `/v1/releases/${release}/entry`;
  const body = { beneficiaries: [person], preferences: slots.slice(0, 1) };
  await step('PUT', path, { token, body });
  await letPass(used.redis, 700, [keys.release(release)]);
  await nextRound(api.engine, release);
  const { entries } = await step('GET', path, { token });
  const { bookingId } = entries[0].booking;
  const booked = await step('POST', `/v1/bookings/${bookingId}/confirm`, { token });
  expect(booked.state).toBe('booked');
  return String(bookingId);
}

/** The code of a booking, as SMS and slip have it. */
async function codeOn({ token }: Person, booking: string): Promise<string> {
  const { message } = await lastSms(api.engine, used.redis, 'routine');
  const code = message.template === 'booked' ? message.securityCode : '';
  const { bytes, type } = await download(`/v1/bookings/${booking}/slip`, token);
  expect(type).toBe('application/pdf');
  const { drawn: text } = await readSlip(bytes);
  expect(text).toContain('Asha Kale');
  expect(text).toContain('XXXX4321');
  expect(text).toContain(code);
  expect(await scan(bytes)).toBe(booking);
  return code;
}

async function download(path: string, token: string) {
  const answer = await fetch(`${api.url}${path}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return {
    bytes: new Uint8Array(await answer.arrayBuffer()),
    type: answer.headers.get('content-type'),
  };
}

/** At the centre: who comes says the code, and is given the dose. */
async function vaccinate(key: string, { person }: Person, booking: string, code: string) {
  const vaccinator = (body: object): CallOptions => ({ token: key, body });
  const dose = { booking, beneficiary: person, vaccine: 'COVAXIN', batch: '37F21' };
  // nobody can be said to have been vaccinated who did not come
  const before = await api.call('POST', '/v1/doses', vaccinator(dose));
  expect(before.json.code).toBe('ARRIVAL_MISSING');
  const wrong = code === '0000' ? '1111' : '0000';
  const guess = await api.call(
    'POST',
    '/v1/arrivals',
    vaccinator({ booking, securityCode: wrong }),
  );
  expect(guess.json.code).toBe('ARRIVAL_CODE_WRONG');
  const arrived = await step('POST', '/v1/arrivals', vaccinator({ booking, securityCode: code }));
  expect(arrived.people).toMatchObject([{ beneficiaryId: person, name: 'Asha Kale' }]);
  return step('POST', '/v1/doses', vaccinator(dose));
}

/** As if the weeks until the next dose had passed: what was written down moves into the past. */
async function letWeeksPass({ person }: Person, days: number): Promise<void> {
  const { redis } = used;
  const held = present(await redis.hget(keys.person(person), 'doses'), 'doses');
  const day = await today(redis);
  await redis.hset(keys.person(person), 'doses', held.replace(day, addDays(day, -days)));
  const due = await redis.zrange(keys.dosesDue(), 0, '-1');
  // people are told at nine in the morning, which may be hours away on that day
  const passedMs = (days + 1) * 86_400_000;
  for (const one of due) await redis.zincrby(keys.dosesDue(), -passedMs, one);
}

test('a person is vaccinated twice', async () => {
  const { engine } = api;
  const vaccinator = await operatorKeyring(used.redis).create('centre-1', ['vaccinator']);
  const key = typeof vaccinator === 'string' ? '' : vaccinator.key;

  // registers, over our own surface
  const sent = await step('POST', '/v1/auth/otp', { body: { mobile: `+91${MOBILE}` } }, 202);
  const { message } = await lastSms(engine, used.redis);
  const otp = message.template === 'otp' ? message.otp : '';
  const { accessToken: token } = await step('POST', '/v1/auth/token', {
    body: { txnId: sent.txnId, otp },
  });
  const facts = { birthYear: 1960, gender: 'female', idType: 'passport', idNumber: 'P7654321' };
  const registered = { token, body: { name: 'Asha Kale', ...facts } };
  const { beneficiaryId: person } = await step('POST', '/v1/beneficiaries', registered, 201);
  const who = { token, person };

  // first dose
  const first = await win(who, 1);
  const given = await vaccinate(key, who, first, await codeOn(who, first));
  expect(given).toMatchObject({
    dose: 1,
    vaccinationStatus: 'partially-vaccinated',
    nextDoseFrom: addDays(await today(used.redis), INTERVAL_DAYS),
  });

  // the second is not due yet; a claim binds for seconds even when what it was for is over
  const aMoment = (): Promise<void> => letPass(used.redis, 20, [keys.person(person)]);
  await aMoment();
  const early = await openLottery(2);
  const wish = { beneficiaries: [person], preferences: early.slots.slice(0, 1) };
  const refused = await api.call('PUT', `/v1/releases/${early.release}/entry`, {
    token,
    body: wish,
  });
  expect(refused.json.code).toBe('DOSE_NOT_DUE');

  // told when it is
  await letWeeksPass(who, INTERVAL_DAYS);
  const remind = createReminder({
    store: engine.stores.arrivals,
    people: engine.stores.people,
    outbox: engine.outbox,
    secrets: engine.secrets,
    log: createLog('silent'),
    timeZone: zoneAt(await redisNowMs(used.redis), 13),
  });
  expect(await remind()).toBe(1);
  const reminder = (await smsOf(engine, used.redis)).find(
    (sms) => sms.message.template === 'dose-due',
  );
  expect(reminder).toMatchObject({
    mobile: `+91${MOBILE}`,
    message: { vaccine: 'COVAXIN', dose: 2 },
  });

  // second dose
  await aMoment();
  const second = await win(who, 2);
  const last = await vaccinate(key, who, second, await codeOn(who, second));
  expect(last).toMatchObject({ dose: 2, vaccinationStatus: 'vaccinated', nextDoseFrom: null });

  // and a client of the old kind sees it as it always did
  const old = oldClient(api, used.redis, MOBILE);
  old.useToken(token);
  const day = await today(used.redis);
  expect(await old.beneficiaries()).toMatchObject([
    {
      name: 'Asha Kale',
      mobile_number: '5678',
      vaccination_status: 'Vaccinated',
      vaccine: 'COVAXIN',
      dose1_date: dayText(addDays(day, -INTERVAL_DAYS)),
      dose2_date: dayText(day),
    },
  ]);
});
