/** Entries of an account, and what anyone may read of the rounds. */
import { isoFromMs } from '../lib/clock.ts';
import { hex } from '../lib/hash.ts';
import { assert, present } from '../lib/assert.ts';
import type { Secrets } from '../lib/secrets.ts';
import { bookingId, unpackBooking } from '../bookings/rules.ts';
import type { Claim, Claims } from '../people/claims.ts';
import type { PeopleStore } from '../people/store.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import type { LotteryManifest, Manifest } from '../releases/manifest.ts';
import type { Published, ReleaseService } from '../releases/service.ts';
import { BEACON_TRUST, valueTimeMs } from './beacon.ts';
import { entryDocument, leafOf } from './entry-table.ts';
import {
  asLottery,
  entryIdOf,
  ineligible,
  keepsClaim,
  packEntry,
  preferenceNumbers,
  unpackEntry,
} from './rules.ts';
import type { Seal } from './seal.ts';
import type { EnterReply, EntryStanding, RoundStore } from './store.ts';

export type EntryRequest = {
  readonly beneficiaries: readonly string[];
  /** Slot ids, best first. */
  readonly preferences: readonly string[];
};

export type Receipt = {
  readonly entryId: string;
  /** Hash under which the entry stands in the sealed list (docs/draw.md), in hex. */
  readonly leaf: string;
  readonly resultAt: string;
};

export type EntryView = {
  readonly entryId: string;
  readonly beneficiaries: readonly string[];
  readonly preferences: readonly string[];
  readonly state: string;
  readonly booking: null | {
    readonly bookingId: string;
    readonly slot: string;
    readonly state: string;
    readonly confirmBy: string | null;
  };
};

type Parts = {
  store: RoundStore;
  releases: ReleaseService;
  people: PeopleStore;
  claims: Claims;
  secrets: Secrets;
};

/** What entering needs of the release and the person, once nothing in them refuses it. */
type Prepared = {
  readonly lottery: LotteryManifest;
  readonly prefs: readonly number[];
  readonly claim: Claim;
};

export type RoundService = ReturnType<typeof createRoundService>;

export function createRoundService(parts: Parts) {
  return { ...entering(parts), ...standing(parts), ...published(parts) };
}

function entering({ store, releases, claims, secrets }: Parts) {
  /**
   * The first half of entering: whatever can be refused without the release's state, and the claim.
   * Nothing is lost when the second half never comes: a claim alone is over by its release's word.
   */
  const prepare = async (
    account: string,
    release: string,
    request: EntryRequest,
  ): Promise<Prepared | Refusal> => {
    const found = await releases.published(release);
    if (isRefusal(found)) return found;
    const lottery = asLottery(found.manifest);
    if (isRefusal(lottery)) return lottery;
    const [person, ...others] = request.beneficiaries;
    const limit = lottery.limits.group_size;
    if (!person || others.length >= limit) return refuse('GROUP_TOO_LARGE', { extra: { limit } });
    const prefs = preferenceNumbers(found, request.preferences);
    if (isRefusal(prefs)) return prefs;

    const claim = await claims.claim(account, person, release);
    if (isRefusal(claim)) return claim;
    return ineligible(found, claim, prefs) ?? { lottery, prefs, claim };
  };

  return {
    prepare,

    /** Puts or edits the entry of a person for the next round. */
    async enter(
      account: string,
      release: string,
      request: EntryRequest,
      preparing: Promise<Prepared | Refusal> = prepare(account, release, request),
    ): Promise<Receipt | Refusal> {
      const prepared = await preparing;
      if (isRefusal(prepared)) return prepared;
      const { lottery, prefs, claim } = prepared;
      const { person, enterBeforeMs } = claim;
      const id = entryIdOf(secrets, release, person);
      const packed = packEntry({ persons: [person], prefs, categories: [] });
      const reply = await store.enter(release, { id, packed, account, enterBeforeMs });
      if (reply.outcome !== 'ENTERED') return enterRefusal(reply);
      const document = entryDocument(lottery, { entry: id, size: 1, categories: [], prefs });
      return { entryId: id, leaf: hex(leafOf(document)), resultAt: isoFromMs(reply.resultAtMs) };
    },
  };
}

