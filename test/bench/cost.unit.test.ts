/** The arithmetic that a planner goes by, and that its page says what it says. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PAGE } from '../../bench/cost.ts';
import {
  type Assumptions,
  assumed,
  capacityOf,
  costOf,
  largestReleaseOf,
  type Measured,
} from '../../bench/cost/model.ts';
import { readRecorded } from '../../bench/cost/recorded.ts';
import { bytes, EVENINGS, figure, pageWith, sectionOf } from '../../bench/cost/table.ts';

const one = { serverUs: 0, redisUs: 0, aofBytes: 0, tags: {}, errors: 0, bytes: 0 };
/** Round numbers, so that each result can be done in the head. */
const MEASURED: Measured = {
  read: { serverUs: 100, redisUs: 0, bytes: 100_000 },
  signIn: {
    ...one,
    serverUs: 1_000,
    redisUs: 300,
    aofBytes: 4_000,
    bytes: 500,
    tags: { m: 100, 'outbox:urgent': 150, sms: 50 },
  },
  entry: {
    ...one,
    serverUs: 400,
    redisUs: 100,
    aofBytes: 1_000,
    bytes: 500,
    tags: { r: 80, p: 20 },
  },
  result: { ...one, serverUs: 200, redisUs: 50, bytes: 1_000, tags: { r: 40, 'limit:read': 10 } },
  sms: { ...one, serverUs: 50, redisUs: 50, aofBytes: 500, tags: { 'outbox:urgent': 50 } },
  memory: { bytesPerPerson: 700, bytesPerEntry: 300 },
  draw: { usPerEntry: 10 },
};
const ASSUMED: Assumptions = {
  peakToMean: 2,
  otpsPerPerson: 1,
  entriesPerPerson: 1,
  readsPerPerson: 10,
  resultsPerPerson: 3,
  resultWindowS: 1_000,
  peoplePerSeat: 10,
  smsPerWinner: 2,
  offersWithinS: 1_000,
  gatewayAnswerS: 0.2,
  smsInHand: 32,
  gatewayPerS: 500,
  load: 0.5,
  cacheHits: 0.99,
  aofRewrite: 2,
  memoryBeside: 2,
};
const EVENING = { people: 1_000_000, windowS: 2_000, largestRelease: 500_000 };

