import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sha256 } from '../../src/lib/hash.ts';
import type { LotteryManifest } from '../../src/releases/manifest.ts';
import { buildEntryTable, type EntryRow, entryAt } from '../../src/rounds/draw/entry-table.ts';
import { WAITING } from '../../src/rounds/draw/ledger.ts';
import type { NaiveState } from './naive-draw.ts';
import { createLedger, idOf, lottery, playRound, wants } from './release.ts';
import { anyEntries, anyManifest, half, type Pick, playBoth } from './scenario.ts';
import { drawNew } from './draw-new.ts';

describe('releases of one to four rounds', () => {
  test('are drawn as the naive draw does it, byte for byte, and keep every promise', async () => {
    const seen = {
      rounds: 0,
      entries: 0,
      offers: 0,
      carried: 0,
      closed: 0,
      lost: 0,
      displaced: 0,
      gone: 0,
    };
    await fc.assert(
      fc.asyncProperty(fc.gen(), async (pick) => {
        await playBoth(pick, ({ fast, naive, state, ledger }) => {
          expect(fast.bytes.toString()).toBe(naive.text);
          expect(fast.digest).toBe(naive.digest);
          expect(brokenPromises(state)).toEqual([]);
          expect(ledger.displaced).toBe(
            state.queue.filter(({ state }) => state === 'displaced').length,
          );
          seen.rounds += 1;
          seen.entries += fast.table.count;
          seen.offers += fast.drawn.offers.length;
          seen.carried += fast.drawn.carried;
          seen.closed += fast.record.since.closed.length;
          seen.lost += fast.record.since.lost.length;
          seen.displaced += fast.drawn.settled.displaced.length;
          seen.gone += state.queue.filter(({ state }) => state === 'gone').length;
        });
      }),
      { numRuns: 2_000 },
    );
    for (const [what, count] of Object.entries(seen))
      expect(count, `${what} in the scenarios`).toBeGreaterThan(200);
  }, 60_000);
});

/** What the draw promises and did not keep, over all rounds so far. */
function brokenPromises({ queue, pools }: NaiveState): unknown[] {
  const broken: unknown[] = [];
  for (const { slot, pool, seats, free } of pools) {
    const holders = queue.filter(
      (entry) => entry.state === 'holds' && entry.slot === slot && entry.pool === pool,
    );
    const taken = holders.reduce((sum, { size }) => sum + size, 0);
    if (free < 0 || taken + free !== seats) broken.push({ overbooked: { slot, pool, taken } });
  }
  const live = queue.filter(({ state }) => state !== 'gone');
  if (new Set(live.map(({ entry }) => entry)).size < live.length)
    broken.push('somebody is in twice');
  for (const entry of live) {
    const takes = (slot: string | null, pool: string | null): boolean =>
      entry.prefs.includes(slot ?? '') && ['open', ...entry.cats].includes(pool ?? '');
    if (entry.state === 'holds' && !takes(entry.slot, entry.pool))
      broken.push({ misplaced: entry });
    if (entry.state !== 'holds')
      for (const { slot, pool, free } of pools)
        if (free >= entry.size && takes(slot, pool)) broken.push({ passedOver: entry, slot, pool });
  }
  return broken;
}

type Outcome = ReadonlyMap<string, string>;

/** What every entry gets with a given seed: `slot pool`, or nothing. */
function outcomes(manifest: LotteryManifest, rows: readonly EntryRow[], seed: Buffer): Outcome {
  const ledger = createLedger(manifest);
  const table = buildEntryTable(manifest, rows);
  const { given } = drawNew(ledger, table, seed);
  return new Map(
    Array.from(given, (pool, row) => {
      if (pool === WAITING) return [entryAt(table, row), ''];
      const slot = manifest.slots[ledger.pools.slot[pool]!]!;
      const number = pool - ledger.pools.start[ledger.pools.slot[pool]!]!;
      return [entryAt(table, row), `${slot.slot} ${slot.pools[number]!.pool}`];
    }),
  );
}

