/** From what the scripts wrote down since the last cut to the lists of a round's record. Pure. */
import { present } from '../lib/assert.ts';
import type { DrawnManifest } from '../releases/manifest.ts';
import { inOrder, type Loss, type Since } from './draw/ledger.ts';

/**
 * `happened`: `<word> <entry id>`, `closed <slot>` and `lost <slot>/<pool> <seats>`, with the
 * numbers of slots and pools. What a pool loses more than once is one loss; a slot that closes
 * loses all its seats anyway.
 */
export function sinceOf({ slots }: DrawnManifest, happened: readonly string[]): Since {
  const of = (word: string): string[] =>
    happened
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => line.slice(word.length + 1));
  const slotAt = (number: string) => present(slots[Number(number)], `slot ${number}`);
  const closed = new Set(of('closed'));
  const losses = new Map<string, Loss>();
  for (const loss of of('lost')) {
    const [place = '', seats] = loss.split(' ');
    const [slotNumber = '', poolNumber] = place.split('/');
    if (closed.has(slotNumber)) continue;
    const { slot, pools } = slotAt(slotNumber);
    const { pool } = present(pools[Number(poolNumber)], `pool ${place}`);
    const [, , before] = losses.get(place) ?? [slot, pool, 0];
    losses.set(place, [slot, pool, before + Number(seats)]);
  }
  return inOrder({
    cancelled: of('cancelled'),
    closed: Array.from(closed, (number) => slotAt(number).slot),
    expired: of('expired'),
    lost: [...losses.values()],
    withdrawn: of('withdrawn'),
  });
}
