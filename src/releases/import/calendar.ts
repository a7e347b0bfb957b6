/** Reads a saved calendarByDistrict reply: every session, or what is wrong with it. Pure. */
import { z } from 'zod';
import { type ManifestSession, MANIFEST_LIMITS } from '../manifest.ts';
import { type Fault, FAULTS_MOST, type Offering, type Reading } from './add.ts';
import { CalendarCapacity, CalendarCentre, CalendarSession, sessionsIn } from './calendar-reply.ts';
import type { CalendarTerms } from './terms.ts';

/** Each gives a slot or more, or is empty. */
const SESSIONS_MOST = MANIFEST_LIMITS.slots;

export function readCalendar(centers: readonly unknown[], terms: CalendarTerms): Reading<string> {
  const offerings: Offering<string>[] = [];
  const bad: Fault<string>[] = [];
  const fault = sizeFault(centers);
  if (fault !== undefined) return { offerings, bad: [{ at: 'centers', reason: fault }], empty: 0 };
  for (const read of offeringsOf(centers, terms)) {
    if ('reason' in read) bad.push(read);
    else offerings.push(read);
    if (bad.length === FAULTS_MOST) break;
  }
  const empty = centers.flatMap(sessionsIn).filter(isEmpty).length;
  return { offerings, bad, empty };
}

function sizeFault(centers: readonly unknown[]): string | undefined {
  if (centers.length === 0) return 'no centres';
  const sessions = centers.reduce((sum: number, one) => sum + sessionsIn(one).length, 0);
  return sessions > SESSIONS_MOST ? `more than ${SESSIONS_MOST} sessions` : undefined;
}

type Path = readonly (string | number)[];

const faultsOf = (path: Path, error: z.ZodError): Fault<string>[] =>
  error.issues.map(({ path: within, message }) => ({
    at: z.core.toDotPath([...path, ...within]),
    reason: message,
  }));

function* offeringsOf(
  centers: readonly unknown[],
  terms: CalendarTerms,
): Generator<Offering<string> | Fault<string>, void> {
  for (const [index, raw] of centers.entries()) {
    const path = ['centers', index];
    const center = CalendarCentre.safeParse(raw);
    if (!center.success) yield* faultsOf(path, center.error);
    for (const [at, rawSession] of sessionsIn(raw).entries()) {
      const sessionPath = [...path, 'sessions', at];
      if (isEmpty(rawSession)) continue;
      const session = CalendarSession.safeParse(rawSession);
      if (!session.success) yield* faultsOf(sessionPath, session.error);
      else if (center.success)
        yield* dosesOf(z.core.toDotPath(sessionPath), center.data, session.data, terms);
    }
  }
}

/** Without capacity a session is left out, whatever else it says. */
function isEmpty(raw: unknown): boolean {
  const capacity = CalendarCapacity.safeParse(raw);
  return capacity.success && capacity.data.every((seats) => seats === 0);
}

/** Two sessions of ours, a dose each, of which one may be empty; both keep the public id. */
function* dosesOf(
  at: string,
  center: CalendarCentre,
  { sessionId, date, vaccine, minAge, maxAge, bands, capacity }: CalendarSession,
  { stateId, districtId }: CalendarTerms,
): Generator<Offering<string>, void> {
  const { centre, name, fees, directory } = center;
  const fee = fees.get(vaccine.toUpperCase());
  for (const [index, seats] of capacity.entries()) {
    const dose = index + 1;
    const id = `${sessionId}-d${dose}`;
    const session: ManifestSession = {
      session: id,
      centre,
      date,
      service: vaccine,
      dose,
      min_age: minAge,
      max_age: maxAge,
      ...(fee !== undefined && { fee }),
    };
    yield {
      at,
      centre: {
        centre,
        name,
        directory: { state_id: stateId, district_id: districtId, ...directory },
      },
      session,
      identity: id,
      seats,
      bands,
    };
  }
}
