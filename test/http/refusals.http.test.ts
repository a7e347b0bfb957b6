/**
 * Every refusal that a route documents, answered by that route over HTTP; and every answer here, as
 * the route describes it. Time passes at once, and the worker is in this process.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createEngine, type Engine } from '../../src/engine.ts';
import { ERRORS, type ErrorCode } from '../../src/errors.ts';
import { createDeviceTokens } from '../../src/gates/devices.ts';
import { operatorKeyring } from '../../src/gates/operator-keys.ts';
import { createApp } from '../../src/http/app.ts';
import { codesOf } from '../../src/http/openapi.ts';
import type { Route } from '../../src/http/route.ts';
import { listen, type Server } from '../../src/http/server.ts';
import { OUTBOX_LIMITS } from '../../src/notify/store.ts';
import { createTexts } from '../../src/notify/texts.ts';
import { present } from '../../src/lib/assert.ts';
import { isoFromMs } from '../../src/lib/clock.ts';
import { dayAt } from '../../src/lib/days.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics/server.ts';
import { accountOf } from '../../src/people/sign-in.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { apiRoutes } from '../../src/routes.ts';
import {
  SECRET,
  type Answered,
  call,
  type CallOptions,
  configWith,
  OPERATOR_KEY,
  secrets,
  tokenOf,
} from '../support/app.ts';
import {
  fresh,
  freshId,
  lastSms,
  letPass,
  nextRound,
  publishRelease,
  register,
  type ReleaseWishes,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);
const GENEROUS = {
  LIMIT_READ_PER_ADDRESS: '100000',
  LIMIT_WRITE_PER_ADDRESS: '100000',
  LIMIT_ADMIN_PER_ADDRESS: '100000',
  LIMIT_OTP_PER_ADDRESS: '100000',
  LIMIT_TOKEN_PER_ADDRESS: '100000',
  LIMIT_TOKEN_PER_DEVICE: '100000',
  ACCOUNTS_PER_DEVICE: '1',
};

let engine: Engine;
let routes: readonly Route[];
let server: Server;
/** `<route> <code>` of every refusal so far. */
const answered = new Set<string>();

beforeAll(async () => {
  const { redis } = used;
  const config = configWith({ SMS_DRIVER: 'inbox', ...GENEROUS });
  engine = createEngine(redis, config);
  const log = createLog('silent');
  routes = apiRoutes(engine, redis, config);
  const metrics = createMetrics();
  server = await listen(createApp({ routes, redis, config, secrets, log, metrics }), config);
});
afterAll(() => server.close());

type Asked = CallOptions & {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
};

/** Asks a route by its name, and holds the answer against what the route says of itself. */
async function ask(
  name: string,
  { params = {}, query, ...options }: Asked = {},
): Promise<Answered> {
  const route = present(
    routes.find((one) => one.name === name),
    name,
  );
  const path = route.path.replaceAll(/:(\w+)/g, (_part, key: string) => params[key] ?? '');
  const search = query ? `?${new URLSearchParams(query).toString()}` : '';
  const answer = await call(server.url, route.method.toUpperCase(), `${path}${search}`, options);
  if (answer.status >= 400) {
    const { code } = answer.json as { code: ErrorCode };
    expect(codesOf(route), name).toContain(code);
    expect(answer.json).toMatchObject({ status: ERRORS[code].status, title: ERRORS[code].title });
    expect(answer.status).toBe(ERRORS[code].status);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    answered.add(`${name} ${code}`);
    return answer;
  }
  const described = route.answers[answer.status];
  expect(described, `${name} answers ${answer.status}`).toBeDefined();
  if (described === null) expect(answer.text).toBe('');
  if (described instanceof z.ZodType) expect(described.parse(answer.json)).toEqual(answer.json);
  return answer;
}

const codeOf = async (asked: Promise<Answered>): Promise<unknown> => (await asked).json['code'];

type Who = { readonly account: string; readonly token: string; readonly person: string };
async function arrive(facts: Parameters<typeof register>[2] = {}): Promise<Who> {
  const account = fresh('account');
  return { account, token: await tokenOf(account), person: await register(engine, account, facts) };
}

let who: Who;
let release: string;
let slots: readonly string[];
const open = async (wishes: Partial<ReleaseWishes> = {}): Promise<void> => {
  ({ release, slots } = await publishRelease(engine, used.redis, { seats: [1], ...wishes }));
};
beforeEach(async () => {
  who = await arrive();
  await open();
});

const entry = (change: object = {}, by = who): Asked => ({
  token: by.token,
  params: { release },
  body: { beneficiaries: [by.person], preferences: slots, ...change },
});
const enter = (change: object = {}, by = who) => ask('enter', entry(change, by));
const withdraw = async (by = who) => {
  const { json } = await ask('listEntries', { token: by.token, params: { release } });
  const [held] = json['entries'] as { entryId: string }[];
  const entryId = held?.entryId ?? 'AAAAAAAAAAAAAAAAAAAAAA';
  return ask('withdraw', { token: by.token, params: { release }, query: { entryId } });
};
const book = (change: object = {}, by = who) => {
  const body = { release, beneficiary: by.person, slot: slots[0], ...change };
  return ask('book', { token: by.token, body });
};
const bookingOf = async (by = who): Promise<string> => {
  const { json } = await ask('listBookings', { token: by.token });
  return present((json['bookings'] as { bookingId: string }[])[0], 'a booking').bookingId;
};
const answer = (name: 'confirmBooking' | 'cancelBooking' | 'readSlip', booking: string, by = who) =>
  ask(name, { token: by.token, params: { booking } });
