/** What a simulation came to, as a table for people and as one object for programs. */
import type { Finding } from './persona.ts';
import { asPublished, type Cell } from './market.ts';

export type Results = {
  readonly seed: string;
  readonly runs: number;
  readonly personas: readonly Finding[];
  readonly market: readonly Cell[];
};

/** Whether all came out as the exact theory and the paper say. */
export const asExpected = ({ personas, market }: Results): boolean =>
  personas.every(({ verdict }) => verdict !== 'not as computed') && asPublished(market);

const two = (value: number): string => value.toFixed(2);
const whole = (value: number): string => value.toFixed(0);

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const personaRow = (finding: Finding): string[] => [
  finding.persona,
  finding.does,
  finding.counts,
  two(finding.gain),
  `${two(finding.least)} to ${two(finding.most)}`,
  finding.verdict,
];

const marketRow = ({ mechanism, demand, price, sold, profit, least, most, breakEven }: Cell) => [
  mechanism,
  demand,
  whole(price),
  two(sold),
  whole(profit),
  `${whole(least)} to ${whole(most)}`,
  two(breakEven),
];

export const reportText = (results: Results): string =>
  [
    `Each persona in ${results.runs} releases with the engine's own draw, seed ${results.seed}.`,
    'Gain: what it got, over what honest people in its place get; 1 is no gain.',
    'Range: where 99.9 % of such series fall, by exact computation.',
    '',
    table([
      ['persona', 'what it does', 'counted', 'gain', 'range', 'verdict'],
      ...results.personas.map(personaRow),
    ]),
    '',
    'Who can see the gains:',
    ...results.personas
      .filter(({ seenBy, verdict }) => seenBy && verdict === 'gains')
      .map(({ persona, does, seenBy }) => `- ${persona} ${does}: ${seenBy}`),
    '',
    "A scalper's profit of a release at the price that suits it best; a seat is worth 0 to 100.",
    '',
    table([
      ['seats', 'demand', 'price', 'sold', 'profit', 'range', 'pays if a name costs less than'],
      ...results.market.map(marketRow),
    ]),
    '',
    asExpected(results) ? 'All as computed.' : 'NOT as computed: see the verdicts.',
  ].join('\n');

export const reportJson = (results: Results): string =>
  JSON.stringify({ ...results, asExpected: asExpected(results) });
