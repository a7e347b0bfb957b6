/**
 * Statistics over many draws, beside the exact tests. Seeds are fixed; the family of tests errs
 * with a chance of one in a thousand (Holm). Each statistic must also find the unfair draws that it
 * is meant for.
 */
import { describe, expect, test } from 'vitest';
import {
  type Arrivals,
  arrivalAuc,
  arrivalDeciles,
  arrivalDistance,
  chiSquareTail,
  evenPlaces,
  goodnessOfFit,
  kolmogorovTail,
  normalTail,
  rejected,
} from '../../bench/sim/statistics.ts';
import { hypergeometric, meanOf, rangeOf } from '../../bench/sim/chances.ts';
import { between, type Random, seededRandom } from '../../src/demo/random.ts';
import { sha256, u32 } from '../../src/lib/hash.ts';
import { buildEntryTable, entryAt, type EntryRow } from '../../src/rounds/draw/entry-table.ts';
import { createLedger } from '../../src/rounds/draw/ledger.ts';
import { idOf, lottery, wants } from './release.ts';
import { drawNew } from './draw-new.ts';

const ALPHA = 0.001;

describe('distribution functions, against published tables', () => {
  test.each([
    [3.841, 1, 0.05],
    [10.828, 1, 0.001],
    [16.919, 9, 0.05],
    [27.877, 9, 0.001],
    [37.652, 25, 0.05],
    [52.62, 25, 0.001],
    [124.342, 100, 0.05],
    [149.449, 100, 0.001],
    [2.088, 9, 0.99],
    [77.929, 100, 0.95],
  ])('chi-square beyond %d with %d degrees of freedom: %d', (value, freedom, tail) => {
    expect(chiSquareTail(value, freedom) / tail).toBeCloseTo(1, 2);
  });

  test('chi-square with 2 degrees of freedom is exponential, small or large', () => {
    for (const value of [0, 0.1, 1, 3.9, 4.1, 20, 200])
      expect(chiSquareTail(value, 2) / Math.exp(-value / 2)).toBeCloseTo(1, 12);
  });

  test.each([
    [1.959964, 0.05],
    [2.575829, 0.01],
    [-3.290527, 0.001],
  ])('a normal beyond %d: %d', (z, tail) => {
    expect(normalTail(z) / tail).toBeCloseTo(1, 5);
  });

  test.each([
    [1.3581, 0.05],
    [1.6276, 0.01],
    [1.9495, 0.001],
    [0.1, 1],
  ])('a Kolmogorov distance beyond %d: %d', (distance, tail) => {
    expect(kolmogorovTail(distance) / tail).toBeCloseTo(1, 3);
  });

  test("Holm's steps: thresholds loosen only as long as all before were passed", () => {
    expect(rejected([0.01, 0.04, 0.03, 0.005], 0.05)).toEqual([true, false, false, true]);
    expect(rejected([0.02, 0.02], 0.05)).toEqual([true, true]);
    expect(rejected([0.03, 0.04], 0.05)).toEqual([false, false]);
  });

  test('bots among winners: the mean and the range of 999 in 1000 draws', () => {
    const bots = hypergeometric(10_000, 1_000, 500);
    expect(meanOf(bots)).toBeCloseTo(50, 9);
    expect(rangeOf(bots, 0.999)).toEqual({ least: 30, most: 73 });
    expect(bots.chances.reduce((sum, chance) => sum + chance, 0)).toBeCloseTo(1, 9);
  });
});

/** A draw: places of arrival in the order in which they are served. */
type Draw = (people: number, round: number) => readonly number[];

const tables = new Map<number, ReturnType<typeof arrivedTable>>();
function arrivedTable(people: number) {
  const manifest = lottery({ hall: { open: 1 } });
  const rows: EntryRow[] = Array.from({ length: people }, (_, i) => wants(`arrival ${i}`, [0]));
  const table = buildEntryTable(manifest, rows);
  const places = new Map(rows.map((_, i) => [idOf(`arrival ${i}`), i]));
  const placeOfRow = Array.from({ length: people }, (_, row) => places.get(entryAt(table, row))!);
  return { manifest, table, placeOfRow };
}

/** The engine's: only the seed changes from round to round. */
const engine: Draw = (people, round) => {
  const { manifest, table, placeOfRow } =
    tables.get(people) ?? tables.set(people, arrivedTable(people)).get(people)!;
  const seed = sha256(Buffer.from('statistics'), u32(round));
  return Array.from(drawNew(createLedger(manifest), table, seed).order, (row) => placeOfRow[row]!);
};

const arrived = (people: number): number[] => Array.from({ length: people }, (_, i) => i);

/** Fisher and Yates. */
function shuffled(random: Random, items: readonly number[]): number[] {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const chosen = between(random, 0, last);
    [order[last], order[chosen]] = [order[chosen]!, order[last]!];
  }
  return order;
}

