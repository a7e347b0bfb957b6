/** Device tokens, and what is counted for a device: requests, accounts, people entered. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAccessTokens } from '../../src/gates/access-tokens.ts';
import { createDeviceTokens, DEVICE_LIFETIME_MS } from '../../src/gates/devices.ts';
import { NOWHERE } from '../../src/gates/origin.ts';
import { keys } from '../../src/redis/keys.ts';
import { accountOf } from '../../src/people/sign-in.ts';
import { SECRET, secrets } from '../support/app.ts';
import {
  fresh,
  granted,
  lastSms,
  publishRelease,
  register,
  registerMany,
  codeOf as refusalOf,
} from '../support/engine.ts';
import { type Asker, type Gated, startGated } from '../support/gated.ts';
import { useRedis } from '../support/redis.ts';

const OTHER_SECRET = 'another secret of more than 32 characters';

const used = useRedis(['--appendfsync', 'no']);
let it: Gated;
beforeEach(async () => {
  it = await startGated(used.redis, { CAPTCHA_DRIVER: 'none', DEVICE_TOKENS: 'required' });
});
afterEach(() => it.server.close());

const START_MS = 1_700_000_000_000;
const codeOf = async (asked: Promise<{ json: { code?: string } }>) => (await asked).json.code;
/** Our code, however the surface words it. */
const refusal = async (asked: ReturnType<Gated['call']>): Promise<string> => {
  const answer = await asked;
  if (answer.headers['content-type']?.startsWith('text/plain')) return answer.text;
  const { code, fairslot } = answer.json;
  return code ?? fairslot.code;
};
const sendOtp = (asker: Asker, mobile = '+919812345678') =>
  it.send('POST', '/v1/auth/otp', { ...asker, body: { mobile } });
const mint = async () => (await it.newDevice()).deviceToken;

describe('a device token', () => {
  test('names the device that it was minted for, for a year', async () => {
    let now = START_MS;
    const tokens = createDeviceTokens([SECRET], () => now);
    const { deviceToken, device, expiresAtMs } = await tokens.mint();
    expect(expiresAtMs).toBe(START_MS + DEVICE_LIFETIME_MS);
    expect(await createDeviceTokens([SECRET], () => now).verify(deviceToken)).toMatchObject({
      device,
    });
    expect(await tokens.verify(deviceToken)).toMatchObject({ device });
    now = expiresAtMs;
    expect(await tokens.verify(deviceToken)).toEqual({ refused: 'DEVICE_TOKEN_INVALID' });
  });

  test('is another for each', async () => {
    const tokens = createDeviceTokens([SECRET]);
    const devices = await Promise.all(Array.from({ length: 100 }, () => tokens.mint()));
    expect(new Set(devices.map(({ device }) => device)).size).toBe(100);
  });

  test('is none when it is damaged, foreign, or a token for something else', async () => {
    const foreign = createDeviceTokens([OTHER_SECRET]);
    const good = await mint();
    const bad = [
      '',
      'nonsense',
      `${good}x`,
      good.slice(0, -1),
      (await foreign.mint()).deviceToken,
      (await createAccessTokens([SECRET]).issue({ account: 'account-1', epoch: 0 })).accessToken,
      'x'.repeat(2_000),
    ];
    for (const device of bad)
      expect(await codeOf(sendOtp({ device })), device).toBe('DEVICE_TOKEN_INVALID');
    expect(await it.send('GET', '/v1/beneficiaries', { token: good })).toMatchObject({
      status: 401,
    });
  });
});

describe('rotating the key of device tokens', () => {
  const tokensOf = (...secrets: [string, ...string[]]) => createDeviceTokens(secrets);

  test('leaves each device what it was for as long as the older key is listed', async () => {
    const { deviceToken, device } = await tokensOf(SECRET).mint();
    expect(await tokensOf(OTHER_SECRET, SECRET).verify(deviceToken)).toEqual({ device });
    expect(await tokensOf(SECRET, OTHER_SECRET).verify(deviceToken)).toEqual({ device });
    const refused = { refused: 'DEVICE_TOKEN_INVALID' };
    expect(await tokensOf(OTHER_SECRET).verify(deviceToken)).toEqual(refused);
  });

  test('signs with the newest, which a process that has both takes already', async () => {
    const { deviceToken, device } = await tokensOf(OTHER_SECRET, SECRET).mint();
    expect(await tokensOf(SECRET, OTHER_SECRET).verify(deviceToken)).toEqual({ device });
    expect(await tokensOf(SECRET).verify(deviceToken)).toEqual({ refused: 'DEVICE_TOKEN_INVALID' });
  });

  test('is a matter of one setting', async () => {
    const rotated = await startGated(used.redis, {
      DEVICE_TOKEN_SECRETS: `${OTHER_SECRET},${SECRET}`,
    });
    const codeFor = async (secret: string) => {
      const { deviceToken: device } = await tokensOf(secret).mint();
      return (await rotated.send('GET', '/v1/captcha?purpose=otp', { device })).json.code;
    };
    expect(await codeFor(SECRET)).toBeUndefined();
    expect(await codeFor(OTHER_SECRET)).toBeUndefined();
    expect(await codeFor(`${OTHER_SECRET} and more`)).toBe('DEVICE_TOKEN_INVALID');
    await rotated.server.close();
  });
});

