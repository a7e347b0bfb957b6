/** Where keys fall, by the client's own function, and what that makes of the hottest shard. */
import { describe, expect, it } from 'vitest';
import { assumed, ratesOf } from '../../bench/cost/model.ts';
import { readRecorded } from '../../bench/cost/recorded.ts';
import { createCountry, INDIA, spreadOf } from '../../bench/shards/country.ts';
import {
  eveningsOf,
  NEEDED_BY_ALL,
  noticing,
  onShards,
  type Placed,
  unevennessOf,
  workOf,
} from '../../bench/shards/evenings.ts';
import {
  ballsIntoBins,
  chosen,
  evenLayout,
  hottest,
  rebalanced,
  shardLoads,
  slotLoads,
} from '../../bench/shards/layout.ts';
import { shards } from '../../bench/shards.ts';
import { SLOTS, slotOf } from '../../bench/support/key-slot.ts';
import { isMet } from '../../bench/support/scenario.ts';
import { between, seededRandom } from '../../src/demo/random.ts';
import { keys } from '../../src/redis/keys.ts';

const SEED = 'test';
const sum = (values: Iterable<number>): number => Array.from(values).reduce((a, b) => a + b, 0);
const COUNTRY = { people: 1_000_000, districts: INDIA.districts, seed: SEED };

describe('hash slots', () => {
  it('are CRC16/XMODEM of what stands in the braces', () => {
    expect(slotOf('123456789')).toBe(0x31c3 % SLOTS); // the check value of the specification
    expect(slotOf('fs:v1:{r:pune}:entering')).toBe(slotOf('r:pune'));
    expect(slotOf(keys.entering('pune'))).toBe(slotOf(keys.bookings('pune')));
  });

  it('are dealt in ranges that differ by one slot at most', () => {
    for (const count of [1, 3, 7, 512]) {
      const layout = evenLayout(count);
      const sizes = shardLoads(slotLoads([], SLOTS), layout, count);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1.000001);
      expect(Array.from(layout)).toEqual(Array.from(layout).toSorted((a, b) => a - b));
    }
  });
});

describe('a layout', () => {
  const country = createCountry(COUNTRY);
  const balls = country.map(({ names, people }) => ({
    slot: slotOf(keys.entering(names[0]!)),
    load: people,
  }));
  const loads = slotLoads(balls, 500_000);

  it('loses nothing', () => {
    for (const count of [3, 64]) {
      const { layout } = rebalanced(loads, evenLayout(count), count, 0);
      for (const one of [evenLayout(count), layout])
        expect(sum(shardLoads(loads, one, count))).toBeCloseTo(1_500_000, 3);
    }
  });

  it('is rebalanced until no shard is above the target, by as few moves as that takes', () => {
    const count = 32;
    const even = evenLayout(count);
    const before = hottest(shardLoads(loads, even, count));
    const target = (1_500_000 / count) * 1.05;
    const { layout, moved } = rebalanced(loads, even, count, target);
    expect(before).toBeGreaterThan(target);
    expect(hottest(shardLoads(loads, layout, count))).toBeLessThanOrEqual(target);
    const elsewhere = layout.filter((shard, slot) => shard !== even[slot]).length;
    expect(elsewhere).toBeLessThanOrEqual(moved);
    expect(rebalanced(loads, even, count, before).moved).toBe(0);
  });

  it('cannot go below its largest release', () => {
    const largest = Math.max(...loads);
    const { layout } = rebalanced(loads, evenLayout(512), 512, 0);
    expect(hottest(shardLoads(loads, layout, 512))).toBeGreaterThanOrEqual(largest);
  });

  it('is more even where each release has the better of two names', () => {
    const count = 64;
    const options = country.map(({ names, people }) => ({
      slots: names.map((name) => slotOf(keys.entering(name))),
      load: people,
    }));
    const named = hottest(shardLoads(slotLoads(balls, 0), evenLayout(count), count));
    const better = chosen(options, evenLayout(count), count);
    expect(sum(better.map(({ load }) => load))).toBeCloseTo(1_000_000, 3);
    expect(hottest(shardLoads(slotLoads(better, 0), evenLayout(count), count))).toBeLessThan(named);
  });
});

