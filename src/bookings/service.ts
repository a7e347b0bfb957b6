/** Confirming, cancelling and listing bookings; and booking at once in immediate mode. */
import { randomInt } from 'node:crypto';
import { isoFromMs } from '../lib/clock.ts';
import { present } from '../lib/assert.ts';
import type { Secrets } from '../lib/secrets.ts';
import type { Log } from '../log.ts';
import type { Visit } from '../arrivals/rules.ts';
import type { ArrivalStore } from '../arrivals/store.ts';
import type { Claim, Claims } from '../people/claims.ts';
import type { Outbox } from '../notify/outbox.ts';
import type { PeopleStore } from '../people/store.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import { OPEN_POOL } from '../releases/manifest.ts';
import type { Published, ReleaseService } from '../releases/service.ts';
import { networkIdOf, NOWHERE, type Origin } from '../gates/origin.ts';
import { beginsAtMs, entryIdOf, ineligible, packEntry, sharedCategories } from '../rounds/rules.ts';
import type { RoundService } from '../rounds/service.ts';
import { placeOf, tell } from '../rounds/tell.ts';
import { bookingId, parseBookingId, type BookingRef, unpackBooking } from './rules.ts';
import { securityCodeOf } from './security-code.ts';
import type { BookingStore, SlotSeen } from './store.ts';

export type BookingView = {
  readonly bookingId: string;
  readonly release: string;
  readonly beneficiaries: readonly string[];
  readonly slot: string;
  /** A word of the entry's state, or `arrived`, or `no-show`. */
  readonly state: string;
  readonly confirmBy: string | null;
  /** What to tell the centre on the day; null where nothing is booked. */
  readonly securityCode: string | null;
};

type Parts = {
  store: BookingStore;
  arrivals: Pick<ArrivalStore, 'visits'>;
  releases: ReleaseService;
  rounds: RoundService;
  people: PeopleStore;
  claims: Claims;
  outbox: Outbox;
  secrets: Secrets;
  log: Log;
  /** IANA name: whose days and hours those of the centres are. */
  timeZone: string;
};

type Wish = { readonly release: string; readonly beneficiary: string; readonly slot: string };

type Prepared = {
  readonly found: Published;
  readonly claim: Claim;
  readonly slotNumber: number;
  /** Numbers of the pools that are for this person, in the order to try. */
  readonly pools: readonly number[];
  readonly categories: readonly string[];
};

/** Bits of a nonce that tells one immediate booking of a person from the next. */
const NONCE_BELOW = 2 ** 40;

export type BookingService = ReturnType<typeof createBookingService>;

export function createBookingService(parts: Parts) {
  return { ...answers(parts), ...immediate(parts), ...moving(parts) };
}

type Seat = { ref: BookingRef; slot: number; beneficiaries: readonly string[] };

/** A booking as its account sees it before its day. */
function bookedView(
  { secrets }: Parts,
  { manifest }: Published,
  { ref, slot, beneficiaries }: Seat,
): BookingView {
  const id = bookingId(ref);
  return {
    bookingId: id,
    release: ref.release,
    beneficiaries,
    slot: present(manifest.slots[slot], 'the slot of a booking').slot,
    state: 'booked',
    confirmBy: null,
    securityCode: securityCodeOf(secrets, id),
  };
}

/** And what became of it on its day, if that was told. */
function visited(booking: BookingView, visit: Visit | undefined): BookingView {
  if (visit?.state === 'ARRIVED') return { ...booking, state: 'arrived' };
  return visit ? { ...booking, state: 'no-show', securityCode: null } : booking;
}

/**
 * A booking as its account sees it, which is told by SMS too, the first few of a release. That it
 * cannot be told, as where the outbox is full, is no reason to refuse: the code is in the list as
 * well. `account`: whose people they are, and who is told.
 */
async function booked(
  parts: Parts,
  account: string,
  found: Published,
  seat: Seat,
): Promise<BookingView> {
  const { store, log, people, outbox, secrets } = parts;
  const { manifest } = found;
  const { ref, slot, beneficiaries } = seat;
  const [person] = beneficiaries;
  const message = {
    template: 'booked',
    title: manifest.title,
    ...placeOf(found, slot),
    securityCode: securityCodeOf(secrets, bookingId(ref)),
  } as const;
  try {
    const [number, contact] = await Promise.all([store.tell(ref, slot), people.contactOf(account)]);
    const contactsOf = () => Promise.resolve([contact]);
    const { release, entry } = ref;
    const told =
      person === undefined || number === undefined
        ? []
        : [{ id: `booked:${release}:${entry}:${number}`, person, message }];
    await tell({ people: { contactsOf }, outbox, secrets, log }, told);
  } catch (error) {
    log.warn({ err: error, release: ref.release }, 'a booking was not told by SMS');
  }
  return bookedView(parts, found, seat);
}

