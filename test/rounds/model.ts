/**
 * The engine's promises once more, naively: maps and lists, one thread, a clock that is a number.
 * What it answers and what it holds is what the real engine must answer and hold.
 */
import { createHash } from 'node:crypto';
import { present } from '../../src/lib/assert.ts';

/** Answer of a command: what was done, or the code of the refusal. */
export type Word = string;
/** People and accounts are numbers. */
type Person = number;
type Account = number;

export type Terms = {
  readonly mode: 'lottery' | 'immediate';
  /** Seats of each slot. */
  readonly seats: readonly number[];
  /** Times in seconds from the start. */
  readonly opensAt: number;
  readonly closesAt: number;
  readonly endsAt: number;
  readonly roundEvery: number;
  readonly confirmWithin: number;
  readonly entriesPerAccount: number;
};

/** The lead comes first. */
type Entry = { readonly persons: readonly Person[]; readonly prefs: readonly number[] };

type Booking = {
  state: 'OFFERED' | 'BOOKED' | 'CANCELLED' | 'LAPSED';
  readonly grant: string;
  readonly slot: number;
  readonly size: number;
  /** Whom it speaks for: those who enter again leave one that was cancelled. */
  persons: readonly Person[];
};

type Release = {
  readonly terms: Terms;
  endedAt: number | undefined;
  round: number;
  drawing: boolean;
  nextRoundAt: number;
  readonly publishedAt: number[];
  /** First round whose offers have not been looked at since their deadline. */
  unexpired: number;
  /** All of these by the lead. */
  entering: Map<Person, Entry>;
  sealed: Map<Person, Entry>;
  /** In the order in which they are served. */
  waiting: Map<Person, Entry>;
  readonly bookings: Map<Person, Booking>;
  /** By slot: free seats, and those of them that came back after the last cut. */
  readonly free: number[];
  returned: number[];
  happened: boolean;
  readonly charged: Map<Account, Set<Person>>;
};

type Claim = { readonly release: number; readonly at: number };

/** After this many seconds without use a claim that is over can be taken over. */
const CLAIM_LEASE = 10;
const BENEFICIARIES = 4;
const GROUP_SIZE = 4;

const LIVE = ['ENTERED', 'SEALED', 'WAITING', 'OFFERED', 'BOOKED'];

const releaseOf = (terms: Terms): Release => ({
  terms,
  endedAt: undefined,
  round: 0,
  drawing: false,
  nextRoundAt: terms.closesAt,
  publishedAt: [],
  unexpired: 0,
  entering: new Map(),
  sealed: new Map(),
  waiting: new Map(),
  bookings: new Map(),
  free: [...terms.seats],
  returned: terms.seats.map(() => 0),
  happened: false,
  charged: new Map(),
});

/** When the offers of a round must be confirmed. */
const deadline = (one: Release, grant: string): number =>
  present(one.publishedAt[Number(grant)], 'a published round') + one.terms.confirmWithin;

const cut = (one: Release): void => {
  one.drawing = true;
  one.sealed = one.entering;
  one.entering = new Map();
  one.returned = one.free.map(() => 0);
  one.happened = false;
};

const giveBack = (one: Release, booking: Booking, state: 'CANCELLED' | 'LAPSED'): void => {
  booking.state = state;
  one.free[booking.slot] = present(one.free[booking.slot], 'a slot') + booking.size;
  one.returned[booking.slot] = present(one.returned[booking.slot], 'a slot') + booking.size;
  one.happened = true;
};

export type Model = ReturnType<typeof createModel>;

