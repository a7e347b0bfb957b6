/** Entries of an account, and what anyone may read of the rounds. */
import { isoFromMs } from '../lib/clock.ts';
import { assert, present } from '../lib/assert.ts';
import type { Secrets } from '../lib/secrets.ts';
import { bookingId, unpackBooking } from '../bookings/rules.ts';
import type { Claim, Claims } from '../people/claims.ts';
import type { PeopleStore } from '../people/store.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import type { LotteryManifest, Manifest } from '../releases/manifest.ts';
import type { Published, ReleaseService } from '../releases/service.ts';
import { BEACON_TRUST, valueTimeMs } from './beacon.ts';
import type { Log } from '../log.ts';
import { type EntryDocument, entryDocument } from './entry-table.ts';
import {
  asLottery,
  entryIdOf,
  groupProblem,
  ineligible,
  keepsClaim,
  naming,
  packEntry,
  type PackedEntry,
  preferenceNumbers,
  sharedCategories,
  unpackEntry,
} from './rules.ts';
import { chunkOf, type Proof, proofIn } from './proofs.ts';
import { type Receipt, type Receipts, receiptTerms, type SignReceipt } from './receipts.ts';
import type { Seal } from './seal.ts';
import type { EnterReply, EntryStanding, RoundStore } from './store.ts';

export type EntryRequest = {
  /** The lead, whose id the entry has, and who is to stay together with them. */
  readonly beneficiaries: readonly string[];
  /** Slot ids, best first. */
  readonly preferences: readonly string[];
};

export type Entered = {
  readonly entryId: string;
  /** Hash under which the entry stands in the sealed list (docs/draw.md), in hex. */
  readonly leaf: string;
  readonly resultAt: string;
  readonly receipt: Receipt;
};

export type EntryView = {
  readonly entryId: string;
  readonly beneficiaries: readonly string[];
  readonly preferences: readonly string[];
  readonly categories: readonly string[];
  readonly state: string;
  /** For as long as it may be edited: a fresh one at each look. */
  readonly receipt: Receipt | null;
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
  receipts: Receipts;
  log: Log;
};

/** What entering needs of the release and the people, once nothing in them refuses it. */
type Prepared = {
  readonly lottery: LotteryManifest;
  readonly sign: SignReceipt;
  readonly prefs: readonly number[];
  /** In the order of the people. */
  readonly claims: readonly Claim[];
  readonly categories: readonly string[];
};

const NO_KEY = 'The key that signs the receipts of this release is not configured here.';
/** An operator has to act. */
const NO_KEY_RETRY_S = 30;

export type RoundService = ReturnType<typeof createRoundService>;

export function createRoundService(parts: Parts) {
  return { ...entering(parts), ...standing(parts), ...published(parts), ...proofs(parts) };
}

function entering({ store, releases, claims, secrets, receipts, log }: Parts) {
  /** A claim for each of these people, or the first refusal. */
  const claimAll = async (
    account: string,
    found: Published,
    people: readonly string[],
    prefs: readonly number[],
  ): Promise<Claim[] | Refusal> => {
    const { release } = found.manifest;
    const answers: (Claim | Refusal)[] = await Promise.all(
      people.map(async (person) => {
        const claim = await claims.claim(account, person, release);
        if (isRefusal(claim)) return naming(person, claim);
        const refusal = ineligible(found, claim, prefs);
        return refusal ? naming(person, refusal) : claim;
      }),
    );
    return answers.find(isRefusal) ?? (answers as Claim[]);
  };

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
    const sign = receipts.signerFor(receiptTerms(lottery, found.hash));
    if (!sign) {
      log.error({ release, kid: lottery.receipt_key.kid }, NO_KEY);
      return refuse('UNAVAILABLE', { detail: NO_KEY, retryAfterS: NO_KEY_RETRY_S });
    }
    const problem = groupProblem(found, request.beneficiaries);
    if (problem) return problem;
    const prefs = preferenceNumbers(found, request.preferences);
    if (isRefusal(prefs)) return prefs;

    const claimed = await claimAll(account, found, request.beneficiaries, prefs);
    if (isRefusal(claimed)) return claimed;
    const categories = sharedCategories(found, claimed);
    return { lottery, sign, prefs, claims: claimed, categories };
  };

  return {
    prepare,

    /**
     * Puts or edits the entry of a person, or of a group as one, for the next round. `device`: the
     * one that it comes from, where it is known.
     */
    async enter(
      account: string,
      release: string,
      request: EntryRequest,
      preparing: Promise<Prepared | Refusal> = prepare(account, release, request),
      device = '',
    ): Promise<Entered | Refusal> {
      const prepared = await preparing;
      if (isRefusal(prepared)) return prepared;
      const { lottery, sign, prefs, categories } = prepared;
      const persons = prepared.claims.map(({ person }) => person);
      const [id = '', ...others] = persons.map((person) => entryIdOf(secrets, release, person));
      const packed = packEntry({ persons, prefs, categories });
      const enterBeforeMs = Math.min(...prepared.claims.map((claim) => claim.enterBeforeMs));
      const entry = { id, packed, account, device, enterBeforeMs, others };
      const reply = await store.enter(release, entry);
      if (reply.outcome !== 'ENTERED') return enterRefusal(reply, persons);
      const size = persons.length;
      const document = entryDocument(lottery, { entry: id, size, categories, prefs });
      const receipt = sign(document, reply.issuedAtMs);
      const resultAt = isoFromMs(reply.resultAtMs);
      return { entryId: id, leaf: receipt.leaf, resultAt, receipt };
    },
  };
}

