/**
 * Cross-origin requests of browsers (the Fetch standard's CORS protocol): front ends on the origins
 * of the configuration may call the API and read its answers. No cookie or other credential of a
 * browser is ever asked for; an access token travels in a header that a front end sets itself.
 */
import { z } from 'zod';
import type { HttpRequest, Reply } from './exchange.ts';

export type Cors = {
  /**
   * The answer to a browser that asks whether it may ask; undefined for anything else. `methods`:
   * what the address takes.
   */
  readonly preflight: (request: HttpRequest, methods: Iterable<string>) => Reply | undefined;
  /** What every other answer to this request says about who may read it. */
  readonly headers: (request: HttpRequest) => Reply['headers'];
};

const ACCEPTED =
  'authorization, captcha-solution, content-type, device-token, idempotency-key, if-none-match, ' +
  'x-request-id';
const EXPOSED =
  'allow, content-disposition, etag, idempotent-replayed, ratelimit, ratelimit-policy, ' +
  'retry-after, www-authenticate, x-request-id';
/** The longest that any browser remembers the answer. */
const REMEMBERED_S = 86_400;
const VARY = { vary: 'Origin' };
const NOTHING = {};

/** A setting: exact origins with commas between them. */
export const OriginsText = z.string().transform((text, context): string[] => {
  const origins = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  for (const one of origins)
    if (!isOrigin(one))
      context.addIssue({ code: 'custom', message: `${one} is no origin: https://host[:port]` });
  return origins;
});

/** As a browser spells it, which is what it is compared with. */
function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  return /^https?:$/.test(url?.protocol ?? '') && url?.origin === text;
}

/** Any page may call, since what it calls is public or needs a token that only its user has. */
export const ANY_ORIGIN: Cors = {
  headers: () => ({
    'access-control-allow-origin': '*',
    'access-control-expose-headers': EXPOSED,
  }),
  preflight: (request, methods) =>
    asksAhead(request)
      ? allowed('*', methods, { 'access-control-allow-headers': 'authorization, *' })
      : undefined,
};

const asksAhead = ({ method, header }: HttpRequest): boolean =>
  method === 'OPTIONS' &&
  header('access-control-request-method') !== undefined &&
  header('origin') !== undefined;

const allowed = (
  origin: string,
  methods: Iterable<string>,
  more: Reply['headers'] = { ...VARY, 'access-control-allow-headers': ACCEPTED },
): Reply => ({
  status: 204,
  headers: {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': [...methods].join(', '),
    'access-control-max-age': String(REMEMBERED_S),
    ...more,
  },
  body: undefined,
});

export function createCors(origins: readonly string[]): Cors {
  const known = new Set(origins);
  if (known.size === 0) return { preflight: () => undefined, headers: () => NOTHING };

  const headers: Cors['headers'] = ({ header }) => {
    const origin = header('origin');
    if (origin === undefined || !known.has(origin)) return VARY;
    return {
      ...VARY,
      'access-control-allow-origin': origin,
      'access-control-expose-headers': EXPOSED,
    };
  };
  const preflight: Cors['preflight'] = (request, methods) => {
    const origin = request.header('origin') ?? '';
    return asksAhead(request) && known.has(origin) ? allowed(origin, methods) : undefined;
  };
  return { preflight, headers };
}
