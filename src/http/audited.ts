/** What the audit stream says of a request. */
import type { Action } from '../gates/audit.ts';
import type { Caller } from '../gates/callers.ts';
import type { Operator } from '../gates/operator-keys.ts';
import { type Passage, RELEASE_ID, releaseIn } from './passage.ts';
import type { Route } from './route.ts';

/** `body`: parsed, where it has been. */
export function actionOf(
  { served, params, requestId }: Passage,
  { operator }: Caller,
  body?: unknown,
): Action {
  const subject = params['release'] ?? releaseNamedIn(body);
  return {
    ...(isOfCentres(served.route, operator) && { of: 'centres' as const }),
    who: operator?.name ?? '',
    what: served.route.name,
    // Of an address that no schema has seen yet, no more than a release's id can hold.
    subject: typeof subject === 'string' && RELEASE_ID.test(subject) ? subject : '',
    requestId,
  };
}

/**
 * Whether it is a centre's. What a key of centres alone tries beyond its scope is too, or one of
 * them could push the operators' lines out of their stream.
 */
function isOfCentres({ gates }: Route, operator: Operator | undefined): boolean {
  if (gates.caller !== 'operator' || !operator?.scopes.includes('vaccinator')) return false;
  return gates.scope === 'vaccinator' || operator.scopes.every((scope) => scope === 'vaccinator');
}

/** Also of a booking, whose id begins with it. */
function releaseNamedIn(body: unknown): unknown {
  const release = releaseIn(body);
  if (release !== undefined || typeof body !== 'object' || body === null) return release;
  return 'booking' in body && typeof body.booking === 'string' ? body.booking.split('.')[0] : '';
}
