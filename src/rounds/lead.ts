/** The lead of a release's rounds: one worker at a time conducts them. */
import type { Conductor } from './conduct.ts';
import type { DrawingStore } from './drawing-store.ts';

/** A worker that dies is replaced after at most this long. */
export const LEASE_MS = 10_000;
/** So often that a phase may hold up this process for most of the lease. */
const RENEW_MS = 2_000;

/**
 * Conducts what this worker leads: the lead is renewed for as long as a step takes, so that no
 * other worker begins the same round. Of what another leads, it keeps nothing.
 */
export const conductingWithLead = (
  conductor: Conductor,
  drawing: Pick<DrawingStore, 'lead'>,
  worker: string,
): Conductor => ({
  ...conductor,
  step: async (release) => {
    const lead = (): Promise<boolean> => drawing.lead(release, worker, LEASE_MS);
    if (!(await lead())) {
      conductor.forget(release);
      return { step: 'WAITING', waitMs: LEASE_MS / 2 };
    }
    // A lead that cannot be renewed costs double work only: the fence in rounds/stage holds.
    const renewing = setInterval(() => void lead().catch(() => undefined), RENEW_MS);
    try {
      return await conductor.step(release);
    } finally {
      clearInterval(renewing);
    }
  },
});
