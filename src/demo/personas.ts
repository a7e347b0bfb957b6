/**
 * How the people of the demo behave. Citizens read, think and act once. Sprinters are the scripts
 * of 2021: signed in beforehand, awake before the opening, asking every 50 ms until they have a
 * seat or the window is over. A sprinter stands for one person with wishes like anyone's, so that
 * the demo shows what speed buys and nothing else.
 */
import { nowMs, sleep } from '../lib/clock.ts';
import { prefixOfEntry } from '../rounds/results/results.ts';
import { solveCaptcha } from './captcha.ts';
import type { Call, Client, Purpose, Reply } from './client.ts';
import type { News } from './news.ts';
import { circuitOf, ID_TYPE, wishesOf, type Person } from './population.ts';

export type Slot = { readonly slot: string; readonly seats: number };
export type Mode = 'immediate' | 'lottery';

export type SignedIn = {
  readonly person: Person;
  readonly token: string;
  /** Their device token. */
  readonly device: string;
};
type Credentials = Partial<Pick<SignedIn, 'token' | 'device'>>;
export type Member = SignedIn & { readonly beneficiary: string };

export type Sale = {
  readonly client: Client;
  readonly release: string;
  readonly opensAtMs: number;
  /** When nobody can enter or book any more. */
  readonly closesAtMs: number;
  readonly news: News;
};

/** What became of one person's evening, as the person saw it. */
export type Story = {
  /** Immediate mode: when the seat was theirs. Epoch ms. */
  readonly bookedAtMs?: number;
  /** Lottery: the round that gave them a seat. */
  readonly round?: number;
};

const SPRINT_EVERY_MS = 50;
const KEPT_FOR_CONFIRMING = 3;
const INBOX_EVERY_MS = 100;
const INBOX_PATIENCE_MS = 20_000;
/** A second choice needs a glance, not a reading. */
const GLANCE = 0.25;

/** Signs one person in with the OTP that their phone receives. Throws when the engine refuses. */
export async function signIn(client: Client, person: Person): Promise<SignedIn> {
  const { mobile } = person;
  const stranger = solving(client, person, 'sign-in');
  const minted = await stranger<{ deviceToken: string }>('device', 'POST', '/v1/devices');
  const device = accepted(minted, person, 'get a device token').deviceToken;
  const solve = solving(client, person, 'sign-in', { device });
  const sent = await solve<{ txnId: string }>('otp', 'POST', '/v1/auth/otp', { mobile });
  const { txnId } = accepted(sent, person, 'ask for an OTP');
  const otp = await otpFromPhone(client, person);
  const ask = asking(client, person, 'sign-in', { device });
  const reply = await ask<{ accessToken: string }>('POST', '/v1/auth/token', { txnId, otp });
  return { person, token: accepted(reply, person, 'sign in').accessToken, device };
}

/** Registers the person under their account. Throws when the engine refuses. */
export async function register(client: Client, signedIn: SignedIn): Promise<Member> {
  const { person } = signedIn;
  const { name, birthYear, gender, idNumber } = person;
  const body = { name, birthYear, gender, idType: ID_TYPE, idNumber };
  const ask = asking(client, person, 'sign-in', signedIn);
  const reply = await ask<{ beneficiaryId: string }>('POST', '/v1/beneficiaries', body);
  return { ...signedIn, beneficiary: accepted(reply, person, 'register').beneficiaryId };
}

/** Plays one person's evening in the mode of the sale, to the end of the release. */
export async function live(sale: Sale, member: Member, mode: Mode): Promise<Story> {
  const sprints = member.person.group === 'bot';
  if (mode === 'immediate')
    return sprints ? sprintForBooking(sale, member) : bookAsCitizen(sale, member);
  const entry = sprints ? await sprintForEntry(sale, member) : await enterAsCitizen(sale, member);
  return entry === undefined ? {} : followRounds(sale, member, entry);
}

