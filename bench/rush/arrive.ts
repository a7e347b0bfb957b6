/**
 * Everybody signs in and registers before the evening: a steady stream of arrivals, each with a
 * time of its own, whatever becomes of those before. The steps of one person are due so long after
 * their arrival, and not so long after the last answer.
 */
import { solveCaptcha } from '../../src/demo/captcha.ts';
import type { Call, Client, Reply } from '../../src/demo/client.ts';
import { ID_TYPE } from '../../src/demo/population.ts';
import type { Phase } from '../../src/progress.ts';
import { seededRandom } from '../../src/demo/random.ts';
import { present } from '../../src/lib/assert.ts';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';
import type { Timed } from '../support/timed.ts';
import { type Actor, groupOf } from './cast.ts';

export type Account = {
  readonly token: string;
  /** Their device token. */
  readonly device: string;
  readonly beneficiary: string;
};
export type Member = Actor & {
  readonly account: Account;
  /** Of an ID splitter: the second phone, with a second document. */
  readonly second?: Account;
};

/** When each step is due after the arrival, in ms. */
const STEPS_MS = {
  mint: 100,
  askOtp: 200,
  sendOtp: 300,
  readSms: 400,
  signIn: 900,
  register: 1_100,
};
const PASSPORT_LETTERS = 'ABCDEFGHJK';
const LOOK_AT_PHONE_EVERY_MS = 100;
const PATIENCE_MS = 30_000;

/** Somebody who could not get in. What kept them out is among the samples. */
export class TurnedAway extends Error {}

export type Door = {
  readonly timed: Timed;
  /** For looks at a phone, which nobody's time is measured by. */
  readonly client: Client;
};

/** `rate`: arrivals a second. Throws where somebody cannot get in: there is no evening without. */
export async function signInAll(
  door: Door,
  cast: readonly Actor[],
  rate: number,
  phase: Phase,
): Promise<Member[]> {
  const startMs = monotonicMs();
  const places = shuffled(cast.length);
  try {
    return await Promise.all(
      cast.map(async (actor, index) => {
        const dueMs = startMs + (present(places[index], 'a place') * 1_000) / rate;
        const member = await arrive(door, actor, dueMs);
        phase.advance();
        return member;
      }),
    );
  } finally {
    phase.done();
  }
}

/** People and bots come mixed, in the same order every time. */
function shuffled(count: number): number[] {
  const random = seededRandom('the order in which people sign in');
  const keys = Array.from({ length: count }, () => random());
  const order = [...keys.keys()].toSorted((i, j) => (keys[i] ?? 0) - (keys[j] ?? 0));
  const places: number[] = [];
  for (const [place, index] of order.entries()) places[index] = place;
  return places;
}

/** Signs one in and registers them. `dueMs`: when they come, of the monotonic clock. */
export async function arrive(door: Door, actor: Actor, dueMs: number): Promise<Member> {
  const { person, secondMobile } = actor;
  const { token, device } = await signInWith(door, actor, person.mobile, dueMs);
  const registerMs = dueMs + STEPS_MS.register;
  const own = { token, device };
  const account = { ...own, beneficiary: await register(door, actor, own, registerMs) };
  if (secondMobile === undefined) return { ...actor, account };
  const other = await signInWith(door, actor, secondMobile, registerMs);
  const againMs = registerMs + STEPS_MS.register;
  const again = await addPerson(door, actor, other, againMs, idOf(actor));
  if (again.code !== 'ID_REGISTERED') throw new Error(`one ID twice: ${again.status}`);
  const added = await addPerson(door, actor, other, againMs, passportOf(actor));
  const second = { ...other, beneficiary: accepted(added, 'register').beneficiaryId };
  return { ...actor, account, second };
}

type SignedIn = Pick<Account, 'token' | 'device'>;

