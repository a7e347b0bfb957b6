/**
 * Clients of the old kind ask for appointments: they book once where a release books at once, and
 * gain nothing by speed where it is a lottery.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeJwt } from 'jose';
import { createAccessTokens } from '../../src/gates/access-tokens.ts';
import { present } from '../../src/lib/assert.ts';
import { entryIdOf } from '../../src/rounds/rules.ts';
import { keys } from '../../src/redis/keys.ts';
import { serveApi, type TestApi } from '../support/api.ts';
import { SECRET, secrets } from '../support/app.ts';
import {
  aSecond,
  BANDS,
  type CowinRelease,
  oldClient,
  publishCowin,
  ROOT,
} from '../support/cowin.ts';
import { readSlip } from '../support/slips.ts';
import { freshId, letPass, nextRound } from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);
let api: TestApi;
beforeAll(async () => {
  api = await serveApi(used.redis);
});
afterAll(() => api.close());

let mobiles = 9_800_000_000;
type Client = ReturnType<typeof oldClient>;
/** Signed in, with some people registered. */
async function arrive(people = 1): Promise<{ client: Client; people: string[] }> {
  const client = oldClient(api, used.redis, String(++mobiles));
  await client.signIn();
  const registered: string[] = [];
  for (let one = 0; one < people; one++)
    registered.push(await client.register(`Asha ${one}`, freshId()));
  return { client, people: registered };
}

const sessionOf = (release: CowinRelease, centre = 0): string =>
  present(release.centers[centre]?.sessions[0], 'a session').session_id;
async function download(client: Client, appointment: string) {
  const path = `${ROOT}/appointment/appointmentslip/download?appointment_id=${appointment}`;
  const headers = { authorization: `Bearer ${client.token()}` };
  const answer = await fetch(`${api.url}${path}`, { headers });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  return { status: answer.status, type: answer.headers.get('content-type'), bytes };
}
const publish = (wishes: Parameters<typeof publishCowin>[2]): Promise<CowinRelease> =>
  publishCowin(api.engine, used.redis, wishes);

/** What Redis holds of entries and bookings of a release. */
const held = async ({ release }: CowinRelease) => ({
  entering: await used.redis.hgetall(keys.entering(release)),
  bookings: await used.redis.hgetall(keys.bookings(release)),
  seats: await used.redis.hgetall(keys.seats(release)),
});

