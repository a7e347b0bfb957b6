/** A handler's answer as bytes and headers. */
import { Readable } from 'node:stream';
import type { HttpRequest, Reply } from './exchange.ts';
import type { Answer } from './route.ts';

/**
 * A GET whose answer carries an ETag that the client already has becomes 304 (RFC 9110 section
 * 13.1.2).
 */
export function replyTo(request: HttpRequest, answer: Answer): Reply {
  // What is not said to be cacheable concerns one account.
  const headers: Reply['headers'] = { 'cache-control': 'no-store' };
  for (const name in answer.headers) headers[name.toLowerCase()] = answer.headers[name] ?? '';

  const etag = headers['etag'];
  const reads = request.method === 'GET' || request.method === 'HEAD';
  if (etag && reads && answer.status === 200 && matches(request.header('if-none-match'), etag)) {
    if (answer.body instanceof Readable) answer.body.destroy();
    return { status: 304, headers, body: undefined };
  }
  const body = bodyOf(answer, headers);
  if (typeof body === 'string') headers['content-length'] = String(Buffer.byteLength(body));
  if (body instanceof Uint8Array) headers['content-length'] = String(body.byteLength);
  return { status: answer.status, headers, body };
}

function bodyOf({ body }: Answer, headers: Reply['headers']): Reply['body'] {
  if (body === undefined) return undefined;
  if (body instanceof Uint8Array || body instanceof Readable) return body;
  if (typeof body === 'string' && headers['content-type']) return body;
  headers['content-type'] ??= 'application/json';
  return JSON.stringify(body);
}

/** Weak comparison, which is the one If-None-Match asks for. */
function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  const opaque = etag.replace(/^W\//, '');
  return ifNoneMatch.split(',').some((one) => one.trim().replace(/^W\//, '') === opaque);
}
