/** How a soak tells a leak from a moment, and slower answers from slow ones. */
import { describe, expect, it } from 'vitest';
import { growthOf, latencyDrift, redisGrowthOf } from '../../bench/soak/drift.ts';
import { processesIn, type Reading } from '../../bench/soak/watch.ts';
import { median } from '../../bench/support/numbers.ts';
import { lowest, theilSen } from '../../bench/support/slope.ts';
import type { Sample } from '../../bench/support/timed.ts';
import { seededRandom } from '../../src/demo/random.ts';

const MIB = 2 ** 20;
const HOUR_MS = 3_600_000;

describe('the slope', () => {
  it('is that of a line, though a quarter of the points lie anywhere', () => {
    const seed = 'slope';
    const random = seededRandom(seed);
    const points = Array.from({ length: 80 }, (_, x) => {
      const stray = x % 4 === 0 ? 1_000 * random() : 0;
      return [x, 3 * x + 7 + stray] as const;
    });
    expect(theilSen(points), seed).toBeCloseTo(3, 0);
    const clean = points.filter(([x]) => x % 4 !== 0);
    expect(theilSen(clean)).toBeCloseTo(3, 10);
  });

  it('is nothing of one point, and a median that of the two in the middle', () => {
    expect(theilSen([[1, 1]])).toBeNaN();
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  it('of a heap is that of what it comes down to', () => {
    const saw = Array.from({ length: 100 }, (_, x) => [x, (x % 10) * 50 + x] as const);
    expect(theilSen(lowest(saw, 10))).toBeCloseTo(1, 10);
  });
});

const read = (atMs: number, rssMiB: number, usedMiB: number, keptMiB: number): Reading => ({
  atMs,
  processes: {
    'server-1': { rssBytes: rssMiB * MIB, heapBytes: 50 * MIB, loopLagP99Ms: 11 },
  },
  redis: { usedBytes: usedMiB * MIB, keptBytes: keptMiB * MIB },
});

describe('the growth of memory', () => {
  it('is told an hour, and of Redis beside what it keeps', () => {
    const readings = Array.from({ length: 40 }, (_, index) => {
      const hours = index / 80;
      return read(hours * HOUR_MS, 100 + 20 * hours, 10 + 35 * hours, 5 + 30 * hours);
    });
    expect(growthOf(readings)).toEqual({ 'server-1': { rssMiBPerHour: 20, heapMiBPerHour: 0 } });
    expect(redisGrowthOf(readings)).toEqual({
      usedMiBPerHour: 35,
      keptMiBPerHour: 30,
      netMiBPerHour: 5,
    });
  });

  it('is no leak where a heap is collected every two minutes', () => {
    const minutes = 25;
    const readings = Array.from({ length: minutes * 6 }, (_, index) => {
      const sinceCollectedS = (index * 10) % 110;
      return read(index * 10_000, 160 + sinceCollectedS, 10, 10);
    });
    expect(growthOf(readings)['server-1']!.rssMiBPerHour).toBeLessThan(1);
    const leaking = readings.map((one, index) => {
      const { 'server-1': server } = one.processes;
      const rssBytes = server!.rssBytes + (100 * MIB * index * 10) / 3_600;
      return { ...one, processes: { 'server-1': { ...server!, rssBytes } } };
    });
    expect(growthOf(leaking)['server-1']!.rssMiBPerHour).toBeGreaterThan(85);
  });

  it('is read from the page of all processes', () => {
    const page = [
      '# TYPE process_resident_memory_bytes gauge',
      'process_resident_memory_bytes{process="server-1"} 104857600',
      'process_resident_memory_bytes{process="worker-1"} 52428800',
      'nodejs_heap_size_used_bytes{process="server-1"} 1024',
      'nodejs_eventloop_lag_p99_seconds{process="server-1"} 0.0125',
      'fairslot_http_requests_total{process="server-1",route="read"} 7',
    ].join('\n');
    expect(processesIn(page)).toEqual({
      'server-1': { rssBytes: 100 * MIB, heapBytes: 1024, loopLagP99Ms: 12.5 },
      'worker-1': { rssBytes: 50 * MIB, heapBytes: 0, loopLagP99Ms: 0 },
    });
  });
});

describe('the drift of latency', () => {
  const samples = (msAt: (dueMs: number) => number): Sample[] =>
    Array.from({ length: 3_000 }, (_, index) => ({
      phase: 'read',
      group: 'people',
      dueMs: index,
      ms: msAt(index),
      status: 200,
      code: undefined,
    }));
  const span = { fromMs: 0, toMs: 3_000 };

  it('shows answers that become slower', () => {
    expect(
      latencyDrift(
        samples((at) => (at < 2_000 ? 10 : 30)),
        span,
      ),
    ).toEqual({
      p99MsOfThirds: [10, 10, 30],
      p99Ratio: 3,
    });
  });

  it('is not that of one busy moment', () => {
    const busy = samples((at) => (at > 2_500 && at < 2_600 ? 900 : 10));
    expect(latencyDrift(busy, span).p99Ratio).toBe(1);
  });
});
