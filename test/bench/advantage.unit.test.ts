/** Whether the range that the lottery's advantage is held to is that of a fair lot. */
import { describe, expect, it } from 'vitest';
import { advantageOf, type Counted, fairRange, fairSeats } from '../../bench/rush/advantage.ts';
import { between, seededRandom } from '../../src/demo/random.ts';

/** Chances by drawing every possible set of winners: how many of the first `bots` are in it. */
function bySets(all: number, bots: number, seats: number): number[] {
  const counts: number[] = Array.from({ length: seats + 1 }, () => 0);
  let sets = 0;
  for (let set = 0; set < 2 ** all; set++) {
    const winners = Array.from({ length: all }, (_, index) => (set >> index) & 1);
    if (winners.reduce((sum, one) => sum + one, 0) !== seats) continue;
    sets++;
    counts[winners.slice(0, bots).reduce((sum, one) => sum + one, 0)]! += 1;
  }
  return counts.map((count) => count / sets);
}

const evening = (people: number, bots: number, ofPeople: number, ofBots: number): Counted => ({
  people,
  bots,
  seatsOfPeople: ofPeople,
  seatsOfBots: ofBots,
});

describe('the range of a fair lot', () => {
  it('is that of all sets of winners, each as likely', () => {
    const { first, chances } = fairSeats([evening(7, 4, 3, 2)]);
    const naive = bySets(11, 4, 5);
    for (const [index, chance] of naive.entries())
      expect(chances[index - first] ?? 0).toBeCloseTo(chance, 12);
  });

  it('is that of several evenings together, which have nothing to do with each other', () => {
    const [one, other] = [bySets(8, 3, 4), bySets(6, 2, 3)];
    const naive: number[] = [];
    for (const [i, a] of one.entries())
      for (const [j, b] of other.entries()) naive[i + j] = (naive[i + j] ?? 0) + a * b;
    const { first, chances } = fairSeats([evening(5, 3, 2, 2), evening(4, 2, 3, 0)]);
    for (const [index, chance] of naive.entries())
      expect(chances[index - first] ?? 0).toBeCloseTo(chance, 12);
  });

  it('holds 99.9 % of fair lots, and 1 is in it', () => {
    const seed = 'fair lots';
    const random = seededRandom(seed);
    const [people, bots, seats, evenings] = [80, 20, 25, 3];
    const series = 3_000;
    let outside = 0;
    for (let run = 0; run < series; run++) {
      const played = Array.from({ length: evenings }, (): Counted => {
        const left = Array.from({ length: people + bots }, (_, index) => index < bots);
        let ofBots = 0;
        for (let seat = 0; seat < seats; seat++) {
          const place = between(random, seat, left.length - 1);
          [left[seat], left[place]] = [left[place]!, left[seat]!];
          if (left[seat]) ofBots++;
        }
        return evening(people, bots, seats - ofBots, ofBots);
      });
      const { least, most } = fairRange(played);
      expect(least).toBeLessThan(1);
      expect(most).toBeGreaterThan(1);
      const advantage = advantageOf(played);
      if (advantage < least || advantage > most) outside++;
    }
    // At most 0.1 % are expected outside, 3 of 3,000; more than 12 would come once in 10,000 times.
    expect(outside, `seed ${seed}`).toBeLessThanOrEqual(12);
  });

  it('grows narrower with evenings, and does not hold what speed buys', () => {
    const fair = evening(560, 140, 140, 35);
    const one = fairRange([fair]);
    const five = fairRange([fair, fair, fair, fair, fair]);
    expect(five.most - five.least).toBeLessThan(0.6 * (one.most - one.least));
    const fast = evening(560, 140, 40, 135);
    expect(advantageOf([fast])).toBeGreaterThan(fairRange([fast]).most);
  });

  it('knows an advantage also where people got nothing, and none where nobody did', () => {
    expect(advantageOf([evening(100, 10, 0, 10)])).toBe(100);
    expect(advantageOf([evening(100, 10, 0, 0)])).toBeNaN();
  });
});