async function bookAsCitizen(sale: Sale, member: Member): Promise<Story> {
  const { person } = member;
  const slots = await readSlots(sale, person);
  let pauseMs = person.actsAfterMs;
  for (const { slot } of wishesOf(person, slots)) {
    await sleep(pauseMs);
    const reply = await patiently(sale, () => book(sale, member, slot));
    if (reply.status === 201) return { bookedAtMs: nowMs() };
    pauseMs = person.actsAfterMs * GLANCE;
  }
  return {};
}

/** Answers the entry's id, if the engine took it. */
async function enterAsCitizen(sale: Sale, member: Member): Promise<string | undefined> {
  const slots = await readSlots(sale, member.person);
  await sleep(member.person.actsAfterMs);
  const reply = await patiently(sale, () => enter(sale, member, wishesOf(member.person, slots)));
  return reply.status === 200 ? reply.body.entryId : undefined;
}

async function sprintForBooking(sale: Sale, member: Member): Promise<Story> {
  const circuit = circuitOf(member.person, await readSlots(sale, member.person));
  let place = 0;
  let story: Story = {};
  await sprint(sale, member.person, async () => {
    const reply = await book(sale, member, circuit[place % circuit.length]?.slot ?? '');
    if (reply.status === 201) story = { bookedAtMs: nowMs() };
    if (reply.code === 'SLOT_FULL') place++;
    return reply.status === 201;
  });
  return story;
}

/**
 * Asks again and again even when entered, for it cannot know that this gains nothing. An offer has
 * to be confirmed within seconds here, while limits count by the minute: the script keeps its last
 * requests for that.
 */
async function sprintForEntry(sale: Sale, member: Member): Promise<string | undefined> {
  const wishes = wishesOf(member.person, await readSlots(sale, member.person));
  let entry: string | undefined;
  await sprint(sale, member.person, async () => {
    const reply = await enter(sale, member, wishes);
    if (reply.status === 200) entry = reply.body.entryId;
    return reply.left <= KEPT_FOR_CONFIRMING;
  });
  return entry;
}

/**
 * Calls `attempt` every 50 ms, or as fast as answers come, until it says that it is done or the
 * window is over.
 */
async function sprint(sale: Sale, person: Person, attempt: () => Promise<boolean>): Promise<void> {
  await until(sale.opensAtMs + person.arrivesMs);
  while (nowMs() < sale.closesAtMs) {
    const nextAtMs = nowMs() + SPRINT_EVERY_MS;
    if (await attempt()) return;
    await until(nextAtMs);
  }
}

type EntryView = {
  readonly state: string;
  readonly booking: { readonly bookingId: string } | null;
};

/** After each round: read the result; take, or let go, what is offered. */
async function followRounds(sale: Sale, member: Member, entryId: string): Promise<Story> {
  const { client, release, news } = sale;
  const { person } = member;
  const ask = asking(client, person, 'read', member);
  for (let round = 0; await news.published(round); round++) {
    await sleep(person.actsAfterMs);
    if (!(await mayHaveWon(sale, person, round, entryId))) continue;
    const reply = await ask<{ entries: EntryView[] }>('GET', `/v1/releases/${release}/entry`);
    const entry = reply.status === 200 ? reply.body.entries[0] : undefined;
    if (entry?.state === 'offered' && entry.booking) {
      if (person.confirmsOffer) await confirm(sale, member, entry.booking.bookingId);
      return { round };
    }
  }
  return {};
}

/**
 * Whether a round gave an entry seats, by the file that all whose ids begin alike share, and that
 * any cache may have; whoever sees no such file asks the engine.
 */
async function mayHaveWon(
  { client, release, news }: Sale,
  person: Person,
  round: number,
  entryId: string,
): Promise<boolean> {
  const length = await news.prefixLength(round);
  if (length === undefined) return true;
  const path = `/v1/releases/${release}/rounds/${round}/results/${prefixOfEntry(entryId, length)}`;
  const ask = asking(client, person, 'read');
  const reply = await ask<{ offered: { entry: string }[] }>('GET', path);
  return reply.status !== 200 || reply.body.offered.some(({ entry }) => entry === entryId);
}

