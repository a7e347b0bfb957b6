/** The captcha gate before real routes: what passes, and whatever else is tried. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTickets, TICKET_LIFETIME_MS } from '../../src/gates/captcha/ticket.ts';
import { addressPrefix } from '../../src/gates/origin.ts';
import { createSecrets } from '../../src/lib/secrets.ts';
import { connectRedis, disconnectRedis } from '../../src/redis/client.ts';
import { secrets } from '../support/app.ts';
import { fresh, publishRelease, register } from '../support/engine.ts';
import { type Asker, type Gated, startGated } from '../support/gated.ts';
import { useRedis } from '../support/redis.ts';
import {
  GOOD,
  HOSTNAME,
  SITE_KEY,
  SITE_SECRET,
  startProvider,
  type TestProvider,
} from '../support/siteverify.ts';

const used = useRedis(['--appendfsync', 'no']);
let it: Gated;
let provider: TestProvider | undefined;
beforeEach(async () => {
  it = await startGated(used.redis);
});
afterEach(async () => {
  await it.server.close();
  await provider?.close();
  provider = undefined;
});

/** Somebody on a device of their own. */
async function arrive(): Promise<Required<Pick<Asker, 'token' | 'device'>> & { account: string }> {
  const account = fresh('account');
  const { deviceToken, device } = await it.newDevice();
  return { account, device: deviceToken, token: await it.tokenFor(account, device) };
}
const codeOf = async (asked: Promise<{ json: { code?: string } }>) => (await asked).json.code;

const mint = (solution?: string, from = '127.0.0.5') =>
  it.send('POST', '/v1/devices', { solution, from });
const sendOtp = (device: string, solution?: string, mobile = '+919812345678') =>
  it.send('POST', '/v1/auth/otp', { device, solution, body: { mobile } });

const usedTickets = async (): Promise<number> => (await used.redis.keys('fs:v1:{c:*')).length;

describe('minting a device', () => {
  test('takes one solved captcha, once', async () => {
    const from = '127.0.0.5';
    expect(await codeOf(mint())).toBe('CAPTCHA_MISSING');
    const solution = await it.solve('device', { from });
    const minted = await mint(solution);
    expect(minted.status).toBe(201);
    expect(minted.json).toMatchObject({ deviceId: expect.stringMatching(/^[\w-]{22}$/) });
    expect(await codeOf(mint(solution))).toBe('CAPTCHA_SPENT');
  });

  test('by 100 requests at once with one solution succeeds exactly once', async () => {
    const solution = await it.solve('device', { from: '127.0.0.5' });
    const answers = await Promise.all(Array.from({ length: 100 }, () => mint(solution)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ json }) => json.code === 'CAPTCHA_SPENT')).toHaveLength(99);
  });

  test('is bound to the address that asked', async () => {
    const solution = await it.solve('device', { from: '127.0.0.5' });
    expect(await codeOf(mint(solution, '127.0.0.6'))).toBe('CAPTCHA_MISMATCH');
    expect((await mint(solution)).status).toBe(201);
  });
});

