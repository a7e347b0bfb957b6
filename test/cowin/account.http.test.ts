/** Signing in, image captchas and registration on the CoWIN surface. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { keys } from '../../src/redis/keys.ts';
import { serveApi, type TestApi } from '../support/api.ts';
import { aSecond, oldClient, publishCowin, readCaptcha, ROOT } from '../support/cowin.ts';
import { freshId, lastSms, letPass } from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);
let api: TestApi;
beforeAll(async () => {
  api = await serveApi(used.redis, undefined, { CAPTCHA_DRIVER: 'altcha' });
});
afterAll(() => api.close());

let mobiles = 9_700_000_000;
const newMobile = (): string => String(++mobiles);
const post = (path: string, body: unknown) => api.call('POST', `${ROOT}${path}`, { body });
const hashOf = (otp: string): string => createHash('sha256').update(otp).digest('hex');
const otpOf = async (): Promise<string> => {
  const { message } = await lastSms(api.engine, used.redis);
  return message.template === 'otp' ? message.otp : '';
};
const signedIn = async () => {
  const client = oldClient(api, used.redis, newMobile());
  await client.signIn();
  return client;
};

describe('signing in', () => {
  test.each([
    ['/auth/public/generateOTP', '/auth/public/confirmOTP'],
    ['/auth/generateMobileOTP', '/auth/validateMobileOtp'],
  ])('by %s takes the hash of the OTP, once', async (ask, prove) => {
    const mobile = newMobile();
    const asked = await post(ask, { mobile, secret: 'U2FsdGVkX18' });
    expect(asked.status).toBe(200);
    const { txnId } = asked.json;
    const otp = await otpOf();
    const wrong = hashOf(otp === '000000' ? '111111' : '000000');
    const refused = await post(prove, { otp: wrong, txnId });
    expect([refused.status, refused.json.errorCode]).toEqual([400, 'USRAUT0014']);
    // the OTP itself is none here
    expect((await post(prove, { otp, txnId })).json.errorCode).toBe('USRRES0001');
    const proved = await post(prove, { otp: hashOf(otp).toUpperCase(), txnId });
    expect(proved.status).toBe(200);
    const token = String(proved.json.token);
    const { payload } = { payload: JSON.parse(atob(token.split('.')[1] ?? '')) };
    expect(payload.exp - payload.iat).toBe(900);
    expect((await api.call('GET', `${ROOT}/appointment/beneficiaries`, { token })).json).toEqual({
      beneficiaries: [],
    });
    const again = await post(prove, { otp: hashOf(otp), txnId });
    expect([again.status, again.json.errorCode]).toEqual([400, 'USRAUT0014']);
  });

  test('waits between two OTPs, and ends after five wrong ones', async () => {
    const mobile = newMobile();
    const { txnId } = (await post('/auth/public/generateOTP', { mobile })).json;
    const soon = await post('/auth/public/generateOTP', { mobile });
    expect([soon.status, soon.json.errorCode]).toEqual([400, 'USRAUT0018']);
    expect(Number(soon.headers['retry-after'])).toBeGreaterThan(0);
    const otp = hashOf(await otpOf());
    const wrong = hashOf('x');
    for (let tries = 0; tries < 5; tries++)
      await post('/auth/public/confirmOTP', { otp: wrong, txnId });
    const spent = await post('/auth/public/confirmOTP', { otp, txnId });
    expect([spent.status, spent.json.errorCode]).toEqual([400, 'USRAUT0018']);
  });

  test.each([
    [{}],
    [{ mobile: '12345' }],
    [{ mobile: '+919812345678' }],
    [{ mobile: 9_812_345_678 }],
    [{ mobile: '1812345678' }],
    ['not JSON'],
  ])('with %j is refused', async (body) => {
    const refused = await post('/auth/public/generateOTP', body);
    expect([refused.status, refused.json.errorCode]).toEqual([400, 'USRRES0001']);
  });

  test('draws on a budget of its own: a flood of it leaves our own surface theirs', async () => {
    const strict = await serveApi(used.redis, undefined, { SMS_BUDGET_COWIN_PER_MINUTE: '3' });
    try {
      const ask = () =>
        strict.call('POST', `${ROOT}/auth/public/generateOTP`, { body: { mobile: newMobile() } });
      const answers: string[] = [];
      for (let asked = 0; asked < 6; asked++) {
        const { status, json } = await ask();
        answers.push(`${status} ${json.error ?? ''}`);
      }
      expect(answers.at(-1)).toBe('429 Too Many Requests');
      const own = { mobile: `+91${newMobile()}` };
      expect((await strict.call('POST', '/v1/auth/otp', { body: own })).status).toBe(202);
    } finally {
      await strict.close();
    }
  });

  test('is in no log and no key: the portal is not served where a deployment does without', async () => {
    const without = await serveApi(used.redis, undefined, { COWIN_SURFACE: 'false' });
    try {
      const answer = await without.call('GET', `${ROOT}/admin/location/states`);
      expect(answer.status).toBe(404);
    } finally {
      await without.close();
    }
  });
});

describe('an image captcha', () => {
  const captchaOf = async (client: Awaited<ReturnType<typeof signedIn>>): Promise<string> => {
    const { json } = await client.post('/auth/getRecaptcha', {});
    expect(json.captcha).toMatch(/^<svg /);
    return readCaptcha(json.captcha);
  };

  test('is asked for before anything is changed, works once, and for its account only', async () => {
    const release = await publishCowin(api.engine, used.redis, { mode: 'lottery', seats: 4 });
    await aSecond();
    const [client, other] = [await signedIn(), await signedIn()];
    const people = [await client.register('Asha', freshId())];
    const session = present(release.centers[0]?.sessions[0], 'a session').session_id;
    const ask = { session, people };
    const refused = await client.schedule(ask);
    expect([refused.status, refused.json]).toMatchObject([
      400,
      { errorCode: 'APPOIN0044', error: 'Please enter valid security code' },
    ]);
    const theirs = await captchaOf(other);
    expect((await client.schedule({ ...ask, captcha: theirs })).json.errorCode).toBe('APPOIN0044');
    const right = await captchaOf(client);
    expect((await client.schedule({ ...ask, captcha: `${right}x` })).json.errorCode).toBe(
      'APPOIN0044',
    );
    // a wrong answer has used it up
    expect((await client.schedule({ ...ask, captcha: right })).json.errorCode).toBe('APPOIN0044');
    const entered = await client.schedule({ ...ask, captcha: await captchaOf(client) });
    expect(entered.json).toMatchObject({
      errorCode: 'APPOIN0040',
      fairslot: { code: 'ENTERED_IN_LOTTERY' },
    });
    // to ask again changes nothing, and needs none
    expect((await client.schedule(ask)).json.errorCode).toBe('APPOIN0040');
  });

  test('is served to a request without a body as well', async () => {
    const client = await signedIn();
    const path = `${ROOT}/auth/getRecaptcha`;
    const answer = await api.call('POST', path, { token: client.token() });
    expect([answer.status, typeof answer.json.captcha]).toEqual([200, 'string']);
    const nobody = await api.call('POST', path);
    expect([nobody.status, nobody.text]).toEqual([401, 'Unauthenticated access!']);
  });

  test('is another each time, and not kept for an Idempotency-Key', async () => {
    const client = await signedIn();
    const ask = () =>
      api.call('POST', `${ROOT}/auth/getRecaptcha`, {
        token: client.token(),
        headers: { 'idempotency-key': 'always-the-same' },
      });
    const [first, second] = [await ask(), await ask()];
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.headers['idempotent-replayed']).toBeUndefined();
    expect(second.text).not.toBe(first.text);
    expect(await used.redis.keys(keys.idempotency('*', '*'))).toEqual([]);
  });
});

describe('registration', () => {
  test('shows every member of a person, whatever there is to say', async () => {
    const client = await signedIn();
    const reference = await client.register('Asha Kale', 'M1234567', '1995');
    expect(reference).toMatch(/^\d{14}$/);
    const [one] = await client.beneficiaries();
    expect(one).toEqual({
      beneficiary_reference_id: reference,
      name: 'Asha Kale',
      birth_year: '1995',
      gender: 'Female',
      mobile_number: String(mobiles).slice(-4),
      photo_id_type: 'Passport',
      photo_id_number: 'XXXX4567',
      comorbidity_ind: 'N',
      vaccination_status: 'Not Vaccinated',
      vaccine: '',
      dose1_date: '',
      dose2_date: '',
      appointments: [],
    });
  });

  test('takes four people of a mobile, an ID once, and lets them go', async () => {
    const client = await signedIn();
    const number = freshId();
    const first = await client.register('One', number);
    for (const name of ['Two', 'Three', 'Four']) await client.register(name, freshId());
    const fifth = await client.post('/registration/beneficiary/new', {
      name: 'Five',
      birth_year: 1990,
      gender_id: '1',
      photo_id_type: 8,
      photo_id_number: freshId(),
    });
    expect([fifth.status, fifth.json.fairslot.code]).toEqual([409, 'TOO_MANY_BENEFICIARIES']);
    const other = await signedIn();
    const taken = await other.post('/registration/beneficiary/new', {
      name: 'Not me',
      birth_year: '1990',
      gender_id: 1,
      photo_id_type: 8,
      photo_id_number: number,
    });
    expect([taken.status, taken.json.fairslot.code]).toEqual([409, 'ID_REGISTERED']);
    const remove = (by: typeof client) =>
      by.post('/registration/beneficiary/delete', { beneficiary_reference_id: first });
    expect((await remove(other)).json.errorCode).toBe('APPOIN0001');
    expect((await remove(client)).status).toBe(204);
    expect((await client.beneficiaries()).length).toBe(3);
  });

  test.each([
    [{ gender_id: 9 }],
    [{ photo_id_type: 3 }],
    [{ photo_id_type: 1, photo_id_number: '123' }],
    [{ photo_id_type: 1, photo_id_number: '1234' }],
    [{ name: '' }],
    [{ birth_year: '95' }],
  ])('with %j is refused', async (change) => {
    const client = await signedIn();
    const facts = { name: 'A', birth_year: '1990', gender_id: 1, photo_id_type: 8 };
    const body = { ...facts, photo_id_number: freshId(), ...change };
    const refused = await client.post('/registration/beneficiary/new', body);
    expect([refused.status, refused.json.errorCode]).toEqual([400, 'USRRES0001']);
  });

  test('has lists to choose from', async () => {
    const read = async (path: string) =>
      (await api.call('GET', `${ROOT}/registration/beneficiary/${path}`)).json;
    expect((await read('genders')).genders).toContainEqual({ id: 2, gender: 'Female' });
    expect((await read('idTypes')).types).toContainEqual({ id: 1, type: 'Aadhaar Card' });
    const search = await api.call('GET', `${ROOT}/appointment/sessions/search?x=1`);
    expect(search.status).toBe(204);
  });
});

test('a token of an account that signed out everywhere is none', async () => {
  const client = await signedIn();
  await api.call('POST', '/v1/auth/revoke', { token: client.token() });
  await letPass(used.redis, 1);
  // Where sessions are searched Redis is asked nothing; but what has been heard counts.
  const search = '/appointment/sessions/findByPin?pincode=411001&date=17-09-2027';
  expect((await client.get(search)).status).toBe(200);
  const answer = await client.get('/appointment/beneficiaries');
  expect([answer.status, answer.text]).toEqual([401, 'Unauthenticated access!']);
  expect((await client.get(search)).status).toBe(401);
});
