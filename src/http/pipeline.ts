/**
 * The path of every request, in this order: match, caller, device, captcha ticket, limits (from
 * memory, then from Redis while the body is read and parsed and the ticket is used), captcha
 * solution, idempotency, handler, answer. Each step costs more than the
 * one before it, so a flood is turned away where it is cheapest.
 */
import { randomUUIDv7 } from 'node:crypto';
import { Readable } from 'node:stream';
import { validate as isUuid } from 'uuid';
import type { Audit } from '../gates/audit.ts';
import { type Caller, type Identify, scopeRefusal } from '../gates/callers.ts';
import type { Admission, Captcha, Presented } from '../gates/captcha/captcha.ts';
import type { Recognise } from '../gates/devices.ts';
import type { Tally } from '../gates/bots/tally.ts';
import { IN_MEMORY } from '../gates/limit-table.ts';
import type { Limits, Who } from '../gates/limits.ts';
import type { Revocations } from '../gates/revocations.ts';
import { present } from '../lib/assert.ts';
import { monotonicMs } from '../lib/clock.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { isRefusal, type Refusal, refuse } from '../refusal.ts';
import { replyTo } from './answer.ts';
import type { Cors } from './cors.ts';
import type { Dispatch, HttpRequest, Reply } from './exchange.ts';
import type { Once } from './idempotency.ts';
import { createMatcher, type Match } from './match.ts';
import { createParser, type Parsed, type Parser } from './parse.ts';
import { problem } from './problem.ts';
import type { Answer, Call, Route } from './route.ts';
import { secure } from './security-headers.ts';
import { isRedisAway } from './unavailable.ts';

export type PipelineParts = {
  readonly routes: readonly Route[];
  readonly identify: Identify;
  readonly recognise: Recognise;
  readonly captcha: Captcha;
  readonly limits: Limits;
  readonly revocations: Pick<Revocations, 'stands'>;
  readonly audit: Pick<Audit, 'audited' | 'write'>;
  readonly once: Once;
  readonly cors: Cors;
  readonly tally: Tally['refused'];
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
  readonly heard: Heard;
};

/** What is known of a request so far, for the tally of refusals. */
type Heard = {
  /** Nobody, of an operator with a good key: no mistake of theirs is an offence. */
  who: Who | undefined;
  /** '' where it names none. */
  release: string;
};

type Refused = (
  refusal: Refusal,
  passage: Pick<Passage, 'request' | 'requestId' | 'heard'> & { served: Served | undefined },
) => Reply;

/** What an audit line or a tally may quote of a request. */
const RELEASE_ID = /^[a-z0-9][a-z0-9-]{0,63}$/;

/**
 * A body that is this large, and larger than its route takes, ends the connection with its refusal:
 * to read a megabyte and drop it costs ten times what another refusal does.
 */
const VAST_BODY_BYTES = 64 * 1024;
const REDIS_RETRY_S = 2;
const LEAVING_RETRY_S = 1;

export function createDispatch(parts: PipelineParts): Dispatch {
  const { log, metrics, isLeaving } = parts;
  const match = createMatcher<Served>(parts.routes, (route) => ({ route, ...createParser(route) }));
  const refused: Refused = (refusal, { request, served, requestId, heard }) => {
    metrics.refusals.inc({ code: refusal.refused });
    if (heard.who) parts.tally(refusal.refused, heard.release, heard.who);
    const dialect = served?.route.dialect;
    return dialect ? replyTo(request, dialect.refusal(refusal)) : problem(refusal, requestId);
  };
  const admit = createAdmit(parts, refused);

  return async (request) => {
    const startedMs = monotonicMs();
    const requestId = requestIdOf(request);
    const { path, search } = splitUrl(request.url);
    const found = match(path);
    const served = found?.methods.get(request.method);
    const cors = corsOf(found, served) ?? parts.cors;
    const preflight = served ? undefined : cors.preflight(request, found?.methods.keys() ?? []);
    const route = served?.route.name ?? (preflight ? 'preflight' : 'unknown');
    const params = found?.params ?? {};
    const heard = hear(request, served, params);
    const passage = { request, served, requestId, heard };
    let reply: Reply;
    try {
      reply = served
        ? await admit({ ...passage, served, params, search })
        : (preflight ?? refused(nothingThere(found?.methods), passage));
    } catch (fault) {
      const refusal = refusalOf(fault);
      const level = refusal.refused === 'INTERNAL' ? 'error' : 'debug';
      log[level]({ err: fault, route, requestId }, 'a request failed');
      reply = refused(refusal, passage);
    }
    reply.headers['x-request-id'] = requestId;
    secure(reply.headers);
    if (!preflight) Object.assign(reply.headers, cors.headers(request));
    if (isLeaving() || isVast(request, served)) reply.headers['connection'] = 'close';
    metrics.requests.inc({ route, status: reply.status });
    metrics.durations.observe({ route }, (monotonicMs() - startedMs) / 1000);
    log.debug({ route, status: reply.status, requestId }, 'answered');
    return request.method === 'HEAD' ? withoutBody(reply) : reply;
  };
}

