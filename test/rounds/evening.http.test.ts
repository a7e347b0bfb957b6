/** One small evening over real HTTP, with the server and the worker as processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { isoFromMs, nowMs, sleep } from '../../src/lib/clock.ts';
import { verifyChain } from '../../src/rounds/verify/verify.ts';
import { type Answered, call, OPERATOR_KEY, SECRET, tokenOf } from '../support/app.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis();
const children: ChildProcess[] = [];
let url = '';

function startDoor(door: string): ChildProcess {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL(`../../src/${door}.ts`, import.meta.url))],
    {
      env: {
        ...process.env,
        REDIS_URL: test.server.address.url,
        REDIS_CLUSTER: String(test.server.address.cluster),
        FAIRSLOT_SECRET: SECRET,
        FAIRSLOT_OPERATOR_KEY: OPERATOR_KEY,
        SMS_DRIVER: 'inbox',
        PORT: '0',
        METRICS_PORT: '0',
        NODE_ENV: 'test',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  children.push(child);
  return child;
}

async function urlOf(server: ChildProcess): Promise<string> {
  let output = '';
  for await (const chunk of present(server.stdout, 'standard output')) {
    output += String(chunk);
    const found = /"listening":"([^"]+)"/.exec(output)?.[1];
    if (found) return found;
  }
  throw new Error(`the server did not start:\n${output}`);
}

beforeAll(async () => {
  startDoor('worker').stdout?.resume();
  const server = startDoor('server');
  url = await urlOf(server);
  server.stdout?.resume();
});

afterAll(async () => {
  await Promise.all(
    children.map(async (child) => {
      if (child.exitCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    }),
  );
});

const asOperator = (
  method: string,
  path: string,
  body?: unknown,
  headers = {},
): Promise<Answered> => call(url, method, path, { token: OPERATOR_KEY, body, headers });

type Person = { readonly token: string; readonly id: string };
type As = (who: Person, method: string, path: string, body?: unknown) => Promise<Answered>;
const as: As = (who, method, path, body) => call(url, method, path, { token: who.token, body });

/** Signs in through the simulated phone and registers one person. */
async function arrive(number: number): Promise<Person> {
  const mobile = `+91981234${String(number).padStart(4, '0')}`;
  const sent = await call(url, 'POST', '/v1/auth/otp', { body: { mobile } });
  expect(sent.status).toBe(202);
  const inbox = `/v1/dev/inbox?mobile=${encodeURIComponent(mobile)}`;
  let otp: string | undefined;
  while (otp === undefined) {
    const { messages } = (await call(url, 'GET', inbox)).json;
    otp = /\d{6}/.exec(messages[0]?.text ?? '')?.[0];
    if (otp === undefined) await sleep(20);
  }
  const signedIn = await call(url, 'POST', '/v1/auth/token', {
    body: { txnId: sent.json.txnId, otp },
  });
  const token: string = signedIn.json.accessToken;
  const person = { name: 'Asha Kale', birthYear: 1950, gender: 'female', idType: 'aadhaar' };
  const added = await call(url, 'POST', '/v1/beneficiaries', {
    token,
    body: { ...person, idNumber: `4321 0000 ${String(number).padStart(4, '0')}` },
  });
  expect(added.status).toBe(201);
  return { token, id: added.json.beneficiaryId };
}

type Plan = {
  readonly release: string;
  readonly mode?: string;
  readonly opensInMs?: number;
  readonly closesInMs: number;
  readonly endsInMs: number;
};

async function publish({ release, mode = 'lottery', ...times }: Plan): Promise<string[]> {
  const at = (inMs: number): string => isoFromMs(nowMs() + inMs);
  const lottery = { closesAt: at(times.closesInMs), roundEveryS: 1, confirmWithinS: 2 };
  const terms = {
    release,
    title: 'An evening',
    mode,
    opensAt: at(times.opensInMs ?? -1_000),
    endsAt: at(times.endsInMs),
  };
  const created = await asOperator('POST', '/v1/admin/releases', {
    ...terms,
    ...(mode === 'lottery' && lottery),
  });
  expect(created.status).toBe(201);
  const csv = 'centre_id,centre_name,seats\na,Alpha,2\nb,Beta,1\n';
  const path = `/v1/admin/releases/${release}/import?date=2099-01-01&minAge=45&bands=09:00-11:00`;
  const imported = await asOperator('POST', path, csv, { 'content-type': 'text/csv' });
  expect(imported.status).toBe(200);
  expect((await asOperator('POST', `/v1/admin/releases/${release}/publish`)).status).toBe(200);
  const { slots } = (await call(url, 'GET', `/v1/releases/${release}/slots`)).json;
  return slots.map((one: { slot: string }) => one.slot);
}

const entryOf = async (who: Person, release: string) =>
  (await as(who, 'GET', `/v1/releases/${release}/entry`)).json.entries[0];

async function untilState(who: Person, release: string, ...states: string[]) {
  for (;;) {
    const entry = await entryOf(who, release);
    if (states.includes(entry.state)) return entry;
    await sleep(50);
  }
}

