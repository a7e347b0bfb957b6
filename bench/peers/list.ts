/** All peers by name, in the order of the output. Each front loads the one that it is for. */
import type { Peer } from './peer.ts';

export const LOAD_PEER = {
  redisGetDecr: async () => (await import('./redis-get-decr.ts')).redisGetDecr,
  redisDecrUndo: async () => (await import('./redis-decr-undo.ts')).redisDecrUndo,
  redisWatchMulti: async () => (await import('./redis-watch-multi.ts')).redisWatchMulti,
  redisRedlock: async () => (await import('./redis-redlock.ts')).redisRedlock,
  postgresConditionalUpdate: async () =>
    (await import('./postgres-conditional-update.ts')).postgresConditionalUpdate,
  postgresCheck: async () => (await import('./postgres-check.ts')).postgresCheck,
  postgresSelectForUpdate: async () =>
    (await import('./postgres-select-for-update.ts')).postgresSelectForUpdate,
  postgresSkipLocked: async () => (await import('./postgres-skip-locked.ts')).postgresSkipLocked,
  postgresAdvisoryLock: async () =>
    (await import('./postgres-advisory-lock.ts')).postgresAdvisoryLock,
  postgresSerializable: async () =>
    (await import('./postgres-serializable.ts')).postgresSerializable,
  queueBullmq: async () => (await import('./queue-bullmq.ts')).queueBullmq,
  fairslotScript: async () => (await import('./fairslot-script.ts')).fairslotScript,
} as const satisfies Readonly<Record<string, () => Promise<Peer>>>;

export type PeerName = keyof typeof LOAD_PEER;
export const PEER_NAMES = Object.keys(LOAD_PEER) as PeerName[];
