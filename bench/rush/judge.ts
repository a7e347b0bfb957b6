/**
 * What an evening came to: what people were told, held against what the server itself says at the
 * end and against the files that it publishes. Pure but for unzipping.
 */
import { gunzipSync } from 'node:zlib';
import type { Round } from '../../src/demo/audit.ts';
import type { SeatView } from '../../src/demo/tally.ts';
import type { Counted } from './advantage.ts';
import { isBot, ROLES, type Role } from './cast.ts';
import type { Story } from './deeds.ts';

export type Outcome = {
  readonly role: Role;
  readonly story: Story;
  /** Slots of their live bookings, by their own lists. */
  readonly live: readonly string[];
};

/** A round's file as far as it says who was in it and who got a seat: entry ids. */
export type Drawn = {
  readonly entries: ReadonlySet<string>;
  readonly winners: ReadonlySet<string>;
};

type Line = { readonly kind: string; readonly entry: string; readonly slot: string | null };

export function drawnIn({ transcript }: Pick<Round, 'transcript'>): Drawn {
  const lines = gunzipSync(transcript)
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
  const entries = lines.filter(({ kind }) => kind === 'entry');
  const given = lines.filter(({ kind, slot }) => kind === 'offer' || (kind === 'entry' && slot));
  return {
    entries: new Set(entries.map(({ entry }) => entry)),
    winners: new Set(given.map(({ entry }) => entry)),
  };
}

export type Told = {
  readonly mode: 'immediate' | 'lottery';
  readonly outcomes: readonly Outcome[];
  /** Of a lottery. */
  readonly rounds: readonly Drawn[];
  readonly capacity: ReadonlyMap<string, number>;
  readonly operatorView: SeatView;
};

export type OfRole = { readonly people: number; readonly given: number; readonly held: number };

export type Judged = {
  /** Seats given beyond the capacity of their slots. */
  readonly oversold: number;
  /** People with two seats, or with two entries in one round. */
  readonly doubled: number;
  /** Acknowledged entries that are in no round, acknowledged bookings that are in no list. */
  readonly lost: number;
  /** Seats by which the operator's count differs from people's own lists. */
  readonly disagreed: number;
  /** Who took part, and who was given a seat: by round 0, or at once. */
  readonly given: Counted;
  /** And who has one in the end. */
  readonly held: Counted;
  readonly byRole: Readonly<Record<Role, OfRole>>;
};

export function judge(told: Told): Judged {
  const { outcomes, capacity, operatorView } = told;
  const given = outcomes.map((one) => givenTo(told, one));
  const live = outcomes.flatMap((one) => one.live);
  const counted = (seatsOf: (one: Outcome, index: number) => number): Counted =>
    count(outcomes, (one, index) => (tookPart(told, one) ? seatsOf(one, index) : undefined));
  return {
    oversold: oversoldIn(live, capacity),
    doubled: outcomes.filter((one) => one.live.length > 1 || entriesOf(told, one) > 1).length,
    lost: outcomes.reduce((sum, one) => sum + lostOf(told, one), 0),
    disagreed: Math.abs(operatorView.booked + operatorView.offered - live.length),
    given: counted((_, index) => given[index] ?? 0),
    held: counted((one) => one.live.length),
    byRole: Object.fromEntries(
      ROLES.map((role) => {
        const own = [...outcomes.entries()].filter(([, one]) => one.role === role);
        const sum = (of: (index: number, one: Outcome) => number): number =>
          own.reduce((all, [index, one]) => all + of(index, one), 0);
        const seats = {
          given: sum((index) => given[index] ?? 0),
          held: sum((_, one) => one.live.length),
        };
        return [role, { people: own.length, ...seats }];
      }),
    ) as Record<Role, OfRole>,
  };
}

const ofRound0 = ({ rounds }: Told, { story }: Outcome, those: keyof Drawn): number =>
  [...story.entries].filter((entry) => rounds[0]?.[those].has(entry)).length;

const entriesOf = (told: Told, one: Outcome): number => ofRound0(told, one, 'entries');

/** In a lottery, whoever was in round 0: those who come later wait behind them. */
const tookPart = (told: Told, one: Outcome): boolean =>
  told.mode === 'immediate' || entriesOf(told, one) > 0;

const givenTo = (told: Told, one: Outcome): number =>
  told.mode === 'immediate' ? Number(one.story.booked) : ofRound0(told, one, 'winners');

function count(
  outcomes: readonly Outcome[],
  seatsOf: (one: Outcome, index: number) => number | undefined,
): Counted {
  const counted = { people: 0, bots: 0, seatsOfPeople: 0, seatsOfBots: 0 };
  for (const [index, one] of outcomes.entries()) {
    const seats = seatsOf(one, index);
    if (seats === undefined) continue;
    counted[isBot(one) ? 'bots' : 'people'] += 1;
    counted[isBot(one) ? 'seatsOfBots' : 'seatsOfPeople'] += seats;
  }
  return counted;
}

function oversoldIn(live: readonly string[], capacity: ReadonlyMap<string, number>): number {
  let over = 0;
  for (const [slot, seats] of Map.groupBy(live, (slot) => slot))
    over += Math.max(0, seats.length - (capacity.get(slot) ?? 0));
  return over;
}

function lostOf({ mode, rounds }: Told, { story, live }: Outcome): number {
  const drawn = (entry: string): boolean => rounds.some(({ entries }) => entries.has(entry));
  const entries = mode === 'lottery' ? [...story.entries].filter((entry) => !drawn(entry)) : [];
  const bookings = [...story.bookings.values()].filter((slot) => !live.includes(slot));
  return entries.length + bookings.length;
}
