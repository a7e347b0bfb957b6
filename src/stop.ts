import type { Log } from './log.ts';

/** Longest a process takes to finish what is in flight, in milliseconds. */
const STOP_WITHIN_MS = 15_000;

/**
 * Runs `finish` once on SIGTERM, SIGINT or the death of the process that started this one, then
 * leaves; a second signal or too long a wait leaves at once. Returns what does the same, for other
 * reasons.
 */
export function onStop(
  log: Log,
  finish: () => Promise<void>,
  withinMs = STOP_WITHIN_MS,
): (reason: string) => void {
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal }, 'stopping');
    setTimeout(() => process.exit(1), withinMs).unref();
    finish().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'could not stop cleanly');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  // A terminal sends Ctrl-C and its own end to everybody. Whoever was started over a channel leaves
  // both to the process that started it, which tells them in order.
  const isLed = process.connected;
  process.on('SIGINT', (signal) => isLed || stop(signal));
  process.on('disconnect', () => stop('the starting process is gone'));
  return stop;
}