const draw = async (): Promise<void> => {
  await letPass(used.redis, 600);
  await nextRound(engine, release);
};
const operate = (name: string, asked: Asked = {}) =>
  ask(name, { token: OPERATOR_KEY, params: { release }, ...asked });

/** Headers of a device that nobody has used. */
const aDevice = async () => ({
  headers: { 'device-token': (await createDeviceTokens([SECRET]).mint()).deviceToken },
});

const NOWHERE = { params: { release: 'nowhere' } };

describe('signing in', () => {
  const first = { mobile: '+919812345678' };
  const otpOf = async (body = first): Promise<{ txnId: string; otp: string; wrong: string }> => {
    const { json } = await ask('sendOtp', { body });
    const txnId = String(json['txnId']);
    const { account, mobile, message: said } = await lastSms(engine, used.redis);
    const text = createTexts('UTC')(said, 'en');
    await engine.inbox.driver({ reference: txnId, account, mobile, template: 'otp', text });
    const inbox = await ask('readInbox', { query: body });
    const [message] = inbox.json['messages'] as { text: string }[];
    const otp = present(/\d{6}/.exec(message?.text ?? ''), 'an OTP')[0];
    return { txnId, otp, wrong: otp === '000000' ? '000001' : '000000' };
  };

  test('refuses wrong, unknown and too many OTPs, and to send another too soon', async () => {
    const body = first;
    const { txnId, otp, wrong } = await otpOf();
    expect(await codeOf(ask('sendOtp', { body }))).toBe('OTP_TOO_SOON');
    const signIn = (code: string, txn = txnId) =>
      ask('signIn', { body: { txnId: txn, otp: code } });
    expect(await codeOf(signIn(otp, '0198c0de-0000-7000-8000-000000000001'))).toBe('OTP_UNKNOWN');
    for (let tries = 0; tries < 5; tries++) expect(await codeOf(signIn(wrong))).toBe('OTP_WRONG');
    const spent = await signIn(otp);
    expect(spent.json['code']).toBe('OTP_TRIES_SPENT');
    expect(spent.headers['retry-after']).toBe('600');
    expect(await codeOf(ask('sendOtp', { body }))).toBe('OTP_TRIES_SPENT');
    await letPass(used.redis, 601);
    for (let unused = 1; unused < 4; unused++) {
      expect((await ask('sendOtp', { body })).status).toBe(202);
      await letPass(used.redis, 61);
    }
    expect(await codeOf(ask('sendOtp', { body }))).toBe('OTP_TOO_MANY');
    await letPass(used.redis, 3_600);
    const minute = keys.smsSpent('new', 'minute');
    await used.redis.set(minute, '1000000', 'PX', 30_000);
    const broke = await ask('sendOtp', { body });
    expect(broke.json['code']).toBe('SMS_BUDGET_SPENT');
    expect(broke.headers['retry-after']).toBe('30');
    await used.redis.del(minute);
    const again = await otpOf();
    const signedIn = await ask('signIn', { body: { txnId: again.txnId, otp: again.otp } });
    const token = String(signedIn.json['accessToken']);
    expect((await ask('listBeneficiaries', { token })).json).toEqual({ beneficiaries: [] });
    expect((await ask('signOutEverywhere', { token })).status).toBe(204);
    expect(await codeOf(ask('listBeneficiaries', { token }))).toBe('ACCESS_TOKEN_REVOKED');
    expect(await engine.stores.people.persons(accountOf(secrets, body.mobile))).toEqual([]);
  });
});

describe('a full outbox', () => {
  const FILL = `for i = ARGV[1], ARGV[2] do redis.call('ZADD', KEYS[1], 1e15, i) end`;
  const AT_ONCE = 10_000; // Redis answers nobody else meanwhile

  test('refuses an OTP, and lets it be asked for later', async () => {
    const due = keys.smsDue('urgent');
    for (let at = 1; at <= OUTBOX_LIMITS.capacity.urgent; at += AT_ONCE)
      await used.redis.eval(FILL, 1, due, at, at + AT_ONCE - 1);
    const refused = await ask('sendOtp', { body: { mobile: '+919812345670', language: 'bn' } });
    expect(refused.json).toMatchObject({ code: 'SMS_OUTBOX_FULL' });
    expect(refused.headers['retry-after']).toBe('60');
    await used.redis.del(due);
  });
});

