/**
 * The draw: serial dictatorship in a random order from a public seed (docs/draw.md). No I/O, no
 * clock, no randomness of its own; the ledger is changed in place.
 */
import { assert, present } from '../../lib/assert.ts';
import { sha256Hex, sha256Into, tag } from '../../lib/hash.ts';
import { jcs } from '../../lib/jcs.ts';
import { ascending } from './bytes.ts';
import { ENTRY_ID_BYTES, type EntryColumns, type EntryTable, entryAt } from './entry-table.ts';
import {
  DISPLACED,
  findLive,
  type Ledger,
  type Settled,
  type Since,
  settle,
  WAITING,
} from './ledger.ts';

export const KEY_BYTES = 32;

/** Seats given in this round. */
export type Offer = {
  readonly entry: string;
  /** Number of the slot in the manifest's order. */
  readonly slot: number;
  /** Number of the pool within its slot, in the manifest's order. */
  readonly pool: number;
  /** Seats. */
  readonly size: number;
};

/** What became of the entries that are new in this round. */
export type NewDrawn = {
  /** Row numbers of the table in draw order. */
  readonly order: Uint32Array;
  /** By row: rank key, 32 bytes each. */
  readonly keys: Buffer;
  /** By row: number of the pool (of all in the manifest) that gave the seats, or WAITING. */
  readonly given: Int32Array;
};

export type Drawn = NewDrawn & {
  readonly settled: Settled;
  /** In draw order: the first `carried` to entries of earlier rounds, the others to new ones. */
  readonly offers: readonly Offer[];
  readonly carried: number;
  /** By pool (of all in the manifest): seats free before the draw, after `since`. */
  readonly before: Int32Array;
  readonly after: Int32Array;
};

/** The message of a rank key, tag("rank") || seed || entry id, with room for the id at `at`. */
function rankMessage(seed: Buffer): { readonly message: Buffer; readonly at: number } {
  const prefix = Buffer.concat([tag('rank'), seed]);
  return { message: Buffer.concat([prefix, Buffer.alloc(ENTRY_ID_BYTES)]), at: prefix.length };
}

/** Makes the rank keys of entries, in hex. */
export function rankKeys(seed: Buffer): (entry: string) => string {
  const { message, at } = rankMessage(seed);
  return (entry) => {
    message.write(entry, at, 'base64url');
    return sha256Hex(message);
  };
}

/** Rank keys by row. */
function keysOf(table: EntryColumns, seed: Buffer): Buffer {
  const { message, at } = rankMessage(seed);
  const keys = Buffer.alloc(table.count * KEY_BYTES);
  for (let row = 0; row < table.count; row++) {
    table.ids.copy(message, at, row * ENTRY_ID_BYTES, (row + 1) * ENTRY_ID_BYTES);
    sha256Into(keys, row * KEY_BYTES, message);
  }
  return keys;
}

/**
 * Takes the seats of the first pool, by the entry's preferences and then the manifest's order, that
 * has enough and is for everyone in the entry. Answers its number, or WAITING.
 */
function takeSeats({ pools, free }: Ledger, table: EntryColumns, row: number): number {
  const size = present(table.sizes[row], 'size');
  const lacking = ~present(table.categories[row], 'categories');
  const last = present(table.prefStart[row + 1], 'row');
  for (let at = present(table.prefStart[row], 'row'); at < last; at++) {
    const slot = present(table.prefs[at], 'preference');
    const end = present(pools.start[slot + 1], 'slot');
    for (let pool = present(pools.start[slot], 'slot'); pool < end; pool++) {
      const seats = present(free[pool], 'pool');
      if (seats < size || (present(pools.needs[pool], 'pool') & lacking) !== 0) continue;
      free[pool] = seats - size;
      return pool;
    }
  }
  return WAITING;
}

function offerOf({ pools }: Ledger, table: EntryColumns, row: number, number: number): Offer {
  const slot = present(pools.slot[number], 'slot');
  const pool = number - present(pools.start[slot], 'pool');
  return { entry: entryAt(table, row), slot, pool, size: present(table.sizes[row], 'size') };
}

