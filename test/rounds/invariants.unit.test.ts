/**
 * What holds over all rounds of any release, beside what draw.unit.test.ts holds: random releases
 * are written down as what entered and what happened, and played again with something changed. Each
 * round has a seed of its own that depends on its number only: with the real one, any change at all
 * would draw another order.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sharesOverAllOrders } from '../../bench/sim/all-orders.ts';
import { sha256, tag, u32 } from '../../src/lib/hash.ts';
import { createSecrets } from '../../src/lib/secrets.ts';
import type { LotteryManifest } from '../../src/releases/manifest.ts';
import { drawRound, type Drawn, KEY_BYTES } from '../../src/rounds/draw/draw.ts';
import {
  buildEntryTable,
  type EntryRow,
  type EntryTable,
  entryAt,
} from '../../src/rounds/draw/entry-table.ts';
import {
  createLedger,
  DISPLACED,
  GONE,
  inOrder,
  type Ledger,
  NOTHING_SINCE,
  type Since,
  WAITING,
} from '../../src/rounds/draw/ledger.ts';
import { entryIdOf } from '../../src/rounds/rules.ts';
import { idOf, lottery, playRound, wants } from './release.ts';
import { anyEntries, anyManifest, half, type Pick } from './scenario.ts';
import { drawNew } from './draw-new.ts';

type Script = {
  readonly manifest: LotteryManifest;
  readonly rounds: readonly { readonly rows: readonly EntryRow[]; readonly since: Since }[];
};

/** Where an entry that is not gone stands: number of its pool, WAITING or DISPLACED. */
type Standings = ReadonlyMap<string, number>;

function standingsOf({ cohorts }: Ledger): Standings {
  return new Map(
    cohorts.flatMap(({ table, order, standing }) =>
      Array.from(order)
        .filter((row) => standing[row] !== GONE)
        .map((row) => [entryAt(table, row), standing[row]!] as const),
    ),
  );
}

type Played = {
  readonly ledger: Ledger;
  readonly table: EntryTable;
  readonly drawn: Drawn;
  readonly before: Standings;
  /** In the order that entries have. */
  readonly after: Standings;
};

function playNext(ledger: Ledger, { rows, since }: Script['rounds'][number]): Played {
  const before = standingsOf(ledger);
  const table = buildEntryTable(ledger.manifest, rows);
  const seed = sha256(Buffer.from('invariants'), u32(ledger.nextRound));
  const drawn = drawRound({ ledger, table, since: inOrder(since), seed });
  ledger.nextRound += 1;
  return { ledger, table, drawn, before, after: standingsOf(ledger) };
}

/** `check` sees each round before the next is played. */
function play({ manifest, rounds }: Script, check: (round: Played, number: number) => void): void {
  const ledger = createLedger(manifest);
  for (const [number, round] of rounds.entries()) check(playNext(ledger, round), number);
}

/** Few ids, so that those who are gone come back. */
const IDS = Array.from({ length: 20 }, (_, i) => idOf(`invariant ${i}`));
const ROUNDS = 4;

function anySince(pick: Pick, ledger: Ledger): Since {
  const standings = [...standingsOf(ledger)];
  const some = (stands: (pool: number) => boolean): string[] =>
    half(
      pick,
      standings.filter(([, pool]) => stands(pool)),
    ).map(([entry]) => entry);
  const back = half(
    pick,
    some((pool) => pool >= 0),
  );
  const open = ledger.manifest.slots.filter(({ slot }) => !ledger.closed.has(slot));
  const closed = half(pick, half(pick, half(pick, open))).map(({ slot }) => slot);
  const lost = half(pick, half(pick, open)).flatMap(({ slot, pools }) =>
    closed.includes(slot)
      ? []
      : pools.flatMap(({ pool }, i) => {
          const start =
            ledger.pools.start[ledger.manifest.slots.findIndex((one) => one.slot === slot)]!;
          const seats = ledger.capacity[start + i]!;
          return seats > 0 ? [[slot, pool, 1] as const] : [];
        }),
  );
  return {
    cancelled: back.filter((_, i) => i % 2 === 0),
    expired: back.filter((_, i) => i % 2 === 1),
    withdrawn: half(
      pick,
      some((pool) => pool === WAITING),
    ),
    closed,
    lost,
  };
}

