/**
 * A circuit breaker: whoever fails several times in a row is left alone, and probed with one
 * request at a time, ever less often, until it answers.
 */
export type Breaker = ReturnType<typeof createBreaker>;

export type BreakerTerms = {
  /** In a row, until it opens. */
  readonly failures: number;
  /** Until the first probe; twice as long after each that fails. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
};

/** `clockMs`: any clock that never runs backwards. */
export function createBreaker(terms: BreakerTerms, clockMs: () => number) {
  let failures = 0;
  let pauseMs = terms.firstPauseMs;
  let probeAtMs = 0;
  let probing = false;
  const isOpen = (): boolean => failures >= terms.failures;

  return {
    isOpen,

    /** How many requests may be begun now. Of an open one, whoever hears 1 has the probe. */
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

    /** There was an answer, whatever it said. */
    answered(): void {
      failures = 0;
      pauseMs = terms.firstPauseMs;
      probing = false;
    },

    /** There was none, or one that asked to be left alone for `retryAfterMs`. `probe`: this was the probe. */
    failed({ probe, retryAfterMs = 0 }: { probe: boolean; retryAfterMs?: number }): void {
      const wasOpen = isOpen();
      failures = retryAfterMs > 0 ? Math.max(failures, terms.failures) : failures + 1;
      if (!isOpen()) return;
      // What was under way when it opened says nothing new, but for how long to stay away.
      if (!wasOpen || probe) {
        probeAtMs = clockMs() + pauseMs;
        pauseMs = Math.min(2 * pauseMs, terms.longestPauseMs);
        probing = false;
      }
      probeAtMs = Math.max(probeAtMs, clockMs() + retryAfterMs);
    },
  };
}
