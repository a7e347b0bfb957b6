/**
 * The path of every request, in this order: match, caller, limits (from memory, then from Redis
 * while the body is read and parsed), idempotency, handler, answer. Each step costs more than the
 * one before it, so a flood is turned away where it is cheapest.
 */
import { randomUUIDv7 } from 'node:crypto';
import { Readable } from 'node:stream';
import { validate as isUuid } from 'uuid';
import type { Caller, Identify } from '../gates/callers.ts';
import type { Limits } from '../gates/limits.ts';
import { present } from '../lib/assert.ts';
import { monotonicMs } from '../lib/clock.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { isRefusal, type Refusal, refuse } from '../refusal.ts';
import { replyTo } from './answer.ts';
import type { Cors } from './cors.ts';
import type { Dispatch, HttpRequest, Reply } from './exchange.ts';
import type { Once } from './idempotency.ts';
import { createMatcher } from './match.ts';
import { createParser, type Parser } from './parse.ts';
import { problem } from './problem.ts';
import type { Call, Route } from './route.ts';
import { secure } from './security-headers.ts';
import { isRedisAway } from './unavailable.ts';

export type PipelineParts = {
  readonly routes: readonly Route[];
  readonly identify: Identify;
  readonly limits: Limits;
  readonly once: Once;
  readonly cors: Cors;
  /** True once the process is about to end. */
  readonly isLeaving: () => boolean;
  readonly log: Log;
  readonly metrics: Metrics['http'];
};

type Served = Parser & { readonly route: Route };

/** One request on its way, with what the steps share. */
type Passage = {
  readonly request: HttpRequest;
  readonly served: Served;
  readonly params: Readonly<Record<string, string>>;
  /** The query without its question mark. */
  readonly search: string;
  readonly requestId: string;
};

type Refused = (refusal: Refusal, requestId: string) => Reply;

const REDIS_RETRY_S = 2;
const LEAVING_RETRY_S = 1;

export function createDispatch(parts: PipelineParts): Dispatch {
  const { cors, log, metrics, isLeaving } = parts;
  const match = createMatcher<Served>(parts.routes, (route) => ({ route, ...createParser(route) }));
  const refused: Refused = (refusal, requestId) => {
    metrics.refusals.inc({ code: refusal.refused });
    return problem(refusal, requestId);
  };
  const admit = createAdmit(parts, refused);

  return async (request) => {
    const startedMs = monotonicMs();
    const requestId = requestIdOf(request);
    const { path, search } = splitUrl(request.url);
    const found = match(path);
    const served = found?.methods.get(request.method);
    const preflight = served ? undefined : cors.preflight(request, found?.methods.keys() ?? []);
    const route = served?.route.name ?? (preflight ? 'preflight' : 'unknown');
    let reply: Reply;
    try {
      reply = served
        ? await admit({ request, served, params: found?.params ?? {}, search, requestId })
        : (preflight ?? refused(nothingThere(found?.methods), requestId));
    } catch (fault) {
      const refusal = refusalOf(fault);
      const level = refusal.refused === 'INTERNAL' ? 'error' : 'debug';
      log[level]({ err: fault, route, requestId }, 'a request failed');
      reply = refused(refusal, requestId);
    }
    reply.headers['x-request-id'] = requestId;
    secure(reply.headers);
    if (!preflight) Object.assign(reply.headers, cors.headers(request));
    if (isLeaving()) reply.headers['connection'] = 'close';
    metrics.requests.inc({ route, status: reply.status });
    metrics.durations.observe({ route }, (monotonicMs() - startedMs) / 1000);
    log.debug({ route, status: reply.status, requestId }, 'answered');
    return request.method === 'HEAD' ? withoutBody(reply) : reply;
  };
}