/** What a dialect says of other origins, of an address where it has a route. */
const corsOf = (found: Match<Served> | undefined, served: Served | undefined): Cors | undefined =>
  (served ?? found?.methods.values().next().value)?.route.dialect?.cors;

/** The gates in front of a route, then its work. */
function createAdmit(parts: PipelineParts, refused: Refused): (passage: Passage) => Promise<Reply> {
  const { identify, recognise, captcha, limits, revocations, audit, isLeaving } = parts;
  const prepare = createPrepare(captcha);
  const work = createWork(parts, refused);
  /** Asked of Redis in the pipeline of the limits. */
  const revoked = async ({ grant }: Caller): Promise<Refusal | undefined> =>
    !grant || (await revocations.stands(grant)) ? undefined : refuse('ACCESS_TOKEN_REVOKED');

  return async (passage) => {
    const { request, served, heard } = passage;
    const { gates } = served.route;
    if (gates.limit !== 'none' && isLeaving())
      return refused(refuse('SHUTTING_DOWN', { retryAfterS: LEAVING_RETRY_S }), passage);
    const caller = await identify(gates.caller, request.header('authorization'), request.address);
    if (isRefusal(caller)) return refused(caller, passage);
    const token = mayHaveDevice(gates) ? request.header('device-token') : undefined;
    const device = await recognise(gates.device ?? false, token, caller.grant?.device ?? '');
    if (isRefusal(device)) return refused(device, passage);
    const who = { address: request.address, account: caller.account, device };
    heard.who = caller.operator ? undefined : who;
    const lacking = scopeRefusal(gates, caller);
    if (gates.limit === 'none') {
      const refusal = lacking ?? (await revoked(caller));
      return refusal
        ? refused(refusal, passage)
        : work(passage, caller, await prepare(passage, caller, who));
    }

    const inMemory = IN_MEMORY.has(gates.limit) ? await limits.count(gates.limit, who) : undefined;
    const blocked = inMemory?.refusal ? inMemory : limits.blocked(gates.limit, who);
    const header = request.header('captcha-solution');
    const solution = blocked ? undefined : captcha.present(gates.captcha, header, who);
    if (isRefusal(solution)) return refused(solution, passage);
    const preparing = blocked || lacking ? undefined : prepare(passage, caller, who, solution);
    preparing?.catch(() => undefined); // is awaited below, unless a gate refuses first
    // What is counted in memory asks Redis nothing, not even whether the account has signed out:
    // it shows a signed-in client little more than anyone may see.
    const known = blocked ?? inMemory;
    const [counted, signedOut] = known
      ? [known, undefined]
      : await Promise.all([limits.count(gates.limit, who), revoked(caller)]);
    const refusal = counted.refusal ?? signedOut ?? lacking;
    if (refusal && refusal === lacking)
      await audit.write(actionOf(passage, caller), lacking.refused);
    const reply =
      refusal || !preparing
        ? refused(present(refusal, 'a refusal'), passage)
        : await work(passage, caller, await preparing, counted.share);
    Object.assign(reply.headers, counted.headers);
    return reply;
  };
}

type Prepared = {
  readonly bytes: Buffer;
  readonly call: Call;
  readonly ahead: Promise<unknown> | undefined;
  readonly admission: Admission | undefined;
};

/** Body, parsing, and what is begun ahead of the limits' verdict. */
function createPrepare(captcha: Captcha) {
  return async (
    { request, served, params, search, requestId, heard }: Passage,
    { owner, operator }: Caller,
    who: Who,
    solution?: Presented,
  ): Promise<Prepared | Refusal> => {
    const { route } = served;
    const bytes = await served.read(request);
    if (isRefusal(bytes)) return bytes;
    const parsed = served.parse(params, search, bytes);
    if (isRefusal(parsed)) return parsed;
    heard.release = releaseOf(parsed) ?? '';
    const key = keyOf(route, request);
    const attempt = key === undefined ? undefined : `${owner} ${key}`;
    const admission =
      solution &&
      route.gates.captcha &&
      captcha.begin(solution, route.gates.captcha, releaseOf(parsed), attempt);
    if (isRefusal(admission)) return admission;
    const named = { operator: operator?.name ?? '', centres: operator?.centres, requestId };
    const call = { ...parsed, ...who, ...named, header: request.header };
    const ahead = route.ahead?.(call);
    ahead?.catch(() => undefined); // the handler awaits it, unless the request is refused first
    return { bytes, call, ahead, admission };
  };
}

