import { z } from 'zod';
import { isoFromMs } from '../lib/clock.ts';
import type { AccessTokens } from '../gates/access-tokens.ts';
import { originOf } from '../gates/origin.ts';
import type { Secrets } from '../lib/secrets.ts';
import { isRefusal, type Refusal } from '../refusal.ts';
import { route, type Route } from '../http/route.ts';
import type { InboxMessage } from '../notify/drivers.ts';
import { LANGUAGES } from '../notify/messages.ts';
import { Category } from '../releases/manifest.ts';
import type { Erasure } from './erasure.ts';
import { ID_TYPES, Mobile, OTP_TERMS, PEOPLE_LIMITS, PersonId } from './rules.ts';
import type { PeopleService } from './service.ts';
import { accountOf, otpHashOf } from './sign-in.ts';
import { VACCINATION_STATUSES, VACCINE_NAMES } from './vaccines.ts';

const Otp = z.string().regex(/^\d{6}$/, 'six digits');

const IdNumber = z.string().trim().min(4).max(40);

const NewBeneficiary = z.strictObject({
  name: z.string().trim().min(1).max(100),
  birthYear: z.int().min(1900).max(2100),
  gender: z.enum(['female', 'male', 'other']),
  idType: z.enum(ID_TYPES),
  idNumber: IdNumber,
});

const Beneficiary = z
  .object({
    beneficiaryId: PersonId,
    name: z.string(),
    birthYear: z.int(),
    gender: z.enum(['female', 'male', 'other']),
    idType: z.enum(ID_TYPES),
    idLast4: z.string().meta({ description: 'Fewer than four characters of a short number.' }),
    categories: z.array(Category),
    /** Given on bookings of this engine, in the order in which they were. */
    doses: z.array(z.object({ dose: z.int(), vaccine: z.enum(VACCINE_NAMES), date: z.iso.date() })),
    vaccinationStatus: z.enum(VACCINATION_STATUSES),
  })
  .meta({ id: 'Beneficiary' });

const Attestation = z
  .strictObject({
    idType: z.enum(ID_TYPES),
    idNumber: IdNumber,
    categories: z.array(Category).max(PEOPLE_LIMITS.categoriesPerPerson),
  })
  .meta({ id: 'Attestation' });
/** As many attestations as are allowed, with many categories each. */
const ATTESTATIONS_LIMIT_BYTES = 1024 * 1024;

type IssueToken = AccessTokens['issue'];

type Parts = {
  people: PeopleService;
  erasure: Erasure;
  issueToken: IssueToken;
  secrets: Secrets;
  /** The simulated phone; left out where SMS are real. */
  readInbox?: ((account: string) => Promise<InboxMessage[]>) | undefined;
};

export function peopleRoutes({ people, erasure, issueToken, secrets, readInbox }: Parts): Route[] {
  const routes = [
    ...signInRoutes(people, issueToken),
    ...beneficiaryRoutes(people),
    eraseRoute(erasure),
    attestRoute(people),
  ];
  return readInbox ? [...routes, inboxRoute(secrets, readInbox)] : routes;
}

const signInRoutes = (people: PeopleService, issueToken: IssueToken): Route[] => [
  route({
    method: 'post',
    path: '/v1/auth/otp',
    name: 'sendOtp',
    hot: true,
    slice: 'people',
    summary: 'Send an OTP by SMS',
    gates: { limit: 'otp', caller: 'anyone', captcha: 'otp', device: true },
    body: z.strictObject({
      mobile: Mobile,
      /** Of this SMS and, once the account is signed in to, of all later ones. */
      language: z.enum(LANGUAGES).optional(),
    }),
    answers: { 202: z.object({ txnId: z.uuid(), expiresInS: z.int(), resendAfterS: z.int() }) },
    errors: [
      'OTP_TOO_SOON',
      'OTP_TOO_MANY',
      'OTP_TRIES_SPENT',
      'SMS_BUDGET_SPENT',
      'SMS_OUTBOX_FULL',
    ],
    handler: async ({ body, address, device }) => {
      const from = originOf({ address, device });
      const sent = await people.sendOtp(body.mobile, from, body.language);
      if (isRefusal(sent)) return sent;
      const terms = {
        expiresInS: OTP_TERMS.lifetimeMs / 1000,
        resendAfterS: OTP_TERMS.resendAfterMs / 1000,
      };
      return { status: 202, body: { ...sent, ...terms } };
    },
  }),
  route({
    method: 'post',
    path: '/v1/auth/token',
    name: 'signIn',
    hot: true,
    slice: 'people',
    summary: 'Turn an OTP into an access token',
    gates: { limit: 'token', caller: 'anyone', device: true },
    body: z.strictObject({ txnId: z.uuid(), otp: Otp }),
    answers: { 200: z.object({ accessToken: z.string(), expiresInS: z.int() }) },
    errors: ['OTP_UNKNOWN', 'OTP_WRONG', 'OTP_TRIES_SPENT', 'TOO_MANY_ACCOUNTS'],
    handler: async ({ body, address, device }) => {
      const from = originOf({ address, device });
      const proved = await people.checkOtp(body.txnId, otpHashOf(body.otp), from);
      if (isRefusal(proved)) return proved;
      return { status: 200, body: await issueToken({ ...proved, device }) };
    },
  }),
  route({
    method: 'post',
    path: '/v1/auth/revoke',
    name: 'signOutEverywhere',
    slice: 'people',
    summary: 'Sign out everywhere: every access token of this account is refused from now on',
    gates: { limit: 'write', caller: 'account' },
    answers: { 204: null },
    errors: [],
    handler: async ({ account }) => {
      await people.signOutEverywhere(account);
      return { status: 204 };
    },
  }),
];