/** Verifies what the API serves as transcripts of a release, against the digest it serves. */
async function verifyServed(release: string) {
  const { rounds } = (await call(url, 'GET', `/v1/releases/${release}/rounds`)).json;
  const files = await Promise.all(
    rounds.map(async ({ round }: { round: number }) => {
      const response = await fetch(`${url}/v1/releases/${release}/rounds/${round}/transcript`);
      const bytes = Buffer.from(await response.arrayBuffer());
      return {
        name: `round ${round}`,
        open: async function* () {
          yield bytes;
        },
      };
    }),
  );
  return verifyChain(files, { digest: rounds.at(-1).digest });
}

describe('an evening over HTTP', () => {
  it('gives every seat to somebody who asked, passes on what is given back, and can be verified', async () => {
    const people = await Promise.all([1, 2, 3, 4, 5].map(arrive));
    const release = 'evening';
    const slots = await publish({ release, closesInMs: 1_500, endsInMs: 60_000 });
    const entered = await Promise.all(
      people.map((who) =>
        as(who, 'PUT', `/v1/releases/${release}/entry`, {
          beneficiaries: [who.id],
          preferences: slots,
        }),
      ),
    );
    expect(entered.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    const edited = await as(
      present(people[0], 'a person'),
      'PUT',
      `/v1/releases/${release}/entry`,
      {
        beneficiaries: [people[0]?.id],
        preferences: slots.toReversed(),
      },
    );
    expect(edited.json.entryId).toBe(entered[0]?.json.entryId);
    expect(edited.json.leaf).not.toBe(entered[0]?.json.leaf);

    const drawn = await Promise.all(
      people.map((who) => untilState(who, release, 'offered', 'waiting')),
    );
    expect(drawn.filter(({ state }) => state === 'offered')).toHaveLength(3);
    const winners = people.filter((_, i) => drawn[i].state === 'offered');
    const waiting = people.filter((_, i) => drawn[i].state === 'waiting');
    const [confirms, cancels, lapses] = winners as [Person, Person, Person];
    const offer = (await entryOf(confirms, release)).booking;
    const confirmed = await as(confirms, 'POST', `/v1/bookings/${offer.bookingId}/confirm`);
    expect(confirmed.json).toMatchObject({ state: 'booked', slot: offer.slot, confirmBy: null });
    const given = (await entryOf(cancels, release)).booking.bookingId;
    expect((await as(cancels, 'DELETE', `/v1/bookings/${given}`)).status).toBe(204);

    // One seat comes back at once, the other when its offer lapses: both who wait are served.
    await Promise.all(
      waiting.map(async (who) => {
        const { booking } = await untilState(who, release, 'offered');
        const answer = await as(who, 'POST', `/v1/bookings/${booking.bookingId}/confirm`);
        expect(answer.json.state).toBe('booked');
      }),
    );
    expect((await entryOf(lapses, release)).state).toBe('lapsed');
    expect((await as(confirms, 'GET', '/v1/bookings')).json.bookings).toHaveLength(1);
    const shown = (await asOperator('GET', `/v1/admin/releases/${release}`)).json;
    expect(shown.seats).toEqual({ capacity: 3, free: 0, offered: 0, booked: 3 });
    expect(await verifyServed(release)).toMatchObject({ accepted: true, release });
  });
});

describe('a refusal over HTTP', () => {
  const release = 'refusals';
  const entry = `/v1/releases/${release}/entry`;

  it('has a code of its own for each thing that can be wrong, and changes nothing', async () => {
    const [someone, another] = await Promise.all([arrive(21), arrive(22)]);
    const slots = await publish({ release, closesInMs: 60_000, endsInMs: 120_000 });
    const [first = ''] = slots;
    const body = { beneficiaries: [someone.id], preferences: [first] };
    await publish({ release: 'shop', closesInMs: 0, endsInMs: 60_000, mode: 'immediate' });
    const foreign = await tokenOf('AAAAAAAAAAAAAAAAAAAAAA');
    const damaged = `${someone.token.slice(0, -3)}AAA`;
    const cases: [code: string, Promise<Answered>][] = [
      ['REQUEST_INVALID', as(someone, 'PUT', entry, { ...body, extra: 1 })],
      ['REQUEST_INVALID', as(someone, 'PUT', entry, { ...body, preferences: first })],
      ['REQUEST_INVALID', as(someone, 'PUT', entry, { ...body, preferences: [] })],
      ['REQUEST_INVALID', as(someone, 'PUT', entry, { ...body, preferences: [7] })],
      ['BODY_NOT_JSON', as(someone, 'PUT', entry, '{"beneficiaries":')],
      ['BODY_TOO_LARGE', as(someone, 'PUT', entry, { ...body, preferences: ['x'.repeat(20_000)] })],
      ['RELEASE_UNKNOWN', as(someone, 'PUT', '/v1/releases/nowhere/entry', body)],
      ['NOT_A_LOTTERY', as(someone, 'PUT', '/v1/releases/shop/entry', body)],
      ['SLOT_UNKNOWN', as(someone, 'PUT', entry, { ...body, preferences: ['no-such-slot'] })],
      ['SLOT_DUPLICATE', as(someone, 'PUT', entry, { ...body, preferences: [first, first] })],
      [
        'TOO_MANY_PREFERENCES',
        as(someone, 'PUT', entry, { ...body, preferences: ['1', '2', '3', '4', '5', '6'] }),
      ],
      [
        'GROUP_TOO_LARGE',
        as(someone, 'PUT', entry, {
          ...body,
          beneficiaries: Array.from('12345', () => someone.id),
        }),
      ],
      [
        'BENEFICIARY_DUPLICATE',
        as(someone, 'PUT', entry, { ...body, beneficiaries: [someone.id, someone.id] }),
      ],
      [
        'BENEFICIARY_UNKNOWN',
        as(someone, 'PUT', entry, { ...body, beneficiaries: [someone.id, another.id] }),
      ],
      ['BENEFICIARY_UNKNOWN', as(another, 'PUT', entry, body)],
      ['BENEFICIARY_UNKNOWN', call(url, 'PUT', entry, { token: foreign, body })],
      ['ACCESS_TOKEN_MISSING', call(url, 'PUT', entry, { body })],
      ['ACCESS_TOKEN_INVALID', call(url, 'PUT', entry, { token: damaged, body })],
      ['ENTRY_UNKNOWN', as(someone, 'DELETE', `${entry}?entryId=AAAAAAAAAAAAAAAAAAAAAA`)],
      ['BOOKING_UNKNOWN', as(someone, 'POST', '/v1/bookings/nonsense/confirm')],
      [
        'BOOKING_UNKNOWN',
        as(someone, 'DELETE', `/v1/bookings/${release}.AAAAAAAAAAAAAAAAAAAAAA.0`),
      ],
      [
        'NOT_IMMEDIATE',
        as(someone, 'POST', '/v1/bookings', { release, beneficiary: someone.id, slot: first }),
      ],
      ['ROUND_UNKNOWN', call(url, 'GET', `/v1/releases/${release}/rounds/0`)],
      ['ROUND_UNKNOWN', call(url, 'GET', `/v1/releases/${release}/rounds/0/transcript`)],
      [
        'OPERATOR_KEY_INVALID',
        call(url, 'POST', `/v1/admin/releases/${release}/end`, { token: someone.token }),
      ],
      ['RELEASE_PUBLISHED', asOperator('POST', `/v1/admin/releases/${release}/publish`)],
      ['RELEASE_EXISTS', asOperator('POST', '/v1/admin/releases', { ...immediateTerms('shop') })],
    ];
    const answers = await Promise.all(cases.map(([, answer]) => answer));
    expect(answers.map(({ json }) => json.code)).toEqual(cases.map(([code]) => code));
    expect((await as(someone, 'GET', entry)).json.entries).toEqual([]);
    expect((await as(another, 'GET', entry)).json.entries).toEqual([]);
  });

  it("keeps other people's bookings out of reach", async () => {
    const [buyer, another] = await Promise.all([arrive(31), arrive(32)]);
    const corner = { release: 'corner', closesInMs: 0, endsInMs: 60_000, mode: 'immediate' };
    const [slot] = await publish(corner);
    const body = { release: 'corner', beneficiary: buyer.id, slot };
    const booked = await as(buyer, 'POST', '/v1/bookings', body);
    expect(booked.status).toBe(201);
    const path = `/v1/bookings/${booked.json.bookingId}`;
    expect((await as(another, 'DELETE', path)).json.code).toBe('BOOKING_UNKNOWN');
    expect((await as(another, 'POST', `${path}/confirm`)).json.code).toBe('BOOKING_UNKNOWN');
    expect((await as(buyer, 'POST', '/v1/bookings', body)).json.code).toBe('HAS_BOOKING');
    expect((await as(buyer, 'GET', '/v1/bookings')).json.bookings).toHaveLength(1);
  });

  it('is given before a release opens and after it ends', async () => {
    const [tooSoon, tooLate] = await Promise.all([arrive(41), arrive(42)]);
    const put = async (who: Person, name: string, slot = ''): Promise<unknown> => {
      const body = { beneficiaries: [who.id], preferences: [slot] };
      return (await as(who, 'PUT', `/v1/releases/${name}/entry`, body)).json.code;
    };
    const times = { closesInMs: 50_000, endsInMs: 60_000 };
    const [early] = await publish({ release: 'early', opensInMs: 40_000, ...times });
    expect(await put(tooSoon, 'early', early)).toBe('RELEASE_NOT_OPEN');
    const [late] = await publish({ release: 'late', ...times });
    expect((await asOperator('POST', '/v1/admin/releases/late/end')).status).toBe(200);
    expect(await put(tooLate, 'late', late)).toBe('RELEASE_ENDED');
  });
});

const immediateTerms = (release: string) => ({
  release,
  title: 'Again',
  mode: 'immediate',
  opensAt: isoFromMs(nowMs()),
  endsAt: isoFromMs(nowMs() + 60_000),
});