/** Captcha solution, idempotency, audit, handler, answer. */
function createWork({ once, audit }: PipelineParts, refused: Refused) {
  return async (
    passage: Passage,
    caller: Caller,
    prepared: Prepared | Refusal,
    share = 0,
  ): Promise<Reply> => {
    const { request, served } = passage;
    if (isRefusal(prepared)) return refused(prepared, passage);
    const { bytes, call, ahead, admission } = prepared;
    const use = await admission?.();
    if (isRefusal(use)) return refused(use, passage);
    const handle = () => served.route.handler(call, ahead, share);
    const seen = caller.operator !== undefined && served.route.method !== 'get';
    const perform = async (): Promise<Reply> => {
      // One solution does one thing: an answer may be repeated, a refusal not be tried anew.
      if (use === 'AGAIN') return refused(refuse('CAPTCHA_SPENT'), passage);
      const outcome = seen
        ? await audit.audited(actionOf(passage, caller, call.body), handle, outcomeWord)
        : await handle();
      return isRefusal(outcome) ? refused(outcome, passage) : replyTo(request, outcome);
    };
    const key = keyOf(served.route, request);
    if (key === undefined) return perform();
    const fingerprint = `${request.method} ${request.url}\n${bytes.toString('latin1')}`;
    const outcome = await once({ owner: caller.owner, key, fingerprint }, perform);
    return isRefusal(outcome) ? refused(outcome, passage) : outcome;
  };
}

/** What a request says of itself before any gate has looked at it. */
function hear(
  { address }: HttpRequest,
  served: Served | undefined,
  { release = '' }: Passage['params'],
): Heard {
  const forCitizens = served?.route.gates.caller !== 'operator';
  return {
    who: { address, account: '', device: '' },
    release: forCitizens && RELEASE_ID.test(release) ? release : '',
  };
}

const outcomeWord = (outcome: Answer | Refusal): string =>
  isRefusal(outcome) ? outcome.refused : 'DONE';

/** What the audit stream says of a request. `body`: parsed, where it has been. */
function actionOf({ served, params, requestId }: Passage, { operator }: Caller, body?: unknown) {
  const subject = params['release'] ?? releaseNamedIn(body);
  const { gates } = served.route;
  const isCentre =
    gates.caller === 'operator' &&
    gates.scope === 'vaccinator' &&
    operator?.scopes.includes(gates.scope);
  return {
    ...(isCentre && { of: 'centres' as const }),
    who: operator?.name ?? '',
    what: served.route.name,
    // Of an address that no schema has seen yet, no more than a release's id can hold.
    subject: typeof subject === 'string' && RELEASE_ID.test(subject) ? subject : '',
    requestId,
  };
}

/** Also of a booking, whose id begins with it. */
function releaseNamedIn(body: unknown): unknown {
  if (typeof body !== 'object' || body === null) return '';
  if ('release' in body) return body.release;
  return 'booking' in body && typeof body.booking === 'string' ? body.booking.split('.')[0] : '';
}

/** Elsewhere a device token changes nothing, and is not looked at. */
export const mayHaveDevice = ({ device, caller }: Route['gates']): boolean =>
  device === true || caller === 'account' || caller === 'either';

const keyOf = (route: Route, request: HttpRequest): string | undefined =>
  takesKey(route) ? request.header('idempotency-key') : undefined;

/** The release that a request names, in its path or its body. */
function releaseOf({ params, body }: Parsed): string | undefined {
  const named: unknown = Object.assign({}, params, body);
  const release = (named as { readonly release?: unknown }).release;
  return typeof release === 'string' ? release : undefined;
}

/** An idempotency key belongs to somebody, and matters where something is written. */
export const takesKey = ({ method, gates }: Pick<Route, 'method' | 'gates'>): boolean =>
  method !== 'get' && gates.caller !== 'anyone' && gates.caller !== 'either';

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

const refusalOf = (fault: unknown): Refusal =>
  isRedisAway(fault) ? refuse('UNAVAILABLE', { retryAfterS: REDIS_RETRY_S }) : refuse('INTERNAL');

function withoutBody(reply: Reply): Reply {
  if (reply.body instanceof Readable) reply.body.destroy();
  return { ...reply, body: undefined };
}
