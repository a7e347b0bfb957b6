/** What the outcomes of scenarios say about their goals, as data and as text. */
import type { Machine } from './machine.ts';
import { isMet, type Outcome } from './scenario.ts';

/** One scenario that took part, and what became of it. */
export type Played = {
  readonly name: string;
  readonly summary: string;
  readonly tookMs: number;
} & (
  | { readonly outcome: Outcome }
  /** `broke`: it died, and did not only take too long. */
  | { readonly failure: string; readonly broke: boolean }
);

export type Measured = {
  readonly played: readonly Played[];
  readonly machine: Machine;
  readonly at: Date;
  /** A deployment that was played on; undefined for engines of our own. */
  readonly target?: string | undefined;
};

export type JudgedGoal = {
  readonly name: string;
  /** Undefined where the scenario did not get that far. */
  readonly figure?: number;
  readonly unit: string;
  readonly atLeast?: number | undefined;
  readonly atMost?: number | undefined;
  readonly met: boolean;
  /** Why there is no figure. */
  readonly reason?: string;
};

/** Each goal with its verdict. A scenario that did not end has missed every one that it has. */
export const judgedGoals = (played: Played): JudgedGoal[] =>
  'outcome' in played
    ? played.outcome.goals.map((goal) => ({ ...goal, met: isMet(goal) }))
    : [{ name: 'every goal of it', unit: '', met: false, reason: played.failure }];

/** What must not be, whatever the figures are: each in a sentence. */
export function brokenOf(played: Played): string[] {
  if ('failure' in played) return played.broke ? [`${played.name} ${played.failure}`] : [];
  const { errors } = played.outcome;
  return errors === 0
    ? []
    : [`${played.name}: ${errors} answers that should not have been, or broken invariants`];
}

/** `at least 0.8`; '' where there is no bound. */
export function boundText({ atLeast, atMost }: Pick<JudgedGoal, 'atLeast' | 'atMost'>): string {
  if (atLeast !== undefined && atMost !== undefined)
    return atLeast === atMost
      ? `exactly ${numberText(atLeast)}`
      : `${numberText(atLeast)} to ${numberText(atMost)}`;
  if (atLeast !== undefined) return `at least ${numberText(atLeast)}`;
  return atMost === undefined ? '' : `at most ${numberText(atMost)}`;
}

/** Four digits that count; whole from a thousand on. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return 'none';
  const shown = Math.abs(value) >= 1_000 ? Math.round(value) : Number(value.toPrecision(4));
  return shown.toLocaleString('en', { maximumFractionDigits: 6 });
}

export type Row = readonly [
  scenario: string,
  goal: string,
  figure: string,
  bound: string,
  verdict: string,
];
export const HEAD: Row = ['scenario', 'goal', 'figure', 'bound', ''];

export const rowsOf = (played: readonly Played[]): Row[] =>
  played.flatMap((one) =>
    judgedGoals(one).map((goal): Row => {
      const { name, figure, unit, met, reason } = goal;
      const shown = figure === undefined ? (reason ?? '') : `${numberText(figure)} ${unit}`;
      return [one.name, name, shown, boundText(goal), met ? 'met' : 'missed'];
    }),
  );

/** For a terminal: one row a goal, then what is broken, if anything is. */
export function goalTable(played: readonly Played[]): string {
  const rows = [HEAD, ...rowsOf(played)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const broken = played.flatMap(brokenOf);
  return [
    ...(rows.length === 1 ? ['No goal was judged.'] : lines),
    ...broken.map((what) => `BROKEN: ${what}`),
  ].join('\n');
}

const NAME_WIDTH = 32;

/** `entry.p50Ms 12`: figures one a line; those of an object stand under its name. */
export const figureLines = (figures: object, under = ''): string[] =>
  figurePairs(figures, under).map(([name, value]) => `${name.padEnd(NAME_WIDTH)} ${value}`);

export const figurePairs = (figures: object, under = ''): [name: string, value: string][] =>
  Object.entries(figures).flatMap(([name, value]: [string, unknown]): [string, string][] => {
    if (typeof value !== 'object' || value === null) return [[`${under}${name}`, String(value)]];
    const isListOfNumbers = Array.isArray(value) && value.every((one) => typeof one === 'number');
    return isListOfNumbers
      ? [[`${under}${name}`, value.join(' ')]]
      : figurePairs(value, `${under}${name}.`);
  });
