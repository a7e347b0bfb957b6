/** A draw of new entries alone: for a ledger in which nobody waits. */
import { drawOrder, joinLedger } from '../../src/rounds/draw/draw.ts';
import type { EntryTable } from '../../src/rounds/draw/entry-table.ts';
import type { Ledger } from '../../src/rounds/draw/ledger.ts';

export function drawNew(ledger: Ledger, table: EntryTable, seed: Buffer) {
  const ranked = drawOrder(table, seed);
  return { ...ranked, given: joinLedger(ledger, table, ranked.order) };
}
