// @ts-check
/** What the page shows of a verified release, as plain data. */
import { isQuicknet } from './beacon.js';
import { prefsOf } from './table.js';

/**
 * @typedef {{slot: string, asked: number, seats: number, given: number, closed: boolean}} SlotView
 *   asked: seats that entries asked for as their first choice; given: held after the last round
 * @typedef {{title: string, beacon: 'quicknet' | 'drand' | 'hash-chain', chain: string,
 *   sealedAt: string[], slots: SlotView[], people: number, seated: number,
 *   waiting: number}} View sealedAt: by round
 */

/**
 * @param {import('./ledger.js').Ledger} ledger
 * @returns {View}
 */
export function viewOf({ manifest, table, slotStart, free, held, closed, sealed }) {
  const asked = new Float64Array(manifest.slots.length);
  const counts = [0, 0, 0, 0];
  for (let entry = 0; entry < table.count; entry++) {
    const size = table.size[entry] ?? 0;
    const first = prefsOf(table, entry)[0] ?? 0;
    const state = table.state[entry] ?? 0;
    asked[first] = (asked[first] ?? 0) + size;
    counts[state] = (counts[state] ?? 0) + size;
  }
  const slots = manifest.slots.map(({ slot }, number) => {
    let seats = 0;
    let given = 0;
    const end = slotStart[number + 1] ?? 0;
    for (let pool = slotStart[number] ?? 0; pool < end; pool++) {
      given += held[pool] ?? 0;
      seats += (free[pool] ?? 0) + (held[pool] ?? 0);
    }
    return { slot, asked: asked[number] ?? 0, seats, given, closed: closed[number] === 1 };
  });
  const { beacon } = manifest;
  const [gone = 0, waiting = 0, displaced = 0, seated = 0] = counts;
  return {
    title: manifest.title,
    beacon: isQuicknet(beacon) ? 'quicknet' : beacon.kind,
    chain: beacon.kind === 'drand' ? beacon.chain : '',
    sealedAt: sealed.map(({ sealedAt }) => sealedAt),
    slots,
    people: gone + waiting + displaced + seated,
    seated,
    waiting: waiting + displaced,
  };
}
