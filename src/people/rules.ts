/** What a person is to the engine, and the limits of an account. */
import { z } from 'zod';

/** A person's keyed hash, which is also a beneficiary's id. */
export const PersonId = z
  .string()
  .regex(/^[\w-]{22}$/)
  .meta({ id: 'BeneficiaryId', example: 'q1Z8Yp0r7hQ2mJcT5wLxEg' });

export const Mobile = z
  .string()
  .regex(/^\+[1-9]\d{7,14}$/, 'a mobile number in E.164 form')
  .meta({ id: 'Mobile', example: '+919812345678' });

export const PEOPLE_LIMITS = {
  beneficiariesPerAccount: 4,
  attestationsPerRequest: 1_000,
  /** A release knows no more: the bits of an entry's mask (src/rounds/draw/pools.ts). */
  categoriesPerPerson: 32,
  /** A claim not used for this long, and over by its release's word, may be taken over. */
  claimLeaseMs: 10_000,
  /** After a claim, the entry or booking must happen within this time: well inside the lease. */
  enterWithinMs: 5_000,
  /**
   * Missed seats (offers that lapsed, bookings whose people did not come) no further apart than
   * this count together. One costs nothing; from the second on a person may not claim for a while,
   * from when it was missed.
   */
  missedWithinMs: 180 * 86_400_000,
  coolDownMs: 14 * 86_400_000,
} as const;

export const OTP_TERMS = {
  digits: 6,
  lifetimeMs: 180_000,
  /** Of one requester, for one mobile. */
  resendAfterMs: 60_000,
  /** Of one transaction; and of one requester for one mobile in `triesWindowMs`. */
  tries: 5,
  triesWindowMs: 600_000,
  /**
   * OTPs to one mobile that nobody used, in the window: asked for by one requester, and by all
   * strangers together. Strangers thus have 12 x 5 guesses an hour at most: docs/security.md.
   */
  unusedWindowMs: 3_600_000,
  mostUnused: 4,
  mostUnusedOfStrangers: 12,
  /** A requester that signed in is no stranger for so long; of so many requesters, the latest. */
  familiarMs: 30 * 24 * 3_600_000,
  mostFamiliar: 8,
} as const;

/** Missed seats as counting one takes it. */
export const MISS_TERMS = {
  windowMs: PEOPLE_LIMITS.missedWithinMs,
  coolDownMs: PEOPLE_LIMITS.coolDownMs,
} as const;

/** The photo IDs that India's portal accepted in 2021. */
export const ID_TYPES = [
  'aadhaar',
  'driving-licence',
  'pan',
  'passport',
  'pension-passbook',
  'npr-smart-card',
  'voter-id',
] as const;
export type IdType = (typeof ID_TYPES)[number];

/**
 * What a document's number looks like once normalised. Aadhaar and PAN have one form all over India,
 * the others differ by issuer.
 */
const ID_FORMS: Partial<Record<IdType, RegExp>> = {
  aadhaar: /^[2-9]\d{11}$/,
  pan: /^[A-Z]{5}\d{4}[A-Z]$/,
};
const ANY_ID_FORM = /^[A-Z0-9]{4,24}$/;

/**
 * The one spelling of a document's number: ASCII capitals and digits, whatever script, case or
 * separators it was typed with. Undefined when it is no number of this type: a second spelling
 * would be a second person (F1).
 */
export function normaliseIdNumber(idType: IdType, idNumber: string): string | undefined {
  const number = asciiDigits(idNumber.normalize('NFKC'))
    .toUpperCase()
    .replaceAll(/[\s/.-]/gu, '');
  return (ID_FORMS[idType] ?? ANY_ID_FORM).test(number) ? number : undefined;
}

const TAIL_LONGEST = 4;

/** What is shown of a document's number: its end, and never more than half of it. */
export const shownOf = (idNumber: string): string =>
  idNumber.slice(-Math.min(TAIL_LONGEST, Math.floor(idNumber.length / 2)));

/** Decimal digits of every script stand in runs of ten, zero first (Unicode, category Nd). */
const asciiDigits = (text: string): string =>
  text.replaceAll(/\p{Nd}/gu, (digit) => {
    let zero = digit.codePointAt(0) ?? 0;
    const code = zero;
    while (code - zero < 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
    return String(code - zero);
  });

/** Age that a birth year allows on a date, in years: the year is all that is registered. */
export const ageInYear = (birthYear: number, date: string): number =>
  Number(date.slice(0, 4)) - birthYear;
