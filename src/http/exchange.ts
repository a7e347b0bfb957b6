/** What goes into the pipeline and comes out of it: HTTP without a server, a socket or Express. */
import type { Readable } from 'node:stream';
import type { Refusal } from '../refusal.ts';

export type HttpRequest = {
  /** Upper case, as on the request line. */
  readonly method: string;
  /** Path and query, as on the request line. */
  readonly url: string;
  /** Address of the client: the peer's, or the one that a trusted proxy names. */
  readonly address: string;
  /** `name` in lower case. */
  readonly header: (name: string) => string | undefined;
  /** Reads the body; refuses one that is longer than the limit or ends early. */
  readonly body: (limitBytes: number) => Promise<Buffer | Refusal>;
};

export type Reply = {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Record<string, string>;
  readonly body: string | Uint8Array | Readable | undefined;
};

/** Answers every request: faults become problem documents, so it never rejects. */
export type Dispatch = (request: HttpRequest) => Promise<Reply>;
