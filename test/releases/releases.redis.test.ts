import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { isoFromMs } from '../../src/lib/clock.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { isRefusal } from '../../src/refusal.ts';
import { ReleaseTerms } from '../../src/releases/rules.ts';
import {
  codeOf,
  csvOf,
  engineOn,
  fresh,
  granted,
  IMPORT_TERMS,
  letPass,
  nextRound,
  publishRelease,
  registerMany,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);

let engine: Engine;
let nowMs: number;
beforeEach(async () => {
  engine = engineOn(test.redis);
  nowMs = await redisNowMs(test.redis);
});

const termsOf = (release: string, title = 'A release') =>
  ReleaseTerms.parse({
    release,
    title,
    mode: 'lottery',
    opensAt: isoFromMs(nowMs + 60_000),
    closesAt: isoFromMs(nowMs + 120_000),
    endsAt: isoFromMs(nowMs + 600_000),
  });
const draft = async (): Promise<string> => {
  const release = fresh('release');
  granted(await engine.releases.create(termsOf(release)));
  return release;
};
const importInto = (release: string, csv: string, dose = 1) =>
  engine.releases.importInto(release, csv, { ...IMPORT_TERMS, service: 'Screening', dose });
const publish = (release: string) => engine.releases.publish(release, nowMs);
const manifestText = (release: string) => test.redis.get(keys.manifest(release));

describe('a draft', () => {
  it('is created once; the same again is the same', async () => {
    const release = await draft();
    granted(await engine.releases.create(termsOf(release)));
    expect(codeOf(await engine.releases.create(termsOf(release, 'Another')))).toBe(
      'RELEASE_EXISTS',
    );
    const { terms } = granted(await engine.releases.readDraft(release)).draft;
    expect(terms.title).toBe('A release');
  });

  it('keeps what it has when an import is refused', async () => {
    const release = await draft();
    granted(await importInto(release, csvOf([5])));
    const before = granted(await engine.releases.readDraft(release));
    expect(codeOf(await importInto(release, `${csvOf([1])}\nbad row`, 2))).toBe('IMPORT_INVALID');
    expect(await engine.releases.readDraft(release)).toEqual(before);
  });

  it('takes imports that come at the same time, all of them', async () => {
    const release = await draft();
    const doses = [1, 2, 3, 4, 5, 6];
    await Promise.all(doses.map((dose) => importInto(release, csvOf([dose]), dose)));
    const { places } = granted(await engine.releases.readDraft(release)).draft;
    expect(new Set(places.sessions.map(({ dose }) => dose))).toEqual(new Set(doses));
    expect(places.sessions).toHaveLength(doses.length);
  });

  it('is not there for citizens', async () => {
    const release = await draft();
    expect(codeOf(await engine.releases.describe(release))).toBe('RELEASE_UNKNOWN');
    expect(await engine.releases.list()).toEqual([]);
  });
});

