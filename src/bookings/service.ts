/** Confirming, cancelling and listing bookings; and booking at once in immediate mode. */
import { randomInt } from 'node:crypto';
import { isoFromMs } from '../lib/clock.ts';
import { present } from '../lib/assert.ts';
import type { Secrets } from '../lib/secrets.ts';
import type { Claim, Claims } from '../people/claims.ts';
import type { PeopleStore } from '../people/store.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import { OPEN_POOL } from '../releases/manifest.ts';
import type { Published, ReleaseService } from '../releases/service.ts';
import { networkIdOf, NOWHERE, type Origin } from '../gates/origin.ts';
import { entryIdOf, ineligible, packEntry, sharedCategories } from '../rounds/rules.ts';
import type { RoundService } from '../rounds/service.ts';
import { bookingId, parseBookingId, type BookingRef, unpackBooking } from './rules.ts';
import type { BookingStore } from './store.ts';

export type BookingView = {
  readonly bookingId: string;
  readonly release: string;
  readonly beneficiaries: readonly string[];
  readonly slot: string;
  readonly state: string;
  readonly confirmBy: string | null;
};

type Parts = {
  store: BookingStore;
  releases: ReleaseService;
  rounds: RoundService;
  people: PeopleStore;
  claims: Claims;
  secrets: Secrets;
};

type Wish = { readonly release: string; readonly beneficiary: string; readonly slot: string };

type Prepared = {
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

function answers({ store, releases, rounds, people }: Parts) {
  /** The booking a caller names, if it is one of their people's. */
  const own = async (account: string, id: string): Promise<BookingRef | Refusal> => {
    const ref = parseBookingId(id);
    if (!ref) return refuse('BOOKING_UNKNOWN');
    const entries = await rounds.entriesOf(account, ref.release);
    return entries.has(ref.entry) ? ref : refuse('BOOKING_UNKNOWN');
  };

  return {
    own,

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
      const [reply, beneficiaries] = await Promise.all([
        store.confirm(ref.release, ref.entry, ref.grant),
        rounds.personsOf(ref.release, ref.entry),
      ]);
      if (reply.outcome === 'OFFER_TOO_LATE') {
        return refuse('OFFER_TOO_LATE', { extra: { confirmBy: isoFromMs(reply.confirmByMs) } });
      }
      if (reply.outcome !== 'BOOKED') return refuse(reply.outcome);
      return {
        bookingId: id,
        release: ref.release,
        beneficiaries,
        slot: present(found.manifest.slots[reply.slot], 'the slot of a booking').slot,
        state: 'booked',
        confirmBy: null,
      };
    },

    /** Gives an offer or a booking back. */
    async cancel(
      account: string,
      id: string,
      finding = own(account, id),
    ): Promise<'CANCELLED' | Refusal> {
      const ref = await finding;
      if (isRefusal(ref)) return ref;
      const reply = await store.cancel(ref.release, ref.entry, ref.grant);
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
      return lists.flat();
    },
  };
}

/** Numbers of a slot's pools that are for this person, in the order to try. */
const poolsFor = ({ manifest }: Published, slotNumber: number, claim: Claim): number[] =>
  present(manifest.slots[slotNumber], 'a slot').pools.flatMap(({ pool }, number) =>
    pool === OPEN_POOL || claim.categories.includes(pool) ? [number] : [],
  );

/** Exchanging one seat that was booked at once for another. */
function moving({ store, releases, rounds, claims }: Parts) {
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
      const problem = ineligible(found, claim, [slotNumber]);
      if (problem) return problem;
      if (!standing?.booking) return refuse('BOOKING_UNKNOWN');
      const categories = sharedCategories(found, [claim]);
      const reply = await store.move(
        ref,
        packEntry({ persons: [person], prefs: [slotNumber], categories }),
        {
          from: unpackBooking(standing.booking).slot,
          slot: slotNumber,
          pools: poolsFor(found, slotNumber, claim),
        },
      );
      return reply === 'MOVED' ? reply : refuse(reply);
    },
  };
}

function immediate({ store, releases, claims, secrets }: Parts) {
  /** Whatever can be refused without the release's state, and the claim (see rounds/service.ts). */
  const prepare = async (
    account: string,
    { release, beneficiary, slot }: Wish,
  ): Promise<Prepared | Refusal> => {
    const found = await releases.published(release);
    if (isRefusal(found)) return found;
    if (found.manifest.mode !== 'immediate') return refuse('NOT_IMMEDIATE');
    const slotNumber = found.slotNumbers.get(slot);
    if (slotNumber === undefined) return refuse('SLOT_UNKNOWN', { extra: { slot } });
    const claim = await claims.claim(account, beneficiary, release);
    if (isRefusal(claim)) return claim;
    const pools = poolsFor(found, slotNumber, claim);
    const categories = sharedCategories(found, [claim]);
    return ineligible(found, claim, [slotNumber]) ?? { claim, slotNumber, pools, categories };
  };

  return {
    prepareBooking: prepare,

    /** Books a seat at once, first come first served (immediate mode). */
    async book(
      account: string,
      wish: Wish,
      preparing: Promise<Prepared | Refusal> = prepare(account, wish),
      { device, network }: Origin = NOWHERE,
    ): Promise<BookingView | Refusal> {
      const prepared = await preparing;
      if (isRefusal(prepared)) return prepared;
      const { claim, slotNumber, pools, categories } = prepared;
      const { release, beneficiary, slot } = wish;
      const entry = entryIdOf(secrets, release, beneficiary);
      const packed = packEntry({ persons: [beneficiary], prefs: [slotNumber], categories });
      const reply = await store.book(
        release,
        {
          id: entry,
          packed,
          account,
          device,
          network: networkIdOf(secrets, network),
          enterBeforeMs: claim.enterBeforeMs,
        },
        { grant: `i${randomInt(NONCE_BELOW).toString(36)}`, slot: slotNumber, pools },
      );
      if (reply.outcome === 'RELEASE_NOT_OPEN') {
        return refuse('RELEASE_NOT_OPEN', { extra: { opensAt: isoFromMs(reply.opensAtMs) } });
      }
      if (reply.outcome === 'CLAIM_EXPIRED') return refuse('UNAVAILABLE', { retryAfterS: 1 });
      if (reply.outcome !== 'BOOKED') return refuse(reply.outcome);
      const id = bookingId({ release, entry, grant: reply.grant });
      return {
        bookingId: id,
        release,
        beneficiaries: [beneficiary],
        slot,
        state: 'booked',
        confirmBy: null,
      };
    },
  };
}
