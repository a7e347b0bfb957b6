/** What the bad-bot report counts, against a naive model; and the tally of refusals on its own. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import type { ErrorCode } from '../../src/errors.ts';
import type { BotReport, CallerKind } from '../../src/gates/bots/report.ts';
import { createBotStore, TALLY_LIMITS } from '../../src/gates/bots/store.ts';
import { createTally, MEMORY_LIMITS, type Tally } from '../../src/gates/bots/tally.ts';
import { networkIdOf, networkOf } from '../../src/gates/origin.ts';
import { present } from '../../src/lib/assert.ts';
import { isoFromMs, monotonicMs, sleep } from '../../src/lib/clock.ts';
import { connectRedis, disconnectRedis, redisNowMs, type Redis } from '../../src/redis/client.ts';
import { freePort, startEmbeddedRedis } from '../../src/redis/embedded.ts';
import { keys } from '../../src/redis/keys.ts';
import { isRefusal } from '../../src/refusal.ts';
import type { LotteryManifest } from '../../src/releases/manifest.ts';
import { entryIdOf } from '../../src/rounds/rules.ts';
import { secrets } from '../support/app.ts';
import {
  carrierOn,
  engineOn,
  fresh,
  granted,
  letPass,
  publishRelease,
  register,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);
let engine: Engine;
beforeEach(() => {
  engine = engineOn(test.redis);
});

const reportOf = async (release: string, top = 1_000): Promise<BotReport> =>
  granted(await engine.bots.report(release, top));
const peopleBy = (report: BotReport, kind: CallerKind): Map<string, number> => {
  const of = present(
    report.entrants.find((one) => one.kind === kind),
    kind,
  );
  return new Map(of.top.map(({ name, people }) => [name.slice(kind.length + 1), people]));
};
const hashOf = (address: string): string => networkIdOf(secrets, networkOf(address));

const ADDRESSES = ['10.1.1.1', '10.1.1.9', '10.1.2.1', '2001:db8:1::1', '2001:db8:1:ff::1'];
const NETWORKS = ['', ...ADDRESSES];
const DEVICES = ['', 'device-1', 'device-2', 'device-3'];
const ACCOUNTS = [0, 1, 2, 3];
const PEOPLE = [0, 1, 2, 3];

const step = fc.record({
  does: fc.constantFrom('enter', 'enter', 'enter', 'withdraw'),
  account: fc.constantFrom(...ACCOUNTS),
  people: fc.shuffledSubarray(PEOPLE, { minLength: 1, maxLength: 3 }),
  wishes: fc.shuffledSubarray([0, 1, 2], { minLength: 1 }),
  device: fc.constantFrom(...DEVICES),
  address: fc.constantFrom(...NETWORKS),
});

/** What was charged, kept as naively as can be. */
function createModel() {
  const charged: Record<CallerKind, Map<string, Set<string>>> = {
    account: new Map(),
    device: new Map(),
    network: new Map(),
  };
  const charge = (kind: CallerKind, id: string, person: string): void => {
    if (id === '') return;
    charged[kind].set(id, (charged[kind].get(id) ?? new Set()).add(person));
  };
  return {
    enter: (account: string, device: string, network: string, people: readonly string[]): void => {
      const known = new Set(charged.account.get(account));
      for (const person of people) {
        charge('account', account, person);
        charge('device', device, person);
        if (!known.has(person)) charge('network', network, person);
      }
    },
    peopleBy: (kind: CallerKind): Map<string, number> =>
      new Map([...charged[kind]].map(([id, people]) => [id, people.size])),
  };
}