function anyRound(pick: Pick, ledger: Ledger): Script['rounds'][number] {
  const since = anySince(pick, ledger);
  const gone = new Set([...since.cancelled, ...since.expired, ...since.withdrawn]);
  const live = standingsOf(ledger);
  const ids = half(pick, IDS).filter((id) => !live.has(id) || gone.has(id));
  return { rows: anyEntries(pick, ledger.manifest, ids), since };
}

function anyScript(pick: Pick): Script {
  const manifest = anyManifest(pick);
  const ledger = createLedger(manifest);
  const rounds: Script['rounds'][number][] = [];
  for (let number = 0; number < ROUNDS; number++) {
    const round = anyRound(pick, ledger);
    rounds.push(round);
    playNext(ledger, round);
  }
  return { manifest, rounds };
}

const forAnyScript = (check: (script: Script, pick: Pick) => void, numRuns = 250) =>
  fc.assert(
    fc.property(fc.gen(), (pick) => check(anyScript(pick), pick)),
    { numRuns },
  );

/** Rows as they entered last: those who come back may want something else. */
const rowsUpTo = ({ rounds }: Script, number: number): ReadonlyMap<string, EntryRow> =>
  new Map(rounds.slice(0, number + 1).flatMap(({ rows }) => rows.map((row) => [row.entry, row])));

const shuffled = <T>(pick: Pick, items: readonly T[]): T[] =>
  pick(fc.shuffledSubarray<T>, [...items], { minLength: items.length });

describe('in every round', () => {
  test('each seat is free or held by one, and pools are never overdrawn', () => {
    let held = 0;
    forAnyScript((script) => {
      play(script, ({ ledger, after }, number) => {
        const rows = rowsUpTo(script, number);
        const taken = new Int32Array(ledger.pools.count);
        for (const [entry, pool] of after) if (pool >= 0) taken[pool]! += rows.get(entry)!.size;
        for (const [pool, free] of ledger.free.entries()) {
          expect(free).toBeGreaterThanOrEqual(0);
          expect(free + taken[pool]!).toBe(ledger.capacity[pool]);
        }
        held += taken.reduce((sum, seats) => sum + seats, 0);
      });
    });
    expect(held).toBeGreaterThan(500);
  });

  test('nobody who holds a seat is moved, but by an operator', () => {
    let kept = 0;
    forAnyScript((script) => {
      play(script, ({ before, after }, number) => {
        const { since } = script.rounds[number]!;
        if (since.closed.length > 0 || since.lost.length > 0) return;
        const gone = new Set([...since.cancelled, ...since.expired]);
        for (const [entry, pool] of before)
          if (pool >= 0 && !gone.has(entry)) {
            expect(after.get(entry)).toBe(pool);
            kept += 1;
          }
      });
    });
    expect(kept).toBeGreaterThan(200);
  });

  test('nobody who waits was passed over for somebody behind them', () => {
    let compared = 0;
    forAnyScript((script) => {
      play(script, ({ ledger, drawn, before, after }, number) => {
        const rows = rowsUpTo(script, number);
        const places = new Map([...after.keys()].map((entry, place) => [entry, place]));
        for (const { entry, slot, pool, size } of drawn.offers) {
          if (before.get(entry) !== undefined && before.get(entry) !== WAITING) continue;
          const name = ledger.manifest.slots[slot]!.pools[pool]!.pool;
          for (const [waits, standing] of after) {
            const row = rows.get(waits)!;
            if (standing !== WAITING || row.size > size || !row.prefs.includes(slot)) continue;
            if (name !== 'open' && !row.categories.includes(name)) continue;
            expect(places.get(waits)).toBeGreaterThan(places.get(entry)!);
            compared += 1;
          }
        }
      });
    });
    expect(compared).toBeGreaterThan(300);
  });

  test('the displaced come first, then those who wait, then the new, each in their order', () => {
    let displaced = 0;
    forAnyScript((script) => {
      play(script, ({ table, drawn, before, after }) => {
        const places = new Map([...after.keys()].map((entry, place) => [entry, place]));
        const fresh = new Set(Array.from({ length: table.count }, (_, row) => entryAt(table, row)));
        const turnOf = (entry: string): number => {
          if (fresh.has(entry)) return 2;
          const moved = drawn.settled.displaced.includes(entry) || before.get(entry) === DISPLACED;
          return moved ? 0 : 1;
        };
        const turns = drawn.offers.map(({ entry }) => [turnOf(entry), places.get(entry)!] as const);
        expect(turns).toEqual(turns.toSorted(([a, i], [b, j]) => a - b || i - j));
        displaced += turns.filter(([turn]) => turn === 0).length;
      });
    });
    expect(displaced).toBeGreaterThan(10);
  });
});