/** The gates in front of a route, then its work. */
function createAdmit(parts: PipelineParts, refused: Refused): (passage: Passage) => Promise<Reply> {
  const { identify, limits, isLeaving } = parts;
  const work = createWork(parts, refused);

  return async (passage) => {
    const { request, served, requestId } = passage;
    const { limit, caller: kind } = served.route.gates;
    if (limit !== 'none' && isLeaving())
      return refused(refuse('SHUTTING_DOWN', { retryAfterS: LEAVING_RETRY_S }), requestId);
    const caller = await identify(kind, request.header('authorization'));
    if (isRefusal(caller)) return refused(caller, requestId);
    if (limit === 'none') return work(passage, caller, await prepare(passage, caller));

    const by = [limit, request.address, caller.account] as const;
    const blocked = limits.blocked(...by);
    const preparing = blocked ? undefined : prepare(passage, caller);
    preparing?.catch(() => undefined); // is awaited below, unless the limits refuse first
    const { refusal, headers } = blocked ?? (await limits.count(...by));
    const reply =
      refusal || !preparing
        ? refused(present(refusal, 'a refusal'), requestId)
        : await work(passage, caller, await preparing);
    Object.assign(reply.headers, headers);
    return reply;
  };
}

type Prepared = {
  readonly bytes: Buffer;
  readonly call: Call;
  readonly ahead: Promise<unknown> | undefined;
};

/** Body, parsing, and what the route begins ahead of the limits' verdict. */
async function prepare(
  { request, served, params, search, requestId }: Passage,
  { account }: Caller,
): Promise<Prepared | Refusal> {
  const bytes = await served.read(request);
  if (isRefusal(bytes)) return bytes;
  const parsed = served.parse(params, search, bytes);
  if (isRefusal(parsed)) return parsed;
  const { address, header } = request;
  const call = { ...parsed, account, address, requestId, header };
  const ahead = served.route.ahead?.(call);
  ahead?.catch(() => undefined); // the handler awaits it, unless the request is refused first
  return { bytes, call, ahead };
}

/** Idempotency, handler, answer. */
function createWork({ once }: PipelineParts, refused: Refused) {
  return async (
    { request, served, requestId }: Passage,
    { owner }: Caller,
    prepared: Prepared | Refusal,
  ): Promise<Reply> => {
    if (isRefusal(prepared)) return refused(prepared, requestId);
    const { bytes, call, ahead } = prepared;
    const perform = async (): Promise<Reply> => {
      const outcome = await served.route.handler(call, ahead);
      return isRefusal(outcome) ? refused(outcome, requestId) : replyTo(request, outcome);
    };
    const key = takesKey(served.route) ? request.header('idempotency-key') : undefined;
    if (key === undefined) return perform();
    const fingerprint = `${request.method} ${request.url}\n${bytes.toString('latin1')}`;
    const outcome = await once({ owner, key, fingerprint }, perform);
    return isRefusal(outcome) ? refused(outcome, requestId) : outcome;
  };
}

/** An idempotency key belongs to somebody, and matters where something is written. */
export const takesKey = ({ method, gates }: Pick<Route, 'method' | 'gates'>): boolean =>
  method !== 'get' && gates.caller !== 'anyone';

/**
 * A client may name its request by a UUID, and by nothing else: whatever it sends ends up in our
 * log.
 */
function requestIdOf(request: HttpRequest): string {
  const presented = request.header('x-request-id');
  return presented !== undefined && isUuid(presented) ? presented : randomUUIDv7();
}

function splitUrl(url: string): { path: string; search: string } {
  const mark = url.indexOf('?');
  return mark < 0
    ? { path: url, search: '' }
    : { path: url.slice(0, mark), search: url.slice(mark + 1) };
}

const nothingThere = (methods: ReadonlyMap<string, Served> | undefined): Refusal =>
  methods
    ? refuse('METHOD_NOT_ALLOWED', { extra: { allow: [...methods.keys()] } })
    : refuse('ROUTE_UNKNOWN');

const refusalOf = (fault: unknown): Refusal =>
  isRedisAway(fault) ? refuse('UNAVAILABLE', { retryAfterS: REDIS_RETRY_S }) : refuse('INTERNAL');

function withoutBody(reply: Reply): Reply {
  if (reply.body instanceof Readable) reply.body.destroy();
  return { ...reply, body: undefined };
}
