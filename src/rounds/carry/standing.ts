/**
 * Standing entries: what somebody asked for once, to be entered in the later releases of a series
 * until it gets a seat, is withdrawn or expires (docs/adr/0015). Pure.
 */
import { assert, present } from '../../lib/assert.ts';
import { isoFromMs, msFromIso } from '../../lib/clock.ts';
import { refuse, type Refusal } from '../../refusal.ts';
import type { LotteryManifest } from '../../releases/manifest.ts';
import type { Published } from '../../releases/service.ts';

/** How long after the end of its release an entry may ask to be carried over. */
export const CARRY_OVER_DAYS = 90;
const DAY_MS = 86_400_000;

export type StandingEntry = {
  /** It is entered in no release from then on. */
  readonly untilMs: number;
  readonly account: string;
  /**
   * The release in which it was put by hand, whose slots `prefs` number: each release takes it from
   * what was asked for then, not from what the release before could make of it.
   */
  readonly origin: string;
  /** The lead first. */
  readonly persons: readonly string[];
  readonly prefs: readonly number[];
  /** Why the release that holds it could not enter it: a code of the catalogue; '' if it did. */
  readonly refused: string;
};

export const packStanding = (entry: StandingEntry): string =>
  [
    entry.untilMs,
    entry.account,
    entry.origin,
    entry.persons.join(','),
    entry.prefs.join(','),
    entry.refused,
  ].join('|');

export function unpackStanding(packed: string): StandingEntry {
  const [untilMs, account, origin, persons, prefs, refused] = packed.split('|');
  assert(account && origin && persons && prefs && refused !== undefined, 'a standing entry');
  return {
    untilMs: Number(untilMs),
    account,
    origin,
    persons: persons.split(','),
    prefs: prefs.split(',').map(Number),
    refused,
  };
}

/**
 * Until when an entry of this release wants to be carried over, in milliseconds since the epoch;
 * undefined when it does not.
 */
export function carryOverUntilMs(
  { series, ends_at: endsAt }: LotteryManifest,
  until: string | undefined,
): number | undefined | Refusal {
  if (until === undefined) return undefined;
  if (series === null) return refuse('NO_SERIES');
  const untilMs = msFromIso(until);
  const endsAtMs = msFromIso(endsAt);
  const latestMs = endsAtMs + CARRY_OVER_DAYS * DAY_MS;
  if (untilMs > endsAtMs && untilMs <= latestMs) return untilMs;
  return refuse('CARRY_OVER_DATE', { extra: { after: endsAt, latest: isoFromMs(latestMs) } });
}

/** The same offer at another time of the year: place, service, dose and time of day. */
const kindOf = ({ manifest, slotSessions }: Published, number: number): string => {
  const { centre, service, dose } = present(slotSessions[number], 'the session of a slot');
  return JSON.stringify([centre, service, dose, present(manifest.slots[number], 'a slot').from]);
};

const byKind = new WeakMap<Published, ReadonlyMap<string, readonly number[]>>();

/** Slot numbers by kind, the earliest date first, then in manifest order. */
function slotsByKind(published: Published): ReadonlyMap<string, readonly number[]> {
  const known = byKind.get(published);
  if (known) return known;
  const dateOf = (number: number): string =>
    present(published.slotSessions[number], 'the session of a slot').date;
  const numbers = [...published.manifest.slots.keys()].toSorted((one, other) =>
    dateOf(one) === dateOf(other) ? one - other : dateOf(one) < dateOf(other) ? -1 : 1,
  );
  const found = Map.groupBy(numbers, (number) => kindOf(published, number));
  byKind.set(published, found);
  return found;
}

/**
 * What the wishes of one release are in a later one, as slot numbers, best first: for each slot in
 * turn the very same, if the later release has it; else all slots of the same centre, service, dose
 * and start time, the earliest date first. No slot twice; none where nothing is alike.
 */
export function carriedPreferences(
  origin: Published,
  prefs: readonly number[],
  later: Published,
): number[] {
  const alike = slotsByKind(later);
  const all = prefs.flatMap((number): readonly number[] => {
    const { slot } = present(origin.manifest.slots[number], 'a slot');
    const found = alike.get(kindOf(origin, number)) ?? [];
    const same = later.slotNumbers.get(slot);
    return same !== undefined && found.includes(same) ? [same] : found;
  });
  return [...new Set(all)];
}

/** What became of a standing entry that was to be carried into a release; labels of a metric. */
export const CARRIED = [
  /** It is entered, and stands on. */
  'ENTERED',
  /** It could not be entered here, which it keeps with the reason; it stands on. */
  'REFUSED',
  /** It is over: its people have entered by hand since. */
  'REPLACED',
  /** It is over: one of its people is no longer registered under its account. */
  'LEFT',
  /** It is over: its time has come. */
  'EXPIRED',
  /** It is over: it was withdrawn while it was on its way. */
  'WITHDRAWN',
  /** An earlier attempt that was interrupted had come to its end. */
  'ALREADY',
  /** Nothing yet: to be tried again. */
  'LATER',
] as const;
export type Carried = (typeof CARRIED)[number];

/** What the refusal of an entry means for one that is carried. */
export function refusedMeans({ refused, retryAfterS }: Refusal): Carried {
  if (retryAfterS !== undefined) return 'LATER';
  switch (refused) {
    case 'RELEASE_NOT_OPEN':
    case 'RELEASE_ENDED':
      return 'LATER';
    case 'ENTRY_LAPSED':
    case 'IN_ANOTHER_ENTRY':
      return 'REPLACED';
    case 'BENEFICIARY_UNKNOWN':
      return 'LEFT';
    default:
      return 'REFUSED';
  }
}
