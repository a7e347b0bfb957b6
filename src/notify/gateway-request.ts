/**
 * The request by which a gateway takes an SMS, made from the operator's templates. Pure. Whatever
 * is filled in is escaped for the place where it stands.
 */
import { parseJson } from '../lib/json.ts';

export type GatewaySettings = {
  /** With placeholders, if the gateway takes the SMS in its query. */
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly headers: Readonly<Record<string, string>>;
  /** Unused by GET. */
  readonly body: string;
  /** For one attempt, to the last byte of the answer. */
  readonly timeoutMs: number;
};

export type GatewayRequest = {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
};

/** What placeholders stand for: `mobile` in E.164 form, `mobile_digits` the same without its plus. */
const PLACEHOLDERS = ['mobile', 'mobile_digits', 'text', 'id'] as const;
type Values = Readonly<Record<(typeof PLACEHOLDERS)[number], string>>;

export type Fill = (sms: { mobile: string; text: string; reference: string }) => GatewayRequest;

type Escape = (value: string) => string;

const PLACEHOLDER = /\{(\w+)\}/g;
/** What fetch sets, or must not be told. */
const NOT_OURS = ['connection', 'content-length', 'host', 'transfer-encoding'];
const SAMPLE = { mobile: '+911', text: 'a "b"\\\n&=#%/?', reference: 'c' };

const inJson: Escape = (value) => JSON.stringify(value).slice(1, -1);
const BODY_ESCAPES: readonly (readonly [RegExp, Escape])[] = [
  [/^application\/(?:[\w.+-]+\+)?json\b/i, inJson],
  [/^application\/x-www-form-urlencoded\b/i, encodeURIComponent],
];

/** How to make requests, or what is wrong with the settings, without their values. */
export function compileGateway(settings: GatewaySettings): Fill | { readonly problem: string } {
  const { method } = settings;
  const headers = headersOf(settings);
  if ('problem' in headers) return headers;
  const type = headers.get('content-type') ?? '';
  const escape = BODY_ESCAPES.find(([pattern]) => pattern.test(type))?.[1];
  if (method !== 'GET' && !escape)
    return problem('the content type in SMS_HTTP_HEADERS is neither JSON nor a form');
  const template = method === 'GET' ? '' : settings.body;
  const wrong = placeholderProblem(settings.url + template);
  if (wrong) return problem(wrong);
  const fill: Fill = ({ mobile, text, reference }) => {
    const values = { mobile, mobile_digits: mobile.replace('+', ''), text, id: reference };
    return {
      url: filled(settings.url, values, encodeURIComponent),
      method,
      headers: { ...Object.fromEntries(headers), 'idempotency-key': reference },
      ...(escape && method !== 'GET' && { body: filled(template, values, escape) }),
    };
  };
  const sample = fill(SAMPLE);
  const badUrl = urlProblem(sample.url, fill({ mobile: '+2', text: 'd', reference: 'e' }).url);
  if (badUrl) return problem(badUrl);
  if (escape === inJson && sample.body !== undefined && parseJson(sample.body) === undefined)
    return problem('SMS_HTTP_BODY is no JSON once its placeholders are filled in');
  return fill;
}

const problem = (text: string) => ({ problem: text });

const filled = (template: string, values: Values, escape: Escape): string =>
  template.replaceAll(PLACEHOLDER, (_match, name: keyof Values) => escape(values[name]));

function headersOf({ headers }: GatewaySettings): Headers | { readonly problem: string } {
  let made: Headers;
  try {
    made = new Headers(headers);
  } catch {
    return problem('SMS_HTTP_HEADERS has a header that HTTP does not allow');
  }
  const taken = NOT_OURS.filter((name) => made.has(name));
  if (taken.length > 0) return problem(`SMS_HTTP_HEADERS must not set ${taken.join(', ')}`);
  if (!made.has('content-type')) made.set('content-type', 'application/json');
  return made;
}

function placeholderProblem(text: string): string | undefined {
  const named = Array.from(text.matchAll(PLACEHOLDER), ([, name = '']) => name);
  const unknown = named.find((name) => !(PLACEHOLDERS as readonly string[]).includes(name));
  if (unknown !== undefined)
    return `{${unknown}} is no placeholder; those are {${PLACEHOLDERS.join('}, {')}}`;
  const hasMobile = named.includes('mobile') || named.includes('mobile_digits');
  return hasMobile && named.includes('text')
    ? undefined
    : 'neither SMS_HTTP_URL nor SMS_HTTP_BODY has {text} and {mobile} or {mobile_digits}';
}

/** `one`, `other`: the URL with different values filled in. */
function urlProblem(one: string, other: string): string | undefined {
  const [url, another] = [URL.parse(one), URL.parse(other)];
  if (!url || !another || !/^https?:$/.test(url.protocol)) return 'SMS_HTTP_URL is no URL of HTTP';
  if (url.username !== '' || url.password !== '')
    return 'SMS_HTTP_URL has a user or password: put them into SMS_HTTP_HEADERS_FILE';
  if (url.origin !== another.origin) return 'SMS_HTTP_URL has a placeholder in its host';
  return undefined;
}

/** Whether secrets would travel in clear: only to this machine may they. */
export function isInClear(url: string): boolean {
  const parsed = URL.parse(url);
  return (
    parsed?.protocol === 'http:' && !['localhost', '127.0.0.1', '[::1]'].includes(parsed.hostname)
  );
}