async function signInWith(
  { timed, client }: Door,
  actor: Actor,
  mobile: string,
  arrivesMs: number,
): Promise<SignedIn> {
  const { address } = actor.person;
  const group = groupOf(actor);
  const step =
    (afterMs: number, phase = 'sign-in') =>
    <T>(call: Omit<Call, 'address'>): Promise<Reply<T>> =>
      timed.ask<T>({ phase, group, dueMs: arrivesMs + afterMs }, { ...call, address });
  const solve = async (afterMs: number, purpose: string, deviceToken?: string) => {
    const ask = step(afterMs);
    const get = <T>(path: string) => ask<T>({ method: 'GET', path, deviceToken });
    const solved = await solveCaptcha(get, purpose);
    if ('refused' in solved) throw refused(solved.refused, 'get a captcha');
    return solved.solution;
  };

  const captchaSolution = await solve(0, 'device');
  const minted = await step(STEPS_MS.mint)<{ deviceToken: string }>({
    method: 'POST',
    path: '/v1/devices',
    captchaSolution,
  });
  const device = accepted(minted, 'get a device token').deviceToken;
  const sent = await step(STEPS_MS.sendOtp)<{ txnId: string }>({
    method: 'POST',
    path: '/v1/auth/otp',
    captchaSolution: await solve(STEPS_MS.askOtp, 'otp', device),
    deviceToken: device,
    body: { mobile },
  });
  const { txnId } = accepted(sent, 'ask for an OTP');
  const otp = await readSms(client, address, mobile);
  const readMs = monotonicMs() - arrivesMs;
  timed.samples.push({
    phase: 'sms',
    group,
    dueMs: arrivesMs + STEPS_MS.readSms,
    ms: Math.max(0, readMs - STEPS_MS.readSms),
    status: otp === undefined ? 0 : 200,
    code: otp === undefined ? 'NO_SMS' : undefined,
  });
  if (otp === undefined) throw new TurnedAway(`no SMS came in ${PATIENCE_MS / 1_000} s`);
  // Nobody can type what has not come: a late SMS has its own phase.
  const signedIn = await step(Math.max(readMs, STEPS_MS.signIn))<{ accessToken: string }>({
    method: 'POST',
    path: '/v1/auth/token',
    deviceToken: device,
    body: { txnId, otp },
  });
  return { token: accepted(signedIn, 'sign in').accessToken, device };
}

/** Looks at the phone until the OTP is there; undefined where none comes. */
async function readSms(
  client: Client,
  address: string,
  mobile: string,
): Promise<string | undefined> {
  const path = `/v1/dev/inbox?mobile=${encodeURIComponent(mobile)}`;
  const giveUpMs = monotonicMs() + PATIENCE_MS;
  while (monotonicMs() < giveUpMs) {
    const reply = await client.send<{ messages: { text: string }[] }>({
      method: 'GET',
      path,
      address,
    });
    const text = reply.status === 200 ? reply.body.messages[0]?.text : undefined;
    const otp = /\b\d{6}\b/.exec(text ?? '')?.[0];
    if (otp !== undefined) return otp;
    await sleep(LOOK_AT_PHONE_EVERY_MS);
  }
  return undefined;
}

/** A letter and seven digits, as different as mobiles are. */
function passportOf({ person }: Actor) {
  const [first = '', ...rest] = person.mobile.slice(-8);
  return { idType: 'passport', idNumber: `${PASSPORT_LETTERS[Number(first)]}${rest.join('')}` };
}

const idOf = ({ person }: Actor) => ({ idType: ID_TYPE, idNumber: person.idNumber });

async function register(door: Door, actor: Actor, own: SignedIn, dueMs: number): Promise<string> {
  const reply = await addPerson(door, actor, own, dueMs, idOf(actor));
  return accepted(reply, 'register').beneficiaryId;
}

function addPerson(
  { timed }: Door,
  actor: Actor,
  { token, device }: SignedIn,
  dueMs: number,
  id: { readonly idType: string; readonly idNumber: string },
): Promise<Reply<{ beneficiaryId: string }>> {
  const { name, birthYear, gender, address } = actor.person;
  return timed.ask(
    { phase: 'registration', group: groupOf(actor), dueMs },
    {
      method: 'POST',
      path: '/v1/beneficiaries',
      address,
      bearer: token,
      deviceToken: device,
      body: { name, birthYear, gender, ...id },
    },
  );
}

const refused = ({ status, code }: Reply<unknown>, what: string): TurnedAway =>
  new TurnedAway(`somebody could not ${what}: ${status} ${code ?? ''}`);

function accepted<T>(reply: Reply<T>, what: string): T {
  if (reply.status >= 200 && reply.status < 300) return reply.body;
  throw refused(reply, what);
}
