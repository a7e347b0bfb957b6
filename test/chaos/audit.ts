/**
 * What became of a history: pure, and independent of the engine's own bookkeeping. It is given what
 * clients saw, and what anyone can read once all releases are over.
 */
import { bookedSpans, doubleBooked } from './claims.ts';
import {
  type Answer,
  type Book,
  CLOCK_SLACK_MS,
  type Enter,
  entryOf,
  isCancelOf,
  roundOf,
  type Sighting,
  type Withdraw,
  type Write,
} from './history.ts';

/** Where an entry stands at the end, as its account reads it. */
export type Standing = {
  readonly release: string;
  readonly beneficiaries: readonly string[];
  readonly entryId: string;
  readonly state: string;
  readonly preferences: readonly string[];
  readonly booking: {
    readonly bookingId: string;
    readonly slot: string;
    readonly state: string;
  } | null;
  /** Whether it is still to be carried over from here. */
  readonly stands: boolean;
};

/** A transcript's lines. */
export type RoundFacts = {
  readonly round: number;
  readonly cutAtMs: number;
  /** Canonical JSON. */
  readonly seal: string;
  readonly since: {
    readonly cancelled: readonly string[];
    readonly expired: readonly string[];
    readonly withdrawn: readonly string[];
    readonly closed: readonly string[];
    readonly lost: readonly (readonly [slot: string, pool: string, seats: number])[];
  };
  readonly entries: readonly { readonly entry: string; readonly preferences: readonly string[] }[];
  /** Seats that are held after the round, by slot. */
  readonly held: Readonly<Record<string, number>>;
};

export type ReleaseFacts = {
  readonly release: string;
  readonly mode: 'lottery' | 'immediate';
  /** Those after it in its series; undefined where there may be one of which nobody heard. */
  readonly later: readonly string[] | undefined;
  /** Of the manifest, by slot. */
  readonly capacity: Readonly<Record<string, number>>;
  /** Epoch ms. */
  readonly endsAtMs: number;
  readonly seats: {
    readonly free: number;
    readonly offered: number;
    readonly booked: number;
  };
  /** Of the list of rounds, by round. */
  readonly digests: readonly string[];
  /** As the verifier recomputes them; shorter where it refused a file. */
  readonly recomputed: readonly string[];
  readonly rounds: readonly RoundFacts[];
  readonly changes: {
    readonly closed: readonly { readonly slot: string; readonly round: number }[];
    readonly lost: readonly {
      readonly slot: string;
      readonly pool: string;
      readonly seats: number;
      readonly round: number;
    }[];
  };
};

export type Evidence = {
  readonly writes: readonly Write[];
  readonly sightings: readonly Sighting[];
  readonly releases: readonly ReleaseFacts[];
  /** Releases that were published, and that the engine knows nothing of. */
  readonly vanished: readonly string[];
  readonly standings: readonly Standing[];
  /** Who is registered, by account. */
  readonly registered: ReadonlyMap<string, readonly string[]>;
};

export type Verdict = {
  readonly acknowledged: number;
  readonly unknown: number;
  readonly lost: number;
  readonly oversold: number;
  readonly doubleBooked: number;
  readonly digestMismatches: number;
  /** Seats that are neither free, nor offered, nor booked. */
  readonly missingSeats: number;
  /** Each of these, in words. */
  readonly findings: readonly string[];
};

const SEATED = new Set(['offered', 'booked', 'arrived']);

export function audit(evidence: Evidence): Verdict {
  const { writes } = evidence;
  const counted = (outcome: Write['outcome']): number =>
    writes.filter((write) => write.outcome === outcome).length;
  const lost = [
    ...evidence.vanished.map((release) => `${release}: was published and is gone`),
    ...lostWrites(evidence),
    ...lostRegistrations(evidence),
  ];
  const oversold = evidence.releases.map((facts) => oversoldIn(evidence, facts));
  const missing = evidence.releases.map(missingIn);
  const doubles = doubleBooked(evidence);
  const mismatches = evidence.releases.flatMap((facts) => mismatchesIn(evidence, facts));
  const sum = (numbers: readonly { readonly seats: number }[]): number =>
    numbers.reduce((total, { seats }) => total + seats, 0);
  return {
    acknowledged: counted('acknowledged'),
    unknown: counted('unknown'),
    lost: lost.length,
    oversold: sum(oversold),
    doubleBooked: doubles.length,
    digestMismatches: mismatches.length,
    missingSeats: sum(missing),
    findings: [
      ...lost,
      ...[...oversold, ...missing].flatMap(({ findings }) => findings),
      ...doubles,
      ...mismatches,
    ],
  };
}

