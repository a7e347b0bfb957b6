/** A circuit breaker: whoever fails again and again is left alone for a while. */

export type Breaker = {
  readonly isOpen: () => boolean;
  /** Open, and has rested for long enough to be asked once. */
  readonly isRested: () => boolean;
  readonly succeeded: () => void;
  readonly failed: () => void;
};

type Terms = {
  /** In a row, until it opens. */
  readonly failures: number;
  readonly restMs: number;
};

/** `now`: milliseconds that never run backwards. */
export function createBreaker({ failures, restMs }: Terms, now: () => number): Breaker {
  let failed = 0;
  let lastFailedAtMs = 0;
  const isOpen = (): boolean => failed >= failures;
  return {
    isOpen,
    isRested: () => isOpen() && now() - lastFailedAtMs >= restMs,
    succeeded: () => {
      failed = 0;
    },
    failed: () => {
      failed += 1;
      lastFailedAtMs = now();
    },
  };
}
