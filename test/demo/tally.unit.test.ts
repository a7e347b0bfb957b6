import { describe, expect, it } from 'vitest';
import {
  chanceByArrival,
  fairRange,
  latencyOf,
  seatsBySecond,
  shareInterval,
  tallyEvening,
} from '../../src/demo/tally.ts';
import { evening, outcome } from './sample.ts';

describe('the tally of an evening', () => {
  it('counts seats by group, and what a bot was worth', () => {
    const tally = tallyEvening(evening('immediate'));
    expect(tally.seatsGiven).toBe(3);
    expect(tally.groups.citizen).toMatchObject({ people: 8, seats: 1, requests: 6 });
    expect(tally.groups.bot).toMatchObject({ people: 2, seats: 2, requests: 8 });
    expect(tally.groups.bot.attempts).toEqual({ accepted: 1, refused: 3, limited: 4, failed: 0 });
    expect(tally.botAdvantage).toBeCloseTo(2 / 3 / 0.2, 10);
    expect(tally).toMatchObject({ oversold: 0, doubleBooked: 0, agreed: true });
  });

  it('sees a slot that was given more often than it has seats', () => {
    const outcomes = [...evening('immediate').outcomes, outcome('citizen', ['a'], 40)];
    expect(tallyEvening(evening('immediate', { outcomes })).oversold).toBe(1);
  });

  it('sees a person with two seats, and a seat that nobody offered', () => {
    const outcomes = [outcome('citizen', ['a', 'b'], 40), outcome('bot', ['nowhere'], 40)];
    const tally = tallyEvening(evening('immediate', { outcomes }));
    expect(tally).toMatchObject({ doubleBooked: 1, oversold: 1 });
  });

  it("sees when the operator counts other seats than the people's lists show", () => {
    const operatorView = { free: 1, offered: 0, booked: 2, capacity: 3 };
    expect(tallyEvening(evening('immediate', { operatorView })).agreed).toBe(false);
  });

  it('gives no advantage where no seat was given', () => {
    const outcomes = [outcome('citizen'), outcome('bot')];
    expect(tallyEvening(evening('lottery', { outcomes })).botAdvantage).toBe(0);
  });
});

describe('figures', () => {
  it('take percentiles by nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, n) => 100 - n);
    expect(latencyOf(hundred)).toEqual({ p50: 50, p90: 90, p99: 99 });
    expect(latencyOf([7])).toEqual({ p50: 7, p90: 7, p99: 7 });
    expect(latencyOf([])).toBeUndefined();
  });

  it('lay seats out by the second in which they were given', () => {
    expect(seatsBySecond(evening('immediate').outcomes)).toEqual([
      { second: 0, bot: 2, citizen: 0 },
      { second: 1, bot: 0, citizen: 1 },
    ]);
  });

  it('join seconds in which hardly anyone came to the one before, but nobody to those at the door', () => {
    const crowd = Array.from({ length: 60 }, () => outcome('citizen', ['a'], 900, 400));
    const bins = chanceByArrival([
      ...crowd,
      outcome('bot', ['b'], 10),
      outcome('citizen', [], undefined, 1_400),
      outcome('citizen', [], undefined, 4_400),
    ]);
    expect(bins).toEqual([
      { fromMs: -1_000, toMs: 0, people: 1, seats: 1 },
      { fromMs: 0, toMs: 5_000, people: 62, seats: 60 },
    ]);
  });

  it('know the range of a fair draw', () => {
    // Exact sums of binomial coefficients, computed apart.
    expect(fairRange(10_000, 1_000, 500)).toEqual({ least: 34, most: 67 });
    expect(fairRange(1_100, 100, 100)).toEqual({ least: 3, most: 17 });
    expect(fairRange(20, 5, 4)).toEqual({ least: 0, most: 3 });
    expect(fairRange(3, 3, 2)).toEqual({ least: 2, most: 2 });
  });

  it("know Wilson's interval of a share", () => {
    const { low, high } = shareInterval(10, 100);
    expect(low).toBeCloseTo(0.0552, 4);
    expect(high).toBeCloseTo(0.1744, 4);
    expect(shareInterval(0, 10).low).toBe(0);
  });
});