function standing({ store, releases, people, secrets, receipts }: Parts) {
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
      const { manifest, hash } = found;
      const sign =
        manifest.mode === 'lottery' ? receipts.signerFor(receiptTerms(manifest, hash)) : undefined;
      const standings = await store.view(release, [...byEntry.keys()]);
      return [...byEntry].flatMap(([entryId, person], index) => {
        const standing = present(standings[index], 'a standing');
        const [lead = entryId, ...others] = standing.group;
        // A group's entry is its lead's, and is shown once.
        if (standing.state === 'NONE' || lead !== entryId) return [];
        const members = others.flatMap((id) => byEntry.get(id) ?? []);
        return [entryView({ found, sign }, entryId, [person, ...members], standing)];
      });
    },

    /** The people of an entry that took part in a round; empty once it is gone. */
    async personsOf(release: string, entryId: string): Promise<readonly string[]> {
      const [packed] = await store.entries(release, [entryId]);
      return packed ? unpackEntry(packed).persons : [];
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

function enterRefusal(
  reply: Exclude<EnterReply, { outcome: 'ENTERED' }>,
  persons: readonly string[],
): Refusal {
  switch (reply.outcome) {
    case 'RELEASE_NOT_OPEN':
      return refuse(reply.outcome, { extra: { opensAt: isoFromMs(reply.opensAtMs) } });
    case 'CLAIM_EXPIRED':
      return refuse('UNAVAILABLE', { retryAfterS: 1 });
    case 'ENTRY_LAPSED':
    case 'IN_ANOTHER_ENTRY':
      return naming(present(persons[reply.person], 'a person'), refuse(reply.outcome));
    default:
      return refuse(reply.outcome);
  }
}

function entryView(
  { found, sign }: { found: Published; sign: SignReceipt | undefined },
  entryId: string,
  beneficiaries: readonly string[],
  standing: EntryStanding,
): EntryView {
  const { manifest } = found;
  const slotId = (number: number): string => present(manifest.slots[number], 'a slot').slot;
  const entry = standing.entry === '' ? undefined : unpackEntry(standing.entry);
  const booking = standing.booking === '' ? undefined : unpackBooking(standing.booking);
  const documentOf = ({ persons, prefs, categories }: PackedEntry): EntryDocument =>
    entryDocument(manifest, { entry: entryId, size: persons.length, categories, prefs });
  return {
    entryId,
    beneficiaries,
    preferences: entry?.prefs.map(slotId) ?? [],
    categories: entry?.categories ?? [],
    state: standing.state.toLowerCase(),
    receipt:
      sign && entry && standing.state === 'ENTERED'
        ? sign(documentOf(entry), standing.issuedAtMs)
        : null,
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

function proofs({ store, releases }: Parts) {
  return {
    /**
     * How an entry hangs in the tree of a sealed round: the one that it was last new in, unless
     * another is asked for.
     */
    async proof(release: string, entryId: string, asked?: number): Promise<Proof | Refusal> {
      const found = await releases.published(release);
      if (isRefusal(found)) return found;
      const round = asked ?? (await store.newIn(release, entryId));
      const [text, roots] = await Promise.all([
        store.seal(release, round),
        store.treeRoots(release, round),
      ]);
      if (text === null || roots === null) return refuse('PROOF_UNKNOWN');
      const chunk = await store.treeChunk(release, round, chunkOf(roots, entryId));
      const seal = JSON.parse(text) as Seal;
      const proof = chunk && proofIn(seal, roots, chunk, entryId);
      return proof ?? refuse('PROOF_UNKNOWN');
    },
  };
}

/**
 * What a claim is held against: whether the person's entry in that release, their own or their
 * group's, is still alive.
 */
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
