/**
 * Everything that a metric counts, over real HTTP: people who sign in, enter, get offers, answer
 * them or not, book, come and are vaccinated; and others who try what they may not.
 */
import { dayAt } from '../../src/lib/days.ts';
import { isoFromMs, nowMs, sleep } from '../../src/lib/clock.ts';
import { present } from '../../src/lib/assert.ts';
import { HERE, LATE } from '../arrivals/day.ts';
import { type Answered, call, type CallOptions, OPERATOR_KEY } from '../support/app.ts';
import type { TestGateway } from '../support/gateway.ts';
import { GOOD } from '../support/siteverify.ts';

/** Time for all of it, so that what does not come ends a test that says why. */
const PATIENCE_MS = 60_000;
/** Two dozen requests have to come in a window; if it was too short, there is another lottery. */
const WINDOW_MS = 5_000;
const TRIES = 3;
/** Seldom enough for the limits that are tried here. */
const LOOK_EVERY_MS = 200;

type Person = {
  readonly token: string;
  readonly device: string;
  readonly from: string;
  readonly beneficiary: string;
};

/** What came as it was meant to: a status, or the code of a refusal. */
async function meant(asked: Promise<Answered>, outcome: number | string): Promise<Answered> {
  const answer = await asked;
  const code = answer.status < 400 ? answer.status : answer.json.code;
  if (code !== outcome && answer.status !== outcome)
    throw new Error(`meant to be ${outcome}: ${answer.status} ${answer.text}`);
  return answer;
}

export type Traffic = ReturnType<typeof createTraffic>;

