/**
 * Every route of the OpenAPI document under requests that fit it and requests that do not: nothing
 * breaks, every refusal is one that the document promises, and a refusal changes nothing.
 *
 * FUZZ_RUNS: requests for each route (the suite's few seconds otherwise); FUZZ_SEED: another run.
 */
import fc, { type Arbitrary } from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { puneCalendar } from '../../bench/support/calendar.ts';
import { createAccessTokens } from '../../src/gates/access-tokens.ts';
import { createDeviceTokens } from '../../src/gates/devices.ts';
import { monotonicMs } from '../../src/lib/clock.ts';
import { sha256 } from '../../src/lib/hash.ts';
import { accountOf } from '../../src/people/sign-in.ts';
import { ReleaseTerms } from '../../src/releases/rules.ts';
import { serveApi, type TestApi } from '../support/api.ts';
import { type Answered, OPERATOR_KEY, SECRET, secrets } from '../support/app.ts';
import { arbitraryOf, HOSTILE, type Schema, type Vocabulary } from '../support/arbitrary.ts';
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
import { passingHeaders } from '../support/passing.ts';
import { useRedis } from '../support/redis.ts';

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 25);
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_210_410);
/** Of one route, so that a busy machine is not kept for long: 16 ms a request, 2 on a quiet one. */
const LONGEST_MS = RUNS * 16;
const TEST_TIMEOUT_MS = 60_000 + RUNS * 2_000;

type Operation = {
  readonly operationId: string;
  readonly security: readonly Readonly<Record<string, unknown>>[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: 'path' | 'query' | 'header';
    readonly required?: boolean;
    readonly schema: Schema;
  }[];
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: Schema }>>;
  };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >;
};
type Document = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
};
type Described = Operation & { readonly method: string; readonly path: string };

const used = useRedis(['--appendfsync', 'no']);
let api: TestApi;
let operations: readonly Described[];
let schemas: Vocabulary['schemas'];
beforeAll(async () => {
  api = await serveApi(used.redis, undefined, { CAPTCHA_DRIVER: 'altcha', CAPTCHA_TRIES: '1' });
  const document = (await api.call('GET', '/openapi.json')).json as Document;
  schemas = document.components.schemas;
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      path,
      method: method.toUpperCase(),
    })),
  );
});
afterAll(() => api.close());

type World = {
  /** Of accounts on this device. */
  readonly tokens: readonly string[];
  readonly device: string;
  readonly vocabulary: Vocabulary;
};

const accessTokens = createAccessTokens([SECRET]);
const tokenOn = async (device: string, account: string): Promise<string> =>
  (await accessTokens.issue({ account, epoch: 0, device })).accessToken;

