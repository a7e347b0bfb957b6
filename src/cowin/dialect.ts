/**
 * How the CoWIN surface refuses. Its clients act on a status and an errorCode of a short list; what
 * happened in our words is beside them in `fairslot`.
 */
import { type ErrorCode, ERRORS } from '../errors.ts';
import { ANY_ORIGIN } from '../http/cors.ts';
import type { Answer, Dialect } from '../http/route.ts';
import type { Refusal } from '../refusal.ts';

/** As clients know them; the texts are ours where they say more than the code. */
const FAULTS = {
  USRRES0001: { status: 400, error: 'Input parameter missing or invalid' },
  USRAUT0014: { status: 400, error: 'Invalid OTP' },
  USRAUT0018: { status: 400, error: 'OTP was sent already, or too often: please wait' },
  APPOIN0001: { status: 400, error: 'No such beneficiary in this account' },
  APPOIN0015: { status: 400, error: 'Invalid session or slot' },
  APPOIN0018: { status: 400, error: 'Invalid pincode' },
  APPOIN0022: { status: 400, error: 'This beneficiary has a booking already' },
  APPOIN0040: {
    status: 409,
    error: 'This vaccination center is completely booked for the selected date',
  },
  APPOIN0044: { status: 400, error: 'Please enter valid security code' },
} as const;
export type FaultCode = keyof typeof FAULTS;

/** Our refusals that the surface has a code for; the others keep their status. */
const BY_REFUSAL: Partial<Record<ErrorCode, FaultCode>> = {
  REQUEST_INVALID: 'USRRES0001',
  BODY_NOT_JSON: 'USRRES0001',
  BODY_TOO_LARGE: 'USRRES0001',
  BODY_TYPE_UNSUPPORTED: 'USRRES0001',
  IDEMPOTENCY_KEY_INVALID: 'USRRES0001',
  IDEMPOTENCY_KEY_REUSED: 'USRRES0001',
  DEVICE_TOKEN_INVALID: 'USRRES0001',
  DEVICE_TOKEN_MISSING: 'USRRES0001',
  ID_NUMBER_INVALID: 'USRRES0001',
  OTP_WRONG: 'USRAUT0014',
  OTP_UNKNOWN: 'USRAUT0014',
  OTP_TRIES_SPENT: 'USRAUT0018',
  OTP_TOO_SOON: 'USRAUT0018',
  OTP_TOO_MANY: 'USRAUT0018',
  PINCODE_INVALID: 'APPOIN0018',
  BENEFICIARY_UNKNOWN: 'APPOIN0001',
  BENEFICIARY_DUPLICATE: 'USRRES0001',
  SESSION_UNKNOWN: 'APPOIN0015',
  SLOT_UNKNOWN: 'APPOIN0015',
  HAS_BOOKING: 'APPOIN0022',
  CAPTCHA_WRONG: 'APPOIN0044',
  // Whoever hears that all is booked waits; anything else is asked again at once.
  SLOT_FULL: 'APPOIN0040',
  CLAIMED_ELSEWHERE: 'APPOIN0040',
  IN_ANOTHER_ENTRY: 'APPOIN0040',
  OFFER_TOO_LATE: 'APPOIN0040',
  BOOKING_DISPLACED: 'APPOIN0040',
  SLOT_OVER: 'APPOIN0040',
  SLOTS_CLOSED: 'APPOIN0040',
  RELEASE_NOT_OPEN: 'APPOIN0040',
  RELEASE_ENDED: 'APPOIN0040',
  ENTERED_IN_LOTTERY: 'APPOIN0040',
  ENTRY_SEALED: 'APPOIN0040',
  ENTRY_LAPSED: 'APPOIN0040',
  TOO_MANY_ENTRIES: 'APPOIN0040',
  TOO_MANY_FROM_DEVICE: 'APPOIN0040',
  GROUP_TOO_LARGE: 'APPOIN0040',
  NOT_ELIGIBLE: 'APPOIN0040',
  DOSE_NOT_DUE: 'APPOIN0040',
  COOLING_DOWN: 'APPOIN0040',
  ID_TYPE_NOT_ACCEPTED: 'APPOIN0040',
  NOT_MOVABLE: 'APPOIN0040',
};

const UNAUTHENTICATED = 'Unauthenticated access!';
const TOO_MANY = { error: 'Too Many Requests' };
const TOO_MANY_STATUS = 429;
/** What is over in a moment. */
const FOR_NOW: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ENTRY_CHANGED',
  'IDEMPOTENCY_IN_FLIGHT',
  'ROUND_DRAWING',
]);

/** A claim that ends within seconds is no booking. */
const faultOf = (code: ErrorCode, retryAfterS: number | undefined): FaultCode | undefined =>
  code === 'CLAIMED_ELSEWHERE' && retryAfterS !== undefined ? undefined : BY_REFUSAL[code];

function refusal({ refused: code, detail, extra, retryAfterS }: Refusal): Answer {
  const { status, title } = ERRORS[code];
  const retry = retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) };
  if (status === 401)
    return {
      status,
      headers: { 'content-type': 'text/plain; charset=utf-8', 'www-authenticate': 'Bearer' },
      body: UNAUTHENTICATED,
    };
  const known = faultOf(code, retryAfterS);
  // A client of this surface asks again at once where it hears 5xx, and waits where it hears 429.
  const isForNow = FOR_NOW.has(code) || retryAfterS !== undefined || status === 503;
  if (!known && (isForNow || status === TOO_MANY_STATUS))
    return { status: TOO_MANY_STATUS, headers: retry, body: { ...TOO_MANY, fairslot: { code } } };
  const fault = known ? FAULTS[known] : { status, error: title };
  return {
    status: fault.status,
    headers: retry,
    body: {
      ...(known && { errorCode: known }),
      error: detail ?? fault.error,
      fairslot: { code, ...extra },
    },
  };
}

export const COWIN: Dialect = {
  root: '/api',
  title: 'fairslot: the CoWIN v2 surface',
  refusal,
  momentary: ['CLAIMED_ELSEWHERE', 'BENEFICIARY_HAS_CLAIM'],
  cors: ANY_ORIGIN,
};
