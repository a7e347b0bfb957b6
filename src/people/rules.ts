/** What a person is to the engine, and the limits of an account. */

export const PEOPLE_LIMITS = {
  beneficiariesPerAccount: 4,
  /** A claim not used for this long, and over by its release's word, may be taken over. */
  claimLeaseMs: 10_000,
  /** After a claim, the entry or booking must happen within this time: well inside the lease. */
  enterWithinMs: 5_000,
} as const;

export const OTP_TERMS = {
  digits: 6,
  lifetimeMs: 180_000,
  resendAfterMs: 60_000,
  tries: 5,
  /** How long wrong OTPs are remembered. */
  triesWindowMs: 600_000,
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

/** One spelling for one document: upper case, no spaces or hyphens. */
export const normaliseIdNumber = (idNumber: string): string =>
  idNumber.normalize('NFKC').toUpperCase().replaceAll(/[\s-]/g, '');

/** Age that a birth year allows on a date, in years: the year is all that is registered. */
export const ageInYear = (birthYear: number, date: string): number =>
  Number(date.slice(0, 4)) - birthYear;