describe('the cost of a window', () => {
  const cost = costOf(MEASURED, EVENING, ASSUMED);

  it('is what one works out by hand', () => {
    // 1,000,000 x 1 x 2 / 2,000 s, and so on.
    expect(cost.rates).toEqual({
      reads: 10_000,
      signIns: 1_000,
      entries: 1_000,
      results: 6_000,
      smsUrgent: 1_000,
      smsRoutine: 200,
    });
    // (10,000 x 100 + 1,000 x 1,000 + 1,000 x 400) us = 2.4 s of core a second; at half load 5.
    expect(cost.servers).toMatchObject({ window: 2.4, results: 1.2, cores: 5 });
    expect(cost.servers.windowBehindCdn).toBeCloseTo(1.41, 9);
    expect(cost.servers.coresBehindCdn).toBe(3);
    // 1,000 x 300 + 1,000 x 100 + 1,000 SMS x 50 us; then 6,000 x 50 us.
    expect(cost.redis).toMatchObject({ window: 0.45, results: 0.3, primaries: 1 });
    // Half of everybody is in one release: 0.5 x 6,000 x 40 us, more than 0.5 x 1,000 x 80 us.
    expect(cost.redis.largestRelease).toBeCloseTo(0.12, 9);
    expect(cost.memory).toMatchObject({ data: 1e9, maxmemory: 2e9, hosts: 4e9 });
    // 1,000 x 4,000 + 1,000 x 1,000 + 1,000 x 500 bytes; a person 5,500 bytes.
    expect(cost.aof).toEqual({ perS: 5_500_000, total: 5.5e9 });
    expect(cost.network.bitsPerS).toBe(8 * (1e9 + 1e6));
    expect(cost.network.bitsPerSBehindCdn).toBeCloseTo(8 * (1e7 + 1e6), 3);
    expect(cost.network.resultsBitsPerS).toBe(48_000_000);
    expect(cost.draw).toEqual({ largestS: 5, allCoreS: 10 });
  });

  it('counts SMS: a minute, senders, and the window that a gateway leaves', () => {
    expect(cost.sms).toEqual({
      perMinute: 60_000,
      workers: 7, // 1,000/s x 0.2 s in hand, 32 a worker
      routinePerS: 200,
      total: 1_200_000,
      windowS: 4_000, // 1,000,000 x 1 x 2 / 500
    });
  });

  it('names the tags that no shard divides, the busiest first', () => {
    expect(cost.redis.shared.map(({ tag }) => tag)).toEqual(['outbox:urgent', 'limit:read', 'sms']);
    // Queued 150 us and sent 50 us for each sign-in.
    expect(cost.redis.shared[0]!.cores).toBeCloseTo(0.2, 9);
  });

  it('grows with people, and shrinks with the window', () => {
    const rising = [1e5, 1e6, 1e7, 1e8].map((people) =>
      costOf(MEASURED, { people, windowS: 3_600, largestRelease: people }, ASSUMED),
    );
    const amounts = (of: (typeof rising)[number]) => [
      of.servers.window,
      of.servers.results,
      of.redis.window,
      of.redis.largestRelease,
      of.memory.hosts,
      of.aof.perS,
      of.sms.perMinute,
      of.sms.windowS,
      of.network.bitsPerS,
      of.draw.allCoreS,
    ];
    for (const [index, of] of rising.slice(1).entries())
      for (const [at, amount] of amounts(of).entries())
        expect(amount / amounts(rising[index]!)[at]!).toBeCloseTo(10, 6);
    const day = costOf(MEASURED, { ...EVENING, windowS: 20_000 }, ASSUMED);
    expect(day.rates.signIns).toBeCloseTo(cost.rates.signIns / 10, 9);
    expect(day.sms.windowS).toBe(cost.sms.windowS);
    expect(day.memory).toEqual(cost.memory);
  });

  it('says what a core and a shard take, and the largest release of one', () => {
    const capacity = capacityOf(MEASURED, ASSUMED);
    expect(capacity.entriesPerCore).toEqual({ full: 2_500, planned: 1_250 });
    expect(capacity.entriesPerShard).toEqual({ full: 10_000, planned: 5_000 });
    // 6,250/s of one release at half load, for 2,000 s at a mean of half the peak.
    expect(capacity.entriesPerRelease.planned).toBe(6_250);
    expect(largestReleaseOf(MEASURED, 2_000, ASSUMED)).toBe(6_250_000);
  });
});

describe('the table of the operations manual', () => {
  const page = readFileSync(PAGE, 'utf8');

  it('is what its generator writes from the measurement that is recorded', () => {
    expect(pageWith(page, readRecorded())).toBe(page);
  });

  it('has every evening and every assumption', () => {
    for (const { name } of EVENINGS) expect(page).toContain(name);
    for (const name of Object.keys(assumed())) expect(page).toContain(`\`${name}\``);
  });

  it('writes between its marks and nothing else', () => {
    const recorded = { ...readRecorded(), measured: MEASURED };
    const written = pageWith(page, recorded);
    expect(written).toContain(sectionOf(recorded));
    expect(pageWith(written, readRecorded())).toBe(page);
    expect(() => pageWith('a page', recorded)).toThrow('cost');
  });

  it.each([
    [0, '0'],
    [0.01234, '0.0123'],
    [1.006, '1.01'],
    [999.6, '1,000'],
    [1_333.3, '1,330'],
    [54, '54'],
  ])('writes %d with three digits', (value, text) => {
    expect(figure(value)).toBe(text);
  });

  it('writes bytes in decimal units', () => {
    expect([1, 1_000, 8_030_000, 1e12].map(bytes)).toEqual(['1 B', '1 kB', '8.03 MB', '1 TB']);
  });
});
