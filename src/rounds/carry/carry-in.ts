/**
 * Enters a standing entry in a later release of its series: through the same admission as one that
 * is put by hand, and never in the place of one.
 */
import { assert, present } from '../../lib/assert.ts';
import type { Secrets } from '../../lib/secrets.ts';
import type { PeopleStore } from '../../people/store.ts';
import { isRefusal, refuse, type Refusal } from '../../refusal.ts';
import type { Manifest } from '../../releases/manifest.ts';
import type { Published, ReleaseService } from '../../releases/service.ts';
import { type Admission, type Admitted, enterRefusal } from '../admission.ts';
import { entryIdOf, groupProblem } from '../rules.ts';
import {
  type Carried,
  carriedPreferences,
  packStanding,
  refusedMeans,
  type StandingEntry,
} from './standing.ts';
import type { CarryReply, Coming, EnterRefusal, EntryToPut, RoundStore } from '../store.ts';

type Parts = {
  store: RoundStore;
  releases: ReleaseService;
  people: PeopleStore;
  admission: Admission;
  secrets: Secrets;
};

/** What the script did, or found done. */
type Put = Exclude<CarryReply, EnterRefusal>;

/** A release that entries are carried into. */
type Found = {
  readonly found: Published;
  /** Slot numbers that operators have closed. */
  readonly closed: ReadonlySet<number>;
};

/** `told`: its people are to hear that they are entered. */
export type CameIn = { readonly outcome: Carried; readonly told: boolean };

/** A release that entries are carried into, as it is for all of a batch. */
export type Entrance = {
  /** It is over, or its receipts cannot be signed: nobody can enter for now. */
  readonly isShut: boolean;
  /** Enters a standing entry of an earlier release, once. */
  readonly carryIn: (standing: StandingEntry) => Promise<CameIn>;
  /** What became of a standing entry that may have come before; `otherwise`: it did not. */
  readonly find: (standing: StandingEntry, otherwise: Carried) => Promise<CameIn>;
};

/** Of an entry without claims: nothing limits when it comes. */
const ANY_TIME = Number.MAX_SAFE_INTEGER;

/** What an entry of an earlier release is in this one, or why it cannot be. */
async function admitted(
  { releases, admission }: Parts,
  { found, closed }: Found,
  { account, origin, persons, prefs }: StandingEntry,
): Promise<Admitted | Refusal> {
  const asked = await releases.published(origin);
  if (isRefusal(asked)) return asked;
  const problem = groupProblem(found, persons);
  if (problem) return problem;
  const alike = carriedPreferences(asked, prefs, found);
  if (alike.length === 0) return refuse('SLOT_UNKNOWN');
  const claims = await admission.claimAll(account, found.manifest.release, persons);
  if (isRefusal(claims)) return claims;
  const open = alike.filter((slot) => !closed.has(slot));
  if (open.length === 0) return refuse('SLOTS_CLOSED');
  const fit = open.filter((slot) => !admission.unfit(found, claims, [slot]));
  const wished = fit.length > 0 ? fit.slice(0, found.manifest.limits.preferences) : open;
  return admission.admit(found, claims, wished);
}

const seriesOf = (manifest: Manifest): string | null =>
  manifest.mode === 'lottery' ? manifest.series : null;

/** What a refusal means; whoever is in another release of the series by hand stands no longer. */
async function meaningOf(
  { people, releases }: Parts,
  { manifest }: Published,
  refusal: Refusal,
): Promise<Carried> {
  const means = refusedMeans(refusal);
  if (means !== 'REFUSED' || refusal.refused !== 'CLAIMED_ELSEWHERE') return means;
  const [claimed] = await people.claimsOf([String(refusal.extra?.['beneficiary'])]);
  const other = claimed ? await releases.published(claimed) : refusal;
  const isSibling = !isRefusal(other) && seriesOf(other.manifest) === seriesOf(manifest);
  return isSibling ? 'REPLACED' : means;
}

