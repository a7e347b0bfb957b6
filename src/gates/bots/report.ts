/** The bad-bot report of a release, from what was read of it. Pure. */

export const KINDS = ['account', 'device', 'network'] as const;
export type CallerKind = (typeof KINDS)[number];

/** What stands for a caller outside of Redis: `account:<id>`, `device:<id>`, `network:<hash>`. */
export type CallerId = `${CallerKind}:${string}`;

export const callerId = (kind: CallerKind, id: string): CallerId => `${kind}:${id}`;

export function parseCallerId(name: CallerId): { readonly kind: CallerKind; readonly id: string } {
  const colon = name.indexOf(':');
  return { kind: name.slice(0, colon) as CallerKind, id: name.slice(colon + 1) };
}

/** Refused requests from which on a caller is counted as an offender. */
export const OFFENCES = [10, 100, 1_000] as const;
/** `over`: callers refused so often, for each of OFFENCES. `worst`: refusals of the worst. */
export type Offenders = Readonly<
  Record<CallerKind, { readonly over: readonly number[]; readonly worst: number }>
>;

/** How many people one caller entered: the lower bounds of the classes, and how they are called. */
export const CLASSES = [
  { from: 1, people: '1' },
  { from: 2, people: '2 to 3' },
  { from: 4, people: '4 to 7' },
  { from: 8, people: '8 or more' },
] as const;

export type Entrants = {
  readonly kind: CallerKind;
  /** Callers of this kind that entered anybody. */
  readonly callers: number;
  /** People whom they entered: fewer than in all where some came by none of this kind. */
  readonly people: number;
  readonly distribution: readonly { readonly people: string; readonly callers: number }[];
  /** Who entered the most. */
  readonly top: readonly TopEntrant[];
};
export type TopEntrant = {
  readonly name: CallerId;
  readonly people: number;
  /** Of all people who were entered: 0 to 1. */
  readonly share: number;
  readonly refusals: number;
};

export type Refusals = {
  readonly total: number;
  readonly byReason: readonly {
    readonly code: string;
    readonly count: number;
    readonly share: number;
  }[];
  /** By kind. A request counts for its account, its device and its network, if they are known. */
  readonly offenders: readonly Offender[];
};
export type Offender = {
  readonly name: CallerId;
  readonly refusals: number;
  /** Of all refusals: 0 to 1. */
  readonly share: number;
  readonly people: number;
  /** Of all people who were entered: 0 to 1. */
  readonly shareOfPeople: number;
};

export type BotReport = {
  readonly release: string;
  /** By Redis's clock. */
  readonly at: string;
  /** False where people came while they were counted. */
  readonly exact: boolean;
  /** People ever entered here; those who withdrew too. */
  readonly people: number;
  readonly entrants: readonly Entrants[];
  readonly refusals: Refusals;
  readonly door: Refusals & {
    readonly from: string;
    readonly until: string;
    /** False where hours are missing: too long ago, or too many. */
    readonly complete: boolean;
  };
};

const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

type Ranked = { readonly id: string; readonly people: number };
const byPeople = (a: Ranked, b: Ranked): number =>
  b.people - a.people || (a.id < b.id ? -1 : Number(a.id > b.id));

/** Counts those who entered anybody, one after another, and keeps the `top` of each kind. */
export function createEntrantCount(top: number) {
  const kinds = new Map(KINDS.map((kind) => [kind, createKindCount(top)]));
  return {
    add: (kind: CallerKind, id: string, people: number) => kinds.get(kind)?.add(id, people),
    of: (kind: CallerKind) => kinds.get(kind)?.result() ?? NOBODY,
  };
}

type KindCount = {
  readonly callers: number;
  readonly people: number;
  readonly classes: readonly number[];
  readonly ranked: readonly Ranked[];
};
const NOBODY: KindCount = { callers: 0, people: 0, classes: CLASSES.map(() => 0), ranked: [] };