// --- lost writes ---

/** All that concerns one person in one release. */
type Story = {
  readonly facts: ReleaseFacts;
  readonly writes: readonly Write[];
  /** Where their entry stands; undefined for nowhere. */
  readonly standing: Standing | undefined;
  readonly entryId: string | undefined;
};

function lostWrites({ writes, releases, standings }: Evidence): string[] {
  const byStory = Map.groupBy(
    writes.filter(({ kind }) => kind !== 'register'),
    ({ release, person }) => `${release} ${person}`,
  );
  const standingOf = new Map<string, Standing>(
    standings.flatMap((one) =>
      one.beneficiaries.map((person) => [`${one.release} ${person}`, one] as const),
    ),
  );
  const idOf = entryIds(standings, writes);
  const factsOf = new Map(releases.map((facts) => [facts.release, facts]));
  return Array.from(byStory).flatMap(([key, told]) => {
    const [first] = told;
    const facts = first && factsOf.get(first.release);
    if (!first || !facts)
      return told.filter(isAcknowledged).map((one) => `${nameOf(one)}: no such release`);
    if (first.person === '') return lostChanges(facts, told);
    const story: Story = {
      facts,
      writes: told,
      standing: standingOf.get(key),
      entryId: idOf.get(key),
    };
    const isCarried = facts.later?.some((one) => standingOf.has(`${one} ${first.person}`)) ?? true;
    return [
      ...told.filter(isAcknowledged).flatMap((write) => {
        const problem = lossOf(story, write) ?? carryingProblem(story, write, isCarried);
        return problem === undefined ? [] : [`${nameOf(write)}: ${problem}`];
      }),
      ...phantoms(story).map((problem) => `${first.release} ${first.person}: ${problem}`),
    ];
  });
}

function lostRegistrations({ writes, registered }: Evidence): string[] {
  return writes.flatMap((write) => {
    if (write.kind !== 'register' || !isAcknowledged(write)) return [];
    const isThere = registered.get(write.account)?.includes(write.person);
    return isThere ? [] : [`${nameOf(write)}: ${write.account} does not list them`];
  });
}

/** Entry ids by release and person: from where they stand, or from what they were answered. */
function entryIds(standings: readonly Standing[], writes: readonly Write[]): Map<string, string> {
  const ids = new Map<string, string>();
  for (const write of writes) {
    if (write.kind === 'enter' && write.entryId !== '')
      ids.set(`${write.release} ${write.person}`, write.entryId);
  }
  for (const { release, beneficiaries, entryId } of standings)
    for (const person of beneficiaries) ids.set(`${release} ${person}`, entryId);
  return ids;
}

const isAcknowledged = ({ outcome }: Write): boolean => outcome === 'acknowledged';
const nameOf = ({ release, person, kind, startedAtMs, endedAtMs }: Write): string =>
  `${release} ${person} ${kind} (${startedAtMs}-${endedAtMs})`;

function lossOf(story: Story, write: Write): string | undefined {
  switch (write.kind) {
    case 'enter':
      return lostEntry(story, write);
    case 'withdraw':
      return lostWithdrawal(story, write);
    case 'book':
      return lostBooking(story, write);
    case 'confirm':
      return lostConfirmation(story, write);
    case 'cancel':
      return lostCancellation(story, write);
    case 'close':
    case 'lose':
    case 'register':
      return undefined;
  }
}

/**
 * Whether another write may have come after this one, before a certain time: one that was
 * acknowledged and sent once this one had been, or one whose outcome nobody knows, whenever it was
 * sent.
 */
const isFollowed = (
  { writes }: Story,
  write: Write,
  beforeMs: number,
  follows: (other: Write) => boolean,
): boolean =>
  writes.some(
    (other) =>
      other !== write &&
      other.outcome !== 'refused' &&
      other.startedAtMs <= beforeMs &&
      (other.outcome === 'unknown' || other.startedAtMs >= write.endedAtMs) &&
      follows(other),
  );

