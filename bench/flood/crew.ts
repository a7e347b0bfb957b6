/** The processes of a flood. */
import { type Hand, startHandOf } from '../support/hand.ts';

export type { Hand } from '../support/hand.ts';

/** Starts a program of this directory. */
export const startHand = <Job extends object, Report>(program: string): Hand<Job, Report> =>
  startHandOf(new URL(program, import.meta.url));
