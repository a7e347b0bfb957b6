/**
 * What never became a request: node:http gives up on it and asks what to answer. These refusals are
 * problem documents like all others.
 */
import { randomUUIDv7 } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { ErrorCode } from '../errors.ts';
import { refuse } from '../refusal.ts';
import { problem } from './problem.ts';
import { secure } from './security-headers.ts';

/** By the error codes of node:http; whatever else its parser finds is malformed. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TOO_SLOW',
};

export type Unreadable = {
  readonly code: ErrorCode;
  /** The answer as it goes onto the socket. */
  readonly text: string;
};

/** Undefined where the client is gone, or the fault lies below HTTP. */
export function unreadable(fault: Error & { readonly code?: string }): Unreadable | undefined {
  const { code: found = '' } = fault;
  const code = CODES[found] ?? (found.startsWith('HPE_') ? 'REQUEST_MALFORMED' : undefined);
  if (code === undefined) return undefined;
  const requestId = randomUUIDv7();
  const { status, headers, body } = problem(refuse(code), requestId);
  secure(headers);
  const lines = Object.entries({ ...headers, connection: 'close', 'x-request-id': requestId });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    ...lines.map(([name, value]) => `${name}: ${value}`),
  ];
  return { code, text: `${head.join('\r\n')}\r\n\r\n${body}` };
}
