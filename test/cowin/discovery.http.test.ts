/** What anyone may read of the CoWIN surface, over HTTP, and by a client that others wrote for it. */
import { createRequire } from 'node:module';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { puneCalendar } from '../../bench/support/calendar.ts';
import { present } from '../../src/lib/assert.ts';
import { isoFromMs } from '../../src/lib/clock.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { ReleaseTerms } from '../../src/releases/rules.ts';
import { serveApi, type TestApi } from '../support/api.ts';
import { sleep } from '../../src/lib/clock.ts';
import { aSecond, BANDS, publishCowin, ROOT } from '../support/cowin.ts';
import { fresh, granted, register } from '../support/engine.ts';
import { tokenOf } from '../support/app.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);
let api: TestApi;
beforeAll(async () => {
  api = await serveApi(used.redis);
});
afterAll(() => api.close());

const SESSIONS = `${ROOT}/appointment/sessions`;
const read = (path: string, headers: Record<string, string> = {}) =>
  api.call('GET', path, { headers });
const calendar = (district: number, date: string, headers?: Record<string, string>) =>
  read(`${SESSIONS}/public/calendarByDistrict?district_id=${district}&date=${date}`, headers);

describe('a client that others wrote', () => {
  test('reads states, districts and sessions, with nothing changed but where it asks', async () => {
    const { districtId, pincode, date, centers } = await publishCowin(api.engine, used.redis, {
      mode: 'lottery',
      seats: 300,
    });
    await aSecond();
    const load = createRequire(import.meta.url);
    const client = load('cowin-api-client');
    load('cowin-api-client/dist/CONSTANTS/API').API.defaults.baseURL = `${api.url}/api`;
    const { states } = await client.getStates();
    expect(states).toEqual([{ state_id: 21, state_name: 'Maharashtra' }]);
    const { districts } = await client.getDistricts(21);
    expect(districts).toContainEqual({
      district_id: districtId,
      district_name: `District ${districtId}`,
    });
    const [center] = centers;
    const session = present(center?.sessions[0], 'a session');
    const flat = {
      center_id: center?.center_id,
      pincode,
      session_id: session.session_id,
      date,
      // 300 seats, of which as much is said as is not worth polling for
      available_capacity: 200,
      vaccine: 'COVISHIELD',
      fee: '0',
      slots: [...BANDS],
    };
    expect((await client.findByPin(pincode, date)).sessions).toMatchObject([flat]);
    expect((await client.findByDistrict(districtId, date)).sessions).toMatchObject([flat]);
    const inCalendar = { center_id: center?.center_id, from: '09:00:00', pincode };
    const session7 = { session_id: session.session_id, date, min_age_limit: 18 };
    for (const { centers: found } of [
      await client.calendarByDistrict(districtId, date),
      await client.calendarByPin(pincode, date),
    ])
      expect(found).toMatchObject([{ ...inCalendar, sessions: [session7] }]);
  });
});

