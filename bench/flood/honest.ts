/**
 * A process in which honest people come at a steady rate, whatever becomes of those before them. The
 * time of a request runs from when it was due, so that one that had to wait for another shows.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import type { Challenge } from 'altcha-lib/types';
import { monotonicMs } from '../../src/lib/clock.ts';
import { type Answer, createClient, type Sent, until } from './client.ts';

export type Person = {
  readonly from: string;
  readonly mobile: string;
  readonly deviceToken: string;
  readonly bearer: string;
  readonly beneficiary: string;
  readonly preferences: readonly string[];
};
export type HonestJob = {
  readonly url: string;
  readonly release: string;
  /** Requests a second. */
  readonly rate: number;
  readonly people: readonly Person[];
};
export type Sample = { readonly step: string; readonly ms: number; readonly failed?: string };
export type HonestReport = {
  readonly samples: readonly Sample[];
  /** How long after they were due requests left that waited for no other. */
  readonly lateMs: readonly number[];
  readonly loopDelayP99Ms: number;
};

/** What one person knows by now. */
type Visit = Person & { release: string; etag: string; solution: string };
type Step = {
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
const STEPS: readonly Step[] = [
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
const STRIDE = STEPS.length + 1;

/** People who come, one after another, so that their requests fill so many places in time. */
export const peopleIn = (requests: number): number =>
  Math.max(1, Math.floor((requests - STRIDE * (STEPS.length - 1)) / STEPS.length));

async function come({ url, release, rate, people }: HonestJob): Promise<HonestReport> {
  const send = createClient(url);
  const samples: Sample[] = [];
  const lateMs: number[] = [];
  const startedMs = monotonicMs();
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  loop.enable();

  const visit = async (person: Person, index: number): Promise<void> => {
    const one: Visit = { ...person, release, etag: '', solution: '' };
    for (const [step, { name, status, request, learn }] of STEPS.entries()) {
      const place = index * STEPS.length + step * STRIDE;
      const dueMs = startedMs + (place * 1000) / rate;
      const early = monotonicMs() < dueMs;
      await until(dueMs);
      if (early) lateMs.push(monotonicMs() - dueMs);
      const answer = await send({ ...request(one), from: person.from });
      const ms = monotonicMs() - dueMs;
      const granted = answer.status === status;
      samples.push({ step: name, ms, ...(!granted && { failed: answer.label }) });
      if (granted) await learn?.(one, answer);
    }
  };
  await Promise.all(people.map(visit));
  loop.disable();
  const loopDelayP99Ms = loop.percentile(99) / NANOS_OF_MS - LOOP_RESOLUTION_MS;
  return { samples, lateMs, loopDelayP99Ms };
}

const LOOP_RESOLUTION_MS = 10;
const NANOS_OF_MS = 1e6;

process.on('message', (job: HonestJob) => {
  come(job).then(
    (report) => process.send?.(report),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
