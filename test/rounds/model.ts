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

/** An entry that was drawn: what it has for good is its place in the order of entries. */
type Drawn = Entry & { readonly place: number };
type Waiting = Drawn & { readonly displaced: boolean };

type Booking = {
  state: 'OFFERED' | 'BOOKED' | 'CANCELLED' | 'LAPSED';
  readonly grant: string;
  readonly slot: number;
  readonly size: number;
  /** Whom it speaks for: those who enter again leave one that was cancelled. */
  persons: readonly Person[];
  /** What it was given to; none in immediate mode. */
  readonly entry: Drawn | undefined;
};

/** What operators changed and one round settles. */
type Changes = { readonly closed: Set<number>; readonly lost: Map<number, number> };
const noChanges = (): Changes => ({ closed: new Set(), lost: new Map() });

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
  waiting: Map<Person, Waiting>;
  /** The next place in the order of entries. */
  places: number;
  readonly bookings: Map<Person, Booking>;
  /** By slot: free seats, and those of them that came back after the last cut. */
  readonly free: number[];
  returned: number[];
  happened: boolean;
  /** By slot: seats, free or held. */
  readonly capacity: number[];
  /** Those that the next cut takes, and those of the round being drawn. */
  changes: Changes;
  settled: Changes;
  /** Whether a round is being drawn that may take what somebody holds. */
  settling: boolean;
  /** The last round that settles changes; -1 before any. */
  changingRound: number;
  /** `<person> <grant>` of bookings that a change took. */
  readonly displaced: Set<string>;
  /** Slots ever closed, and by slot the seats ever lost, settled or not. */
  readonly closed: Set<number>;
  readonly lost: number[];
  /** By change id: what was lost. */
  readonly losses: Map<string, string>;
  readonly charged: Map<Account, Set<Person>>;
};

type Claim = { readonly release: number; readonly at: number };

/** After this many seconds without use a claim that is over can be taken over. */
const CLAIM_LEASE = 10;
/** A window of entries ends so many seconds before its release. */
const LAST_CUT_BEFORE_END = 2;
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
  places: 0,
  bookings: new Map(),
  free: [...terms.seats],
  returned: terms.seats.map(() => 0),
  happened: false,
  capacity: [...terms.seats],
  changes: noChanges(),
  settled: noChanges(),
  settling: false,
  changingRound: -1,
  displaced: new Set(),
  closed: new Set(),
  lost: terms.seats.map(() => 0),
  losses: new Map(),
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
  one.settled = one.changes;
  one.changes = noChanges();
  one.settling = one.round > 0 && one.changingRound === one.round;
};

/** No window ends later than this. */
const lastCut = ({ terms }: Release): number => terms.endsAt - LAST_CUT_BEFORE_END;

/** The next round to be cut. */
const nextCut = ({ round, drawing }: Release): number => round + Number(drawing);

/** Whoever held this booking waits again, ahead of all who never had one. */
const displace = (one: Release, lead: Person, booking: Booking): void => {
  one.bookings.delete(lead);
  one.displaced.add(`${lead} ${booking.grant}`);
  one.waiting.set(lead, { ...present(booking.entry, 'an entry'), displaced: true });
};

/** Takes away what operators closed, and what they lost: free seats first, then the last given. */
const settle = (one: Release): void => {
  const holders = (slot: number): [Person, Booking][] =>
    [...one.bookings].filter(
      ([, { slot: held, state }]) => held === slot && (state === 'OFFERED' || state === 'BOOKED'),
    );
  for (const slot of one.settled.closed) {
    for (const [lead, booking] of holders(slot)) displace(one, lead, booking);
    one.free[slot] = one.capacity[slot] = 0;
  }
  for (const [slot, seats] of one.settled.lost) {
    if (one.settled.closed.has(slot)) continue;
    const place = ([, { entry }]: [Person, Booking]): number => present(entry, 'an entry').place;
    let free = present(one.free[slot], 'a slot');
    for (const [lead, booking] of holders(slot).toSorted((a, b) => place(b) - place(a))) {
      if (free >= seats) break;
      displace(one, lead, booking);
      free += booking.size;
    }
    one.free[slot] = free - seats;
    one.capacity[slot] = present(one.capacity[slot], 'a slot') - seats;
  }
  one.settling = false;
};

