/** Adds what was read, from whatever file, to the places of a draft: all of it or none. Pure. */
import {
  type Manifest,
  type ManifestCentre,
  type ManifestSession,
  type ManifestSlot,
  MANIFEST_LIMITS,
  OPEN_POOL,
} from '../manifest.ts';
import { vaccineOf } from '../../people/vaccines.ts';
import type { Band } from './terms.ts';

export type Places = Pick<Manifest, 'centres' | 'sessions' | 'slots'>;

/** Seats of one session at one centre, and where in the file it stands: a line, or a JSON path. */
export type Offering<At> = {
  readonly at: At;
  readonly centre: ManifestCentre;
  readonly session: ManifestSession;
  /** What tells sessions of the file apart: two of the same are a mistake, whatever their ids. */
  readonly identity: string;
  /** None: closed that day. Such a session is checked, and left out. */
  readonly seats: number;
  readonly bands: readonly Band[];
};
/** With more than these it is a file of another kind, and reading ends. */
export const FAULTS_MOST = 1_000;

export type Fault<At> = { readonly at: At; readonly reason: string };
export type Reading<At> = {
  readonly offerings: readonly Offering<At>[];
  readonly bad: readonly Fault<At>[];
  /** Rows, or sessions of a reply, without any seats: those are left out. */
  readonly empty: number;
};

/**
 * `start` is where faults of the file as a whole are; `nameOf` says `line 3`, say. What is wrong
 * with the rest is told along with what was bad in reading.
 */
export function addOfferings<At>(
  places: Places,
  { offerings, bad: unreadable }: Pick<Reading<At>, 'offerings' | 'bad'>,
  start: At,
  nameOf: (at: At) => string,
): Places | readonly Fault<At>[] {
  const centres = new Map(places.centres.map((centre) => [centre.centre, centre]));
  const sessions = new Map(places.sessions.map((session) => [session.session, session]));
  const slots = new Map(places.slots.map((slot) => [slot.slot, slot]));
  const agree = createAgreement();
  for (const centre of places.centres) agree(centre, 'an earlier import');
  const repeated = createRepetition(nameOf);
  const bad = [...unreadable];
  for (const offering of offerings) {
    if (bad.length >= FAULTS_MOST) break;
    const { at, centre, session, seats } = offering;
    const id = session.session;
    const before = seats > 0 && sessions.has(id);
    const reason =
      repeated(offering) ??
      agree(centre, nameOf(at)) ??
      (before ? `session ${id} was imported before` : undefined) ??
      doseFault(offering);
    if (reason !== undefined) bad.push({ at, reason });
    if (reason !== undefined || seats === 0) continue;
    centres.set(centre.centre, { ...centres.get(centre.centre), ...centre });
    sessions.set(id, session);
    for (const slot of slotsOf(offering)) slots.set(slot.slot, slot);
    // No more is built than a release may hold, however long the file is.
    if (slots.size > MANIFEST_LIMITS.slots || centres.size > MANIFEST_LIMITS.centres)
      return bad.length > 0 ? bad : [{ at: start, reason: TOO_MANY }];
  }
  if (bad.length > 0) return bad;
  return {
    centres: [...centres.values()],
    sessions: [...sessions.values()],
    slots: [...slots.values()],
  };
}

const TOO_MANY = `a release holds at most ${MANIFEST_LIMITS.slots} slots and ${MANIFEST_LIMITS.centres} centres`;

/** Nobody could ever be given a dose that their vaccine does not have. */
function doseFault<At>({ session, seats }: Offering<At>): string | undefined {
  const vaccine = vaccineOf(session.service);
  return vaccine && seats > 0 && session.dose > vaccine.doses
    ? `${vaccine.name} has no dose ${session.dose}`
    : undefined;
}

/** Says where a session stands already in the same file. */
function createRepetition<At>(nameOf: (at: At) => string) {
  const seen = new Map<string, At>();
  return ({ at, session: { session }, identity }: Offering<At>): string | undefined => {
    const earlier = seen.get(session) ?? seen.get(identity);
    if (earlier !== undefined) return `session ${session} repeats ${nameOf(earlier)}`;
    seen.set(session, at).set(identity, at);
    return undefined;
  };
}

type Facts = Readonly<Record<string, string | number>>;

/** A centre is one wherever it is named, and so are its district and its state. */
function createAgreement() {
  const known = new Map<string, Map<string, { value: string | number; source: string }>>();
  const differing = (subject: string, facts: Facts, source: string): string | undefined => {
    const before = known.get(subject) ?? new Map();
    known.set(subject, before);
    for (const [name, value] of Object.entries(facts)) {
      const fact = before.get(name);
      if (fact && fact.value !== value) return `${name} of ${subject} differs from ${fact.source}`;
      if (!fact) before.set(name, { value, source });
    }
    return undefined;
  };
  return ({ centre, name, directory }: ManifestCentre, source: string): string | undefined => {
    const own = differing(`centre ${centre}`, { name, ...directory }, source);
    if (own !== undefined || !directory) return own;
    const { state_id, state_name, district_id, district_name } = directory;
    return (
      differing(`state ${state_id}`, { state_name }, source) ??
      differing(`district ${district_id}`, { district_name, state_id }, source)
    );
  };
}

/** `9:00` on 2021-04-11 at centre 6291 for dose 1 becomes slot `6291-20210411-d1-0900`. */
function slotsOf<At>({ session: { session }, seats, bands }: Offering<At>): ManifestSlot[] {
  const share = Math.floor(seats / bands.length);
  return bands
    .toSorted((one, other) => (one.from < other.from ? -1 : 1))
    .map(({ from, to }, band) => ({
      slot: `${session}-${from.replace(':', '')}`,
      session,
      from,
      to,
      pools: [{ pool: OPEN_POOL, seats: share + (band < seats % bands.length ? 1 : 0) }],
    }))
    .filter(({ pools }) => pools.some((pool) => pool.seats > 0));
}