describe('a client, where a release books at once', () => {
  test('polls, books, and has it among its appointments; it books once', async () => {
    const release = await publish({ mode: 'immediate', seats: 5 });
    await aSecond();
    const { client, people } = await arrive();
    const calendar = await client.calendar(release.districtId, release.date);
    const [session] = calendar.json.centers[0].sessions;
    expect(session.available_capacity).toBe(5);
    const ask = { session: session.session_id, people };
    const booked = await client.schedule(ask);
    expect(booked.status).toBe(200);
    const id = booked.json.appointment_confirmation_no;
    const [beneficiary] = await client.beneficiaries();
    expect(beneficiary).toMatchObject({
      beneficiary_reference_id: people[0],
      photo_id_type: 'Passport',
      vaccination_status: 'Not Vaccinated',
      dose1_date: '',
      appointments: [
        {
          appointment_id: id,
          session_id: session.session_id,
          date: release.date,
          slot: BANDS[0],
          dose: 1,
        },
      ],
    });
    const slip = await download(client, id);
    expect([slip.status, slip.type]).toEqual([200, 'application/pdf']);
    expect((await readSlip(slip.bytes)).drawn).toContain('Asha 0');
    // one that could not read its terminal asked again
    const again = await client.schedule(ask);
    expect([again.status, again.json.errorCode]).toEqual([400, 'APPOIN0022']);
    const elsewhere = await client.schedule({ ...ask, slot: BANDS[1] });
    expect([elsewhere.status, elsewhere.json.errorCode]).toEqual([400, 'APPOIN0022']);
    expect(Object.keys((await held(release)).bookings)).toHaveLength(1);
  });

  test('books for a family all or none', async () => {
    const release = await publish({ mode: 'immediate', seats: 2 });
    await aSecond();
    const { client, people } = await arrive(2);
    const before = await held(release);
    const refused = await client.schedule({ session: sessionOf(release), people });
    // one seat in each band
    expect([refused.status, refused.json.errorCode]).toEqual([409, 'APPOIN0040']);
    expect((await held(release)).seats).toEqual(before.seats);
    expect((await client.beneficiaries())[0].appointments).toEqual([]);
    const wide = await publish({ mode: 'immediate', seats: 4 });
    await aSecond();
    // what was refused a moment ago binds them for seconds yet, and is no booking
    const soon = await client.schedule({ session: sessionOf(wide), people });
    expect([soon.status, soon.json.error]).toEqual([429, 'Too Many Requests']);
    const other = await arrive(2);
    const ask = { session: sessionOf(wide), people: other.people };
    expect((await other.client.schedule(ask)).status).toBe(200);
    for (const one of await other.client.beneficiaries()) expect(one.appointments).toHaveLength(1);
  });

  test('books a family once however it asks, and tells of no booking that is none', async () => {
    const release = await publish({ mode: 'immediate', seats: 4 });
    await aSecond();
    const { client, people } = await arrive(2);
    const session = sessionOf(release);
    const answers = await Promise.all(
      [people, people.toReversed(), people, people.toReversed()].map((those) =>
        client.schedule({ session, people: those }),
      ),
    );
    const statuses = answers.map(({ status }) => status).toSorted((one, other) => one - other);
    expect(statuses).toEqual([200, 400, 400, 400]);
    expect(Object.keys((await held(release)).bookings)).toHaveLength(2);
    // one seat is left in the other band, and a family of two gets no SMS of it
    const other = await arrive(2);
    const told = await used.redis.zcard(keys.smsQueued('routine'));
    const small = await publish({ mode: 'immediate', seats: 2 });
    await aSecond();
    await other.client.schedule({ session: sessionOf(small), people: other.people });
    expect(await used.redis.zcard(keys.smsQueued('routine'))).toBe(told);
  });

  test('moves its appointment, and gives it back', async () => {
    const release = await publish({ mode: 'immediate', seats: 2 });
    await aSecond();
    const [{ client, people }, other] = [await arrive(), await arrive()];
    const session = sessionOf(release);
    const booked = await client.schedule({ session, people });
    const id = booked.json.appointment_confirmation_no;
    const to = { appointment_id: id, session_id: session, slot: BANDS[1] };
    expect((await client.post('/appointment/reschedule', to)).status).toBe(204);
    expect((await client.post('/appointment/reschedule', to)).status).toBe(204);
    const [{ appointments }] = await client.beneficiaries();
    expect(appointments).toMatchObject([{ appointment_id: id, slot: BANDS[1] }]);
    // what it left can be had, what it took cannot
    expect(
      (await other.client.schedule({ session, people: other.people, slot: BANDS[1] })).status,
    ).toBe(409);
    expect((await other.client.schedule({ session, people: other.people })).status).toBe(200);
    const back = { ...to, slot: BANDS[0] };
    const full = await client.post('/appointment/reschedule', back);
    expect([full.status, full.json.errorCode]).toEqual([409, 'APPOIN0040']);
    expect((await other.client.post('/appointment/reschedule', back)).status).toBe(404);
    const giveBack = { appointment_id: id, beneficiariesToCancel: people };
    const stranger = await other.client.post('/appointment/cancel', giveBack);
    expect([stranger.status, stranger.json.errorCode]).toEqual([400, 'APPOIN0001']);
    expect((await client.post('/appointment/cancel', giveBack)).status).toBe(204);
    expect((await held(release)).seats).toEqual({ '0/0': '0', '1/0': '1' });
  });
});

