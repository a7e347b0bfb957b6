/** What an honest person asks for, one request after another. */
import { solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import type { Challenge } from 'altcha-lib/types';
import type { Answer, Sent } from './client.ts';

export type Person = {
  readonly from: string;
  readonly mobile: string;
  readonly deviceToken: string;
  readonly bearer: string;
  readonly beneficiary: string;
  readonly preferences: readonly string[];
};

/** What one person knows by now. */
export type Visit = Person & { release: string; etag: string; solution: string };
export type Step = {
  readonly name: string;
  readonly status: number;
  readonly request: (visit: Visit) => Omit<Sent, 'from'>;
  readonly learn?: (visit: Visit, answer: Answer) => Promise<void> | void;
};

async function solve(visit: Visit, { text }: Answer): Promise<void> {
  const { ticket, challenge } = JSON.parse(text) as { ticket: string; challenge: Challenge };
  const solution = await solveChallenge({ challenge, deriveKey });
  const payload = Buffer.from(JSON.stringify({ challenge, solution })).toString('base64');
  visit.solution = `${ticket} ${payload}`;
}

const deviceOf = ({ deviceToken }: Visit) => ({ 'device-token': deviceToken });
const allOf = (visit: Visit) => ({ ...deviceOf(visit), authorization: visit.bearer });
const pathOf = ({ release }: Visit, rest = ''): string => `/v1/releases/${release}${rest}`;

/** One visit, in this order. */
export const STEPS: readonly Step[] = [
  {
    name: 'askCaptchaOfOtp',
    status: 200,
    request: (visit) => ({
      method: 'GET',
      path: '/v1/captcha?purpose=otp',
      headers: deviceOf(visit),
    }),
    learn: solve,
  },
  {
    name: 'sendOtp',
    status: 202,
    request: (visit) => ({
      method: 'POST',
      path: '/v1/auth/otp',
      headers: { ...deviceOf(visit), 'captcha-solution': visit.solution },
      body: JSON.stringify({ mobile: visit.mobile }),
    }),
  },
  {
    name: 'readRelease',
    status: 200,
    request: (visit) => ({ method: 'GET', path: pathOf(visit) }),
  },
  {
    name: 'readSlots',
    status: 200,
    request: (visit) => ({ method: 'GET', path: pathOf(visit, '/slots') }),
    learn: (visit, { etag }) => {
      visit.etag = etag;
    },
  },
  {
    name: 'readSlotsAgain',
    status: 304,
    request: (visit) => ({
      method: 'GET',
      path: pathOf(visit, '/slots'),
      headers: { 'if-none-match': visit.etag },
    }),
  },
  {
    name: 'askCaptchaOfEntry',
    status: 200,
    request: (visit) => ({
      method: 'GET',
      path: `/v1/captcha?purpose=enter:${visit.release}`,
      headers: allOf(visit),
    }),
    learn: solve,
  },
  {
    name: 'enter',
    status: 200,
    request: (visit) => ({
      method: 'PUT',
      path: pathOf(visit, '/entry'),
      headers: { ...allOf(visit), 'captcha-solution': visit.solution },
      body: JSON.stringify({
        beneficiaries: [visit.beneficiary],
        preferences: visit.preferences,
      }),
    }),
  },
  {
    name: 'listEntries',
    status: 200,
    request: (visit) => ({
      method: 'GET',
      path: pathOf(visit, '/entry'),
      headers: allOf(visit),
      last: true,
    }),
  },
];
/** Requests between two steps of a person: coprime with the steps, so that no two fall together. */
export const STRIDE = STEPS.length + 1;

/** People who come, one after another, so that their requests fill so many places in time. */
export const peopleIn = (requests: number): number =>
  Math.max(1, Math.floor((requests - STRIDE * (STEPS.length - 1)) / STEPS.length));
