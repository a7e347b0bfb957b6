/** Refusals as problem documents: RFC 9457, `application/problem+json`. */
import { ERRORS } from '../errors.ts';
import type { Refusal } from '../refusal.ts';
import type { Reply } from './exchange.ts';

export const PROBLEM_TYPE = 'application/problem+json';

export function problem(refusal: Refusal, requestId: string): Reply & { readonly body: string } {
  const { refused: code, detail, extra, retryAfterS, cachedForS } = refusal;
  const { status, title } = ERRORS[code];
  const type = `urn:fairslot:error:${code}`;
  const body = JSON.stringify({ type, title, status, code, detail, requestId, ...extra });
  const headers: Reply['headers'] = {
    'content-type': PROBLEM_TYPE,
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': cachedForS === undefined ? 'no-store' : `public, max-age=${cachedForS}`,
  };
  if (retryAfterS !== undefined) headers['retry-after'] = String(retryAfterS);
  if (code === 'METHOD_NOT_ALLOWED') headers['allow'] = String(extra?.['allow']);
  if (status === 401) headers['www-authenticate'] = 'Bearer';
  return { status, headers, body };
}
