/**
 * The only room that reads this machine's clock. It times things and stamps logs; whether a release
 * is open is never decided here but by Redis's clock, inside the scripts.
 */

/** Milliseconds since the Unix epoch. */
export const nowMs = (): number => Date.now();

/** Milliseconds from an arbitrary start that never runs backwards: for durations. */
export const monotonicMs = (): number => performance.now();

/** RFC 3339 in UTC with milliseconds, the one form in which times are published. */
export const isoFromMs = (epochMs: number): string => new Date(epochMs).toISOString();

/** Milliseconds since the epoch of an RFC 3339 time; NaN when it is none. */
export const msFromIso = (iso: string): number => Date.parse(iso);

export const sleep = (durationMs: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });
