/**
 * The path of every request: match, who asks (asker.ts), whether they are let in (admit.ts), what
 * is done (work.ts), answer. Each step costs more than the one before it, so a flood is turned away
 * where it is cheapest. Steps give refusals back; here they become answers and are counted.
 */
import { randomUUIDv7 } from 'node:crypto';
import { Readable } from 'node:stream';
import { validate as isUuid } from 'uuid';
import type { Tally } from '../gates/bots/tally.ts';
import type { Counted } from '../gates/limits.ts';
import { gateOf } from '../gates/refused.ts';
import { monotonicMs } from '../lib/clock.ts';
import type { Log } from '../log.ts';
import type { HttpMetrics } from '../metrics/http.ts';
import { isRefusal, type Refusal, refuse } from '../refusal.ts';
import { type AdmitParts, createAdmit } from './admit.ts';
import { replyTo } from './answer.ts';
import { type AskerParts, createWhoAsks } from './asker.ts';
import type { Cors } from './cors.ts';
import type { Dispatch, HttpRequest, Reply } from './exchange.ts';
import { createMatcher, type Match } from './match.ts';
import { createParser } from './parse.ts';
import { hear, type Passage, type Served } from './passage.ts';
import { problem } from './problem.ts';
import type { Route } from './route.ts';
import { secure } from './security-headers.ts';
import { isRedisAway, isWriteRefused } from './unavailable.ts';
import { createWork, type WorkParts } from './work.ts';

export type PipelineParts = AskerParts &
  AdmitParts &
  WorkParts & {
    readonly routes: readonly Route[];
    readonly cors: Cors;
    readonly tally: Tally['refused'];
    /** True once the process is about to end: each answer is the last of its connection. */
    readonly isLeaving: () => boolean;
    readonly log: Log;
    /** Whether this request is one of those that the log has a line of. */
    readonly isLogged: () => boolean;
    readonly metrics: HttpMetrics;
  };

type Outcome = {
  readonly outcome: Reply | Refusal;
  /** What the limits said, where they were asked. */
  readonly counted?: Counted | undefined;
};

/**
 * A body that is this large, and larger than its route takes, ends the connection with its refusal:
 * to read a megabyte and drop it costs ten times what another refusal does.
 */
const VAST_BODY_BYTES = 64 * 1024;
const REDIS_RETRY_S = 2;
const READ_ONLY = 'Nothing can be written just now; what was acknowledged is kept and can be read.';

export function createDispatch(parts: PipelineParts): Dispatch {
  const { log, isLogged, metrics, isLeaving } = parts;
  const match = createMatcher<Served>(parts.routes, (route) => ({ route, ...createParser(route) }));
  const serve = createServe(parts);
  const refused = createRefused(parts);

  return async (request) => {
    const startedMs = monotonicMs();
    metrics.began();
    const requestId = requestIdOf(request);
    const { path, search } = splitUrl(request.url);
    const found = match(path);
    const served = found?.methods.get(request.method);
    const cors = corsOf(found, served) ?? parts.cors;
    const preflight = served ? undefined : cors.preflight(request, found?.methods.keys() ?? []);
    const route = served?.route.name ?? (preflight ? 'preflight' : 'unknown');
    const params = found?.params ?? {};
    const heard = hear(request, served, params);
    const passage = { request, served, params, search, requestId, heard };
    let reply: Reply;
    try {
      const { outcome, counted }: Outcome = served
        ? await serve({ ...passage, served })
        : { outcome: preflight ?? nothingThere(found?.methods) };
      reply = isRefusal(outcome) ? refused(outcome, passage) : outcome;
      // What a cache keeps for good would tell everybody of one asker's limits.
      if (counted && !isKeptForGood(reply)) Object.assign(reply.headers, counted.headers);
    } catch (fault) {
      const refusal = refusalOf(fault);
      const level = refusal.refused === 'INTERNAL' ? 'error' : 'debug';
      log[level]({ err: fault, route, requestId }, 'a request failed');
      reply = refused(refusal, passage);
    }
    reply.headers['x-request-id'] = requestId;
    secure(reply.headers);
    if (!preflight) addCors(reply.headers, cors.headers(request));
    if (isLeaving() || isVast(request, served)) reply.headers['connection'] = 'close';
    metrics.ended();
    metrics.requests.inc({ route, status: reply.status });
    const durationMs = monotonicMs() - startedMs;
    metrics.durations.observe({ route }, durationMs / 1000);
    log[isLogged() ? 'info' : 'debug'](
      { route, status: reply.status, durationMs, requestId },
      'answered',
    );
    return request.method === 'HEAD' ? withoutBody(reply) : reply;
  };
}

/** The steps of a request that has a route: each takes what those before it found. */
function createServe(parts: PipelineParts): (passage: Passage) => Promise<Outcome> {
  const whoAsks = createWhoAsks(parts);
  const admit = createAdmit(parts);
  const work = createWork(parts);
  return async (passage) => {
    const asker = await whoAsks(passage);
    if (isRefusal(asker)) return { outcome: asker };
    const { begun, counted } = await admit(passage, asker);
    if (isRefusal(begun)) return { outcome: begun, counted };
    return { outcome: await work(passage, asker.caller, begun, counted?.share ?? 0), counted };
  };
}

/** A refusal as an answer, counted. */
function createRefused({ metrics, tally }: PipelineParts) {
  return (refusal: Refusal, passage: Passage<Served | undefined>): Reply => {
    const { request, served, requestId, heard } = passage;
    metrics.refusals.inc({ code: refusal.refused, gate: gateOf(refusal.refused) });
    if (heard.who) tally(refusal.refused, heard.release, heard.who);
    const dialect = served?.route.dialect;
    return dialect ? replyTo(request, dialect.refusal(refusal)) : problem(refusal, requestId);
  };
}

/** An answer may depend on its asker's origin and on what else its route says. */
function addCors(headers: Reply['headers'], cors: Reply['headers']): void {
  const { vary } = headers;
  Object.assign(headers, cors);
  if (vary !== undefined && cors['vary'] !== undefined && vary !== cors['vary'])
    headers['vary'] = `${vary}, ${cors['vary']}`;
}

const isKeptForGood = ({ headers }: Reply): boolean =>
  String(headers['cache-control']).endsWith('immutable');

/** What a dialect says of other origins, of an address where it has a route. */
const corsOf = (found: Match<Served> | undefined, served: Served | undefined): Cors | undefined =>
  (served ?? found?.methods.values().next().value)?.route.dialect?.cors;

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

const isVast = (request: HttpRequest, served: Served | undefined): boolean =>
  Number(request.header('content-length')) > Math.max(served?.limitBytes ?? 0, VAST_BODY_BYTES);

const nothingThere = (methods: ReadonlyMap<string, Served> | undefined): Refusal =>
  methods
    ? refuse('METHOD_NOT_ALLOWED', { extra: { allow: [...methods.keys()] } })
    : refuse('ROUTE_UNKNOWN');

function refusalOf(fault: unknown): Refusal {
  if (!isRedisAway(fault)) return refuse('INTERNAL');
  const retryAfterS = REDIS_RETRY_S;
  return refuse('UNAVAILABLE', {
    retryAfterS,
    ...(isWriteRefused(fault) && { detail: READ_ONLY }),
  });
}

function withoutBody(reply: Reply): Reply {
  if (reply.body instanceof Readable) reply.body.destroy();
  return { ...reply, body: undefined };
}