describe('signing in on a device', () => {
  test('is refused to more accounts than may, and not to one that did before', async () => {
    const device = await aDevice();
    const signIn = async (mobile: string) => {
      const { json } = await ask('sendOtp', { body: { mobile }, ...device });
      const { message } = await lastSms(engine, used.redis);
      const otp = 'otp' in message ? message.otp : '';
      return ask('signIn', { body: { txnId: json['txnId'], otp }, ...device });
    };
    const mobiles = ['+919812345601', '+919812345602'] as const;
    expect((await signIn(mobiles[0])).status).toBe(200);
    const refused = await signIn(mobiles[1]);
    expect(refused.json).toMatchObject({ code: 'TOO_MANY_ACCOUNTS', limit: 1 });
    await letPass(used.redis, 61);
    expect((await signIn(mobiles[0])).status).toBe(200);
  });
});

describe('beneficiaries', () => {
  const person = { name: 'Asha Kale', birthYear: 1960, gender: 'female', idType: 'passport' };
  const add = (idNumber: string, idType = 'passport') =>
    ask('addBeneficiary', { token: who.token, body: { ...person, idType, idNumber } });
  const remove = (beneficiary: string) =>
    ask('removeBeneficiary', { token: who.token, params: { beneficiary } });

  test('are refused when they are too many, registered already or no ID', async () => {
    const idNumber = freshId();
    expect((await add(idNumber)).status).toBe(201);
    expect(await codeOf(add(idNumber))).toBe('ID_REGISTERED');
    expect(await codeOf(add('1234', 'aadhaar'))).toBe('ID_NUMBER_INVALID');
    await add(freshId());
    await add(freshId());
    expect(await codeOf(add(freshId()))).toBe('TOO_MANY_BENEFICIARIES');
    expect(
      (await ask('listBeneficiaries', { token: who.token })).json['beneficiaries'],
    ).toHaveLength(4);
  });

  test('are not removed when they are unknown or have an entry', async () => {
    expect(await codeOf(remove('AAAAAAAAAAAAAAAAAAAAAA'))).toBe('BENEFICIARY_UNKNOWN');
    await enter();
    expect(await codeOf(remove(who.person))).toBe('BENEFICIARY_HAS_CLAIM');
    await withdraw();
    await letPass(used.redis, 11);
    expect((await remove(who.person)).status).toBe(204);
  });

  test('are not erased with their account while they have an entry', async () => {
    await enter();
    const erased = ask('eraseAccount', { token: who.token });
    expect(await codeOf(erased)).toBe('ACCOUNT_HAS_CLAIMS');
    expect((await erased).json['held']).toEqual([{ beneficiary: who.person, release }]);
    await withdraw();
  });
});

