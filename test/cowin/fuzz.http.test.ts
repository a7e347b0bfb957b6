/**
 * Every route of the CoWIN surface's OpenAPI document under requests that fit it and requests that
 * do not: nothing breaks, every refusal is one that the document promises, and a refusal changes
 * nothing, but for an entry in a lottery.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { appointmentIdOf, referenceOf } from '../../src/cowin/ids.ts';
import { present } from '../../src/lib/assert.ts';
import { accountOf, otpHashOf } from '../../src/people/sign-in.ts';
import { packDoses } from '../../src/people/vaccines.ts';
import { keys } from '../../src/redis/keys.ts';
import { serveApi, type TestApi } from '../support/api.ts';
import { type Answered, secrets, tokenOf } from '../support/app.ts';
import { aSecond, BANDS, type CowinWishes, publishCowin } from '../support/cowin.ts';
import {
  bookingOf,
  fresh,
  freshId,
  granted,
  lastSms,
  letPass,
  nextRound,
  register,
} from '../support/engine.ts';
import {
  type Described,
  described,
  fuzz,
  FUZZ_TIMEOUT_MS,
  HOSTILITIES,
  isUnread,
  type Request,
  type Surface,
  type World,
} from '../support/fuzzing.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);
let api: TestApi;
let document: Awaited<ReturnType<typeof described>>;
beforeAll(async () => {
  api = await serveApi(used.redis, undefined, { CAPTCHA_DRIVER: 'altcha' });
  document = await described(api, '/api/openapi.json');
});
afterAll(() => api.close());

const MOBILE = '9812345678';
const ACCOUNT = accountOf(secrets, `+91${MOBILE}`);
const STRANGER = 'stranger';
/** What the image captcha of each account says. */
const LETTERS = 'abcde';

/** Releases, and where they are. */
async function createPlaces() {
  const { engine } = api;
  const publish = async (wishes: CowinWishes) => {
    const one = await publishCowin(engine, used.redis, wishes);
    const { slots } = granted(await engine.releases.published(one.release)).manifest;
    const session = present(one.centers[0]?.sessions[0], 'a session').session_id;
    return { ...one, session, slots: slots.map(({ slot }) => slot) };
  };
  const lottery = { mode: 'lottery', preferences: 3 } as const;
  const immediate = { mode: 'immediate', idTypes: ['passport'] } as const;
  return {
    drawn: await publish({ ...lottery, seats: 1 }),
    open: await publish({ ...lottery, seats: 9, centres: 3, closesInS: 3_600, dose2Seats: 3 }),
    atOnce: await publish({ ...immediate, seats: 40, dose2Seats: 9 }),
    small: await publish({ ...immediate, seats: 2, centres: 2 }),
    early: await publish({ ...lottery, opensInS: 9_000, closesInS: 9_600, endsInS: 20_000 }),
    old: await publish({ ...immediate, minAge: 100 }),
    others: await publish({ ...immediate, idTypes: ['aadhaar'] }),
  };
}

/** People of two accounts: with an offer, a booking, nothing, a dose, and one who has to wait. */
async function createPeople({ drawn, atOnce, small }: Awaited<ReturnType<typeof createPlaces>>) {
  const { engine } = api;
  const { redis } = used;
  const some = (account: string) => register(engine, account);
  const [offered, booked] = [await some(ACCOUNT), await some(ACCOUNT)];
  const entry = { beneficiaries: [offered], preferences: drawn.slots.slice(0, 1) };
  granted(await engine.rounds.enter(ACCOUNT, drawn.release, entry));
  await letPass(redis, 700);
  await nextRound(engine, drawn.release);
  const offer = await bookingOf(engine, ACCOUNT, drawn.release);
  const free = [await some(ACCOUNT), await some(ACCOUNT)];
  const [slot = ''] = atOnce.slots;
  const wish = { release: atOnce.release, beneficiary: booked, slot };
  const { bookingId } = granted(await engine.bookings.book(ACCOUNT, wish));
  const others = [await some(STRANGER), await some(STRANGER), await some(STRANGER)];
  const [taker = '', dosed = '', cooling = ''] = others;
  const last = { release: small.release, beneficiary: taker, slot: small.slots[0] ?? '' };
  const taken = granted(await engine.bookings.book(STRANGER, last)).bookingId;
  const dose = { dose: 1, vaccine: 'COVISHIELD', date: '2098-12-30', booking: '', batch: 'x' };
  const given = { ...dose, vaccine: 'COVISHIELD', booking: taken } as const;
  await redis.hset(keys.person(dosed), 'doses', packDoses([given]));
  await redis.hset(keys.person(cooling), 'cooling_ends_at_ms', '4000000000000');
  return {
    own: [...free, booked, offered].map((person) => referenceOf(secrets, person)),
    others: [...others, await some(STRANGER)].map((person) => referenceOf(secrets, person)),
    appointments: [offer, bookingId, taken].map(appointmentIdOf),
  };
}