describe('a calendar', () => {
  test('has a centre once and each of its sessions, as they were imported', async () => {
    const now = await redisNowMs(used.redis);
    const whole = puneCalendar('2099-03-01');
    const centers = whole.centers.slice(0, 20);
    const release = fresh('pune');
    const terms = ReleaseTerms.parse({
      release,
      title: 'Pune',
      mode: 'lottery',
      opensAt: isoFromMs(now - 1_000),
      closesAt: isoFromMs(now + 60_000),
      endsAt: isoFromMs(now + 120_000),
    });
    granted(await api.engine.releases.create(terms));
    const ids = { stateId: 21, districtId: 363 };
    granted(await api.engine.releases.importCalendarInto(release, centers, ids));
    granted(await api.engine.releases.publish(release, now));
    await aSecond();
    const { json } = await calendar(363, '01-03-2099');
    const byId = new Map(
      json.centers.map((center: { center_id: number }) => [center.center_id, center]),
    );
    for (const { sessions, ...center } of centers) {
      const given = sessions.filter((one) => one.available_capacity > 0);
      if (given.length === 0) continue;
      const shown = byId.get(center.center_id) as { sessions: { session_id: string }[] };
      const { vaccine_fees: _fees, ...facts } = center;
      expect(shown).toMatchObject(facts);
      expect(shown.sessions.map((one) => one.session_id).toSorted()).toEqual(
        given.map((one) => one.session_id).toSorted(),
      );
    }
  });

  test('is one answer however its day is spelled, and another on another day', async () => {
    const { districtId } = await publishCowin(api.engine, used.redis, {
      mode: 'lottery',
      date: '2021-06-08',
      endsInS: 3_600,
    }).catch(() => ({ districtId: 0 }));
    expect(districtId).toBe(0); // a day that is over is not published: so one to come
    const { districtId: district } = await publishCowin(api.engine, used.redis, {
      mode: 'lottery',
      date: '2099-06-08',
    });
    await aSecond();
    const tags = new Set<unknown>();
    for (const day of ['08-06-2099', '8-6-2099', '8-6-99', '08/06/2099', '08-6-99']) {
      const { headers, json } = await calendar(district, encodeURIComponent(day));
      expect(json.centers, day).toHaveLength(1);
      tags.add(headers['etag']);
    }
    expect(tags.size).toBe(1);
    expect((await calendar(district, '09-06-2099')).json).toEqual({ centers: [] });
    expect((await calendar(district, '02-06-2099')).json.centers).toHaveLength(1);
    expect((await calendar(district, '01-06-2099')).json).toEqual({ centers: [] });
  });

  test('is sent compressed to who takes it, and not again to who has it', async () => {
    const { districtId, date } = await publishCowin(api.engine, used.redis, {
      mode: 'lottery',
      centres: 10,
    });
    await aSecond();
    const plain = await calendar(districtId, date);
    expect(plain.headers['content-encoding']).toBeUndefined();
    const path = `${SESSIONS}/public/calendarByDistrict?district_id=${districtId}&date=${date}`;
    const small = await fetchRaw(`${api.url}${path}`, 'br, gzip;q=0.5');
    expect(small.headers.get('content-encoding')).toBe('gzip');
    expect(gunzipSync(small.bytes).toString()).toBe(plain.text);
    expect(
      (await fetchRaw(`${api.url}${path}`, 'gzip;q=0')).headers.get('content-encoding'),
    ).toBeNull();
    const etag = String(plain.headers['etag']);
    expect((await calendar(districtId, date, { 'if-none-match': etag })).status).toBe(304);
    expect(small.headers.get('etag')).not.toBe(etag);
  });

  test('asks Redis for a district once a second, however many ask', async () => {
    const { districtId, date } = await publishCowin(api.engine, used.redis, {
      mode: 'immediate',
      seats: 5,
    });
    await aSecond();
    await calendar(districtId, date);
    const calls = async (): Promise<number> =>
      Number(/total_commands_processed:(\d+)/.exec(await used.redis.info('stats'))?.[1]);
    const before = await calls();
    for (let asked = 0; asked < 200; asked++)
      expect((await calendar(districtId, date)).status).toBe(200);
    // ours is one of them; the others are what a second's look at the releases takes
    expect((await calls()) - before).toBeLessThan(40);
  });
});

describe('what is shown', () => {
  test('of a lottery is coarse while one may ask, and nothing before and after', async () => {
    const { engine } = api;
    const open = await publishCowin(engine, used.redis, { mode: 'lottery', seats: 37 });
    const later = await publishCowin(engine, used.redis, {
      mode: 'lottery',
      seats: 37,
      opensInS: 600,
      closesInS: 700,
    });
    await aSecond();
    const shown = async ({ districtId, date }: typeof open): Promise<unknown> =>
      (await calendar(districtId, date)).json.centers[0].sessions[0].available_capacity;
    expect(await shown(open)).toBe(20);
    expect(await shown(later)).toBe(0);
    await engine.releases.end(open.release);
    await aSecond();
    expect(await shown(open)).toBe(0);
  });

  test('of a release that books at once is what is free', async () => {
    const { engine } = api;
    const given = await publishCowin(engine, used.redis, { mode: 'immediate', seats: 37 });
    await aSecond();
    const [center] = (await calendar(given.districtId, given.date)).json.centers;
    expect(center.sessions[0].available_capacity_dose1).toBe(37);
    const account = fresh('account');
    const person = await register(engine, account);
    const found = granted(await engine.releases.published(given.release));
    const slot = present(found.manifest.slots[0], 'a slot').slot;
    granted(
      await engine.bookings.book(account, { release: given.release, beneficiary: person, slot }),
    );
    await aSecond();
    const [after] = (await calendar(given.districtId, given.date)).json.centers;
    expect(after.sessions[0].available_capacity_dose1).toBe(36);
  });

  test('leaves out a slot that an operator has closed', async () => {
    const { engine } = api;
    const given = await publishCowin(engine, used.redis, { mode: 'lottery', seats: 10 });
    const { manifest } = granted(await engine.releases.published(given.release));
    const first = present(manifest.slots[0], 'a slot');
    granted(await engine.releases.close(given.release, { slots: [first.slot] }));
    await aSecond();
    const [center] = (await calendar(given.districtId, given.date)).json.centers;
    expect(center.sessions[0]).toMatchObject({ available_capacity: 5, slots: [BANDS[1]] });
  });

  test('stays readable while Redis is away', async () => {
    const given = await publishCowin(api.engine, used.redis, { mode: 'lottery' });
    await aSecond();
    const before = await calendar(given.districtId, given.date);
    await used.redis.call('CLIENT', 'PAUSE', '2500', 'ALL');
    await aSecond();
    const startedMs = performance.now();
    expect((await calendar(given.districtId, given.date)).text).toBe(before.text);
    expect(performance.now() - startedMs).toBeLessThan(900);
    // Whoever asks meanwhile is refused at once.
    while ((await used.redis.ping().catch(() => 'AWAY')) !== 'PONG') await sleep(50);
  });
});

