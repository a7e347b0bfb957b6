/** What a round changes in the seats that Redis counts. Pure. */
import { present } from '../lib/assert.ts';
import type { Drawn } from './draw.ts';
import type { SeatChange } from './drawing-store.ts';
import type { Ledger, Since } from './ledger.ts';

/**
 * By field of the seats hash. What cancelled and expired entries gave back is there already.
 * `capacity`: the ledger's before the round.
 */
export function seatChanges(
  ledger: Ledger,
  since: Since,
  capacity: Int32Array,
  { settled, after }: Drawn,
): SeatChange[] {
  const { pools } = ledger;
  const moved = movedSeats(ledger, since, capacity);
  const changes: SeatChange[] = [];
  for (const [number, free] of after.entries()) {
    const change = free - present(settled.returned[number], 'pool');
    const movedHere = present(moved[number], 'pool');
    const slot = present(pools.slot[number], 'pool');
    const pool = number - present(pools.start[slot], 'slot');
    if (change !== 0 || movedHere !== 0) changes.push([`${slot}/${pool}`, change, movedHere]);
  }
  return changes;
}

/** By pool: what the round changed in its seats that no operator did, which is dereserving. */
function movedSeats(
  { manifest, pools, capacity: now }: Ledger,
  { closed, lost }: Since,
  capacity: Int32Array,
): Int32Array {
  const moved = now.map((seats, number) => seats - present(capacity[number], 'pool'));
  if (closed.length === 0 && lost.length === 0) return moved;
  const numbers = new Map(manifest.slots.map(({ slot }, number) => [slot, number]));
  for (const [slot, pool, seats] of lost) {
    const number = present(numbers.get(slot), slot);
    const within = manifest.slots[number]?.pools.findIndex((one) => one.pool === pool);
    const at = present(pools.start[number], slot) + present(within, pool);
    moved[at] = present(moved[at], pool) + seats;
  }
  for (const slot of closed) {
    const number = present(numbers.get(slot), slot);
    moved.fill(0, pools.start[number], pools.start[number + 1]);
  }
  return moved;
}
