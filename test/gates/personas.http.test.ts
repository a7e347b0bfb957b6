/**
 * The personas that the gates concern, each with what it gains over somebody honest: what it got,
 * divided by what its people would have got without a program. docs/security.md has the table; the
 * simulator (test/bench) has those that only a draw can answer.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { countedBy, LIMIT_NAMES, limitSetting } from '../../src/gates/limit-table.ts';
import { accountOf } from '../../src/people/sign-in.ts';
import { secrets } from '../support/app.ts';
import {
  fresh,
  freshId,
  lastSms,
  publishRelease,
  register,
  smsWaiting,
  type TestRelease,
} from '../support/engine.ts';
import { type Asker, type Gated, startGated } from '../support/gated.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);
let it: Gated;
beforeEach(async () => {
  it = await startGated(used.redis);
});
afterEach(() => it.server.close());

/** Somebody on a device of their own. */
async function arrive(): Promise<Required<Pick<Asker, 'token' | 'device'>> & { account: string }> {
  const account = fresh('account');
  const { deviceToken, device } = await it.newDevice();
  return { account, device: deviceToken, token: await it.tokenFor(account, device) };
}
const codeOf = async (asked: Promise<{ json: { code?: string } }>) => (await asked).json.code;
const mint = (solution: string, from = '127.0.0.5') =>
  it.send('POST', '/v1/devices', { solution, from });

const mobile = (index: number): string => `+9198123${String(index).padStart(5, '0')}`;
/** One address in each of many networks. */
const elsewhere = (index: number): string => `127.${1 + (index >> 8)}.${index & 255}.9`;

/** Asks for an OTP as a program does: with a captcha solved for it. */
async function sendOtp(to: string, asker: Asker) {
  const solution = await it.solve('otp', asker);
  return it.send('POST', '/v1/auth/otp', { ...asker, solution, body: { mobile: to } });
}
/** Enters with a captcha solved for it. */
async function enter({ release, slots }: TestRelease, person: string, asker: Asker) {
  const solution = await it.solve(`enter:${release}`, asker);
  const body = { beneficiaries: [person], preferences: slots };
  return it.send('PUT', `/v1/releases/${release}/entry`, { ...asker, solution, body });
}
const entries = ({ release }: TestRelease): Promise<number> =>
  used.redis.hlen(`fs:v1:{r:${release}}:entering`);

describe('the sprinter', () => {
  test('who solves one captcha before the release and posts it 50 times has one entry', async () => {
    const me = await arrive();
    const person = await register(it.engine, me.account);
    const { release, slots } = await publishRelease(it.engine, used.redis, { seats: [1] });
    const solution = await it.solve(`enter:${release}`, me);
    const codes: unknown[] = [];
    for (let post = 0; post < 50; post++) {
      const body = { beneficiaries: [person], preferences: slots };
      const path = `/v1/releases/${release}/entry`;
      codes.push(await codeOf(it.send('PUT', path, { ...me, solution, body })));
    }
    expect(codes.filter((code) => code === undefined)).toHaveLength(1);
    expect(codes.filter((code) => code === 'CAPTCHA_SPENT')).toHaveLength(49);
  });
});

describe('the poller', () => {
  test('who waits for a seat needs a captcha for each look, whatever its Idempotency-Key', async () => {
    const [holder, me] = [await arrive(), await arrive()];
    const { release, slots } = await publishRelease(it.engine, used.redis, {
      seats: [1],
      mode: 'immediate',
    });
    const book = async (who: typeof me, person: string, solution: string) =>
      it.send('POST', '/v1/bookings', {
        ...who,
        solution,
        headers: { 'idempotency-key': 'always-the-same' },
        body: { release, beneficiary: person, slot: slots[0] },
      });
    const purpose = `book:${release}`;
    const theirs = await register(it.engine, holder.account);
    const held = await book(holder, theirs, await it.solve(purpose, holder));
    const mine = await register(it.engine, me.account);
    const solution = await it.solve(purpose, me);
    expect(await codeOf(book(me, mine, solution))).toBe('SLOT_FULL');
    const path = `/v1/bookings/${String(held.json.bookingId)}`;
    expect((await it.send('DELETE', path, holder)).status).toBe(204);
    for (let look = 0; look < 5; look++)
      expect(await codeOf(book(me, mine, solution))).toBe('CAPTCHA_SPENT');
    expect((await book(me, mine, await it.solve(purpose, me))).status).toBe(201);
  });
});