const seeded = (
  make: (random: Random, people: number) => readonly number[],
  seed: string,
): Draw => {
  return (people, round) => make(seededRandom(`${seed}/${people}/${round}`), people);
};
const UNFAIR: Readonly<Record<string, Draw>> = {
  'the last to come has 15 % less of a chance than the first': seeded(
    (random, people) =>
      arrived(people)
        .map((place) => ({ place, key: -Math.log(1 - random()) / (1 - (0.15 * place) / people) }))
        .toSorted((a, b) => a.key - b.key)
        .map(({ place }) => place),
    'arrival',
  ),
  'sorting with a comparison that tosses a coin': seeded(
    (random, people) => arrived(people).toSorted(() => random() - 0.5),
    'coin',
  ),
  'the first hundredth is let in': seeded((random, people) => {
    const first = Math.ceil(people / 100);
    const rest = shuffled(random, arrived(people).slice(first));
    return [...arrived(first), ...rest];
  }, 'door'),
};

const PEOPLE = 200;
const SEATS = 50;
const ROUNDS = 400;
const arrivalsOf = (draw: Draw): Arrivals[] =>
  Array.from({ length: ROUNDS }, (_, round) => {
    const winners = new Set(draw(PEOPLE, round).slice(0, SEATS));
    return arrived(PEOPLE).map((place) => winners.has(place));
  });

const FEW = 6;
const ordersOf = (draw: Draw): (readonly number[])[] =>
  Array.from({ length: 2_000 }, (_, round) => draw(FEW, round));

const BOTS = 40;
const botSeatsOf = (draw: Draw): number[] =>
  arrivalsOf(draw).map((round) => round.slice(0, BOTS).filter(Boolean).length);

const STATISTICS: Readonly<Record<string, (draw: Draw) => number>> = {
  'AUC of arrival': (draw) => arrivalAuc(arrivalsOf(draw)).p,
  'distance of arrivals': (draw) => arrivalDistance(arrivalsOf(draw)).p,
  'tenths of arrival': (draw) => arrivalDeciles(arrivalsOf(draw)).p,
  'even places': (draw) => evenPlaces(ordersOf(draw)).p,
  "the first forty's seats": (draw) =>
    goodnessOfFit(botSeatsOf(draw), hypergeometric(PEOPLE, BOTS, SEATS)),
};

describe('the draw', () => {
  test('passes all of them together', () => {
    const pValues = Object.values(STATISTICS).map((statistic) => statistic(engine));
    expect(rejected(pValues, ALPHA), String(pValues)).toEqual(pValues.map(() => false));
  });

  test('gives 1,000 bots among 10,000 people their share of 500 seats', () => {
    const order = engine(10_000, 0);
    const bots = order.slice(0, 500).filter((place) => place < 1_000).length;
    expect(bots).toBeGreaterThanOrEqual(30);
    expect(bots).toBeLessThanOrEqual(73);
  });
});

describe('unfair draws', () => {
  const found: readonly (readonly [unfair: string, statistic: string])[] = [
    ['the last to come has 15 % less of a chance than the first', 'AUC of arrival'],
    ['the last to come has 15 % less of a chance than the first', 'distance of arrivals'],
    ['sorting with a comparison that tosses a coin', 'AUC of arrival'],
    ['sorting with a comparison that tosses a coin', 'distance of arrivals'],
    ['sorting with a comparison that tosses a coin', 'tenths of arrival'],
    ['sorting with a comparison that tosses a coin', 'even places'],
    ['sorting with a comparison that tosses a coin', "the first forty's seats"],
    ['the first hundredth is let in', 'tenths of arrival'],
    ['the first hundredth is let in', 'even places'],
    ['the first hundredth is let in', "the first forty's seats"],
  ];
  test.each(found)('%s: found by %s', (unfair, statistic) => {
    expect(STATISTICS[statistic]!(UNFAIR[unfair]!)).toBeLessThan(ALPHA / found.length);
  });
});

describe('a fair shuffle', () => {
  const fair = seeded((random, people) => shuffled(random, arrived(people)), 'fair');

  test('is left alone by all of them', () => {
    const pValues = Object.values(STATISTICS).map((statistic) => statistic(fair));
    expect(rejected(pValues, ALPHA), String(pValues)).toEqual(pValues.map(() => false));
  });

  test('of six is accused by the naive test 18 % of the time where 5 % are meant', () => {
    const EXPERIMENTS = 2_000;
    const tests = Array.from({ length: EXPERIMENTS }, (_, experiment) =>
      evenPlaces(Array.from({ length: 120 }, (_, round) => fair(FEW, experiment * 120 + round))),
    );
    const share = (rejects: (one: (typeof tests)[number]) => boolean): number =>
      tests.filter(rejects).length / EXPERIMENTS;
    // In the limit: that 6 / 5 of a chi-square with 25 degrees of freedom is beyond 37.652.
    expect(chiSquareTail((37.652 * 5) / 6, 25)).toBeCloseTo(0.177, 3);
    expect(share(({ naive }) => naive < 0.05)).toBeCloseTo(0.177, 1);
    expect(share(({ p }) => p < 0.05)).toBeCloseTo(0.05, 1);
    expect(share(({ naive }) => naive < 0.05)).toBeGreaterThan(0.15);
    expect(share(({ p }) => p < 0.05)).toBeLessThan(0.067);
  });

  test('has AUCs that vary as the theory says', () => {
    const zs = arrivalsOf(fair).map((round) => arrivalAuc([round]).z);
    const variance = zs.reduce((sum, z) => sum + z * z, 0);
    expect(chiSquareTail(variance, zs.length)).toBeGreaterThan(ALPHA / 2);
    expect(chiSquareTail(variance, zs.length)).toBeLessThan(1 - ALPHA / 2);
  });
});
