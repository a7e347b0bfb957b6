/**
 * What the suite knows of a scenario: a name, its options, what it measures, and what that is held
 * to and drawn as. `bench/bench.ts` runs one, `all` runs them in turn, and both read nothing else.
 */
import type { Option } from 'commander';
import type { Progress } from '../../src/progress.ts';

/** What a figure is held to. A goal is met from its bound on, and never by what is not a number. */
export type Goal = {
  /** Of what, as a reader of the table knows it: `entry route with every gate / floor`. */
  readonly name: string;
  readonly figure: number;
  /** `ratio`, `ms`, `bytes`, `seats`. */
  readonly unit: string;
} & (
  | { readonly atLeast: number; readonly atMost?: number }
  | { readonly atMost: number; readonly atLeast?: number }
);

export const isMet = ({ figure, atLeast, atMost }: Goal): boolean =>
  Number.isFinite(figure) &&
  (atLeast === undefined || figure >= atLeast) &&
  (atMost === undefined || figure <= atMost);

/** One picture of the report. Bars take the place of each `x` among `categories`. */
export type Chart = {
  readonly title: string;
  /** What to see in it, in a sentence; a screen reader says it. */
  readonly description: string;
  readonly kind: 'lines' | 'bars';
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly {
    readonly name: string;
    readonly points: readonly (readonly [x: number, y: number])[];
  }[];
};

/** `categories`: names for x = 0, 1, 2 … instead of numbers. */
export type Axis = {
  readonly label: string;
  readonly scale?: 'linear' | 'logarithmic';
  readonly categories?: readonly string[];
};

export type Outcome<Figures extends object = object> = {
  /** What `--json` prints, under the scenario's name. Units last in names. */
  readonly figures: Figures;
  readonly goals: readonly Goal[];
  readonly charts: readonly Chart[];
  /** Answers that should not have been, broken invariants: anything but 0 ends the bench with 1. */
  readonly errors: number;
};

export type Scenario<Options, Figures extends object = object> = {
  readonly name: string;
  /** A line of `--help`. */
  readonly summary: string;
  readonly options: readonly Option[];
  readonly run: (options: Options, progress: Progress) => Promise<Outcome<Figures>>;
  /** Where it takes part in `all`. */
  readonly inAll?: InAll<Options>;
  /** Options of `all --quick`, which shows that everything runs, and measures nothing. */
  readonly quick?: Partial<Options>;
  /** Of one that is told how many minutes to go on: it has these and an hour. */
  readonly minutesAsked?: (options: Options) => number;
  /** Of a scenario that can be played on a deployment that runs. */
  readonly onTarget?: (target: Target, options: Options, progress: Progress) => Promise<Outcome>;
};

export type InAll<Options> = {
  /** Seconds that it may take there on two cores; all of them together make the length of `all`. */
  readonly mostS: number;
  /** What differs from the defaults there, to keep it short. */
  readonly options?: Partial<Options>;
};

/** A deployment that its owner has said may be loaded. */
export type Target = {
  /** Where it listens, without a path. */
  readonly url: string;
  readonly operatorKey: string;
};

/** A scenario whose options nobody knows the type of, as the suite sees it. */
export type AnyScenario = Omit<Scenario<never>, 'inAll' | 'quick'> & {
  readonly inAll?: InAll<object>;
  readonly quick?: object;
};

const HOUR_MS = 60 * 60_000;
const MINUTE_MS = 60_000;

/** No scenario may hold the machine longer than this. */
export const timeLimitMs = ({ minutesAsked }: AnyScenario, options: object): number =>
  HOUR_MS + (minutesAsked?.(options as never) ?? 0) * MINUTE_MS;
