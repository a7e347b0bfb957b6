import { describe, expect, it } from 'vitest';
import { reportHtml, type Report } from '../../src/demo/report.ts';
import { logarithmic, ticksTo } from '../../src/report/svg.ts';
import { brokenPromises, summaryJson, summaryTable } from '../../src/demo/summary.ts';
import { tallyEvening } from '../../src/demo/tally.ts';
import { evening, outcome } from './sample.ts';

const tallies = {
  immediate: tallyEvening(evening('immediate')),
  lottery: tallyEvening(evening('lottery')),
};
const report: Report = {
  ranAt: '2026-11-22T14:30:00.000Z',
  seed: '<b>"pune"</b>',
  sites: { all: 459, withSeats: 3, doses: 70_830 },
  ownAddresses: true,
  tallies,
  rounds: [{ round: 0, digest: 'ab'.repeat(32), publishedAtMs: 15_012, entries: 10, offers: 3 }],
  verified: true,
  verifyCommand: 'npm run cli -- draw verify demo-round-0.ndjson.gz',
  trust: 'the operator might have added people who do not exist.',
};

/** Names of the tags that are opened and not closed, or closed and not opened. */
function unbalanced(markup: string): string[] {
  const open: string[] = [];
  for (const [, close, name = ''] of markup.matchAll(/<(\/?)([a-z0-9]+)(?:\s[^>]*)?>/g)) {
    if (['meta', 'br'].includes(name)) continue;
    if (!close) open.push(name);
    else if (open.pop() !== name) return [name, ...open];
  }
  return open;
}

describe('the report', () => {
  const html = reportHtml(report);

  it('needs nothing but itself: no script, no network', () => {
    expect(html).not.toMatch(/<script|<link|<img|src=|@import|url\(|https?:/);
  });

  it('is well-formed, with numbers in all its charts', () => {
    expect(unbalanced(html)).toEqual([]);
    expect(html).not.toMatch(/NaN|Infinity|undefined|null/);
    expect(html.match(/<svg/g)).toHaveLength(8);
  });

  it('shows text as text', () => {
    expect(html).toContain('&lt;b&gt;&quot;pune&quot;&lt;/b&gt;');
    expect(html).not.toContain('<b>"pune"');
  });

  it('says what the charts show to those who cannot see them', () => {
    const images = html.match(/<svg[^>]*>/g) ?? [];
    for (const image of images) expect(image).toMatch(/role="img" aria-label="[^"]{20,}"/);
  });

  it('names the digests and how to check them', () => {
    expect(html).toContain('ab'.repeat(32));
    expect(html).toContain(report.verifyCommand);
  });

  it('survives an evening in which nobody got anything', () => {
    const outcomes = [outcome('citizen'), outcome('bot')];
    const samples = [{ atMs: 0, free: 3, offered: 0, booked: 0, capacity: 3 }];
    const nothing = { outcomes, samples, log: new Map() };
    const empty = {
      immediate: tallyEvening(evening('immediate', nothing)),
      lottery: tallyEvening(evening('lottery', nothing)),
    };
    expect(reportHtml({ ...report, tallies: empty, rounds: [] })).not.toMatch(/NaN|Infinity/);
  });
});

describe('scales', () => {
  it('have round ticks that cover the data', () => {
    expect(ticksTo(35, 7)).toEqual([0, 5, 10, 15, 20, 25, 30, 35]);
    expect(ticksTo(181, 5)).toEqual([0, 50, 100, 150, 200]);
    expect(ticksTo(0, 5)).toEqual([0, 1]);
  });

  it('put a power of ten in the middle of its neighbours', () => {
    expect(logarithmic([1, 100], [0, 200])(10)).toBeCloseTo(100, 10);
  });
});

describe('the summary', () => {
  it('is one JSON object with what programs ask for', () => {
    const numbers = {
      seatsGiven: 3,
      botSeats: 2,
      botAdvantage: 3.333,
      oversold: 0,
      doubleBooked: 0,
    };
    expect(JSON.parse(summaryJson({ tallies, verified: true }))).toEqual({
      seats: 3,
      citizens: 8,
      bots: 2,
      lottery: { ...numbers, verified: true },
      immediate: numbers,
    });
  });

  it('is a table whose rows line up', () => {
    const rows = summaryTable({ tallies, verified: true }).split('\n');
    expect(new Set(rows.map((row) => row.length)).size).toBe(1);
  });

  it('names every promise that was broken, and none that was kept', () => {
    expect(brokenPromises({ tallies, verified: true })).toEqual([]);
    const broken = { ...tallies.lottery, oversold: 2, doubleBooked: 1, agreed: false };
    const results = { tallies: { ...tallies, lottery: broken }, verified: false };
    expect(brokenPromises(results)).toHaveLength(4);
  });
});