describe('a client, where seats are given by lottery', () => {
  test('is entered once, sees nothing left, and finds the result among its appointments', async () => {
    const release = await publish({ mode: 'lottery', seats: 2 });
    await aSecond();
    const { client, people } = await arrive();
    const see = async (): Promise<number> => {
      const { json } = await client.calendar(release.districtId, release.date);
      return json.centers[0].sessions[0].available_capacity;
    };
    expect(await see()).toBe(2);
    const ask = { session: sessionOf(release), people };
    const asked = await client.schedule(ask);
    expect([asked.status, asked.json.errorCode]).toEqual([409, 'APPOIN0040']);
    const { entryId, resultAt } = asked.json.fairslot;
    expect(Date.parse(resultAt)).toBeGreaterThan(Date.now());
    expect(await see()).toBe(0);
    const once = await held(release);
    expect(Object.keys(once.entering)).toEqual([entryId]);
    const again = await client.schedule(ask);
    expect(again.json.fairslot).toMatchObject({ entryId });
    expect(await held(release)).toEqual(once);
    // another slot is wished for less than the first
    await client.schedule({ ...ask, slot: BANDS[1] });
    expect(Object.values((await held(release)).entering)[0]).toMatch(/\|0,1\|/);
    expect((await client.beneficiaries())[0].appointments).toEqual([]);
    await letPass(used.redis, 700);
    await nextRound(api.engine, release.release);
    const [{ appointments }] = await client.beneficiaries();
    expect(appointments).toMatchObject([
      { session_id: ask.session, slot: BANDS[0], fairslot: { state: 'offered' } },
    ]);
    // whoever asks for what they were offered takes it
    const other = await client.schedule({ ...ask, slot: BANDS[1] });
    expect([other.status, other.json.errorCode]).toEqual([400, 'APPOIN0022']);
    const taken = await client.schedule(ask);
    expect(taken.status).toBe(200);
    expect(taken.json.appointment_confirmation_no).toBe(appointments[0].appointment_id);
    const [after] = await client.beneficiaries();
    expect(after.appointments[0].fairslot.state).toBe('booked');
  });

  test('takes what it was offered by fetching the slip, as it knows no other word for it', async () => {
    const release = await publish({ mode: 'lottery', seats: 2 });
    await aSecond();
    const [{ client, people }, other] = [await arrive(), await arrive()];
    await client.schedule({ session: sessionOf(release), people });
    await letPass(used.redis, 700);
    await nextRound(api.engine, release.release);
    const [{ appointments }] = await client.beneficiaries();
    const id = appointments[0].appointment_id;
    expect((await download(other.client, id)).status).toBe(404);
    const slip = await download(client, id);
    expect((await readSlip(slip.bytes)).drawn).toContain('Asha 0');
    const [after] = await client.beneficiaries();
    expect(after.appointments[0].fairslot.state).toBe('booked');
  });

  test('is a family together: one entry, one appointment for all of them', async () => {
    const release = await publish({ mode: 'lottery', seats: 8 });
    await aSecond();
    const { client, people } = await arrive(3);
    await client.schedule({ session: sessionOf(release), people });
    expect(Object.keys((await held(release)).entering)).toHaveLength(1);
    await letPass(used.redis, 700);
    await nextRound(api.engine, release.release);
    const ids = new Set(
      (await client.beneficiaries()).map(
        (one: { appointments: { appointment_id: string }[] }) =>
          one.appointments[0]?.appointment_id,
      ),
    );
    expect(ids.size).toBe(1);
    expect((await client.schedule({ session: sessionOf(release), people })).status).toBe(200);
    const [id] = ids;
    const some = { appointment_id: id, beneficiariesToCancel: people.slice(1) };
    const refused = await client.post('/appointment/cancel', some);
    expect(refused.status).toBe(409);
    const all = { appointment_id: id, beneficiariesToCancel: people };
    expect((await client.post('/appointment/cancel', all)).status).toBe(204);
  });

  test('is told of no entry that its people are not in, and leaves nobody out of theirs', async () => {
    const release = await publish({ mode: 'lottery', seats: 8, closesInS: 600 });
    await aSecond();
    const { client, people } = await arrive(4);
    const [first = '', second = '', third = '', fourth = ''] = people;
    const session = sessionOf(release);
    const ask = (...those: string[]) => client.schedule({ session, people: those });
    const { entryId } = (await ask(first, second)).json.fairslot;
    const packed = (await held(release)).entering;
    // some of a group, or in another order, have asked already: nothing changes
    for (const those of [[first], [second], [second, first]])
      expect((await ask(...those)).json.fairslot, those.join()).toMatchObject({ entryId });
    expect((await held(release)).entering).toEqual(packed);
    // a slot more of one is a slot more of the group
    await client.schedule({ session, people: [second], slot: BANDS[1] });
    const [persons, prefs] = String((await held(release)).entering[entryId]).split('|');
    expect([persons?.split(',').length, prefs]).toEqual([2, '0,1']);
    // who is not in it is not said to be
    for (const those of [
      [first, third],
      [third, second],
    ]) {
      const { status, json } = await ask(...those);
      expect([status, json.errorCode, json.fairslot.code]).toEqual([
        409,
        'APPOIN0040',
        'IN_ANOTHER_ENTRY',
      ]);
      expect(json.fairslot.entryId).toBeUndefined();
    }
    const own = (await ask(third)).json.fairslot.entryId;
    expect(own).not.toBe(entryId);
    await letPass(used.redis, 700);
    await nextRound(api.engine, release.release);
    // an offer to one is none to those who ask with them
    const appointmentsOf = async (reference: string): Promise<unknown[]> =>
      (await client.beneficiaries()).find(
        (one: { beneficiary_reference_id: string }) => one.beneficiary_reference_id === reference,
      ).appointments;
    expect(await appointmentsOf(third)).toHaveLength(1);
    const together = await ask(third, fourth);
    expect([together.status, together.json.errorCode]).toEqual([400, 'APPOIN0022']);
    expect((await ask(third)).status).toBe(200);
    expect(await appointmentsOf(fourth)).toEqual([]);
  });

  test('asks in the release that is open where two have its session', async () => {
    const open = await publish({ mode: 'lottery', seats: 2 });
    const later = await publish({
      mode: 'lottery',
      opensInS: 900,
      closesInS: 1_000,
      like: open,
    });
    await aSecond();
    const { client, people } = await arrive();
    const session = sessionOf(open);
    const { json } = await client.calendar(open.districtId, open.date);
    expect(json.centers[0].sessions).toHaveLength(1);
    expect(json.centers[0].sessions[0].available_capacity).toBe(2);
    const asked = await client.schedule({ session, people });
    expect(asked.json.fairslot.code).toBe('ENTERED_IN_LOTTERY');
    expect(Object.keys((await held(open)).entering)).toHaveLength(1);
    expect((await held(later)).entering).toEqual({});
  });

  test('gives nobody a seat out of turn: an appointment of a lottery is not exchanged', async () => {
    const release = await publish({ mode: 'lottery', seats: 4 });
    await aSecond();
    const { client, people } = await arrive();
    const session = sessionOf(release);
    await client.schedule({ session, people });
    await letPass(used.redis, 700);
    await nextRound(api.engine, release.release);
    const { json } = await client.schedule({ session, people });
    const to = { appointment_id: json.appointment_confirmation_no, session_id: session };
    const refused = await client.post('/appointment/reschedule', { ...to, slot: BANDS[1] });
    expect([refused.status, refused.json.errorCode]).toEqual([409, 'APPOIN0040']);
  });
});

