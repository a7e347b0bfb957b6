/** The OpenAPI 3.1 document, made from the same table that serves the requests. */
import { z } from 'zod';
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
} from 'zod-openapi';
import manifest from '../../package.json' with { type: 'json' };
import { type ErrorCode, ERRORS } from '../errors.ts';
import { CAPTCHA_ERRORS } from '../gates/captcha/captcha.ts';
import { PROBLEM_TYPE } from './problem.ts';
import { refuse } from '../refusal.ts';
import { type Dialect, mayHaveDevice, type Route, takesKey } from './route.ts';

type Document = ReturnType<typeof createDocument>;
type Responses = ZodOpenApiOperationObject['responses'];

/** Of an operator's route, with the scope that the key needs. */
function securityOf({ gates }: Route): Record<string, string[]>[] {
  if (gates.caller === 'operator') return [{ operatorKey: [gates.scope] }];
  if (gates.caller === 'either') return [{}, { accessToken: [] }];
  return gates.caller === 'account' ? [{ accessToken: [] }] : [];
}

const Problem = z
  .looseObject({
    type: z.string().meta({ example: 'urn:fairslot:error:REQUEST_INVALID' }),
    title: z.string(),
    status: z.int(),
    code: z.enum(Object.keys(ERRORS)),
    detail: z.string().optional(),
    requestId: z.uuid(),
  })
  .meta({ description: 'RFC 9457, with a stable code for programs to act on.' });

const text = (description: string, example: string) => ({
  description,
  schema: { type: 'string' as const },
  example,
});
const HEADERS = {
  RateLimit: text(
    'What is left of each limit, and when it is full again.',
    '"read-address";r=599;t=60',
  ),
  'RateLimit-Policy': text('The limits that hold here.', '"read-address";q=600;w=60'),
};

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header' as const,
  description:
    'Of your choice, a UUID say: the same request with the same key is done once in 24 h.',
  schema: { type: 'string' as const, pattern: '^[!-~]{1,64}$' },
};

const CAPTCHA_SOLUTION = (purpose: string) => ({
  name: 'Captcha-Solution',
  in: 'header' as const,
  description: `A ticket of GET /v1/captcha for the purpose \`${purpose}\` (and the release that the request names), a space, and its solution. It works once, and is not asked for where the answer's kind is \`none\`.`,
  schema: { type: 'string' as const },
});
const DEVICE_TOKEN = {
  name: 'Device-Token',
  in: 'header' as const,
  description:
    'Of POST /v1/devices. A deployment may do without; whoever signed in on a device sends it with every request.',
  schema: { type: 'string' as const },
};

/** `dialect`: the one whose routes these are, if any. */
export function createOpenApi(routes: readonly Route[], dialect?: Dialect): Document {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operationOf(route) };
  }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: dialect?.title ?? 'fairslot',
      version: manifest.version,
      description: manifest.description,
      license: { name: 'Apache 2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      securitySchemes: {
        accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        operatorKey: {
          type: 'http',
          scheme: 'bearer',
          description: 'The scope that a key needs is named at each operation.',
        },
      },
      ...(!dialect && { schemas: { Problem } }),
      headers: HEADERS,
    },
  });
}

function operationOf(route: Route): ZodOpenApiOperationObject {
  const body = route.body && {
    content: { [route.bodyType ?? 'application/json']: { schema: route.body } },
  };
  return {
    operationId: route.name,
    summary: route.summary,
    tags: [route.slice],
    security: securityOf(route),
    requestParams: {
      ...(route.params && { path: route.params }),
      ...(route.query && { query: route.query }),
    },
    parameters: headersOf(route),
    ...(body && { requestBody: { ...body, required: !route.body?.safeParse(undefined).success } }),
    responses: { ...successes(route), ...refusals(route) },
  };
}

const headersOf = (route: Route) => [
  ...(takesKey(route) ? [IDEMPOTENCY_KEY] : []),
  ...(route.gates.captcha ? [CAPTCHA_SOLUTION(route.gates.captcha)] : []),
  ...(mayHaveDevice(route.gates) ? [DEVICE_TOKEN] : []),
];