describe('a solution', () => {
  const ticketFor = (subject: string, issuedAtMs: number) => ({
    kind: 'altcha' as const,
    purpose: 'device',
    subject,
    answer: '',
    expiresAtMs: issuedAtMs + TICKET_LIFETIME_MS,
  });
  const from = '127.0.0.5';
  const parts = async (): Promise<[string, string]> => {
    const [ticket = '', response = ''] = (await it.solve('device', { from })).split(' ');
    return [ticket, response];
  };

  test('that is damaged, forged, of another secret or too long is refused without Redis', async () => {
    const [ticket, response] = await parts();
    const other = createTickets(createSecrets('another secret of more than 32 characters'));
    const subject = secrets.pseudonym('captcha-subject', `address ${addressPrefix(from)}`);
    const foreign = other.textOf(other.issue(ticketFor(subject, Date.now())));
    const bad = [
      ticket,
      ticket.replace('.', ' '),
      `x${ticket} ${response}`,
      `${ticket}x ${response}`,
      `${foreign} ${response}`,
      `${ticket} ${response} more`,
      `${ticket} ${'a'.repeat(6_001)}`,
      'nonsense',
      '',
    ];
    for (const solution of bad)
      expect(await codeOf(mint(solution)), solution).toMatch(/^CAPTCHA_(?:INVALID|MISSING)$/);
    expect(await usedTickets()).toBe(0);
    expect((await mint(`${ticket} ${response}`)).status).toBe(201);
  });

  test('that came too late is refused without Redis', async () => {
    const old = createTickets(secrets);
    const subject = secrets.pseudonym('captcha-subject', `address ${addressPrefix(from)}`);
    const ticket = old.textOf(old.issue(ticketFor(subject, Date.now() - TICKET_LIFETIME_MS - 1)));
    expect(await codeOf(mint(`${ticket} abc`))).toBe('CAPTCHA_EXPIRED');
    expect(await usedTickets()).toBe(0);
  });

  test('of one ticket is worth nothing for another', async () => {
    const [first, firstResponse] = await parts();
    const [second, secondResponse] = await parts();
    expect(await codeOf(mint(`${first} ${secondResponse}`))).toBe('CAPTCHA_WRONG');
    expect(await codeOf(mint(`${first} ${firstResponse}`))).toBe('CAPTCHA_SPENT'); // one try each
    expect((await mint(`${second} ${secondResponse}`)).status).toBe(201);
  });

  test('that was not worked for is wrong', async () => {
    const asked = (await it.challenge('device', { from })).json;
    const { ticket, challenge } = asked;
    const encode = (payload: unknown) => Buffer.from(JSON.stringify(payload)).toString('base64');
    const easier = { ...challenge, parameters: { ...challenge.parameters, keyPrefix: '00' } };
    const key = '0'.repeat(64);
    const lies = [
      { challenge, solution: { counter: 0, derivedKey: key } },
      { challenge, solution: { counter: -1, derivedKey: '' } },
      { challenge: easier, solution: { counter: 0, derivedKey: key } },
      { challenge: { parameters: challenge.parameters }, solution: {} },
      { challenge: { parameters: { data: { ticket: 'x' } }, signature: '' }, solution: {} },
      null,
      'text',
    ];
    for (const lie of lies) {
      const mine = (await it.challenge('device', { from })).json.ticket as string;
      expect(await codeOf(mint(`${mine} ${encode(lie)}`))).toBe('CAPTCHA_WRONG');
    }
    expect(await codeOf(mint(`${ticket} ${encode(lies[0])}`))).toBe('CAPTCHA_WRONG');
  });

  test('is not used up by a request that is no good', async () => {
    const { device } = await arrive();
    const solution = await it.solve('otp', { device });
    expect(await codeOf(sendOtp(device, solution, 'not a mobile'))).toBe('REQUEST_INVALID');
    expect((await sendOtp(device, solution)).status).toBe(202);
  });

  test('leaves no key behind for longer than twice the life of a ticket', async () => {
    await mint(await it.solve('device', { from }));
    const [key = ''] = await used.redis.keys('fs:v1:{c:*');
    const ttl = await used.redis.pttl(key);
    expect(ttl).toBeGreaterThan(TICKET_LIFETIME_MS);
    expect(ttl).toBeLessThanOrEqual(2 * TICKET_LIFETIME_MS);
  });

  test('is counted by why it was refused', async () => {
    await mint();
    const solution = await it.solve('device', { from });
    await mint(solution);
    await mint(solution);
    const of = (outcome: string) =>
      it.metric(`fairslot_gates_captcha_answers_total{outcome="${outcome}"}`);
    expect(await Promise.all(['missing', 'passed', 'spent', 'wrong'].map(of))).toEqual([
      1, 1, 1, 0,
    ]);
  });
});

