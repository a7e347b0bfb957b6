/**
 * How a test of safety is tried again. What was lost once is lost: another try, with other dice,
 * would hide it. So only a run that was too slow to show anything is repeated; the expectations that
 * tell come last and begin with TOO_SLOW.
 */
export const TOO_SLOW = 'too slow';
export const ONLY_IF_SLOW = {
  timeout: 300_000,
  retry: { count: 2, condition: /^too slow/ },
} as const;
