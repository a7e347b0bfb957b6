/** Places from a file to what everyone reads, through the doors: HTTP and the command line. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PUNE, puneCalendar } from '../../bench/support/calendar.ts';
import { createKeysCommand } from '../../src/gates/keys-command.ts';
import { present } from '../../src/lib/assert.ts';
import { createLog } from '../../src/log.ts';
import { Manifest } from '../../src/releases/manifest.ts';
import { ReleaseTerms } from '../../src/releases/rules.ts';
import { serveApi, type TestApi } from '../support/api.ts';
import { OPERATOR_KEY, SECRET } from '../support/app.ts';
import { fresh, granted } from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);
const directory = mkdtempSync(join(tmpdir(), 'fairslot-import-'));
const calendar = puneCalendar('2099-09-17');
const ALL = { centres: 459, sessions: 6_248, slots: 16_231, seats: 495_810, districts: 1 };
const QUERY = `stateId=${PUNE.stateId}&districtId=${PUNE.districtId}`;
let api: TestApi;
beforeAll(async () => {
  api = await serveApi(used.redis);
});
afterAll(async () => {
  await api.close();
  rmSync(directory, { recursive: true });
});

async function draft(): Promise<string> {
  const release = fresh('places');
  const times = { opensAt: '2020-01-01T00:00:00Z', endsAt: '2098-01-01T00:00:00Z' };
  granted(
    await api.engine.releases.create(
      ReleaseTerms.parse({ release, title: 'A draft', mode: 'immediate', ...times }),
    ),
  );
  return release;
}
const post = (release: string, body: unknown, query = QUERY, token = OPERATOR_KEY) =>
  api.call('POST', `/v1/admin/releases/${release}/calendar?${query}`, { token, body });

describe('a district', () => {
  test('is imported as its reply says, and published so', async () => {
    const release = await draft();
    const answer = await post(release, calendar);
    expect(answer).toMatchObject({ status: 200, json: ALL });
    await api.call('POST', `/v1/admin/releases/${release}/publish`, { token: OPERATOR_KEY });
    const { json } = await api.call('GET', `/v1/releases/${release}/manifest`);
    const manifest = Manifest.parse(json);
    const center = present(
      calendar.centers.find(({ fee_type }) => fee_type === 'Paid'),
      'paid',
    );
    expect(manifest.centres.find(({ centre }) => centre === String(center.center_id))).toEqual({
      centre: String(center.center_id),
      name: center.name,
      directory: {
        state_id: PUNE.stateId,
        state_name: 'Maharashtra',
        district_id: PUNE.districtId,
        district_name: 'Pune',
        block_name: center.block_name,
        pincode: center.pincode,
        address: center.address,
        lat: center.lat,
        long: center.long,
        from: center.from.slice(0, 5),
        to: center.to.slice(0, 5),
        fee_type: 'Paid',
      },
    });
    const seats = new Map<string, number>();
    for (const { session, pools } of manifest.slots)
      seats.set(session, (seats.get(session) ?? 0) + (pools[0]?.seats ?? 0));
    const capacities = calendar.centers.flatMap(({ sessions }) =>
      sessions.flatMap((one) => [
        [`${one.session_id}-d1`, one.available_capacity_dose1] as const,
        [`${one.session_id}-d2`, one.available_capacity_dose2] as const,
      ]),
    );
    expect(seats).toEqual(new Map(capacities.filter(([, capacity]) => capacity > 0)));
  });

  test('needs a key that may import, and where it is', async () => {
    const release = await draft();
    const made = await createKeysCommand(used.redis, createLog('silent'), 'asha').create(
      fresh('key'),
      'attest',
    );
    if ('problem' in made) throw new Error(made.problem);
    expect((await post(release, calendar, QUERY, made.key)).status).toBe(403);
    for (const query of ['', 'stateId=21', 'stateId=21&districtId=0', `${QUERY}&date=2099-01-01`])
      expect((await post(release, calendar, query)).json).toMatchObject({
        code: 'REQUEST_INVALID',
      });
  });

  test('may have more centres than other lists have elements, to an end', async () => {
    const release = await draft();
    const centers = (count: number) => ({ centers: Array.from({ length: count }, () => ({})) });
    expect((await post(release, centers(10_000))).json).toMatchObject({
      code: 'IMPORT_INVALID',
      detail: '1000 bad places',
    });
    expect((await post(release, centers(10_001))).json).toMatchObject({
      problems: [{ path: 'body', message: 'A list of more than 10000.' }],
    });
  });
});

describe('release import', () => {
  const run = promisify(execFile);
  const cli = (...parameters: string[]) =>
    run(
      process.execPath,
      [
        fileURLToPath(new URL('../../src/cli.ts', import.meta.url)),
        '--url',
        api.url,
        'release',
        'import',
        ...parameters,
      ],
      { env: { ...process.env, FAIRSLOT_SECRET: SECRET, FAIRSLOT_OPERATOR_KEY: OPERATOR_KEY } },
    );
  const put = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };

  test('sends a reply or a CSV to its door, and says what the draft holds', async () => {
    const release = await draft();
    const file = put('pune.json', JSON.stringify(calendar));
    const where = ['--state-id', String(PUNE.stateId), '--district-id', String(PUNE.districtId)];
    expect(JSON.parse((await cli(release, file, ...where)).stdout)).toMatchObject(ALL);
    const csv = put(
      'more.csv',
      'centre_id,centre_name,seats,date\nhall,Hall,4,2099-01-01\nshut,Shut,0,2099-01-01\n',
    );
    expect(JSON.parse((await cli(release, csv, '--bands', '09:00-10:00')).stdout)).toEqual({
      centres: ALL.centres + 1,
      sessions: ALL.sessions + 1,
      slots: ALL.slots + 1,
      seats: ALL.seats + 4,
      districts: 1,
      added: { centres: 1, sessions: 1, slots: 1, seats: 4 },
      leftOut: 1,
      otherServices: [],
    });
  });

  test('says of a file what it added and left out, and what in it is no vaccine', async () => {
    const release = await draft();
    const [center] = calendar.centers;
    const [session] = present(center, 'a centre').sessions;
    const none = { available_capacity_dose1: 0, available_capacity_dose2: 0 };
    const closed = [session, session].map((one) => ({ ...one, ...none }));
    await post(release, { centers: [center] });
    const { json } = await post(release, { centers: [{ ...center, sessions: closed }] });
    expect(json).toMatchObject({ centres: 1, added: { sessions: 0, seats: 0 }, leftOut: 2 });
    const rows = ['a,Screening', 'b,covaxin', 'c,Flu', 'd,Screening'].map(
      (row) => `${row},2,2099-01-01`,
    );
    const answer = await api.call('POST', `/v1/admin/releases/${release}/import`, {
      token: OPERATOR_KEY,
      body: ['centre_id,vaccine,seats,date,centre_name', ...rows.map((row) => `${row},A`)].join(
        '\n',
      ),
      headers: { 'content-type': 'text/csv' },
    });
    expect(answer.json).toMatchObject({
      centres: 5,
      added: { centres: 4, sessions: 4, slots: 8, seats: 8 },
      leftOut: 0,
      otherServices: ['Screening', 'Flu'],
    });
  });

  test('ends with the refusal and imports nothing', async () => {
    const release = await draft();
    const file = put('bad.csv', 'centre_id,centre_name,seats\nhall,Hall,4\nhouse,=House,1\n');
    const failed = await cli(release, file, '--date', '2099-01-01').then(
      () => undefined,
      (error: unknown) => error as { code: number; stderr: string },
    );
    expect(failed?.code).toBe(1);
    expect(failed?.stderr).toContain('"line": 3');
    const { draft: left } = granted(await api.engine.releases.readDraft(release));
    expect(left.places.centres).toEqual([]);
  });
});
