/**
 * The only room that reads this machine's clock. It times things and stamps logs; whether a release
 * is open is never decided here but by Redis's clock, inside the scripts. What a process decides or
 * signs by time by itself, a token's lifetime say, it does by Redis's clock too, which src/redis
 * tells it: two hosts whose clocks differ by an hour agree.
 */

/** The time that was told, and how long this process ran then. */
let told: { readonly epochMs: number; readonly atMs: number } | undefined;

/** Milliseconds since the Unix epoch by Redis's clock; by this machine's until that is known. */
export const nowMs = (): number =>
  told ? Math.round(told.epochMs + monotonicMs() - told.atMs) : Date.now();

/** It is `epochMs` now, whatever this machine's clock says. */
export const tellTime = (epochMs: number): void => {
  told = { epochMs, atMs: monotonicMs() };
};

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
