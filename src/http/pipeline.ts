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
import type { Operator } from '../gates/operator-keys.ts';
import { gateOf } from '../gates/refused.ts';
import type { Limits, Who } from '../gates/limits.ts';
import type { Revocations } from '../gates/revocations.ts';
import { present } from '../lib/assert.ts';
import { monotonicMs } from '../lib/clock.ts';
import type { Log } from '../log.ts';
import type { HttpMetrics } from '../metrics/http.ts';
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
import { isRedisAway, isWriteRefused } from './unavailable.ts';

export type PipelineParts = {
  readonly routes: readonly Route[];
  readonly identify: Identify;
  readonly recognise: Recognise;
  readonly captcha: Captcha;
  readonly limits: Limits;
  readonly revocations: Revocations;
  readonly audit: Pick<Audit, 'audited' | 'write'>;
  readonly once: Once;
  readonly cors: Cors;
  readonly tally: Tally['refused'];
  /** True once the process is about to end: each answer is the last of its connection. */
  readonly isLeaving: () => boolean;
  readonly log: Log;
  /** Whether this request is one of those that the log has a line of. */
  readonly isLogged: () => boolean;
  readonly metrics: HttpMetrics;
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
  /**
   * Nobody, of an operator with a good key: no mistake of theirs is an offence. Without its account
   * while the access token is not known to stand: a thief's requests are not its owner's.
   */
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
const READ_ONLY = 'Nothing can be written just now; what was acknowledged is kept and can be read.';

export function createDispatch(parts: PipelineParts): Dispatch {
  const { log, isLogged, metrics, isLeaving } = parts;
  const match = createMatcher<Served>(parts.routes, (route) => ({ route, ...createParser(route) }));
  const refused: Refused = (refusal, { request, served, requestId, heard }) => {
    metrics.refusals.inc({ code: refusal.refused, gate: gateOf(refusal.refused) });
    if (heard.who) parts.tally(refusal.refused, heard.release, heard.who);
    const dialect = served?.route.dialect;
    return dialect ? replyTo(request, dialect.refusal(refusal)) : problem(refusal, requestId);
  };
  const admit = createAdmit(parts, refused);

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
    const passage = { request, served, requestId, heard };
    let reply: Reply;
    try {
      reply = served
        ? await admit({ request, served, params, search, requestId, heard })
        : (preflight ?? refused(nothingThere(found?.methods), passage));
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

/** The gates in front of a route, then its work. */
function createAdmit(parts: PipelineParts, refused: Refused): (passage: Passage) => Promise<Reply> {
  const { identify, recognise, captcha, limits, revocations, audit } = parts;
  const prepare = createPrepare(captcha);
  const work = createWork(parts, refused);
  /** Asked of Redis in the pipeline of the limits. */
  const revoked = async ({ grant }: Caller): Promise<Refusal | undefined> =>
    !grant || (await revocations.stands(grant)) ? undefined : refuse('ACCESS_TOKEN_REVOKED');

  return async (passage) => {
    const { request, served, heard } = passage;
    const { gates } = served.route;
    const caller = await identify(gates.caller, request.header('authorization'), request.address);
    if (isRefusal(caller)) return refused(caller, passage);
    const token = mayHaveDevice(gates) ? request.header('device-token') : undefined;
    const device = await recognise(gates.device ?? false, token, caller.grant?.device ?? '');
    if (isRefusal(device)) return refused(device, passage);
    const who = { address: request.address, account: caller.account, device };
    const { grant } = caller;
    const stood = grant ? revocations.lately(grant) : true;
    const own = caller.operator ? undefined : who;
    heard.who = own && (stood ? own : { ...own, account: '' });
    if (stood === false) return refused(refuse('ACCESS_TOKEN_REVOKED'), passage);
    const lacking = scopeRefusal(gates, caller);
    if (gates.limit === 'none') {
      const refusal = lacking ?? (await revoked(caller));
      return refusal
        ? refused(refusal, passage)
        : work(passage, caller, await prepare(passage, caller, who));
    }

    const counting = { ...who, account: countedAs(caller) };
    const inMemory = IN_MEMORY.has(gates.limit)
      ? await limits.count(gates.limit, counting)
      : undefined;
    const blocked = inMemory?.refusal ? inMemory : limits.blocked(gates.limit, counting);
    const header = request.header('captcha-solution');
    const solution = blocked ? undefined : captcha.present(gates.captcha, header, who);
    // Who is refused unasked is asked about now and then, so that it is known whose account it is.
    if ((blocked ?? isRefusal(solution)) && stood === undefined)
      revoked(caller).catch(() => undefined);
    if (isRefusal(solution)) return refused(solution, passage);
    // What is counted in memory asks Redis nothing, not even whether the account has signed out:
    // it shows a signed-in client little more than anyone may see.
    const known = blocked ?? inMemory;
    const revoking = known ? undefined : revoked(caller);
    const preparing =
      blocked || lacking
        ? undefined
        : prepare(passage, caller, who, solution, stood ? undefined : revoking);
    preparing?.catch(() => undefined); // is awaited below, unless a gate refuses first
    const [counted, signedOut] = known
      ? [known, undefined]
      : await Promise.all([limits.count(gates.limit, counting), revoking]);
    if (!known && !signedOut) heard.who = own;
    const refusal = signedOut ?? counted.refusal ?? lacking;
    if (refusal && refusal === lacking)
      await audit.write(actionOf(passage, caller), lacking.refused);
    const reply =
      refusal || !preparing
        ? refused(present(refusal, 'a refusal'), passage)
        : await work(passage, caller, await preparing, counted.share);
    // What a cache keeps for good would tell everybody of one asker's limits.
    if (!isKeptForGood(reply)) Object.assign(reply.headers, counted.headers);
    return reply;
  };
}

type Begun = {
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
    /** Why the access token is refused, if it is; left out where it stood a moment ago. */
    revoking?: Promise<Refusal | undefined>,
  ): Promise<Begun | Refusal> => {
    const { route } = served;
    const bytes = await served.read(request);
    if (isRefusal(bytes)) return bytes;
    const parsed = served.parse(params, search, bytes);
    if (isRefusal(parsed)) return parsed;
    const release = releaseOf(parsed);
    heard.release = release ?? '';
    const key = keyOf(route, request);
    const attempt = key === undefined ? undefined : `${owner} ${key}`;
    const admission =
      solution &&
      route.gates.captcha &&
      captcha.begin(solution, route.gates.captcha, release, attempt);
    if (isRefusal(admission)) return admission;
    const named = { operator: operator?.name ?? '', centres: operator?.centres, requestId };
    const call = { ...parsed, ...who, ...named, header: request.header };
    const ahead =
      route.claims && revoking
        ? revoking.then((refusal) => (refusal ? undefined : route.ahead?.(call)))
        : route.ahead?.(call);
    ahead?.catch(() => undefined); // the handler awaits it, unless the request is refused first
    return { bytes, call, ahead, admission };
  };
}

/** Captcha solution, idempotency, audit, handler, answer. */
function createWork({ once, audit }: PipelineParts, refused: Refused) {
  return async (
    passage: Passage,
    caller: Caller,
    prepared: Begun | Refusal,
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
    const isBounded = caller.operator === undefined;
    const outcome = await once({ owner: caller.owner, isBounded, key, fingerprint }, perform);
    return isRefusal(outcome) ? refused(outcome, passage) : outcome;
  };
}

/**
 * An account's requests are counted apart for each epoch: who signs out everywhere has limits that
 * a stolen token does not use up. A new epoch takes an OTP, so nobody gains limits by it.
 */
const countedAs = ({ account, grant }: Caller): string =>
  grant && grant.epoch > 0 ? `${account}:${grant.epoch}` : account;

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
  return {
    ...(isOfCentres(served.route, operator) && { of: 'centres' as const }),
    who: operator?.name ?? '',
    what: served.route.name,
    // Of an address that no schema has seen yet, no more than a release's id can hold.
    subject: typeof subject === 'string' && RELEASE_ID.test(subject) ? subject : '',
    requestId,
  };
}

/**
 * Whether it is a centre's. What a key of centres alone tries beyond its scope is too, or one of
 * them could push the operators' lines out of their stream.
 */
function isOfCentres({ gates }: Route, operator: Operator | undefined): boolean {
  if (gates.caller !== 'operator' || !operator?.scopes.includes('vaccinator')) return false;
  return gates.scope === 'vaccinator' || operator.scopes.every((scope) => scope === 'vaccinator');
}

/** Also of a booking, whose id begins with it. */
function releaseNamedIn(body: unknown): unknown {
  const release = releaseIn(body);
  if (release !== undefined || typeof body !== 'object' || body === null) return release;
  return 'booking' in body && typeof body.booking === 'string' ? body.booking.split('.')[0] : '';
}

/** Elsewhere a device token changes nothing, and is not looked at. */
export const mayHaveDevice = ({ device, caller }: Route['gates']): boolean =>
  device === true || caller === 'account' || caller === 'either';

const keyOf = (route: Route, request: HttpRequest): string | undefined =>
  takesKey(route) ? request.header('idempotency-key') : undefined;

/** The release that a request names, in its body or its path. */
function releaseOf({ params, body }: Parsed): string | undefined {
  const named = releaseIn(body) ?? releaseIn(params);
  return typeof named === 'string' ? named : undefined;
}

const releaseIn = (part: unknown): unknown =>
  typeof part === 'object' && part !== null && 'release' in part ? part.release : undefined;

/**
 * An idempotency key belongs to somebody, and matters where something is written: another captcha
 * is as good as the one that was lost, and large to keep.
 */
export const takesKey = ({ method, gates }: Pick<Route, 'method' | 'gates'>): boolean =>
  method !== 'get' &&
  gates.limit !== 'captcha' &&
  gates.caller !== 'anyone' &&
  gates.caller !== 'either';

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
