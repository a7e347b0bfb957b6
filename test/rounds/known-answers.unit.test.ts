/**
 * Serial dictatorship has exact answers: the share of all orders in which each agent gets each
 * slot.
 */
import { describe, expect, test } from 'vitest';
import { sha256, u32 } from '../../src/lib/hash.ts';
import type { LotteryManifest } from '../../src/releases/manifest.ts';
import { buildEntryTable, type EntryRow, entryAt } from '../../src/rounds/draw/entry-table.ts';
import { WAITING } from '../../src/rounds/draw/ledger.ts';
import { createLedger, idOf, lottery, type Seats, wants } from './release.ts';
import { drawNew } from './draw-new.ts';

/** Draws with one seed after the other until every order of the entries has come up once. */
function everyOrder(manifest: LotteryManifest, rows: readonly EntryRow[]) {
  const table = buildEntryTable(manifest, rows);
  const orders = rows.reduce((product, _row, i) => product * (i + 1), 1);
  const found = new Map<string, ReadonlyMap<string, string>>();
  for (let seed = 0; found.size < orders; seed++) {
    const ledger = createLedger(manifest);
    const { order, given } = drawNew(ledger, table, sha256(u32(seed)));
    if (found.has(order.join())) continue;
    const slotOf = (pool: number): string =>
      pool === WAITING ? '' : manifest.slots[ledger.pools.slot[pool]!]!.slot;
    found.set(
      order.join(),
      new Map(Array.from(order, (row) => [entryAt(table, row), slotOf(given[row]!)])),
    );
  }
  return [...found.values()];
}

/** In how many of all orders each named agent gets each slot. */
function shares(seats: Seats, rows: Readonly<Record<string, EntryRow>>) {
  const drawn = everyOrder(lottery(seats), Object.values(rows));
  const count = (agent: string, slot: string): number =>
    drawn.filter((got) => got.get(idOf(agent)) === slot).length / drawn.length;
  return Object.fromEntries(
    Object.keys(rows).map((agent) => [
      agent,
      Object.fromEntries(Object.keys(seats).map((slot) => [slot, count(agent, slot)])),
    ]),
  );
}

const agents = (
  lists: Readonly<Record<string, readonly number[]>>,
): Readonly<Record<string, EntryRow>> =>
  Object.fromEntries(Object.entries(lists).map(([name, prefs]) => [name, wants(name, prefs)]));

describe('over all orders, exactly', () => {
  test('two pairs with opposed tastes', () => {
    const seats = { a: { open: 1 }, b: { open: 1 }, c: { open: 1 }, d: { open: 1 } };
    const [a, b, c, d] = [0, 1, 2, 3];
    const lists = { 1: [a, b, c, d], 2: [a, b, c, d], 3: [b, a, d, c], 4: [b, a, d, c] };
    const got = shares(seats, agents(lists));
    expect(got['1']).toEqual({ a: 5 / 12, b: 1 / 12, c: 5 / 12, d: 1 / 12 });
    expect(got['2']).toEqual(got['1']);
    expect(got['3']).toEqual({ a: 1 / 12, b: 5 / 12, c: 1 / 12, d: 5 / 12 });
    expect(got['4']).toEqual(got['3']);
  });

  const [X, Y] = [0, 1];
  const TRUTH = { A: [X, Y], B: [X], C: [Y, X], D: [Y], E: [X, Y] };

  test('lists of different lengths for slots of different sizes', () => {
    const got = shares({ X: { open: 2 }, Y: { open: 1 } }, agents(TRUTH));
    expect(got['A']).toEqual({ X: 37 / 60, Y: 1 / 30 });
    expect(got['E']).toEqual(got['A']);
    expect(got['B']).toEqual({ X: 37 / 60, Y: 0 });
    expect(got['C']).toEqual({ X: 3 / 20, Y: 7 / 15 });
    expect(got['D']).toEqual({ X: 0, Y: 7 / 15 });
  });

  test('nobody gains by another list, in any order at all', () => {
    const manifest = lottery({ X: { open: 2 }, Y: { open: 1 } });
    type Got = ReadonlyMap<string, string>;
    const play = (lists: Readonly<Record<string, readonly number[]>>): ReadonlyMap<string, Got> => {
      const drawn = everyOrder(manifest, Object.values(agents(lists)));
      return new Map(drawn.map((got) => [[...got.keys()].join(), got]));
    };
    const honest = play(TRUTH);
    for (const [agent, prefs] of Object.entries(TRUTH)) {
      const rank = (got: Got | undefined): number => {
        const at = prefs.findIndex((number) => 'XY'[number] === got?.get(idOf(agent)));
        return at < 0 ? Infinity : at;
      };
      for (const lie of [[X], [Y], [X, Y], [Y, X]])
        for (const [order, got] of play({ ...TRUTH, [agent]: lie }))
          expect(rank(honest.get(order))).toBeLessThanOrEqual(rank(got));
    }
  });

  test('groups that do not fit are skipped', () => {
    const sizes = { p: 1, q: 1, r: 2, s: 2, t: 4 };
    const rows = Object.entries(sizes).map(([name, size]) => [name, wants(name, [0], { size })]);
    const got = shares({ hall: { open: 6 } }, Object.fromEntries(rows));
    expect(Object.values(got).map(({ hall }) => hall)).toEqual([
      4 / 5,
      4 / 5,
      2 / 3,
      2 / 3,
      13 / 30,
    ]);
  });
});

describe('a reserve of two of four seats, for 1, 2, 5 and 6 of six', () => {
  const SEED = sha256(Buffer.from('reserve'));
  const ids = Array.from({ length: 6 }, (_, i) => `citizen ${i}`);

  /**
   * Places in the draw, from 1, of those who get seats: categories go by place, since keys do not
   * depend on them.
   */
  function winners(pools: Readonly<Record<string, number>>): number[] {
    const manifest = lottery({ hall: pools });
    const draw = (rows: readonly EntryRow[]) => {
      const table = buildEntryTable(manifest, rows);
      return { table, ...drawNew(createLedger(manifest), table, SEED) };
    };
    const { order, table } = draw(ids.map((name) => wants(name, [0])));
    const places = [...order].map((row) => entryAt(table, row));
    const members = new Set([1, 2, 5, 6].map((place) => places[place - 1]));
    const drawn = draw(
      ids.map((name) =>
        wants(name, [0], { categories: members.has(idOf(name)) ? ['member'] : [] }),
      ),
    );
    return [1, 2, 3, 4, 5, 6].filter((place) => drawn.given[drawn.order[place - 1]!] !== WAITING);
  }

  test('reserved first is a minimum guarantee', () => {
    expect(winners({ member: 2, open: 2 })).toEqual([1, 2, 3, 4]);
  });

  test('open first is over and above', () => {
    expect(winners({ open: 2, member: 2 })).toEqual([1, 2, 5, 6]);
  });
});