describe('theory', () => {
  it('foresees the fullest bin of many equal balls', () => {
    const [bins, count, runs] = [16, 4_000, 100];
    const random = seededRandom(SEED);
    const fullest = Array.from({ length: runs }, () => {
      const balls = Array.from({ length: count }, () => ({
        slot: between(random, 0, SLOTS - 1),
        load: 1,
      }));
      return hottest(shardLoads(slotLoads(balls, 0), evenLayout(bins), bins));
    }).toSorted((a, b) => a - b);
    const theory = ballsIntoBins(
      Array.from({ length: count }, () => 1),
      0,
      bins,
    );
    // The mean is 250 and the deviation 15: half of the fullest are below 277, by 1 either way.
    expect(Math.abs(fullest[runs / 2]! - theory.median)).toBeLessThan(4);
    expect(theory.mean).toBe(250);
    expect(theory.leading).toBeCloseTo(250 + Math.sqrt(2 * 250 * Math.log(16)), 6);
  });

  it('knows an even load and a ball that outweighs the rest', () => {
    expect(ballsIntoBins([], 100, 4)).toEqual({ mean: 25, median: 25, leading: 25, atLeast: 25 });
    expect(ballsIntoBins([90], 40, 4).atLeast).toBe(100);
  });

  it('makes districts as uneven as those of India', () => {
    const mean = INDIA.people / INDIA.districts;
    const spread = spreadOf(INDIA.districts, INDIA.largest / mean);
    expect(spread).toBeGreaterThan(0.6);
    expect(spread).toBeLessThan(0.7);
    const largest = Array.from({ length: 101 }, (_, run) => {
      const country = createCountry({ ...COUNTRY, seed: `${SEED}/${run}` });
      expect(sum(country.map(({ people }) => people))).toBeCloseTo(COUNTRY.people, 3);
      return Math.max(...country.map(({ people }) => people));
    }).toSorted((a, b) => a - b)[50]!;
    expect(largest / (COUNTRY.people / INDIA.districts)).toBeCloseTo(INDIA.largest / mean, -0.5);
  });

  it('holds for the names of releases where a shard has tens of them', () => {
    const { named, atRandom, theory } = unevennessOf(eveningsOf(COUNTRY, 30), 16, SEED);
    expect(named / theory).toBeGreaterThan(0.9);
    expect(named / theory).toBeLessThan(1.1);
    expect(named / atRandom).toBeGreaterThan(0.9);
    expect(named / atRandom).toBeLessThan(1.1);
  });
});

describe('a shard that is away', () => {
  it('is noticed by those whose release or whose own keys are on it', () => {
    const half = (slot: number): Placed => ({ part: 0.5, slots: [slot] });
    // Both releases on the first of two shards; two tags of one's own.
    const { mean, most } = noticing([half(0), half(1)], 2, 2);
    expect(most).toBe(1);
    expect(mean).toBeCloseTo((1 + (1 - 0.5 ** 2)) / 2, 9);
    expect(noticing([half(0), half(SLOTS - 1)], 2, 0)).toMatchObject({ mean: 0.5, most: 0.5 });
  });

  it('stops everybody where it has a tag that all need, which are tags of the engine', () => {
    const real = [keys.smsSpent('new', 'hour'), keys.sms('urgent')];
    expect(real.map((key) => /\{(.*)\}/.exec(key)?.[1])).toEqual([...NEEDED_BY_ALL]);
    expect(noticing([], 512, 0).stoppingAll).toBe(
      new Set(real.map((key) => evenLayout(512)[slotOf(key)])).size,
    );
  });
});

describe('the scenario', () => {
  const options = { people: 100_000_000, districts: 640, evenings: 3, seed: SEED };
  const play = () => shards.run(options, () => ({ advance: () => {}, done: () => {} }));

  it('says the same of the same seed, and holds what it advises', async () => {
    const outcome = await play();
    expect(JSON.stringify(await play())).toBe(JSON.stringify(outcome));
    const other = await shards.run({ ...options, seed: 'other' }, () => ({
      advance: () => {},
      done: () => {},
    }));
    expect(JSON.stringify(other)).not.toBe(JSON.stringify(outcome));
    const windows = outcome.goals.filter(({ name }) => name.startsWith('window'));
    expect(windows).toHaveLength(2);
    expect(windows.filter((goal) => !isMet(goal))).toEqual([]);
  });

  it('places all that was measured: releases, what hashing spreads, and shared tags', () => {
    const { measured } = readRecorded();
    const evening = { people: 1_000_000, windowS: 3_600, largestRelease: 0 };
    const rates = ratesOf(evening, assumed());
    const work = workOf(measured, rates, 'window');
    const { signIn, entry, sms } = measured;
    const all =
      (rates.signIns * signIn.redisUs +
        rates.entries * entry.redisUs +
        rates.smsUrgent * sms.redisUs) /
      1_000_000;
    const placed = work.releases + work.spread + sum(work.shared.map(({ cores }) => cores));
    expect(placed / all).toBeCloseTo(1, 2);
    const {
      mean,
      withShared,
      rebalanced: moved,
      asNamed,
    } = onShards(eveningsOf(COUNTRY, 5), work, 8, 1);
    expect(asNamed.median).toBeGreaterThanOrEqual(mean);
    expect(withShared.median).toBeGreaterThan(asNamed.median);
    expect(moved.p99).toBeLessThanOrEqual(asNamed.p99);
  });
});