describe('an entry', () => {
  test('is refused for what it asks', async () => {
    expect(await codeOf(ask('enter', { ...entry(), ...NOWHERE }))).toBe('RELEASE_UNKNOWN');
    expect(await codeOf(ask('listEntries', { token: who.token, ...NOWHERE }))).toBe(
      'RELEASE_UNKNOWN',
    );
    const six = ['a', 'b', 'c', 'd', 'e', 'f'];
    expect(await codeOf(enter({ preferences: six }))).toBe('TOO_MANY_PREFERENCES');
    expect(await codeOf(enter({ preferences: ['a'] }))).toBe('SLOT_UNKNOWN');
    expect(await codeOf(enter({ preferences: [slots[0], slots[0]] }))).toBe('SLOT_DUPLICATE');
    await open({ places: { date: '2021-04-10' }, alsoOn: '2099-01-01' });
    expect(await codeOf(enter())).toBe('SLOT_OVER');
    await open({ mode: 'immediate', places: { date: '2021-04-10' }, alsoOn: '2099-01-01' });
    await letPass(used.redis, 11);
    expect(await codeOf(book())).toBe('SLOT_OVER');
    await letPass(used.redis, 11);
    await open();
    const five = Array.from({ length: 5 }, () => who.person);
    expect(await codeOf(enter({ beneficiaries: five }))).toBe('GROUP_TOO_LARGE');
    const twice = [who.person, who.person];
    expect(await codeOf(enter({ beneficiaries: twice }))).toBe('BENEFICIARY_DUPLICATE');
    const ended = { carryOverUntil: isoFromMs(await redisNowMs(used.redis)) };
    expect(await codeOf(enter(ended))).toBe('NO_SERIES');
    await open({ series: fresh('series') });
    expect(await codeOf(enter(ended))).toBe('CARRY_OVER_DATE');
  });

  test('is refused for whom it is', async () => {
    const another = await arrive();
    expect(await codeOf(enter({ beneficiaries: [another.person] }))).toBe('BENEFICIARY_UNKNOWN');
    const voter = await arrive({ idType: 'voter-id' });
    expect(await codeOf(enter({}, voter))).toBe('ID_TYPE_NOT_ACCEPTED');
    await enter({}, another);
    await open({ places: { minAge: 45 } });
    expect(await codeOf(enter({}, await arrive({ birthYear: 2060 })))).toBe('NOT_ELIGIBLE');
    expect(await codeOf(enter({}, another))).toBe('CLAIMED_ELSEWHERE');
    await open({ entriesPerAccount: 1 });
    await enter();
    const second = await register(engine, who.account);
    expect(await codeOf(enter({ beneficiaries: [second] }))).toBe('TOO_MANY_ENTRIES');
    const together = { beneficiaries: [second, who.person] };
    expect((await enter(together)).json).toMatchObject({
      code: 'IN_ANOTHER_ENTRY',
      beneficiary: who.person,
    });
  });

  test('is refused when too many come from one device, whatever their accounts', async () => {
    const device = await aDevice();
    const another = await arrive();
    await open({ entriesPerDevice: 1 });
    expect((await ask('enter', { ...entry(), ...device })).status).toBe(200);
    expect((await ask('enter', { ...entry(), ...device })).status).toBe(200);
    const from = (by: Who, headers = device) =>
      codeOf(ask('enter', { ...entry({}, by), ...headers }));
    expect(await from(another)).toBe('TOO_MANY_FROM_DEVICE');
    expect((await ask('enter', { ...entry({}, another), ...(await aDevice()) })).status).toBe(200);
    await open({ mode: 'immediate', seats: [2], entriesPerDevice: 1 });
    who = await arrive();
    const bookFrom = (by: Who) =>
      ask('book', {
        token: by.token,
        body: { release, beneficiary: by.person, slot: slots[0] },
        ...device,
      });
    expect((await bookFrom(who)).status).toBe(201);
    expect(await codeOf(bookFrom(await arrive()))).toBe('TOO_MANY_FROM_DEVICE');
  });

  test('is refused for when it is', async () => {
    await open({ opensInS: 60 });
    expect(await codeOf(enter())).toBe('RELEASE_NOT_OPEN');
    await operate('endRelease');
    expect(await codeOf(enter())).toBe('RELEASE_ENDED');
    await open({ mode: 'immediate' });
    expect(await codeOf(enter({}, await arrive()))).toBe('NOT_A_LOTTERY');
    expect(await codeOf(withdraw())).toBe('NOT_A_LOTTERY');
  });

  test('is refused for where it stands', async () => {
    expect(await codeOf(withdraw())).toBe('ENTRY_UNKNOWN');
    const asked = { token: who.token, query: { entryId: 'AAAAAAAAAAAAAAAAAAAAAA' } };
    expect(await codeOf(ask('withdraw', { ...asked, ...NOWHERE }))).toBe('RELEASE_UNKNOWN');
    await enter();
    await letPass(used.redis, 600);
    const drawing = await withdraw();
    expect(drawing.json['code']).toBe('ROUND_DRAWING');
    expect(drawing.headers['retry-after']).toBe('1');
    expect(await codeOf(enter({ preferences: [...slots] }))).toBe('ENTRY_SEALED');
    await nextRound(engine, release);
    expect(await codeOf(enter())).toBe('HAS_BOOKING');
    expect(await codeOf(withdraw())).toBe('HAS_BOOKING');
    await letPass(used.redis, 901);
    expect(await codeOf(enter())).toBe('ENTRY_LAPSED');
    const another = await arrive();
    await open();
    await enter({}, another);
    await operate('endRelease');
    expect(await codeOf(withdraw(another))).toBe('RELEASE_ENDED');
  });
});

describe('a booking', () => {
  test('of an offer is refused when it is unknown, over or too late', async () => {
    for (const name of ['confirmBooking', 'cancelBooking', 'readSlip'] as const)
      expect(await codeOf(answer(name, 'nonsense'))).toBe('BOOKING_UNKNOWN');
    await enter();
    await draw();
    const offer = await bookingOf();
    expect(await codeOf(answer('readSlip', offer))).toBe('SLIP_NOT_BOOKED');
    expect(await codeOf(answer('confirmBooking', offer, await arrive()))).toBe('BOOKING_UNKNOWN');
    expect((await answer('confirmBooking', offer)).json['state']).toBe('booked');
    expect((await answer('cancelBooking', offer)).status).toBe(204);
    expect(await codeOf(answer('confirmBooking', offer))).toBe('BOOKING_OVER');
    await open();
    who = await arrive();
    await enter();
    await draw();
    const late = await bookingOf();
    await letPass(used.redis, 901);
    expect(await codeOf(answer('confirmBooking', late))).toBe('OFFER_TOO_LATE');
    expect(await codeOf(answer('cancelBooking', late))).toBe('BOOKING_OVER');
  });

  test('at once is refused for what, whom and when it is', async () => {
    expect(await codeOf(book())).toBe('NOT_IMMEDIATE');
    expect(await codeOf(book({ release: 'nowhere' }))).toBe('RELEASE_UNKNOWN');
    await enter();
    await open({ mode: 'immediate', opensInS: 60, places: { minAge: 45 }, entriesPerAccount: 1 });
    expect(await codeOf(book({ slot: 'a' }))).toBe('SLOT_UNKNOWN');
    expect(await codeOf(book())).toBe('CLAIMED_ELSEWHERE');
    who = await arrive();
    expect(await codeOf(book())).toBe('RELEASE_NOT_OPEN');
    await letPass(used.redis, 61);
    const another = await arrive();
    expect(await codeOf(book({ beneficiary: another.person }))).toBe('BENEFICIARY_UNKNOWN');
    expect(await codeOf(book({}, await arrive({ idType: 'voter-id' })))).toBe(
      'ID_TYPE_NOT_ACCEPTED',
    );
    expect(await codeOf(book({}, await arrive({ birthYear: 2060 })))).toBe('NOT_ELIGIBLE');
    expect((await book()).status).toBe(201);
    expect(await codeOf(book())).toBe('HAS_BOOKING');
    expect(await codeOf(book({}, another))).toBe('SLOT_FULL');
    await answer('cancelBooking', await bookingOf());
    const second = await register(engine, who.account);
    expect(await codeOf(book({ beneficiary: second }))).toBe('TOO_MANY_ENTRIES');
    await operate('endRelease');
    expect(await codeOf(book())).toBe('RELEASE_ENDED');
  });
});