const giveBack = (one: Release, booking: Booking, state: 'CANCELLED' | 'LAPSED'): void => {
  booking.state = state;
  one.free[booking.slot] = present(one.free[booking.slot], 'a slot') + booking.size;
  one.returned[booking.slot] = present(one.returned[booking.slot], 'a slot') + booking.size;
  one.happened = true;
};

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
    state === 'LAPSED' || (state === 'OFFERED' && now > deadline(one, grant) && !one.settling);
  const pastLastCut = (one: Release): boolean => {
    const next = nextCut(one);
    if (next > 0 && one.changingRound >= next) return false;
    return one.endedAt !== undefined || (next > 0 && now >= one.terms.endsAt);
  };

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
    if (accountOf.get(person) === account) return 'ID_REGISTERED';
    const listed = [...accountOf.values()].filter((one) => one === account).length;
    if (listed >= BENEFICIARIES) return 'TOO_MANY_BENEFICIARIES';
    if (accountOf.has(person)) return 'ID_REGISTERED';
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

  /** Whoever enters first after a round's time is not drawn alone, nor with seats just come back. */
  const awaitOthers = (one: Release): void => {
    const isIdle = one.round > 0 && !one.drawing && one.entering.size === 0;
    if (!isIdle || now < one.nextRoundAt || one.changingRound === one.round) return;
    if (one.happened) cut(one);
    else one.nextRoundAt = Math.max(now, Math.min(now + one.terms.roundEvery, lastCut(one)));
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
    const held = one.entering.get(lead);
    if (!held) {
      const booking = one.bookings.get(lead);
      if (one.sealed.has(lead) || one.waiting.has(lead)) return 'ENTRY_SEALED';
      if (booking && hasLapsed(one, booking)) return 'ENTRY_LAPSED';
      if (booking && booking.state !== 'CANCELLED') return 'HAS_BOOKING';
    }
    const again =
      String(held?.persons) === String(persons) && String(held?.prefs) === String(prefs);
    if (!again && prefs.every((slot) => one.closed.has(slot))) return 'SLOTS_CLOSED';
    const taken = persons.map((person) => elsewhere(one, person, lead));
    const word = taken.find((found) => found !== undefined);
    if (word) return word;
    if (!charge(one, account, persons)) return 'TOO_MANY_ENTRIES';
    for (const person of persons) one.bookings.delete(person);
    for (const booking of one.bookings.values())
      booking.persons = booking.persons.filter((person) => !persons.includes(person));
    awaitOthers(one);
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
    if (accountOf.get(person) !== account) return 'BOOKING_UNKNOWN';
    const { bookings, displaced } = at(release);
    const booking = bookings.get(person);
    if (booking?.grant === grant) return booking;
    return displaced.has(`${person} ${grant}`) ? 'BOOKING_DISPLACED' : 'BOOKING_UNKNOWN';
  };

  const confirm = (account: Account, person: Person, release: number, grant: string): Word => {
    const booking = named(account, person, release, grant);
    if (typeof booking === 'string') return booking;
    if (booking.state === 'CANCELLED') return 'BOOKING_OVER';
    if (hasLapsed(at(release), booking)) return 'OFFER_TOO_LATE';
    booking.state = 'BOOKED';
    return 'DONE';
  };

  const cancel = (account: Account, person: Person, release: number, grant: string): Word => {
    const booking = named(account, person, release, grant);
    if (typeof booking === 'string') return booking;
    if (booking.state === 'CANCELLED') return 'DONE';
    if (hasLapsed(at(release), booking)) return 'BOOKING_OVER';
    if (at(release).settling) return 'ROUND_DRAWING';
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
    const booking = { grant, slot, size: 1, persons: [person], entry: undefined };
    one.bookings.set(person, { state: 'BOOKED', ...booking });
    return 'DONE';
  };

  // --- rounds ---

  const expire = (one: Release): void => {
    if (one.settling) return;
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
    settle(one);
    const late = [...one.sealed].toSorted(([a], [b]) => (key(a) < key(b) ? -1 : 1));
    for (const [lead, entry] of late)
      one.waiting.set(lead, { ...entry, place: one.places++, displaced: false });
    one.waiting = new Map(
      [...one.waiting].toSorted(
        ([, a], [, b]) => Number(b.displaced) - Number(a.displaced) || a.place - b.place,
      ),
    );
    for (const [lead, entry] of one.waiting) {
      const { persons, prefs } = entry;
      const size = persons.length;
      const slot = prefs.find(
        (slot) => present(one.free[slot], 'a slot') - present(one.returned[slot], 'a slot') >= size,
      );
      if (slot === undefined) continue;
      one.free[slot] = present(one.free[slot], 'a slot') - size;
      one.waiting.delete(lead);
      const grant = String(one.round);
      one.bookings.set(lead, { state: 'OFFERED', grant, slot, size, persons, entry });
    }
    one.sealed = new Map();
    one.drawing = false;
    one.round += 1;
    one.publishedAt.push(now);
    one.nextRoundAt = one.changingRound === one.round ? now : now + one.terms.roundEvery;
  };

  // --- what operators change ---

  const change = (one: Release): void => {
    const first = one.changingRound !== nextCut(one);
    one.changingRound = nextCut(one);
    one.happened = true;
    if (first && one.round > 0 && !one.drawing) one.nextRoundAt = Math.min(one.nextRoundAt, now);
  };

  const close = (release: number, slots: readonly number[]): Word => {
    const one = at(release);
    if (one.terms.mode !== 'lottery') return 'NOT_A_LOTTERY';
    cutFirstIfDue(one);
    const closing = slots.filter((slot) => !one.closed.has(slot));
    if (closing.length === 0) return 'DONE';
    if (pastLastCut(one)) return 'RELEASE_ENDED';
    for (const slot of closing) {
      one.closed.add(slot);
      one.changes.closed.add(slot);
    }
    change(one);
    return 'DONE';
  };

  const lose = (release: number, id: string, slot: number, seats: number): Word => {
    const one = at(release);
    if (one.terms.mode !== 'lottery') return 'NOT_A_LOTTERY';
    const done = one.losses.get(id);
    if (done) return done === `${slot} ${seats}` ? 'DONE' : 'CHANGE_ID_REUSED';
    cutFirstIfDue(one);
    if (pastLastCut(one)) return 'RELEASE_ENDED';
    if (one.closed.has(slot)) return 'SLOT_CLOSED';
    const lost = present(one.lost[slot], 'a slot') + seats;
    if (lost > present(one.terms.seats[slot], 'a slot')) return 'POOL_TOO_SMALL';
    one.lost[slot] = lost;
    one.losses.set(id, `${slot} ${seats}`);
    one.changes.lost.set(slot, (one.changes.lost.get(slot) ?? 0) + seats);
    change(one);
    return 'DONE';
  };

  // --- time ---

  /** Moments at which an answer changes. */
  const turningPoints = (): number[] => [
    ...releases.flatMap((one) => [
      one.terms.opensAt,
      one.terms.closesAt,
      lastCut(one),
      one.terms.endsAt,
      one.nextRoundAt,
      ...one.publishedAt.map((at) => at + one.terms.confirmWithin),
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
    close,
    lose,
    wait,
    end,
    standing,
    leadOf: (release: number, person: Person) => leadOf(at(release), person),
    accountOf: (person: Person) => accountOf.get(person),
    release: (release: number): Readonly<Release> => at(release),
    isLive: (release: number, person: Person) => LIVE.includes(standing(release, person)),
  };
}