describe('routes that need a device', () => {
  test('are all of those that a bot would flood, and say so', () => {
    const needing = it.app.routes.filter(({ gates }) => gates.device).map(({ name }) => name);
    expect(needing.toSorted()).toEqual(['book', 'enter', 'sendOtp', 'signIn']);
    const captchas = it.app.routes.flatMap(({ gates }) => gates.captcha ?? []);
    expect(captchas.toSorted()).toEqual(['book', 'device', 'enter', 'otp']);
  });

  test('refuse a request without, before anything is counted', async () => {
    expect(await codeOf(sendOtp({}))).toBe('DEVICE_TOKEN_MISSING');
    expect(await used.redis.keys('*')).toEqual([]);
    expect((await sendOtp({ device: await mint() })).status).toBe(202);
  });

  test('do without where the deployment says so, unless the access token is bound', async () => {
    await it.server.close();
    it = await startGated(used.redis, { CAPTCHA_DRIVER: 'none' });
    expect((await sendOtp({})).status).toBe(202);
    const { release } = await publishRelease(it.engine, used.redis, { seats: [1] });
    const enter = (asker: Asker) =>
      it.send('PUT', `/v1/releases/${release}/entry`, {
        ...asker,
        body: { beneficiaries: ['A'.repeat(22)], preferences: ['x'] },
      });
    const { device, deviceToken } = await it.newDevice();
    const bound = await it.tokenFor('account-1', device);
    expect(await codeOf(enter({ token: bound }))).toBe('DEVICE_TOKEN_MISSING');
    expect(await codeOf(enter({ token: await it.tokenFor('account-1') }))).toBe('SLOT_UNKNOWN');
    expect(await codeOf(enter({ token: bound, device: deviceToken }))).toBe('SLOT_UNKNOWN');
  });
});

describe('an access token', () => {
  let account: string;
  let person: string;
  beforeEach(async () => {
    account = fresh('account');
    person = await register(it.engine, account);
  });

  test('is refused with another device and without its own, on every route of an account', async () => {
    const { device, deviceToken } = await it.newDevice();
    const other = await mint();
    const token = await it.tokenFor(account, device);
    const routes = it.routes.filter(({ gates }) => gates.caller === 'account');
    expect(routes.length).toBeGreaterThan(15);
    for (const { method, path, name } of routes) {
      const at = path.replaceAll(/:\w+/g, 'x');
      const ask = (asker: Asker) => it.send(method.toUpperCase(), at, { token, ...asker });
      const codes = await Promise.all([{}, { device: other }].map(async (by) => refusal(ask(by))));
      // The CoWIN surface words every 401 alike.
      const [missing, another] = codes;
      expect([missing, another], name).toEqual(
        path.startsWith('/api')
          ? ['DEVICE_TOKEN_MISSING', 'Unauthenticated access!']
          : ['DEVICE_TOKEN_MISSING', 'ACCESS_TOKEN_OTHER_DEVICE'],
      );
    }
    const listed = await it.send('GET', '/v1/beneficiaries', { token, device: deviceToken });
    expect(listed.json.beneficiaries).toMatchObject([{ beneficiaryId: person }]);
  });

  test('of the CoWIN surface is bound to no device, and does without', async () => {
    const token = await it.tokenFor(account);
    const at = '/api/v2/appointment/beneficiaries';
    expect((await it.send('GET', at, { token })).json.beneficiaries).toHaveLength(1);
  });
});

describe('accounts of a device', () => {
  const TERMS = { accounts: 3, lifetimeMs: DEVICE_LIFETIME_MS };
  const people = () => it.engine.people;

  test('signing in at once by 100 are as many as are allowed, and may come again', async () => {
    await it.server.close();
    it = await startGated(used.redis, { ACCOUNTS_PER_DEVICE: String(TERMS.accounts) });
    const accounts = Array.from({ length: 100 }, () => fresh('account'));
    const answers = await Promise.all(accounts.map((one) => people().useDevice('d', one)));
    const admitted = accounts.filter((_one, index) => answers[index] === 'ADMITTED');
    expect(admitted).toHaveLength(3);
    for (const one of admitted) expect(await people().useDevice('d', one)).toBe('ADMITTED');
    expect(refusalOf(await people().useDevice('d', 'one more'))).toBe('TOO_MANY_ACCOUNTS');
    expect(await people().useDevice('another', 'one more')).toBe('ADMITTED');
    const ttl = await used.redis.pttl(keys.deviceAccounts('d'));
    expect(ttl).toBeGreaterThan(DEVICE_LIFETIME_MS - 60_000);
  });

  test('that are too many leave the OTP unused, and no mobile knows the device', async () => {
    const capped = await startGated(used.redis, { ACCOUNTS_PER_DEVICE: '1' });
    const { deviceToken } = await capped.newDevice();
    const asker = { device: deviceToken };
    const signIn = async (mobile: string, who: Asker, txnId?: string) => {
      const id = txnId ?? (await askOtp(mobile, who));
      const { message } = await lastSms(capped.engine, used.redis);
      const otp = message.template === 'otp' ? message.otp : '';
      const answer = await capped.send('POST', '/v1/auth/token', {
        ...who,
        body: { txnId: id, otp },
      });
      return { id, status: answer.status, code: answer.json.code };
    };
    const askOtp = async (mobile: string, who: Asker): Promise<string> => {
      const solution = await capped.solve('otp', who);
      const sent = await capped.send('POST', '/v1/auth/otp', {
        ...who,
        solution,
        body: { mobile },
      });
      return String(sent.json.txnId);
    };
    expect((await signIn('+919812345001', asker)).status).toBe(200);
    const refused = await signIn('+919812345002', asker);
    expect(refused.code).toBe('TOO_MANY_ACCOUNTS');
    const familiar = keys.familiar(accountOf(secrets, '+919812345002'));
    expect(await used.redis.exists(familiar)).toBe(0);
    const { deviceToken: another } = await capped.newDevice();
    expect((await signIn('+919812345002', { device: another }, refused.id)).status).toBe(200);
    await capped.server.close();
  });

  test('are not counted where no device is known', async () => {
    for (let one = 0; one < 30; one++)
      expect(await people().useDevice('', fresh('account'))).toBe('ADMITTED');
  });
});

