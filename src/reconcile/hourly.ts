/** Checks all releases once in a while: one worker at a time, in no hurry, mending nothing. */
import type { Log } from '../log.ts';
import { KINDS } from './findings.ts';
import type { Reconciler } from './service.ts';
import { RECONCILE_LIMITS, unhurried } from './store.ts';

type Parts = {
  readonly reconciler: Reconciler;
  readonly worker: string;
  /** Between the end of one run and the next; 0: never. */
  readonly everyMs: number;
  readonly log: Log;
};

/** Runs if a run is due and no other worker has begun one. Whether it did. */
export async function reconcileIfDue(
  { reconciler, worker, everyMs, log }: Parts,
  signal?: AbortSignal,
): Promise<boolean> {
  if (everyMs === 0) return false;
  const lead = () => reconciler.lead(worker, everyMs);
  if ((await lead()).outcome !== 'LEADS') return false;
  const renewing = setInterval(
    () => void lead().catch(() => undefined), // one more worker at it does no harm
    RECONCILE_LIMITS.leaseMs / 3,
  );
  try {
    const wishes = { pace: unhurried, ...(signal && { signal }) };
    const { releases, strays, counts, incomplete, ms } = await reconciler.all(wishes, worker);
    const findings = [...releases.flatMap((one) => one.findings), ...strays];
    for (const finding of findings) log.error({ finding }, 'a release does not agree with itself');
    for (const { release, isComplete: isRead } of releases)
      if (!isRead) log.warn({ release }, 'a release changed too often to be checked');
    const total = KINDS.reduce((sum, kind) => sum + counts[kind], 0);
    log.info({ releases: releases.length, total, incomplete, tookMs: ms }, 'releases checked');
    return true;
  } catch (error) {
    if (signal?.aborted) return false; // whoever takes over the lease begins anew
    throw error;
  } finally {
    clearInterval(renewing);
  }
}