describe('who may not have this dose, or not for a while', () => {
  const another = (wishes: Partial<ReleaseWishes> = {}) => open({ places: { dose: 2 }, ...wishes });

  test('is refused to enter, and to book at once', async () => {
    await another();
    const refused = await enter();
    expect(refused.json).toMatchObject({ code: 'DOSE_NOT_DUE', slot: slots[0], dueFrom: null });
    who = await arrive();
    await another({ mode: 'immediate' });
    expect(await codeOf(book())).toBe('DOSE_NOT_DUE');
    who = await arrive();
    const until = (await redisNowMs(used.redis)) + 60_000;
    await used.redis.hset(keys.person(who.person), 'cooling_ends_at_ms', until);
    const cooling = { code: 'COOLING_DOWN', until: isoFromMs(until) };
    expect((await book()).json).toMatchObject(cooling);
    await open();
    expect((await enter()).json).toMatchObject(cooling);
  });
});

describe('the day', () => {
  const come = (booking: string, securityCode: string, key = OPERATOR_KEY) =>
    ask('arrive', { token: key, body: { booking, securityCode } });
  const dose = (change: object) => {
    const body = { beneficiary: who.person, vaccine: 'COVISHIELD', batch: 'B1', ...change };
    return ask('recordDose', { token: OPERATOR_KEY, body });
  };
  const bookingToday = async () => {
    const date = dayAt(await redisNowMs(used.redis), 'UTC');
    const bands = [{ from: '23:58', to: '23:59' }];
    const places = { date, bands };
    await open({ mode: 'immediate', seats: [9], alsoOn: '2099-01-01', places });
    who = await arrive();
    const { json } = await book();
    const [booking, code] = [String(json['bookingId']), String(json['securityCode'])];
    return { booking, code, wrong: code === '0000' ? '0001' : '0000' };
  };

  test('of an arrival is refused for its code, its day and what became of the booking', async () => {
    const { booking, code, wrong } = await bookingToday();
    expect((await come(booking, wrong)).json).toMatchObject({
      code: 'ARRIVAL_CODE_WRONG',
      triesLeft: 4,
    });
    const far = await ask('book', {
      token: who.token,
      body: { release, beneficiary: who.person, slot: slots[1] },
    });
    expect(far.json['code']).toBe('HAS_BOOKING');
    await answer('cancelBooking', booking);
    expect(await codeOf(come(booking, code))).toBe('ARRIVAL_NOT_BOOKED');
    const { json } = await book({ slot: slots[1] });
    const later = String(json['bookingId']);
    expect((await come(later, '0000')).json).toMatchObject({
      code: 'ARRIVAL_NOT_TODAY',
      date: '2099-01-01',
    });
    for (let tries = 1; tries < 5; tries++) await come(booking, wrong);
    const spent = await come(booking, code);
    expect(spent.json['code']).toBe('ARRIVAL_TRIES_SPENT');
    expect(spent.headers['retry-after']).toBeUndefined();
  });

  test('of a dose is refused without an arrival, and for what it is', async () => {
    const { booking, code } = await bookingToday();
    expect(await codeOf(dose({ booking }))).toBe('ARRIVAL_MISSING');
    expect((await come(booking, code)).json['people']).toHaveLength(1);
    for (const batch of ['', ' ', 'a\nb', 'é', 'x'.repeat(41)])
      expect(await codeOf(dose({ booking, batch }))).toBe('REQUEST_INVALID');
    expect(await codeOf(dose({ booking, vaccine: 'COVAXIN' }))).toBe('DOSE_MISMATCH');
    const given = { dose: 1, vaccine: 'COVISHIELD', date: '2021-01-01' } as const;
    const recordedElsewhere = { ...given, booking: 'elsewhere', batch: '1' };
    await engine.stores.people.recordDose(who.person, [], recordedElsewhere);
    expect(await codeOf(dose({ booking }))).toBe('DOSE_NOT_DUE');
    await used.redis.hdel(keys.person(who.person), 'doses');
    expect((await dose({ booking })).json).toMatchObject({ dose: 1, batch: 'B1' });
    expect(await codeOf(dose({ booking, batch: 'B2' }))).toBe('DOSE_RECORDED');
  });

  test('is for keys of vaccinators only', async () => {
    const made = await operatorKeyring(used.redis).create('an-importer', ['import']);
    const key = typeof made === 'string' ? '' : made.key;
    expect((await come('x', '0000', key)).json).toMatchObject({
      code: 'SCOPE_MISSING',
      scope: 'vaccinator',
    });
    expect((await come('x', '0000', who.token)).json['code']).toBe('OPERATOR_KEY_INVALID');
  });
});

