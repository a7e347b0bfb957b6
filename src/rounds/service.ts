/** Entries of an account, and what anyone may read of the rounds. */
import { isoFromMs } from '../lib/clock.ts';
import { assert, present } from '../lib/assert.ts';
import { jcs } from '../lib/jcs.ts';
import type { Secrets } from '../lib/secrets.ts';
import { bookingId, unpackBooking } from '../bookings/rules.ts';
import { securityCodeOf } from '../bookings/security-code.ts';
import { networkIdOf, NOWHERE, type Origin } from '../gates/origin.ts';
import type { Claims } from '../people/claims.ts';
import type { PeopleStore } from '../people/store.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import type { LotteryManifest } from '../releases/manifest.ts';
import type { Published, ReleaseService } from '../releases/service.ts';
import {
  type Admission,
  type Admitted,
  createAdmission,
  enterRefusal,
  type Terms,
} from './admission.ts';
import { trustOf, valueTimeMs } from './beacon/beacon.ts';
import { appending } from './appending.ts';
import { carryingIn } from './carry/carry-in.ts';
import type { Log } from '../log.ts';
import { type EntryDocument, entryDocument } from './draw/entry-table.ts';
import {
  asLottery,
  entryIdOf,
  type EntryState,
  groupProblem,
  type PackedEntry,
  preferenceNumbers,
  unpackEntry,
} from './rules.ts';
import { createProving } from './proving.ts';
import { type Receipt, type Receipts, receiptTerms, type Signer } from './receipts.ts';
import { createResultFiles } from './results/result-files.ts';
import { createRoundList } from './round-list.ts';
import type { Seal } from './draw/seal.ts';
import { carryOverUntilMs, packStanding, unpackStanding } from './carry/standing.ts';
import type { EntryStanding, RoundStore } from './store.ts';

