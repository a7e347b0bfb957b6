import { readFileSync } from 'node:fs';
import { assert, integer, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  circuitOf,
  createPopulation,
  LAST_ARRIVAL_MS,
  MIN_AGE,
  readSites,
  scaleSites,
  sitesToCsv,
  VACCINATION_DAY,
  wishesOf,
} from '../../src/demo/population.ts';
import { drawWeighted, logNormal, seededRandom } from '../../src/demo/random.ts';

const CSV = readFileSync(new URL('../../bench/data/pune-2021-04-10.csv', import.meta.url), 'utf8');
const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

describe('seeded randomness', () => {
  it('gives the same numbers for the same seed, on any machine', () => {
    const random = seededRandom('pune');
    expect([random(), random(), random()]).toMatchInlineSnapshot(`
      [
        0.47008234774693847,
        0.07234703749418259,
        0.6528322941157967,
      ]
    `);
    expect(seededRandom('pune')()).not.toBe(seededRandom('mumbai')());
  });

  it('is uniform enough to draw people from', () => {
    const random = seededRandom('uniform');
    const tenths = Array.from({ length: 10 }, () => 0);
    for (let n = 0; n < 100_000; n++) tenths[Math.floor(random() * 10)]! += 1;
    const chiSquare = sum(tenths.map((count) => (count - 10_000) ** 2 / 10_000));
    expect(chiSquare).toBeLessThan(27.9); // 9 degrees of freedom, alpha 0.001
  });

  it('draws log-normal values around their median', () => {
    const random = seededRandom('median');
    const drawn = Array.from({ length: 20_000 }, () => logNormal(random, 3_500, 0.8));
    const below = drawn.filter((value) => value < 3_500).length;
    expect(below / drawn.length).toBeCloseTo(0.5, 1);
  });

  it('draws first in proportion to weight, and nothing twice', () => {
    const random = seededRandom('weights');
    const items = [{ weight: 1 }, { weight: 3 }];
    const firsts = Array.from({ length: 20_000 }, () =>
      drawWeighted(random, items, ({ weight }) => weight, 2),
    );
    expect(firsts.every(([one, two]) => one !== two)).toBe(true);
    expect(firsts.filter(([one]) => one === items[1]).length / 20_000).toBeCloseTo(0.75, 1);
  });
});

describe('the population', () => {
  const people = createPopulation(1_000, 100, 'pune');

  it('is the same for the same seed, whatever the numbers of the others are', () => {
    expect(createPopulation(1_000, 100, 'pune')).toEqual(people);
    expect(createPopulation(10, 0, 'pune')).toEqual(people.slice(0, 10));
    expect(createPopulation(10, 0, 'other')).not.toEqual(people.slice(0, 10));
  });

  it('gives nobody the phone, the ID or the address of another', () => {
    for (const own of ['mobile', 'idNumber', 'address'] as const) {
      expect(new Set(people.map((person) => person[own])).size).toBe(people.length);
    }
  });

  it('comes within the window, bots before the opening', () => {
    for (const { group, arrivesMs } of people) {
      expect(arrivesMs < 0).toBe(group === 'bot');
      expect(arrivesMs).toBeLessThanOrEqual(LAST_ARRIVAL_MS);
    }
  });

  it('is of age for the release, and as old as those who were vaccinated', () => {
    const ages = people.map((one) => Number(VACCINATION_DAY.slice(0, 4)) - one.birthYear);
    expect(Math.min(...ages)).toBeGreaterThanOrEqual(MIN_AGE);
    const over40 = ages.filter((age) => age >= 40).length / ages.length;
    expect(over40).toBeCloseTo((570_191 + 558_501) / 1_279_855, 1);
  });

  it('wishes for one to five slots, each once, the same in both modes', () => {
    const slots = Array.from({ length: 50 }, (_, n) => ({ slot: `s${n}`, seats: (n % 3) + 1 }));
    for (const person of people) {
      const wishes = wishesOf(person, slots);
      expect(wishes).toHaveLength(person.wishes);
      expect(new Set(wishes).size).toBe(wishes.length);
      expect(wishesOf(person, slots)).toEqual(wishes);
    }
  });

  it('lets a bot try every slot, the largest first from where it starts', () => {
    const slots = [3, 1, 2].map((seats) => ({ slot: `s${seats}`, seats }));
    const bot = createPopulation(0, 1, 'pune')[0]!;
    const circuit = circuitOf(bot, slots).map(({ seats }) => seats);
    expect(['321', '213', '132']).toContain(circuit.join(''));
  });
});

describe('the seats', () => {
  const sites = readSites(CSV);

  it("are Pune's of 10 April 2021", () => {
    expect(sites).toHaveLength(459);
    expect(sum(sites.map(({ seats }) => seats))).toBe(70_830);
  });

  it('keep their proportions at any scale: exact in sum, less than a seat off at each site', () => {
    assert(
      property(integer({ min: 1, max: 20_000 }), (seats) => {
        const scaled = new Map(scaleSites(sites, seats).map((site) => [site.id, site.seats]));
        expect(sum([...scaled.values()])).toBe(seats);
        for (const site of sites) {
          const exact = (site.seats * seats) / 70_830;
          expect(Math.abs((scaled.get(site.id) ?? 0) - exact)).toBeLessThan(1);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('go into the import format and come back', () => {
    const awkward = [{ id: '1', name: 'A "B", C', seats: 2 }];
    expect(readSites(sitesToCsv(awkward))).toEqual(awkward);
  });
});
