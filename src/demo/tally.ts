/** What an evening came to: pure counting over what the server itself says at the end. */
import type { Counts, Purpose, RequestLog } from './client.ts';
import type { Mode } from './personas.ts';
import type { Group, Person } from './population.ts';

/** Seats of a release as its operator sees them. */
export type SeatView = {
  readonly free: number;
  readonly offered: number;
  readonly booked: number;
  readonly capacity: number;
};
/** `atMs`: after the opening. */
export type SeatSample = SeatView & { readonly atMs: number };

/** What one person has in the end. Times are ms since the opening. */
export type Outcome = {
  readonly person: Pick<Person, 'group' | 'arrivesMs'>;
  /** Slots of the live bookings in the person's own list. */
  readonly seats: readonly string[];
  /** When the seat that they have became theirs. */
  readonly seatAtMs: number | undefined;
  /** Whether a round offered them a seat, kept or not. */
  readonly offered: boolean;
};

export type Evening = {
  readonly mode: Mode;
  readonly outcomes: readonly Outcome[];
  readonly capacity: ReadonlyMap<string, number>;
  readonly operatorView: SeatView;
  readonly samples: readonly SeatSample[];
  readonly log: RequestLog;
};

export type Latency = { readonly p50: number; readonly p90: number; readonly p99: number };
export type GroupTally = {
  readonly people: number;
  readonly seats: number;
  readonly offers: number;
  /** Requests of all kinds. */
  readonly requests: number;
  /** Requests to the booking or entry route by how they ended. */
  readonly attempts: Omit<Counts, 'latenciesMs'>;
  /** Of the booking or entry route, ms; undefined when nobody asked. */
  readonly latencyMs: Latency | undefined;
};

export type Tally = {
  readonly mode: Mode;
  readonly seats: number;
  readonly seatsGiven: number;
  readonly groups: Readonly<Record<Group, GroupTally>>;
  /**
   * (bot seats / seats given) / (bots / people): 1 is what chance gives. 0 when no seat was given.
   */
  readonly botAdvantage: number;
  /** Seats given beyond the capacity of their slot, over all slots. */
  readonly oversold: number;
  /** Persons with two live bookings or more. */
  readonly doubleBooked: number;
  /** Whether the operator's view counts as many seats as the people's own lists do. */
  readonly agreed: boolean;
  readonly bySecond: readonly SecondOfSeats[];
  readonly byArrival: readonly ArrivalBin[];
  readonly samples: readonly SeatSample[];
};

export type SecondOfSeats = { readonly second: number } & Readonly<Record<Group, number>>;
/**
 * People who came from `fromMs` to before `toMs`; those at the door before the opening have
 * negative times.
 */
export type ArrivalBin = {
  readonly fromMs: number;
  readonly toMs: number;
  readonly people: number;
  readonly seats: number;
};

/** Bins with fewer people say nothing about a chance; they join their neighbour. */
const LEAST_PEOPLE_IN_BIN = 50;

export function tallyEvening(evening: Evening): Tally {
  const { mode, outcomes, capacity, operatorView, log, samples } = evening;
  const citizen = tallyGroup('citizen', outcomes, log);
  const bot = tallyGroup('bot', outcomes, log);
  const seatsGiven = citizen.seats + bot.seats;
  const botShareOfSeats = seatsGiven === 0 ? 0 : bot.seats / seatsGiven;
  return {
    mode,
    seats: operatorView.capacity,
    seatsGiven,
    groups: { citizen, bot },
    botAdvantage: botShareOfSeats / (bot.people / outcomes.length),
    oversold: oversoldSeats(outcomes, capacity),
    doubleBooked: outcomes.filter(({ seats }) => seats.length > 1).length,
    agreed: operatorView.booked + operatorView.offered === seatsGiven,
    bySecond: seatsBySecond(outcomes),
    byArrival: chanceByArrival(outcomes),
    samples,
  };
}

function tallyGroup(group: Group, all: readonly Outcome[], log: RequestLog): GroupTally {
  const own = all.filter(({ person }) => person.group === group);
  const purposes: readonly Purpose[] = ['sign-in', 'read', 'attempt', 'confirm'];
  const requests = purposes.reduce((sum, purpose) => {
    const counts = log.get(`${group}/${purpose}`);
    return sum + (counts ? counts.accepted + counts.refused + counts.limited + counts.failed : 0);
  }, 0);
  const { latenciesMs, ...attempts } = log.get(`${group}/attempt`) ?? {
    accepted: 0,
    refused: 0,
    limited: 0,
    failed: 0,
    latenciesMs: [],
  };
  return {
    people: own.length,
    seats: own.reduce((sum, { seats }) => sum + seats.length, 0),
    offers: own.filter(({ offered }) => offered).length,
    requests,
    attempts,
    latencyMs: latencyOf(latenciesMs),
  };
}