/** The slot of a packed booking. */
function seenIn({ timeZone }: Parts, found: Published, packed: string): SlotSeen {
  const { slot } = unpackBooking(packed);
  return { slot, beginsAtMs: beginsAtMs(found, slot, timeZone) };
}

/** The booking a caller names, if it is one of their people's. */
const owned =
  ({ rounds }: Parts) =>
  async (account: string, id: string): Promise<BookingRef | Refusal> => {
    const ref = parseBookingId(id);
    if (!ref) return refuse('BOOKING_UNKNOWN');
    const isOwn = await rounds.isOf(account, ref.release, ref.entry);
    return isOwn ? ref : refuse('BOOKING_UNKNOWN');
  };

function answers(parts: Parts) {
  const { store, arrivals, releases, rounds, people } = parts;
  const own = owned(parts);

  return {
    own,

    /** What became of a booking on its day, if that was told. */
    async visitOf(ref: BookingRef): Promise<Visit | undefined> {
      const [visit] = await arrivals.visits([ref]);
      return visit;
    },

    /** Confirms an offer in time. */
    async confirm(
      account: string,
      id: string,
      finding = own(account, id),
    ): Promise<BookingView | Refusal> {
      const ref = await finding;
      if (isRefusal(ref)) return ref;
      const found = await releases.published(ref.release);
      if (isRefusal(found)) return refuse('BOOKING_UNKNOWN');
      const [packed, beneficiaries] = await Promise.all([
        store.held(ref.release, ref.entry),
        rounds.personsOf(ref.release, ref.entry),
      ]);
      const seen = packed ? seenIn(parts, found, packed) : { beginsAtMs: 0 };
      const [reply, [visit]] = await Promise.all([
        store.confirm(ref, seen.beginsAtMs),
        arrivals.visits([ref]),
      ]);
      if (reply.outcome === 'OFFER_TOO_LATE') {
        return refuse('OFFER_TOO_LATE', { extra: { confirmBy: isoFromMs(reply.confirmByMs) } });
      }
      if (reply.outcome !== 'BOOKED') return refuse(reply.outcome);
      const whole = { ref, slot: reply.slot, beneficiaries };
      // What it came to on its day is no news.
      return visit
        ? visited(bookedView(parts, found, whole), visit)
        : booked(parts, account, found, whole);
    },

    /** Gives an offer back, or a booking before its slot begins. */
    async cancel(
      account: string,
      id: string,
      finding = own(account, id),
    ): Promise<'CANCELLED' | Refusal> {
      const ref = await finding;
      if (isRefusal(ref)) return ref;
      const found = await releases.published(ref.release);
      if (isRefusal(found)) return refuse('BOOKING_UNKNOWN');
      const packed = await store.held(ref.release, ref.entry);
      const reply = await store.cancel(ref, packed ? seenIn(parts, found, packed) : undefined);
      if (reply === 'CANCELLED') return reply;
      return reply === 'ROUND_DRAWING' ? refuse(reply, { retryAfterS: 1 }) : refuse(reply);
    },

    /** What the account's people hold, in whichever release their claims name. */
    async list(account: string): Promise<BookingView[]> {
      const claimed = await people.claimsOf(await people.persons(account));
      const named = [...new Set(claimed.filter((release) => release !== null))];
      const lists = await Promise.all(
        named.map(async (release) => {
          const entries = await rounds.list(account, release);
          if (isRefusal(entries)) return [];
          return entries.flatMap(({ booking, beneficiaries }) =>
            booking ? [{ ...booking, release, beneficiaries }] : [],
          );
        }),
      );
      const held = lists.flat();
      const visits = await arrivals.visits(
        held.map((one) => present(parseBookingId(one.bookingId), 'the id of a booking')),
      );
      return held.map((one, index) => visited(one, visits[index]));
    },
  };
}

/** Numbers of a slot's pools that are for this person, in the order to try. */
const poolsFor = ({ manifest }: Published, slotNumber: number, claim: Claim): number[] =>
  present(manifest.slots[slotNumber], 'a slot').pools.flatMap(({ pool }, number) =>
    pool === OPEN_POOL || claim.categories.includes(pool) ? [number] : [],
  );