async function confirm({ client }: Sale, member: Member, booking: string): Promise<void> {
  const { person } = member;
  const ask = asking(client, person, 'confirm', member);
  await ask('POST', `/v1/bookings/${booking}/confirm`);
  if (!person.cancelsLater) return;
  await sleep(person.actsAfterMs);
  await ask('DELETE', `/v1/bookings/${booking}`);
}

/** A bot reads beforehand, a citizen on arrival. */
async function readSlots({ client, release, opensAtMs }: Sale, person: Person): Promise<Slot[]> {
  if (person.group === 'citizen') await until(opensAtMs + person.arrivesMs);
  const ask = asking(client, person, 'read');
  const reply = await ask<{ slots: Slot[] }>('GET', `/v1/releases/${release}/slots`);
  return accepted(reply, person, 'read the slots').slots;
}

function book({ client, release }: Sale, member: Member, slot: string) {
  const { person, beneficiary } = member;
  const solve = solving(client, person, 'attempt', member);
  return solve(`book:${release}`, 'POST', '/v1/bookings', { release, beneficiary, slot });
}

function enter({ client, release }: Sale, member: Member, wishes: Slot[]) {
  const { person, beneficiary } = member;
  const solve = solving(client, person, 'attempt', member);
  const preferences = wishes.map(({ slot }) => slot);
  const body = { beneficiaries: [beneficiary], preferences };
  const path = `/v1/releases/${release}/entry`;
  return solve<{ entryId: string }>(`enter:${release}`, 'PUT', path, body);
}

/** Waits as long as it is told to when there were too many requests, and asks again. */
async function patiently<T>(sale: Sale, ask: () => Promise<Reply<T>>): Promise<Reply<T>> {
  for (;;) {
    const reply = await ask();
    if (reply.status !== 429 || nowMs() + reply.retryAfterMs > sale.closesAtMs) return reply;
    await sleep(reply.retryAfterMs);
  }
}

async function otpFromPhone(client: Client, person: Person): Promise<string> {
  const ask = asking(client, person, 'sign-in');
  const path = `/v1/dev/inbox?mobile=${encodeURIComponent(person.mobile)}`;
  const giveUpAtMs = nowMs() + INBOX_PATIENCE_MS;
  while (nowMs() < giveUpAtMs) {
    const reply = await ask<{ messages: { text: string }[] }>('GET', path);
    const otp = /\b\d{6}\b/.exec(accepted(reply, person, 'read SMS').messages[0]?.text ?? '')?.[0];
    if (otp) return otp;
    await sleep(INBOX_EVERY_MS);
  }
  throw new Error(`no SMS came for ${person.name} in ${INBOX_PATIENCE_MS / 1_000} s`);
}

/** The same with a captcha solved for each request, which is counted as a read in the evening. */
const solving =
  (client: Client, person: Person, purpose: Purpose, credentials: Credentials = {}) =>
  async <T>(captcha: string, method: Call['method'], path: string, body?: unknown) => {
    const read = asking(client, person, purpose === 'attempt' ? 'read' : purpose, credentials);
    const solved = await solveCaptcha((asked) => read('GET', asked), captcha);
    if ('refused' in solved) return solved.refused;
    const ask = asking(client, person, purpose, credentials);
    return ask<T>(method, path, body, solved.solution);
  };

/** `client.send` as this person, for one purpose. */
const asking =
  (client: Client, { group, address }: Person, purpose: Purpose, credentials: Credentials = {}) =>
  <T>(
    method: Call['method'],
    path: string,
    body?: unknown,
    captchaSolution?: string,
  ): Promise<Reply<T>> => {
    const { token: bearer, device: deviceToken } = credentials;
    const sent = { method, path, address, body, bearer, deviceToken, captchaSolution };
    return client.send<T>({ ...sent, counter: `${group}/${purpose}` });
  };

function accepted<T>(reply: Reply<T>, { name }: Person, what: string): T {
  if (reply.status >= 200 && reply.status < 300) return reply.body;
  throw new Error(`${name} could not ${what}: ${reply.status} ${reply.code ?? ''}`);
}

const until = (epochMs: number): Promise<void> => sleep(Math.max(0, epochMs - nowMs()));
