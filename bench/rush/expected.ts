/** Refusals that are part of an evening; all others, faults and silence are not. */
import type { Sample } from '../support/timed.ts';

export const PEOPLE_MAY_HEAR: readonly string[] = [
  'SLOT_FULL',
  'RELEASE_ENDED',
  'COOLING_DOWN',
  'OFFER_TOO_LATE',
  'BOOKING_OVER',
];
const BOTS_MAY_HEAR: readonly string[] = [
  ...PEOPLE_MAY_HEAR,
  'RELEASE_NOT_OPEN',
  'TOO_MANY_REQUESTS',
  'CAPTCHA_MISSING',
  'HAS_BOOKING',
  'ID_REGISTERED',
  'ID_TYPE_NOT_ACCEPTED',
  'ENTRY_UNKNOWN',
  // Of those who still ask when the window is over.
  'ENTRY_SEALED',
  'ENTRY_LAPSED',
  'ROUND_DRAWING',
];

export const mayHear = ({ group, code = '' }: Sample): boolean =>
  (group === 'bots' ? BOTS_MAY_HEAR : PEOPLE_MAY_HEAR).includes(code);

/** Answers that should not have been, by who heard them, and status and code. */
export function unexpectedIn(
  samples: readonly Sample[],
  isExpected: (sample: Sample) => boolean = mayHear,
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const sample of samples) {
    const { status, code = '', phase, group } = sample;
    if (status >= 200 && status < 300) continue;
    if (status >= 400 && status < 500 && isExpected(sample)) continue;
    const label = `${group}, ${phase}: ${status} ${code}`;
    counts[label] = (counts[label] ?? 0) + 1;
  }
  return counts;
}
