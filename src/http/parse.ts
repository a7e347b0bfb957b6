/**
 * From bytes to values that a route's schemas accept, or to a refusal that names everything wrong.
 */
import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { createRecent } from '../lib/recent.ts';
import { isRefusal, type Refusal, refuse } from '../refusal.ts';
import type { HttpRequest } from './exchange.ts';
import type { Call, Route } from './route.ts';

export type Parsed = Pick<Call, 'params' | 'query' | 'body'>;

export type Parser = {
  /** Of a body. */
  readonly limitBytes: number;
  /** Reads the body where the route takes one; refuses by its headers alone where they suffice. */
  readonly read: (request: HttpRequest) => Promise<Buffer | Refusal>;
  /** `search`: the query without its question mark. `bytes`: what `read` gave. */
  readonly parse: (params: unknown, search: string, bytes: Buffer) => Parsed | Refusal;
};

/**
 * Of a body where the route does not say otherwise: twice the largest entry or beneficiary there
 * can be.
 */
export const BODY_LIMIT_BYTES = 16 * 1024;
const DEEPEST_JSON = 16;
/** Where the route does not say otherwise: as many as attestations may be. */
const LONGEST_ARRAY = 1_000;
const MOST_PROBLEMS = 20;
const JSON_TYPE = 'application/json';
const NO_BODY = Buffer.alloc(0);
/** Of a route: many ask the same, and what a schema makes of it is the same each time. */
const QUERIES_KEPT = 500;
/** In characters: a longer query is read anew each time, so that what is kept stays small. */
const LONGEST_KEPT_QUERY = 200;

type Problem = { readonly path: string; readonly message: string };

/** Builds what can be built before the first request: the schemas, and which body a route takes. */
export function createParser(route: Route): Parser {
  const params = strict(route.params ?? z.object({}));
  const readQuery = createQueryReader(strict(route.query ?? z.object({})));
  const body = route.body && strict(route.body);
  const isOptional = body?.safeParse(undefined).success ?? false;
  const mediaType = route.bodyType ?? JSON_TYPE;
  const limitBytes = route.bodyLimitBytes ?? BODY_LIMIT_BYTES;
  const longest = route.bodyListLimit ?? LONGEST_ARRAY;

  return {
    limitBytes,
    read: async (request) => {
      if (!hasBody(request)) return NO_BODY;
      if (!body) return invalid([{ path: 'body', message: 'This route takes no body.' }]);
      if (!isAcceptable(request, mediaType)) return refuse('BODY_TYPE_UNSUPPORTED');
      if (Number(request.header('content-length')) > limitBytes)
        return refuse('BODY_TOO_LARGE', { extra: { limitBytes } });
      return request.body(limitBytes);
    },
    parse: (rawParams, search, bytes) => {
      const isLeftOut = isOptional && bytes.length === 0;
      const rawBody = body && !isLeftOut ? decode(bytes, mediaType, longest) : undefined;
      if (isRefusal(rawBody)) return rawBody;
      const problems: Problem[] = [];
      const checkedParams = check(params, 'params', rawParams, problems);
      const query = readQuery(search);
      problems.push(...query.problems);
      const parsed = {
        params: checkedParams,
        query: query.value,
        body: body && check(body, 'body', rawBody?.value, problems),
      };
      return problems.length > 0 ? invalid(problems) : parsed;
    },
  };
}

const invalid = (problems: readonly Problem[]): Refusal =>
  refuse('REQUEST_INVALID', { extra: { problems: problems.slice(0, MOST_PROBLEMS) } });

/**
 * A member that no schema knows is a mistake of the caller's, except where the schema says that it
 * takes any.
 */
const strict = (schema: z.ZodType): z.ZodType =>
  schema instanceof z.ZodObject && !schema.def.catchall ? schema.strict() : schema;

const hasBody = (request: HttpRequest): boolean =>
  request.header('transfer-encoding') !== undefined ||
  (request.header('content-length') ?? '0') !== '0';