/**
 * Serves those of earlier rounds who have `standing`, in their order, until `seats` seats are
 * given.
 */
function serve(ledger: Ledger, standing: number, seats: number, offers: Offer[]): void {
  let left = seats;
  for (const { table, order, standing: standings, seatedIn } of ledger.cohorts)
    for (let place = 0; place < order.length; place++) {
      if (left === 0) return;
      const row = present(order[place], 'place');
      if (standings[row] !== standing) continue;
      const pool = takeSeats(ledger, table, row);
      if (pool === WAITING) continue;
      standings[row] = pool;
      seatedIn[row] = ledger.nextRound;
      const offer = offerOf(ledger, table, row, pool);
      left -= offer.size;
      offers.push(offer);
    }
}

/**
 * First half of a draw, on a settled ledger: those whose slot was closed, then those who wait.
 * Whoever waits was passed over by every pool on their list, and can only be served by one that has
 * got seats back since: once those are given, nobody further down the queue need be looked at.
 */
export function drawCarried(ledger: Ledger): Offer[] {
  const freeIn = (pools: Iterable<number>): number =>
    Array.from(pools, (pool) => present(ledger.free[pool], 'pool')).reduce((a, b) => a + b, 0);
  const offers: Offer[] = [];
  if (ledger.displaced > 0) {
    serve(ledger, DISPLACED, freeIn(ledger.free.keys()), offers);
    ledger.displaced -= offers.length;
  }
  serve(ledger, WAITING, freeIn(ledger.regained), offers);
  ledger.regained.clear();
  return offers;
}

/**
 * Second half: the entries of this round, which join the ledger, in the order of `order`. Answers
 * by row what they got. An entry that the ledger has already is a fault.
 */
export function joinLedger(ledger: Ledger, table: EntryTable, order: Uint32Array): Int32Array {
  if (ledger.cohorts.length > 0)
    for (let row = 0; row < table.count; row++) {
      const entry = entryAt(table, row);
      assert(!findLive(ledger, entry), `entry ${entry} is in already`);
    }
  const given = new Int32Array(table.count);
  for (const row of order) given[row] = takeSeats(ledger, table, row);
  const { leaves: _, ...columns } = table;
  if (table.count > 0)
    ledger.cohorts.push({
      table: columns,
      order,
      standing: given.slice(),
      seatedIn: new Uint32Array(table.count).fill(ledger.nextRound),
      live: table.count,
    });
  return given;
}

/** The order that a seed gives to the entries of a round. */
export function drawOrder(table: EntryTable, seed: Buffer): Omit<NewDrawn, 'given'> {
  const keys = keysOf(table, seed);
  return { keys, order: ascending(keys, KEY_BYTES) };
}

/** A part of the draw that can take seconds, once it is over. */
export type DrawStep = 'sort' | 'assign';

/** Settles and draws the next round of a ledger. Events that do not fit the ledger are a fault. */
export function drawRound(input: {
  readonly ledger: Ledger;
  readonly table: EntryTable;
  readonly since: Since;
  readonly seed: Buffer;
  readonly onStep?: (step: DrawStep) => void;
}): Drawn {
  const { ledger, table, onStep } = input;
  const ranked = drawOrder(table, input.seed);
  onStep?.('sort');
  const settled = settle(ledger, input.since);
  assert(
    !('misfit' in settled),
    `what happened since the last round does not fit: ${jcs(settled)}`,
  );
  const before = ledger.free.slice();
  const offers = drawCarried(ledger);
  const carried = offers.length;
  const given = joinLedger(ledger, table, ranked.order);
  for (const row of ranked.order) {
    const pool = present(given[row], 'entry');
    if (pool !== WAITING) offers.push(offerOf(ledger, table, row, pool));
  }
  onStep?.('assign');
  return { ...ranked, given, settled, offers, carried, before, after: ledger.free.slice() };
}