describe('the captcha solver', () => {
  test('pays for each: 20 solutions are 20 devices, however often each is sent', async () => {
    const from = '127.0.0.5';
    const solutions = await Promise.all(
      Array.from({ length: 20 }, () => it.solve('device', { from })),
    );
    const sent = await Promise.all(
      [...solutions, ...solutions, ...solutions].map((one) => mint(one)),
    );
    const minted = sent.flatMap(({ json }) => json.deviceId ?? []);
    expect(new Set(minted).size).toBe(20);
    expect(minted).toHaveLength(20);
  });
});

describe('the SMS relay', () => {
  test('whose phone forwards each OTP to a script signs in as the one account it is', async () => {
    const release = await publishRelease(it.engine, used.redis, { seats: [1] });
    const tokens: string[] = [];
    const devices: string[] = [];
    for (let index = 0; index < 5; index++) {
      const { deviceToken: device } = await it.newDevice();
      const asker = { device, from: elsewhere(index) };
      const asked = await sendOtp(mobile(1), asker);
      const { message } = await lastSms(it.engine, used.redis);
      const otp = message.template === 'otp' ? message.otp : '';
      const body = { txnId: asked.json.txnId, otp };
      const signIn = (who: Asker) => it.send('POST', '/v1/auth/token', { ...who, body });
      tokens.push((await signIn(asker)).json.accessToken);
      devices.push(device);
      // What was forwarded is worth nothing a second time, nor to another.
      expect(await codeOf(signIn({ ...asker, from: elsewhere(99) }))).toBe('OTP_UNKNOWN');
    }
    const person = await register(it.engine, accountOf(secrets, mobile(1)));
    for (const [index, token] of tokens.entries())
      expect((await enter(release, person, { token, device: devices[index] ?? '' })).status).toBe(
        200,
      );
    const gain = (await entries(release)) / 1; // of one person
    expect(gain).toBe(1);
  });
});

describe('the farm', () => {
  test('of 12 phones, IDs, devices and addresses has 12 entries, however often it posts', async () => {
    const release = await publishRelease(it.engine, used.redis, { seats: [1] });
    const phones = await Promise.all(Array.from({ length: 12 }, arrive));
    for (const [index, phone] of phones.entries()) {
      const person = await register(it.engine, phone.account);
      for (let post = 0; post < 5; post++) {
        const headers = { 'user-agent': `Agent/${index}.${post}` };
        const asker = { ...phone, from: elsewhere(5 * index + post), headers };
        expect((await enter(release, person, asker)).status).toBe(200);
      }
    }
    const gain = (await entries(release)) / phones.length;
    expect(gain).toBe(1);
  });

  test('on one device is stopped at the cap of the release, below its share', async () => {
    const wishes = { seats: [1], entriesPerDevice: 3 };
    const release = await publishRelease(it.engine, used.redis, wishes);
    const { deviceToken, device } = await it.newDevice();
    const codes: unknown[] = [];
    for (let phone = 0; phone < 12; phone++) {
      const account = fresh('account');
      const asker = { token: await it.tokenFor(account, device), device: deviceToken };
      const person = await register(it.engine, account);
      codes.push((await enter(release, person, { ...asker, from: elsewhere(phone) })).json.code);
    }
    expect(codes.filter((code) => code === 'TOO_MANY_FROM_DEVICE')).toHaveLength(9);
    const gain = (await entries(release)) / 12;
    expect(gain).toBe(0.25);
  });
});

describe('the ID splitter', () => {
  test('with five phones and two documents has one entry', async () => {
    const release = await publishRelease(it.engine, used.redis, { seats: [1] });
    const phones = await Promise.all(Array.from({ length: 5 }, arrive));
    const [first] = phones;
    const idNumber = freshId();
    const person = (type: string, number: string) => ({
      name: 'Asha Kale',
      birthYear: 1960,
      gender: 'female',
      idType: type,
      idNumber: number,
    });
    const add = (asker: Asker, body: unknown) =>
      it.send('POST', '/v1/beneficiaries', { ...asker, body });
    // The same passport again and again, in every spelling.
    const passports = await Promise.all(
      phones.map((phone, index) =>
        add(phone, person('passport', index % 2 ? idNumber.toLowerCase() : ` ${idNumber} `)),
      ),
    );
    expect(passports.filter(({ status }) => status === 201)).toHaveLength(1);
    const owner = phones[passports.findIndex(({ status }) => status === 201)] ?? first;
    const beneficiary = passports.find(({ status }) => status === 201)?.json.beneficiaryId;
    // And a second document of the same person, which the release does not take.
    const other = await add(
      phones.find((phone) => phone !== owner)!,
      person('voter-id', freshId()),
    );
    const second = phones.find((phone) => phone !== owner)!;
    expect((await enter(release, beneficiary, owner!)).status).toBe(200);
    expect((await enter(release, other.json.beneficiaryId, second)).json.code).toBe(
      'ID_TYPE_NOT_ACCEPTED',
    );
    const gain = (await entries(release)) / 1; // of one person
    expect(gain).toBe(1);
  });
});

