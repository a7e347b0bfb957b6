/**
 * The black market for appointments, after Hakimov, Heller, Kübler and Kurino, "How to Avoid Black
 * Markets for Appointments with Online Booking Systems", American Economic Review 111(7), 2021. A
 * scalper books under borrowed names, sells, cancels and books again in the buyer's name. Where a
 * cancelled seat comes back at once, its script is there first; where it goes to a later draw, it
 * goes to whoever waits. The numbers are ours: what carries over is the sign of the profit.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { drawWeighted, type Random, seededRandom } from '../../src/demo/random.ts';
import { openRelease, peopleNamed } from './release.ts';

export type Mechanism = 'immediate' | 'batch' | 'batch, next in line known';
export type Demand = keyof typeof SEEKERS;

const SEATS = 20;
const NAMES = peopleNamed('borrowed name', 10);
/** With low demand there is a seat for everyone, even when every name of the scalper holds one. */
const SEEKERS = { low: 10, high: 60 } as const;
/** A seat is worth 0 to 100 to a seeker, and a name costs this much to borrow for a release. */
const VALUE_MOST = 100;
const NAME_COSTS = 5;
const PRICES = [10, 20, 30, 40, 50, 60, 70, 80, 90];

type Seeker = { readonly name: string; readonly value: number };

/** In the order of their arrival, of which values say nothing. */
const seekersOf = (random: Random, demand: Demand): readonly Seeker[] =>
  peopleNamed('seeker', SEEKERS[demand]).map((name) => ({ name, value: random() * VALUE_MOST }));

/** A game answers how many seats the scalper sells at a price. */
type Game = (random: Random, seekers: readonly Seeker[], price: number) => number;

/** Names first, for scripts are faster; then seekers; what is cancelled is booked within the second. */
const immediate: Game = (_random, seekers, price) => {
  const held = Math.min(NAMES.length, SEATS);
  const left = seekers.slice(SEATS - held);
  return Math.min(held, left.filter(({ value }) => value >= price).length);
};

/** It sells to whoever would pay, and is paid by those who then have a seat. */
const batch: Game = (random, seekers, price) => {
  const { release, held } = firstRound(random, seekers);
  const willing = seekers.filter(({ name, value }) => value >= price && !release.hasSeat(name));
  const clients = drawWeighted(random, willing, () => 1, held.length);
  for (const name of held.slice(0, clients.length)) release.cancel(name);
  release.draw();
  return clients.filter(({ name }) => release.hasSeat(name)).length;
};

/**
 * Transcripts tell in which order people wait. If those who are next make themselves known, the
 * scalper sells to them; who is next and will not pay keeps it from selling to all behind.
 */
const batchNextKnown: Game = (random, seekers, price) => {
  const { release, held } = firstRound(random, seekers);
  const values = new Map(seekers.map(({ name, value }) => [name, value]));
  const next = release.waiting().slice(0, held.length);
  const refusal = next.findIndex((name) => (values.get(name) ?? 0) < price);
  const payers = next.slice(0, refusal < 0 ? next.length : refusal);
  for (const name of held.slice(0, payers.length)) release.cancel(name);
  release.draw();
  return payers.filter(release.hasSeat).length;
};

function firstRound(random: Random, seekers: readonly Seeker[]) {
  const release = openRelease([SEATS], random);
  for (const name of NAMES) release.enter(name);
  for (const { name } of seekers) release.enter(name);
  release.draw();
  const held = NAMES.filter(release.hasSeat);
  // Names that wait are in the way of its own clients.
  for (const name of NAMES) if (!held.includes(name)) release.withdraw(name);
  if (held.length < NAMES.length) release.draw();
  return { release, held };
}

const GAMES: Readonly<Record<Mechanism, Game>> = {
  immediate,
  batch,
  'batch, next in line known': batchNextKnown,
};

export type Cell = {
  readonly mechanism: Mechanism;
  readonly demand: Demand;
  /** The price that suits the scalper best, of a seat that is worth 0 to 100. */
  readonly price: number;
  /** Seats sold of a release, on average. */
  readonly sold: number;
  /** Of a release, on average, at that price; and the range that holds 99.9 % of such series. */
  readonly profit: number;
  readonly least: number;
  readonly most: number;
  /** What a borrowed name may cost at most for scalping to pay. */
  readonly breakEven: number;
};

/** Half the width of a 99.9 % range in standard errors. */
const STANDARD_ERRORS = 3.29;

/** The same seekers at every price. `onRun` is called after each run of them. */
async function cell(
  mechanism: Mechanism,
  demand: Demand,
  { runs, seed, onRun }: MarketSeries,
): Promise<Cell> {
  const sales = PRICES.map((): number[] => []);
  for (let run = 0; run < runs; run++) {
    for (const [i, price] of PRICES.entries()) {
      const random = seededRandom([seed, mechanism, demand, run].join('/'));
      sales[i]?.push(GAMES[mechanism](random, seekersOf(random, demand), price));
    }
    onRun?.();
    await breathe();
  }
  const cells = PRICES.map((price, i) => profitOf(price, sales[i] ?? []));
  const [best] = cells.toSorted((left, right) => right.profit - left.profit);
  if (!best) throw new Error('there is a price');
  return { mechanism, demand, ...best };
}

function profitOf(price: number, sales: readonly number[]): Omit<Cell, 'mechanism' | 'demand'> {
  const sold = sales.reduce((sum, count) => sum + count, 0) / sales.length;
  const variance = sales.reduce((sum, count) => sum + (count - sold) ** 2, 0) / sales.length;
  const profit = price * sold - NAME_COSTS * NAMES.length;
  const half = STANDARD_ERRORS * price * Math.sqrt(variance / sales.length);
  return {
    price,
    sold,
    profit,
    least: profit - half,
    most: profit + half,
    breakEven: (price * sold) / NAMES.length,
  };
}

export type MarketSeries = {
  readonly runs: number;
  readonly seed: string;
  readonly onRun?: () => void;
};

const MECHANISMS = Object.keys(GAMES) as Mechanism[];
const DEMANDS = Object.keys(SEEKERS) as Demand[];
export const MARKETS = MECHANISMS.length * DEMANDS.length;

export async function playMarkets(series: MarketSeries): Promise<readonly Cell[]> {
  const cells: Cell[] = [];
  for (const mechanism of MECHANISMS)
    for (const demand of DEMANDS) cells.push(await cell(mechanism, demand, series));
  return cells;
}

/** Whether scalping pays where the paper says so, and nowhere else, of the four that it compares. */
export const asPublished = (cells: readonly Cell[]): boolean =>
  cells
    .filter(({ mechanism }) => mechanism !== 'batch, next in line known')
    .every(({ mechanism, demand, least, profit }) =>
      mechanism === 'immediate' && demand === 'high' ? least > 0 : profit < 0,
    );