const isEntering = ({ kind }: Write): boolean => kind === 'enter';
const isEditing = ({ kind }: Write): boolean => kind === 'enter' || kind === 'withdraw';

/** An entry is in the first round that was cut after its receipt, or stood there to the end. */
function lostEntry(story: Story, write: Enter): string | undefined {
  const { facts, standing, entryId } = story;
  const wanted = write.preferences.join();
  const round = facts.rounds.find(({ cutAtMs }) => cutAtMs >= write.receiptAtMs);
  if (isFollowed(story, write, (round?.cutAtMs ?? Infinity) + CLOCK_SLACK_MS, isEditing))
    return undefined;
  if (!round)
    return standing?.preferences.join() === wanted
      ? undefined
      : 'the entry is not there at the end';
  const sealed = round.entries.find(({ entry }) => entry === entryId);
  if (!sealed) return `the entry is not in round ${round.round}`;
  return sealed.preferences.join() === wanted
    ? undefined
    : `round ${round.round} has another entry of theirs`;
}

function lostWithdrawal(story: Story, write: Withdraw): string | undefined {
  const { facts, standing, entryId } = story;
  const back = facts.rounds.find(
    ({ cutAtMs, entries }) =>
      cutAtMs > write.endedAtMs + CLOCK_SLACK_MS &&
      entries.some(({ entry }) => entry === entryId) &&
      !isFollowed(story, write, cutAtMs + CLOCK_SLACK_MS, isEntering),
  );
  if (back) return `the entry that was withdrawn is in round ${back.round}`;
  if (!standing || standing.state === 'standing') return undefined;
  // Once a release is over, only the wish to be carried over is left to be taken back.
  if (standing.state === 'over' && !standing.stands && write.endedAtMs > facts.endsAtMs)
    return undefined;
  return isFollowed(story, write, Infinity, isEntering)
    ? undefined
    : `the entry that was withdrawn is ${standing.state}`;
}

function lostBooking(story: Story, write: Book): string | undefined {
  const held = story.standing?.booking;
  if (held?.bookingId === write.booking && SEATED.has(held.state)) return undefined;
  return isFollowed(story, write, Infinity, isCancelOf(write.booking))
    ? undefined
    : `booking ${write.booking} is ${held?.bookingId === write.booking ? held.state : 'gone'}`;
}

function lostConfirmation(story: Story, write: Answer): string | undefined {
  const held = story.standing?.booking;
  const isSame = held?.bookingId === write.booking;
  if (isSame && held.state !== 'offered' && SEATED.has(held.state)) return undefined;
  if (isFollowed(story, write, Infinity, isCancelOf(write.booking))) return undefined;
  if (!isSame && mayBeDisplaced(story, write.booking)) return undefined;
  return `booking ${write.booking} is ${isSame ? held.state : 'gone'} though it was confirmed`;
}

/** Whether an operator's change after the round that gave it may have taken a booking. */
const mayBeDisplaced = ({ facts }: Story, booking: string): boolean =>
  facts.rounds.some(
    ({ round, since }) =>
      round > roundOf(booking) && (since.closed.length > 0 || since.lost.length > 0),
  );

/**
 * The first round that is cut after it tells of it, if not one before. An operator's change is no
 * excuse: what was cancelled is displaced no more.
 */
function lostCancellation({ facts, standing }: Story, write: Answer): string | undefined {
  const { booking, endedAtMs } = write;
  const held = standing?.booking;
  if (held?.bookingId === booking && held.state !== 'cancelled')
    return `booking ${booking} is ${held.state} though it was cancelled`;
  if (facts.mode === 'immediate') return undefined;
  const entryId = entryOf(booking);
  const later = facts.rounds.filter(({ round }) => round > roundOf(booking));
  const last = later.find(({ cutAtMs }) => cutAtMs > endedAtMs + CLOCK_SLACK_MS);
  const told = later.find(
    ({ round, since }) =>
      round <= (last?.round ?? Infinity) &&
      [...since.cancelled, ...since.expired].some((entry) => entry === entryId),
  );
  if (told?.since.expired.includes(entryId))
    return `round ${told.round} lets booking ${booking} expire though it was cancelled`;
  return last && !told
    ? `no round tells that booking ${booking} was cancelled, not even ${last.round}`
    : undefined;
}

