/** The results as a table for the terminal and as one JSON object for programs. */
import type { Mode } from './personas.ts';
import { GROUPS, type Group } from './population.ts';
import { GROUP_NAMES, MODE_NAMES, number, percent } from './report-charts.ts';
import type { GroupTally, Tally } from './tally.ts';

export type Results = {
  readonly tallies: Readonly<Record<Mode, Tally>>;
  /** Whether the published rounds of the lottery could be recomputed. */
  readonly verified: boolean;
};

const NAME_WIDTH = 32;
const CELL_WIDTH = 15;
const MODES = ['immediate', 'lottery'] as const satisfies readonly Mode[];

const row = (name: string, cells: readonly string[], width = CELL_WIDTH): string =>
  name.padEnd(NAME_WIDTH) + cells.map((cell) => cell.padStart(width)).join('');

export function summaryTable({ tallies, verified }: Results): string {
  const byGroup = (name: string, of: (group: GroupTally) => string): string =>
    row(
      name,
      MODES.flatMap((mode) => GROUPS.map((group) => of(tallies[mode].groups[group]))),
    );
  const byMode = (name: string, of: (tally: Tally) => string): string =>
    row(
      name,
      MODES.map((mode) => of(tallies[mode])),
      2 * CELL_WIDTH,
    );
  return [
    byMode('', ({ mode }) => MODE_NAMES[mode]),
    row(
      '',
      [...GROUPS, ...GROUPS].map((group) => GROUP_NAMES[group]),
    ),
    byGroup('people', ({ people }) => number(people)),
    byGroup('seats in the end', ({ seats }) => number(seats)),
    byGroup('chance of a seat', ({ people, seats }) => percent(seats / people)),
    byGroup('latency p50, p99 (ms)', ({ latencyMs }) =>
      latencyMs ? `${latencyMs.p50.toFixed(1)}, ${latencyMs.p99.toFixed(1)}` : '',
    ),
    byGroup('requests for one seat', ({ requests, seats }) =>
      seats === 0 ? 'no seat' : number(Math.round(requests / seats)),
    ),
    byMode("bots' share: seats / people", ({ botAdvantage }) => `${botAdvantage.toFixed(2)} x`),
    byMode('seats given twice', ({ oversold }) => number(oversold)),
    byMode('people with two seats', ({ doubleBooked }) => number(doubleBooked)),
    byMode('operator counts the same', ({ agreed }) => (agreed ? 'yes' : 'NO')),
    byMode('draw recomputed', ({ mode }) => drawWord(mode, verified)),
  ].join('\n');
}

function drawWord(mode: Mode, verified: boolean): string {
  if (mode === 'immediate') return 'no draw';
  return verified ? 'yes, every round' : 'NO';
}

export function summaryJson({ tallies, verified }: Results): string {
  const { lottery, immediate } = tallies;
  const people = (group: Group): number => lottery.groups[group].people;
  return JSON.stringify({
    seats: lottery.seats,
    citizens: people('citizen'),
    bots: people('bot'),
    lottery: { ...modeJson(lottery), verified },
    immediate: modeJson(immediate),
  });
}

const modeJson = ({ seatsGiven, groups, botAdvantage, oversold, doubleBooked }: Tally) => ({
  seatsGiven,
  botSeats: groups.bot.seats,
  botAdvantage: Math.round(botAdvantage * 1_000) / 1_000,
  oversold,
  doubleBooked,
});

/** What the engine promises and did not keep, in words; empty when all is well. */
export function brokenPromises({ tallies, verified }: Results): string[] {
  const promises = MODES.flatMap((mode) => {
    const { oversold, doubleBooked, agreed } = tallies[mode];
    return [
      { kept: oversold === 0, otherwise: `${mode}: ${oversold} seats were given twice` },
      { kept: doubleBooked === 0, otherwise: `${mode}: ${doubleBooked} people have two seats` },
      { kept: agreed, otherwise: `${mode}: the operator's view and the people's lists differ` },
    ];
  });
  promises.push({ kept: verified, otherwise: 'lottery: the published rounds do not verify' });
  return promises.filter(({ kept }) => !kept).map(({ otherwise }) => otherwise);
}
