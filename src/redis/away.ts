/** Why a command was not taken, or its reply not believed, by us rather than by Redis. */

/** The node does not answer, or is not connected: nothing was sent to it. */
export class NodeAwayError extends Error {
  override readonly name = 'NodeAwayError';
  constructor(node: string) {
    super(`Redis at ${node} does not answer`);
  }
}

type Failure = Error & { readonly code?: unknown; readonly lastNodeError?: Error };

/** Why there is no connection, in a word where there is one, as in ECONNREFUSED. */
export const failureOf = ({ code, message, lastNodeError }: Failure): string =>
  lastNodeError ? failureOf(lastNodeError) : typeof code === 'string' ? code : message;

/**
 * Too few replicas have a write. `sent`: this one was applied and may survive, or not; it must be
 * made again. Otherwise it was not sent at all.
 */
export class ReplicasAwayError extends Error {
  override readonly name = 'ReplicasAwayError';
  constructor(node: string, sent: boolean) {
    super(`too few replicas of Redis at ${node} ${sent ? 'have a write' : 'can have a write'}`);
  }
}
