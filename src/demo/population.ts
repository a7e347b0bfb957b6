/**
 * Who takes part in the demo, and the seats they compete for. Everything is drawn here from one
 * seed, before any evening is played, so that both evenings meet the same people with the same
 * habits.
 */
import { parse } from 'csv-parse/sync';
import { between, drawWeighted, logNormal, seededRandom, type Random } from './random.ts';

export const GROUPS = ['citizen', 'bot'] as const;
export type Group = (typeof GROUPS)[number];

export type Person = {
  readonly group: Group;
  readonly name: string;
  readonly mobile: string;
  readonly birthYear: number;
  readonly gender: 'female' | 'male';
  readonly idNumber: string;
  /**
   * A loopback address of their own, so that limits by client address mean what they mean outside.
   */
  readonly address: string;
  /** When they come to the site, ms after the opening; bots wait at the door and come early. */
  readonly arrivesMs: number;
  /** How long they take to read a page and act on it, ms. */
  readonly actsAfterMs: number;
  /** How many slots they would go to. */
  readonly wishes: number;
  readonly confirmsOffer: boolean;
  readonly cancelsLater: boolean;
  /** Where their own wishes are drawn from. */
  readonly seed: string;
};

export type Site = { readonly id: string; readonly name: string; readonly seats: number };

/**
 * One minute of a citizen's evening lasts this long in the demo, ms. Bots are not slowed down or
 * sped up.
 */
export const MINUTE_MS = 1_000;
/** Citizens come within this time after the opening, ms. */
export const LAST_ARRIVAL_MS = 12 * MINUTE_MS;
/** The demand for Pune's seats in April 2021: people for one seat. */
export const PEOPLE_PER_SEAT = 11;
/** The day after the figures of bench/data: the day whose seats are given out. */
export const VACCINATION_DAY = '2021-04-11';
/** Youngest age that the release takes: everyone drawn below may enter. */
export const MIN_AGE = 18;
/** Slots that an entry may name. */
export const MOST_WISHES = 5;
/** The only ID that the release takes, so that nobody enters twice with two kinds of ID. */
export const ID_TYPE = 'voter-id';

const ARRIVAL = { median: 3.5 * MINUTE_MS, spread: 0.8 };
const READING = { median: 0.5 * MINUTE_MS, spread: 0.4 };
const NEVER_CONFIRMS = 0.1;
const CANCELS_LATER = 0.03;
const BOT_WAKES_EARLY_MS = 200;

/**
 * People vaccinated in Pune district by 10 April 2021, from CoWIN's dashboard as archived in
 * kaarana/CoWIN-Data; the last band, which has no end there, is cut at 90.
 */
const AGES = [
  { from: 18, to: 24, people: 25_381 },
  { from: 25, to: 39, people: 125_782 },
  { from: 40, to: 59, people: 570_191 },
  { from: 60, to: 90, people: 558_501 },
] as const;

/**
 * Citizens first, then bots; person n is the same whatever the numbers of the others are. `from`:
 * where their mobiles and IDs begin, for people who are others than those of an earlier evening.
 */
export function createPopulation(citizens: number, bots: number, seed: string, from = 0): Person[] {
  return [
    ...Array.from({ length: citizens }, (_, index) => createPerson('citizen', index, seed, from)),
    ...Array.from({ length: bots }, (_, index) => createPerson('bot', index, seed, from)),
  ];
}

function createPerson(group: Group, index: number, seed: string, from: number): Person {
  const bot = group === 'bot';
  const own = `${seed}/${group}/${index}`;
  const random = seededRandom(own);
  const number = (bot ? 500_000 : 0) + index + from;
  return {
    group,
    name: `${bot ? 'Sprinter' : 'Citizen'} ${index + 1}`,
    mobile: `+9198${String(number).padStart(8, '0')}`,
    birthYear: Number(VACCINATION_DAY.slice(0, 4)) - drawAge(random),
    gender: random() < 0.5 ? 'female' : 'male',
    idNumber: String(200_000_000_000 + number),
    address: `127.${bot ? 2 : 1}.${index >> 8}.${index & 255}`,
    arrivesMs: bot ? -BOT_WAKES_EARLY_MS : arrival(random),
    actsAfterMs: bot ? 0 : logNormal(random, READING.median, READING.spread),
    wishes: between(random, 1, MOST_WISHES),
    confirmsOffer: bot || random() >= NEVER_CONFIRMS,
    cancelsLater: !bot && random() < CANCELS_LATER,
    seed: own,
  };
}

function arrival(random: Random): number {
  for (;;) {
    const drawn = logNormal(random, ARRIVAL.median, ARRIVAL.spread);
    if (drawn <= LAST_ARRIVAL_MS) return drawn;
  }
}

function drawAge(random: Random): number {
  const [band = AGES[0]] = drawWeighted(random, AGES, ({ people }) => people, 1);
  return between(random, band.from, band.to);
}

/** The slots a citizen would go to, best first: the larger a place, the more often. */
export const wishesOf = <T extends { readonly seats: number }>(
  person: Person,
  slots: readonly T[],
): T[] =>
  drawWeighted(seededRandom(`${person.seed}/wishes`), slots, ({ seats }) => seats, person.wishes);

/**
 * The slots in the order in which a bot tries them: the largest first, in a circle that each bot
 * enters at a place of its own, since scripts of strangers do not agree on one.
 */
export function circuitOf<T extends { readonly seats: number }>(
  person: Person,
  slots: readonly T[],
): T[] {
  const largest = slots.toSorted((left, right) => right.seats - left.seats);
  const start = between(seededRandom(`${person.seed}/circuit`), 0, largest.length - 1);
  return [...largest.slice(start), ...largest.slice(0, start)];
}

/** Reads site_id, site_name, doses_given. */
export function readSites(csv: string): Site[] {
  const rows: { site_id: string; site_name: string; doses_given: string }[] = parse(csv, {
    columns: true,
  });
  return rows.map((row) => ({
    id: row.site_id,
    name: row.site_name,
    seats: Number(row.doses_given),
  }));
}

/**
 * The same sites with `seats` seats between them, in proportion, by largest remainder (Hamilton):
 * every site is less than one seat away from its exact share. Sites left with none are left out.
 */
export function scaleSites(sites: readonly Site[], seats: number): Site[] {
  const total = sites.reduce((sum, site) => sum + site.seats, 0);
  const shares = sites.map((site, index) => {
    const exact = (site.seats * seats) / total;
    return { index, whole: Math.floor(exact), remainder: exact % 1 };
  });
  const left = seats - shares.reduce((sum, { whole }) => sum + whole, 0);
  const rounded = new Set(
    shares
      .toSorted((one, other) => other.remainder - one.remainder || one.index - other.index)
      .slice(0, left)
      .map(({ index }) => index),
  );
  return sites
    .map((site, index) => ({
      ...site,
      seats: (shares[index]?.whole ?? 0) + (rounded.has(index) ? 1 : 0),
    }))
    .filter((site) => site.seats > 0);
}

/** The import format of the operator API. */
export const sitesToCsv = (sites: readonly Site[]): string =>
  ['site_id,site_name,doses_given', ...sites.map(csvRow)].join('\n');

const csvRow = ({ id, name, seats }: Site): string =>
  `${id},"${name.replaceAll('"', '""')}",${seats}`;