function createKindCount(top: number) {
  let callers = 0;
  let all = 0;
  let ranked: Ranked[] = [];
  const classes = CLASSES.map(() => 0);
  const cut = (): void => {
    ranked = ranked.toSorted(byPeople).slice(0, top);
  };
  return {
    add: (id: string, people: number): void => {
      callers += 1;
      all += people;
      const is = CLASSES.findLastIndex(({ from }) => people >= from);
      if (is >= 0) classes[is] = (classes[is] ?? 0) + 1;
      ranked.push({ id, people });
      if (ranked.length >= 100 + 2 * top) cut();
    },
    result: (): KindCount => {
      cut();
      return { callers, people: all, classes, ranked };
    },
  };
}

export function entrantsOf(
  kind: CallerKind,
  { callers, people, classes, ranked }: KindCount,
  peopleInAll: number,
  /** Of those who are ranked, in their order. */
  refusals: readonly number[],
): Entrants {
  return {
    kind,
    callers,
    people,
    distribution: CLASSES.map((one, index) => ({
      people: one.people,
      callers: classes[index] ?? 0,
    })),
    top: ranked.map(({ id, people: entered }, index) => ({
      name: callerId(kind, id),
      people: entered,
      share: share(entered, peopleInAll),
      refusals: refusals[index] ?? 0,
    })),
  };
}

/** Sums what was refused, by name. */
export function addTo<Name>(sums: Map<Name, number>, more: Iterable<readonly [Name, number]>) {
  for (const [name, count] of more) sums.set(name, (sums.get(name) ?? 0) + count);
}

/** The `top` of each kind, the most refused first. */
export function worstOf(
  refused: ReadonlyMap<CallerId, number>,
  top: number,
): (readonly [CallerId, number])[] {
  const sorted = [...refused].toSorted(
    ([a, many], [b, more]) => more - many || (a < b ? -1 : Number(a > b)),
  );
  return KINDS.flatMap((kind) =>
    sorted.filter(([name]) => parseCallerId(name).kind === kind).slice(0, top),
  );
}

export function refusalsOf(
  byReason: ReadonlyMap<string, number>,
  worst: readonly (readonly [CallerId, number])[],
  /** Of the worst, in their order. */
  people: readonly number[],
  peopleInAll: number,
): Refusals {
  const total = [...byReason.values()].reduce((sum, count) => sum + count, 0);
  return {
    total,
    byReason: [...byReason]
      .toSorted(([a, many], [b, more]) => more - many || (a < b ? -1 : 1))
      .map(([code, count]) => ({ code, count, share: share(count, total) })),
    offenders: worst.map(([name, refusals], index) => ({
      name,
      refusals,
      share: share(refusals, total),
      people: people[index] ?? 0,
      shareOfPeople: share(people[index] ?? 0, peopleInAll),
    })),
  };
}

const HOUR_MS = 3_600_000;

/** Hours of the door that a report reads at most, and how far back they are kept. */
export const DOOR_LIMITS = { hours: 168, keptMs: 30 * 24 * HOUR_MS } as const;

/**
 * The hours since the epoch that belong to a release at the door: from an hour before it opens
 * until it closes, or now. `until` is behind the last.
 */
export function doorHours(opensAtMs: number, closesAtMs: number, nowMs: number) {
  const wished = Math.floor(opensAtMs / HOUR_MS) - 1;
  const until = Math.max(wished, Math.floor((Math.min(closesAtMs, nowMs) - 1) / HOUR_MS) + 1);
  const kept = Math.ceil((nowMs - DOOR_LIMITS.keptMs) / HOUR_MS);
  const from = Math.min(until, Math.max(wished, kept, until - DOOR_LIMITS.hours));
  return {
    hours: Array.from({ length: until - from }, (_one, index) => from + index),
    fromMs: from * HOUR_MS,
    untilMs: until * HOUR_MS,
    complete: from === wished,
  };
}
