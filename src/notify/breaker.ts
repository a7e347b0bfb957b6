/**
 * The circuit breaker in front of a gateway: once it has failed several times in a row it is left
 * alone, and probed with one SMS at a time, ever less often, until it answers.
 */
export type Breaker = ReturnType<typeof createBreaker>;

/** Failures in a row that open it. */
export const BREAKER_FAILURES = 5;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/** `clockMs`: any clock that never runs backwards. */
export function createBreaker(clockMs: () => number) {
  let failures = 0;
  let pauseMs = FIRST_PAUSE_MS;
  let probeAtMs = 0;
  let probing = false;
  const isOpen = (): boolean => failures >= BREAKER_FAILURES;

  return {
    isOpen,

    /** How many SMS may be begun now. Of an open one, whoever hears 1 has the probe. */
    room(): number {
      if (!isOpen()) return Infinity;
      if (probing || clockMs() < probeAtMs) return 0;
      probing = true;
      return 1;
    },

    /** There was nothing to probe with. */
    spare(): void {
      probing = false;
    },

    /** The gateway answered, whatever it said. */
    answered(): void {
      failures = 0;
      pauseMs = FIRST_PAUSE_MS;
      probing = false;
    },

    /** It did not, or asked to be left alone for `retryAfterMs`. `probe`: this was the probe. */
    failed({ probe, retryAfterMs = 0 }: { probe: boolean; retryAfterMs?: number }): void {
      const wasOpen = isOpen();
      failures = retryAfterMs > 0 ? Math.max(failures, BREAKER_FAILURES) : failures + 1;
      if (!isOpen()) return;
      // What was under way when it opened says nothing new, but for how long to stay away.
      if (!wasOpen || probe) {
        probeAtMs = clockMs() + pauseMs;
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
        probing = false;
      }
      probeAtMs = Math.max(probeAtMs, clockMs() + retryAfterMs);
    },
  };
}