describe('people entered', () => {
  it('are what a naive model counts, over entries, edits, withdrawals and refusals', async () => {
    const accounts = ACCOUNTS.map(() => fresh('account'));
    const persons = await Promise.all(
      accounts.map((account) => Promise.all(PEOPLE.map(() => register(engine, account)))),
    );
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 60 }), async (steps) => {
        const wishes = { seats: [9, 9, 9], entriesPerAccount: 3, entriesPerDevice: 5 };
        const { release, slots } = await publishRelease(engine, test.redis, wishes);
        const model = createModel();
        const held = new Map<string, string>();
        for (const { does, account: at, people, wishes, device, address } of steps) {
          const account = present(accounts[at], 'an account');
          const own = people.map((one) => present(persons[at]?.[one], 'a person'));
          const lead = present(own[0], 'a lead');
          if (does === 'withdraw') {
            const id = entryIdOf(engine.secrets, release, lead);
            const gone = await engine.rounds.withdraw(account, release, id);
            if (!isRefusal(gone)) held.delete(lead);
            continue;
          }
          const preferences = wishes.map((one) => present(slots[one], 'a slot'));
          const wish = { beneficiaries: own, preferences };
          const network = address === '' ? '' : networkOf(address);
          const from = { device, network };
          const answer = await engine.rounds.enter(account, release, wish, undefined, from);
          if (isRefusal(answer)) refused += 1;
          // The same entry again changes nothing, so that nothing is charged for it.
          else if (held.get(lead) !== JSON.stringify(wish)) {
            model.enter(account, device, address === '' ? '' : hashOf(address), own);
            held.set(lead, JSON.stringify(wish));
          }
        }
        const report = await reportOf(release);
        expect(report.exact).toBe(true);
        for (const kind of ['account', 'device', 'network'] as const)
          expect(peopleBy(report, kind)).toEqual(model.peopleBy(kind));
        const all = [...model.peopleBy('account').values()].reduce((sum, many) => sum + many, 0);
        expect(report.people).toBe(all);
        // Whoever is entered in one release cannot be in the next.
        for (const [lead] of held) {
          const at = persons.findIndex((own) => own.includes(lead));
          const id = entryIdOf(engine.secrets, release, lead);
          granted(await engine.rounds.withdraw(present(accounts[at], 'it'), release, id));
        }
      }),
      { numRuns: 25 },
    );
    expect(refused).toBeGreaterThan(100);
  });

  it('are counted where seats are booked at once, once however they race', async () => {
    const wishes = { seats: [99], mode: 'immediate' as const };
    const { release, slots } = await publishRelease(engine, test.redis, wishes);
    const crowd = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const account = fresh('account');
        return { account, person: await register(engine, account) };
      }),
    );
    const slot = present(slots[0], 'a slot');
    await Promise.all(
      [...crowd, ...crowd].map(({ account, person }, index) =>
        engine.bookings.book(account, { release, beneficiary: person, slot }, undefined, {
          device: `device-${index % 4}`,
          network: networkOf('10.9.9.9'),
        }),
      ),
    );
    const report = await reportOf(release);
    expect(report.people).toBe(20);
    expect(peopleBy(report, 'network')).toEqual(new Map([[hashOf('10.9.9.1'), 20]]));
    expect([...peopleBy(report, 'device').values()]).toEqual([5, 5, 5, 5]);
  });

  it('who are carried over come from no device and no network', async () => {
    const series = fresh('series');
    const first = await publishRelease(engine, test.redis, { seats: [1], series });
    const account = fresh('account');
    const person = await register(engine, account);
    const carryOverUntil = isoFromMs((await redisNowMs(test.redis)) + 86_400_000);
    const wish = { beneficiaries: [person], preferences: first.slots, carryOverUntil };
    const from = { device: 'device-1', network: networkOf('10.9.9.9') };
    granted(await engine.rounds.enter(account, first.release, wish, undefined, from));
    await engine.releases.end(first.release);
    await letPass(test.redis, 11);
    const places = { date: '2099-01-02' };
    const next = await publishRelease(engine, test.redis, { seats: [1], series, places });
    const { manifest } = granted(await engine.releases.published(next.release));
    const carry = carrierOn(engine);
    while (await carry(manifest as LotteryManifest));
    const report = await reportOf(next.release);
    expect(report.people).toBe(1);
    expect(report.entrants.map(({ kind, callers }) => [kind, callers])).toEqual([
      ['account', 1],
      ['device', 0],
      ['network', 0],
    ]);
  });

  it('of a farm in one network stand at the top', async () => {
    const { release, slots } = await publishRelease(engine, test.redis, { seats: [9] });
    const enter = async (device: string, address: string) => {
      const account = fresh('account');
      const wish = { beneficiaries: [await register(engine, account)], preferences: slots };
      const from = { device, network: networkOf(address) };
      granted(await engine.rounds.enter(account, release, wish, undefined, from));
    };
    for (let one = 0; one < 40; one++) await enter(`honest-${one}`, `10.0.${one}.1`);
    for (let one = 0; one < 40; one++) await enter(`farm-${one % 4}`, `10.6.6.${one}`);
    const report = await reportOf(release, 4);
    const [, devices, networks] = report.entrants;
    expect(networks).toMatchObject({
      callers: 41,
      top: [{ name: `network:${hashOf('10.6.6.0')}`, people: 40, share: 0.5 }, {}, {}, {}],
    });
    expect(networks?.distribution).toContainEqual({ people: '8 or more', callers: 1 });
    expect(devices?.top.map(({ name }) => name)).toEqual(
      [0, 1, 2, 3].map((one) => `device:farm-${one}`),
    );
  });
});

