/**
 * Every refusal the engine can give. A code is never reused for something else. `status` is the
 * HTTP status, `title` what went wrong in general, `remedy` what the client should do.
 * docs/errors.md is made from this: `npx vitest run test/http/errors -u`.
 */
type Entry = { readonly status: number; readonly title: string; readonly remedy: string };

export const ERRORS = {
  // the request itself
  REQUEST_INVALID: {
    status: 400,
    title: 'The request does not match what this route accepts.',
    remedy: 'Correct the fields listed under `problems`.',
  },
  BODY_NOT_JSON: {
    status: 400,
    title: 'The body is not valid JSON.',
    remedy: 'Send one JSON document in UTF-8.',
  },
  BODY_TOO_LARGE: {
    status: 413,
    title: 'The body is larger than this route accepts.',
    remedy: 'Send less; `limitBytes` says how much is accepted.',
  },
  BODY_TYPE_UNSUPPORTED: {
    status: 415,
    title: 'The body has a media type that this route does not accept.',
    remedy: 'Send the media type named in the OpenAPI document, uncompressed.',
  },
  REQUEST_MALFORMED: {
    status: 400,
    title: 'This is not HTTP as RFC 9112 has it.',
    remedy: 'Use an HTTP client; send one Content-Length or chunks, never both.',
  },
  REQUEST_TOO_SLOW: {
    status: 408,
    title: 'The request did not arrive in time.',
    remedy: 'Send it again, on a connection of its own.',
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    title: 'Address and headers are larger than is accepted.',
    remedy: 'Send fewer and shorter headers.',
  },
  ROUTE_UNKNOWN: {
    status: 404,
    title: 'There is nothing at this address.',
    remedy: 'See /openapi.json for the routes.',
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    title: 'This address does not take this method.',
    remedy: 'Use a method of the Allow header.',
  },
  IDEMPOTENCY_KEY_INVALID: {
    status: 400,
    title: 'The Idempotency-Key is not 1 to 64 printable characters.',
    remedy: 'Send a UUID.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    title: 'This Idempotency-Key was used for a different request.',
    remedy: 'Use a new key for a new request.',
  },
  IDEMPOTENCY_IN_FLIGHT: {
    status: 409,
    title: 'A request with this Idempotency-Key is still being worked on.',
    remedy: 'Wait for Retry-After and ask again with the same key.',
  },
  INTERNAL: {
    status: 500,
    title: 'Something went wrong on our side.',
    remedy: 'Try again later with the same Idempotency-Key; tell us the requestId.',
  },
  UNAVAILABLE: {
    status: 503,
    title: 'The engine cannot reach its store just now.',
    remedy: 'Try again after Retry-After with the same Idempotency-Key.',
  },
  SHUTTING_DOWN: {
    status: 503,
    title: 'This process is about to leave.',
    remedy: 'Try again at once; another process answers.',
  },

  // gates
  TOO_MANY_REQUESTS: {
    status: 429,
    title: 'Too many requests.',
    remedy: 'Wait for Retry-After. Asking more often does not improve any chance.',
  },
  ACCESS_TOKEN_MISSING: {
    status: 401,
    title: 'This needs an access token.',
    remedy: 'Sign in and send it as `Authorization: Bearer …`.',
  },
  ACCESS_TOKEN_INVALID: {
    status: 401,
    title: 'The access token is not one of ours or is damaged.',
    remedy: 'Sign in again.',
  },
  ACCESS_TOKEN_EXPIRED: {
    status: 401,
    title: 'The access token has expired.',
    remedy: 'Sign in again.',
  },
  ACCESS_TOKEN_REVOKED: {
    status: 401,
    title: 'This account has signed out everywhere since this access token was issued.',
    remedy: 'Sign in again.',
  },
  ACCESS_TOKEN_OTHER_DEVICE: {
    status: 401,
    title: 'The access token was issued to another device.',
    remedy: 'Sign in on this device.',
  },
  DEVICE_TOKEN_MISSING: {
    status: 403,
    title: 'This needs a device token.',
    remedy:
      'Get one from POST /v1/devices, once, and send it as `Device-Token`; with an access token, that of the device it was issued to.',
  },
  DEVICE_TOKEN_INVALID: {
    status: 403,
    title: 'The device token is not one of ours, is damaged or has expired.',
    remedy: 'Get another from POST /v1/devices.',
  },
  CAPTCHA_MISSING: {
    status: 403,
    title: 'This needs a solved captcha.',
    remedy: 'Solve what GET /v1/captcha gives, and send it as `Captcha-Solution`.',
  },
  CAPTCHA_INVALID: {
    status: 403,
    title: 'The captcha ticket is not one of ours, or is damaged.',
    remedy: 'Ask GET /v1/captcha for another, and send it with its solution.',
  },
  CAPTCHA_EXPIRED: {
    status: 403,
    title: 'The captcha was solved too late.',
    remedy: 'Ask GET /v1/captcha for another.',
  },
  CAPTCHA_MISMATCH: {
    status: 403,
    title: 'The captcha is for another purpose, release, account or device.',
    remedy: 'Ask GET /v1/captcha for one with the same headers and for this purpose.',
  },
  CAPTCHA_SPENT: {
    status: 403,
    title: 'The captcha was used before.',
    remedy: 'Ask GET /v1/captcha for another; each works once.',
  },
  CAPTCHA_WRONG: {
    status: 403,
    title: 'The captcha is not solved.',
    remedy: 'Ask GET /v1/captcha for another; each may be tried once.',
  },
  CAPTCHA_UNAVAILABLE: {
    status: 503,
    title: 'The captcha cannot be checked just now.',
    remedy: 'Ask GET /v1/captcha for another, which may be of another kind.',
  },
  OPERATOR_KEY_INVALID: {
    status: 401,
    title: 'This needs a valid operator key.',
    remedy: 'Send it as `Authorization: Bearer …`.',
  },
  SCOPE_MISSING: {
    status: 403,
    title: 'This operator key lacks the scope that this needs.',
    remedy: 'Use a key with the `scope` named.',
  },

  // the CoWIN surface
  PINCODE_INVALID: {
    status: 400,
    title: 'This is no pincode.',
    remedy: 'Send six digits, of which the first is not 0.',
  },

  // sign-in
  OTP_TOO_SOON: {
    status: 429,
    title: 'An OTP was sent a moment ago.',
    remedy: 'Wait for Retry-After before asking for another.',
  },
  SMS_OUTBOX_FULL: {
    status: 503,
    title: 'More SMS wait to be sent than there is room for; no OTP was sent.',
    remedy: 'Ask again after Retry-After.',
  },
  OTP_TOO_MANY: {
    status: 429,
    title: 'Several OTPs were sent to this mobile and not used.',
    remedy: 'Use the OTP of the last SMS, or wait for Retry-After.',
  },
  SMS_BUDGET_SPENT: {
    status: 503,
    title: 'More OTPs are asked for than may be sent just now.',
    remedy: 'Wait for Retry-After before asking again.',
  },
  OTP_WRONG: {
    status: 400,
    title: 'The OTP is wrong.',
    remedy: 'Check the SMS; `triesLeft` tries remain.',
  },
  OTP_UNKNOWN: {
    status: 400,
    title: 'There is no such OTP transaction, or it was used or has expired.',
    remedy: 'Ask for a new OTP.',
  },
  OTP_TRIES_SPENT: {
    status: 429,
    title: 'Too many wrong OTPs for this mobile from where you are.',
    remedy: 'Wait for Retry-After, then ask for a new OTP.',
  },

  TOO_MANY_ACCOUNTS: {
    status: 409,
    title: 'This device has signed in as many accounts as are allowed.',
    remedy: 'Sign in on another device.',
  },

  // people
  TOO_MANY_BENEFICIARIES: {
    status: 409,
    title: 'This account has as many beneficiaries as are allowed.',
    remedy: 'Delete one first.',
  },
  ID_NUMBER_INVALID: {
    status: 422,
    title: 'This is no number of such a document.',
    remedy: 'Type the number as it stands on the document; spaces and hyphens do not matter.',
  },
  ID_REGISTERED: {
    status: 409,
    title: 'This ID is registered already.',
    remedy: 'Use the account that it is registered under.',
  },
  BENEFICIARY_UNKNOWN: {
    status: 404,
    title: 'This account has no such beneficiary.',
    remedy: 'List the beneficiaries of the account.',
  },
  BENEFICIARY_HAS_CLAIM: {
    status: 409,
    title: 'This beneficiary has an entry or a booking, or is being added.',
    remedy: 'Withdraw or cancel it first; where there is a Retry-After, ask again then.',
  },

  ACCOUNT_HAS_CLAIMS: {
    status: 409,
    title:
      'People of this account have an entry or a booking, or are being added; the account was not erased.',
    remedy:
      'Withdraw or cancel what `held` names first, then ask again; where there is a Retry-After, then.',
  },

  // releases
  RELEASE_UNKNOWN: {
    status: 404,
    title: 'There is no such release.',
    remedy: 'List the releases.',
  },
  RELEASE_EXISTS: {
    status: 409,
    title: 'There is a release with this id already.',
    remedy: 'Choose another id.',
  },
  RELEASE_PUBLISHED: {
    status: 409,
    title: 'This release is published; a published manifest never changes.',
    remedy: 'Create another release.',
  },
  RELEASE_DRAFT: {
    status: 409,
    title: 'This release is a draft: nobody can have entered it, or been refused.',
    remedy: 'Publish it first.',
  },
  RELEASE_EMPTY: {
    status: 409,
    title: 'This release has no seats yet.',
    remedy: 'Import places before publishing.',
  },
  RELEASE_TOO_LATE: {
    status: 409,
    title: 'The times of this release are already past.',
    remedy: 'Create a release whose window ends in the future.',
  },
  RELEASE_DATES: {
    status: 409,
    title: 'The last session of this release is over before the release ends.',
    remedy: 'Import sessions of later days, or create a release that ends earlier.',
  },
  RELEASE_TOO_LARGE: {
    status: 409,
    title: 'The manifest of this release would be longer than a verifier has to read.',
    remedy: 'Import fewer slots, or shorter names: the manifest has at most 16 MiB as JSON.',
  },
  IMPORT_INVALID: {
    status: 422,
    title: 'The file has places that cannot be imported; nothing was imported.',
    remedy: 'Correct the rows listed under `rows`, of JSON what is listed under `problems`.',
  },
  RELEASE_NOT_OPEN: {
    status: 409,
    title: 'This release has not opened yet.',
    remedy: 'Wait until `opensAt`; being early brings nothing.',
  },
  RELEASE_ENDED: {
    status: 409,
    title: 'This release has ended.',
    remedy: 'Look for another release.',
  },
  NOT_A_LOTTERY: {
    status: 409,
    title: 'This release books at once; it has no entries and no rounds.',
    remedy: 'Use POST /v1/bookings; its slots cannot be closed.',
  },
  NOT_IMMEDIATE: {
    status: 409,
    title: 'This release gives seats by lottery.',
    remedy: 'Use PUT /v1/releases/{release}/entry.',
  },

  // changes by operators
  CENTRE_UNKNOWN: {
    status: 422,
    title: 'This release has no such centre.',
    remedy: 'Choose from the slots of the release.',
  },
  SESSION_UNKNOWN: {
    status: 422,
    title: 'This release has no such session.',
    remedy: 'Choose from the slots of the release.',
  },
  POOL_UNKNOWN: {
    status: 422,
    title: 'This slot has no such pool.',
    remedy: 'Choose from the pools of the slot in the manifest.',
  },
  POOL_TOO_SMALL: {
    status: 409,
    title: 'This pool has fewer seats than it is to lose; it lost none.',
    remedy: 'Take at most `seats`, or close the slot.',
  },
  SLOT_CLOSED: {
    status: 409,
    title: 'This slot is closed; it has no seats to lose.',
    remedy: 'Nothing; see the changes of the release.',
  },
  CHANGE_ID_REUSED: {
    status: 422,
    title: 'This id was used for a different change.',
    remedy: 'Use a new id for a new change.',
  },

  // entries
  SLOT_UNKNOWN: {
    status: 422,
    title: 'This release has no such slot.',
    remedy: 'Choose from the slots of the release.',
  },
  SLOT_OVER: {
    status: 409,
    title: 'A chosen slot has begun, or is past.',
    remedy: 'Leave `slot` out, and choose slots that are still to come.',
  },
  SLOTS_CLOSED: {
    status: 409,
    title: 'Every chosen slot was closed by an operator.',
    remedy: 'See the changes of the release, and name a slot that is not closed.',
  },
  SLOT_DUPLICATE: {
    status: 422,
    title: 'A slot is named twice in the preferences.',
    remedy: 'Name each slot once, best first.',
  },
  TOO_MANY_PREFERENCES: {
    status: 422,
    title: 'More preferences than this release allows.',
    remedy: 'Name at most `limit` slots.',
  },
  NO_SERIES: {
    status: 422,
    title: 'This release belongs to no series, so that nothing can be carried over from it.',
    remedy: 'Leave `carryOverUntil` out.',
  },
  CARRY_OVER_DATE: {
    status: 422,
    title: 'An entry cannot be carried over until then.',
    remedy: 'Choose a time later than `after`, the end of this release, and not after `latest`.',
  },
  GROUP_TOO_LARGE: {
    status: 422,
    title: 'More people in one entry than this release allows.',
    remedy: 'Enter at most `limit` people together.',
  },
  BENEFICIARY_DUPLICATE: {
    status: 422,
    title: 'A beneficiary is named twice in one entry.',
    remedy: 'Name each `beneficiary` once.',
  },
  NOT_ELIGIBLE: {
    status: 422,
    title: 'A chosen slot is not for this person.',
    remedy: 'Choose slots whose age band fits; in a group, that of every `beneficiary`.',
  },
  ID_TYPE_NOT_ACCEPTED: {
    status: 422,
    title: 'This release does not accept the ID type that this beneficiary is registered with.',
    remedy: 'See `accepted`.',
  },
  DOSE_NOT_DUE: {
    status: 422,
    title: 'A chosen slot gives a dose that this person has, or may not have yet.',
    remedy: 'Choose a slot from `dueFrom` on; where that is null, one of another dose or vaccine.',
  },
  COOLING_DOWN: {
    status: 409,
    title: 'This person let several seats go to waste, and may not enter or book for a while.',
    remedy:
      'Wait until `until`; confirm or cancel offers in time, and cancel what you cannot keep.',
  },
  CLAIMED_ELSEWHERE: {
    status: 409,
    title: 'This person has an entry or a booking in another release.',
    remedy: 'Withdraw or cancel it first.',
  },
  IN_ANOTHER_ENTRY: {
    status: 409,
    title: 'This person is in another entry of this release.',
    remedy:
      'Withdraw that entry, or edit it: the first of its people stays the first. `beneficiary` says who.',
  },
  TOO_MANY_ENTRIES: {
    status: 409,
    title: 'This account has entered as many people in this release as it may.',
    remedy: 'Nothing; the limit is in the manifest.',
  },
  TOO_MANY_FROM_DEVICE: {
    status: 409,
    title: 'As many people have entered this release from this device as may.',
    remedy: 'Enter from another device; the limit is in the manifest.',
  },
  ENTRY_SEALED: {
    status: 409,
    title: 'This entry is sealed in a round and can no longer be changed.',
    remedy: 'Wait for the result; or withdraw after it and enter anew, behind those who wait.',
  },
  ENTRY_CHANGED: {
    status: 409,
    title: 'Other requests of this account keep changing this entry.',
    remedy: 'Ask again after Retry-After, one request at a time.',
  },
  ENTERED_IN_LOTTERY: {
    status: 409,
    title:
      'Seats of this release are given by lottery: the wish is entered, and nothing is booked.',
    remedy: 'Wait for `resultAt`; asking again changes nothing.',
  },
  ENTRY_LAPSED: {
    status: 409,
    title: 'This person let an offer of this release lapse.',
    remedy: 'Enter another release.',
  },
  ENTRY_UNKNOWN: {
    status: 404,
    title: 'This account has no such entry in this release.',
    remedy: 'List the entries of the account.',
  },
  ROUND_DRAWING: {
    status: 409,
    title: 'A round is being drawn that this is part of.',
    remedy: 'Try again after Retry-After, when the result is out.',
  },
  PROOF_UNKNOWN: {
    status: 404,
    title: 'No sealed round has such an entry.',
    remedy: 'Wait until the round is sealed; an entry that was edited or withdrawn is in none.',
  },
  RESULT_FILE_UNKNOWN: {
    status: 404,
    title: 'This round has no such result file.',
    remedy: "See `results` in the round's document; without it, read the transcript.",
  },
  ROUND_UNKNOWN: {
    status: 404,
    title: 'This round has not been published.',
    remedy: 'See the list of rounds.',
  },

  // bookings
  HAS_BOOKING: {
    status: 409,
    title: 'This person has an offer or a booking in this release.',
    remedy: 'Confirm or cancel it.',
  },
  SLOT_FULL: { status: 409, title: 'This slot has no free seat.', remedy: 'Choose another slot.' },
  NOT_CANCELLABLE: {
    status: 409,
    title: 'This appointment cannot be given back for these people alone.',
    remedy: 'Name all whom it is for: who was given a seat together gives it back together.',
  },
  NOT_MOVABLE: {
    status: 409,
    title: 'This booking cannot be moved to that slot.',
    remedy: 'Cancel it and ask anew: a seat of a lottery, or of another release, is not exchanged.',
  },
  BOOKING_UNKNOWN: {
    status: 404,
    title: 'This account has no such booking.',
    remedy: 'List the bookings of the account.',
  },
  OFFER_TOO_LATE: {
    status: 409,
    title: 'The offer was not confirmed in time and has gone to the next round.',
    remedy: 'Nothing; `confirmBy` was the deadline.',
  },
  BOOKING_DISPLACED: {
    status: 409,
    title: 'An operator had to take this seat away: its slot was closed, or lost seats.',
    remedy: 'See the entry: it has another offer, or stands first in the next round.',
  },
  BOOKING_OVER: {
    status: 409,
    title: 'This booking was cancelled, has lapsed, was kept, or its slot has begun.',
    remedy: 'List the bookings of the account.',
  },
  SLIP_NOT_BOOKED: {
    status: 409,
    title: 'Only a confirmed booking has an appointment slip.',
    remedy: 'Confirm the offer first; `state` is what the booking is in.',
  },

  // on the day
  ARRIVAL_CODE_WRONG: {
    status: 400,
    title: 'There is no such booking with this security code.',
    remedy:
      'Ask for the code again; `triesLeft` tries remain for this booking. It may also be of a centre that your key is not for.',
  },
  ARRIVAL_TRIES_SPENT: {
    status: 429,
    title: 'Too many wrong security codes for this booking, or from this operator key today.',
    remedy: 'Wait for Retry-After; without it no further code is taken for this booking.',
  },
  ARRIVAL_NOT_TODAY: {
    status: 409,
    title: 'The session of this booking is on another day.',
    remedy: 'Come on `date`.',
  },
  ARRIVAL_NOT_BOOKED: {
    status: 409,
    title: 'This is no booking any more, or an offer that was not confirmed.',
    remedy: 'Ask the person to look at their list of bookings.',
  },
  ARRIVAL_MISSING: {
    status: 409,
    title: 'Nobody has arrived on such a booking.',
    remedy:
      'Record the arrival first, with its security code; the booking may also be of a centre that your key is not for.',
  },
  DOSE_MISMATCH: {
    status: 422,
    title: 'This person is not of the booking, or the vaccine is not that of its session.',
    remedy: 'Use what the arrival answered: its `people`, and their `vaccine`.',
  },
  DOSE_RECORDED: {
    status: 409,
    title: 'This dose is recorded with another batch.',
    remedy: 'Nothing; what was recorded first stands.',
  },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof ERRORS;