export type EntryRequest = {
  /** The lead, whose id the entry has, and who is to stay together with them. */
  readonly beneficiaries: readonly string[];
  /** Slot ids, best first. */
  readonly preferences: readonly string[];
  /** RFC 3339: until when it is to be entered in later releases of the series while it waits. */
  readonly carryOverUntil?: string | undefined;
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
  /** Of one that stands for later releases; `refused`: why it could not be entered in this one. */
  readonly carryOver: null | { readonly until: string; readonly refused: string | null };
  readonly booking: null | {
    readonly bookingId: string;
    readonly slot: string;
    readonly state: string;
    readonly confirmBy: string | null;
    readonly securityCode: string | null;
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
  /** IANA name: whose days and hours those of the centres are. */
  timeZone: string;
};

/** What entering needs of the release and the people, once nothing in them refuses it. */
type Prepared = Terms &
  Admitted & {
    /** Until when it is to be carried over, if it is. */
    readonly untilMs: number | undefined;
  };

export type WhereAsked = {
  /** With an entry, an offer or a booking of one of them. */
  readonly lotteries: ReadonlySet<string>;
  /** Whether each of them is bound to some release, so that nothing else can be had for any. */
  readonly allBound: boolean;
};

export type RoundService = ReturnType<typeof createRoundService>;

export function createRoundService(parts: Parts) {
  const admission = createAdmission(parts);
  return {
    ...entering({ ...parts, admission }),
    ...appending({ ...parts, admission }),
    ...carryingIn({ ...parts, admission }),
    ...owning(parts),
    ...standing(parts),
    ...asking(parts),
    ...published(parts),
    ...createRoundList(parts),
    ...createResultFiles(parts),
    ...createProving(parts),
  };
}

function entering({ store, releases, secrets, admission }: Parts & { admission: Admission }) {
  /**
   * The first half of entering: whatever can be refused without the release's state, and the claim.
   * Nothing is lost when the second half never comes: a claim alone is over by its release's word.
   */
  const prepare = async (
    account: string,
    release: string,
    { beneficiaries, preferences, carryOverUntil }: EntryRequest,
  ): Promise<Prepared | Refusal> => {
    const found = await releases.published(release);
    if (isRefusal(found)) return found;
    const terms = admission.terms(found);
    if (isRefusal(terms)) return terms;
    const problem = groupProblem(found, beneficiaries);
    if (problem) return problem;
    const prefs = preferenceNumbers(found, preferences);
    if (isRefusal(prefs)) return prefs;
    const untilMs = carryOverUntilMs(terms.lottery, carryOverUntil);
    if (isRefusal(untilMs)) return untilMs;

    const claims = await admission.claimAll(account, release, beneficiaries);
    if (isRefusal(claims)) return claims;
    const admitted = admission.admit(found, claims, prefs);
    return isRefusal(admitted) ? admitted : { ...terms, ...admitted, untilMs };
  };

  return {
    prepare,

    /** Puts or edits the entry of a person, or of a group as one, for the next round. */
    async enter(
      account: string,
      release: string,
      request: EntryRequest,
      preparing: Promise<Prepared | Refusal> = prepare(account, release, request),
      { device, network }: Origin = NOWHERE,
    ): Promise<Entered | Refusal> {
      const prepared = await preparing;
      if (isRefusal(prepared)) return prepared;
      const { lottery, signer, prefs, categories, untilMs } = prepared;
      const persons = prepared.claims.map(({ person }) => person);
      const toPut = admission.toPut(account, release, prepared);
      const standing =
        untilMs === undefined
          ? ''
          : packStanding({ untilMs, account, origin: release, persons, prefs, refused: '' });
      const from = { device, network: networkIdOf(secrets, network) };
      const reply = await store.enter(release, { ...toPut, ...from, standing });
      if (reply.outcome !== 'ENTERED') return enterRefusal(reply, persons);
      const { id } = toPut;
      const size = persons.length;
      const document = entryDocument(lottery, { entry: id, size, categories, prefs });
      const receipt = signer.receipt(document, reply.issuedAtMs);
      const resultAt = isoFromMs(reply.resultAtMs);
      return { entryId: id, leaf: receipt.leaf, resultAt, receipt };
    },
  };
}

function owning({ store, people, secrets }: Parts) {
  /** Entry ids of an account's people in a release, by person. */
  const entriesOf = async (account: string, release: string): Promise<Map<string, string>> => {
    const persons = await people.persons(account);
    return new Map(persons.map((person) => [entryIdOf(secrets, release, person), person]));
  };

  return {
    entriesOf,

    /** Whether an entry is of any of an account's people: their own, or their group's. */
    async isOf(account: string, release: string, entryId: string): Promise<boolean> {
      const own = await entriesOf(account, release);
      if (own.has(entryId)) return true;
      const standings = own.size === 0 ? [] : await store.view(release, [...own.keys()]);
      return standings.some((one) => isTheirs(one, entryId));
    },
  };
}

function standing(parts: Parts) {
  const { store, releases, secrets, receipts } = parts;
  const { entriesOf } = owning(parts);

  return {
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
      const signer =
        manifest.mode === 'lottery' ? receipts.signerFor(receiptTerms(manifest, hash)) : undefined;
      const standings = await store.view(release, [...byEntry.keys()]);
      const shown = new Set<string>();
      return [...byEntry.keys()].flatMap((own, index) => {
        const standing = present(standings[index], 'a standing');
        const entryId = leadOf(standing, own);
        // A group's entry is its lead's, and is shown once.
        if (standing.state === 'NONE' || shown.has(entryId)) return [];
        if (!byEntry.has(entryId) && !isTheirs(standing, entryId)) return [];
        shown.add(entryId);
        const members = peopleOf(standing, entryId, byEntry);
        return [entryView({ found, signer, secrets }, entryId, members, standing)];
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

function asking({ releases, people, claims }: Parts) {
  return {
    /** Where an account's people have asked, and still may get or keep something. */
    async askedIn(account: string): Promise<WhereAsked> {
      const persons = await people.persons(account);
      const claimed = await people.claimsOf(persons);
      const bound = await Promise.all(
        persons.map(async (person, index) => {
          const release = claimed[index];
          const isBound = release && (await claims.stateOf(release, person)) === 'LIVE';
          return isBound ? release : undefined;
        }),
      );
      const where = [...new Set(bound.filter((release) => release !== undefined))];
      const lotteries = await Promise.all(
        where.map(async (release) => {
          const found = await releases.published(release);
          return !isRefusal(found) && found.manifest.mode === 'lottery' ? [release] : [];
        }),
      );
      return {
        lotteries: new Set(lotteries.flat()),
        allBound: persons.length > 0 && bound.every((release) => release !== undefined),
      };
    },
  };
}

/** The id under which the entry of a person stands: their own, or that of their group's lead. */
const leadOf = ({ state, group }: EntryStanding, own: string): string =>
  (state === 'STANDING' ? undefined : group[0]) ?? own;

/**
 * Whether this is the booking of a group whose lead is elsewhere: who had their dose may leave the
 * account before the others. What was given back is the lead's alone.
 */
const isTheirs = (standing: EntryStanding, entryId: string): boolean =>
  standing.state === 'BOOKED' && leadOf(standing, '') === entryId;

/** The people of an entry that are this account's, the lead first. */
function peopleOf(
  { state, group, standing }: EntryStanding,
  entryId: string,
  byEntry: ReadonlyMap<string, string>,
): string[] {
  if (state === 'STANDING') {
    const own = new Set(byEntry.values());
    return unpackStanding(standing).persons.filter((person) => own.has(person));
  }
  return (group.length > 0 ? group : [entryId]).flatMap((id) => byEntry.get(id) ?? []);
}

/** Who has, or had, a seat stands for no later release. */
const STANDS: readonly EntryState[] = ['ENTERED', 'SEALED', 'WAITING', 'OVER', 'STANDING'];

function carryOverView({ state, standing }: EntryStanding): EntryView['carryOver'] {
  if (standing === '' || !STANDS.includes(state)) return null;
  const { untilMs, refused } = unpackStanding(standing);
  return { until: isoFromMs(untilMs), refused: refused === '' ? null : refused };
}

function entryView(
  { found, signer, secrets }: { found: Published; signer: Signer | undefined; secrets: Secrets },
  entryId: string,
  beneficiaries: readonly string[],
  standing: EntryStanding,
): EntryView {
  const { manifest } = found;
  const slotId = (number: number): string => present(manifest.slots[number], 'a slot').slot;
  const entry = standing.entry === '' ? undefined : unpackEntry(standing.entry);
  const documentOf = ({ persons, prefs, categories }: PackedEntry): EntryDocument =>
    entryDocument(manifest, { entry: entryId, size: persons.length, categories, prefs });
  return {
    entryId,
    beneficiaries,
    preferences: entry?.prefs.map(slotId) ?? [],
    categories: entry?.categories ?? [],
    state: standing.state.toLowerCase(),
    receipt:
      signer && entry && standing.state === 'ENTERED'
        ? signer.receipt(documentOf(entry), standing.issuedAtMs)
        : null,
    carryOver: carryOverView(standing),
    booking: standing.booking === '' ? null : bookingView(found, entryId, standing, secrets),
  };
}

function bookingView(
  { manifest }: Published,
  entry: string,
  { state, booking, confirmByMs }: EntryStanding,
  secrets: Secrets,
): NonNullable<EntryView['booking']> {
  const { slot, grant } = unpackBooking(booking);
  const id = bookingId({ release: manifest.release, entry, grant });
  return {
    bookingId: id,
    slot: present(manifest.slots[slot], 'a slot').slot,
    state: state.toLowerCase(),
    confirmBy: state === 'OFFERED' ? isoFromMs(confirmByMs) : null,
    securityCode: state === 'BOOKED' ? securityCodeOf(secrets, id) : null,
  };
}

/** A round without its order: what is fixed, and when the randomness comes into being. */
function sealView({ release, beacon: terms }: LotteryManifest, seal: Seal) {
  const valueMs = valueTimeMs(terms, seal.beacon);
  return {
    release,
    round: seal.round,
    seal,
    trust: trustOf(terms),
    ...(valueMs !== undefined && { valueAt: isoFromMs(valueMs) }),
  };
}

function published({ store, releases, receipts }: Parts) {
  /** With the signature of its seal; members in canonical order, in which a verifier wants them. */
  const signed = ({ manifest, hash }: Published, view: { readonly seal: Seal }) => {
    assert(manifest.mode === 'lottery', 'only a lottery has seals');
    const signer = receipts.signerFor(receiptTerms(manifest, hash));
    const whole = { ...view, signature: signer?.seal(view.seal) ?? null };
    return JSON.parse(jcs(whole)) as typeof whole;
  };

  return {
    /**
     * A published round's record, but for what happened before it, which is in the transcript; or,
     * while it is being drawn, its seal alone. `results`: how its result files are cut, for whoever
     * is to ask for one as soon as it is there.
     */
    async round(release: string, round: number): Promise<Record<string, unknown> | Refusal> {
      const found = await releases.published(release);
      if (isRefusal(found)) return found;
      const [held, results] = await Promise.all([
        store.round(release, round),
        store.resultsOf(release, round),
      ]);
      const cut = results &&
        (!held || results.digest === held.digest) && {
          results: { prefixLength: results.prefixLength, files: 2 ** results.prefixLength },
        };
      if (held) {
        const record = JSON.parse(held.record) as { seal: Seal };
        const { digest, publishedAtMs } = held;
        const publishedAt = isoFromMs(publishedAtMs);
        return signed(found, { ...record, digest, publishedAt, ...cut } as { seal: Seal });
      }
      const seal = await store.seal(release, round);
      if (seal === null) return refuse('ROUND_UNKNOWN');
      const lottery = asLottery(found.manifest);
      return isRefusal(lottery)
        ? lottery
        : signed(found, { ...sealView(lottery, JSON.parse(seal) as Seal), ...cut });
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
