/**
 * What follows from the transcripts of all published rounds alone, against what stands: who holds
 * which seat, who waits, and how many seats there are. Pure.
 */
import { present } from '../lib/assert.ts';
import { entryAt } from '../rounds/draw/entry-table.ts';
import { GONE, type Ledger } from '../rounds/draw/ledger.ts';
import type { Found } from './findings.ts';
import { bookingOf, isHeld, itemOf, placeName, type Reading, placeOf } from './reading.ts';
import { capacityOf } from './rules.ts';

const differs = (where: string, expected: string, found: string): Found => ({
  kind: 'ledger-differs',
  where,
  expected,
  found,
});

/** `ledger`: after the last round that the reading has published. */
export function compareLedger(ledger: Ledger, reading: Reading): Found[] {
  const { pools } = ledger;
  const places = Array.from(ledger.free, (_free, number) => {
    const slot = present(pools.slot[number], 'pool');
    return `${slot}/${number - present(pools.start[slot], 'slot')}`;
  });
  const all: Found[] = [];
  for (const [number, place] of places.entries()) {
    const [expected, found] = [ledger.capacity[number], capacityOf(reading, place)];
    if (expected !== found)
      all.push(differs(placeName(reading.manifest, place), `${expected} seats`, `${found} seats`));
  }
  const live = new Set<string>();
  for (const { table, standing, seatedIn } of ledger.cohorts)
    for (const [row, pool] of standing.entries()) {
      if (pool === GONE) continue;
      const id = entryAt(table, row);
      live.add(id);
      const place = pool < 0 ? undefined : present(places[pool], 'pool');
      all.push(...ofEntry(reading, id, place, String(seatedIn[row])));
    }
  for (const [id, item] of reading.items)
    if (!live.has(id) && (item.entries !== '' || isHeld(bookingOf(reading, item))))
      all.push(differs(`entry ${id}`, 'gone, or never in a round', 'it is there'));
  return all;
}

/** `place`: where the transcripts give it seats; undefined where it waits. */
function ofEntry(reading: Reading, id: string, place: string | undefined, round: string): Found[] {
  const item = itemOf(reading, id);
  const booking = bookingOf(reading, item);
  const isThere = isHeld(booking);
  const told = reading.told.of(id);
  const left = told?.word === 'LEFT' || told?.word === 'UNSURE';
  // Whoever gave a seat back, or withdrew, may have entered again for a round that is yet to come.
  const isBack = told?.word === 'ENTERED' && told.round >= reading.told.drawn();
  const where = `entry ${id}`;
  if (place === undefined) {
    if (isThere) return [differs(where, 'waiting', 'a booking')];
    if (item.entries !== '' || left || isBack) return [];
    return [differs(where, 'waiting', 'none')];
  }
  if (booking && isThere && placeOf(booking) === place && booking.grant === round) return [];
  if (!isThere && (left || isBack)) return [];
  const name = (at: string): string => placeName(reading.manifest, at);
  const found = booking && isThere ? `${name(placeOf(booking))}, of ${booking.grant}` : 'no seat';
  return [differs(where, `${name(place)}, of ${round}`, found)];
}