function standing({ store, releases, people, secrets }: Parts) {
  /** Entry ids of an account's people in a release, by person. */
  const entriesOf = async (account: string, release: string): Promise<Map<string, string>> => {
    const persons = await people.persons(account);
    return new Map(persons.map((person) => [entryIdOf(secrets, release, person), person]));
  };

  return {
    entriesOf,

    /** The entries of an account's people in a release, those that ever were there. */
    async list(
      account: string,
      release: string,
      finding = entriesOf(account, release),
    ): Promise<EntryView[] | Refusal> {
      const found = await releases.published(release);
      if (isRefusal(found)) return found;
      const byEntry = await finding;
      if (byEntry.size === 0) return [];
      const standings = await store.view(release, [...byEntry.keys()]);
      return [...byEntry].flatMap(([entryId, person], index) => {
        const standing = present(standings[index], 'a standing');
        return standing.state === 'NONE' ? [] : [entryView(found, entryId, person, standing)];
      });
    },

    async withdraw(
      account: string,
      release: string,
      entryId: string,
      finding = entriesOf(account, release),
    ): Promise<'WITHDRAWN' | Refusal> {
      const found = await releases.published(release);
      if (isRefusal(found)) return found;
      const lottery = asLottery(found.manifest);
      if (isRefusal(lottery)) return lottery;
      if (!(await finding).has(entryId)) return refuse('ENTRY_UNKNOWN');
      const reply = await store.withdraw(release, entryId);
      if (reply === 'WITHDRAWN') return reply;
      return reply === 'ROUND_DRAWING' ? refuse(reply, { retryAfterS: 1 }) : refuse(reply);
    },
  };
}

function enterRefusal(reply: Exclude<EnterReply, { outcome: 'ENTERED' }>): Refusal {
  switch (reply.outcome) {
    case 'RELEASE_NOT_OPEN':
      return refuse(reply.outcome, { extra: { opensAt: isoFromMs(reply.opensAtMs) } });
    case 'CLAIM_EXPIRED':
      return refuse('UNAVAILABLE', { retryAfterS: 1 });
    default:
      return refuse(reply.outcome);
  }
}

function entryView(
  found: Published,
  entryId: string,
  person: string,
  standing: EntryStanding,
): EntryView {
  const { manifest } = found;
  const slotId = (number: number): string => present(manifest.slots[number], 'a slot').slot;
  const prefs = standing.entry === '' ? [] : unpackEntry(standing.entry).prefs;
  const booking = standing.booking === '' ? undefined : unpackBooking(standing.booking);
  return {
    entryId,
    beneficiaries: [person],
    preferences: prefs.map(slotId),
    state: standing.state.toLowerCase(),
    booking: booking
      ? {
          bookingId: bookingId({ release: manifest.release, entry: entryId, grant: booking.grant }),
          slot: slotId(booking.slot),
          state: standing.state.toLowerCase(),
          confirmBy: standing.state === 'OFFERED' ? isoFromMs(standing.confirmByMs) : null,
        }
      : null,
  };
}

/** A round without its order: what is fixed, and when the randomness comes into being. */
function sealView(manifest: Manifest, seal: Seal): Record<string, unknown> {
  assert(manifest.mode === 'lottery', 'only a lottery has seals');
  const { release, beacon: terms } = manifest;
  const valueMs = valueTimeMs(terms, seal.beacon);
  return {
    release,
    round: seal.round,
    seal,
    trust: BEACON_TRUST[terms.kind],
    ...(valueMs !== undefined && { valueAt: isoFromMs(valueMs) }),
  };
}

function published({ store, releases }: Parts) {
  return {
    async rounds(release: string) {
      const found = await releases.published(release);
      if (isRefusal(found)) return found;
      const reading = present(await releases.read(release), 'a published release');
      const rounds = await store.rounds(release, reading.published);
      return rounds.map(({ round, digest, publishedAtMs }) => ({
        round,
        digest,
        publishedAt: isoFromMs(publishedAtMs),
      }));
    },

    /** A published round's record; or, while it is being drawn, its seal alone. */
    async round(release: string, round: number): Promise<Record<string, unknown> | Refusal> {
      const found = await releases.published(release);
      if (isRefusal(found)) return found;
      const held = await store.round(release, round);
      if (held) {
        const record = JSON.parse(held.record) as Record<string, unknown>;
        return { ...record, digest: held.digest, publishedAt: isoFromMs(held.publishedAtMs) };
      }
      const seal = await store.seal(release, round);
      return seal ? sealView(found.manifest, JSON.parse(seal) as Seal) : refuse('ROUND_UNKNOWN');
    },

    async transcript(release: string, round: number): Promise<AsyncIterable<Buffer> | Refusal> {
      const found = await releases.published(release);
      if (isRefusal(found)) return found;
      return (await store.round(release, round))
        ? store.transcript(release, round)
        : refuse('ROUND_UNKNOWN');
    },
  };
}

/** What a claim is held against: whether the person's entry in that release is still alive. */
export const createIsLive =
  (store: RoundStore, releases: ReleaseService, secrets: Secrets) =>
  async (release: string, person: string): Promise<boolean> => {
    const found = await releases.published(release);
    if (isRefusal(found)) return false;
    const [standing] = await store.view(release, [entryIdOf(secrets, release, person)]);
    const reading = await releases.read(release);
    if (!standing || !reading) return false;
    return keepsClaim(standing.state, reading.nowMs, found.lastDayEndsAtMs);
  };