function oversoldSeats(
  outcomes: readonly Outcome[],
  capacity: ReadonlyMap<string, number>,
): number {
  const taken = Map.groupBy(
    outcomes.flatMap(({ seats }) => seats),
    (slot) => slot,
  );
  return [...taken].reduce(
    (sum, [slot, seats]) => sum + Math.max(0, seats.length - (capacity.get(slot) ?? 0)),
    0,
  );
}

/** Percentiles by nearest rank. */
export function latencyOf(latenciesMs: readonly number[]): Latency | undefined {
  if (latenciesMs.length === 0) return undefined;
  const sorted = Float64Array.from(latenciesMs).toSorted();
  const rank = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
  return { p50: rank(0.5), p90: rank(0.9), p99: rank(0.99) };
}

/** Seats that people have in the end, by the second after the opening in which they got them. */
export function seatsBySecond(outcomes: readonly Outcome[]): SecondOfSeats[] {
  const given = outcomes.flatMap(({ person, seats, seatAtMs }) =>
    seats.length > 0 && seatAtMs !== undefined
      ? [{ group: person.group, second: Math.max(0, Math.floor(seatAtMs / 1_000)) }]
      : [],
  );
  return [...Map.groupBy(given, ({ second }) => second)]
    .map(([second, seats]) => {
      const bot = seats.filter(({ group }) => group === 'bot').length;
      return { second, bot, citizen: seats.length - bot };
    })
    .toSorted((left, right) => left.second - right.second);
}

/**
 * Who came when, and how many of them have a seat: by whole seconds, thin ones joined to the one
 * before.
 */
export function chanceByArrival(outcomes: readonly Outcome[]): ArrivalBin[] {
  const bySecond = [
    ...Map.groupBy(outcomes, ({ person }) => Math.floor(person.arrivesMs / 1_000)),
  ].toSorted(([left], [right]) => left - right);
  const bins: ArrivalBin[] = [];
  for (const [second, people] of bySecond) {
    const bin = {
      fromMs: second * 1_000,
      toMs: (second + 1) * 1_000,
      people: people.length,
      seats: people.filter(({ seats }) => seats.length > 0).length,
    };
    const before = bins.at(-1);
    const mayJoin = before !== undefined && before.fromMs >= 0;
    if (mayJoin && bin.people < LEAST_PEOPLE_IN_BIN) bins[bins.length - 1] = joined(before, bin);
    else bins.push(bin);
  }
  return bins;
}

const joined = (first: ArrivalBin, next: ArrivalBin): ArrivalBin => ({
  fromMs: first.fromMs,
  toMs: next.toMs,
  people: first.people + next.people,
  seats: first.seats + next.seats,
});

/** A whole number left to chance: how likely it is to be `first`, `first + 1` and so on. */
export type Chances = { readonly first: number; readonly chances: readonly number[] };

/**
 * Of `drawn` seats given by lot among `people`, how many go to the `marked` ones: the
 * hypergeometric distribution.
 */
export function hypergeometric(people: number, marked: number, drawn: number): Chances {
  const logFactorial = [0];
  for (let n = 1; n <= people; n++) logFactorial.push((logFactorial[n - 1] ?? 0) + Math.log(n));
  const choose = (n: number, k: number): number =>
    (logFactorial[n] ?? 0) - (logFactorial[k] ?? 0) - (logFactorial[n - k] ?? 0);
  const first = Math.max(0, drawn - (people - marked));
  const last = Math.min(marked, drawn);
  const chances = Array.from({ length: last - first + 1 }, (_, i) =>
    Math.exp(
      choose(marked, first + i) +
        choose(people - marked, drawn - first - i) -
        choose(people, drawn),
    ),
  );
  return { first, chances };
}

export type Range = { readonly least: number; readonly most: number };

/** The numbers between which the share `inside` of all cases falls, with even tails outside. */
export function rangeOf({ first, chances }: Chances, inside: number): Range {
  const tail = (1 - inside) / 2;
  const last = first + chances.length - 1;
  let below = 0;
  let least: number | undefined;
  for (const [i, chance] of chances.entries()) {
    below += chance;
    if (below > tail) least ??= first + i;
    if (below >= 1 - tail) return { least: least ?? first + i, most: first + i };
  }
  return { least: least ?? last, most: last };
}

/**
 * Of `drawn` seats given by lot among `people` of whom `marked` are bots, the numbers for the bots
 * between which 99 of 100 draws fall.
 */
export const fairRange = (people: number, marked: number, drawn: number): Range =>
  rangeOf(hypergeometric(people, marked, drawn), 0.99);

/** Wilson's 95 % interval of a share. */
export function shareInterval(
  hits: number,
  of: number,
): { readonly low: number; readonly high: number } {
  const z2 = 1.96 ** 2;
  const share = hits / of;
  const middle = (share + z2 / (2 * of)) / (1 + z2 / of);
  const half = Math.sqrt(z2 * ((share * (1 - share)) / of + z2 / (4 * of * of))) / (1 + z2 / of);
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
