/**
 * The driver `http`: any gateway that takes an SMS by one HTTP request. Nothing of an SMS and no
 * setting is ever in what it says of a failure.
 */
import { assert } from '../lib/assert.ts';
import { nowMs } from '../lib/clock.ts';
import type { Delivery, SmsDriver } from './drivers.ts';
import { compileGateway, type GatewaySettings } from './gateway-request.ts';

/** Of an answer's body, which says nothing that its status does not, so much is read. */
const BODY_LIMIT_BYTES = 16 * 1024;
/**
 * Client errors that are not about this SMS: credentials, credit, address, time, rate. They pass,
 * or an operator mends them, and meanwhile SMS wait. What else is 4xx will never succeed.
 */
const NOT_ABOUT_THE_SMS = [401, 402, 403, 404, 405, 408, 421, 425, 429];

/** `settings` must compile. */
export function createGateway(settings: GatewaySettings): SmsDriver {
  const fill = compileGateway(settings);
  assert(!('problem' in fill), 'settings of the SMS gateway were not checked');
  return async (letter) => {
    const { url, ...request } = fill(letter);
    const late = AbortSignal.timeout(settings.timeoutMs);
    try {
      const response = await fetch(url, {
        ...request,
        signal: late,
        redirect: 'manual', // a gateway that moved is a matter of the setting: no mobile elsewhere
      });
      await skimBody(response);
      return judge(response.status, response.headers.get('retry-after'));
    } catch (error) {
      return { outcome: 'away', reason: late.aborted ? 'timeout' : reasonOf(error) };
    }
  };
}

/** The status is there, so the SMS was answered for: whatever happens to the body is no matter. */
async function skimBody(response: Response): Promise<void> {
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > BODY_LIMIT_BYTES) return; // leaving the loop closes the connection
    }
  } catch {
    // late or broken off
  }
}

function judge(status: number, retryAfter: string | null): Delivery {
  if (status >= 200 && status < 300) return { outcome: 'sent' };
  const reason = `status-${status}`;
  if (status >= 400 && status < 500 && !NOT_ABOUT_THE_SMS.includes(status))
    return { outcome: 'refused', reason };
  return { outcome: 'away', reason, retryAfterMs: waitOf(retryAfter) };
}

/** However long a gateway asks us to stay away. */
const RETRY_AFTER_AT_MOST_MS = 300_000;

/** Retry-After in ms: seconds or a date (RFC 9110, section 10.2.3); 0 for none. */
function waitOf(retryAfter: string | null): number {
  if (retryAfter === null) return 0;
  const waitMs = /^\d{1,9}$/.test(retryAfter)
    ? Number(retryAfter) * 1000
    : Date.parse(retryAfter) - nowMs();
  return waitMs > 0 ? Math.min(waitMs, RETRY_AFTER_AT_MOST_MS) : 0;
}

/** fetch says why a connection failed in the code of its error's cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreachable';
  return code.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}