const WHO = { address: '10.1.1.1', account: 'account-1', device: 'device-1' };
const CODE: ErrorCode = 'TOO_MANY_REQUESTS';
const begun: Tally[] = [];
const tallyOn = (redis: Redis, onUncounted?: (many: number) => void): Tally => {
  const tally = createTally(redis, secrets, onUncounted);
  begun.push(tally);
  return tally;
};
afterEach(async () => {
  await Promise.all(begun.splice(0).map((tally) => tally.finish()));
});
const doorHashes = async (): Promise<number> => {
  const names = await test.redis.keys('*');
  const counts = await Promise.all(
    names
      .filter((name) => /\{h:\d+\}:refusals$/.test(name))
      .map(async (name) => Number((await test.redis.hget(name, CODE)) ?? 0)),
  );
  return counts.reduce((sum, count) => sum + count, 0);
};

describe('the tally', () => {
  it('hands over by itself, and processes add up', async () => {
    const { release } = await publishRelease(engine, test.redis, { seats: [1] });
    const processes = [tallyOn(test.redis), tallyOn(test.redis)];
    for (let i = 0; i < 30; i++)
      for (const { refused } of processes) refused(CODE, release, { ...WHO, device: `d${i % 3}` });
    expect(await test.redis.exists(keys.refusals(release))).toBe(0);
    await expect
      .poll(() => test.redis.hget(keys.refusals(release), CODE), { timeout: 5_000 })
      .toBe('60');
    const { refusals } = await reportOf(release);
    expect(refusals.total).toBe(60);
    expect(refusals.offenders.map(({ name, refusals }) => [name, refusals])).toEqual([
      ['account:account-1', 60],
      ['device:d0', 20],
      ['device:d1', 20],
      ['device:d2', 20],
      [`network:${hashOf(WHO.address)}`, 60],
    ]);
  });

  it('of one release that fails again and again keeps no other back', async () => {
    const [failing, other] = [
      await publishRelease(engine, test.redis, { seats: [1] }),
      await publishRelease(engine, test.redis, { seats: [1] }),
    ];
    await test.redis.set(keys.refusals(failing.release), 'no hash');
    const { refused } = tallyOn(test.redis);
    // In every turn, so that some come while others are being handed over.
    let busy = true;
    const keepBusy = (): void => {
      refused(CODE, failing.release, WHO);
      if (busy) setImmediate(keepBusy);
    };
    keepBusy();
    refused(CODE, other.release, WHO);
    await expect
      .poll(() => test.redis.hget(keys.refusals(other.release), CODE), { timeout: 5_000 })
      .toBe('1');
    busy = false;
    await test.redis.del(keys.refusals(failing.release));
  });

  it('is asked in vain of a release that does not exist', async () => {
    expect(await engine.bots.report('nowhere')).toMatchObject({ refused: 'RELEASE_UNKNOWN' });
  });

  it('makes no key for a release that does not exist, whatever a flood makes up', async () => {
    const { release } = await publishRelease(engine, test.redis, { seats: [1] });
    const tally = tallyOn(test.redis);
    for (let i = 0; i < 1_000; i++) tally.refused(CODE, `made-up-${i}`, WHO);
    tally.refused('RELEASE_UNKNOWN', 'made-up', WHO);
    await tally.finish();
    const names = await test.redis.keys('*');
    expect(names.filter((name) => name.includes('made-up'))).toEqual([]);
    expect(names.filter((name) => name.includes('refusals'))).toHaveLength(1);
    expect(await doorHashes()).toBe(1_000);
    expect((await reportOf(release)).refusals.total).toBe(0);
    expect((await reportOf(release)).door.byReason).toMatchObject([
      { code: CODE, count: 1_000 },
      { code: 'RELEASE_UNKNOWN', count: 1 },
    ]);
  });

  it('finds a release that exists among made-up ones, and then keeps it apart', async () => {
    const { release } = await publishRelease(engine, test.redis, { seats: [1] });
    const tally = tallyOn(test.redis);
    tally.refused(CODE, release, WHO);
    await expect
      .poll(() => test.redis.hget(keys.refusals(release), CODE), { timeout: 5_000 })
      .toBe('1');
    for (let i = 0; i < 100; i++) tally.refused(CODE, `made-up-${i}`, WHO);
    for (let i = 0; i < 100; i++) tally.refused(CODE, release, WHO);
    await tally.finish();
    expect(await test.redis.hget(keys.refusals(release), CODE)).toBe('101');
  });

  it('holds so many callers in memory, and counts those that it leaves out', async () => {
    const { release } = await publishRelease(engine, test.redis, { seats: [1] });
    let uncounted = 0;
    const tally = tallyOn(test.redis, (many) => {
      uncounted += many;
    });
    const flood = 3 * MEMORY_LIMITS.callers;
    for (let i = 0; i < flood; i++)
      tally.refused(CODE, release, { address: `10.0.0.1`, account: `a${i}`, device: '' });
    await tally.finish();
    const accounts = await test.redis.zcard(keys.offenders(release, 'account'));
    expect(accounts).toBe(MEMORY_LIMITS.callers - 1);
    expect(uncounted).toBe(flood - accounts);
    expect(await test.redis.hget(keys.refusals(release), CODE)).toBe(String(flood));
    const network = keys.offenders(release, 'network');
    expect(await test.redis.zscore(network, hashOf('10.0.0.1'))).toBe(String(flood));
  });

  it('names nobody for what is our own fault', async () => {
    const { release } = await publishRelease(engine, test.redis, { seats: [1] });
    const tally = tallyOn(test.redis);
    tally.refused('UNAVAILABLE', release, WHO);
    await tally.finish();
    expect((await reportOf(release)).refusals).toMatchObject({
      byReason: [{ code: 'UNAVAILABLE', count: 1 }],
      offenders: [],
    });
  });

  it('keeps the worst offenders when there are too many', async () => {
    const { release } = await publishRelease(engine, test.redis, { seats: [1] });
    const store = createBotStore(test.redis);
    const most = TALLY_LIMITS.offenders;
    const key = keys.offenders(release, 'device');
    for (let from = 0; from < 2 * most + 500; from += 500) {
      const some = Array.from({ length: 500 }, (_, i) => [`device:d${from + i}`, 1] as const);
      await store.tally(release, [...some, ['device:worst', 1]]);
    }
    expect(await test.redis.zcard(key)).toBeLessThanOrEqual(2 * most);
    expect(await test.redis.zcard(key)).toBeGreaterThanOrEqual(most);
    const [worst] = (await reportOf(release, 1)).refusals.offenders;
    expect(worst).toMatchObject({ name: 'device:worst', refusals: (2 * most + 500) / 500 });
  });

  it('keeps an hour at the door for 30 days', async () => {
    const tally = tallyOn(test.redis);
    tally.refused('ROUTE_UNKNOWN', '', WHO);
    await tally.finish();
    const doors = (await test.redis.keys('*')).filter((name) => name.includes('{h:'));
    expect(doors).toHaveLength(4);
    for (const name of doors) {
      const left = await test.redis.ttl(name);
      expect(left).toBeGreaterThan(30 * 86_400 - 60);
      expect(left).toBeLessThanOrEqual(30 * 86_400);
    }
  });

  it('goes on while Redis is away, and hands over when it is back', async () => {
    const port = await freePort();
    const start = () =>
      startEmbeddedRedis({ settings: ['--port', String(port), '--bind', '127.0.0.1'] });
    const first = await start();
    const redis = connectRedis({ url: `redis://127.0.0.1:${port}`, cluster: false });
    redis.on('error', () => undefined);
    await redis.ping();
    await first.stop();
    const tally = tallyOn(redis);
    tally.refused(CODE, '', WHO);
    await sleep(2_500); // it has tried, and failed, meanwhile
    tally.refused(CODE, '', WHO);
    const second = await start();
    const count = async (): Promise<string | null> => {
      const door = (await redis.keys('*')).find((name) => name.endsWith(':refusals'));
      return door === undefined ? null : redis.hget(door, CODE);
    };
    await expect.poll(count, { timeout: 10_000 }).toBe('2');
    await second.stop();
    const before = monotonicMs();
    tally.refused(CODE, '', WHO);
    await tally.finish();
    expect(monotonicMs() - before).toBeLessThan(3_000);
    await disconnectRedis(redis);
  });
});