/** What the rounds tell of an entry that its people never asked for. */
function phantoms(story: Story): string[] {
  const { facts, writes, entryId } = story;
  if (facts.mode === 'immediate' || entryId === undefined) return [];
  const asked = (kind: Write['kind']): boolean =>
    writes.some((write) => write.kind === kind && write.outcome !== 'refused');
  const told = (word: 'withdrawn' | 'cancelled'): boolean =>
    facts.rounds.some(({ since }) => since[word].includes(entryId));
  return [
    ...(told('withdrawn') && !asked('withdraw') ? ['withdrawn by nobody'] : []),
    ...(told('cancelled') && !asked('cancel') ? ['cancelled by nobody'] : []),
    ...(isNowhere(story) ? ['an entry of a round is nowhere'] : []),
  ];
}

/** Whether an entry that a round has is gone, and nobody withdrew it since it was put last. */
function isNowhere(story: Story): boolean {
  const { facts, writes, standing, entryId } = story;
  if (standing) return false;
  const put = writes
    .filter((write) => write.kind === 'enter')
    .filter(isAcknowledged)
    .toSorted((one, other) => one.receiptAtMs - other.receiptAtMs)
    .at(-1);
  const wasIn = facts.rounds.some(
    ({ cutAtMs, entries }) =>
      cutAtMs >= (put?.receiptAtMs ?? 0) && entries.some(({ entry }) => entry === entryId),
  );
  const isWithdrawal = ({ kind, outcome }: Write): boolean =>
    kind === 'withdraw' && outcome !== 'refused';
  const isExcused = put
    ? isFollowed(story, put, Infinity, isWithdrawal)
    : writes.some(isWithdrawal);
  return wasIn && !isExcused;
}

/**
 * Who stands for later releases and got nothing still stands where they were, or came to one of
 * them. Which one is no promise: it may be over before the claim or the release before it is.
 */
function carryingProblem(story: Story, write: Write, isCarried: boolean): string | undefined {
  if (write.kind !== 'enter' || !write.stands) return undefined;
  if (isFollowed(story, write, Infinity, isEditing)) return undefined;
  const { standing } = story;
  return standing?.state === 'over' && !standing.stands && !isCarried
    ? 'the entry stands neither here nor in a later release'
    : undefined;
}

function lostChanges({ release, changes, rounds }: ReleaseFacts, told: readonly Write[]): string[] {
  const left = [...changes.lost];
  const take = ({ slot, pool, seats }: { slot: string; pool: string; seats: number }): boolean => {
    const at = left.findIndex(
      (one) => one.slot === slot && one.pool === pool && one.seats === seats,
    );
    return at >= 0 && left.splice(at, 1).length === 1;
  };
  const isThere = (write: Write): boolean => {
    if (write.kind === 'lose') return take(write);
    if (write.kind !== 'close') return true;
    return write.slots.every((slot) => changes.closed.some((one) => one.slot === slot));
  };
  const sinceOf = (round: number) => rounds.find((one) => one.round === round)?.since;
  const unsettled = [
    ...changes.closed.filter(({ slot, round }) => !sinceOf(round)?.closed.includes(slot)),
    ...changes.lost.filter(
      ({ slot, pool, round }) =>
        !sinceOf(round)?.lost.some(([place, of]) => place === slot && of === pool),
    ),
  ];
  return [
    ...told
      .filter(isAcknowledged)
      .filter((write) => !isThere(write))
      .map((write) => `${nameOf(write)}: the change is not there`),
    ...unsettled.map(({ slot, round }) => `${release} ${slot}: round ${round} settles no change`),
  ];
}

// --- seats ---

type Seats = { readonly seats: number; readonly findings: readonly string[] };

