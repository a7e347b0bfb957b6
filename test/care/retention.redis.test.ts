/** What is over goes, what anyone verifies stays, and docs/retention.md names every key. */
import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { createRetention, type RetentionTerms } from '../../src/care/retention.ts';
import { createRetentionStore } from '../../src/care/retention-store.ts';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { entryIdOf } from '../../src/rounds/rules.ts';
import {
  bookingOf,
  codeOf,
  engineOn,
  granted,
  letPass,
  nextRound,
  publishRelease,
  register,
  registerMany,
  stateOf,
  verify,
  workerOn,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';
import { contentsOf } from './contents.ts';

const test = useRedis(['--appendfsync', 'no']);
const DAY_MS = 86_400_000;
/** The last sessions of all test releases are on the first day of this year. */
const LAST_DAY_MS = Date.UTC(2099, 0, 1);
const TERMS: RetentionTerms = { releaseDays: 365, accountDays: 400 };

let engine: Engine;
beforeEach(() => {
  engine = engineOn(test.redis);
});

const stopping = () => new AbortController().signal;
/** As it is at this time; no-shows are seen to unless said otherwise. */
const retentionAt = (nowMs: number, terms: Partial<RetentionTerms> = {}, attendance = 'OVER') =>
  createRetention({
    store: { ...createRetentionStore(test.redis), nowMs: async () => nowMs },
    releases: engine.releases,
    erasure: engine.erasure,
    attendance: async () => attendance,
    terms: { ...TERMS, ...terms },
  });
const OVER_MS = LAST_DAY_MS + 367 * DAY_MS;

/** A release that has ended: two rounds, a group, a booking, a cancellation, a closure. */
async function evening({ hasEnded = true } = {}) {
  const { release, slots } = await publishRelease(engine, test.redis, {
    seats: [3, 2, 1],
    series: 'evenings',
  });
  const people = await registerMany(engine, 8);
  const enter = async (account: string, beneficiaries: string[]) =>
    granted(
      await engine.rounds.enter(account, release, {
        beneficiaries,
        preferences: slots,
      }),
    );
  const [first, second] = people;
  const group = present(first, 'one');
  const other = await register(engine, group.account);
  await enter(group.account, [group.person, other]);
  for (const { account, person } of people.slice(1)) await enter(account, [person]);
  await letPass(test.redis, 600);
  await nextRound(engine, release);
  const states = await Promise.all(people.map(({ person }) => stateOf(engine, release, person)));
  const offered = people.filter((_one, index) => states[index] === 'OFFERED');
  const [keeps, gives] = offered.map((one) => present(one, 'a winner'));
  const booking = async ({ account }: { account: string }) => bookingOf(engine, account, release);
  const winner = present(keeps, 'a winner');
  granted(await engine.bookings.confirm(winner.account, await booking(winner)));
  const loser = present(gives, 'a winner');
  granted(await engine.bookings.cancel(loser.account, await booking(loser)));
  granted(await engine.releases.close(release, { slots: [present(slots[2], 'a slot')] }));
  await letPass(test.redis, 60);
  await nextRound(engine, release);
  await test.redis.hset(keys.refusals(release), 'NOT_ELIGIBLE', 1);
  await test.redis.zadd(keys.offenders(release, 'account'), 1, winner.account);
  if (hasEnded) await letPass(test.redis, 7_200);
  return { release, people, winner, second: present(second, 'one') };
}

const page = readFileSync(new URL('../../docs/retention.md', import.meta.url), 'utf8');
/** How long the page says that a key is kept; undefined where it does not name it. */
const keptFor = (pattern: string): string | undefined =>
  page
    .split('\n')
    .find((line) => line.startsWith(`| \`${pattern}\``))
    ?.split(' | ')[2];
/** A key of a release as the page names it. */
const patternOf = (key: string): string =>
  key.replace(/^fs:v1:\{r:[^}]+\}/, '{r:…}').replace(/:(?:\d+|account|device|network)$/, ':…');
const keysOf = async (release: string): Promise<string[]> =>
  Object.keys(await contentsOf(test.redis)).filter((key) => key.includes(`{r:${release}}`));

