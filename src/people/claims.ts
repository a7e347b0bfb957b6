/**
 * F1: one person, one claim. A claim binds a person to one release; whether it is still alive is
 * that release's word (`ClaimStateOf`), so nothing ever has to hand a claim back, and a crash leaves
 * nothing to sweep (docs/adr/0004).
 */
import { isoFromMs } from '../lib/clock.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import type { HeldClaim, PeopleStore } from './store.ts';
import { MISS_TERMS, PEOPLE_LIMITS } from './rules.ts';
import type { Dose } from './vaccines.ts';

export type Claim = {
  readonly person: string;
  readonly birthYear: number;
  readonly idType: string;
  /** Attested by an operator, ascending. */
  readonly categories: readonly string[];
  /** Given here before, on whichever booking. */
  readonly doses: readonly Dose[];
  /** By Redis's clock. */
  readonly claimedAtMs: number;
  /** Likewise; an entry or booking that comes later is not covered by this claim. */
  readonly enterBeforeMs: number;
};

/** A seat that a person let go to waste: id of the booking or offer, and when it was missed. */
export type Miss = { readonly booking: string; readonly missedAtMs: number };

/**
 * LIVE: a person still has an entry or a booking in a release that their claim names. A miss: it is
 * over because they let it go to waste.
 */
export type ClaimState = 'LIVE' | 'OVER' | Miss;
export type ClaimStateOf = (release: string, person: string) => Promise<ClaimState>;

const elsewhere = (held: HeldClaim, live: boolean): Refusal => {
  if (live) return refuse('CLAIMED_ELSEWHERE');
  const waitMs = held.claimedAtMs + PEOPLE_LIMITS.claimLeaseMs - held.nowMs;
  return refuse('CLAIMED_ELSEWHERE', { retryAfterS: Math.max(1, Math.ceil(waitMs / 1000)) });
};

export type Claims = ReturnType<typeof createClaims>;

export function createClaims(store: PeopleStore, stateOf: ClaimStateOf) {
  const mayTakeOver = async (person: string, held: HeldClaim): Promise<Refusal | undefined> => {
    const state = await stateOf(held.release, person);
    // Now, and not when a worker comes by: a claim is over by the clock, and would else be taken
    // over before its miss can keep anybody from it.
    if (typeof state === 'object') await store.countMiss(person, state, MISS_TERMS);
    const live = state === 'LIVE';
    if (live || held.nowMs - held.claimedAtMs < PEOPLE_LIMITS.claimLeaseMs)
      return elsewhere(held, live);
    return undefined;
  };

  return {
    /** What a release says of a claim that names it. */
    stateOf,

    /** Why a claim that was found cannot be taken over; nothing where it can. */
    mayTakeOver,

    /** Claims `person` for `release` on behalf of `account`, taking over a claim that is over. */
    async claim(account: string, person: string, release: string): Promise<Claim | Refusal> {
      let reply = await store.claim(person, account, release);
      if (reply.outcome === 'CLAIMED_ELSEWHERE') {
        const refusal = await mayTakeOver(person, reply);
        if (refusal) return refusal;
        reply = await store.claim(person, account, release, reply);
      }
      if (reply.outcome === 'NOT_YOURS') return refuse('BENEFICIARY_UNKNOWN');
      if (reply.outcome === 'COOLING_DOWN')
        return refuse('COOLING_DOWN', { extra: { until: isoFromMs(reply.untilMs) } });
      if (reply.outcome === 'CLAIMED_ELSEWHERE') return elsewhere(reply, false);
      return {
        person,
        birthYear: reply.birthYear,
        idType: reply.idType,
        categories: reply.categories,
        doses: reply.doses,
        claimedAtMs: reply.claimedAtMs,
        enterBeforeMs: reply.claimedAtMs + PEOPLE_LIMITS.enterWithinMs,
      };
    },

    /** Frees the ID of a person who has no live claim. */
    async unregister(account: string, person: string): Promise<'UNREGISTERED' | Refusal> {
      let reply = await store.unregister(person, account);
      if (reply.outcome === 'CLAIMED') {
        const refusal = await mayTakeOver(person, reply);
        if (isRefusal(refusal)) return { ...refusal, refused: 'BENEFICIARY_HAS_CLAIM' };
        reply = await store.unregister(person, account, reply);
      }
      // Not ours any more (a removal that died half-way, then another account): nothing is left to
      // free.
      return reply.outcome === 'CLAIMED' ? refuse('BENEFICIARY_HAS_CLAIM') : 'UNREGISTERED';
    },
  };
}