/** Exchanging one seat that was booked at once for another. */
function moving(parts: Parts) {
  const { store, releases, rounds, claims, timeZone } = parts;
  return {
    /** `slotNumber`: of the same release. The booking keeps its id. */
    async move(account: string, id: string, slotNumber: number): Promise<'MOVED' | Refusal> {
      const ref = parseBookingId(id);
      const found = ref && (await releases.published(ref.release));
      if (!ref || !found || isRefusal(found)) return refuse('BOOKING_UNKNOWN');
      if (found.manifest.mode !== 'immediate') return refuse('NOT_MOVABLE');
      const person = (await rounds.entriesOf(account, ref.release)).get(ref.entry);
      if (person === undefined) return refuse('BOOKING_UNKNOWN');
      const [claim, [standing]] = await Promise.all([
        claims.claim(account, person, ref.release),
        rounds.standings(ref.release, [person]),
      ]);
      if (isRefusal(claim)) return claim;
      const problem = ineligible(found, claim, [slotNumber], timeZone);
      if (problem) return problem;
      if (!standing?.booking) return refuse('BOOKING_UNKNOWN');
      const categories = sharedCategories(found, [claim]);
      const reply = await store.move(
        ref,
        packEntry({ persons: [person], prefs: [slotNumber], categories }),
        {
          from: seenIn(parts, found, standing.booking),
          slot: slotNumber,
          pools: poolsFor(found, slotNumber, claim),
        },
      );
      if (reply !== 'MOVED') return refuse(reply);
      await booked(parts, account, found, { ref, slot: slotNumber, beneficiaries: [person] });
      return reply;
    },
  };
}

/** Whatever can be refused without the release's state, and the claim (see rounds/service.ts). */
const preparing =
  ({ releases, claims, timeZone }: Parts) =>
  async (account: string, { release, beneficiary, slot }: Wish): Promise<Prepared | Refusal> => {
    const found = await releases.published(release);
    if (isRefusal(found)) return found;
    if (found.manifest.mode !== 'immediate') return refuse('NOT_IMMEDIATE');
    const slotNumber = found.slotNumbers.get(slot);
    if (slotNumber === undefined) return refuse('SLOT_UNKNOWN', { extra: { slot } });
    const claim = await claims.claim(account, beneficiary, release);
    if (isRefusal(claim)) return claim;
    const pools = poolsFor(found, slotNumber, claim);
    const categories = sharedCategories(found, [claim]);
    return (
      ineligible(found, claim, [slotNumber], timeZone) ?? {
        found,
        claim,
        slotNumber,
        pools,
        categories,
      }
    );
  };

function immediate(parts: Parts) {
  const { store, secrets } = parts;
  const prepare = preparing(parts);

  /** One script for all of them. */
  const bookAll = async (
    account: string,
    release: string,
    prepared: readonly Prepared[],
    { device, network }: Origin,
  ): Promise<BookingView[] | Refusal> => {
    const { found, slotNumber } = present(prepared[0], 'somebody to book for');
    const people = prepared.map(({ claim, pools, categories }) => ({
      person: claim.person,
      id: entryIdOf(secrets, release, claim.person),
      packed: packEntry({ persons: [claim.person], prefs: [slotNumber], categories }),
      pools,
    }));
    const enterBeforeMs = Math.min(...prepared.map(({ claim }) => claim.enterBeforeMs));
    const by = { account, device, network: networkIdOf(secrets, network), enterBeforeMs };
    const grant = `i${randomInt(NONCE_BELOW).toString(36)}`;
    const reply = await store.book(release, by, { grant, slot: slotNumber }, people);
    if (reply.outcome === 'RELEASE_NOT_OPEN') {
      return refuse('RELEASE_NOT_OPEN', { extra: { opensAt: isoFromMs(reply.opensAtMs) } });
    }
    if (reply.outcome === 'CLAIM_EXPIRED') return refuse('UNAVAILABLE', { retryAfterS: 1 });
    if (reply.outcome !== 'BOOKED') return refuse(reply.outcome);
    return Promise.all(
      people.map(({ id: entry, person }) =>
        booked(parts, account, found, {
          ref: { release, entry, grant },
          slot: slotNumber,
          beneficiaries: [person],
        }),
      ),
    );
  };

  return {
    prepareBooking: prepare,

    /** Books a seat at once, first come first served (immediate mode). */
    async book(
      account: string,
      wish: Wish,
      preparing: Promise<Prepared | Refusal> = prepare(account, wish),
      from: Origin = NOWHERE,
    ): Promise<BookingView | Refusal> {
      const prepared = await preparing;
      if (isRefusal(prepared)) return prepared;
      const all = await bookAll(account, wish.release, [prepared], from);
      return isRefusal(all) ? all : present(all[0], 'a booking');
    },

    /** Books for several people, a booking each: all of them or none. */
    async bookTogether(
      account: string,
      { release, slot, beneficiaries }: Omit<Wish, 'beneficiary'> & { beneficiaries: string[] },
      from: Origin,
    ): Promise<BookingView[] | Refusal> {
      const prepared = await Promise.all(
        beneficiaries.map((beneficiary) => prepare(account, { release, slot, beneficiary })),
      );
      const refusal = prepared.find(isRefusal);
      return refusal ?? bookAll(account, release, prepared as Prepared[], from);
    },
  };
}
