/**
 * Every route is used, granted and refused, by people whose mobiles, names and ID numbers are then
 * searched for wherever the engine leaves anything: the server and the worker are processes of their
 * own, and their Redis is one that a test can read the files of.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { isoFromMs, nowMs, sleep } from '../../src/lib/clock.ts';
import { dayAt } from '../../src/lib/days.ts';
import { PRIORITIES } from '../../src/notify/messages.ts';
import { accountOf } from '../../src/people/sign-in.ts';
import { freePort } from '../../src/redis/embedded.ts';
import { keys } from '../../src/redis/keys.ts';
import {
  type Answered,
  call,
  type CallOptions,
  OPERATOR_KEY,
  SECRET,
  secrets,
} from '../support/app.ts';
import { readCaptcha } from '../support/cowin.ts';
import { found, type Needle, needlesOf } from '../support/personal.ts';
import { passingHeaders } from '../support/passing.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis();

type Citizen = {
  readonly mobile: string;
  readonly name: string;
  readonly idType: string;
  /** As it is typed. */
  readonly idNumber: string;
};
const CITIZENS: readonly Citizen[] = [
  {
    mobile: '+919812345678',
    name: 'Anandibai Joshi',
    idType: 'passport',
    idNumber: 'QX 8177-264',
  },
  { mobile: '+919823456789', name: 'आनंदीबाई जोशी', idType: 'aadhaar', idNumber: '२३४५ ६७८९ ०१२३' },
  { mobile: '+918834567890', name: 'রবীন্দ্রনাথ ঠাকুর', idType: 'voter-id', idNumber: 'WBX/0123987' },
  { mobile: '+917745678901', name: 'முத்துலட்சுமி ரெட்டி', idType: 'pan', idNumber: 'afzpk7190k' },
  {
    mobile: '+916656789012',
    name: "Zoë O'Brien-Şahin",
    idType: 'driving-licence',
    idNumber: 'MH-12 2011 0067543',
  },
];
const STRANGER = '+919900112233';
/** Of all of them, in a network that nothing else here has to do with. */
const ADDRESS = '127.77.188.99';
const NETWORK = '127.77.188';
const NEEDLES: readonly Needle[] = [
  ...CITIZENS.flatMap(({ mobile, name, idNumber }) => [mobile, name, idNumber].flatMap(needlesOf)),
  ...needlesOf(STRANGER),
];

const children: ChildProcess[] = [];
/** All that the processes wrote. */
const output: Buffer[] = [];
/** Every answer, but those that tell an account about its own people. */
const answers: Answered[] = [];
/** `<operation> done` or `<operation> refused`. */
const seen = new Set<string>();
let url = '';
/** Everybody's, once it is minted. */
let device = '';
let metricsUrls: readonly string[] = [];
type Operation = { readonly name: string; readonly method: string; readonly path: string };
/** Of every surface; and of our own. */
let operations: readonly Operation[] = [];
let own: readonly Operation[] = [];

function startDoor(door: string, settings: Record<string, string>): ChildProcess {
  const { address } = used.server;
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL(`../../src/${door}.ts`, import.meta.url))],
    {
      env: {
        ...process.env,
        NODE_ENV: 'test',
        REDIS_URL: address.url,
        REDIS_CLUSTER: String(address.cluster),
        FAIRSLOT_SECRET: SECRET,
        FAIRSLOT_OPERATOR_KEY: OPERATOR_KEY,
        SMS_DRIVER: 'inbox',
        LOG_LEVEL: 'trace',
        PORT: '0',
        CAPTCHA_DRIVER: 'altcha',
        CAPTCHA_TRIES: '1',
        CAPTCHA_TRIES_MOST: '2',
        LIMIT_OTP_PER_ADDRESS: '1000',
        LIMIT_OTP_PER_DEVICE: '1000',
        LIMIT_TOKEN_PER_DEVICE: '1000',
        LIMIT_WRITE_PER_DEVICE: '1000',
        LIMIT_CAPTCHA_PER_DEVICE: '1000',
        LIMIT_WRONG_KEY_PER_ADDRESS: '1000',
        ...settings,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  children.push(child);
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => output.push(chunk));
  return child;
}