describe('an OTP', () => {
  test('takes a captcha for an OTP, by this device', async () => {
    const me = await arrive();
    const another = await arrive();
    expect(await codeOf(sendOtp(me.device))).toBe('CAPTCHA_MISSING');
    const forDevice = await it.solve('device');
    expect(await codeOf(sendOtp(me.device, forDevice))).toBe('CAPTCHA_MISMATCH');
    const solution = await it.solve('otp', { device: me.device });
    expect(await codeOf(sendOtp(another.device, solution))).toBe('CAPTCHA_MISMATCH');
    expect((await sendOtp(me.device, solution)).status).toBe(202);
    expect(await codeOf(sendOtp(me.device, solution))).toBe('CAPTCHA_SPENT');
  });
});

describe('entering and booking', () => {
  let me: Awaited<ReturnType<typeof arrive>>;
  let person: string;
  beforeEach(async () => {
    me = await arrive();
    person = await register(it.engine, me.account);
  });
  const open = (mode: 'lottery' | 'immediate') =>
    publishRelease(it.engine, used.redis, { seats: [50], mode });
  type Opened = Awaited<ReturnType<typeof open>>;
  const enter = (
    { release, slots }: Opened,
    solution: string | undefined,
    by: Asker = me,
    headers: Record<string, string> = {},
  ) =>
    it.send('PUT', `/v1/releases/${release}/entry`, {
      ...by,
      solution,
      headers,
      body: { beneficiaries: [person], preferences: slots },
    });

  test('take a captcha for this release, this account and this device', async () => {
    const [one, other] = [await open('lottery'), await open('lottery')];
    const purpose = `enter:${one.release}`;
    expect(await codeOf(enter(one, undefined))).toBe('CAPTCHA_MISSING');
    const solution = await it.solve(purpose, me);
    expect(await codeOf(enter(other, solution))).toBe('CAPTCHA_MISMATCH');
    expect(await codeOf(enter(one, await it.solve(`book:${one.release}`, me)))).toBe(
      'CAPTCHA_MISMATCH',
    );
    expect(await codeOf(enter(one, await it.solve('otp', me)))).toBe('CAPTCHA_MISMATCH');
    const stranger = await arrive();
    expect(await codeOf(enter(one, solution, stranger))).toBe('CAPTCHA_MISMATCH');
    const { device, deviceToken } = await it.newDevice();
    const elsewhere = { token: await it.tokenFor(me.account, device), device: deviceToken };
    expect(await codeOf(enter(one, solution, elsewhere))).toBe('CAPTCHA_MISMATCH');
    expect((await enter(one, solution)).status).toBe(200);
    expect(await codeOf(enter(one, solution))).toBe('CAPTCHA_SPENT');
  });

  test('by 100 requests at once with one solution succeed exactly once', async () => {
    const one = await open('immediate');
    const solution = await it.solve(`book:${one.release}`, me);
    const body = { release: one.release, beneficiary: person, slot: one.slots[0] };
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => it.send('POST', '/v1/bookings', { ...me, solution, body })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ json }) => json.code === 'CAPTCHA_SPENT')).toHaveLength(99);
  });

  test('sent again under one Idempotency-Key need not be solved again', async () => {
    const one = await open('lottery');
    const solution = await it.solve(`enter:${one.release}`, me);
    const key = { 'idempotency-key': 'mine' };
    const first = await enter(one, solution, me, key);
    const again = await enter(one, solution, me, key);
    expect(again.text).toBe(first.text);
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(await codeOf(enter(one, solution, me, { 'idempotency-key': 'another' }))).toBe(
      'CAPTCHA_SPENT',
    );
  });

  test('are asked for with an access token, and with the device token of a device', async () => {
    const one = await open('lottery');
    const purpose = `enter:${one.release}`;
    expect(await codeOf(it.challenge(purpose, { device: me.device }))).toBe('ACCESS_TOKEN_MISSING');
    const { token } = me;
    expect(await codeOf(it.challenge(purpose, { token }))).toBe('DEVICE_TOKEN_MISSING');
    expect(await codeOf(it.challenge('otp'))).toBe('DEVICE_TOKEN_MISSING');
    for (const bad of ['', 'enter', 'enter:', 'enter:NO', 'book:a.b.c', 'everything'])
      expect((await it.challenge(bad, me)).status, bad).toBe(400);
  });

  test('cost two round trips to Redis with every gate', async () => {
    const one = await open('lottery');
    const purpose = `enter:${one.release}`;
    expect((await enter(one, await it.solve(purpose, me))).status).toBe(200); // warm
    const solution = await it.solve(purpose, me);
    const reads = async () =>
      Number(/total_reads_processed:(\d+)/.exec(await used.redis.info('stats'))?.[1]);
    const before = await reads();
    expect((await enter(one, solution)).status).toBe(200);
    const ITSELF = 1; // the second INFO
    expect((await reads()) - before - ITSELF).toBeLessThanOrEqual(2);
  });
});

