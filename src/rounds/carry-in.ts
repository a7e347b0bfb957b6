/**
 * Enters a standing entry in a later release of its series: through the same admission as one that
 * is put by hand, and never in the place of one.
 */
import { assert, present } from '../lib/assert.ts';
import type { Secrets } from '../lib/secrets.ts';
import type { PeopleStore } from '../people/store.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import type { Manifest } from '../releases/manifest.ts';
import type { Published, ReleaseService } from '../releases/service.ts';
import { type Admission, type Admitted, enterRefusal, unfit } from './admission.ts';
import { entryIdOf, groupProblem } from './rules.ts';
import {
  type Carried,
  carriedPreferences,
  packStanding,
  refusedMeans,
  type StandingEntry,
} from './standing.ts';
import type { CarryReply, EnterRefusal, EntryToPut, RoundStore } from './store.ts';

type Parts = {
  store: RoundStore;
  releases: ReleaseService;
  people: PeopleStore;
  admission: Admission;
  secrets: Secrets;
};

/** What the script did, or found done. */
type Put = Exclude<CarryReply, EnterRefusal>;

/** Of an entry without claims: nothing limits when it comes. */
const ANY_TIME = Number.MAX_SAFE_INTEGER;

/** What an entry of an earlier release is in this one, or why it cannot be. */
async function admitted(
  { releases, admission }: Parts,
  found: Published,
  { account, origin, persons, prefs }: StandingEntry,
): Promise<Admitted | Refusal> {
  const terms = admission.terms(found);
  if (isRefusal(terms)) return terms;
  const asked = await releases.published(origin);
  if (isRefusal(asked)) return asked;
  const problem = groupProblem(found, persons);
  if (problem) return problem;
  const alike = carriedPreferences(asked, prefs, found);
  if (alike.length === 0) return refuse('SLOT_UNKNOWN');
  const claims = await admission.claimAll(account, found.manifest.release, persons);
  if (isRefusal(claims)) return claims;
  const fit = alike.filter((slot) => !unfit(found, claims, [slot]));
  const wished = fit.length > 0 ? fit.slice(0, found.manifest.limits.preferences) : alike;
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

export function carryingIn(parts: Parts) {
  const { store, releases, admission, secrets } = parts;
  const put = async (
    release: string,
    entry: EntryToPut,
    standing: StandingEntry,
    coming: 'CARRIED' | 'PASSED_OVER',
  ): Promise<Put | Refusal> => {
    const packed = packStanding(standing);
    const reply = await store.carry(release, { ...entry, standing: packed }, coming);
    switch (reply.outcome) {
      case 'ENTERED':
      case 'ALREADY_CARRIED':
      case 'HAS_ENTRY':
      case 'PASSED_OVER':
        return reply;
      default:
        return enterRefusal(reply, standing.persons);
    }
  };

  const enter = async (found: Published, standing: StandingEntry): Promise<Put | Refusal> => {
    const entry = await admitted(parts, found, standing);
    if (isRefusal(entry)) return entry;
    const { release } = found.manifest;
    const toPut = admission.toPut(standing.account, release, entry);
    return put(release, toPut, { ...standing, refused: '' }, 'CARRIED');
  };

  /** Lets it stand in a release that cannot have it, with the reason. */
  const passOver = (
    release: string,
    standing: StandingEntry,
    refused: string,
  ): Promise<Put | Refusal> => {
    const { account, persons } = standing;
    const id = entryIdOf(secrets, release, present(persons[0], 'a lead'));
    const nothing = { id, packed: '', account, enterBeforeMs: ANY_TIME };
    return put(release, nothing, { ...standing, refused }, 'PASSED_OVER');
  };

  return {
    /**
     * Enters a standing entry of an earlier release, once. `told`: its people are to hear that they
     * are entered.
     */
    async carryIn(
      release: string,
      standing: StandingEntry,
    ): Promise<{ outcome: Carried; told: boolean }> {
      const found = await releases.published(release);
      assert(!isRefusal(found), 'only a published release carries entries');
      const answer = await enter(found, standing);
      if (!isRefusal(answer)) return carriedBy(answer);
      const outcome = await meaningOf(parts, found, answer);
      if (outcome !== 'REFUSED') return { outcome, told: false };
      return carriedBy(await passOver(release, standing, answer.refused));
    },
  };
}

function carriedBy(reply: Put | Refusal): { outcome: Carried; told: boolean } {
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
  }
}