beforeAll(async () => {
  const ports = [await freePort(), await freePort()];
  metricsUrls = ports.map((port) => `http://127.0.0.1:${port}`);
  startDoor('worker', { METRICS_PORT: String(ports[0]) });
  startDoor('server', { METRICS_PORT: String(ports[1]) });
  const listening = /"listening":"([^"]+)"/;
  url = await vi.waitFor(
    () => present(listening.exec(Buffer.concat(output).toString())?.[1], 'the address'),
    { timeout: 30_000, interval: 50 },
  );
  type Paths = Record<string, Record<string, { operationId: string }>>;
  const described = async (document: string) => {
    const { paths } = (await call(url, 'GET', document)).json as { paths: Paths };
    return Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId: name }]) => ({ name, method, path })),
    );
  };
  own = await described('/openapi.json');
  operations = [...own, ...(await described('/api/openapi.json'))];
});
afterAll(async () => {
  for (const child of children.filter(({ exitCode }) => exitCode === null)) {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
});

type Asked = CallOptions & { readonly params?: Record<string, string>; readonly search?: string };

/** Their own people are an account's to read. */
const OWN = new Set([
  'addBeneficiary done',
  'listBeneficiaries done',
  'readSlip done',
  'arrive done',
  'cowin-beneficiaries done',
  'cowin-slip done',
]);

async function ask(
  name: string,
  { params = {}, search, ...options }: Asked = {},
): Promise<Answered> {
  const { method, path } = present(
    operations.find((one) => one.name === name),
    name,
  );
  const at = path.replaceAll(/\{(\w+)\}/g, (_part, key: string) =>
    encodeURIComponent(params[key] ?? ''),
  );
  const target = search === undefined ? at : `${at}?${search}`;
  const { body, token } = options;
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const from = ADDRESS;
  const passing = await passingHeaders(
    (verb, at, asked) => call(url, verb, at, { from, ...asked }),
    {
      operation: name,
      path: at,
      body: text,
      token,
      device,
    },
  );
  const headers = { ...passing, ...options.headers };
  const whole = { from, ...options, headers };
  const answer = await call(url, method.toUpperCase(), target, whole);
  const outcome = `${name} ${answer.status < 400 ? 'done' : 'refused'}`;
  seen.add(outcome);
  if (!OWN.has(outcome)) answers.push(answer);
  return answer;
}

async function done(name: string, asked?: Asked): Promise<Answered> {
  const answer = await ask(name, asked);
  expect(answer.status, `${name}: ${answer.text}`).toBeLessThan(400);
  return answer;
}

type SignedIn = Citizen & { readonly token: string; readonly person: string };

async function signIn(mobile: string): Promise<string> {
  const { txnId } = (await done('sendOtp', { body: { mobile } })).json as { txnId: string };
  const search = `mobile=${encodeURIComponent(mobile)}`;
  const otpOf = async () =>
    /\d{6}/.exec((await done('readInbox', { search })).json.messages[0]?.text ?? '')?.[0];
  let otp = await otpOf();
  while (otp === undefined) {
    await sleep(20);
    otp = await otpOf();
  }
  await ask('signIn', { body: { txnId, otp: otp === '000000' ? '000001' : '000000' } });
  return (await done('signIn', { body: { txnId, otp } })).json.accessToken;
}

async function arrive(citizen: Citizen): Promise<SignedIn> {
  const { mobile, name, idType, idNumber } = citizen;
  const token = await signIn(mobile);
  const body = { name, birthYear: 1960, gender: 'female', idType, idNumber };
  const headers = { 'idempotency-key': `add-${mobile.slice(-2)}` };
  const added = await done('addBeneficiary', { token, body, headers });
  await done('addBeneficiary', { token, body, headers }); // the stored answer
  await ask('addBeneficiary', { token, body });
  await done('listBeneficiaries', { token });
  return { ...citizen, token, person: added.json.beneficiaryId };
}

const CENTRE = {
  center_id: 6291,
  name: 'Ranjangaon',
  state_name: 'Maharashtra',
  district_name: 'Pune',
  block_name: 'Shirur',
  pincode: 412_209,
  from: '09:00:00',
  to: '17:00:00',
  fee_type: 'Free',
};
const CSV = 'centre_id,centre_name,seats\na,Alpha,9\nb,Beta,9\n';

/** `listed`: sessions of a centre that a directory has. */
async function publish(
  release: string,
  mode: string,
  closesInMs: number,
  listed: readonly object[] = [],
): Promise<string[]> {
  const at = (inMs: number): string => isoFromMs(nowMs() + inMs);
  const lottery = { closesAt: at(closesInMs), roundEveryS: 1, confirmWithinS: 600 };
  const body = {
    release,
    title: 'An evening',
    mode,
    idTypes: CITIZENS.map(({ idType }) => idType),
    opensAt: at(-1_000),
    endsAt: at(600_000),
    ...(mode === 'lottery' && lottery),
  };
  const token = OPERATOR_KEY;
  const params = { release };
  await done('createRelease', { token, body });
  const headers = { 'content-type': 'text/csv' };
  for (const date of [dayAt(nowMs(), 'UTC'), '2099-01-01']) {
    const search = `date=${date}&bands=23:58-23:59`;
    await done('importPlaces', { token, params, search, headers, body: CSV });
  }
  if (listed.length > 0) {
    const search = 'stateId=21&districtId=363';
    const body = { centers: [{ ...CENTRE, sessions: listed }] };
    await done('importCalendar', { token, params, search, body });
  }
  await done('showRelease', { token, params });
  await done('publishRelease', { token, params });
  const { slots } = (await done('listSlots', { params })).json;
  return (slots as { slot: string }[]).map(({ slot }) => slot);
}

/** A lottery from entries to bookings, and a release in immediate mode. */
async function playEvening(people: readonly SignedIn[]): Promise<void> {
  const release = 'evening';
  const params = { release };
  const preferences = await publish(release, 'lottery', 5_000);
  const [books, ...others] = people as [SignedIn, ...SignedIn[]];
  for (const { token, person } of others)
    await done('enter', { token, params, body: { beneficiaries: [person], preferences } });
  const [confirms, cancels, leaves] = others as [SignedIn, SignedIn, SignedIn];
  const stood = (await done('listEntries', { token: leaves.token, params })).json;
  const { entryId } = stood.entries[0];
  await done('withdraw', { token: leaves.token, params, search: `entryId=${entryId}` });
  const bookingOf = async ({ token }: SignedIn): Promise<string | undefined> =>
    (await done('listBookings', { token })).json.bookings[0]?.bookingId;
  await expect.poll(() => bookingOf(cancels), { timeout: 40_000 }).toBeDefined();
  const booking = async (who: SignedIn) => ({
    booking: present(await bookingOf(who), 'a booking'),
  });
  await done('confirmBooking', { token: confirms.token, params: await booking(confirms) });
  await done('readSlip', { token: confirms.token, params: await booking(confirms) });
  await done('cancelBooking', { token: cancels.token, params: await booking(cancels) });
  const [slot] = await publish('at-once', 'immediate', 0);
  const body = { release: 'at-once', beneficiary: books.person, slot };
  const booked = (await done('book', { token: books.token, body })).json;
  await onTheDay(books, booked);

  const drawn = (await done('listEntries', { token: confirms.token, params })).json;
  const round = { ...params, round: '0' };
  for (const name of ['readRelease', 'readManifest', 'listRounds']) await done(name, { params });
  for (const name of ['readRound', 'readTranscript']) await done(name, { params: round });
  const { results } = (await done('readRound', { params: round })).json;
  const prefix = '0'.repeat(results.prefixLength);
  await done('readResults', { params: { ...round, prefix } });
  await done('readProof', { params: { ...params, entry: drawn.entries[0].entryId } });
  for (const name of ['listReleases', 'listKeys']) await done(name);
  await done('endRelease', { token: OPERATOR_KEY, params: { release: 'at-once' } });
}

/** A centre sees who is there, and says what they were given. */
async function onTheDay(
  { person, name }: SignedIn,
  { bookingId: booking, securityCode }: { bookingId: string; securityCode: string },
): Promise<void> {
  const token = OPERATOR_KEY;
  // What its people are called is in this answer alone.
  const arrival = await done('arrive', { token, body: { booking, securityCode } });
  expect(arrival.json.people).toMatchObject([{ beneficiaryId: person, name }]);
  const given = { beneficiary: person, vaccine: 'COVISHIELD', batch: '4121Z025' };
  await done('recordDose', { token, body: { booking, ...given } });
}

/** A client of the portal's surface asks, books, fetches its slip and gives it back. */
async function onThePortal({ mobile, name }: Citizen): Promise<void> {
  const release = 'listed';
  const session = {
    session_id: '0f7c9a52-6f86-4b6a-8f0e-3d2f0a6f1b7e',
    date: '01-01-2099',
    available_capacity_dose1: 4,
    min_age_limit: 18,
    vaccine: 'COVISHIELD',
    slots: ['09:00AM-11:00AM', '11:00AM-01:00PM'],
  };
  await publish(release, 'immediate', 0, [session]);
  const digits = mobile.slice(-10);
  const { txnId } = (await done('cowin-generateOTP', { body: { mobile: digits } })).json;
  const search = `mobile=${encodeURIComponent(mobile)}`;
  const proved = await vi.waitFor(
    async () => {
      const text = (await done('readInbox', { search })).json.messages[0]?.text ?? '';
      const otp = createHash('sha256')
        .update(/\d{6}/.exec(text)?.[0] ?? '')
        .digest('hex');
      const answer = await ask('cowin-confirmOTP', { body: { txnId, otp } });
      expect(answer.status).toBe(200);
      return answer;
    },
    { timeout: 10_000, interval: 100 },
  );
  const { token } = proved.json;
  const [known] = (await done('cowin-beneficiaries', { token })).json.beneficiaries;
  expect(known.name).toBe(name);
  const people = [known.beneficiary_reference_id];
  const wish = { dose: 1, session_id: session.session_id, slot: session.slots[0] };
  const booked = await vi.waitFor(
    async () => {
      const { captcha } = (await done('cowin-getRecaptcha', { token })).json;
      const body = { ...wish, beneficiaries: people, captcha: readCaptcha(captcha) };
      const answer = await ask('cowin-schedule', { token, body });
      expect(answer.status, answer.text).toBe(200);
      return answer;
    },
    { timeout: 20_000, interval: 2_000 },
  );
  const id = booked.json.appointment_confirmation_no;
  await done('cowin-slip', { token, search: `appointment_id=${id}` });
  const to = { appointment_id: id, session_id: session.session_id, slot: session.slots[1] };
  await done('cowin-reschedule', { token, body: to });
  await done('cowin-cancel', { token, body: { ...to, beneficiariesToCancel: people } });
  const where = 'district_id=363&date=01-01-2099';
  for (const route of ['cowinCalendarByDistrict', 'cowinFindByDistrict'])
    await done(route, { token, search: where });
  await done('cowinCalendarByDistrictPublic', { search: where });
}

/** What operators change in a lottery under way. */
async function change(): Promise<void> {
  const params = { release: 'changing' };
  const [slot] = await publish(params.release, 'lottery', 300_000);
  const loss = { change: 'no-delivery', slot, seats: 1, pool: 'open' };
  await done('loseSeats', { token: OPERATOR_KEY, params, body: loss });
  await done('closeSlots', { token: OPERATOR_KEY, params, body: { centre: 'b' } });
  await done('listChanges', { params });
}

/** Personal data in every place of a request that it does not belong to. */
async function misplace({ mobile, name, idNumber, token }: SignedIn): Promise<void> {
  const stray = { name, mobile, idNumber, [mobile]: name, [idNumber]: mobile };
  // What ends the token comes last: it is to be a good one until then.
  const last = ({ name }: { name: string }) =>
    Number(['signOutEverywhere', 'eraseAccount'].includes(name));
  for (const operation of operations.toSorted((a, b) => last(a) - last(b))) {
    for (const datum of [mobile, name, idNumber]) {
      const search = `${encodeURIComponent(datum)}=1&mobile=${encodeURIComponent(datum)}x`;
      const params = {
        release: datum,
        beneficiary: datum,
        booking: datum,
        entry: datum,
        round: datum,
      };
      const safe = encodeURIComponent(datum);
      const headers = {
        'user-agent': safe,
        referer: `https://example.org/${safe}`,
        'x-request-id': safe,
        'x-forwarded-for': safe,
        'if-none-match': `"${safe}"`,
        'idempotency-key': safe.slice(0, 64),
        cookie: `a=${safe}`,
        origin: `https://${safe}.example.org`,
      };
      for (const who of [undefined, safe, token, OPERATOR_KEY])
        await ask(operation.name, {
          params,
          search,
          headers,
          ...(who !== undefined && { token: who }),
        });
      const takesBody = operation.method !== 'get';
      if (!takesBody) continue;
      for (const body of [stray, [stray], `{"${datum}`, JSON.stringify(datum), { mobile: stray }])
        for (const who of [token, OPERATOR_KEY])
          await ask(operation.name, { params, body, token: who });
      const headersOf = { 'content-type': `text/${safe}` };
      await ask(operation.name, { params, body: 'x', headers: headersOf, token: OPERATOR_KEY });
    }
  }
  const rows = `id,name,seats\n${mobile},${name},${idNumber}\n"${name}`;
  const headers = { 'content-type': 'text/csv' };
  const search = `date=2099-01-01&centre=${encodeURIComponent(name)}`;
  await ask('importPlaces', {
    token: OPERATOR_KEY,
    params: { release: 'evening' },
    search,
    headers,
    body: rows,
  });
  const attestations = [{ idType: 'aadhaar', idNumber, categories: [name] }];
  await ask('attest', { token: OPERATOR_KEY, body: { attestations } });
}

/** What is no request gets an answer too, and a line of its own in no log. */
async function malformed({ mobile }: Citizen): Promise<void> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write(`GET /v1/${mobile} HTTP/9.9\r\nx-${mobile}: ${mobile}\r\n\r\n`);
  await once(socket, 'close');
  expect(Buffer.concat(chunks).toString()).toContain('REQUEST_MALFORMED');
  expect(found(NEEDLES, Buffer.concat(chunks))).toEqual([]);
}

