/**
 * Deletes what is over: docs/retention.md says what, when and why. Every step may be repeated, and
 * be taken by two workers at once.
 */
import type { Erasure } from '../people/erasure.ts';
import { isRefusal } from '../refusal.ts';
import { stateOf } from '../releases/rules.ts';
import type { ReleaseService } from '../releases/service.ts';
import { CARRY_OVER_DAYS } from '../rounds/carry/standing.ts';
import type { RetentionStore } from './retention-store.ts';

const DAY_MS = 86_400_000;
export const RETENTION_LIMITS = {
  /** A worker that dies is replaced after so long. */
  leaseMs: 10 * 60_000,
  paceMs: DAY_MS,
} as const;

export type RetentionTerms = {
  /** 0: kept. */
  readonly releaseDays: number;
  readonly accountDays: number;
};

type Parts = {
  readonly store: RetentionStore;
  readonly releases: ReleaseService;
  readonly erasure: Erasure;
  /** Whether there is nothing left to see to of who came: OVER. */
  readonly attendance: (release: string) => Promise<string>;
  readonly terms: RetentionTerms;
};

export type Cleared = {
  /** Ids. */
  readonly releases: readonly string[];
  readonly accounts: number;
  /** That were not used for as long, and hold something. */
  readonly accountsHolding: number;
};

export function createRetention(parts: Parts) {
  const { store, terms } = parts;

  const run = async (dryRun: boolean, between: () => Promise<boolean>): Promise<Cleared> => {
    const cleared: string[] = [];
    for await (const { release, published } of dueReleases(parts)) {
      if (!dryRun) await store.clearRelease(release, published);
      cleared.push(release);
      if (!(await between())) return { releases: cleared, accounts: 0, accountsHolding: 0 };
    }
    const accounts = await eraseUnused(parts, dryRun, between);
    return { releases: cleared, ...accounts };
  };

  return {
    /** What would go now. */
    plan: (): Promise<Cleared> => run(true, async () => true),

    /**
     * Deletes what is over, if it is this worker's turn: once a day, one worker. Undefined: it is
     * not.
     */
    async takeTurn(worker: string, signal: AbortSignal): Promise<Cleared | undefined> {
      const { leaseMs, paceMs } = RETENTION_LIMITS;
      if (terms.releaseDays === 0 && terms.accountDays === 0) return undefined;
      if (!(await store.takeTurn(worker, leaseMs))) return undefined;
      const done = await run(false, async () => {
        await store.holdTurn(worker, leaseMs);
        return !signal.aborted;
      });
      if (!signal.aborted) await store.holdTurn(worker, paceMs);
      return done;
    },
  };
}

/**
 * Releases that are over for as long as they are kept whole, and that nothing happens in any more.
 */
async function* dueReleases({ store, releases, attendance, terms }: Parts) {
  if (terms.releaseDays === 0) return;
  const nowMs = await store.nowMs();
  for (const release of await releases.all()) {
    const [found, reading] = await Promise.all([
      releases.published(release),
      releases.read(release),
    ]);
    if (isRefusal(found) || !reading || (await store.isCleared(release))) continue;
    const { manifest, lastDayEndsAtMs } = found;
    const stands = manifest.mode === 'lottery' && manifest.series !== null ? CARRY_OVER_DAYS : 0;
    const overAtMs = Math.max(lastDayEndsAtMs, reading.endsAtMs + stands * DAY_MS);
    if (nowMs < overAtMs + terms.releaseDays * DAY_MS) continue;
    // However late a worker wakes, it still draws what is to be drawn.
    if (stateOf(reading) !== 'ended' || reading.phase === 'DRAWING') continue;
    if ((await attendance(release)) !== 'OVER') continue;
    yield { release, published: reading.published };
  }
}

/** An account with an entry or a booking is refused, and looked at again another day. */
async function eraseUnused(
  { store, erasure, terms }: Parts,
  dryRun: boolean,
  between: () => Promise<boolean>,
): Promise<{ accounts: number; accountsHolding: number }> {
  let accounts = 0;
  let accountsHolding = 0;
  if (terms.accountDays === 0) return { accounts, accountsHolding };
  const beforeMs = (await store.nowMs()) - terms.accountDays * DAY_MS;
  for await (const batch of store.accounts()) {
    const signedIn = await store.signedInMs(batch);
    const unused = batch.filter((_one, index) => (signedIn[index] ?? Infinity) < beforeMs);
    for (const account of unused) {
      // Who signed in while those before were looked at is used again.
      const [againMs = Infinity] = await store.signedInMs([account]);
      if (againMs >= beforeMs) continue;
      const erased = await erasure.eraseAccount(account, { dryRun, withSms: false });
      if (isRefusal(erased)) accountsHolding += 1;
      else accounts += 1;
    }
    if (!(await between())) break;
  }
  return { accounts, accountsHolding };
}