describe('people entered from a device', () => {
  test('are as many as the manifest says, however many race', async () => {
    const { release, slots } = await publishRelease(it.engine, used.redis, {
      seats: [100],
      entriesPerDevice: 5,
    });
    const crowd = await registerMany(it.engine, 40);
    const answers = await Promise.all(
      crowd.map(({ account, person }) =>
        it.engine.rounds.enter(
          account,
          release,
          { beneficiaries: [person], preferences: slots },
          undefined,
          { ...NOWHERE, device: 'device-1' },
        ),
      ),
    );
    const codes = answers.map(refusalOf);
    expect(codes.filter((code) => code === undefined)).toHaveLength(5);
    expect(codes.filter((code) => code === 'TOO_MANY_FROM_DEVICE')).toHaveLength(35);
    expect(await used.redis.hlen(keys.entering(release))).toBe(5);
    const { manifest } = granted(await it.engine.releases.published(release));
    expect(manifest.limits.entries_per_device).toBe(5);
  });

  test('count once each, an edit not again, and a refusal charges nobody', async () => {
    const { release, slots } = await publishRelease(it.engine, used.redis, {
      seats: [9, 9],
      entriesPerDevice: 2,
    });
    const account = fresh('account');
    const [a = '', b = '', c = ''] = await Promise.all(
      [0, 1, 2].map(() => register(it.engine, account)),
    );
    const enter = async (people: string[], device = 'device-1', wishes = slots) =>
      refusalOf(
        await it.engine.rounds.enter(
          account,
          release,
          { beneficiaries: people, preferences: wishes },
          undefined,
          { ...NOWHERE, device },
        ),
      );
    expect(await enter([a])).toBeUndefined();
    const before = await used.redis.hgetall(keys.accounts(release));
    expect(await enter([b, c])).toBe('TOO_MANY_FROM_DEVICE');
    expect(await used.redis.hgetall(keys.accounts(release))).toEqual(before);
    expect(await enter([a], 'device-1', slots.slice(1))).toBeUndefined();
    expect(await enter([b])).toBeUndefined();
    expect(await enter([c])).toBe('TOO_MANY_FROM_DEVICE');
    expect(await enter([c], 'device-2')).toBeUndefined();
    expect(await enter([c], 'device-1', slots.slice(1))).toBe('TOO_MANY_FROM_DEVICE');
  });

  test('booked at once are as many too', async () => {
    const { release, slots } = await publishRelease(it.engine, used.redis, {
      seats: [100],
      mode: 'immediate',
      entriesPerDevice: 5,
    });
    const crowd = await registerMany(it.engine, 40);
    const answers = await Promise.all(
      crowd.map(({ account, person }) =>
        it.engine.bookings.book(
          account,
          { release, beneficiary: person, slot: slots[0] ?? '' },
          undefined,
          { ...NOWHERE, device: 'device-1' },
        ),
      ),
    );
    expect(answers.filter((one) => refusalOf(one) === undefined)).toHaveLength(5);
    expect(await used.redis.hget(keys.seats(release), '0/0')).toBe('95');
  });

  test('are not limited in a release that was published before devices were counted', async () => {
    const { release, slots } = await publishRelease(it.engine, used.redis, { seats: [100] });
    await used.redis.hdel(keys.release(release), 'entries_per_device');
    const crowd = await registerMany(it.engine, 20);
    for (const { account, person } of crowd) {
      const wish = { beneficiaries: [person], preferences: slots };
      granted(
        await it.engine.rounds.enter(account, release, wish, undefined, {
          ...NOWHERE,
          device: 'device-1',
        }),
      );
    }
    expect(await used.redis.hlen(keys.entering(release))).toBe(20);
  });
});