const OVER_AND_R = Array.from(page.matchAll(/^\| `(\{r:…\}:[^`]+)`.* over \+ R \|/gm), ([, one]) =>
  present(one, 'a key'),
);
/** What this evening did not bring about is there all the same. */
async function fillUp(release: string): Promise<void> {
  const held = new Set((await keysOf(release)).map(patternOf));
  for (const pattern of OVER_AND_R.filter((one) => !held.has(one)))
    await test.redis.set(
      `fs:v1:${pattern.replace('…', release).replace('…', '0')}`.replace(
        'offenders:0',
        'offenders:device',
      ),
      'x',
    );
}

describe('docs/retention.md', () => {
  it('names every key that there is, and how long it is kept', () => {
    const builders = Object.values(keys) as unknown as ((...ids: string[]) => string)[];
    const patterns = builders.map((build) =>
      build('…', '…')
        .replace(/^fs:v1:/, '')
        .replace('…:…', '…'),
    );
    expect(patterns.filter((pattern) => !keptFor(pattern))).toEqual([]);
    expect(patterns.length).toBeGreaterThan(50);
  });
});

describe('a release that is over', () => {
  it('keeps what the page says is kept, and nothing else', async () => {
    const { release, people } = await evening();
    await fillUp(release);
    const before = await keysOf(release);
    const day = before.filter((key) => keptFor(patternOf(key)) === 'over + R');
    expect(new Set(day.map(patternOf)).size).toBe(OVER_AND_R.length);
    const retention = retentionAt(OVER_MS + 90 * DAY_MS, { accountDays: 0 });
    expect(await retention.plan()).toMatchObject({ releases: [release] });
    expect(await keysOf(release)).toEqual(before);
    expect(await retention.takeTurn('worker', stopping())).toMatchObject({ releases: [release] });
    const left = await keysOf(release);
    expect(left).toEqual(before.filter((key) => keptFor(patternOf(key)) === 'kept'));
    const text = JSON.stringify(
      Object.entries(await contentsOf(test.redis)).filter(([key]) => left.includes(key)),
    );
    const hashes = people.flatMap(({ account, person }) => [account, person]);
    expect(hashes.filter((one) => text.includes(`"${one}`) || text.includes(` ${one}`))).toEqual(
      [],
    );
    expect(await retention.plan()).toMatchObject({ releases: [] });
  });

  it('verifies as before, claims nobody, and is left alone by whoever conducts it', async () => {
    const { release, winner, second } = await evening();
    const digests = granted(await engine.rounds.rounds(release));
    await retentionAt(OVER_MS + 90 * DAY_MS, { accountDays: 0 }).takeTurn('worker', stopping());
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
    expect(granted(await engine.rounds.rounds(release))).toEqual(digests);
    expect(await engine.claims.stateOf(release, winner.person)).toBe('OVER');
    expect(granted(await engine.rounds.list(winner.account, release))).toEqual([]);
    expect(await engine.bookings.list(winner.account)).toEqual([]);
    const entry = entryIdOf(engine.secrets, release, second.person);
    expect(codeOf(await engine.rounds.proof(release, entry))).toBe('PROOF_UNKNOWN');
    expect(codeOf(await engine.rounds.resultFile(release, 0, '0'))).toBe('RESULT_FILE_UNKNOWN');
    expect(await engine.rounds.round(release, 0)).not.toHaveProperty('results');
    expect(await workerOn(engine).step(release)).toEqual({ step: 'OVER' });
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  });

  it('is kept whole until its time, while no-shows are open, and for good where so set', async () => {
    const { release } = await evening();
    const kept = async (nowMs: number, terms: Partial<RetentionTerms> = {}, attendance = 'OVER') =>
      (await retentionAt(nowMs, { accountDays: 0, ...terms }, attendance).plan()).releases;
    expect(await kept(LAST_DAY_MS + 364 * DAY_MS)).toEqual([]);
    expect(await kept(OVER_MS)).toEqual([release]);
    expect(await kept(OVER_MS, {}, '2099-01-01')).toEqual([]);
    expect(await kept(OVER_MS, { releaseDays: 0 })).toEqual([]);
    // A worker was away: what is to be drawn is still drawn.
    await evening({ hasEnded: false });
    expect(await kept(OVER_MS)).toEqual([release]);
  });

  it('is finished where a worker died', async () => {
    const { release } = await evening();
    const store = createRetentionStore(test.redis);
    await test.redis.unlink(keys.entries(release), keys.accounts(release));
    expect(await store.isCleared(release)).toBe(false);
    await retentionAt(OVER_MS, { accountDays: 0 }).takeTurn('worker', stopping());
    expect((await keysOf(release)).map(patternOf).filter((key) => keptFor(key) !== 'kept')).toEqual(
      [],
    );
  });
});