describe('nothing changes for anyone', () => {
  test('when entries and events come, or are stored, in another order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.gen(), async (pick) => {
        const manifest = anyManifest(pick);
        const [ledger, other] = [createLedger(manifest), createLedger(manifest)];
        for (let number = 0; number < ROUNDS; number++) {
          const { rows, since } = anyRound(pick, ledger);
          const once = await playRound(ledger, rows, since);
          const again = await playRound(other, shuffled(pick, rows), {
            cancelled: shuffled(pick, since.cancelled),
            closed: shuffled(pick, since.closed),
            expired: shuffled(pick, since.expired),
            lost: shuffled(pick, since.lost),
            withdrawn: shuffled(pick, since.withdrawn),
          });
          expect(again.bytes.equals(once.bytes)).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('when slots get other names and another order', () => {
    forAnyScript((script, pick) => {
      const { slots } = script.manifest;
      const order = shuffled(pick, [...slots.keys()]);
      const nameOf = (slot: string): string =>
        `renamed-${slots.findIndex((one) => one.slot === slot)}`;
      const renamed: Script = {
        manifest: {
          ...script.manifest,
          slots: order.map((old) => ({ ...slots[old]!, slot: `renamed-${old}` })),
        },
        rounds: script.rounds.map(({ rows, since }) => ({
          rows: rows.map((row) => ({ ...row, prefs: row.prefs.map((old) => order.indexOf(old)) })),
          since: {
            ...since,
            closed: since.closed.map(nameOf),
            lost: since.lost.map(([slot, pool, seats]) => [nameOf(slot), pool, seats] as const),
          },
        })),
      };
      expect(seatsByRound(renamed, (slot) => slots[order[slot]!]!.slot)).toEqual(
        seatsByRound(script, (slot) => slots[slot]!.slot),
      );
    });
  });

  test('when somebody stays away who would never have got anything', () => {
    let removed = 0;
    forAnyScript((script) => {
      const seats = seatsByRound(script, String);
      const events = script.rounds.flatMap(({ since }) => [...since.withdrawn]);
      const loser = IDS.find(
        (id) =>
          script.rounds.some(({ rows }) => rows.some(({ entry }) => entry === id)) &&
          !events.includes(id) &&
          seats.every((round) => !round.has(id)),
      );
      if (loser === undefined) return;
      removed += 1;
      const without: Script = {
        ...script,
        rounds: script.rounds.map(({ rows, since }) => ({
          rows: rows.filter(({ entry }) => entry !== loser),
          since,
        })),
      };
      expect(seatsByRound(without, String)).toEqual(seats);
    });
    expect(removed).toBeGreaterThan(50);
  });
});

/** Who holds what after each round: `slot pool`, with slots named by their number. */
function seatsByRound(
  script: Script,
  nameOf: (slot: number) => string,
): readonly ReadonlyMap<string, string>[] {
  const seats: Map<string, string>[] = [];
  play(script, ({ ledger, after }) => {
    const held = [...after]
      .filter(([, pool]) => pool >= 0)
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    seats.push(
      new Map(
        held.map(([entry, pool]) => {
          const slot = ledger.pools.slot[pool]!;
          const name = ledger.manifest.slots[slot]!.pools[pool - ledger.pools.start[slot]!]!.pool;
          return [entry, `${nameOf(slot)} ${name}`];
        }),
      ),
    );
  });
  return seats;
}

describe('a rank key', () => {
  const secrets = createSecrets('a secret of at least thirty-two characters');
  const keyOf = (rows: readonly EntryRow[], entry: string, seed: Buffer): string => {
    const table = buildEntryTable(lottery({ a: { open: 1 }, b: { open: 1 } }), rows);
    const row = Array.from({ length: table.count }, (_, i) => i).find(
      (i) => entryAt(table, i) === entry,
    )!;
    const { keys } = drawNew(
      createLedger(lottery({ a: { open: 1 }, b: { open: 1 } })),
      table,
      seed,
    );
    return keys.toString('hex', row * KEY_BYTES, (row + 1) * KEY_BYTES);
  };

  test('belongs to the person: entering again after a withdrawal brings no other', () => {
    fc.assert(
      fc.property(fc.string(), fc.uint8Array({ minLength: 32, maxLength: 32 }), (person, bytes) => {
        const seed = Buffer.from(bytes);
        const entry = entryIdOf(secrets, 'release', person);
        const others = [wants('x', [0]), wants('y', [1])];
        const first: EntryRow = { entry, size: 1, categories: [], prefs: [0] };
        const again = { ...first, entry: entryIdOf(secrets, 'release', person), prefs: [1, 0] };
        const key = sha256(tag('rank'), seed, Buffer.from(entry, 'base64url')).toString('hex');
        expect(keyOf([first, ...others], entry, seed)).toBe(key);
        expect(keyOf([...others, again], entry, seed)).toBe(key);
      }),
      { numRuns: 200 },
    );
  });

  test('is another for every person and every release', () => {
    const ids = ['release', 'another'].flatMap((release) =>
      ['asha', 'babu'].map((person) => entryIdOf(secrets, release, person)),
    );
    expect(new Set(ids).size).toBe(4);
  });

  test('of a later round is of no use to who waits: entering again is the end of the queue', () => {
    forAnyScript(({ manifest, rounds }) => {
      const ledger = createLedger({ ...manifest, dereserve_after_round: null });
      playNext(ledger, rounds[0]!);
      const waiting = [...standingsOf(ledger)].filter(([, pool]) => pool === WAITING);
      const [impatient] = waiting.map(([entry]) => entry);
      if (impatient === undefined) return;
      const row = rounds[0]!.rows.find(({ entry }) => entry === impatient)!;
      const since = { ...NOTHING_SINCE, withdrawn: [impatient] };
      const { after } = playNext(ledger, { rows: [row], since });
      expect([...after.keys()].at(-1)).toBe(impatient);
      expect(after.get(impatient)).toBe(WAITING);
    }, 200);
  });
});

/** Draws with one seed after the other until every order has come up, and counts who got what. */
function sharesByDrawing(seats: readonly number[], rows: readonly EntryRow[]): number[][] {
  const manifest = lottery(
    Object.fromEntries(seats.map((open, slot) => [`slot-${slot}`, { open }])),
  );
  const table = buildEntryTable(manifest, rows);
  const orders = rows.reduce((product, _row, i) => product * (i + 1), 1);
  const seen = new Set<string>();
  const hits = rows.map(() => seats.map(() => 0));
  for (let seed = 0; seen.size < orders; seed++) {
    const { order, given } = drawNew(createLedger(manifest), table, sha256(u32(seed)));
    if (seen.has(order.join())) continue;
    seen.add(order.join());
    for (const [agent, { entry }] of rows.entries()) {
      const row = order.find((one) => entryAt(table, one) === entry)!;
      if (given[row] !== WAITING) hits[agent]![given[row]!]! += 1 / orders;
    }
  }
  return hits;
}

test('small markets come out as brute force over all orders says', () => {
  fc.assert(
    fc.property(fc.gen(), (pick) => {
      const seats = Array.from({ length: 3 }, () => pick(fc.integer, { min: 0, max: 2 }));
      const wishes = Array.from({ length: 4 }, () => ({
        prefs: pick(fc.shuffledSubarray<number>, [0, 1, 2], { minLength: 1 }),
        size: pick(fc.constantFrom<number[]>, 1, 1, 2),
      }));
      const rows = wishes.map(({ prefs, size }, i) => wants(`agent ${i}`, prefs, { size }));
      const exact = sharesOverAllOrders(seats, wishes);
      for (const [agent, shares] of sharesByDrawing(seats, rows).entries())
        for (const [slot, share] of shares.entries())
          expect(share).toBeCloseTo(exact[agent]![slot]!, 12);
    }),
    { numRuns: 60 },
  );
});