function keysOf(rows: readonly EntryRow[], manifest: LotteryManifest, seed: Buffer) {
  const table = buildEntryTable(manifest, rows);
  const { keys } = drawNew(createLedger(manifest), table, seed);
  return new Map(
    rows.map(({ entry }) => {
      const row = Array.from({ length: table.count }, (_, i) => i).find(
        (i) => entryAt(table, i) === entry,
      )!;
      return [entry, keys.toString('hex', row * 32, row * 32 + 32)];
    }),
  );
}

const SEED = sha256(Buffer.from('seed'));
const NAMES = Array.from({ length: 12 }, (_, i) => idOf(`person ${i}`));

function anyRound(pick: Pick): { manifest: LotteryManifest; rows: readonly EntryRow[] } {
  const manifest = anyManifest(pick);
  const ids = half(pick, NAMES);
  return { manifest, rows: anyEntries(pick, manifest, ids) };
}

const forAnyRound = (
  check: (pick: Pick, manifest: LotteryManifest, rows: readonly EntryRow[]) => void,
) =>
  fc.assert(
    fc.property(fc.gen(), (pick) => {
      const { manifest, rows } = anyRound(pick);
      check(pick, manifest, rows);
    }),
    { numRuns: 500 },
  );

describe('a round', () => {
  test('gives the same transcript in whatever order entries arrived and are stored', async () => {
    await fc.assert(
      fc.asyncProperty(fc.gen(), async (pick) => {
        const { manifest, rows } = anyRound(pick);
        const shuffled = pick(fc.shuffledSubarray<EntryRow>, [...rows], { minLength: rows.length });
        const once = await playRound(createLedger(manifest), rows);
        const again = await playRound(createLedger(manifest), shuffled);
        expect(again.bytes.equals(once.bytes)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('gives everyone the same seat whatever the slots are called and wherever they stand', () => {
    forAnyRound((pick, manifest, rows) => {
      const numbers = [...manifest.slots.keys()];
      const order = pick(fc.shuffledSubarray<number>, numbers, { minLength: numbers.length });
      const renamed = {
        ...manifest,
        slots: order.map((old) => ({ ...manifest.slots[old]!, slot: `renamed-${old}` })),
      };
      const moved = rows.map((row) => ({
        ...row,
        prefs: row.prefs.map((old) => order.indexOf(old)),
      }));
      const before = outcomes(manifest, rows, SEED);
      for (const [entry, got] of outcomes(renamed, moved, SEED)) {
        const [slot = '', pool] = got.split(' ');
        const old = manifest.slots[Number(slot.slice('renamed-'.length))]?.slot;
        expect(got === '' ? '' : `${old} ${pool}`).toBe(before.get(entry));
      }
    });
  });

  test('moves nobody when somebody who gets nothing enters as well', () => {
    forAnyRound((_pick, manifest, rows) => {
      const all = outcomes(manifest, rows, SEED);
      const loser = rows.find(({ entry }) => all.get(entry) === '');
      if (!loser) return;
      const others = outcomes(
        manifest,
        rows.filter((row) => row !== loser),
        SEED,
      );
      for (const [entry, got] of others) expect(got).toBe(all.get(entry));
    });
  });

  test('gives an entry the same key whatever it asks for and whoever else enters', () => {
    forAnyRound((pick, manifest, rows) => {
      const edited = anyEntries(pick, manifest, NAMES);
      const keys = keysOf(edited, manifest, SEED);
      for (const [entry, key] of keysOf(rows, manifest, SEED)) expect(keys.get(entry)).toBe(key);
    });
  });

  test('lets nobody envy somebody behind who got as many seats', () => {
    forAnyRound((_pick, manifest, rows) => {
      const got = outcomes(manifest, rows, SEED);
      const keys = keysOf(rows, manifest, SEED);
      const rank = (row: EntryRow, slot: string): number => {
        const at = row.prefs.findIndex((number) => manifest.slots[number]!.slot === slot);
        return at < 0 ? Infinity : at;
      };
      for (const ahead of rows)
        for (const behind of rows) {
          const [slot, pool] = got.get(behind.entry)!.split(' ');
          if (!slot || !pool || ahead.size > behind.size) continue;
          if (keys.get(ahead.entry)! >= keys.get(behind.entry)!) continue;
          if (pool !== 'open' && !ahead.categories.includes(pool)) continue;
          const [own = ''] = got.get(ahead.entry)!.split(' ');
          expect(rank(ahead, own)).toBeLessThanOrEqual(rank(ahead, slot));
        }
    });
  });

  test('cannot be gamed: no other preferences give anyone a better seat', () => {
    forAnyRound((pick, manifest, rows) => {
      const truth = outcomes(manifest, rows, SEED);
      const [liar] = rows;
      if (!liar) return;
      const [lie] = anyEntries(pick, manifest, [liar.entry]);
      const lied = outcomes(manifest, [{ ...liar, prefs: lie!.prefs }, ...rows.slice(1)], SEED);
      const value = (got: string): number => {
        const at = liar.prefs.findIndex((slot) => got.startsWith(`${manifest.slots[slot]!.slot} `));
        return at < 0 ? Infinity : at;
      };
      expect(value(truth.get(liar.entry)!)).toBeLessThanOrEqual(value(lied.get(liar.entry)!));
    });
  });
});

const served = ({ drawn }: Awaited<ReturnType<typeof playRound>>): string[] =>
  drawn.offers.map(({ entry }) => entry);

describe('later rounds', () => {
  test('serve those who wait before the new, in the order of their first round', async () => {
    const names = Array.from({ length: 9 }, (_, i) => `early ${i}`);
    const ledger = createLedger(lottery({ hall: { open: 3 } }));
    const first = await playRound(
      ledger,
      names.map((name) => wants(name, [0])),
    );
    const queue = [...first.drawn.order].map((row) => entryAt(first.table, row));
    expect(served(first)).toEqual(queue.slice(0, 3));
    const second = await playRound(ledger, [wants('late', [0])], { expired: queue.slice(1, 3) });
    expect(served(second)).toEqual(queue.slice(3, 5));
    const third = await playRound(ledger, [], {
      cancelled: [queue[0]!],
      withdrawn: [queue[5]!],
    });
    expect(served(third)).toEqual([queue[6]!]);
    const fourth = await playRound(ledger, [], {
      cancelled: queue.slice(3, 5).concat(queue[6]!),
    });
    expect(served(fourth)).toEqual([queue[7]!, queue[8]!, idOf('late')]);
  });

  test('serve first those whose slot was closed, before all who wait', async () => {
    const ledger = createLedger(lottery({ north: { open: 1 }, south: { open: 1 } }));
    const both = [wants('a', [0, 1]), wants('b', [0, 1]), wants('c', [0, 1]), wants('d', [0, 1])];
    const first = await playRound(ledger, both);
    const [inNorth, inSouth] = served(first);
    const second = await playRound(ledger, [], { closed: ['north'], cancelled: [inSouth!] });
    expect(second.drawn.offers).toEqual([{ entry: inNorth, slot: 1, pool: 0, size: 1 }]);
    const third = await playRound(ledger, [], { closed: ['south'] });
    expect(third.drawn.offers).toEqual([]);
    expect(ledger.displaced).toBe(1);
  });

  test('let whoever is gone enter anew, behind those who wait', async () => {
    const ledger = createLedger(lottery({ hall: { open: 1 } }));
    const first = await playRound(ledger, [wants('a', [0]), wants('b', [0])]);
    const [winner] = served(first);
    const loser = [idOf('a'), idOf('b')].find((id) => id !== winner)!;
    const again = winner === idOf('a') ? wants('a', [0]) : wants('b', [0]);
    const second = await playRound(ledger, [again], { cancelled: [winner!] });
    expect(served(second)).toEqual([loser]);
    const third = await playRound(ledger, [], { expired: [loser] });
    expect(served(third)).toEqual([winner]);
  });

  test('refuse an entry that is in already, and events that do not fit', async () => {
    const ledger = createLedger(lottery({ hall: { open: 1 } }));
    await playRound(ledger, [wants('a', [0])]);
    await expect(playRound(ledger, [wants('a', [0])])).rejects.toThrow('is in already');
    const other = createLedger(lottery({ hall: { open: 1 } }));
    await expect(playRound(other, [], { expired: [idOf('a')] })).rejects.toThrow('holds no seat');
  });
});