describe('a hostile client', () => {
  test('posts 1,000 times in four seconds, from four tokens of one account, and has one entry', async () => {
    const release = await publish({ mode: 'lottery', seats: 2, centres: 8, preferences: 5 });
    await aSecond();
    const { client, people } = await arrive(1);
    const { sub } = decodeJwt(client.token());
    const tokens = await Promise.all(
      [0, 1, 2, 3].map(async (ago) => {
        const signedIn = createAccessTokens([SECRET], () => Date.now() - ago * 1_000);
        return (await signedIn.issue({ account: String(sub), epoch: 0 })).accessToken;
      }),
    );
    expect(new Set(tokens).size).toBe(4);
    const statuses = new Map<string, number>();
    const from = tokens.map((token) => {
      const one = oldClient(api, used.redis, '9000000000');
      one.useToken(token);
      return one;
    });
    const startedMs = performance.now();
    await Promise.all(
      Array.from({ length: 1_000 }, async (_post, index) => {
        const one = present(from[index % 4], 'a client');
        const slot = present(BANDS[index % 2], 'a band');
        const ask = { session: sessionOf(release, index % 8), people, slot };
        const { status, json } = await one.schedule(ask);
        const said = `${status} ${json.errorCode ?? json.error}`;
        statuses.set(said, (statuses.get(said) ?? 0) + 1);
      }),
    );
    expect(performance.now() - startedMs).toBeLessThan(20_000);
    expect([...statuses.keys()]).toEqual(['409 APPOIN0040']);
    const { entering } = await held(release);
    expect(Object.keys(entering)).toHaveLength(1);
    const [packed] = Object.values(entering);
    const prefs = String(packed).split('|')[1]?.split(',') ?? [];
    expect(new Set(prefs).size).toBe(5);
  });

  test('is told to wait, and has entered all the same, where its account is over its limit', async () => {
    const strict = await serveApi(used.redis, undefined, { LIMIT_WRITE_PER_ACCOUNT: '20' });
    try {
      const release = await publish({ mode: 'lottery', seats: 2 });
      await aSecond();
      const { client, people } = await arrive();
      const there = oldClient(strict, used.redis, '9000000001');
      there.useToken(client.token());
      const answers = await Promise.all(
        Array.from({ length: 200 }, () => there.schedule({ session: sessionOf(release), people })),
      );
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([409, 429]));
      expect(Object.keys((await held(release)).entering)).toHaveLength(1);
    } finally {
      await strict.close();
    }
  });

  test('gains nothing: the entry of who posted a hundred times is as that of who posted once', async () => {
    // The rank of an entry is a hash of its id and the seed: what is posted is nowhere in it.
    const release = await publish({ mode: 'lottery', seats: 2 });
    await aSecond();
    const [one, many] = [await arrive(), await arrive()];
    const session = sessionOf(release);
    await one.client.schedule({ session, people: one.people });
    for (let posted = 0; posted < 100; posted++)
      await many.client.schedule({ session, people: many.people });
    const { entering } = await held(release);
    expect(Object.keys(entering)).toHaveLength(2);
    const [first, second] = Object.values(entering).map((packed) => packed.split('|')[1]);
    expect(first).toBe(second);
  });

  test('cannot ask for people of others, nor with what is no session, slot or dose', async () => {
    const release = await publish({ mode: 'lottery' });
    await aSecond();
    const [{ client, people }, other] = [await arrive(), await arrive()];
    const session = sessionOf(release);
    const before = await held(release);
    const faults = [
      [{ session, people: other.people }, 400, 'APPOIN0001'],
      [{ session, people: [...people, ...other.people] }, 400, 'APPOIN0001'],
      [{ session, people: ['12345678901234'] }, 400, 'APPOIN0001'],
      [{ session, people: [...people, ...people] }, 400, 'USRRES0001'],
      [{ session, people: [] }, 400, 'USRRES0001'],
      [{ session: crypto.randomUUID(), people }, 400, 'APPOIN0015'],
      [{ session: '', people }, 400, 'APPOIN0015'],
      [{ session, people, slot: '09:00AM-12:00PM' }, 400, 'APPOIN0015'],
      [{ session, people, slot: 'x' }, 400, 'APPOIN0015'],
      [{ session, people, dose: 2 }, 400, 'APPOIN0015'],
      [{ session, people, dose: 0 }, 400, 'USRRES0001'],
    ] as const;
    for (const [ask, status, errorCode] of faults) {
      const answer = await client.schedule(ask);
      expect([answer.status, answer.json.errorCode], JSON.stringify(ask)).toEqual([
        status,
        errorCode,
      ]);
    }
    const { status, json } = await client.post('/appointment/schedule', { dose: 1 });
    expect([status, json.errorCode]).toEqual([400, 'USRRES0001']);
    expect(await held(release)).toEqual(before);
  });

  test('is bound to one release, whichever sessions it names', async () => {
    const [here, there] = [await publish({ mode: 'lottery' }), await publish({ mode: 'lottery' })];
    await aSecond();
    const { client, people } = await arrive();
    await client.schedule({ session: sessionOf(here), people });
    const answer = await client.schedule({ session: sessionOf(there), people });
    expect([answer.status, answer.json.errorCode]).toEqual([409, 'APPOIN0040']);
    expect((await held(there)).entering).toEqual({});
    // and is shown nothing in any, since there is nobody left to ask for
    const { json } = await client.calendar(there.districtId, there.date);
    expect(json.centers[0].sessions[0].available_capacity).toBe(0);
  });

  test('that looks and posts at once is never told that something broke', async () => {
    const release = await publish({ mode: 'lottery', seats: 2 });
    await aSecond();
    const { client, people } = await arrive();
    const statuses = new Set<number>();
    const ask = async (asking: Promise<{ status: number }>): Promise<void> => {
      statuses.add((await asking).status);
    };
    await Promise.all(
      Array.from({ length: 300 }, (_one, index) =>
        index % 3 === 0
          ? ask(client.schedule({ session: sessionOf(release), people }))
          : ask(client.calendar(release.districtId, release.date)),
      ),
    );
    expect([...statuses].toSorted((one, other) => one - other)).toEqual([200, 409]);
  });

  test('that posts across the close of the window is in a round or waits for the next', async () => {
    const clients = [await arrive(), await arrive(), await arrive()];
    const release = await publish({ mode: 'lottery', closesInS: 2, seats: 4 });
    await aSecond();
    const session = sessionOf(release);
    const until = performance.now() + 2_500;
    const statuses = new Set<number>();
    const drawing = (async () => {
      while (performance.now() < until) {
        await nextRound(api.engine, release.release).catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })();
    await Promise.all(
      clients.map(async ({ client, people }) => {
        while (performance.now() < until)
          statuses.add((await client.schedule({ session, people })).status);
      }),
    );
    await drawing;
    const liveNow = async (): Promise<string[]> =>
      Object.values((await held(release)).bookings).filter((packed) =>
        /^(?:OFFERED|BOOKED)/.test(packed),
      );
    await expect
      .poll(
        async () => {
          await nextRound(api.engine, release.release).catch(() => undefined);
          return (await liveNow()).length;
        },
        { timeout: 10_000 },
      )
      .toBe(2); // as many as that slot has seats
    for (const status of statuses) expect([200, 400, 409]).toContain(status);
    const appointments = await Promise.all(
      clients.map(async ({ client }) => (await client.beneficiaries())[0].appointments.length),
    );
    expect(appointments.filter((count) => count === 1)).toHaveLength(2);
  }, 20_000);
});

test('an entry over this surface is the one that our own surface shows', async () => {
  const release = await publish({ mode: 'lottery' });
  await aSecond();
  const { client, people } = await arrive();
  const { json } = await client.schedule({ session: sessionOf(release), people });
  const mine = await api.call('GET', '/v1/beneficiaries', { token: client.token() });
  const person = mine.json.beneficiaries[0].beneficiaryId;
  expect(json.fairslot.entryId).toBe(entryIdOf(secrets, release.release, person));
  const path = `/v1/releases/${release.release}/entry`;
  const { entries } = (await api.call('GET', path, { token: client.token() })).json;
  expect(entries).toMatchObject([{ entryId: json.fairslot.entryId, state: 'entered' }]);
});
