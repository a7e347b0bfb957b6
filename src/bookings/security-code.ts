/**
 * The four digits that prove an arrival. They are on the slip, in the SMS and in the account's list
 * of bookings, and a centre learns them from whoever comes: without them nobody can be said to have
 * been there.
 */
import type { Secrets } from '../lib/secrets.ts';

const CODES = 10_000;
const DIGITS = 4;

/** Derived, so that nothing has to keep it: the same for a booking whenever it is asked for. */
export const securityCodeOf = (secrets: Secrets, bookingId: string): string =>
  String(secrets.mac('security-code', bookingId).readUInt32BE(0) % CODES).padStart(DIGITS, '0');
