/** Signing in, and the people of an account. */
import { z } from 'zod';
import type { AccessTokens } from '../gates/access-tokens.ts';
import { originOf } from '../gates/origin.ts';
import { route, type Route } from '../http/route.ts';
import { PEOPLE_LIMITS } from '../people/rules.ts';
import type { PeopleService } from '../people/service.ts';
import type { Secrets } from '../lib/secrets.ts';
import { isRefusal, refuse } from '../refusal.ts';
import type { Beneficiaries } from './beneficiaries.ts';
import { COWIN } from './dialect.ts';
import { referenceOf } from './ids.ts';
import type { ImageCaptcha } from './image-captcha.ts';
import type { References } from './references.ts';
import { GENDERS, mobileOf, PHOTO_IDS } from './registration.ts';

const shared = { slice: 'cowin', dialect: COWIN } as const;
const post = { ...shared, method: 'post' } as const;
const get = { ...shared, method: 'get', errors: [] } as const;

export type AccountParts = {
  readonly people: PeopleService;
  readonly beneficiaries: Beneficiaries;
  readonly references: References;
  readonly captcha: ImageCaptcha;
  readonly secrets: Secrets;
  readonly issueToken: AccessTokens['issue'];
};

export const accountRoutes = (parts: AccountParts): Route[] => [
  ...signInRoutes(parts),
  captchaRoute(parts),
  ...beneficiaryRoutes(parts),
  ...choiceRoutes(),
];

const Mobile = z.string().regex(/^[6-9]\d{9}$/, 'ten digits of an Indian mobile');
const OtpHash = z
  .string()
  .regex(/^[0-9a-f]{64}$/i, 'SHA-256 in hex')
  .transform((text) => text.toLowerCase());

/** Third parties' and the portal's own front end had a pair each, which differ in nothing here. */
const OTP_PATHS = [
  ['generateOTP', 'public/generateOTP', 'confirmOTP', 'public/confirmOTP'],
  ['generateMobileOtp', 'generateMobileOTP', 'validateMobileOtp', 'validateMobileOtp'],
] as const;

const signInRoutes = ({ people, issueToken }: AccountParts): Route[] =>
  OTP_PATHS.flatMap(([askName, askPath, proveName, provePath]) => [
    route({
      ...post,
      path: `/api/v2/auth/${askPath}`,
      name: `cowin-${askName}`,
      summary: 'Send an OTP by SMS',
      gates: { limit: 'otp', caller: 'anyone' },
      body: z.looseObject({ mobile: Mobile }),
      answers: { 200: z.object({ txnId: z.uuid() }) },
      errors: [
        'OTP_TOO_SOON',
        'OTP_TOO_MANY',
        'OTP_TRIES_SPENT',
        'SMS_BUDGET_SPENT',
        'SMS_OUTBOX_FULL',
      ],
      handler: async ({ body, address }) => {
        const from = originOf({ address, device: '' });
        const sent = await people.sendOtp(mobileOf(body.mobile), from, undefined, 'cowin');
        return isRefusal(sent) ? sent : { status: 200, body: { txnId: sent.txnId } };
      },
    }),
    route({
      ...post,
      path: `/api/v2/auth/${provePath}`,
      name: `cowin-${proveName}`,
      summary: 'Turn the SHA-256 of an OTP into a token',
      gates: { limit: 'token', caller: 'anyone' },
      body: z.looseObject({ otp: OtpHash, txnId: z.uuid() }),
      answers: { 200: z.object({ token: z.string() }) },
      errors: ['OTP_UNKNOWN', 'OTP_WRONG', 'OTP_TRIES_SPENT'],
      handler: async ({ body, address }) => {
        const from = originOf({ address, device: '' });
        const proved = await people.checkOtp(body.txnId, body.otp, from);
        if (isRefusal(proved)) return proved;
        return { status: 200, body: { token: (await issueToken(proved)).accessToken } };
      },
    }),
  ]);

const captchaRoute = ({ captcha }: AccountParts): Route =>
  route({
    ...post,
    path: '/api/v2/auth/getRecaptcha',
    name: 'cowin-getRecaptcha',
    summary: 'An image captcha for the next schedule, as SVG',
    gates: { limit: 'captcha', caller: 'account' },
    body: z.looseObject({}).optional(),
    answers: { 200: z.object({ captcha: z.string() }) },
    errors: [],
    handler: async ({ account }) => ({
      status: 200,
      body: { captcha: await captcha.show(account) },
    }),
  });