const beneficiaryRoutes = (people: PeopleService): Route[] => [
  route({
    method: 'post',
    path: '/v1/beneficiaries',
    name: 'addBeneficiary',
    slice: 'people',
    summary: 'Register a person, at most 4 an account',
    gates: { limit: 'write', caller: 'account' },
    body: NewBeneficiary,
    answers: { 201: Beneficiary },
    errors: ['ID_NUMBER_INVALID', 'ID_REGISTERED', 'TOO_MANY_BENEFICIARIES'],
    handler: async ({ account, body }) => created(await people.addBeneficiary(account, body)),
  }),
  route({
    method: 'get',
    path: '/v1/beneficiaries',
    name: 'listBeneficiaries',
    hot: true,
    slice: 'people',
    summary: 'The people of this account',
    gates: { limit: 'read', caller: 'account' },
    answers: { 200: z.object({ beneficiaries: z.array(Beneficiary) }) },
    errors: [],
    handler: async ({ account }) => ({
      status: 200,
      body: { beneficiaries: await people.listBeneficiaries(account) },
    }),
  }),
  route({
    method: 'delete',
    path: '/v1/beneficiaries/:beneficiary',
    name: 'removeBeneficiary',
    slice: 'people',
    summary: 'Remove a person who has no entry and no booking',
    gates: { limit: 'write', caller: 'account' },
    params: z.strictObject({ beneficiary: PersonId }),
    answers: { 204: null },
    errors: ['BENEFICIARY_UNKNOWN', 'BENEFICIARY_HAS_CLAIM'],
    handler: async ({ account, params }) => {
      const removed = await people.removeBeneficiary(account, params.beneficiary);
      return isRefusal(removed) ? removed : { status: 204 };
    },
  }),
];

const eraseRoute = (erasure: Erasure): Route =>
  route({
    method: 'delete',
    path: '/v1/account',
    name: 'eraseAccount',
    slice: 'people',
    summary:
      'Erase this account and its people, where none of them has an entry or a booking: names, mobile ' +
      'and all that is sent to it. Every access token of it is refused from then on',
    gates: { limit: 'write', caller: 'account' },
    answers: { 204: null },
    errors: ['ACCOUNT_HAS_CLAIMS'],
    handler: async ({ account }) => {
      const erased = await erasure.eraseAccount(account);
      return isRefusal(erased) ? erased : { status: 204 };
    },
  });

const attestRoute = (people: PeopleService): Route =>
  route({
    method: 'post',
    path: '/v1/admin/attestations',
    name: 'attest',
    slice: 'people',
    summary: 'Say which categories people belong to, registered or not yet: all of them or none',
    gates: { limit: 'admin', caller: 'operator', scope: 'attest' },
    body: z.strictObject({
      attestations: z.array(Attestation).min(1).max(PEOPLE_LIMITS.attestationsPerRequest),
    }),
    bodyLimitBytes: ATTESTATIONS_LIMIT_BYTES,
    answers: { 200: z.object({ attested: z.int() }) },
    errors: ['ID_NUMBER_INVALID'],
    handler: async ({ body: { attestations } }) => {
      const refusal = await people.attest(attestations);
      if (isRefusal(refusal)) return refusal;
      return { status: 200, body: { attested: attestations.length } };
    },
  });

const inboxRoute = (secrets: Secrets, readInbox: NonNullable<Parts['readInbox']>): Route =>
  route({
    method: 'get',
    path: '/v1/dev/inbox',
    name: 'readInbox',
    slice: 'people',
    summary: 'Development only: the SMS of a simulated phone, newest first',
    gates: { limit: 'read', caller: 'anyone' },
    query: z.strictObject({ mobile: Mobile }),
    answers: {
      200: z.object({
        messages: z.array(z.object({ sentAt: z.iso.datetime(), text: z.string() })),
      }),
    },
    errors: [],
    handler: async ({ query }) => {
      const messages = await readInbox(accountOf(secrets, query.mobile));
      return {
        status: 200,
        body: {
          messages: messages.map(({ sentAtMs, text }) => ({ sentAt: isoFromMs(sentAtMs), text })),
        },
      };
    },
  });

const created = (made: object | Refusal) => (isRefusal(made) ? made : { status: 201, body: made });
