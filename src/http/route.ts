/**
 * A route as data: what it accepts, which gates stand before it, what it can answer. Express,
 * OpenAPI and the tests are all made from these; nothing here or in a slice's routes.ts knows
 * Express.
 */
import type { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import type { Admitted } from '../gates/callers.ts';
import type { CaptchaPurpose } from '../gates/captcha/captcha.ts';
import type { LimitName } from '../gates/limit-table.ts';
import type { Refusal } from '../refusal.ts';
import type { Cors } from './cors.ts';

export type { LimitName };

export type Method = 'get' | 'put' | 'post' | 'delete';

/**
 * Who must be calling: nobody in particular, an account with its access token, an operator with a
 * key of a scope; and which limit counts them.
 */
export type Gates = Admitted & {
  /** `none`: probes, which must be answered while Redis is away or the process leaves. */
  readonly limit: LimitName | 'none';
  /**
   * What a solved captcha must be for: of the release that the request names in its path or body,
   * where it names one.
   */
  readonly captcha?: CaptchaPurpose;
  /** True where a device that we minted must be calling. */
  readonly device?: true;
};

export type Answer = {
  readonly status: number;
  /** JSON; bytes, a stream, or a string whose `content-type` is given pass through as they are. */
  readonly body?: unknown;
  /**
   * Names in any case. An `etag` makes a GET conditional; without `cache-control` nothing is to be
   * stored.
   */
  readonly headers?: Readonly<Record<string, string>>;
};

export type Call<P = unknown, Q = unknown, B = unknown> = {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** The calling account; present where `gates.caller` is `account`. */
  readonly account: string;
  /** Name of the calling operator's key; empty where no operator calls. */
  readonly operator: string;
  /** Centres that this key is bound to; undefined where it is bound to none. */
  readonly centres?: readonly string[] | undefined;
  /** The calling device; empty where none is known. */
  readonly device: string;
  /** Address of the client, for limits. */
  readonly address: string;
  readonly requestId: string;
  /** Lower-case request headers that a handler may need (conditional requests). */
  readonly header: (name: string) => string | undefined;
};

/** A surface that somebody else has defined, and words what all routes share in its own way. */
export type Dialect = {
  /** Where its routes begin, and its OpenAPI document and pages with them. */
  readonly root: string;
  readonly title: string;
  readonly refusal: (refusal: Refusal) => Answer;
  /** Codes that also come with a Retry-After, where that is worded otherwise. */
  readonly momentary: readonly ErrorCode[];
  readonly cors: Cors;
};

type Shape<S> = S extends z.ZodType ? z.output<S> : undefined;

export type RouteDefinition<
  P extends z.ZodObject | undefined,
  Q extends z.ZodObject | undefined,
  B extends z.ZodType | undefined,
  A = undefined,
> = {
  readonly method: Method;
  /** With `:name` parameters, as in `/v1/releases/:release/entry`. */
  readonly path: string;
  readonly name: string;
  readonly summary: string;
  readonly slice: string;
  /** Ours where it is left out: RFC 9457, and the origins of the configuration. */
  readonly dialect?: Dialect;
  /** What everybody asks for in the same minute: served without Express in front (http/hot.ts). */
  readonly hot?: true;
  readonly gates: Gates;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /**
   * Media type of the body where it is not JSON (a CSV import: `text/csv`, then `body` is a string
   * schema).
   */
  readonly bodyType?: string;
  /** Largest body in bytes; the default of http/app.ts where left out. */
  readonly bodyLimitBytes?: number;
  /** Elements of the longest list in a JSON body; the default of http/parse.ts where left out. */
  readonly bodyListLimit?: number;
  /** Success statuses with the schema of their bodies; null: no body; a media type: not JSON. */
  readonly answers: Readonly<Record<number, z.ZodType | null | { readonly mediaType: string }>>;
  /** What this route itself can refuse; what its gates refuse is added from `gates`. */
  readonly errors: readonly ErrorCode[];
  /**
   * Begun while the limits are counted, so that both share a round trip to Redis; the handler gets
   * what it gives. It must do no harm when the request is refused after all, and it cannot refuse.
   */
  readonly ahead?: (call: Call<Shape<P>, Shape<Q>, Shape<B>>) => Promise<A>;
  /**
   * That `ahead` claims people. It waits until the access token is known to stand, unless it did
   * seconds ago: a revoked one must not keep its owner's people from another release.
   */
  readonly claims?: true;
  readonly handler: (
    call: Call<Shape<P>, Shape<Q>, Shape<B>>,
    ahead: Promise<A>,
    /** Of the tightest limit that counts here, what is used up: 0 to 1. */
    share: number,
  ) => Promise<Answer | Refusal>;
};

/**
 * A route whose schemas' types have served their purpose: handlers are called with parsed values
 * only.
 */
export type Route = Omit<
  RouteDefinition<z.ZodObject, z.ZodObject, z.ZodType>,
  'ahead' | 'handler'
> & {
  readonly ahead?: (call: Call) => Promise<unknown>;
  readonly handler: (
    call: Call,
    ahead: Promise<unknown> | undefined,
    share: number,
  ) => Promise<Answer | Refusal>;
};

export const route = <
  const P extends z.ZodObject | undefined = undefined,
  const Q extends z.ZodObject | undefined = undefined,
  const B extends z.ZodType | undefined = undefined,
  A = undefined,
>(
  definition: RouteDefinition<P, Q, B, A>,
): Route => definition as unknown as Route;

/** Elsewhere a device token changes nothing, and is not looked at. */
export const mayHaveDevice = ({ device, caller }: Route['gates']): boolean =>
  device === true || caller === 'account' || caller === 'either';

/**
 * An idempotency key belongs to somebody, and matters where something is written: another captcha
 * is as good as the one that was lost, and large to keep.
 */
export const takesKey = ({ method, gates }: Pick<Route, 'method' | 'gates'>): boolean =>
  method !== 'get' &&
  gates.limit !== 'captcha' &&
  gates.caller !== 'anyone' &&
  gates.caller !== 'either';
