/** From what the scripts wrote down since the last cut to the lists of a round's record. Pure. */
import { present } from '../lib/assert.ts';
import type { LotteryManifest } from '../releases/manifest.ts';
import { inOrder, type Loss, type Since } from './ledger.ts';

/** `<word> <entry id>`, `closed <slot>` and `lost <slot>/<pool> <seats>`, with numbers of slots. */
export function sinceOf({ slots }: LotteryManifest, happened: readonly string[]): Since {
  const of = (word: string): string[] =>
    happened
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => line.slice(word.length + 1));
  const slotAt = (number: string) => present(slots[Number(number)], `slot ${number}`);
  const closed = of('closed');
  // A slot that closes in the same round loses all its seats, these among them.
  const lost = Array.from(sumByPool(of('lost')), ([place, seats]): Loss[] => {
    const [slotNumber = '', poolNumber] = place.split('/');
    const { slot, pools } = slotAt(slotNumber);
    const { pool } = present(pools[Number(poolNumber)], `pool ${place}`);
    return closed.includes(slotNumber) ? [] : [[slot, pool, seats]];
  }).flat();
  return inOrder({
    cancelled: of('cancelled'),
    closed: closed.map((number) => slotAt(number).slot),
    expired: of('expired'),
    lost,
    withdrawn: of('withdrawn'),
  });
}

function sumByPool(losses: readonly string[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const loss of losses) {
    const [place = '', seats] = loss.split(' ');
    sums.set(place, (sums.get(place) ?? 0) + Number(seats));
  }
  return sums;
}
