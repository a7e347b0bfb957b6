/**
 * What scripts gain: seats of a bot's person over seats of anyone else. A lot that knows nothing of
 * who is who gives the bots of an evening a hypergeometric number of seats (N people of whom B are
 * bots, S seats drawn without putting back: Feller, An Introduction to Probability Theory, volume
 * 1, II.6); evenings are drawn with seeds that have nothing to do with each other, so the numbers
 * of several add up as independent ones do, by convolution. All of it is exact, nothing is fitted.
 */
import { type Chances, certainly, hypergeometric, plus, rangeOf } from '../sim/chances.ts';

/** One evening: who took part, and who of them got a seat. */
export type Counted = {
  readonly people: number;
  readonly bots: number;
  readonly seatsOfPeople: number;
  readonly seatsOfBots: number;
};

export const INSIDE = 0.999;

const sum = (evenings: readonly Counted[]): Counted => {
  const of = (name: keyof Counted): number => evenings.reduce((all, one) => all + one[name], 0);
  return {
    people: of('people'),
    bots: of('bots'),
    seatsOfPeople: of('seatsOfPeople'),
    seatsOfBots: of('seatsOfBots'),
  };
};

/**
 * Seats of a bot's person over seats of one of the people, over all evenings. Where people got no
 * seat at all there is no such number: they are given one, and it is at least so large.
 */
export function advantageOf(evenings: readonly Counted[]): number {
  const { people, bots, seatsOfPeople, seatsOfBots } = sum(evenings);
  if (seatsOfPeople + seatsOfBots === 0) return Number.NaN;
  return seatsOfBots / bots / (Math.max(1, seatsOfPeople) / people);
}

export type FairRange = { readonly least: number; readonly most: number };

/** How many seats a fair lot may give to bots over these evenings. */
export const fairSeats = (evenings: readonly Counted[]): Chances =>
  evenings
    .map(({ people, bots, seatsOfPeople, seatsOfBots }) =>
      hypergeometric(people + bots, bots, seatsOfPeople + seatsOfBots),
    )
    .reduce(plus, certainly(0));

/** The advantages between which a share `inside` of all fair lots falls: around 1. */
export function fairRange(evenings: readonly Counted[], inside = INSIDE): FairRange {
  const { least, most } = rangeOf(fairSeats(evenings), inside);
  const all = sum(evenings);
  const seats = all.seatsOfPeople + all.seatsOfBots;
  const advantage = (seatsOfBots: number): number =>
    advantageOf([{ ...all, seatsOfBots, seatsOfPeople: seats - seatsOfBots }]);
  return { least: advantage(least), most: advantage(most) };
}