describe('a change', () => {
  const close = (body: object, asked: Asked = {}) => operate('closeSlots', { body, ...asked });
  const lose = (change: object = {}, asked: Asked = {}) => {
    const body = { change: 'a', slot: slots[0], pool: 'open', seats: 1, ...change };
    return operate('loseSeats', { body, ...asked });
  };

  test('is refused for what it names, and when it is sent again as another', async () => {
    await open({ seats: [2, 1] });
    expect(await codeOf(close({ slots }, NOWHERE))).toBe('RELEASE_UNKNOWN');
    expect(await codeOf(close({ centre: 'nowhere' }))).toBe('CENTRE_UNKNOWN');
    expect(await codeOf(close({ session: 'nowhere' }))).toBe('SESSION_UNKNOWN');
    expect(await codeOf(close({ slots: ['nowhere'] }))).toBe('SLOT_UNKNOWN');
    for (const body of [{}, { slots: [] }, { centre: 'c0', slots }])
      expect(await codeOf(close(body))).toBe('REQUEST_INVALID');
    expect(await codeOf(lose({}, NOWHERE))).toBe('RELEASE_UNKNOWN');
    expect(await codeOf(lose({ slot: 'nowhere' }))).toBe('SLOT_UNKNOWN');
    expect(await codeOf(lose({ pool: 'senior' }))).toBe('POOL_UNKNOWN');
    for (const change of [{ seats: 0 }, { seats: 1.5 }, { change: '' }, { change: 'a b' }])
      expect(await codeOf(lose(change))).toBe('REQUEST_INVALID');
    expect((await lose({ seats: 3 })).json).toMatchObject({ code: 'POOL_TOO_SMALL', seats: 2 });
    const lost = { slot: slots[0], pool: 'open', seats: 1, round: 0 };
    expect((await lose()).json).toEqual(lost);
    expect((await lose()).json).toEqual(lost);
    expect(await codeOf(lose({ seats: 2 }))).toBe('CHANGE_ID_REUSED');
    const closed = [{ slot: slots[1], round: 0 }];
    expect((await close({ centre: 'c1' })).json).toEqual({ closed });
    expect(await codeOf(lose({ change: 'b', slot: slots[1] }))).toBe('SLOT_CLOSED');
    expect((await ask('listChanges', { params: { release } })).json).toEqual({
      closed,
      lost: [lost],
    });
    expect(await codeOf(enter({ preferences: [slots[1]] }))).toBe('SLOTS_CLOSED');
    expect((await enter()).status).toBe(200);
  });

  test('is refused for when it is, and where there are no rounds', async () => {
    await operate('endRelease');
    expect(await codeOf(close({ slots }))).toBe('RELEASE_ENDED');
    expect(await codeOf(lose())).toBe('RELEASE_ENDED');
    await open({
      pools: [{ pool: 'senior', percent: 50 }, { pool: 'open' }],
      dereserveAfterRound: 0,
    });
    await draw();
    await enter();
    await letPass(used.redis, 60);
    await engine.stores.drawing.cut(release);
    const drawing = await lose();
    expect(drawing.json['code']).toBe('ROUND_DRAWING');
    expect(drawing.headers['retry-after']).toBe('1');
    await open({ mode: 'immediate' });
    expect(await codeOf(close({ slots }))).toBe('NOT_A_LOTTERY');
    expect(await codeOf(lose())).toBe('NOT_A_LOTTERY');
  });

  test('takes a booking, which can be answered neither while it is settled nor after', async () => {
    await enter();
    await draw();
    const offer = await bookingOf();
    await close({ slots });
    await engine.stores.drawing.cut(release);
    const drawing = await answer('cancelBooking', offer);
    expect(drawing.json['code']).toBe('ROUND_DRAWING');
    expect(drawing.headers['retry-after']).toBe('1');
    await nextRound(engine, release);
    for (const name of ['confirmBooking', 'cancelBooking'] as const)
      expect(await codeOf(answer(name, offer))).toBe('BOOKING_DISPLACED');
    const { json } = await ask('listEntries', { token: who.token, params: { release } });
    expect(json['entries']).toMatchObject([{ state: 'waiting', booking: null }]);
  });
});

