/**
 * Every operation of an OpenAPI document under requests that fit it and requests that do not, and
 * what Redis holds before and after each.
 *
 * FUZZ_RUNS: requests for each route (the suite's few seconds otherwise); FUZZ_SEED: another run.
 */
import fc, { type Arbitrary } from 'fast-check';
import { expect } from 'vitest';
import { monotonicMs } from '../../src/lib/clock.ts';
import { sha256 } from '../../src/lib/hash.ts';
import { CLAIM_FIELD } from '../../src/people/claim-field.ts';
import type { Redis } from '../../src/redis/client.ts';
import type { TestApi } from './api.ts';
import { type Answered, OPERATOR_KEY } from './app.ts';
import { arbitraryOf, HOSTILE, type Schema, type Vocabulary } from './arbitrary.ts';

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 25);
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_210_410);
/** Of one route, so that a busy machine is not kept for long: 16 ms a request, 2 on a quiet one. */
const LONGEST_MS = RUNS * 16;
export const FUZZ_TIMEOUT_MS = 60_000 + RUNS * 2_000;

/** Of ten places of a request, how many hold something else than the document says. */
export const HOSTILITIES = [
  ['that fit it', 0],
  ['that nearly fit it', 2],
  ['that hardly fit it', 6],
] as const;

type Content = {
  readonly schema?: Schema;
  readonly examples?: Readonly<Record<string, unknown>>;
};
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
    Record<string, { readonly content?: Readonly<Record<string, Content>> }>
  >;
};
type Document = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas?: Readonly<Record<string, Schema>> };
};
export type Described = Operation & { readonly method: string; readonly path: string };

/** The operations of a document that is served at a path. */
export async function described(api: TestApi, path: string) {
  const document = (await api.call('GET', path)).json as Document;
  const operations = Object.entries(document.paths).flatMap(([at, methods]) =>
    Object.entries(methods).map(
      ([method, operation]): Described => ({
        ...operation,
        path: at,
        method: method.toUpperCase(),
      }),
    ),
  );
  return { operations, schemas: document.components.schemas ?? {} };
}

export type World = {
  readonly tokens: readonly string[];
  readonly vocabulary: Vocabulary;
};

export type Request = {
  /** It has what the gates of its route ask for, as a solved captcha. */
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
  // A key that was used for something else refuses before anything is looked at.
  const sound = fc.oneof(
    { weight: 4, arbitrary: fc.constant({}) },
    { weight: 1, arbitrary: fc.record({ 'idempotency-key': key }) },
  );
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
 * Limits, captchas, tries, Idempotency-Keys and SMS are counted whatever the answer is, wrong tries also by the
 * OTP itself, which ends with them; what operators try is in the audit stream, and what was refused in the tally.
 */
const COUNTED =
  /\{limit:|^fs:v1:\{c:[^}]+\}:used$|\}:(?:refusals|offenders:)|:otp-wrong$|\}:arrival-tries$|^fs:v1:\{v:|:otp:[^:]+$|^fs:v1:\{sms\}:|:image-captcha$|:attempts$|^fs:v1:\{operators\}:audit(?:-of-centres)?$/;

/** Fields of a claim. */
const MARKS = new Set([CLAIM_FIELD]);

/**
 * All that Redis holds, but counters and the marks of claims that a refused entry leaves behind
 * (docs/adr/0004): they bind nobody.
 */
async function digest(redis: Redis): Promise<string> {
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

/** How a surface is to be asked, and what it promises. */
export type Surface = {
  readonly api: TestApi;
  readonly redis: Redis;
  /** Sees to what the gates ask of a request; headers that it needs. */
  readonly pass: (operation: Described, request: Request) => Promise<Record<string, string>>;
  /** The code of a refusal, which must be one that the document has. */
  readonly codeOf: (operation: Described, request: Request, answer: Answered) => string;
  /** Whether an outcome, a code or `done`, may have changed something. */
  readonly mayChange: (operation: Described, outcome: string, request: Request) => boolean;
};

/** Outcomes of the requests for one operation: codes, and `done`. */
export async function fuzz(
  { api, redis, pass, codeOf, mayChange }: Surface,
  operation: Described,
  world: World,
  hostility: number,
): Promise<Set<string>> {
  const outcomes = new Set<string>();
  let before = await digest(redis);
  const deadlineMs = monotonicMs() + LONGEST_MS;
  const property = fc.asyncProperty(requestsFor(operation, world, hostility), async (request) => {
    if (monotonicMs() > deadlineMs) return;
    const { path, token, body } = request;
    const passing = request.passes ? await pass(operation, request) : {};
    const answer = await api.call(operation.method, path, {
      headers: { ...passing, ...request.headers },
      ...(token !== undefined && { token }),
      ...(body !== undefined && { body }),
    });
    const after = await digest(redis);
    const [was, is] = [before, after];
    before = after; // also where this one fails: the next one is not to blame
    expect(answer.status, answer.text).toBeLessThan(500);
    const done = answer.status < 400;
    if (done && answer.status !== 304)
      expect(Object.keys(operation.responses)).toContain(`${answer.status}`);
    const outcome = done ? 'done' : codeOf(operation, request, answer);
    if (!mayChange(operation, outcome, request))
      expect(is, `${answer.text} changed something`).toBe(was);
    outcomes.add(outcome);
  });
  await fc.assert(property, { seed: SEED, numRuns: RUNS });
  return outcomes;
}

/** Of the server itself, before any route is known: a path of such a length is not read. */
export const isUnread = ({ path }: Request, { status }: Answered): boolean =>
  path.length > 4_000 && status === 431;