/** A little of everything there can be, so that requests find something. */
async function createWorld(): Promise<World> {
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
      schemas,
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

type Request = {
  /** It comes from the device, with its captcha solved where the route asks for one. */
  readonly passes: boolean;
  readonly path: string;
  readonly token: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
};

const asText = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
/** Anything as one non-empty segment of a path, or a value of a query. */
const encoded = (value: unknown): string => encodeURIComponent(asText(value).toWellFormed() || '-');
/** What node:http lets its caller send as a header's value. */
const asHeader = (value: unknown): string =>
  asText(value)
    .replaceAll(/[^\t -~]/g, '')
    .slice(0, 500);

const HEADERS = [
  'captcha-solution',
  'device-token',
  'idempotency-key',
  'x-request-id',
  'if-none-match',
  'content-encoding',
  'content-type',
  'accept',
  'origin',
  'x-forwarded-for',
  'x-http-method-override',
  'range',
];

function requestsFor(
  operation: Described,
  { tokens, vocabulary }: World,
  hostility: number,
): Arbitrary<Request> {
  const { parameters = [], requestBody, security } = operation;
  const valueOf = ({ name, schema }: { name: string; schema: Schema }) =>
    arbitraryOf(schema, vocabulary, hostility, name);
  const inPath = parameters.filter((one) => one.in === 'path');
  const path = fc
    .tuple(...inPath.map(valueOf))
    .map((values) =>
      inPath.reduce(
        (sofar, { name }, index) => sofar.replace(`{${name}}`, () => encoded(values[index])),
        operation.path,
      ),
    );
  const inQuery = parameters.filter((one) => one.in === 'query');
  const query = fc
    .record(Object.fromEntries(inQuery.map((one) => [one.name, valueOf(one)])), {
      requiredKeys: hostility > 0 ? [] : inQuery.flatMap((one) => (one.required ? one.name : [])),
    })
    .map((values) =>
      Object.entries(values)
        .map(([name, value]) => `${name}=${encoded(value)}`)
        .join('&'),
    );
  const needs = Object.keys(security[0] ?? {})[0];
  const right = needs === 'operatorKey' ? [OPERATOR_KEY] : tokens;
  const wrong = [undefined, OPERATOR_KEY, ...tokens, 'x', `${tokens[0]}x`, 'a.b.c', 'é'];
  const token = fc.constantFrom(
    ...(hostility > 0 ? [...right, ...right, ...right, ...wrong] : right),
  );
  return fc
    .tuple(
      fc.integer({ max: 9, min: 0 }).map((of) => of >= hostility),
      path,
      query,
      token,
      headersOf(hostility),
      bodyOf(requestBody, vocabulary, hostility),
    )
    .map(([passes, at, search, who, headers, [type, body]]) => ({
      passes,
      path: search === '' ? at : `${at}?${search}`,
      token: who,
      headers: { ...(body !== undefined && { 'content-type': type }), ...headers },
      body,
    }));
}

function headersOf(hostility: number): Arbitrary<Record<string, string>> {
  const key = fc.oneof(fc.constantFrom('once', 'twice'), fc.uuid());
  const sound = fc.record({ 'idempotency-key': key }, { requiredKeys: [] });
  if (hostility === 0) return sound;
  const value = fc.oneof(fc.string(), fc.constantFrom(...HOSTILE)).map(asHeader);
  const some = fc.dictionary(fc.constantFrom(...HEADERS), value, { maxKeys: 1 });
  return fc.tuple(sound, some).map(([one, more]) => ({ ...one, ...more }));
}

/** Media type and text. */
function bodyOf(
  requestBody: Operation['requestBody'],
  vocabulary: Vocabulary,
  hostility: number,
): Arbitrary<readonly [string, string | undefined]> {
  const [[type, { schema }] = ['application/json', { schema: { type: 'null' } }]] = Object.entries(
    requestBody?.content ?? {},
  );
  const sound = requestBody
    ? arbitraryOf(schema, vocabulary, hostility, type).map(
        (value) => [type, type === 'text/csv' ? asText(value) : JSON.stringify(value)] as const,
      )
    : fc.constant([type, undefined] as const);
  if (hostility === 0) return sound;
  const broken = fc
    .oneof(
      fc.string(),
      fc.json(),
      fc.constantFrom('', '{', '"\\ud800"', '[1e999]', `{"a":1,"a":2}`),
    )
    .map((text) => [type, text] as const);
  return fc.oneof({ weight: 4, arbitrary: sound }, { weight: 1, arbitrary: broken });
}

/**
 * Limits, captchas, tries and SMS are counted whatever the answer is, wrong tries also by the OTP itself, which
 * ends with them; what operators try is in the audit stream, and what was refused in the tally.
 */
const COUNTED =
  /\{limit:|^fs:v1:\{c:[^}]+\}:used$|\}:(?:refusals|offenders:)|:otp-wrong$|\}:arrival-tries$|^fs:v1:\{v:|:otp:[^:]+$|^fs:v1:\{sms\}:|^fs:v1:\{operators\}:audit(?:-of-centres)?$/;

/** Fields of a claim. */
const MARKS = new Set(['claim', 'claimed_at_ms']);

/**
 * All that Redis holds, but counters and the marks of claims that a refused entry leaves behind
 * (docs/adr/0004): they bind nobody.
 */
async function digest(): Promise<string> {
  const { redis } = used;
  const names = (await redis.keys('*')).filter((name) => !COUNTED.test(name)).toSorted();
  const values = await Promise.all(
    names.map(async (name) => {
      // A hash by its fields: looking at one may change the order in which Redis dumps it.
      if ((await redis.type(name)) !== 'hash') return redis.dumpBuffer(name);
      const fields = Object.entries(await redis.hgetall(name));
      const kept = name.endsWith(':person')
        ? fields.filter(([field]) => !MARKS.has(field))
        : fields;
      return JSON.stringify(kept.toSorted(([a], [b]) => (a < b ? -1 : 1)));
    }),
  );
  const parts = names.flatMap((name, index) => [name, values[index] ?? '']);
  return sha256(Buffer.concat(parts.map((part) => Buffer.from(part)))).toString('hex');
}

/** The codes that the document promises for a status of an operation. */
function codesOf({ responses }: Operation, status: number): readonly unknown[] {
  const schema = responses[status]?.content?.['application/problem+json']?.schema;
  return schema?.allOf?.[1]?.properties?.['code']?.enum ?? [];
}

function holdAgainst(operation: Described, request: Request, answer: Answered): void {
  expect(answer.status, answer.text).toBeLessThan(500);
  if (answer.status < 400) {
    if (answer.status !== 304)
      expect(Object.keys(operation.responses)).toContain(`${answer.status}`);
    return;
  }
  expect(answer.headers['content-type']).toBe('application/problem+json');
  const { code, status } = answer.json as { code: string; status: number };
  expect(status).toBe(answer.status);
  const unread = request.path.length > 4_000 ? ['HEADERS_TOO_LARGE'] : [];
  expect([...codesOf(operation, status), ...unread]).toContain(code);
}

async function fuzz(operation: Described, world: World, hostility: number): Promise<Set<string>> {
  const outcomes = new Set<string>();
  let before = await digest();
  const deadlineMs = monotonicMs() + LONGEST_MS;
  const property = fc.asyncProperty(requestsFor(operation, world, hostility), async (request) => {
    if (monotonicMs() > deadlineMs) return;
    const { path, token, body } = request;
    const { device } = world;
    const passing = request.passes
      ? await passingHeaders(api.call, {
          operation: operation.operationId,
          path,
          body,
          token,
          device,
        })
      : {};
    const options = {
      headers: { ...passing, ...request.headers },
      ...(token !== undefined && { token }),
      ...(body !== undefined && { body }),
    };
    const answer = await api.call(operation.method, path, options);
    holdAgainst(operation, request, answer);
    const after = await digest();
    const refused = answer.status >= 400 || operation.method === 'GET';
    const [was, is] = [before, after];
    before = after; // also where this one fails: the next one is not to blame
    if (refused) expect(is, `${answer.text} changed something`).toBe(was);
    outcomes.add(answer.status < 400 ? 'done' : (answer.json as { code: string }).code);
  });
  await fc.assert(property, { seed: SEED, numRuns: RUNS });
  return outcomes;
}

/** What takes away comes last: deleting, operators, who end releases, and at the end the tokens. */
const lateness = ({ method, operationId, security }: Described): number =>
  Number(method === 'DELETE') +
  4 * Number(operationId === 'signOutEverywhere') +
  2 * Number('operatorKey' in (security[0] ?? {}));

describe('every route of the OpenAPI document', () => {
  test.each([
    ['that fit it', 0],
    ['that nearly fit it', 2],
    ['that hardly fit it', 6],
  ])(
    'stands requests %s, and a refusal changes nothing',
    async (_what, hostility) => {
      const world = await createWorld();
      const outcomes = new Map<string, Set<string>>();
      for (const operation of operations.toSorted((a, b) => lateness(a) - lateness(b)))
        outcomes.set(operation.operationId, await fuzz(operation, world, hostility));
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
    TEST_TIMEOUT_MS,
  );
});