function isAcceptable(request: HttpRequest, mediaType: string): boolean {
  const [type = '', ...parameters] = (request.header('content-type') ?? '')
    .toLowerCase()
    .split(';');
  const charset = parameters.find((parameter) => parameter.trim().startsWith('charset='));
  return (
    type.trim() === mediaType &&
    (charset === undefined || /^\s*charset="?utf-8"?\s*$/.test(charset)) &&
    (request.header('content-encoding') ?? 'identity') === 'identity' &&
    (request.header('transfer-encoding') ?? 'chunked') === 'chunked'
  );
}

function check(schema: z.ZodType, place: string, raw: unknown, problems: Problem[]): unknown {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  for (const issue of result.error.issues.slice(0, MOST_PROBLEMS))
    problems.push({
      path: z.core.toDotPath([place, ...issue.path]),
      message: issue.code === 'unrecognized_keys' ? unknownMembers(issue.keys) : issue.message,
    });
  return undefined;
}

const MEMBER_NAME = /^[a-z][A-Za-z]{0,29}$/;

/**
 * Names what is spelled like a member; whatever else stands where a name should is the caller's
 * data, which no refusal repeats.
 */
function unknownMembers(names: readonly string[]): string {
  const named = names.filter((name) => MEMBER_NAME.test(name)).slice(0, MOST_PROBLEMS);
  const others = names.length > named.length ? [`${names.length - named.length} more`] : [];
  return `No such member: ${[...named, ...others].join(', ')}.`;
}

type Query = { readonly value: unknown; readonly problems: readonly Problem[] };

/** Handlers share what it gives, so it is frozen. */
function createQueryReader(schema: z.ZodType): (search: string) => Query {
  const kept = createRecent<string, Query>(QUERIES_KEPT);
  const read = (search: string): Query => {
    const problems: Problem[] = [];
    const value = check(schema, 'query', queryOf(search), problems);
    return { value: Object.freeze(value), problems };
  };
  return (search) =>
    search.length > LONGEST_KEPT_QUERY ? read(search) : kept.get(search, () => read(search));
}

/** A name that is given twice becomes an array, which a schema for one value refuses. */
function queryOf(search: string): Record<string, unknown> {
  const query: Record<string, unknown> = Object.create(null);
  if (search === '') return query;
  for (const [name, value] of new URLSearchParams(search))
    query[name] = name in query ? [query[name], value].flat() : value;
  return query;
}

/** In a member, so that a document that is a string is not mistaken for a refusal. */
function decode(bytes: Buffer, mediaType: string, longest: number): { value: unknown } | Refusal {
  if (!isUtf8(bytes)) return refuse('BODY_NOT_JSON', { detail: 'The body is not UTF-8.' });
  const text = bytes.toString('utf8');
  if (mediaType !== JSON_TYPE) return { value: text };
  try {
    const value: unknown = JSON.parse(text);
    const flaw = flawOf(value, longest);
    return flaw ? invalid([flaw]) : { value };
  } catch {
    return refuse('BODY_NOT_JSON');
  }
}

/**
 * Names that reach an object's prototype once somebody merges or looks up by a name from outside.
 */
const PROTOTYPE_NAMES = new Set(['__proto__', 'constructor', 'prototype']);

function flawOf(value: unknown, longest: number, depth = 1): Problem | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > DEEPEST_JSON)
    return { path: 'body', message: `Nested deeper than ${DEEPEST_JSON} levels.` };
  if (Array.isArray(value) && value.length > longest)
    return { path: 'body', message: `A list of more than ${longest}.` };
  if (!Array.isArray(value))
    for (const name of Object.keys(value))
      if (PROTOTYPE_NAMES.has(name))
        return { path: 'body', message: `No member may be named ${name}.` };
  for (const member of Object.values(value)) {
    const flaw = flawOf(member, longest, depth + 1);
    if (flaw) return flaw;
  }
  return undefined;
}