describe('the toll fraud', () => {
  /** SMS that 60 numbers were sent at `askers`' request. */
  async function pump(askers: (index: number) => Promise<Asker>): Promise<number> {
    for (let index = 0; index < 60; index++) {
      const { status, json } = await sendOtp(mobile(1_000 + index), await askers(index));
      if (status !== 202) expect(json.code).toBe('SMS_BUDGET_SPENT');
    }
    return smsWaiting(used.redis, 'urgent');
  }
  const newDevice = async (): Promise<string> => (await it.newDevice()).deviceToken;

  test.each([
    [
      'of one device, from everywhere',
      { SMS_BUDGET_UNUSED_PER_DEVICE: '10' },
      'one',
      elsewhere,
      10,
    ],
    [
      'of one network, with a new device for each',
      { SMS_BUDGET_UNUSED_PER_NETWORK: '20' },
      'new',
      () => '127.0.0.5',
      20,
    ],
    ['with new devices from everywhere', { SMS_BUDGET_NEW_PER_MINUTE: '30' }, 'new', elsewhere, 30],
  ] as const)('%s is stopped', async (_who, settings, devices, from, most) => {
    await it.server.close();
    it = await startGated(used.redis, settings);
    const only = await newDevice();
    const sent = await pump(async (index) => ({
      device: devices === 'one' ? only : await newDevice(),
      from: from(index),
    }));
    expect(sent).toBe(most);
  });
});

describe('the flooder', () => {
  /** Attacker and honest people sit behind one carrier's NAT. */
  const from = '127.0.0.5';
  const AS_SHIPPED = Object.fromEntries(
    LIMIT_NAMES.flatMap((limit) =>
      countedBy(limit).map(([by, most]) => [limitSetting(limit, by), String(most)]),
    ),
  );
  let junk = '';
  let device = '';
  /** What a flood is made of: one hostile request for each call. */
  const hostile: readonly ((index: number) => Promise<{ status: number }>)[] = [
    (index) => it.send('GET', '/v1/bookings', { token: `a.${index}.b`, from }),
    (index) => it.send('POST', '/v1/devices', { solution: `x.${index} y`, from }),
    // A ticket that is good, for nothing: it costs no work, and is counted.
    (index) =>
      it.send('POST', '/v1/auth/otp', {
        from,
        device,
        solution: `${junk} eA==`,
        body: { mobile: mobile(index) },
      }),
    () => it.send('POST', '/v1/auth/otp', { from, device, body: 'x'.repeat(60_000) }),
    () => it.send('GET', '/v1/captcha?purpose=otp', { from, device }),
    (index) => it.send('GET', `/v1/nothing/${index}`, { from }),
  ];

  test('of twenty requests for each honest one, behind the same NAT, keeps nobody out', async () => {
    await it.server.close();
    it = await startGated(used.redis, AS_SHIPPED);
    const release = await publishRelease(it.engine, used.redis, { seats: [1] });
    const people = await Promise.all(Array.from({ length: 30 }, arrive));
    device = (await it.newDevice()).deviceToken;
    junk = String((await it.challenge('otp', { device, from })).json.ticket);
    const flood: Promise<{ status: number }>[] = [];
    const honest: number[] = [];
    for (const [index, one] of people.entries()) {
      for (let request = 0; request < 20; request++)
        flood.push(hostile[request % hostile.length]!(request));
      const person = await register(it.engine, one.account);
      honest.push((await sendOtp(mobile(500 + index), { device: one.device, from })).status);
      honest.push((await enter(release, person, { ...one, from })).status);
    }
    const refused = (await Promise.all(flood)).filter(({ status }) => status >= 400);
    expect(refused.filter(({ status }) => status >= 500)).toEqual([]);
    expect(refused.length).toBeGreaterThan(0.9 * flood.length);
    expect(honest).toEqual(people.flatMap(() => [202, 200]));
    expect(await entries(release)).toBe(people.length);
  });
});
