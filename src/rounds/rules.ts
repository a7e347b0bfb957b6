/** What may be entered, and how an entry is kept. Pure. */
import { present } from '../lib/assert.ts';
import { instantMs } from '../lib/days.ts';
import type { Secrets } from '../lib/secrets.ts';
import { ageInYear } from '../people/rules.ts';
import { type Dose, doseProblem } from '../people/vaccines.ts';
import { refuse, type Refusal } from '../refusal.ts';
import type { LotteryManifest, Manifest } from '../releases/manifest.ts';
import type { Published } from '../releases/service.ts';

/**
 * The entry id of a person in a release: derived, so that withdrawing and entering again within a
 * round cannot re-roll its rank key, and keyed, so that nobody else can link it to the person.
 */
export const entryIdOf = (secrets: Secrets, release: string, person: string): string =>
  secrets.pseudonym('entry', `${release}|${person}`);

/**
 * Whom an entry is charged to, as lua/lib/accounts takes it. `device` and `network`: '' where none
 * is known, as of an entry that is carried over.
 */
export const enteredBy = (account: string, device = '', network = ''): string =>
  [account, device, network].join('|').replace(/\|+$/, '');

/**
 * An entry as Redis holds it: who (the lead first), what they want, and the reserve categories that
 * all of them belong to.
 */
export type PackedEntry = {
  readonly persons: readonly string[];
  /** Slot numbers in manifest order, best first. */
  readonly prefs: readonly number[];
  readonly categories: readonly string[];
};

export const packEntry = ({ persons, prefs, categories }: PackedEntry): string =>
  `${persons.join(',')}|${prefs.join(',')}|${categories.join(',')}`;

export function unpackEntry(packed: string): PackedEntry {
  const [persons = '', prefs = '', categories = ''] = packed.split('|');
  return {
    persons: persons.split(','),
    prefs: prefs === '' ? [] : prefs.split(',').map(Number),
    categories: categories === '' ? [] : categories.split(','),
  };
}

/** A refusal that says which of several people it is about. */
export const naming = (beneficiary: string, refusal: Refusal): Refusal => ({
  ...refusal,
  extra: { ...refusal.extra, beneficiary },
});

/** Why these people cannot be one entry; undefined when they can. */
export function groupProblem(
  { manifest }: Published,
  beneficiaries: readonly string[],
): Refusal | undefined {
  const limit = manifest.limits.group_size;
  if (beneficiaries.length === 0 || beneficiaries.length > limit)
    return refuse('GROUP_TOO_LARGE', { extra: { limit } });
  const twice = beneficiaries.find((one, index) => beneficiaries.indexOf(one) < index);
  return twice === undefined ? undefined : naming(twice, refuse('BENEFICIARY_DUPLICATE'));
}

/** The categories of a release that each of these people belongs to, ascending. */
export const sharedCategories = (
  { categories }: Published,
  people: readonly { readonly categories: readonly string[] }[],
): string[] =>
  categories.filter((category) => people.every((person) => person.categories.includes(category)));

/** Slot numbers of the preferences, or why they cannot be entered. */
export function preferenceNumbers(
  published: Published,
  preferences: readonly string[],
): number[] | Refusal {
  const limit = published.manifest.limits.preferences;
  if (preferences.length > limit) return refuse('TOO_MANY_PREFERENCES', { extra: { limit } });
  const numbers: number[] = [];
  for (const slot of preferences) {
    const number = published.slotNumbers.get(slot);
    if (number === undefined) return refuse('SLOT_UNKNOWN', { extra: { slot } });
    if (numbers.includes(number)) return refuse('SLOT_DUPLICATE', { extra: { slot } });
    numbers.push(number);
  }
  return numbers;
}

/** When a slot begins by the clocks of a zone. */
export function beginsAtMs(
  { manifest, slotSessions }: Published,
  slotNumber: number,
  timeZone: string,
): number {
  const { date } = present(slotSessions[slotNumber], 'the session of a slot');
  return instantMs(date, present(manifest.slots[slotNumber], 'a slot').from, timeZone);
}

/**
 * Whether an offer of this slot that was not answered is a missed seat: nobody could have kept what
 * had begun before they had to answer.
 */
export const isMiss = (
  found: Published,
  slotNumber: number,
  confirmByMs: number,
  timeZone: string,
): boolean => beginsAtMs(found, slotNumber, timeZone) >= confirmByMs;

/** Why a person may not have one of these slots; undefined when they may have them all. */
export function ineligible(
  found: Published,
  person: {
    readonly birthYear: number;
    readonly idType: string;
    readonly doses: readonly Dose[];
    readonly claimedAtMs: number;
  },
  slotNumbers: readonly number[],
  timeZone: string,
): Refusal | undefined {
  const { manifest, slotSessions } = found;
  if (!manifest.id_types.includes(person.idType)) {
    return refuse('ID_TYPE_NOT_ACCEPTED', { extra: { accepted: manifest.id_types } });
  }
  for (const number of slotNumbers) {
    const session = present(slotSessions[number], 'the session of a slot');
    const { slot } = present(manifest.slots[number], 'a slot');
    if (beginsAtMs(found, number, timeZone) <= person.claimedAtMs)
      return refuse('SLOT_OVER', { extra: { slot } });
    const age = ageInYear(person.birthYear, session.date);
    const { min_age: minAge, max_age: maxAge } = session;
    if (age < minAge || (maxAge !== null && age > maxAge)) {
      return refuse('NOT_ELIGIBLE', {
        extra: { slot, minAge, maxAge },
      });
    }
    const problem = doseProblem(person.doses, session);
    if (problem) return refuse('DOSE_NOT_DUE', { extra: { slot, dose: session.dose, ...problem } });
  }
  return undefined;
}

/** The published lottery manifest, or a refusal for a release that books at once. */
export const asLottery = (manifest: Manifest): LotteryManifest | Refusal =>
  manifest.mode === 'lottery' ? manifest : refuse('NOT_A_LOTTERY');

export type EntryState =
  | 'NONE'
  | 'ENTERED'
  | 'SEALED'
  | 'WAITING'
  | 'OVER'
  | 'OFFERED'
  | 'BOOKED'
  | 'CANCELLED'
  | 'LAPSED'
  /** Without an entry here, to be carried over to a later release. */
  | 'STANDING';

/**
 * Whether an entry in this state keeps the person's claim. A booking keeps it until the release's
 * last day is over, unless something ends it before (createClaimState).
 */
export function keepsClaim(state: EntryState, nowMs: number, lastDayEndsAtMs: number): boolean {
  if (state === 'BOOKED' || state === 'OFFERED') return nowMs < lastDayEndsAtMs;
  return state === 'ENTERED' || state === 'SEALED' || state === 'WAITING';
}
