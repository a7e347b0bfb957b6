/** What the report shows of a rush. */
import { rounded, sum } from '../support/numbers.ts';
import type { Chart } from '../support/scenario.ts';
import { latencyOverTime, percentileChart } from '../support/latency-charts.ts';
import type { Sample } from '../support/timed.ts';
import { advantageOf, type FairRange, fairRange } from './advantage.ts';
import { ROLES, type Role } from './cast.ts';
import { PHASES } from './deeds.ts';
import type { Evening } from './evening.ts';

const SECOND_MS = 1_000;

export type Played = {
  readonly evenings: readonly Evening[];
  /** From signing in to the end of the first evening. */
  readonly first: readonly Sample[];
  /** Of all evenings. */
  readonly samples: readonly Sample[];
};

/** `immediate`: undefined where it was not played. */
export function chartsOf(lottery: Played, immediate: Played | undefined): Chart[] {
  const first = { phases: PHASES, samples: lottery.first, sliceMs: SECOND_MS };
  return [
    latencyOverTime('Latency over a lottery evening: 99th percentile', first, 'p99Ms'),
    latencyOverTime('Latency over a lottery evening: median', first, 'p50Ms'),
    percentileChart('What people wait, by phase, lottery', timesOfPeople(lottery)),
    ...(immediate
      ? [
          percentileChart(
            'What people wait, by phase, first come, first served',
            timesOfPeople(immediate),
          ),
        ]
      : []),
    seatsByRole(lottery, immediate),
    advantageByEvening(lottery.evenings),
    durations(lottery, immediate),
  ];
}

const timesOfPeople = ({ samples }: Played): Record<string, number[]> =>
  Object.fromEntries(
    PHASES.map((phase) => [
      phase,
      samples.filter((one) => one.phase === phase && one.group === 'people').map(({ ms }) => ms),
    ]),
  );

const NAMES: Readonly<Record<Role, string>> = {
  person: 'people',
  sprinter: 'sprinters',
  poller: 'pollers',
  farm: 'farm',
  scalper: 'scalpers',
  idSplitter: 'ID splitters',
  reRoller: 're-rollers',
  seatBurner: 'seat burners',
};

/** Seats given to each hundred of a role, over all evenings. */
export function chanceOf({ evenings }: Pick<Played, 'evenings'>, role: Role): number {
  const people = sum(evenings.map(({ byRole }) => byRole[role].people));
  const given = sum(evenings.map(({ byRole }) => byRole[role].given));
  return people === 0 ? 0 : (100 * given) / people;
}

const seatsByRole = (lottery: Played, immediate: Played | undefined): Chart => ({
  title: 'Seats by group',
  description:
    'Seats given to each hundred of a group: first come, first served they go to scripts; by lot ' +
    'all groups come out alike.',
  kind: 'bars',
  x: { label: 'group', categories: ROLES.map((role) => NAMES[role]) },
  y: { label: 'seats for each hundred' },
  series: [
    { name: 'lottery', points: ROLES.map((role, x) => [x, chanceOf(lottery, role)] as const) },
    ...(immediate
      ? [
          {
            name: 'first come, first served',
            points: ROLES.map((role, x) => [x, chanceOf(immediate, role)] as const),
          },
        ]
      : []),
  ],
});

function advantageByEvening(evenings: readonly Evening[]): Chart {
  const soFar = evenings.map((_, index) => {
    const given = evenings.slice(0, index + 1).map((one) => one.given);
    return { advantage: advantageOf(given), range: fairRange(given) };
  });
  const points = (of: (one: { advantage: number; range: FairRange }) => number) =>
    soFar.map((one, index) => [index + 1, of(one)] as const);
  return {
    title: "Bots' advantage in the lottery, evening by evening",
    description:
      'Seats of a bot over seats of one of the people, over all evenings so far, between the ' +
      'bounds that 99.9 % of fair lots keep.',
    kind: 'lines',
    x: { label: 'evenings' },
    y: { label: 'seats of a bot / seats of a person' },
    series: [
      { name: 'advantage', points: points(({ advantage }) => advantage) },
      { name: 'least of a fair lot', points: points(({ range }) => range.least) },
      { name: 'most of a fair lot', points: points(({ range }) => range.most) },
    ],
  };
}

/** Seconds from when the first request of a phase was due to the last answer, in the first evening. */
export const durationsOf = ({ first }: Pick<Played, 'first'>): Record<string, number> =>
  Object.fromEntries(
    PHASES.flatMap((phase) => {
      const those = first.filter((one) => one.phase === phase);
      if (those.length === 0) return [];
      const from = those.reduce((least, { dueMs }) => Math.min(least, dueMs), Infinity);
      const to = those.reduce((most, { dueMs, ms }) => Math.max(most, dueMs + ms), 0);
      return [[phase, rounded((to - from) / SECOND_MS)]];
    }),
  );

function durations(lottery: Played, immediate: Played | undefined): Chart {
  const bars = (played: Played) => {
    const known = durationsOf(played);
    return PHASES.map((phase, x) => [x, known[phase] ?? 0] as const);
  };
  return {
    title: 'How long each phase took',
    description: 'From when its first request was due to its last answer.',
    kind: 'bars',
    x: { label: 'phase', categories: PHASES },
    y: { label: 's' },
    series: [
      { name: 'lottery', points: bars(lottery) },
      ...(immediate ? [{ name: 'first come, first served', points: bars(immediate) }] : []),
    ],
  };
}