const Reference = z.union([
  z.string().regex(/^\d{14}$/, '14 digits'),
  z.int().min(1e13).max(99_999_999_999_999).transform(String),
]);
const year = z.union([
  z.int(),
  z
    .string()
    .regex(/^\d{4}$/)
    .transform(Number),
]);
const NewBeneficiary = z.looseObject({
  name: z.string().trim().min(1).max(100),
  birth_year: year.pipe(z.int().min(1900).max(2100)),
  gender_id: z.coerce.number().int(),
  photo_id_type: z.coerce.number().int(),
  photo_id_number: z.string().trim().min(4).max(40),
});
const Appointment = z.looseObject({ appointment_id: z.uuid(), session_id: z.uuid() });
const Beneficiary = z.object({
  beneficiary_reference_id: z.string(),
  name: z.string(),
  birth_year: z.string(),
  gender: z.string(),
  mobile_number: z.string(),
  photo_id_type: z.string(),
  photo_id_number: z.string(),
  comorbidity_ind: z.string(),
  vaccination_status: z.string(),
  vaccine: z.string(),
  dose1_date: z.string(),
  dose2_date: z.string(),
  appointments: z.array(Appointment),
});

const beneficiaryRoutes = (parts: AccountParts): Route[] => [
  listRoute(parts),
  registerRoute(parts),
  removeRoute(parts),
];

const listRoute = ({ beneficiaries }: AccountParts): Route =>
  route({
    ...get,
    path: '/api/v2/appointment/beneficiaries',
    name: 'cowin-beneficiaries',
    summary: 'The people of this account, their doses and appointments',
    gates: { limit: 'read', caller: 'account' },
    answers: { 200: z.object({ beneficiaries: z.array(Beneficiary) }) },
    handler: async ({ account }) => ({
      status: 200,
      body: { beneficiaries: await beneficiaries.list(account) },
    }),
  });

const registerRoute = ({ people, secrets }: AccountParts): Route =>
  route({
    ...post,
    path: '/api/v2/registration/beneficiary/new',
    name: 'cowin-register',
    summary: `Register a person, at most ${PEOPLE_LIMITS.beneficiariesPerAccount} a mobile`,
    gates: { limit: 'write', caller: 'account' },
    body: NewBeneficiary,
    answers: { 200: z.object({ beneficiary_reference_id: z.string() }) },
    errors: ['ID_NUMBER_INVALID', 'ID_REGISTERED', 'TOO_MANY_BENEFICIARIES'],
    handler: async ({ account, body }) => {
      const gender = GENDERS.find(({ id }) => id === body.gender_id);
      const photoId = PHOTO_IDS.find(({ id }) => id === body.photo_id_type);
      if (!gender || !photoId) return refuse('REQUEST_INVALID');
      const added = await people.addBeneficiary(account, {
        name: body.name,
        birthYear: body.birth_year,
        gender: gender.is,
        idType: photoId.is,
        idNumber: body.photo_id_number,
      });
      if (isRefusal(added)) return added;
      const reference = referenceOf(secrets, added.beneficiaryId);
      return { status: 200, body: { beneficiary_reference_id: reference } };
    },
  });

const removeRoute = ({ people, references }: AccountParts): Route =>
  route({
    ...post,
    path: '/api/v2/registration/beneficiary/delete',
    name: 'cowin-unregister',
    summary: 'Remove a person who has no entry and no booking',
    gates: { limit: 'write', caller: 'account' },
    body: z.looseObject({ beneficiary_reference_id: Reference }),
    answers: { 204: null },
    errors: ['BENEFICIARY_UNKNOWN', 'BENEFICIARY_HAS_CLAIM'],
    handler: async ({ account, body }) => {
      const persons = await references.personsOf(account, [body.beneficiary_reference_id]);
      if (isRefusal(persons)) return persons;
      const removed = await people.removeBeneficiary(account, persons[0] ?? '');
      references.forget(account);
      return isRefusal(removed) ? removed : { status: 204 };
    },
  });

/** What never changes but with a version of ours. */
const FOR_A_DAY = { 'cache-control': 'public, max-age=86400' };

const choiceRoutes = (): Route[] => [
  route({
    ...get,
    path: '/api/v2/registration/beneficiary/idTypes',
    name: 'cowin-idTypes',
    summary: 'Photo IDs that a person may be registered with',
    gates: { limit: 'discovery', caller: 'anyone' },
    answers: { 200: z.object({ types: z.array(z.object({ id: z.int(), type: z.string() })) }) },
    handler: async () => ({
      status: 200,
      headers: FOR_A_DAY,
      body: { types: PHOTO_IDS.map(({ id, type }) => ({ id, type })) },
    }),
  }),
  route({
    ...get,
    path: '/api/v2/registration/beneficiary/genders',
    name: 'cowin-genders',
    summary: 'Genders that a person may be registered with',
    gates: { limit: 'discovery', caller: 'anyone' },
    answers: {
      200: z.object({ genders: z.array(z.object({ id: z.int(), gender: z.string() })) }),
    },
    handler: async () => ({
      status: 200,
      headers: FOR_A_DAY,
      body: { genders: GENDERS.map(({ id, gender }) => ({ id, gender })) },
    }),
  }),
];