export function createTraffic(url: string, gateway: TestGateway) {
  let people = 0;
  const ask = (method: string, path: string, options?: CallOptions): Promise<Answered> =>
    call(url, method, path, options);
  const operate = (method: string, path: string, body?: unknown, headers = {}) =>
    ask(method, path, { token: OPERATOR_KEY, body, headers, from: '127.0.0.2' });

  async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const giveUpAt = nowMs() + PATIENCE_MS;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (nowMs() > giveUpAt) throw new Error(`${what} did not come`);
      await sleep(LOOK_EVERY_MS);
    }
  }

  /** A request with a captcha that was solved for it. */
  async function gated(
    purpose: string,
    path: string,
    { method = 'POST', headers = {}, ...options }: CallOptions & { readonly method?: string },
    response = GOOD,
  ): Promise<Answered> {
    const asked = await ask('GET', `/v1/captcha?purpose=${encodeURIComponent(purpose)}`, {
      ...options,
      body: undefined,
      headers,
    });
    const solution = { 'captcha-solution': `${asked.json.ticket} ${response}` };
    return ask(method, path, { ...options, headers: { ...headers, ...solution } });
  }

  /** The OTP that the gateway was given for this mobile. */
  const otpOf = (mobile: string): Promise<string> =>
    until(`the OTP of ${mobile}`, async () => {
      const sms = gateway.state.received.findLast(({ body }) => body.includes(mobile));
      return sms && /(?<!\d)\d{6}(?!\d)/.exec(sms.body.replace(mobile, ''))?.[0];
    });

  /** Somebody with a phone and an address of their own, who registers one person. */
  async function arrive(): Promise<Person> {
    people += 1;
    const digits = String(people).padStart(4, '0');
    const from = `127.0.1.${people}`;
    const mobile = `+91981234${digits}`;
    const minted = await meant(gated('device', '/v1/devices', { from }), 201);
    const device = String(minted.json.deviceToken);
    const headers = { 'device-token': device };
    const sent = await meant(
      gated('otp', '/v1/auth/otp', { from, headers, body: { mobile } }),
      202,
    );
    const { txnId } = sent.json;
    const otp = await otpOf(mobile);
    const wrong = otp === '000000' ? '000001' : '000000';
    const signIn = (otp: string) =>
      ask('POST', '/v1/auth/token', { from, headers, body: { txnId, otp } });
    await meant(signIn(wrong), 'OTP_WRONG');
    const signedIn = await meant(signIn(otp), 200);
    const token = String(signedIn.json.accessToken);
    const body = {
      name: 'Asha Kale',
      birthYear: 1950,
      gender: 'female',
      idType: 'aadhaar',
      idNumber: `4321 0000 ${digits}`,
    };
    const add = () => ask('POST', '/v1/beneficiaries', { from, token, headers, body });
    const added = await meant(add(), 201);
    return { token, device, from, beneficiary: String(added.json.beneficiaryId) };
  }

  const as = (
    { token, device, from }: Person,
    method: string,
    path: string,
    body?: unknown,
    headers = {},
  ) => ask(method, path, { token, from, body, headers: { 'device-token': device, ...headers } });

  async function publish(
    release: string,
    terms: object,
    dates: readonly string[],
    seats: number,
  ): Promise<string> {
    const at = (inMs: number): string => isoFromMs(nowMs() + inMs);
    const draft = { release, title: 'An evening', opensAt: at(1_000), endsAt: at(600_000) };
    const created = await operate('POST', '/v1/admin/releases', { ...draft, ...terms });
    if (created.status !== 201) throw new Error(created.text);
    for (const date of dates) {
      const bands = LATE.map(({ from, to }) => `${from}-${to}`).join(',');
      const path = `/v1/admin/releases/${release}/import?date=${date}&bands=${bands}`;
      const csv = `centre_id,centre_name,seats\na,Alpha,${seats}\n`;
      const imported = await operate('POST', path, csv, { 'content-type': 'text/csv' });
      if (imported.status !== 200) throw new Error(imported.text);
    }
    const published = await operate('POST', `/v1/admin/releases/${release}/publish`);
    if (published.status !== 200) throw new Error(published.text);
    const { slots } = (await ask('GET', `/v1/releases/${release}/slots`)).json;
    return slots[0].slot;
  }

  const untilOpen = (release: string): Promise<true> =>
    until(`the opening of ${release}`, async () => {
      const { json } = await ask('GET', `/v1/releases/${release}`, { from: '127.0.0.3' });
      return json.state === 'open' || undefined;
    });

  const entryPath = (release: string): string => `/v1/releases/${release}/entry`;

  /** A lottery, published and entered; some change their minds, and are refused. */
  async function enterAll(
    release: string,
    crowd: readonly Person[],
    closesAtMs: number,
  ): Promise<void> {
    const closesAt = isoFromMs(closesAtMs);
    const terms = { mode: 'lottery', closesAt, roundEveryS: 1, confirmWithinS: 10 };
    const slot = await publish(release, terms, ['2099-01-01'], 3);
    const path = entryPath(release);
    const enter = (who: Person, headers = {}) =>
      gated(`enter:${release}`, path, {
        method: 'PUT',
        token: who.token,
        from: who.from,
        headers: { 'device-token': who.device, ...headers },
        body: { beneficiaries: [who.beneficiary], preferences: [slot] },
      });
    const [first, second] = [present(crowd[0], 'somebody'), present(crowd[1], 'another')];
    await enter(first); // too early, where the machine is quick
    await untilOpen(release);
    await Promise.all(crowd.map((who) => meant(enter(who), 200)));
    await meant(enter(first), 200); // the same again
    const body = { beneficiaries: [first.beneficiary], preferences: [slot] };
    await meant(as(first, 'PUT', path, body), 'CAPTCHA_MISSING');
    const key = { 'idempotency-key': `${release}-again` };
    await meant(enter(second, key), 200);
    await meant(enter(second, key), 200);
    const [mine] = (await as(second, 'GET', path)).json.entries;
    await meant(as(second, 'DELETE', `${path}?entryId=${mine.entryId}`), 204);
    await meant(enter(second), 200);
  }

  /** A lottery of people who come for it, and what comes of it. */
  async function lottery(release: string, tries = TRIES): Promise<void> {
    const crowd = await Promise.all(Array.from({ length: 5 }, arrive));
    const closesAtMs = nowMs() + WINDOW_MS;
    try {
      await enterAll(release, crowd, closesAtMs);
    } catch (error) {
      if (nowMs() < closesAtMs || tries === 1) throw error;
      return lottery(`${release}-again`, tries - 1);
    }
    const path = entryPath(release);
    // Somebody confirms, somebody gives back, and somebody lets it lapse.
    const offers = await until(`the offers of ${release}`, async () => {
      const found = await Promise.all(
        crowd.map(async (who) => {
          const { status, json } = await as(who, 'GET', path);
          const [entry] = status === 200 ? json.entries : [];
          return entry?.state === 'offered' ? [{ who, id: String(entry.booking.bookingId) }] : [];
        }),
      );
      return found.flat().length >= 3 ? found.flat() : undefined;
    });
    const [confirms, cancels] = [present(offers[0], 'an offer'), present(offers[1], 'another')];
    const confirm = (who: Person) => as(who, 'POST', `/v1/bookings/${confirms.id}/confirm`);
    await meant(confirm(confirms.who), 200);
    await meant(confirm(cancels.who), 'BOOKING_UNKNOWN');
    await meant(as(cancels.who, 'DELETE', `/v1/bookings/${cancels.id}`), 204);
    await meant(as(cancels.who, 'DELETE', `/v1/bookings/${confirms.id}`), 'BOOKING_UNKNOWN');
  }

  /** Bookings at once, for today: one comes and is vaccinated, for another codes are guessed. */
  async function today(release: string, [comes, guessed]: [Person, Person]): Promise<void> {
    const date = dayAt(nowMs(), HERE);
    const slot = await publish(release, { mode: 'immediate' }, [date, '2099-01-01'], 5);
    await untilOpen(release);
    const book = (who: Person) =>
      gated(`book:${release}`, '/v1/bookings', {
        token: who.token,
        from: who.from,
        headers: { 'device-token': who.device },
        body: { release, beneficiary: who.beneficiary, slot },
      });
    const [booked, other] = [await meant(book(comes), 201), await meant(book(guessed), 201)];
    await meant(book(comes), 'HAS_BOOKING');
    const { bookingId: booking, securityCode } = booked.json;
    await meant(operate('POST', '/v1/arrivals', { booking, securityCode }), 200);
    const dose = { booking, beneficiary: comes.beneficiary, vaccine: 'COVISHIELD', batch: 'A1' };
    await meant(operate('POST', '/v1/doses', dose), 200);
    const right = String(other.json.securityCode);
    const wrong = right === '0000' ? '0001' : '0000';
    for (let tries = 0; tries < 7; tries++) {
      const guess = { booking: other.json.bookingId, securityCode: wrong };
      await operate('POST', '/v1/arrivals', guess);
    }
  }

  /** What bots do: far too much, from one address, and without a captcha that is solved. */
  async function attack(wave: number): Promise<void> {
    const from = '127.0.0.66';
    await Promise.all(Array.from({ length: 120 }, () => ask('GET', '/v1/releases', { from })));
    await gated('device', '/v1/devices', { from: '127.0.0.67' }, 'made-up');
    await ask('POST', '/v1/auth/otp', { from: '127.0.0.67', body: { mobile: '+919812345678' } });
    await ask('GET', '/v1/bookings', { from: '127.0.0.67', token: 'made.up.token' });
    // Strangers of the CoWIN surface have SMS sent, which have a budget of their own.
    for (let number = 0; number < 3; number++)
      await ask('POST', '/api/v2/auth/public/generateOTP', {
        from: '127.0.0.68',
        body: { mobile: `98765432${wave}${number}` },
      });
  }

  return {
    /** All of it once; `wave` makes names that no other wave has. */
    wave: async (wave: number): Promise<void> => {
      const [comes, guessed] = [await arrive(), await arrive()];
      await Promise.all([
        lottery(`lottery-${wave}`),
        today(`today-${wave}`, [comes, guessed]),
        attack(wave),
      ]);
    },
    publish,
  };
}
