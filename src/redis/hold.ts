/**
 * Holds every write to Redis while something is copied: what is read meanwhile, of all keys and of
 * all nodes of a cluster, is one instant. `CLIENT PAUSE … WRITE` (Redis 6.2) makes writes wait,
 * loses none, and ends by itself when whoever asked for it dies. Reads wait only behind a write of
 * their own connection, as they do in an engine: it answers 503 meanwhile. Keys do not expire while
 * it lasts.
 */
import { setTimeout } from 'node:timers/promises';
import { monotonicMs } from '../lib/clock.ts';
import { mastersOf, type Redis, type RedisNode } from './client.ts';

export const HOLD_LIMITS = {
  /** Writes go on so long after whoever holds them has died. */
  leaseMs: 15_000,
  renewEveryMs: 2_000,
} as const;

/** Writes may not have been held all the time: what was read may be no one instant. */
export class HoldLost extends Error {
  override readonly name = 'HoldLost';
}

type Reading = { readonly node: string; readonly changes: number };

/** `run_id` changes when a node starts anew, and another node has another. */
async function readingOf(node: RedisNode): Promise<Reading> {
  const [server, persistence] = await Promise.all([node.info('server'), node.info('persistence')]);
  const field = (text: string, name: string): string =>
    new RegExp(`^${name}:(.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
  return {
    node: field(server, 'run_id'),
    changes: Number(field(persistence, 'rdb_changes_since_last_save')),
  };
}

/** A save in the meantime lowers the count of changes; nothing but a write raises it. */
function assertUntouched(before: readonly Reading[], after: readonly Reading[]): void {
  const changesOf = new Map(before.map(({ node, changes }) => [node, changes]));
  const same =
    before.length === after.length &&
    after.every(({ node, changes }) => changes <= (changesOf.get(node) ?? -1));
  if (!same) throw new HoldLost('A node of Redis started anew, or took a write, meanwhile.');
}

const pauseAll = (nodes: readonly RedisNode[]): Promise<unknown> =>
  Promise.all(nodes.map((node) => node.call('CLIENT', 'PAUSE', HOLD_LIMITS.leaseMs, 'WRITE')));

/** Renews until told to stop. `assertHeld` throws once a lease may have ended. */
function renewing(nodes: readonly RedisNode[], beganMs: number, atMostMs: number) {
  let heldSinceMs = beganMs;
  let problem: string | undefined;
  const stopping = new AbortController();
  const { signal } = stopping;
  const assertHeld = (): void => {
    if (monotonicMs() - beganMs > atMostMs)
      problem ??= `Writes were held for ${atMostMs / 1000} s, and no longer.`;
    if (monotonicMs() - heldSinceMs >= HOLD_LIMITS.leaseMs)
      problem ??= 'The hold on writes was not renewed in time.';
    if (problem !== undefined) throw new HoldLost(problem);
  };
  const run = async (): Promise<void> => {
    for (;;) {
      await setTimeout(HOLD_LIMITS.renewEveryMs, undefined, { signal });
      assertHeld();
      const askedAtMs = monotonicMs();
      await pauseAll(nodes);
      heldSinceMs = askedAtMs;
    }
  };
  const running = run().catch((error: unknown) => {
    problem ??= error instanceof Error ? error.message : String(error);
  });
  const stop = async (): Promise<void> => {
    stopping.abort();
    await running;
  };
  return { assertHeld, stop };
}

/**
 * Does `work` while writes are held on all `nodes` that it gets, for `atMostMs` at most;
 * `assertHeld` is for it to call as it goes. `redis`: a connection on which nobody writes, since
 * what waits on a connection holds up whatever is behind it, the end of the hold too. Rejects with
 * HoldLost when what it read may be no one instant.
 */
export async function holdingWrites<T>(
  redis: Redis,
  atMostMs: number,
  work: (nodes: readonly RedisNode[], assertHeld: () => void) => Promise<T>,
): Promise<T> {
  const nodes = await mastersOf(redis);
  const beganMs = monotonicMs();
  let hold: ReturnType<typeof renewing> | undefined;
  try {
    await pauseAll(nodes);
    hold = renewing(nodes, beganMs, atMostMs);
    const before = await Promise.all(nodes.map(readingOf));
    const done = await work(nodes, hold.assertHeld);
    hold.assertHeld();
    const after = await Promise.all((await mastersOf(redis)).map(readingOf));
    assertUntouched(before, after);
    return done;
  } finally {
    await hold?.stop();
    // One that is away lets its lease end.
    await Promise.allSettled(nodes.map((node) => node.call('CLIENT', 'UNPAUSE')));
  }
}