/** Redis itself complains of a key, with the command at hand that held the person. */
async function breakDown({ mobile, name, token, idType }: SignedIn): Promise<void> {
  const { redis } = used;
  const key = keys.beneficiaries(accountOf(secrets, mobile));
  await redis.rename(key, `${key}:kept`);
  await redis.set(key, 'no hash');
  const body = { name, birthYear: 1960, gender: 'female', idType, idNumber: '9876 5432 1098' };
  expect((await ask('addBeneficiary', { token, body })).status).toBe(500);
  expect((await ask('listBeneficiaries', { token })).status).toBe(500);
  await redis.del(key);
  await redis.rename(`${key}:kept`, key);
}

/** Every file that Redis has written: plain text, since nothing is compressed. */
async function filesOfRedis(): Promise<Buffer> {
  const { redis, server } = used;
  const node = 'nodes' in redis ? present(redis.nodes('master')[0], 'a node') : redis;
  await node.config('SET', 'rdbcompression', 'no');
  await node.save();
  const below = (directory: string): Buffer[] =>
    readdirSync(directory, { withFileTypes: true }).flatMap((one) => {
      const path = join(directory, one.name);
      if (one.isDirectory()) return below(path);
      return one.isFile() ? [readFileSync(path)] : [];
    });
  return Buffer.concat(below(server.dataDir));
}