/** `entryId` names people as the engine does; the order of a draw depends on it. */
export function createModel(
  terms: readonly Terms[],
  entryId: (release: number, person: Person) => string,
) {
  const releases = terms.map(releaseOf);
  const accountOf = new Map<Person, Account>();
  const claims = new Map<Person, Claim>();
  let now = 0;

  const at = (release: number): Release => present(releases[release], 'a release');
  const hasLapsed = (one: Release, { state, grant }: Booking): boolean =>
    state === 'LAPSED' || (state === 'OFFERED' && now > deadline(one, grant));
  const pastLastCut = (one: Release): boolean =>
    one.endedAt !== undefined || (one.round > 0 && now >= one.terms.endsAt);

  /** Where the entry stands that a person leads. */
  const ownStanding = (one: Release, lead: Person): Word => {
    const booking = one.bookings.get(lead);
    if (one.entering.has(lead)) return pastLastCut(one) ? 'OVER' : 'ENTERED';
    if (booking) return hasLapsed(one, booking) ? 'LAPSED' : booking.state;
    if (one.sealed.has(lead)) return 'SEALED';
    if (!one.waiting.has(lead)) return 'NONE';
    return pastLastCut(one) && !one.drawing ? 'OVER' : 'WAITING';
  };

  /** Who leads the entry that a person is in: themselves, if they are in none. */
  const leadOf = (one: Release, person: Person): Person => {
    const all = [one.entering, one.sealed, one.waiting, one.bookings];
    for (const entries of all)
      for (const [lead, { persons }] of entries) if (persons.includes(person)) return lead;
    return person;
  };

  /** Where a person stands in a release. */
  const standing = (release: number, person: Person): Word =>
    ownStanding(at(release), leadOf(at(release), person));

  // --- one person, one claim (F1) ---

  const claimIsHeld = (person: Person, claim: Claim): boolean =>
    LIVE.includes(standing(claim.release, person)) || now - claim.at < CLAIM_LEASE;

  const claim = (account: Account, person: Person, release: number): Word | undefined => {
    if (accountOf.get(person) !== account) return 'BENEFICIARY_UNKNOWN';
    const held = claims.get(person);
    if (held && held.release !== release && claimIsHeld(person, held)) return 'CLAIMED_ELSEWHERE';
    claims.set(person, { release, at: now });
    return undefined;
  };

  const add = (account: Account, person: Person): Word => {
    if (accountOf.has(person)) return 'ID_REGISTERED';
    const listed = [...accountOf.values()].filter((one) => one === account).length;
    if (listed >= BENEFICIARIES) return 'TOO_MANY_BENEFICIARIES';
    accountOf.set(person, account);
    return 'DONE';
  };

  const remove = (account: Account, person: Person): Word => {
    if (accountOf.get(person) !== account) return 'BENEFICIARY_UNKNOWN';
    const held = claims.get(person);
    if (held && claimIsHeld(person, held)) return 'BENEFICIARY_HAS_CLAIM';
    accountOf.delete(person);
    claims.delete(person);
    return 'DONE';
  };

  // --- entries ---

  /** Round 0 closes by the clock: whoever comes first cuts. */
  const cutFirstIfDue = (one: Release): void => {
    const open = one.round === 0 && !one.drawing && one.endedAt === undefined;
    if (open && now >= one.terms.closesAt) cut(one);
  };

  const closedTo = ({ terms: { opensAt, endsAt }, endedAt }: Release): Word | undefined => {
    if (endedAt !== undefined || now >= endsAt) return 'RELEASE_ENDED';
    return now < opensAt ? 'RELEASE_NOT_OPEN' : undefined;
  };

  const charge = (one: Release, account: Account, persons: readonly Person[]): boolean => {
    const charged = new Set([...(one.charged.get(account) ?? []), ...persons]);
    if (charged.size > one.terms.entriesPerAccount) return false;
    one.charged.set(account, charged);
    return true;
  };

  /** What keeps a person out of an entry that `lead` leads. */
  const elsewhere = (one: Release, person: Person, lead: Person): Word | undefined => {
    const other = leadOf(one, person);
    if (other === lead) return undefined;
    const booking = one.entering.has(other) ? undefined : one.bookings.get(other);
    if (booking?.state === 'CANCELLED') return undefined;
    if (booking && hasLapsed(one, booking)) return 'ENTRY_LAPSED';
    return ownStanding(one, other) === 'NONE' ? undefined : 'IN_ANOTHER_ENTRY';
  };

  const enter = (
    account: Account,
    persons: readonly Person[],
    release: number,
    prefs: readonly number[],
  ): Word => {
    const one = at(release);
    const lead = present(persons[0], 'a lead');
    if (one.terms.mode !== 'lottery') return 'NOT_A_LOTTERY';
    if (persons.length > GROUP_SIZE) return 'GROUP_TOO_LARGE';
    if (new Set(persons).size < persons.length) return 'BENEFICIARY_DUPLICATE';
    if (new Set(prefs).size < prefs.length) return 'SLOT_DUPLICATE';
    const claimed = persons.map((person) => claim(account, person, release));
    const refusal = claimed.find((word) => word !== undefined) ?? closedTo(one);
    if (refusal) return refusal;
    cutFirstIfDue(one);
    if (!one.entering.has(lead)) {
      const booking = one.bookings.get(lead);
      if (one.sealed.has(lead) || one.waiting.has(lead)) return 'ENTRY_SEALED';
      if (booking && hasLapsed(one, booking)) return 'ENTRY_LAPSED';
      if (booking && booking.state !== 'CANCELLED') return 'HAS_BOOKING';
    }
    const taken = persons.map((person) => elsewhere(one, person, lead));
    const word = taken.find((found) => found !== undefined);
    if (word) return word;
    if (!charge(one, account, persons)) return 'TOO_MANY_ENTRIES';
    for (const person of persons) one.bookings.delete(person);
    for (const booking of one.bookings.values())
      booking.persons = booking.persons.filter((person) => !persons.includes(person));
    one.entering.set(lead, { persons, prefs });
    return 'DONE';
  };

  const withdraw = (account: Account, person: Person, release: number): Word => {
    const one = at(release);
    if (one.terms.mode !== 'lottery') return 'NOT_A_LOTTERY';
    if (accountOf.get(person) !== account) return 'ENTRY_UNKNOWN';
    cutFirstIfDue(one);
    const isOver = pastLastCut(one) && !one.drawing;
    if (isOver && one.entering.has(person)) return 'RELEASE_ENDED';
    if (one.entering.delete(person)) return 'DONE';
    if (one.sealed.has(person)) return 'ROUND_DRAWING';
    if (['OFFERED', 'BOOKED'].includes(ownStanding(one, person))) return 'HAS_BOOKING';
    if (!one.waiting.has(person)) return 'ENTRY_UNKNOWN';
    if (one.drawing) return 'ROUND_DRAWING';
    if (isOver) return 'RELEASE_ENDED';
    one.waiting.delete(person);
    one.happened = true;
    return 'DONE';
  };

  // --- bookings ---

  /** The booking that an account names by its grant. */
  const named = (account: Account, person: Person, release: number, grant: string) => {
    const booking = at(release).bookings.get(person);
    return accountOf.get(person) === account && booking?.grant === grant ? booking : undefined;
  };

  const confirm = (account: Account, person: Person, release: number, grant: string): Word => {
    const booking = named(account, person, release, grant);
    if (!booking) return 'BOOKING_UNKNOWN';
    if (booking.state === 'CANCELLED') return 'BOOKING_OVER';
    if (hasLapsed(at(release), booking)) return 'OFFER_TOO_LATE';
    booking.state = 'BOOKED';
    return 'DONE';
  };

  const cancel = (account: Account, person: Person, release: number, grant: string): Word => {
    const booking = named(account, person, release, grant);
    if (!booking) return 'BOOKING_UNKNOWN';
    if (booking.state === 'CANCELLED') return 'DONE';
    if (hasLapsed(at(release), booking)) return 'BOOKING_OVER';
    giveBack(at(release), booking, 'CANCELLED');
    return 'DONE';
  };

  /** `grant`: what the engine calls the booking, if it gives one. */
  const book = (
    account: Account,
    person: Person,
    release: number,
    slot: number,
    grant: string,
  ): Word => {
    const one = at(release);
    if (one.terms.mode !== 'immediate') return 'NOT_IMMEDIATE';
    const refusal = claim(account, person, release) ?? closedTo(one);
    if (refusal) return refusal;
    if (one.bookings.get(person)?.state === 'BOOKED') return 'HAS_BOOKING';
    const free = present(one.free[slot], 'a slot');
    if (free === 0) return 'SLOT_FULL';
    if (!charge(one, account, [person])) return 'TOO_MANY_ENTRIES';
    one.free[slot] = free - 1;
    one.bookings.set(person, { state: 'BOOKED', grant, slot, size: 1, persons: [person] });
    return 'DONE';
  };

  // --- rounds ---

  const expire = (one: Release): void => {
    for (; one.unexpired < one.publishedAt.length; one.unexpired++) {
      const grant = String(one.unexpired);
      if (now <= deadline(one, grant)) return;
      for (const booking of one.bookings.values())
        if (booking.grant === grant && booking.state === 'OFFERED')
          giveBack(one, booking, 'LAPSED');
    }
  };

  /**
   * What a worker does before it draws; without `cuts` it dies before it cuts. Whether a round is to
   * be drawn.
   */
  const prepare = (release: number, cuts: boolean): boolean => {
    const one = at(release);
    if (one.terms.mode !== 'lottery') return false;
    expire(one);
    if (one.drawing) return true;
    if (!cuts || pastLastCut(one) || now < one.nextRoundAt) return false;
    if (one.round > 0 && one.entering.size === 0 && !one.happened) return false;
    cut(one);
    return true;
  };

  /** `seed` in hex. */
  const publish = (release: number, seed: string): void => {
    const one = at(release);
    const key = (person: Person): string =>
      createHash('sha256')
        .update('fairslot/v1/rank\0')
        .update(Buffer.from(seed, 'hex'))
        .update(Buffer.from(entryId(release, person), 'base64url'))
        .digest('hex');
    const late = [...one.sealed].toSorted(([a], [b]) => (key(a) < key(b) ? -1 : 1));
    one.waiting = new Map([...one.waiting, ...late]);
    for (const [lead, { persons, prefs }] of one.waiting) {
      const size = persons.length;
      const slot = prefs.find(
        (slot) => present(one.free[slot], 'a slot') - present(one.returned[slot], 'a slot') >= size,
      );
      if (slot === undefined) continue;
      one.free[slot] = present(one.free[slot], 'a slot') - size;
      one.waiting.delete(lead);
      const grant = String(one.round);
      one.bookings.set(lead, { state: 'OFFERED', grant, slot, size, persons });
    }
    one.sealed = new Map();
    one.drawing = false;
    one.round += 1;
    one.publishedAt.push(now);
    one.nextRoundAt = now + one.terms.roundEvery;
  };

  // --- time ---

  /** Moments at which an answer changes. */
  const turningPoints = (): number[] => [
    ...releases.flatMap(({ terms, nextRoundAt, publishedAt }) => [
      terms.opensAt,
      terms.closesAt,
      terms.endsAt,
      nextRoundAt,
      ...publishedAt.map((at) => at + terms.confirmWithin),
    ]),
    ...Array.from(claims.values(), ({ at }) => at + CLAIM_LEASE),
  ];

  /**
   * Lets at least so many seconds pass, and as many more as keep off every turning point: the
   * engine's clock runs a little while the test does. How many passed.
   */
  const wait = (seconds: number, margin: number): number => {
    const before = now;
    now += seconds;
    while (turningPoints().some((point) => Math.abs(point - now) < margin)) now += margin;
    return now - before;
  };

  const end = (release: number): void => {
    at(release).endedAt ??= now;
  };

  return {
    add,
    remove,
    enter,
    withdraw,
    confirm,
    cancel,
    book,
    prepare,
    publish,
    wait,
    end,
    standing,
    leadOf: (release: number, person: Person) => leadOf(at(release), person),
    accountOf: (person: Person) => accountOf.get(person),
    release: (release: number): Readonly<Release> => at(release),
    isLive: (release: number, person: Person) => LIVE.includes(standing(release, person)),
  };
}