describe('what is published', () => {
  test('is described as it is, and unknown where it is not', async () => {
    const { entryId } = (await enter()).json as { entryId: string };
    await draw();
    const proof = { params: { release, entry: entryId } };
    const stranger = { params: { release, entry: 'AAAAAAAAAAAAAAAAAAAAAA' } };
    const nowhere = { params: { release: 'nowhere', entry: entryId } };
    const lasting = await ask('readProof', { ...proof, query: { round: '0' } });
    expect(lasting.headers['cache-control']).toContain('immutable');
    expect((await ask('readProof', proof)).headers['cache-control']).not.toContain('immutable');
    expect(await codeOf(ask('readProof', stranger))).toBe('PROOF_UNKNOWN');
    expect(await codeOf(ask('readProof', nowhere))).toBe('RELEASE_UNKNOWN');
    const reads = ['readRelease', 'readManifest', 'listSlots', 'listRounds', 'listChanges'];
    const round = { release, round: '0' };
    for (const name of reads) expect((await ask(name, { params: { release } })).status).toBe(200);
    for (const name of ['readRound', 'readTranscript']) {
      expect((await ask(name, { params: round })).status).toBe(200);
      expect(await codeOf(ask(name, { params: { ...round, round: '1' } }))).toBe('ROUND_UNKNOWN');
      expect(await codeOf(ask(name, { params: { ...round, release: 'nowhere' } }))).toBe(
        'RELEASE_UNKNOWN',
      );
    }
    const file = { ...round, prefix: '0' };
    expect((await ask('readResults', { params: file })).status).toBe(200);
    for (const [code, params] of [
      ['RESULT_FILE_UNKNOWN', { ...file, prefix: '00' }],
      ['ROUND_UNKNOWN', { ...file, round: '1' }],
      ['RELEASE_UNKNOWN', { ...file, release: 'nowhere' }],
    ] as const)
      expect(await codeOf(ask('readResults', { params }))).toBe(code);
    for (const name of reads) expect(await codeOf(ask(name, NOWHERE))).toBe('RELEASE_UNKNOWN');
    expect((await ask('listKeys')).json['keys']).toHaveLength(1);
    const { releases } = (await ask('listReleases')).json as { releases: { release: string }[] };
    expect(releases.map((one) => one.release)).toContain(release);
  });
});

describe('an operator', () => {
  const CSV = 'centre_id,centre_name,seats\na,Alpha,2\n';
  const csv = { headers: { 'content-type': 'text/csv' }, query: { date: '2099-01-01' } };

  test('is refused to attest anything when one number is none', async () => {
    const attest = (...idNumbers: string[]) =>
      operate('attest', {
        params: {},
        body: {
          attestations: idNumbers.map((idNumber) => ({
            idType: 'aadhaar',
            idNumber,
            categories: ['senior'],
          })),
        },
      });
    expect((await attest('2345 6789 0123')).json).toEqual({ attested: 1 });
    expect((await attest('2345 6789 0123', '1234')).json).toMatchObject({
      code: 'ID_NUMBER_INVALID',
      index: 1,
    });
  });

  test('lists dead SMS without text or mobile, queues them again and drops them', async () => {
    const { outbox } = engine.stores;
    const message = { template: 'otp', otp: '493021' } as const;
    const mobile = '+919812345671';
    for (const id of ['sms:1', 'sms:2']) {
      await engine.outbox.send([{ id, account: 'a', mobile, language: 'en', message }]);
      await outbox.failed(
        'urgent',
        { id, attempt: 0 },
        { reason: 'status-422', verdict: 'bury', waitMs: 0 },
      );
    }
    const listed = await operate('listDeadSms', { params: {} });
    expect(listed.json).toMatchObject({
      total: 2,
      deadLetters: [{ id: 'sms:1', template: 'otp', reason: 'status-422' }, { id: 'sms:2' }],
    });
    for (const text of [mobile.slice(3), '493021', 'sealed', '"1.'])
      expect(listed.text).not.toContain(text);
    const act = async (name: string, body: unknown) =>
      (await operate(name, { params: {}, body })).json as unknown;
    for (const name of ['retrySms', 'dropSms'])
      for (const body of [
        {},
        { ids: [] },
        { all: false },
        { all: true, ids: ['sms:1'] },
        { ids: [1] },
      ])
        expect(await act(name, body)).toMatchObject({ code: 'REQUEST_INVALID' });
    expect(await act('retrySms', { ids: ['sms:1', 'sms:3'] })).toEqual({
      queued: 1,
      expired: 0,
      unknown: 1,
    });
    expect(await act('dropSms', { all: true })).toEqual({ dropped: 1, unknown: 0 });
    expect((await operate('listDeadSms', { params: {} })).json).toEqual({
      total: 0,
      deadLetters: [],
    });
  });

  test('is refused what would change a published release, or what is not there', async () => {
    const nowMs = await redisNowMs(used.redis);
    const body = (name: string, closesInMs: number) => ({
      release: name,
      title: 'A release',
      mode: 'lottery',
      opensAt: isoFromMs(nowMs - 20_000),
      closesAt: isoFromMs(nowMs + closesInMs),
      endsAt: isoFromMs(nowMs + 60_000),
    });
    expect(await codeOf(operate('createRelease', { body: body(release, 1) }))).toBe(
      'RELEASE_EXISTS',
    );
    expect(await codeOf(operate('importPlaces', { ...csv, body: CSV }))).toBe('RELEASE_PUBLISHED');
    const calendar = { query: { stateId: '21', districtId: '363' }, body: { centers: [{}] } };
    expect(await codeOf(operate('importCalendar', calendar))).toBe('RELEASE_PUBLISHED');
    expect(await codeOf(operate('importCalendar', { ...calendar, ...NOWHERE }))).toBe(
      'RELEASE_UNKNOWN',
    );
    expect(await codeOf(operate('publishRelease'))).toBe('RELEASE_PUBLISHED');
    for (const name of ['publishRelease', 'showRelease', 'endRelease', 'readBots', 'readBotsCsv'])
      expect(await codeOf(operate(name, NOWHERE))).toBe('RELEASE_UNKNOWN');
    expect(await codeOf(operate('importPlaces', { ...csv, ...NOWHERE, body: CSV }))).toBe(
      'RELEASE_UNKNOWN',
    );
    const [past] = [fresh('release')];
    const params = { release: past };
    expect((await operate('createRelease', { body: body(past, -1) })).status).toBe(201);
    expect(await codeOf(operate('publishRelease', { params }))).toBe('RELEASE_EMPTY');
    const bad = await operate('importPlaces', { ...csv, params, body: `${CSV}b,Beta,many\n` });
    expect(bad.json).toMatchObject({ code: 'IMPORT_INVALID', rows: [{ line: 3 }] });
    expect((await operate('importPlaces', { ...csv, params, body: CSV })).json).toEqual({
      centres: 1,
      sessions: 1,
      slots: 2,
      seats: 2,
      districts: 0,
      added: { centres: 1, sessions: 1, slots: 2, seats: 2 },
      leftOut: 0,
      otherServices: [],
    });
    const badCalendar = await operate('importCalendar', { ...calendar, params });
    expect(badCalendar.json).toMatchObject({
      code: 'IMPORT_INVALID',
      problems: [{ path: 'centers[0].center_id' }, ...Array.from({ length: 4 }, () => ({}))],
    });
    expect((await operate('showRelease', { params })).json).toMatchObject({ state: 'draft' });
    for (const name of ['readBots', 'readBotsCsv'])
      expect(await codeOf(operate(name, { params }))).toBe('RELEASE_DRAFT');
    expect(await codeOf(operate('publishRelease', { params }))).toBe('RELEASE_TOO_LATE');
    const old = { params: { release: fresh('release') } };
    await operate('createRelease', { body: body(old.params.release, 10_000) });
    await operate('importPlaces', { ...csv, ...old, query: { date: '2021-04-11' }, body: CSV });
    expect(await codeOf(operate('publishRelease', old))).toBe('RELEASE_DATES');
    const vast = { params: { release: fresh('release') } };
    await operate('createRelease', { body: body(vast.params.release, 10_000) });
    await operate('importPlaces', { ...csv, ...vast, body: CSV });
    // As many imports would leave it: more sessions than one request may bring.
    const draft = keys.draft(vast.params.release);
    const { terms, places } = JSON.parse((await used.redis.get(draft))!);
    const [one] = places.sessions;
    const sessions = Array.from({ length: 19_000 }, (_, at) => ({
      ...one,
      service: '['.repeat(60),
      session: `s${at}`,
    }));
    const grown = { terms, places: { ...places, sessions: [one, ...sessions] } };
    await used.redis.set(draft, JSON.stringify(grown));
    expect(await codeOf(operate('publishRelease', vast))).toBe('RELEASE_TOO_LARGE');
    const ages = { date: '2099-01-01', minAge: '45', maxAge: '44' };
    expect(await codeOf(operate('importPlaces', { ...csv, query: ages, body: CSV }))).toBe(
      'REQUEST_INVALID',
    );
    expect((await operate('showRelease')).json).toMatchObject({
      state: 'open',
      seats: { capacity: 1, free: 1, offered: 0, booked: 0 },
    });
  });
});