describe('personal data', () => {
  it('is found by this search in whatever form it lies', () => {
    const [first] = CITIZENS;
    const { mobile, name, idNumber } = present(first, 'a citizen');
    const needles = [mobile, name, idNumber].flatMap(needlesOf);
    const hidden = [
      `x${mobile}x`,
      'tel:9812345678',
      'joshi',
      'QX8177264',
      'qx 8177-264',
      encodeURIComponent(mobile),
      Buffer.from(`x${mobile}`).toString('hex'),
      ...['', 'x', 'xy'].flatMap((before) => [
        Buffer.from(`${before}${name} and more`).toString('base64'),
        Buffer.from(`${before}9812345678 and more`).toString('base64url'),
      ]),
    ];
    for (const one of hidden) expect(found(needles, one), one).not.toEqual([]);
    const other = needlesOf('२३४५ ६७८९ ०१२३');
    for (const one of ['234567890123', '2345 6789 0123', JSON.stringify('२३४५ ६७८९ ०१२३')])
      expect(found(other, one), one).not.toEqual([]);
    expect(found(needlesOf('आनंदीबाई'), '\\u0906\\u0928\\u0902\\u0926\\u0940')).toEqual([]);
    expect(found(NEEDLES, 'nobody at all +911234567890')).toEqual([]);
  });

  it('is in nothing that the engine stores, logs, measures, publishes or refuses', async () => {
    await done('attest', {
      token: OPERATOR_KEY,
      body: {
        attestations: CITIZENS.map(({ idType, idNumber }) => ({
          idType,
          idNumber,
          categories: ['senior'],
        })),
      },
    });
    await done('askCaptcha', { search: 'purpose=device' });
    device = (await done('mintDevice')).json.deviceToken;
    await done('listDeadSms', { token: OPERATOR_KEY });
    await done('retrySms', { token: OPERATOR_KEY, body: { all: true } });
    await done('dropSms', { token: OPERATOR_KEY, body: { all: true } });
    const people: SignedIn[] = [];
    for (const citizen of CITIZENS) people.push(await arrive(citizen));
    await playEvening(people);
    await change();
    await onThePortal(present(people[3], 'a citizen'));
    const [, , third, fourth, fifth] = people;
    await done('readAudit', { token: OPERATOR_KEY });
    for (const name of ['readBots', 'readBotsCsv'])
      await done(name, { token: OPERATOR_KEY, params: { release: 'evening' } });
    await done('signOutEverywhere', { token: present(third, 'a citizen').token });
    const signedOut = await ask('listBeneficiaries', { token: present(third, 'a citizen').token });
    expect(signedOut.json.code).toBe('ACCESS_TOKEN_REVOKED');
    const { token: removes, person: beneficiary } = present(fourth, 'a citizen');
    await ask('removeBeneficiary', { token: removes, params: { beneficiary } });
    await misplace(present(fourth, 'a citizen'));
    await malformed(present(fifth, 'a citizen'));
    await breakDown(present(fifth, 'a citizen'));
    const token = await signIn(STRANGER);
    await done('listBeneficiaries', { token });
    const spare = await done('addBeneficiary', {
      token,
      body: {
        name: 'Bahinabai Chaudhari',
        birthYear: 1970,
        gender: 'other',
        idType: 'passport',
        idNumber: 'Z7654321',
      },
    });
    await done('removeBeneficiary', { token, params: { beneficiary: spare.json.beneficiaryId } });
    await done('eraseAccount', { token });

    const missing = own.flatMap(({ name }) =>
      ['done', 'refused'].map((outcome) => `${name} ${outcome}`).filter((one) => !seen.has(one)),
    );
    expect(missing, 'every route was used, granted and refused').toEqual([]);
    const waiting = async () =>
      Promise.all(PRIORITIES.map((priority) => used.redis.hlen(keys.sms(priority))));
    await expect.poll(waiting, { timeout: 10_000 }).toEqual([0, 0]);

    const spareNeedles = [...NEEDLES, ...['Bahinabai Chaudhari', 'Z7654321'].flatMap(needlesOf)];
    const search = (where: string, hay: Buffer | string): void => {
      expect(found(spareNeedles, hay), where).toEqual([]);
      expect(hay.includes(NETWORK), `the network in ${where}`).toBe(false);
    };

    const stored = await filesOfRedis();
    expect(stored.includes(present(people[0], 'a citizen').person), 'this is what was stored').toBe(
      true,
    );
    expect(stored.includes('female'), 'a gender').toBe(false);
    // Four digits are found by chance; what they are called is not.
    expect(stored.includes('securityCode'), 'a security code').toBe(false);
    search('the files of Redis', stored);

    const log = Buffer.concat(output);
    expect(log.toString()).toContain('a request failed');
    expect(log.toString()).not.toContain('securityCode');
    search('the log', log);

    for (const metricsUrl of metricsUrls) {
      const { text } = await call(metricsUrl, 'GET', '/metrics');
      expect(text).toContain('fairslot_');
      search('the metrics', text);
    }

    const transcript = await fetch(`${url}/v1/releases/evening/rounds/0/transcript`);
    const lines = gunzipSync(Buffer.from(await transcript.arrayBuffer()));
    expect(lines.toString()).toContain('"entry"');
    search('the transcript', lines);

    expect(answers.length).toBeGreaterThan(20 * operations.length);
    for (const { status, text, headers } of answers)
      search(`an answer: ${status} ${text.slice(0, 300)}`, `${text}${JSON.stringify(headers)}`);
  }, 120_000);
});
