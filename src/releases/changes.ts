/**
 * What operators change in a lottery under way: they close slots and take seats from pools. The
 * next round settles it (docs/adr/0011); the manifest stays as it is.
 */
import { present } from '../lib/assert.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import type { LotteryManifest } from './manifest.ts';
import type { Published } from './service.ts';
import type { ReleaseStore } from './store.ts';

/** All slots of a centre or of a session, or those named. */
export type Closure =
  | { readonly centre: string }
  | { readonly session: string }
  | { readonly slots: readonly string[] };

export type ClosedSlot = {
  readonly slot: string;
  /** The round that settles it. */
  readonly round: number;
};

export type Loss = {
  /** An id that the operator chose: whatever is sent again under it is done once. */
  readonly change: string;
  readonly slot: string;
  readonly pool: string;
  readonly seats: number;
};

export type LostSeats = Omit<Loss, 'change'> & { readonly round: number };

export type Changes = {
  readonly closed: readonly ClosedSlot[];
  readonly lost: readonly LostSeats[];
};

/** The numbers of the slots that an operator means. */
export function slotsToClose(
  { manifest, slotNumbers, slotSessions }: Published,
  closure: Closure,
): readonly number[] | Refusal {
  if ('slots' in closure) {
    const unknown = closure.slots.find((slot) => !slotNumbers.has(slot));
    if (unknown !== undefined) return refuse('SLOT_UNKNOWN', { extra: { slot: unknown } });
    return [...new Set(closure.slots)].map((slot) => present(slotNumbers.get(slot), slot));
  }
  const where = (means: (session: Published['slotSessions'][number]) => boolean): number[] =>
    [...manifest.slots.keys()].filter((number) => means(present(slotSessions[number], 'a slot')));
  const [numbers, unknown] =
    'centre' in closure
      ? ([where(({ centre }) => centre === closure.centre), 'CENTRE_UNKNOWN'] as const)
      : ([where(({ session }) => session === closure.session), 'SESSION_UNKNOWN'] as const);
  return numbers.length === 0 ? refuse(unknown) : numbers;
}

/** The hash `changes` (redis/keys.ts), in the manifest's words: earlier rounds first. */
export function readChanges(
  { slots }: Published['manifest'],
  held: Readonly<Record<string, string>>,
): Changes {
  const slotAt = (number: number) => present(slots[number], 'a changed slot');
  const all = Object.entries(held);
  const closed = all.flatMap(([field, round]) =>
    field.startsWith('loss:') ? [] : [{ number: Number(field), round: Number(round) }],
  );
  const lost = all.flatMap(([field, value]) => {
    const loss = /^(\d+)\/(\d+) (\d+) (\d+)$/.exec(value);
    if (!field.startsWith('loss:') || !loss) return [];
    const [number = 0, pool = 0, seats = 0, round = 0] = loss.slice(1).map(Number);
    return [{ number, pool, seats, round }];
  });
  const byPlace = <T extends { round: number; number: number }>(changes: readonly T[]): T[] =>
    changes.toSorted((a, b) => a.round - b.round || a.number - b.number);
  return {
    closed: byPlace(closed).map(({ number, round }) => ({ slot: slotAt(number).slot, round })),
    lost: byPlace(lost).map(({ number, pool, seats, round }) => {
      const slot = slotAt(number);
      return { slot: slot.slot, pool: present(slot.pools[pool], 'a pool').pool, seats, round };
    }),
  };
}

export function createChanges(
  store: ReleaseStore,
  published: (release: string) => Promise<Published | Refusal>,
) {
  const lottery = async (
    release: string,
  ): Promise<{ found: Published; manifest: LotteryManifest } | Refusal> => {
    const found = await published(release);
    if (isRefusal(found)) return found;
    const { manifest } = found;
    return manifest.mode === 'lottery' ? { found, manifest } : refuse('NOT_A_LOTTERY');
  };

  return {
    /** Closes slots, all or none. Those that were closed before keep the round that settled it. */
    async close(release: string, closure: Closure): Promise<readonly ClosedSlot[] | Refusal> {
      const named = await lottery(release);
      if (isRefusal(named)) return named;
      const numbers = slotsToClose(named.found, closure);
      if (isRefusal(numbers)) return numbers;
      const reply = await store.closeSlots(release, numbers);
      if (reply.outcome !== 'CLOSED') return refuse(reply.outcome);
      return numbers.map((number, index) => ({
        slot: present(named.manifest.slots[number], 'a slot').slot,
        round: present(reply.rounds[index], 'a round'),
      }));
    },

    /** Takes seats from a pool. */
    async lose(release: string, loss: Loss): Promise<LostSeats | Refusal> {
      const named = await lottery(release);
      if (isRefusal(named)) return named;
      const { change, ...place } = loss;
      const slot = named.found.slotNumbers.get(loss.slot);
      if (slot === undefined) return refuse('SLOT_UNKNOWN', { extra: { slot: loss.slot } });
      const { pools } = present(named.manifest.slots[slot], loss.slot);
      const pool = pools.findIndex((one) => one.pool === loss.pool);
      const manifestSeats = pools[pool]?.seats;
      if (manifestSeats === undefined)
        return refuse('POOL_UNKNOWN', { extra: { pool: loss.pool } });
      const dereserveAfterRound = named.manifest.dereserve_after_round;
      const asked = { change, slot, pool, seats: loss.seats, manifestSeats, dereserveAfterRound };
      const reply = await store.loseSeats(release, asked);
      switch (reply.outcome) {
        case 'LOST':
          return { ...place, round: reply.round };
        case 'POOL_TOO_SMALL':
          return refuse(reply.outcome, { extra: { seats: reply.seats } });
        case 'ROUND_DRAWING':
          return refuse(reply.outcome, { retryAfterS: 1 });
        default:
          return refuse(reply.outcome);
      }
    },

    /** Numbers of the slots that are closed, whether or not a round has settled it. */
    async closedSlots(release: string): Promise<ReadonlySet<number>> {
      const fields = Object.keys(await store.changes(release));
      return new Set(fields.filter((field) => !field.startsWith('loss:')).map(Number));
    },

    /** What operators changed, settled or about to be; for everyone to see. */
    async changes(release: string): Promise<Changes | Refusal> {
      const found = await published(release);
      if (isRefusal(found)) return found;
      return readChanges(found.manifest, await store.changes(release));
    },
  };
}