test('what an operator does is in the audit stream, with its release', async () => {
  await operate('endRelease');
  await operate('endRelease', NOWHERE);
  const { json } = await ask('readAudit', { token: OPERATOR_KEY, query: { limit: '4' } });
  const shown = (json['lines'] as Record<string, string>[]).map(
    ({ who, what, subject, outcome }) => `${who} ${what} ${subject} ${outcome}`,
  );
  expect(shown.toReversed()).toEqual([
    `bootstrap endRelease ${release} STARTED`,
    `bootstrap endRelease ${release} DONE`,
    'bootstrap endRelease nowhere STARTED',
    'bootstrap endRelease nowhere RELEASE_UNKNOWN',
  ]);
});

test('what a centre does is in a stream of its own, with the release of the booking', async () => {
  const body = { booking: `${release}.AAAAAAAAAAAAAAAAAAAAAA.0`, securityCode: '0000' };
  await operate('arrive', { params: {}, body });
  const lines = async (query: Record<string, string>) => {
    const { json } = await ask('readAudit', { token: OPERATOR_KEY, query });
    return (json['lines'] as Record<string, string>[]).map(
      ({ who: key, what, subject, outcome }) => `${key} ${what} ${subject} ${outcome}`,
    );
  };
  expect(await lines({ limit: '2', of: 'centres' })).toEqual([
    `bootstrap arrive ${release} ARRIVAL_CODE_WRONG`,
    `bootstrap arrive ${release} STARTED`,
  ]);
  expect((await lines({})).filter((line) => line.includes('arrive'))).toEqual([]);
});

test('all of this was every refusal that the routes document', () => {
  const documented = routes.flatMap(({ name, errors }) => errors.map((code) => `${name} ${code}`));
  expect(documented.filter((one) => !answered.has(one))).toEqual([]);
});