const headers = {
  RateLimit: { $ref: '#/components/headers/RateLimit' },
  'RateLimit-Policy': { $ref: '#/components/headers/RateLimit-Policy' },
};

function successes(route: Route): Responses {
  const responses: Record<string, Responses['200']> = {};
  for (const [status, answer] of Object.entries(route.answers)) {
    const described = { description: route.summary, headers };
    if (answer === null) responses[status] = described;
    else if (answer instanceof z.ZodType)
      responses[status] = { ...described, content: { 'application/json': { schema: answer } } };
    else responses[status] = { ...described, content: { [answer.mediaType]: {} } };
  }
  return responses;
}

function refusals(route: Route): Responses {
  if (route.dialect) return refusalsIn(route.dialect, codesOf(route));
  const byStatus = Map.groupBy(codesOf(route), (code) => String(ERRORS[code].status));
  const responses: Record<string, Responses['400']> = {};
  for (const [status, codes] of byStatus) {
    const schema = {
      allOf: [{ $ref: '#/components/schemas/Problem' }, { properties: { code: { enum: codes } } }],
    };
    responses[status] = {
      description: codes.map((code) => `\`${code}\`: ${ERRORS[code].title}`).join('\n\n'),
      content: { [PROBLEM_TYPE]: { schema } },
    };
  }
  return responses;
}

/** As a dialect words them: by status, with what it answers to each of our codes as an example. */
function refusalsIn(dialect: Dialect, codes: readonly ErrorCode[]): Responses {
  const momentary = codes.filter((code) => dialect.momentary.includes(code));
  const answers = [
    ...codes.map((code) => ({ code, ...dialect.refusal(refuse(code)) })),
    ...momentary.map((code) => ({ code, ...dialect.refusal(refuse(code, { retryAfterS: 1 })) })),
  ];
  const byStatus = Map.groupBy(answers, ({ status }) => String(status));
  const responses: Record<string, Responses['400']> = {};
  for (const [status, those] of byStatus) {
    const isText = typeof those[0]?.body === 'string';
    const examples = those.map(({ code, body }) => [code, { value: body }] as const);
    responses[status] = {
      description: those.map(({ code }) => `\`${code}\`: ${ERRORS[code].title}`).join('\n\n'),
      content: {
        [isText ? 'text/plain' : 'application/json']: { examples: Object.fromEntries(examples) },
      },
    };
  }
  return responses;
}

/**
 * Everything a route can answer but success: its own refusals and those of what stands before it.
 */
export function codesOf(route: Route): ErrorCode[] {
  const { caller, limit, captcha } = route.gates;
  const codes: ErrorCode[] = ['REQUEST_INVALID', 'INTERNAL', 'UNAVAILABLE', ...route.errors];
  if (caller === 'account' || caller === 'either')
    codes.push(
      'ACCESS_TOKEN_MISSING',
      'ACCESS_TOKEN_INVALID',
      'ACCESS_TOKEN_EXPIRED',
      'ACCESS_TOKEN_REVOKED',
      'ACCESS_TOKEN_OTHER_DEVICE',
    );
  if (mayHaveDevice(route.gates)) codes.push('DEVICE_TOKEN_MISSING', 'DEVICE_TOKEN_INVALID');
  if (captcha) codes.push(...CAPTCHA_ERRORS);
  if (caller === 'operator')
    codes.push('OPERATOR_KEY_INVALID', 'SCOPE_MISSING', 'TOO_MANY_REQUESTS');
  if (limit !== 'none') codes.push('TOO_MANY_REQUESTS');
  if (takesKey(route))
    codes.push('IDEMPOTENCY_KEY_INVALID', 'IDEMPOTENCY_KEY_REUSED', 'IDEMPOTENCY_IN_FLIGHT');
  if (route.body) codes.push('BODY_NOT_JSON', 'BODY_TOO_LARGE', 'BODY_TYPE_UNSUPPORTED');
  return [...new Set(codes)];
}