describe('publishing', () => {
  it('freezes the manifest: nothing can be imported, published or created over it', async () => {
    const release = await draft();
    granted(await importInto(release, csvOf([5, 7])));
    const { manifestHash } = granted(await publish(release));
    const text = await manifestText(release);
    expect(codeOf(await importInto(release, csvOf([1]), 2))).toBe('RELEASE_PUBLISHED');
    expect(codeOf(await publish(release))).toBe('RELEASE_PUBLISHED');
    expect(codeOf(await engine.releases.create(termsOf(release)))).toBe('RELEASE_EXISTS');
    expect(await manifestText(release)).toBe(text);
    expect(await engine.releases.describe(release)).toMatchObject({ manifestHash });
    expect(await test.redis.hgetall(keys.seats(release))).toEqual({ '0/0': '5', '1/0': '7' });
    expect(await test.redis.exists(keys.draft(release))).toBe(0);
  });

  it('at the same time as imports takes a whole one or none of it', async () => {
    for (let turn = 0; turn < 10; turn++) {
      const release = await draft();
      granted(await importInto(release, csvOf([5])));
      const [published, imported] = await Promise.all([
        publish(release),
        importInto(release, csvOf([3, 3]), 2),
      ]);
      granted(published);
      const { manifest } = granted(await engine.releases.published(release));
      expect(manifest.slots).toHaveLength(isRefusal(imported) ? 1 : 3);
      const seats = await test.redis.hgetall(keys.seats(release));
      expect(Object.keys(seats)).toHaveLength(manifest.slots.length);
    }
  });

  it('is refused without seats, too late, and for what is not there', async () => {
    expect(codeOf(await publish('nowhere'))).toBe('RELEASE_UNKNOWN');
    expect(codeOf(await importInto('nowhere', csvOf([1])))).toBe('RELEASE_UNKNOWN');
    const release = await draft();
    expect(codeOf(await publish(release))).toBe('RELEASE_EMPTY');
    granted(await importInto(release, csvOf([1])));
    nowMs += 120_000;
    expect(codeOf(await publish(release))).toBe('RELEASE_TOO_LATE');
    expect(await manifestText(release)).toBeNull();
    expect(await engine.releases.list()).toEqual([]);
  });
});

describe('a published release', () => {
  it('has its days once each, in their order, made once for as long as the process lives', async () => {
    const wishes = { seats: [1, 1], alsoOn: '2098-12-31', places: { date: '2099-01-02' } };
    const { release } = await publishRelease(engine, test.redis, wishes);
    const { dates } = granted(await engine.releases.published(release));
    expect(dates).toEqual(['2098-12-31', '2099-01-02']);
    expect(granted(await engine.releases.published(release)).dates).toBe(dates);
  });

  it('goes through its states by the clock of Redis', async () => {
    const wishes = { seats: [1], opensInS: 60, closesInS: 120, endsInS: 600 };
    const { release } = await publishRelease(engine, test.redis, wishes);
    const state = async () => granted(await engine.releases.describe(release)).state;
    expect(await state()).toBe('published');
    await letPass(test.redis, 61);
    expect(await state()).toBe('open');
    await letPass(test.redis, 60);
    expect(await state()).toBe('drawing');
    await nextRound(engine, release);
    expect(await state()).toBe('running');
    await letPass(test.redis, 500);
    expect(await state()).toBe('ended');
  });

  it('shows everyone the same slots, before and after they are given', async () => {
    const { release, slots } = await publishRelease(engine, test.redis, { seats: [1] });
    const slotsOf = async (on: Engine) =>
      (await granted(await on.releases.published(release)).slotsFile()).plain.toString();
    const before = await slotsOf(engine);
    const [who] = await registerMany(engine, 1);
    const request = { beneficiaries: [String(who?.person)], preferences: slots };
    granted(await engine.rounds.enter(String(who?.account), release, request));
    await letPass(test.redis, 600);
    await nextRound(engine, release);
    const after = await slotsOf(engineOn(test.redis));
    expect(after).toBe(before);
    expect(JSON.parse(after)).toMatchObject({ slots: [{ slot: slots[0], seats: 1 }] });
  });

  it('ends once: the first time stands', async () => {
    const { release } = await publishRelease(engine, test.redis, { seats: [1] });
    const first = await engine.releases.end(release);
    await letPass(test.redis, 0);
    expect(await engine.releases.end(release)).toEqual(first);
    expect(await engine.releases.describe(release)).toMatchObject({
      state: 'ended',
      nextRoundAt: null,
    });
    expect((await engine.releases.end('nowhere')).outcome).toBe('UNKNOWN');
  });

  it('is listed, the latest to open first', async () => {
    const open = async (opensInS: number) =>
      (await publishRelease(engine, test.redis, { seats: [1], opensInS })).release;
    const [early, late, middle] = [await open(-90), await open(90), await open(10)];
    const listed = await engine.releases.list();
    expect(listed.map((one) => !isRefusal(one) && one.release)).toEqual([late, middle, early]);
  });
});
