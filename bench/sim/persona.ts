/** What a persona is, and how its gain is measured. */
import { setImmediate as breathe } from 'node:timers/promises';
import { type Random, seededRandom } from '../../src/demo/random.ts';
import { type Chances, meanOf, rangeOf, summed } from './chances.ts';

export type Persona = {
  readonly persona: string;
  /** What it does, for a reader who knows no code. */
  readonly does: string;
  /** What one run counts. */
  readonly counts: string;
  /** What the exact theory says that one run counts. */
  readonly exact: Chances;
  /** What one run counts, on average, for honest people in the persona's place. */
  readonly honest: number;
  /** Who can see it, if it gains anything. */
  readonly seenBy?: string;
  /** Plays one run with the engine's draw, and counts. */
  readonly play: (random: Random) => number;
};

export type Verdict = 'gains nothing' | 'loses' | 'gains' | 'not as computed';

export type Finding = Omit<Persona, 'play' | 'exact'> & {
  readonly runs: number;
  /** What all runs counted together. */
  readonly counted: number;
  /** What was counted, over what honest people in its place would have: 1 is no gain. */
  readonly gain: number;
  /** The gain that the exact theory expects, and the range that holds 99.9 % of such series. */
  readonly expected: number;
  readonly least: number;
  readonly most: number;
  readonly verdict: Verdict;
};

const INSIDE = 0.999;
/** Gains that differ by less are the same: floating point. */
const TOLERANCE = 1e-9;

/** Runs after which timers get their turn: progress is printed by one. */
const BREATHE_EVERY = 50;

export type Series = {
  readonly runs: number;
  readonly seed: string;
  /** Called after each run. */
  readonly onRun?: () => void;
};

export async function measure(
  { play, exact, ...persona }: Persona,
  { runs, seed, onRun = () => undefined }: Series,
): Promise<Finding> {
  const random = seededRandom([seed, persona.persona, persona.does, persona.counts].join('/'));
  let counted = 0;
  for (let run = 0; run < runs; run++) {
    counted += play(random);
    onRun();
    if (run % BREATHE_EVERY === 0) await breathe();
  }
  const theory = computed(exact, persona.honest, runs);
  const { least, most, expected } = theory;
  const gain = counted / (persona.honest * runs);
  const asComputed = gain >= least - TOLERANCE && gain <= most + TOLERANCE;
  return {
    ...persona,
    ...theory,
    runs,
    counted,
    gain,
    verdict: asComputed ? verdictOf(expected) : 'not as computed',
  };
}

/** The gain that the exact theory expects of a series, and the range that it is to fall in. */
export function computed(
  exact: Chances,
  honest: number,
  runs: number,
): Pick<Finding, 'expected' | 'least' | 'most'> {
  const { least, most } = rangeOf(summed(exact, runs), INSIDE);
  const all = honest * runs;
  return { expected: meanOf(exact) / honest, least: least / all, most: most / all };
}

function verdictOf(expected: number): Verdict {
  if (expected > 1 + TOLERANCE) return 'gains';
  return expected < 1 - TOLERANCE ? 'loses' : 'gains nothing';
}