async function put(
  store: RoundStore,
  release: string,
  entry: EntryToPut,
  standing: StandingEntry,
  coming: Coming,
): Promise<Put | Refusal> {
  const reply = await store.carry(release, { ...entry, standing: packStanding(standing) }, coming);
  switch (reply.outcome) {
    case 'ENTERED':
    case 'ALREADY_CARRIED':
    case 'HAS_ENTRY':
    case 'PASSED_OVER':
    case 'NOT_CARRIED':
      return reply;
    default:
      return enterRefusal(reply, standing.persons);
  }
}

export function carryingIn(parts: Parts) {
  const { store, releases, admission, secrets } = parts;
  const enter = async (into: Found, standing: StandingEntry): Promise<Put | Refusal> => {
    const entry = await admitted(parts, into, standing);
    if (isRefusal(entry)) return entry;
    const { release } = into.found.manifest;
    const toPut = admission.toPut(standing.account, release, entry);
    return put(store, release, toPut, { ...standing, refused: '' }, 'CARRIED');
  };

  /**
   * PASSED_OVER: lets it stand in a release that cannot have it, with the reason. It keeps the ids
   * of all its people there, so that whoever of them enters by hand ends it.
   */
  const putNothing = (
    release: string,
    standing: StandingEntry,
    coming: 'PASSED_OVER' | 'ASKED',
  ): Promise<Put | Refusal> => {
    const { account, persons } = standing;
    const [id, ...others] = persons.map((person) => entryIdOf(secrets, release, person));
    const nothing = { packed: '', account, enterBeforeMs: ANY_TIME, others };
    return put(store, release, { id: present(id, 'a lead'), ...nothing }, standing, coming);
  };

  const carryIn = async (into: Found, standing: StandingEntry): Promise<CameIn> => {
    const answer = await enter(into, standing);
    if (!isRefusal(answer)) return cameInBy(answer);
    const outcome = await meaningOf(parts, into.found, answer);
    if (outcome !== 'REFUSED') return { outcome, told: false };
    const { release } = into.found.manifest;
    const refused = { ...standing, refused: answer.refused };
    return cameInBy(await putNothing(release, refused, 'PASSED_OVER'));
  };

  return {
    /** The way into a release, as it is now. */
    async entrance(release: string): Promise<Entrance> {
      const [found, changes, reading] = await Promise.all([
        releases.published(release),
        releases.changes(release),
        releases.read(release),
      ]);
      assert(
        !isRefusal(found) && !isRefusal(changes) && reading,
        'only a published release carries entries',
      );
      const isOver = reading.endedAtMs > 0 || reading.nowMs >= reading.endsAtMs;
      const isShut = isOver || isRefusal(admission.terms(found));
      const closed = new Set(
        changes.closed.map(({ slot }) => present(found.slotNumbers.get(slot), 'a closed slot')),
      );
      const find = async (standing: StandingEntry, otherwise: Carried): Promise<CameIn> =>
        cameInBy(await putNothing(release, { ...standing, refused: '' }, 'ASKED'), otherwise);
      return {
        isShut,
        carryIn: (standing) =>
          isShut ? find(standing, 'LATER') : carryIn({ found, closed }, standing),
        find,
      };
    },
  };
}

/** `notCarried`: what it comes to where it was only asked for, and not there. */
function cameInBy(reply: Put | Refusal, notCarried: Carried = 'LATER'): CameIn {
  if (isRefusal(reply)) return { outcome: refusedMeans(reply), told: false };
  switch (reply.outcome) {
    case 'ENTERED':
      return { outcome: 'ENTERED', told: true };
    case 'ALREADY_CARRIED':
      return { outcome: 'ALREADY', told: reply.entered };
    case 'HAS_ENTRY':
      return { outcome: 'REPLACED', told: false };
    case 'PASSED_OVER':
      return { outcome: 'REFUSED', told: false };
    case 'NOT_CARRIED':
      return { outcome: notCarried, told: false };
  }
}
