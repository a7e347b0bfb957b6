/**
 * How long each waits for the next when Prometheus scrapes, the innermost first: each ends before
 * the one around it, so that what is late leaves a gap of its own and takes nothing else along.
 */
export const PATIENCE_MS = {
  /** A node of Redis has for its INFO; else it counts as failing. */
  node: 900,
  /** Gauges have for what they read of Redis; else they tell what was read before. */
  reading: 1_000,
  /** Each process of a machine has for its page; else it hangs, or is stopped, and is left out. */
  process: 1_500,
} as const;
