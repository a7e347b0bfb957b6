// @ts-check
/** What stands between two rounds: who waits, who holds which seats, and what is free. */
import { categoriesOf, OPEN } from './manifest.js';
import { demand, quoted } from './refusal.js';
import { createTable, DISPLACED, GONE, HOLDS, idOf, latestWith, prefsOf, WAITS } from './table.js';

/**
 * @typedef {{round: number, file: string, entries: number, served: number, digest: string}} Round
 * @typedef {{first: number, count: number, root: string, text: string,
 *   cutAt: string, sealedAt: string, valueAtMs: number, offers: Map<number, number>,
 *   pools: Int32Array}} Sealed first: number of the first entry that was new in the round; offers: pools that entries of earlier
 *   rounds got seats of; pools: likewise of the new ones, -1 for who waits
 * @typedef {{cancelled: string[], closed: string[], expired: string[],
 *   lost: [string, string, number][], withdrawn: string[]}} Since
 */

/** @param {import('./manifest.js').Manifest} manifest */
export function createLedger(manifest) {
  const pools = manifest.slots.flatMap(({ slot, pools }, number) =>
    pools.map(({ pool, seats }) => ({ slot: number, slotId: slot, name: pool, seats })),
  );
  const categories = categoriesOf(manifest.slots);
  const bits = new Map(categories.map((name, bit) => [name, (1 << bit) >>> 0]));
  let next = 0;
  const starts = manifest.slots.map(({ pools: { length } }) => (next += length) - length);
  return {
    manifest,
    pools,
    categories: bits,
    slots: new Map(manifest.slots.map(({ slot }, number) => [slot, number])),
    slotStart: Uint32Array.of(...starts, next),
    /** By pool: the category that it is reserved for; 0 takes everyone. */
    needs: Uint32Array.from(pools, ({ name }) => (name === OPEN ? 0 : (bits.get(name) ?? 0))),
    free: Float64Array.from(pools, ({ seats }) => seats),
    /** Free when the last round had been drawn. */
    settled: Float64Array.from(pools, ({ seats }) => seats),
    held: new Float64Array(pools.length),
    closed: new Uint8Array(manifest.slots.length),
    /** Pools that something happened to in this round, in any order. */
    touched: /** @type {Set<number>} */ (new Set()),
    table: createTable(),
    /** Who was passed over, ascending; those who got seats or went since are skipped. */
    queue: /** @type {number[]} */ ([]),
    displaced: /** @type {number[]} */ ([]),
    dereserved: false,
    rounds: /** @type {Round[]} */ ([]),
    sealed: /** @type {Sealed[]} */ ([]),
    /** Digest of the last round. */
    digest: '0'.repeat(64),
    /** When the value of the last round came into being, or it was sealed. */
    valueAtMs: -Infinity,
    /** Last value of a hash chain. */
    link: manifest.beacon.kind === 'hash-chain' ? manifest.beacon.anchor : '',
  };
}

/** @typedef {ReturnType<typeof createLedger>} Ledger */

/**
 * Number of a pool; -1 when the manifest has none of these names.
 *
 * @param {Ledger} ledger
 * @param {unknown} slot
 * @param {unknown} pool
 */
export function poolNamed(ledger, slot, pool) {
  const number = typeof slot === 'string' ? ledger.slots.get(slot) : undefined;
  if (number === undefined) return -1;
  const end = ledger.slotStart[number + 1] ?? 0;
  for (let at = ledger.slotStart[number] ?? 0; at < end; at++)
    if (ledger.pools[at]?.name === pool) return at;
  return -1;
}

/**
 * @param {Ledger} ledger
 * @param {number} entry
 */
function giveBack(ledger, entry) {
  const { table } = ledger;
  const pool = table.pool[entry] ?? -1;
  const size = table.size[entry] ?? 0;
  ledger.free[pool] = (ledger.free[pool] ?? 0) + size;
  ledger.held[pool] = (ledger.held[pool] ?? 0) - size;
  ledger.touched.add(pool);
  table.pool[entry] = -1;
}

/**
 * @param {Ledger} ledger
 * @param {string} text
 * @param {readonly number[]} states what the entry must do
 * @param {string} problem
 */
function entryThat(ledger, text, states, problem) {
  const id = idOf(text);
  const entry = id ? latestWith(ledger.table, id) : -1;
  demand(entry >= 0 && states.includes(ledger.table.state[entry] ?? GONE), `${text} ${problem}`);
  return entry;
}

/**
 * @param {Ledger} ledger
 * @param {number} entry
 */
function displace(ledger, entry) {
  giveBack(ledger, entry);
  ledger.table.state[entry] = DISPLACED;
  ledger.displaced.push(entry);
}

/**
 * Who holds seats of some pools, last in their order first.
 *
 * @param {Ledger} ledger
 * @param {ReadonlySet<number>} pools
 */
function holdersOf({ table }, pools) {
  const holders = new Map(Array.from(pools, (pool) => [pool, /** @type {number[]} */ ([])]));
  for (let entry = table.count - 1; entry >= 0; entry--)
    if (table.state[entry] === HOLDS) holders.get(table.pool[entry] ?? -1)?.push(entry);
  return holders;
}

/**
 * @param {Ledger} ledger
 * @param {readonly string[]} slots
 */
function close(ledger, slots) {
  const gone = new Set();
  for (const slot of slots) {
    const number = ledger.slots.get(slot);
    demand(number !== undefined, `the manifest has no slot ${quoted(slot)}`);
    demand(ledger.closed[number] === 0, `the slot ${quoted(slot)} is closed already`);
    ledger.closed[number] = 1;
    const end = ledger.slotStart[number + 1] ?? 0;
    for (let pool = ledger.slotStart[number] ?? 0; pool < end; pool++) gone.add(pool);
  }
  if (gone.size === 0) return;
  for (const entries of holdersOf(ledger, gone).values())
    for (const entry of entries) displace(ledger, entry);
  for (const pool of gone) {
    ledger.free[pool] = 0;
    ledger.touched.add(pool);
  }
}

