/** A broken invariant: a fault in this program, never a refusal to a caller. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Stays on in production: carrying on with a broken invariant could give a seat twice. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** The value, or a fault that names what was missing. */
export function present<T>(value: T | null | undefined, what: string): T {
  assert(value !== null && value !== undefined, `${what} is missing`);
  return value;
}