describe('an account that nobody uses', () => {
  it('goes after its days, unless it holds something', async () => {
    const nowMs = await redisNowMs(test.redis);
    const [old, fresh, holds] = await registerMany(engine, 3);
    const [gone, used, holding] = [old, fresh, holds].map((one) => present(one, 'an account'));
    const sign = (one: { account: string } | undefined, days: number) =>
      test.redis.hset(
        keys.account(present(one, 'an account').account),
        'mobile',
        'x',
        'signed_in_at_ms',
        nowMs - days * DAY_MS,
      );
    await Promise.all([sign(gone, 401), sign(used, 399), sign(holding, 401)]);
    const { release, slots } = await publishRelease(engine, test.redis, { seats: [1] });
    const { account, person } = present(holding, 'an account');
    granted(
      await engine.rounds.enter(account, release, { beneficiaries: [person], preferences: slots }),
    );
    const plan = { releases: [], accounts: 1, accountsHolding: 1 };
    expect(await retentionAt(nowMs).plan()).toEqual(plan);
    expect(await test.redis.exists(keys.account(present(gone, 'one').account))).toBe(1);
    expect(await retentionAt(nowMs).takeTurn('worker', stopping())).toEqual(plan);
    const names = async (one: { account: string } | undefined) =>
      (await engine.people.listBeneficiaries(present(one, 'one').account)).length;
    expect([await names(gone), await names(used), await names(holding)]).toEqual([0, 1, 1]);
    expect(await retentionAt(nowMs, { accountDays: 0 }).plan()).toMatchObject({ accounts: 0 });
  });

  it('stays where somebody signs in while others are looked at', async () => {
    const nowMs = await redisNowMs(test.redis);
    const accounts = (await registerMany(engine, 2)).map(({ account }) => account);
    const sign = (account: string, atMs: number) =>
      test.redis.hset(keys.account(account), 'mobile', 'x', 'signed_in_at_ms', atMs);
    await Promise.all(accounts.map((account) => sign(account, nowMs - 401 * DAY_MS)));
    const erased: string[] = [];
    const retention = createRetention({
      store: {
        ...createRetentionStore(test.redis),
        accounts: async function* () {
          yield accounts;
        },
      },
      releases: engine.releases,
      erasure: {
        ...engine.erasure,
        eraseAccount: async (account, options) => {
          erased.push(account);
          for (const other of accounts) if (other !== account) await sign(other, nowMs);
          return engine.erasure.eraseAccount(account, options);
        },
      },
      attendance: async () => 'OVER',
      terms: TERMS,
    });
    expect(await retention.takeTurn('worker', stopping())).toMatchObject({ accounts: 1 });
    expect(erased).toEqual(accounts.slice(0, 1));
  });

  it('is seen to once a day, by one worker', async () => {
    const nowMs = await redisNowMs(test.redis);
    const turns = await Promise.all(
      ['a', 'b', 'c'].map((worker) => retentionAt(nowMs).takeTurn(worker, stopping())),
    );
    expect(turns.filter((turn) => turn !== undefined)).toHaveLength(1);
    expect(await test.redis.pttl(keys.retention())).toBeGreaterThan(23 * 3_600_000);
    const stopped = AbortSignal.abort();
    await test.redis.del(keys.retention());
    await retentionAt(nowMs).takeTurn('a', stopped);
    expect(await test.redis.pttl(keys.retention())).toBeLessThan(11 * 60_000);
  });
});