describe('the work', () => {
  test('rises with how often a device asks, and for no other', async () => {
    await it.server.close();
    it = await startGated(used.redis, {
      CAPTCHA_TRIES: '10',
      CAPTCHA_TRIES_MOST: '1000',
      LIMIT_CAPTCHA_PER_DEVICE: '10',
    });
    const [{ device }, another] = [await arrive(), await arrive()];
    const tries: number[] = [];
    for (let ask = 0; ask < 10; ask++)
      tries.push((await it.challenge('otp', { device })).json.tries);
    expect(tries.toSorted((a, b) => a - b)).toEqual(tries);
    expect(tries[0]).toBeLessThan(20);
    expect(tries.at(-1)).toBe(1000);
    expect((await it.challenge('otp', { device })).json).toMatchObject({
      code: 'TOO_MANY_REQUESTS',
      limit: 'captcha-device',
    });
    expect((await it.challenge('otp', { device: another.device })).json.tries).toBeLessThan(20);
  });
});

describe('the work for a device', () => {
  const from = '127.0.0.5';
  const triesOf = async (asker: Asker): Promise<number> =>
    (await it.challenge('device', { from, ...asker })).json.tries;

  test('is all there is for whoever has one, who is not refused for what neighbours ask', async () => {
    await it.server.close();
    const limits = { LIMIT_CAPTCHA_PER_ADDRESS: '3' };
    it = await startGated(used.redis, {
      CAPTCHA_TRIES: '10',
      CAPTCHA_TRIES_MOST: '1000',
      ...limits,
    });
    const [{ device }, another] = [await arrive(), await arrive()];
    expect(await triesOf({ device })).toBe(1000);
    expect(await triesOf({ device: another.device })).toBe(1000);
    expect(await triesOf({})).toBeLessThan(100);
    expect(await triesOf({})).toBeGreaterThan(100);
    expect(await triesOf({})).toBe(1000);
    expect((await it.challenge('device', { from })).json).toMatchObject({
      code: 'TOO_MANY_REQUESTS',
      limit: 'captcha-address',
    });
    expect(await triesOf({ device })).toBe(1000);
    expect((await it.challenge('otp', { from, device })).json.tries).toBeLessThan(100);
  });
});

describe('while Redis is away', () => {
  test('no solution passes', async () => {
    const from = '127.0.0.5';
    const solution = await it.solve('device', { from });
    await it.server.close();
    const away = connectRedis({ url: '/nowhere/redis.sock', cluster: false });
    away.on('error', () => undefined);
    it = await startGated(away);
    expect(await codeOf(mint(solution))).toBe('UNAVAILABLE');
    expect(await codeOf(mint('forged x'))).toBe('CAPTCHA_INVALID'); // costs no Redis
    await it.server.close();
    await disconnectRedis(away);
    it = await startGated(used.redis);
    expect((await mint(solution)).status).toBe(201);
  });
});