/** A little of everything there can be, so that requests find something. */
async function createWorld(): Promise<World> {
  const { engine } = api;
  const places = await createPlaces();
  const { own, others, appointments } = await createPeople(places);
  const [one = '', two = ''] = own;
  const { txnId } = granted(
    await engine.people.sendOtp(`+91${MOBILE}`, { network: '203.0.113', device: '' }),
  );
  const { message } = await lastSms(engine, used.redis);
  const { drawn, open, atOnce, small } = places;
  const all = Object.values(places);
  const sessions = all.map(({ session }) => session);
  const more = [open, atOnce].flatMap(({ centers }) =>
    centers.flatMap((centre) => centre.sessions.map((session) => session.session_id)),
  );
  const day = drawn.date;
  const spelt = [day, '1-1-2099', '01/01/99', '29-12-2098', '08-01-2099', '31-02-2099'];
  await aSecond();
  return {
    tokens: [await tokenOf(ACCOUNT), await tokenOf(ACCOUNT), await tokenOf(STRANGER)],
    vocabulary: {
      schemas: document.schemas,
      known: {
        state: ['21', '21', '22'],
        district_id: all.map(({ districtId }) => String(districtId)),
        pincode: [...all.map(({ pincode }) => String(pincode)), '41100', '012345'],
        center_id: all.flatMap(({ centers }) => centers.map((one) => String(one.center_id))),
        date: [day, day, ...spelt],
        vaccine: ['COVISHIELD', 'covishield', 'COVAXIN', ''],
        mobile: [MOBILE, '9700000001'],
        otp: [otpHashOf(message.template === 'otp' ? message.otp : ''), otpHashOf('x')],
        txnId: [txnId, txnId, crypto.randomUUID()],
        birth_year: [1970, '1980', 1850],
        gender_id: [1, 2, '3', 9],
        photo_id_type: [8, '8', 6, 1, 3],
        photo_id_number: [freshId(), fresh('N1234'), 'ABCDE1234F', '234567890123'],
        beneficiary_reference_id: [...own, ...others, Number(one)],
        beneficiaries: [
          ...[...own, one, one, two, two, ...others].map((reference) => [reference]),
          [one, two],
          [one, one],
          own,
          others,
        ],
        beneficiariesToCancel: [...own, ...others].map((reference) => [reference]),
        dose: [1, 1, 1, 2, '1'],
        // mostly those that somebody gets something of
        session_id: [
          ...sessions,
          ...more,
          ...[open, open, open, atOnce, atOnce, atOnce, small].map(({ session }) => session),
        ],
        slot: [...BANDS, BANDS[0], '9:00am - 11:00am', '10:00AM-11:00AM'],
        appointment_id: [...appointments, ...appointments, crypto.randomUUID()],
        captcha: [LETTERS, LETTERS, LETTERS, LETTERS, 'wrong'],
      },
    },
  };
}

const UNAUTHENTICATED = 'Unauthenticated access!';

/** The engine's code of a refusal, one of those that the operation has as examples of its status. */
function codeOf(operation: Described, request: Request, answer: Answered): string {
  const content = operation.responses[answer.status]?.content;
  if (isUnread(request, answer)) return String(answer.json.code);
  expect(Object.keys(operation.responses)).toContain(`${answer.status}`);
  if (answer.status === 401) {
    expect(answer.text).toBe(UNAUTHENTICATED);
    expect(Object.keys(content ?? {})).toEqual(['text/plain']);
    return UNAUTHENTICATED;
  }
  const { error, fairslot } = answer.json;
  expect(error).toEqual(expect.stringMatching(/./));
  expect(Object.keys(content?.['application/json']?.examples ?? {})).toContain(fairslot.code);
  return fairslot.code;
}

const surface = (): Surface => ({
  api,
  redis: used.redis,
  codeOf,
  pass: async ({ operationId }) => {
    if (operationId !== 'cowin-schedule') return {};
    for (const account of [ACCOUNT, STRANGER]) {
      const hash = secrets.pseudonym('image-captcha', `${account}|${LETTERS}`);
      await used.redis.set(keys.imageCaptcha(account), hash);
    }
    return {};
  },
  mayChange: ({ operationId, method }, outcome) => {
    if (outcome === 'done') return method !== 'GET' || operationId === 'cowin-slip';
    return operationId === 'cowin-schedule' && outcome === 'ENTERED_IN_LOTTERY';
  },
});

/** What takes away comes last. */
const lateness = ({ operationId }: Described): number =>
  Number(operationId === 'cowin-cancel') + 2 * Number(operationId === 'cowin-unregister');

describe('every route of the OpenAPI document of the CoWIN surface', () => {
  test.each(HOSTILITIES)(
    'stands requests %s, and a refusal changes nothing',
    async (_what, hostility) => {
      const { operations } = document;
      const world = await createWorld();
      const outcomes = new Map<string, Set<string>>();
      for (const operation of operations.toSorted((a, b) => lateness(a) - lateness(b)))
        outcomes.set(operation.operationId, await fuzz(surface(), operation, world, hostility));
      const codes = new Set([...outcomes.values()].flatMap((one) => [...one]));
      // Where nothing is done and little is refused, this would be a test of one path only.
      if (hostility === 0) {
        const done = [...outcomes].filter(([, one]) => one.has('done')).map(([name]) => name);
        expect(done.length).toBeGreaterThan(operations.length / 2);
        expect(outcomes.get('cowin-schedule')?.size).toBeGreaterThan(2);
      }
      expect(codes.size).toBeGreaterThan(6);
    },
    FUZZ_TIMEOUT_MS,
  );
});
