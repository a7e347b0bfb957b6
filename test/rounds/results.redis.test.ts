/** Result files as a worker keeps them and a server makes them of that. */
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { monotonicMs } from '../../src/lib/clock.ts';
import { jcs } from '../../src/lib/jcs.ts';
import { keys } from '../../src/redis/keys.ts';
import { RESULT_LIMITS } from '../../src/rounds/results/result-files.ts';
import { prefixOf, ResultFile } from '../../src/rounds/results/results.ts';
import {
  codeOf,
  dyingStore,
  engineOn,
  fresh,
  granted,
  letPass,
  nextRound,
  publishRelease,
  putEntry,
  restore,
  snapshot,
  watchedStore,
  workerOn,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';
import { linesOf } from './files.ts';

const test = useRedis(['--appendfsync', 'no']);

let engine: Engine;
let release: string;
let slots: readonly string[];

beforeEach(async () => {
  engine = engineOn(test.redis);
  const wishes = { seats: [30, 20, 5], confirmWithinS: 600 };
  ({ release, slots } = await publishRelease(engine, test.redis, wishes));
});

/** Puts entries past the people, groups of up to three among them. */
const put = (count: number): Promise<string[]> =>
  Promise.all(
    Array.from({ length: count }, (_one, number) => {
      const persons = Array.from({ length: 1 + (number % 3) }, () => fresh('person'));
      return putEntry(engine, release, [number % 3, (number + 1) % 3], persons);
    }),
  );

const draw = async (afterS = 60): Promise<number> => {
  await letPass(test.redis, afterS);
  return nextRound(engine, release);
};

const lengthOf = async (round: number): Promise<number> => {
  const document = granted(await engine.rounds.round(release, round));
  const { prefixLength, files } = document['results'] as { prefixLength: number; files: number };
  expect(files).toBe(2 ** prefixLength);
  return prefixLength;
};

/** The bytes of all files of a round, as a process serves them that has made none yet. */
const textsOf = async (round: number, on = engineOn(test.redis)): Promise<string[]> => {
  const length = await lengthOf(round);
  return Promise.all(
    Array.from({ length: 2 ** length }, async (_one, file) => {
      const made = granted(await on.rounds.resultFile(release, round, prefixOf(file, length)));
      return made.plain.toString();
    }),
  );
};
const filesOf = async (round: number): Promise<ResultFile[]> =>
  (await textsOf(round)).map((text) => {
    const file = ResultFile.parse(JSON.parse(text));
    expect(text).toBe(jcs(file));
    return file;
  });

type Line = { kind: string; entry: string; slot: string | null; pool: string | null };
/** Entry and offer lines of a round's transcript: entry id -> where it sits, or null. */
const transcriptOf = async (round: number): Promise<Map<string, string | null>> => {
  const packed = await buffer(engine.stores.rounds.transcript(release, round));
  const lines = linesOf(gunzipSync(packed)).map((line) => JSON.parse(line) as Line);
  return new Map(
    lines
      .filter(({ kind }) => kind === 'entry' || kind === 'offer')
      .map(({ entry, slot, pool }) => [entry, slot && `${slot} ${pool}`]),
  );
};
const toldBy = (files: readonly ResultFile[]): [string, string | null][] =>
  files.flatMap(({ offered, waiting }) => [
    ...offered.map(({ entry, slot, pool }): [string, string] => [entry, `${slot} ${pool}`]),
    ...waiting.map((entry): [string, null] => [entry, null]),
  ]);
const inOrder = (told: Iterable<[string, string | null]>) =>
  [...told].toSorted(([a], [b]) => (a < b ? -1 : 1));

describe('result files', () => {
  it('of all rounds say together what the transcripts say, each entry once', async () => {
    await put(1_500);
    expect(await draw(600)).toBe(0);
    expect(await lengthOf(0)).toBe(2);
    const offers = await engine.stores.rounds.openOffers(release, 0);
    const cancelling = { release, entry: offers[0]!, grant: '0' };
    await engine.stores.bookings.cancel(cancelling, undefined);
    await put(20);
    expect(await draw()).toBe(1);
    await engine.releases.close(release, { slots: [slots[1]!] });
    expect(await draw()).toBe(2);
    expect(await draw(700)).toBe(3); // all that was offered has lapsed
    const counts: number[] = [];
    for (let round = 0; round <= 3; round++) {
      const told = toldBy(await filesOf(round));
      expect(inOrder(told)).toEqual(inOrder(await transcriptOf(round)));
      counts.push(told.length);
      for (const file of await filesOf(round))
        expect(file).toMatchObject({ release, round, digest: expect.any(String) });
    }
    expect(counts[0]).toBe(1_500);
    expect(counts[1]).toBeGreaterThan(20); // those new, and whoever got the seat that came back
    expect(counts[3]).toBeGreaterThan(0); // none new: only earlier ones, who got what had lapsed
  });

  it('are not there at any step before the flip, and all there after it', async () => {
    await put(40);
    await letPass(test.redis, 600);
    const seen: (string | undefined)[] = [];
    const looks = watchedStore(engine, async () => {
      const early = await engineOn(test.redis).rounds.resultFile(release, 0, '0');
      expect(early).toMatchObject({ cachedForS: 1 });
      seen.push(codeOf(early));
    });
    await workerOn(engine, looks).step(release);
    expect(seen.length).toBeGreaterThan(8);
    expect(new Set(seen)).toEqual(new Set(['ROUND_UNKNOWN']));
    expect(inOrder(toldBy(await filesOf(0)))).toHaveLength(40);
  });

  it('are the same bytes when a worker dies at any call and another draws the round', async () => {
    await put(40);
    await letPass(test.redis, 600);
    await engine.stores.drawing.cut(release);
    const cut = await snapshot(test.redis);
    await nextRound(engine, release);
    const undisturbed = await textsOf(0);
    for (let at = 3; at < 10; at++) {
      await restore(test.redis, cut);
      const other = engineOn(test.redis);
      await expect(workerOn(other, dyingStore(other, at)).step(release)).rejects.toThrow('died');
      await nextRound(engineOn(test.redis), release);
      expect(await textsOf(0), `died at call ${at}`).toEqual(undisturbed);
    }
  });

  it('are known by their length as soon as the round is sealed', async () => {
    await put(1_100);
    await letPass(test.redis, 600);
    const held = {
      ...engine.stores.drawing,
      publish: () => Promise.reject(new Error('not yet')),
    };
    await expect(workerOn(engine, held).step(release)).rejects.toThrow('not yet');
    expect(await lengthOf(0)).toBe(2);
    expect(granted(await engine.rounds.round(release, 0))).not.toHaveProperty('digest');
  });
});

describe('a process that serves them', () => {
  /** Reads that Redis was asked for so far. */
  const reads = async (): Promise<number> => {
    const stats = await test.redis.info('commandstats');
    return Array.from(
      stats.matchAll(/cmdstat_(?:get|hget|hmget|hgetall|hlen):calls=(\d+)/g),
      ([, calls]) => Number(calls),
    ).reduce((sum, calls) => sum + calls, 0);
  };

  it('asks Redis for each once, however many ask at once', async () => {
    await put(20);
    await draw(600);
    const serving = engineOn(test.redis);
    const ask = (prefix: string) => serving.rounds.resultFile(release, 0, prefix);
    const [first, ...others] = await Promise.all(Array.from({ length: 50 }, () => ask('0')));
    for (const other of others) expect(other).toBe(first);
    await ask('1');
    const before = await reads();
    const startedMs = monotonicMs();
    for (let times = 0; times < 50; times++) {
      expect(await ask('0')).toBe(first);
      granted(await ask('1'));
      expect(await ask('00')).toMatchObject({
        refused: 'RESULT_FILE_UNKNOWN',
        extra: { prefixLength: 1 },
      });
    }
    // Whether the round still counts, which is a read each time.
    const looks = (monotonicMs() - startedMs) / RESULT_LIMITS.lookedAtEveryMs;
    expect((await reads()) - before).toBeLessThanOrEqual(1 + looks);
  });

  it('asks Redis some times a second while a round is not out, and sees it soon after', async () => {
    const serving = engineOn(test.redis);
    const ask = () => serving.rounds.resultFile(release, 0, '0');
    expect(codeOf(await ask())).toBe('ROUND_UNKNOWN');
    const before = await reads();
    await Promise.all(Array.from({ length: 500 }, ask));
    expect((await reads()) - before).toBeLessThan(20);
    await put(1);
    await draw(600);
    await expect.poll(ask, { timeout: 2_000, interval: 20 }).toHaveProperty('etag');
  });

  it('has those of the round that counts, where a Redis that took over had lost it', async () => {
    await put(20);
    const before = await snapshot(test.redis);
    await draw(600);
    const serving = engineOn(test.redis);
    const [first] = await textsOf(0, serving);
    await restore(test.redis, before);
    await put(5);
    await draw(600);
    const [again] = await textsOf(0);
    expect(again).not.toBe(first);
    const served = async () => (await textsOf(0, serving))[0];
    await expect.poll(served, { timeout: 3_000, interval: 20 }).toBe(again);
  });

  it('has none of a round that a worker finished which knows of none', async () => {
    await put(20);
    await letPass(test.redis, 600);
    const { drawing } = engine.stores;
    await workerOn(engine, { ...drawing, stageResults: async () => true }).step(release);
    expect(granted(await engine.rounds.round(release, 0))).toHaveProperty('digest');
    expect(granted(await engine.rounds.round(release, 0))).not.toHaveProperty('results');
    const answer = await engineOn(test.redis).rounds.resultFile(release, 0, '0');
    expect(codeOf(answer)).toBe('RESULT_FILE_UNKNOWN');
  });

  it('has none of a round from before there were any, nor of one that was deleted', async () => {
    await put(20);
    await draw(600);
    const serving = engineOn(test.redis);
    granted(await serving.rounds.resultFile(release, 0, '0'));
    const results = present(await test.redis.dumpBuffer(keys.results(release, 0)), 'results');
    const gone = async () => {
      for (const one of [serving, engineOn(test.redis)])
        expect(codeOf(await one.rounds.resultFile(release, 0, '1'))).toBe('RESULT_FILE_UNKNOWN');
    };
    await test.redis.del(keys.results(release, 0));
    await gone();
    expect(granted(await engine.rounds.round(release, 0))).not.toHaveProperty('results');
    await test.redis.restore(keys.results(release, 0), 0, results);
    await test.redis.del(keys.tree(release, 0));
    await gone();
  });
});
