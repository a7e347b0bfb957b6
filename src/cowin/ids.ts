/**
 * The ids of the CoWIN surface, all derived: nothing has to keep them, and every process gives the
 * same.
 */
import { v5 as uuidOf, validate as isUuid } from 'uuid';
import type { Secrets } from '../lib/secrets.ts';
import type { Manifest } from '../releases/manifest.ts';

type Session = Manifest['sessions'][number];

/** Namespaces of version 5 UUIDs (RFC 9562), made for this. */
const SESSIONS = '5d0cdb5c-39c6-4a3b-9a5e-5c2a64f3f7d1';
const APPOINTMENTS = 'b2a7a8c1-6b0f-4f0e-8f57-0d8a0c9f2e44';
const REFERENCES = 9n * 10n ** 13n;
const FIRST_REFERENCE = 10n ** 13n;

/**
 * What the surface calls one session: those of ours that differ in nothing but the dose. A session
 * that was imported from a saved reply is named by its UUID and the dose, and keeps it.
 */
export function sessionIdOf(release: string, session: Session): string {
  const imported = session.session.replace(/-d\d$/, '');
  if (isUuid(imported)) return imported;
  const { centre, date, service, min_age: minAge, max_age: maxAge } = session;
  return uuidOf([release, centre, date, service, minAge, maxAge ?? ''].join('|'), SESSIONS);
}

/** Both an appointment's id and its confirmation number. */
export const appointmentIdOf = (bookingId: string): string => uuidOf(bookingId, APPOINTMENTS);

/**
 * Fourteen digits that stand for a person. Only ever looked up among the few of one account, so
 * that two of a billion people may share one.
 */
export function referenceOf(secrets: Secrets, person: string): string {
  const hash = secrets.mac('beneficiary-reference', person).readBigUInt64BE(0);
  return String(FIRST_REFERENCE + (hash % REFERENCES));
}
