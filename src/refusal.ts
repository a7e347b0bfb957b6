/**
 * A refusal is a returned value, an exception is a fault. A refusal's `refused` is the error code
 * of the catalogue (src/errors.ts), so one word serves script reply, metric label and HTTP problem.
 */
import type { ErrorCode } from './errors.ts';

export type Refusal = {
  readonly refused: ErrorCode;
  /**
   * A sentence for this case; the catalogue's title serves where it is left out. Never personal
   * data.
   */
  readonly detail?: string;
  /** Machine-readable members that join the problem document. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** Seconds after which trying again makes sense; becomes Retry-After. */
  readonly retryAfterS?: number;
  /** Seconds for which any cache may keep it; where left out, none may at all. */
  readonly cachedForS?: number;
};

export const refuse = (code: ErrorCode, more: Omit<Refusal, 'refused'> = {}): Refusal => ({
  refused: code,
  ...more,
});

export const isRefusal = (value: unknown): value is Refusal =>
  typeof value === 'object' && value !== null && 'refused' in value;
