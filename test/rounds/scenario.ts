/** Random releases of several rounds, played by the engine and by the naive draw side by side. */
import fc from 'fast-check';
import { sha256 } from '../../src/lib/hash.ts';
import type { DrawnManifest, LotteryManifest } from '../../src/releases/manifest.ts';
import type { EntryRow } from '../../src/rounds/draw/entry-table.ts';
import { createLedger, type Ledger, type Since } from '../../src/rounds/draw/ledger.ts';
import { type NaiveStanding, type NaiveState, naiveRound, naiveStart } from './naive-draw.ts';
import { CHAIN, lottery, playRound, sealedAt, type Seats } from './release.ts';

const CATEGORIES = ['nurse', 'senior'];
/** Few ids, so that those who are gone come back. */
const IDS = Array.from({ length: 24 }, (_, i) => sha256(Buffer.of(i)).toString('base64url', 0, 16));

export type Pick = fc.GeneratorValue;

/** Each with an even chance; one pick for all of them, which is what fast-check is quick at. */
export function half<T>(pick: Pick, from: readonly T[]): T[] {
  const bits = pick(fc.nat, { max: 2 ** 24 - 1 });
  return from.filter((_, i) => ((bits >> (i % 24)) & 1) === 1);
}

const some = <T>(pick: Pick, from: readonly T[], least = 0): readonly T[] =>
  pick(fc.shuffledSubarray<T>, [...from], { minLength: Math.min(least, from.length) });

export function anyManifest(pick: Pick): LotteryManifest {
  const seats: Record<string, Record<string, number>> = {};
  for (const slot of some(pick, ['a', 'b-2', 'b.1', 'c'], 1))
    seats[slot] = Object.fromEntries(
      some(pick, ['open', ...CATEGORIES], 1).map((pool) => [pool, pick(fc.nat, { max: 4 })]),
    );
  const everywhereOpen = Object.values(seats).every((pools) => 'open' in pools);
  const dereserve = everywhereOpen ? pick(fc.constantFrom<(number | null)[]>, null, 0, 1) : null;
  return { ...lottery(seats satisfies Seats), dereserve_after_round: dereserve };
}

export function anyEntries(
  pick: Pick,
  manifest: DrawnManifest,
  ids: readonly string[],
): readonly EntryRow[] {
  const names = new Set(manifest.slots.flatMap(({ pools }) => pools.map(({ pool }) => pool)));
  const categories = CATEGORIES.filter((name) => names.has(name));
  return ids.map((entry) => ({
    entry,
    size: pick(fc.constantFrom<number[]>, 1, 1, 1, 2, 3, 4),
    categories: some(pick, categories).toSorted(),
    prefs: some(pick, [...manifest.slots.keys()], 1),
  }));
}

/** A quarter of those in one of the states, so that most rounds have something of everything. */
const anyOf = (pick: Pick, state: NaiveState, ...states: NaiveStanding['state'][]): string[] => {
  const those = state.queue.filter(({ state }) => states.includes(state));
  return half(pick, half(pick, those)).map(({ entry }) => entry);
};

/** Of a few open pools: one of their seats, or all of them. */
function anyLosses(
  pick: Pick,
  { pools, queue }: NaiveState,
  closed: ReadonlySet<string>,
): Since['lost'] {
  return half(pick, half(pick, pools)).flatMap(({ slot, pool, free }) => {
    const held = queue
      .filter((one) => one.state === 'holds' && one.slot === slot && one.pool === pool)
      .reduce((sum, { size }) => sum + size, 0);
    const seats = free + held;
    if (seats === 0 || closed.has(slot)) return [];
    return [[slot, pool, pick(fc.constantFrom<number[]>, 1, seats)] as const];
  });
}

function anySince(pick: Pick, state: NaiveState, closed: Set<string>): Since {
  const back = anyOf(pick, state, 'holds');
  const since = {
    cancelled: back.filter((_, i) => i % 2 === 0),
    expired: back.filter((_, i) => i % 2 === 1),
    withdrawn: anyOf(pick, state, 'waits', 'displaced'),
    closed: half(pick, half(pick, half(pick, state.manifest.slots)))
      .map(({ slot }) => slot)
      .filter((slot) => !closed.has(slot)),
  };
  for (const slot of since.closed) closed.add(slot);
  return { ...since, lost: anyLosses(pick, state, closed) };
}

/** Plays a release; `check` sees each round as both draws left it. */
export async function playBoth(
  pick: Pick,
  check: (round: {
    readonly fast: Awaited<ReturnType<typeof playRound>>;
    readonly naive: { readonly text: string; readonly digest: string };
    readonly state: NaiveState;
    readonly ledger: Ledger;
  }) => void,
): Promise<{ files: Buffer[]; ledger: Ledger }> {
  const manifest = anyManifest(pick);
  const ledger = createLedger(manifest);
  const state = naiveStart(manifest);
  const closed = new Set<string>();
  const files: Buffer[] = [];
  for (let rounds = pick(fc.integer, { min: 1, max: 4 }); rounds > 0; rounds--) {
    const since = anySince(pick, state, closed);
    const gone = new Set([...since.cancelled, ...since.expired, ...since.withdrawn]);
    const live = new Set(
      state.queue
        .filter(({ entry, state }) => state !== 'gone' && !gone.has(entry))
        .map(({ entry }) => entry),
    );
    const ids = half(pick, IDS).filter((id) => !live.has(id));
    const rows = anyEntries(pick, manifest, ids);
    const naive = naiveRound(state, {
      since,
      entries: rows.map(({ entry, size, categories, prefs }) => ({
        cats: categories,
        entry,
        prefs: prefs.map((slot) => manifest.slots[slot]!.slot),
        size,
      })),
      sealedAt: sealedAt(ledger.nextRound),
      preimage: CHAIN.preimage(ledger.nextRound + 1).toString('hex'),
    });
    const fast = await playRound(ledger, rows, since);
    check({ fast, naive, state, ledger });
    files.push(fast.bytes);
  }
  return { files, ledger };
}