describe('a provider', () => {
  const start = async (settings: Record<string, string> = {}): Promise<TestProvider> => {
    provider = await startProvider();
    await it.server.close();
    it = await startGated(used.redis, {
      CAPTCHA_DRIVER: 'hcaptcha',
      CAPTCHA_URL: provider.url,
      CAPTCHA_SITE_KEY: SITE_KEY,
      CAPTCHA_SECRET: SITE_SECRET,
      CAPTCHA_HOSTNAMES: HOSTNAME,
      ...settings,
    });
    return provider;
  };
  const from = '127.0.0.5';
  const ticketFor = async (): Promise<string> =>
    (await it.challenge('device', { from })).json.ticket;

  test('is asked for a solution, and each is good for one ticket', async () => {
    const { state } = await start();
    const asked = await it.challenge('device', { from });
    expect(asked.json).toMatchObject({ kind: 'hcaptcha', siteKey: SITE_KEY });
    expect(JSON.stringify(asked.json)).not.toContain(SITE_SECRET);
    const ticket = String(asked.json.ticket);
    expect((await mint(`${ticket} ${GOOD}`)).status).toBe(201);
    expect(await codeOf(mint(`${ticket} ${GOOD}`))).toBe('CAPTCHA_SPENT');
    expect(await codeOf(mint(`${await ticketFor()} made-up`))).toBe('CAPTCHA_WRONG');
    expect(state.forms).toHaveLength(2);
    expect(JSON.stringify(state.forms)).not.toContain(from);
  });

  test('is not asked about forged tickets, nor for who is over a limit', async () => {
    const { state } = await start();
    await mint(`forged.ticket ${GOOD}`);
    await it.server.close();
    const url = String(provider?.url);
    it = await startGated(used.redis, {
      CAPTCHA_DRIVER: 'hcaptcha',
      CAPTCHA_URL: url,
      CAPTCHA_SITE_KEY: SITE_KEY,
      CAPTCHA_SECRET: SITE_SECRET,
      CAPTCHA_HOSTNAMES: HOSTNAME,
      LIMIT_DEVICE_PER_ADDRESS: '1',
    });
    expect((await mint(`${await ticketFor()} ${GOOD}`)).status).toBe(201);
    expect(await codeOf(mint(`${await ticketFor()} ${GOOD}`))).toBe('TOO_MANY_REQUESTS');
    expect(state.forms).toHaveLength(1);
  });

  test('that is away opens nothing: work is handed out in its place, and counts', async () => {
    const { state } = await start({ CAPTCHA_TIMEOUT_MS: '100' });
    const early = await ticketFor();
    state.mode = 'hangs';
    for (let request = 0; request < 3; request++) {
      const answer = await mint(`${await ticketFor()} ${GOOD}`);
      expect(answer.json).toMatchObject({ status: 503, code: 'CAPTCHA_UNAVAILABLE' });
      expect(answer.headers['retry-after']).toBe('1');
    }
    expect((await it.challenge('device', { from })).json.kind).toBe('altcha');
    expect(await it.metric('fairslot_gates_captcha_provider_down')).toBe(1);
    expect((await mint(await it.solve('device', { from }))).status).toBe(201);
    expect(await codeOf(mint(`${await ticketFor()} ${GOOD}`))).toBe('CAPTCHA_WRONG');
    expect(await codeOf(mint(`${early} ${GOOD}`))).toBe('CAPTCHA_UNAVAILABLE');
    const work = (await it.solve('device', { from })).split(' ')[1];
    // Nobody looked at it, so it may be sent again; work is no answer to it.
    expect(await codeOf(mint(`${early} ${work}`))).toBe('CAPTCHA_UNAVAILABLE');
  });
});

describe('no captcha', () => {
  test('is a kind of its own, and asks for nothing', async () => {
    await it.server.close();
    it = await startGated(used.redis, { CAPTCHA_DRIVER: 'none' });
    expect((await it.challenge('device')).json).toEqual({ kind: 'none' });
    expect((await it.challenge('otp')).json).toEqual({ kind: 'none' });
    expect((await mint()).status).toBe(201);
  });
});