describe('a question', () => {
  test.each([
    ['findByPin?pincode=012345&date=01-01-2099', 400, 'APPOIN0018'],
    ['findByPin?pincode=4110011&date=01-01-2099', 400, 'APPOIN0018'],
    ['calendarByPin?date=01-01-2099', 400, 'APPOIN0018'],
    ['findByDistrict?district_id=x&date=01-01-2099', 400, 'USRRES0001'],
    ['findByDistrict?district_id=363', 400, 'USRRES0001'],
    ['calendarByDistrict?district_id=363&date=31-02-2099', 400, 'USRRES0001'],
    ['calendarByDistrict?district_id=363&date=2099-01-01', 400, 'USRRES0001'],
    ['calendarByDistrict?date=01-01-2099', 400, 'USRRES0001'],
    ['calendarByCenter?date=01-01-2099', 400, 'USRRES0001'],
  ])('%s is answered %i %s', async (question, status, errorCode) => {
    const answer = await read(`${SESSIONS}/public/${question}`);
    expect([answer.status, answer.json.errorCode]).toEqual([status, errorCode]);
  });

  test('may have members that nobody knows, and be asked from any page', async () => {
    const path = `${SESSIONS}/public/findByDistrict?district_id=1&date=01-01-2099&colour=red`;
    const answer = await read(path, { origin: 'https://a.example', 'x-anything': '1' });
    expect(answer.json).toEqual({ sessions: [] });
    expect(answer.headers['access-control-allow-origin']).toBe('*');
    const asking = { origin: 'https://a.example', 'access-control-request-method': 'GET' };
    const ahead = await api.call('OPTIONS', path, { headers: asking });
    expect([ahead.status, ahead.headers['access-control-allow-origin']]).toEqual([204, '*']);
  });

  test('of a centre is answered by an object, empty where there is none', async () => {
    const { centers, date } = await publishCowin(api.engine, used.redis, { mode: 'lottery' });
    await aSecond();
    const ask = (id: number) =>
      read(`${SESSIONS}/public/calendarByCenter?center_id=${id}&date=${date}`);
    const id = present(centers[0], 'a centre').center_id;
    expect((await ask(id)).json.centers).toMatchObject({ center_id: id });
    expect((await ask(1)).json).toEqual({ centers: {} });
  });

  test('of a vaccine finds those sessions only', async () => {
    const { districtId, date } = await publishCowin(api.engine, used.redis, {
      mode: 'lottery',
      vaccine: 'COVAXIN',
    });
    await aSecond();
    const ask = async (vaccine: string): Promise<number> =>
      (await calendar(districtId, `${date}&vaccine=${vaccine}`)).json.centers.length;
    expect([await ask('covaxin'), await ask('COVISHIELD'), await ask('')]).toEqual([1, 0, 1]);
  });

  test('by nobody in particular is not answered where an account is asked for', async () => {
    const path = `${SESSIONS}/calendarByDistrict?district_id=1&date=01-01-2099`;
    const answer = await read(path);
    expect([answer.status, answer.text]).toEqual([401, 'Unauthenticated access!']);
    const token = await tokenOf(fresh('account'));
    const known = await api.call('GET', path, { token });
    expect([known.status, known.headers['cache-control']]).toEqual([200, 'private, max-age=1']);
  });

  test('is limited, in a form that clients wait for', async () => {
    const strict = await serveApi(used.redis, undefined, { LIMIT_DISCOVERY_PER_ADDRESS: '3' });
    try {
      const ask = () => strict.call('GET', `${ROOT}/admin/location/states`);
      for (let asked = 0; asked < 3; asked++) expect((await ask()).status).toBe(200);
      const over = await ask();
      expect([over.status, over.json.error]).toEqual([429, 'Too Many Requests']);
      expect(Number(over.headers['retry-after'])).toBeGreaterThan(0);
    } finally {
      await strict.close();
    }
  });
});

async function fetchRaw(url: string, acceptEncoding: string) {
  const { request } = await import('node:http');
  return new Promise<{ headers: Headers; bytes: Buffer }>((resolve, reject) => {
    request(url, { headers: { 'accept-encoding': acceptEncoding } }, (received) => {
      const chunks: Buffer[] = [];
      received.on('data', (chunk: Buffer) => chunks.push(chunk));
      received.once('end', () => {
        const headers = new Headers(
          Object.entries(received.headers).map(([name, value]) => [name, String(value)]),
        );
        resolve({ headers, bytes: Buffer.concat(chunks) });
      });
    })
      .once('error', reject)
      .end();
  });
}
