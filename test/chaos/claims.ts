/** One person, one claim: at the end, and at any time for which writes prove one. Pure. */
import type { Evidence, ReleaseFacts } from './audit.ts';
import {
  type Answer,
  type Book,
  CLOCK_SLACK_MS,
  type Enter,
  isCancelOf,
  roundOf,
  type Write,
} from './history.ts';

const LIVE = new Set(['entered', 'sealed', 'waiting', 'offered', 'booked', 'arrived']);

/** A time in which somebody certainly had something. */
type Span = {
  readonly person: string;
  readonly release: string;
  /** The same for what is the same claim: an entry that is edited, a booking. */
  readonly claim: string;
  /** Epoch ms. */
  readonly fromMs: number;
  readonly untilMs: number;
};

/** From when a booking at once was acknowledged until somebody began to give it back. */
export const bookedSpans = (writes: readonly Write[]): (Span & { readonly slot: string })[] =>
  writes
    .filter((write) => write.kind === 'book')
    .filter(({ outcome }) => outcome === 'acknowledged')
    .map((write) => ({ ...heldSpan(writes, write), slot: write.slot }));

const heldSpan = (writes: readonly Write[], write: Book | Answer): Span => ({
  person: write.person,
  release: write.release,
  claim: write.booking,
  fromMs: write.endedAtMs,
  untilMs: Math.min(
    ...writes
      .filter(isCancelOf(write.booking))
      .filter(({ outcome }) => outcome !== 'refused')
      .map(({ startedAtMs }) => startedAtMs),
  ),
});

/**
 * From when a confirmation was acknowledged until somebody began to give the booking back, or a
 * round was cut that settles an operator's change, which may take it.
 */
function confirmedSpan(writes: readonly Write[], write: Answer, { rounds }: ReleaseFacts): Span {
  const held = heldSpan(writes, write);
  const changed = rounds.find(
    ({ round, since }) =>
      round > roundOf(write.booking) && (since.closed.length > 0 || since.lost.length > 0),
  );
  const takenAtMs = (changed?.cutAtMs ?? Infinity) - CLOCK_SLACK_MS;
  return { ...held, untilMs: Math.min(held.untilMs, takenAtMs) };
}

/**
 * From the time on its receipt, when it stood, until it is cut, the release is over, or somebody may
 * have begun to withdraw it. What it is after the cut is the round's word.
 */
function enteredSpan(writes: readonly Write[], write: Enter, facts: ReleaseFacts): Span {
  const { person, release, receiptAtMs } = write;
  const withdrawals = writes.filter(
    (other) =>
      other.kind === 'withdraw' &&
      other.release === release &&
      other.person === person &&
      other.outcome !== 'refused' &&
      (other.outcome === 'unknown' || other.endedAtMs > receiptAtMs),
  );
  const cut = facts.rounds.find(({ cutAtMs }) => cutAtMs >= receiptAtMs);
  return {
    person,
    release,
    claim: `${release} ${person}`,
    fromMs: receiptAtMs,
    untilMs: Math.min(
      (cut?.cutAtMs ?? facts.endsAtMs) - CLOCK_SLACK_MS,
      ...withdrawals.map(({ startedAtMs }) => startedAtMs),
    ),
  };
}

function certainSpans({ writes, releases }: Evidence): Span[] {
  const factsOf = new Map(releases.map((facts) => [facts.release, facts]));
  const claims = writes
    .filter(({ outcome }) => outcome === 'acknowledged')
    .flatMap((write) => {
      const facts = factsOf.get(write.release);
      if (!facts) return [];
      if (write.kind === 'confirm') return [confirmedSpan(writes, write, facts)];
      return write.kind === 'enter' ? [enteredSpan(writes, write, facts)] : [];
    });
  return [...bookedSpans(writes), ...claims].filter(({ fromMs, untilMs }) => fromMs < untilMs);
}

/** Persons who have more than one live claim at the end, or certainly had two at once before. */
export function doubleBooked(evidence: Evidence): string[] {
  const doubles = new Map<string, string>();
  const live = evidence.standings.filter(({ state }) => LIVE.has(state));
  const claims = Map.groupBy(
    live.flatMap((one) => one.beneficiaries.map((person) => ({ person, one }))),
    ({ person }) => person,
  );
  for (const [person, held] of claims) {
    if (held.length < 2) continue;
    const where = held.map(({ one }) => `${one.state} in ${one.release}`).join(', ');
    doubles.set(person, `person ${person}: ${where}`);
  }
  for (const [person, spans] of Map.groupBy(certainSpans(evidence), (span) => span.person)) {
    const clash = spans.flatMap((one) =>
      spans
        .filter((two) => two.claim !== one.claim)
        .filter((two) => two.fromMs < one.untilMs && one.fromMs < two.untilMs)
        .map((two) => [one, two] as const),
    )[0];
    if (clash && !doubles.has(person))
      doubles.set(
        person,
        `person ${person}: two claims at once, ${clash.map(named).join(' and ')}`,
      );
  }
  return [...doubles.values()];
}

const named = ({ claim, fromMs, untilMs }: Span): string => `${claim} (${fromMs}-${untilMs})`;
