/**
 * Every route of the OpenAPI document under requests that fit it and requests that do not: nothing
 * breaks, every refusal is one that the document promises, and a refusal changes nothing.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { puneCalendar } from '../../bench/support/calendar.ts';
import { createDeviceTokens } from '../../src/gates/devices.ts';
import { accountOf } from '../../src/people/sign-in.ts';
import { ReleaseTerms } from '../../src/releases/rules.ts';
import { serveApi, type TestApi } from '../support/api.ts';
import { accessTokens, type Answered, SECRET, secrets } from '../support/app.ts';
import {
  bookingOf,
  csvOf,
  fresh,
  freshId,
  granted,
  letPass,
  nextRound,
  publishRelease,
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
import { passingHeaders } from '../support/passing.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);
let api: TestApi;
let document: Awaited<ReturnType<typeof described>>;
beforeAll(async () => {
  api = await serveApi(used.redis, undefined, { CAPTCHA_DRIVER: 'altcha', CAPTCHA_TRIES: '1' });
  document = await described(api, '/openapi.json');
});
afterAll(() => api.close());

const tokenOn = async (device: string, account: string): Promise<string> =>
  (await accessTokens.issue({ account, epoch: 0, device })).accessToken;

/** A little of everything there can be, so that requests find something. */
async function createWorld(): Promise<World & { readonly device: string }> {
  const { engine } = api;
  const { redis } = used;
  const mobile = '+919812345678';
  const account = accountOf(secrets, mobile);
  const stranger = fresh('account');
  const people = [await register(engine, account), await register(engine, account)];
  const others = [await register(engine, stranger), await register(engine, stranger)];
  const [lead = '', second = ''] = people;
  const drawn = await publishRelease(engine, redis, { seats: [1] });
  const request = { beneficiaries: [lead], preferences: drawn.slots };
  const { entryId } = granted(await engine.rounds.enter(account, drawn.release, request));
  await letPass(redis, 600);
  await nextRound(engine, drawn.release);
  const booking = await bookingOf(engine, account, drawn.release);
  const open = await publishRelease(engine, redis, { seats: [5, 0, 3], confirmWithinS: 900 });
  const immediate = await publishRelease(engine, redis, { mode: 'immediate', seats: [1, 9] });
  const over = await publishRelease(engine, redis, { seats: [1] });
  await engine.releases.end(over.release);
  const draft = fresh('draft');
  const terms = { release: draft, title: 'A draft', mode: 'immediate' as const };
  const times = { opensAt: '2020-01-01T00:00:00Z', endsAt: '2098-01-01T00:00:00Z' };
  granted(await engine.releases.create(ReleaseTerms.parse({ ...terms, ...times })));
  const { txnId } = granted(
    await engine.people.sendOtp(mobile, { network: '203.0.113', device: '' }),
  );
  const releases = [...[drawn, open, immediate, over].map(({ release }) => release), draft];
  const { deviceToken, device } = await createDeviceTokens([SECRET]).mint();
  return {
    tokens: [await tokenOn(device, account), await tokenOn(device, stranger)],
    device: deviceToken,
    vocabulary: {
      schemas: document.schemas,
      known: {
        ReleaseId: [...releases, ...releases.slice(1, 3), open.release, open.release, 'nowhere'],
        // the first slot is called the same everywhere
        SlotId: [...drawn.slots, ...drawn.slots, ...open.slots, ...immediate.slots],
        BeneficiaryId: [...people, second, second, ...others],
        BookingId: [booking, `${drawn.release}.${entryId}.9`, `${open.release}.${entryId}.0`],
        EntryId: [entryId],
        Mobile: [mobile, '+911111111111'],
        idNumber: [freshId(), '234567890123', 'ABCDE1234F'],
        txnId: [txnId],
        otp: ['000000'],
        round: [0, 1],
        date: ['2099-01-01'],
        opensAt: ['2020-01-01T00:00:00Z', '2098-01-01T00:00:00Z'],
        closesAt: ['2098-01-01T01:00:00Z'],
        endsAt: ['2098-01-01T02:00:00Z'],
        centers: [puneCalendar('2099-01-01').centers.slice(0, 2), []],
        bands: ['09:00-11:00', '09:00-11:00,10:00-12:00', '11:00-09:00'],
        'text/csv': [
          csvOf([1, 2]),
          csvOf([0]),
          'centre_id,centre_name,seats\n"',
          '\n\n',
          csvOf([-1]),
        ],
      },
    },
  };
}

/** The code of a problem document, one of those that the operation promises for its status. */
function codeOf(operation: Described, request: Request, answer: Answered): string {
  expect(answer.headers['content-type']).toBe('application/problem+json');
  const { code, status } = answer.json as { code: string; status: number };
  expect(status).toBe(answer.status);
  const content = operation.responses[status]?.content?.['application/problem+json'];
  const promised = content?.schema?.allOf?.[1]?.properties?.['code']?.enum ?? [];
  if (!isUnread(request, answer)) expect(promised).toContain(code);
  return code;
}

const surfaceOn = (device: string): Surface => ({
  api,
  redis: used.redis,
  codeOf,
  pass: ({ operationId }, { path, body, token }) =>
    passingHeaders(api.call, { operation: operationId, path, body, token, device }),
  mayChange: ({ method }, outcome) => outcome === 'done' && method !== 'GET',
});

/** What takes away comes last: deleting, operators, who end releases, and at the end the tokens. */
const lateness = ({ method, operationId, security }: Described): number =>
  Number(method === 'DELETE') +
  4 * Number(['signOutEverywhere', 'eraseAccount'].includes(operationId)) +
  2 * Number('operatorKey' in (security[0] ?? {}));

describe('every route of the OpenAPI document', () => {
  test.each(HOSTILITIES)(
    'stands requests %s, and a refusal changes nothing',
    async (_what, hostility) => {
      const { operations } = document;
      const world = await createWorld();
      const surface = surfaceOn(world.device);
      const outcomes = new Map<string, Set<string>>();
      for (const operation of operations.toSorted((a, b) => lateness(a) - lateness(b)))
        outcomes.set(operation.operationId, await fuzz(surface, operation, world, hostility));
      // Where nothing is done and little is refused, this would be a test of one path only.
      const done = [...outcomes].filter(([, one]) => one.has('done')).map(([name]) => name);
      const codes = new Set([...outcomes.values()].flatMap((one) => [...one]));
      if (hostility === 0) {
        expect(done.length).toBeGreaterThan(operations.length / 2);
        // What fits got past device and captcha.
        expect(done).toEqual(expect.arrayContaining(['mintDevice', 'sendOtp']));
        expect([...codes].filter((code) => /^(CAPTCHA|DEVICE)_/.test(code))).toEqual([]);
      }
      expect(codes.size).toBeGreaterThan(8);
    },
    FUZZ_TIMEOUT_MS,
  );
});