/**
 * @param {Ledger} ledger
 * @param {Since['lost']} lost
 */
function lose(ledger, lost) {
  const named = lost.map(([slot, name, seats]) => {
    const what = `${quoted(slot)}, ${quoted(name)}`;
    const pool = poolNamed(ledger, slot, name);
    demand(pool >= 0, `the manifest has no pool ${what}`);
    demand(ledger.closed[ledger.pools[pool]?.slot ?? -1] === 0, `the slot of ${what} is closed`);
    const there = (ledger.free[pool] ?? 0) + (ledger.held[pool] ?? 0);
    demand(seats <= there, `${what} cannot lose ${seats} of ${there} seats`);
    return { pool, seats };
  });
  const short = named.filter(({ pool, seats }) => (ledger.free[pool] ?? 0) < seats);
  const holders =
    short.length > 0 ? holdersOf(ledger, new Set(short.map(({ pool }) => pool))) : null;
  for (const { pool, seats } of named) {
    for (const entry of holders?.get(pool) ?? []) {
      if ((ledger.free[pool] ?? 0) >= seats) break;
      displace(ledger, entry);
    }
    ledger.free[pool] = (ledger.free[pool] ?? 0) - seats;
    ledger.touched.add(pool);
  }
}

/** @param {Ledger} ledger */
function dereserve(ledger) {
  const pools = ledger.dereserved ? [...ledger.touched] : ledger.pools.keys();
  ledger.dereserved = true;
  for (const pool of pools) {
    const seats = ledger.free[pool] ?? 0;
    const slot = ledger.pools[pool]?.slotId;
    if (ledger.needs[pool] === 0 || seats === 0) continue;
    const open = poolNamed(ledger, slot, OPEN);
    ledger.free[open] = (ledger.free[open] ?? 0) + seats;
    ledger.free[pool] = 0;
    ledger.touched.add(pool).add(open);
  }
}

/**
 * Applies what happened since the last round. Gives the last round of which offers expired, or -1.
 *
 * @param {Ledger} ledger
 * @param {Since} since in order
 */
export function settle(ledger, since) {
  const { table } = ledger;
  let offersOf = -1;
  const leave = (/** @type {string} */ text) => {
    const entry = entryThat(ledger, text, [HOLDS], 'holds no seat');
    giveBack(ledger, entry);
    table.state[entry] = GONE;
    return entry;
  };
  for (const text of since.cancelled) leave(text);
  for (const text of since.expired)
    offersOf = Math.max(offersOf, table.seatedIn[leave(text)] ?? -1);
  close(ledger, since.closed);
  lose(ledger, since.lost);
  for (const text of since.withdrawn) {
    const entry = entryThat(ledger, text, [WAITS, DISPLACED], 'does not wait');
    table.state[entry] = GONE;
  }
  const { dereserveAfter } = ledger.manifest;
  if (dereserveAfter !== null && ledger.rounds.length > dereserveAfter) dereserve(ledger);
  return offersOf;
}

/**
 * Gives an entry its seats if there are any for it; gives the pool, or -1.
 *
 * @param {Ledger} ledger
 * @param {number} entry
 */
export function seat(ledger, entry) {
  const { table, free, needs, slotStart, held } = ledger;
  const size = table.size[entry] ?? 0;
  const cats = table.cats[entry] ?? 0;
  for (const slot of prefsOf(table, entry)) {
    const end = slotStart[slot + 1] ?? 0;
    for (let pool = slotStart[slot] ?? 0; pool < end; pool++) {
      const needed = needs[pool] ?? 0;
      if ((needed !== 0 && (cats & needed) === 0) || (free[pool] ?? 0) < size) continue;
      free[pool] = (free[pool] ?? 0) - size;
      held[pool] = (held[pool] ?? 0) + size;
      table.pool[entry] = pool;
      table.state[entry] = HOLDS;
      table.seatedIn[entry] = ledger.rounds.length;
      return pool;
    }
  }
  return -1;
}

/**
 * Draws those of earlier rounds; gives who got seats, in draw order.
 *
 * @param {Ledger} ledger
 */
export function drawEarlier(ledger) {
  const { table } = ledger;
  /** @type {number[]} */
  const served = [];
  ledger.displaced.sort((a, b) => a - b);
  for (const entry of ledger.displaced)
    if (table.state[entry] === DISPLACED && seat(ledger, entry) >= 0) served.push(entry);
  // What did not get more since others were passed over is nothing to them now.
  const offered = () => [...ledger.touched].filter((pool) => (ledger.free[pool] ?? 0) > 0);
  let open = offered();
  if (open.length > 0) {
    for (const entry of ledger.queue) {
      if (table.state[entry] !== WAITS) continue;
      const pool = seat(ledger, entry);
      if (pool < 0) continue;
      served.push(entry);
      if (ledger.free[pool] === 0) open = open.filter((one) => one !== pool);
      if (open.length === 0) break;
    }
    ledger.queue = ledger.queue.filter((entry) => table.state[entry] === WAITS);
  }
  for (const entry of served) ledger.touched.add(table.pool[entry] ?? -1);
  ledger.displaced = ledger.displaced.filter((entry) => table.state[entry] === DISPLACED);
  return served;
}

/**
 * For a sentence.
 *
 * @param {Ledger} ledger
 * @param {number} pool
 */
export function placeName({ pools }, pool) {
  const found = pools[pool];
  return found ? `${quoted(found.slotId)}, ${quoted(found.name)}` : 'no seat';
}