/** By slot: the most seats that were ever given beyond those there were. */
function oversoldIn({ writes, standings }: Evidence, facts: ReleaseFacts): Seats {
  const worst = new Map<string, number>();
  const look = (held: Readonly<Record<string, number>>, capacityOf: (slot: string) => number) => {
    for (const [slot, seats] of Object.entries(held)) {
      const excess = seats - capacityOf(slot);
      if (excess > 0) worst.set(slot, Math.max(excess, worst.get(slot) ?? 0));
    }
  };
  for (const { round, held } of facts.rounds)
    look(held, (slot) => capacityAfter(facts, slot, round));
  const atEnd = seatsHeld(standings.filter(({ release }) => release === facts.release));
  look(atEnd, (slot) => capacityAfter(facts, slot, Infinity));
  if (facts.mode === 'immediate')
    look(mostAtOnce(facts.release, writes), (slot) => facts.capacity[slot] ?? 0);
  const slots = Array.from(worst.values()).reduce((sum, seats) => sum + seats, 0);
  const { free, offered, booked } = facts.seats;
  const all = seatsLeft(facts);
  const seats = Math.max(slots, free + offered + booked - all, 0);
  const where = JSON.stringify({ slots: Object.fromEntries(worst), ...facts.seats, all });
  return {
    seats,
    findings: seats > 0 ? [`${facts.release}: ${seats} seats too many ${where}`] : [],
  };
}

/** Seats of the manifest, less what operators had taken by then. */
function capacityAfter({ capacity, changes }: ReleaseFacts, slot: string, round: number): number {
  if (changes.closed.some((one) => one.slot === slot && one.round <= round)) return 0;
  const lost = changes.lost
    .filter((one) => one.slot === slot && one.round <= round)
    .reduce((sum, { seats }) => sum + seats, 0);
  return (capacity[slot] ?? 0) - lost;
}

/** Seats of all slots, less what operators took. */
const seatsLeft = (facts: ReleaseFacts): number =>
  Object.keys(facts.capacity).reduce((sum, slot) => sum + capacityAfter(facts, slot, Infinity), 0);

function seatsHeld(standings: readonly Standing[]): Record<string, number> {
  const held: Record<string, number> = {};
  for (const { booking, beneficiaries } of standings) {
    if (!booking || !SEATED.has(booking.state)) continue;
    held[booking.slot] = (held[booking.slot] ?? 0) + beneficiaries.length;
  }
  return held;
}

/** By slot of an immediate release: bookings that certainly stood at the same time. */
function mostAtOnce(release: string, writes: readonly Write[]): Record<string, number> {
  const most: Record<string, number> = {};
  const spans = bookedSpans(writes).filter((span) => span.release === release);
  for (const { slot, fromMs } of spans) {
    const at = spans.filter(
      (other) => other.slot === slot && other.fromMs <= fromMs && other.untilMs > fromMs,
    );
    most[slot] = Math.max(most[slot] ?? 0, at.length);
  }
  return most;
}

/** Seats that there still are, and that are neither free nor held. */
function missingIn(facts: ReleaseFacts): Seats {
  const { release, seats: held } = facts;
  const all = seatsLeft(facts);
  const seats = Math.max(0, all - held.free - held.offered - held.booked);
  const found = `${release}: ${seats} of ${all} seats are neither free nor held`;
  return { seats, findings: seats > 0 ? [found] : [] };
}

// --- rounds ---

/** Rounds whose digest does not follow from their files, or of which two readers saw two things. */
function mismatchesIn({ sightings }: Evidence, facts: ReleaseFacts): string[] {
  const { release, digests, recomputed, rounds } = facts;
  const wrong = new Map<number, string>();
  for (const [round, digest] of digests.entries()) {
    if (recomputed[round] === undefined) wrong.set(round, 'is refused by the verifier');
    else if (recomputed[round] !== digest) wrong.set(round, 'has another digest than its files');
  }
  for (const seen of sightings.filter((one) => one.release === release)) {
    const { round, digest, seal } = seen;
    if (digest !== undefined && digest !== digests[round])
      wrong.set(round, 'has changed its digest');
    const sealed = rounds.find((one) => one.round === round)?.seal;
    if (seal !== undefined && seal !== sealed)
      wrong.set(round, sealed === undefined ? 'was sealed and is gone' : 'was sealed twice');
  }
  return Array.from(wrong, ([round, problem]) => `${release}: round ${round} ${problem}`);
}
