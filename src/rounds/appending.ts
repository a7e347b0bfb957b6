/**
 * Entering one slot at a time, for clients that know no list of preferences: each slot is put
 * behind those that were asked for before.
 */
import { present } from '../lib/assert.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import { networkIdOf, type Origin } from '../gates/origin.ts';
import type { Secrets } from '../lib/secrets.ts';
import { together } from '../lib/together.ts';
import type { Published, ReleaseService } from '../releases/service.ts';
import { type Admission, enterRefusal } from './admission.ts';
import { beginsAtMs, entryIdOf, groupProblem, unpackEntry } from './rules.ts';
import type { EntryStanding, RoundStore } from './store.ts';

export type Wish = {
  /** The lead first. */
  readonly beneficiaries: readonly string[];
  readonly slotNumber: number;
};

/** Where a person stands in a release. */
export type PersonStanding = EntryStanding & { readonly entryId: string };

export type Appended = { readonly entryId: string; readonly resultAtMs: number };

/** Of several requests of one account at once, each waits for another at most so often. */
const ATTEMPTS = 5;

type Parts = {
  store: Pick<RoundStore, 'enter' | 'view'>;
  releases: ReleaseService;
  secrets: Secrets;
  admission: Admission;
  timeZone: string;
};

export function appending({ store, releases, secrets, admission, timeZone }: Parts) {
  const view = together(async (key) => {
    const [release = '', ...ids] = key.split(' ');
    const found = await store.view(release, ids);
    return found.map((standing, index) => ({ ...standing, entryId: ids[index] ?? '' }));
  });
  /** Where each of these people stands: one script, for all who ask it in one turn. */
  const standings = (release: string, persons: readonly string[]): Promise<PersonStanding[]> =>
    view([release, ...persons.map((person) => entryIdOf(secrets, release, person))].join(' '));

  const attempt = async (
    account: string,
    found: Published,
    { beneficiaries, slotNumber }: Wish,
    { device, network }: Origin,
  ): Promise<Appended | Refusal> => {
    const { release } = found.manifest;
    const terms = admission.terms(found);
    if (isRefusal(terms)) return terms;
    const [[held], claims] = await Promise.all([
      standings(release, beneficiaries.slice(0, 1)),
      admission.claimAll(account, release, beneficiaries),
    ]);
    if (isRefusal(claims)) return claims;
    const [expected, standing] = held?.state === 'ENTERED' ? [held.entry, held.standing] : ['', ''];
    const nowMs = present(claims[0], 'the claim of a lead').claimedAtMs;
    const isToCome = (slot: number): boolean => beginsAtMs(found, slot, timeZone) > nowMs;
    const before = expected === '' ? [] : unpackEntry(expected).prefs.filter(isToCome);
    const prefs = appendTo(before, slotNumber, found.manifest.limits.preferences);
    const admitted = admission.admit(found, claims, prefs);
    if (isRefusal(admitted)) return admitted;
    const toPut = admission.toPut(account, release, admitted);
    const from = { device, network: networkIdOf(secrets, network) };
    const reply = await store.enter(release, { ...toPut, ...from, expected, standing });
    if (reply.outcome === 'ENTERED') return { entryId: toPut.id, resultAtMs: reply.resultAtMs };
    return enterRefusal(reply, beneficiaries);
  };

  return {
    standings,

    /**
     * Puts a slot behind what these people want, as long as there is room; where there is none, the
     * entry stays as it is.
     */
    async append(
      account: string,
      release: string,
      wish: Wish,
      from: Origin,
    ): Promise<Appended | Refusal> {
      const found = await releases.published(release);
      if (isRefusal(found)) return found;
      const problem = groupProblem(found, wish.beneficiaries);
      if (problem) return problem;
      for (let attempts = 0; attempts < ATTEMPTS; attempts++) {
        const appended = await attempt(account, found, wish, from);
        // Another request of the account came between: its slot must not be lost.
        if (!isRefusal(appended) || appended.refused !== 'ENTRY_CHANGED') return appended;
      }
      return refuse('ENTRY_CHANGED', { retryAfterS: 1 });
    },
  };
}

function appendTo(prefs: readonly number[], slotNumber: number, limit: number): readonly number[] {
  return prefs.includes(slotNumber) ? prefs : [...prefs, slotNumber].slice(0, limit);
}
