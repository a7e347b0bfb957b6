/** Result files over HTTP: what any cache on the way is told, before a round is out and after. */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../src/log.ts';
import { ResultFile } from '../../src/rounds/results/results.ts';
import { saveResults } from '../../src/rounds/results/results-command.ts';
import { entryIdOf } from '../../src/rounds/rules.ts';
import { serveApi, type TestApi } from '../support/api.ts';
import { fresh, letPass, nextRound, publishRelease, putEntry } from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);
const PEOPLE = 200;
const GZIP = { 'accept-encoding': 'gzip' };

let api: TestApi;
let release: string;
let persons: string[];
const path = (prefix = '0', round = 0, of = release): string =>
  `/v1/releases/${of}/rounds/${round}/results/${prefix}`;
const get = (to = path(), headers: Record<string, string> = {}) => api.call('GET', to, { headers });

beforeAll(async () => {
  const settings = { CORS_ORIGINS: 'https://front.example' };
  api = await serveApi(test.redis, createLog('silent'), settings);
});
beforeEach(async () => {
  const { engine } = api;
  ({ release } = await publishRelease(engine, test.redis, { seats: [20] }));
  persons = Array.from({ length: PEOPLE }, () => fresh('person'));
  await Promise.all(persons.map((person) => putEntry(engine, release, [0], [person])));
  await letPass(test.redis, 600);
});
afterAll(() => api.close());
const draw = (): Promise<number> => nextRound(api.engine, release);

describe('a result file', () => {
  it('is a 404 that no cache keeps for long, until its round is out', async () => {
    const early = await get();
    expect(early.status).toBe(404);
    expect(early.json).toMatchObject({ code: 'ROUND_UNKNOWN', status: 404 });
    expect(early.headers).toMatchObject({
      'content-type': 'application/problem+json',
      'cache-control': 'public, max-age=1',
    });
    await draw();
    await expect.poll(async () => (await get()).status, { timeout: 3_000 }).toBe(200);
  });

  it('is kept for good by whoever likes, compressed or not, under strong tags', async () => {
    await draw();
    const [plain, small] = [await get(), await get(path(), GZIP)];
    for (const one of [plain, small])
      expect(one.headers).toMatchObject({
        'content-type': 'application/json; charset=utf-8',
        'cache-control': 'public, max-age=31536000, immutable',
        'content-length': String(one.bytes.length),
        vary: 'accept-encoding, Origin',
        etag: expect.stringMatching(/^"[0-9a-f]{32}(-gzip)?"$/),
      });
    expect(small.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(small.bytes).equals(plain.bytes)).toBe(true);
    expect(small.bytes.length).toBeLessThan(plain.bytes.length);
    expect(small.headers.etag).not.toBe(plain.headers.etag);
    // Of one asker, while the answer is for all.
    expect(plain.headers).not.toHaveProperty('ratelimit');
    for (const { headers } of [plain, small]) {
      const again = await get(path(), {
        'if-none-match': String(headers.etag),
        ...(headers['content-encoding'] && GZIP),
      });
      expect(again.status).toBe(304);
      expect(again.bytes.length).toBe(0);
      expect(again.headers).toMatchObject({
        etag: headers.etag,
        'cache-control': 'public, max-age=31536000, immutable',
      });
    }
    expect((await get(path(), { 'if-none-match': '"other"' })).status).toBe(200);
    const head = await api.call('HEAD', path());
    expect(head.status).toBe(200);
    expect(head.headers['content-length']).toBe(plain.headers['content-length']);
  });

  it('tells of all who entered, by their entry ids and nothing else', async () => {
    await draw();
    const document = (await get(`/v1/releases/${release}/rounds/0`)).json;
    expect(document.results).toEqual({ prefixLength: 1, files: 2 });
    const texts = [(await get(path('0'))).text, (await get(path('1'))).text];
    const files = texts.map((text) => ResultFile.parse(JSON.parse(text)));
    expect(files.every(({ digest }) => digest === document.digest)).toBe(true);
    const named = files.flatMap(({ offered, waiting }) => [
      ...offered.map(({ entry }) => entry),
      ...waiting,
    ]);
    const ids = persons.map((person) => entryIdOf(api.engine.secrets, release, person));
    expect(named.toSorted()).toEqual(ids.toSorted());
    expect(files.flatMap(({ offered }) => offered)).toHaveLength(20);
    for (const person of persons) expect(texts.join()).not.toContain(person);
  });

  it('is not there under another prefix, round or release, nor for what is no prefix', async () => {
    await draw();
    const missing = [
      ['RESULT_FILE_UNKNOWN', path('00')],
      ['ROUND_UNKNOWN', path('0', 1)],
      ['RELEASE_UNKNOWN', path('0', 0, 'nowhere')],
    ] as const;
    for (const [code, to] of missing) {
      const answer = await get(to);
      expect(answer.json).toMatchObject({ code, status: 404 });
      expect(answer.headers['cache-control']).toBe('public, max-age=1');
    }
    expect((await get(path('00'))).json.prefixLength).toBe(1);
    for (const wrong of ['2', '0x', '0'.repeat(25)])
      expect((await get(path(wrong))).json.code).toBe('REQUEST_INVALID');
  });

  it('is the same as a file of a static host, all of a round or none', async () => {
    await draw();
    const to = await mkdtemp(join(tmpdir(), 'fairslot-results-'));
    try {
      const saving = { release, round: '0', to };
      const saved = await saveResults(api.engine.rounds, saving);
      expect(saved).toMatchObject({ files: 2 });
      const directory = join(to, `/v1/releases/${release}/rounds/0/results`);
      expect(readdirSync(directory).toSorted()).toEqual(['0', '0.gz', '1', '1.gz']);
      for (const prefix of ['0', '1']) {
        const file = readFileSync(join(to, path(prefix)));
        expect(file.equals((await get(path(prefix))).bytes)).toBe(true);
        expect(gunzipSync(readFileSync(join(to, `${path(prefix)}.gz`))).equals(file)).toBe(true);
      }
      const problem = expect.any(String);
      expect(await saveResults(api.engine.rounds, saving)).toEqual({ problem });
      expect(await saveResults(api.engine.rounds, { ...saving, round: '1' })).toEqual({
        problem: 'ROUND_UNKNOWN: This round has not been published.',
      });
      for (const other of [{ round: 'x' }, { release: '../..' }])
        expect(await saveResults(api.engine.rounds, { ...saving, ...other })).toEqual({ problem });
    } finally {
      await rm(to, { recursive: true });
    }
  });
});
