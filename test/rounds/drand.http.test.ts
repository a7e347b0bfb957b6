/** The drand beacon against endpoints of every sort, and whole rounds that wait for it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEngine, type Engine } from '../../src/engine.ts';
import { createMonitor } from '../../src/http/monitor.ts';
import { listen } from '../../src/http/server.ts';
import { present } from '../../src/lib/assert.ts';
import { monotonicMs, msFromIso, nowMs, sleep } from '../../src/lib/clock.ts';
import { createLog } from '../../src/log.ts';
import { createWorkerMetrics } from '../../src/metrics/worker.ts';
import { type DrandTerms, drandTimeMs } from '../../src/rounds/beacon/beacon.ts';
import { keys } from '../../src/redis/keys.ts';
import type { Conductor } from '../../src/rounds/conduct.ts';
import type { Step } from '../../src/rounds/drawing.ts';
import { createDrand, type Drand } from '../../src/rounds/beacon/drand.ts';
import type { DrawingStore } from '../../src/rounds/drawing-store.ts';
import { call, SECRET } from '../support/app.ts';
import { type Mode, type Network, ownNetwork, recorded, startDrand } from '../support/drand.ts';
import type { TestDrand } from '../support/drand.ts';
import { granted, publishRelease, putEntry, verify, workerOn } from '../support/engine.ts';
import { readingsOf } from '../support/metrics.ts';
import { kill, spawnWorker } from '../support/processes.ts';
import { useRedis } from '../support/redis.ts';

/** The endpoints live in this process, and signing a lie holds it up. */
const TIMEOUT_MS = 5_000;
/** Of those that never answer. */
const SHORT_TIMEOUT_MS = 1_000;

let endpoints: TestDrand[];
let lines: string[];
let outcomes: string[];
beforeEach(() => {
  [endpoints, lines, outcomes] = [[], [], []];
});
afterEach(() => Promise.all(endpoints.map(({ close }) => close())));

const watch = {
  log: createLog('debug', { write: (line) => void lines.push(line) }),
  onBeaconAnswer: (outcome: string) => void outcomes.push(outcome),
};

/** Endpoints of a network, one for each mode. */
async function startAll(network: Network, ...modes: Mode[]): Promise<TestDrand[]> {
  const started = await Promise.all(modes.map((mode) => startDrand(network, mode)));
  endpoints.push(...started);
  return started;
}

type Pace = { readonly timeoutMs?: number; readonly tellEveryMs?: number };
const drandOf = (asked: readonly TestDrand[], pace: Pace = {}): Drand =>
  createDrand({
    endpoints: asked.map(({ url }) => url),
    timeoutMs: TIMEOUT_MS,
    log: watch.log,
    onAnswer: watch.onBeaconAnswer,
    ...pace,
  });

const termsOf = ({ chain }: Network): DrandTerms => ({ kind: 'drand', ...chain, seal_margin_s: 1 });
const valueOf = (drand: Drand, network: Network, round: number, release = 'evening') =>
  drand.beaconOf(release, termsOf(network)).value({ kind: 'drand', round }, 7);
const valueIn = (network: Network, round: number) => ({
  kind: 'drand',
  round,
  signature: present(network.signatureOf(round), 'a signature'),
});

const logged = (text: string) =>
  lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg.includes(text));
/** All answers come in, also of those who were overtaken. */
const settled = async (count: number): Promise<string[]> => {
  while (outcomes.length < count) await sleep(5);
  return outcomes.toSorted();
};

describe('a drand beacon', () => {
  it('has what quicknet published, asks for it once, and another endpoint each time', async () => {
    const asked = await startAll(recorded, 'honest', 'honest');
    const drand = drandOf(asked);
    for (const round of [1000, 1001, 1002, 1000, 1001])
      expect(await valueOf(drand, recorded, round)).toEqual(valueIn(recorded, round));
    expect(asked.map(({ state }) => state.asked)).toEqual([2, 1]);
    expect(outcomes).toEqual(['ok', 'ok', 'ok']);
    expect(drand.overdueS()).toBe(0);
    expect(lines).toEqual([]);
  });

  const refused: [Mode, string][] = [
    ['lies', 'bad_signature'],
    ['replays', 'bad_signature'],
    ['wrong round', 'wrong_round'],
    ['not found', 'not_yet'],
    ['too early', 'not_yet'],
    ['fails', 'bad_status'],
    ['redirects', 'bad_status'],
    ['malformed', 'malformed'],
    ['spells differently', 'malformed'],
    ['huge', 'malformed'],
    ['huge and slow', 'malformed'],
    ['hangs', 'timeout'],
    ['drips', 'timeout'],
    ['closes', 'unreachable'],
    ['breaks off', 'unreachable'],
  ];
  it.each(refused)('does without an endpoint that %s', async (mode, outcome) => {
    const [bad, good] = (await startAll(recorded, mode, 'honest')) as [TestDrand, TestDrand];
    const pace = outcome === 'timeout' ? { timeoutMs: SHORT_TIMEOUT_MS } : {};
    const value = await valueOf(drandOf([bad, good], pace), recorded, 1001);
    expect(value).toEqual(valueIn(recorded, 1001));
    // Nobody waits for one that is slow to be given up.
    expect(outcomes).toEqual(outcome === 'timeout' ? ['ok'] : [outcome, 'ok']);
    expect([bad.state.asked, good.state.asked]).toEqual([1, 1]);
    expect(await settled(2)).toEqual([outcome, 'ok'].toSorted());
    const [line, ...more] = logged('endpoint');
    expect(more).toEqual([]);
    expect(line).toMatchObject({
      outcome,
      endpoint: new URL(bad.url).host,
      drandRound: 1001,
      level: outcome === 'not_yet' ? 30 : 40,
    });
  });

  it('is not asked before the time of its value', async () => {
    const future = ownNetwork('future', { genesis_time: Math.ceil(nowMs() / 1000) + 2 });
    const [endpoint] = await startAll(future, 'honest');
    const drand = drandOf(endpoints);
    expect(await valueOf(drand, future, 1)).toBe('NOT_YET');
    expect(endpoint?.state.asked).toBe(0);
    expect(drand.overdueS()).toBe(0);
  });

  it('that is down is asked once a second, told of now and then, and never replaced', async () => {
    const down = await startAll(recorded, 'fails', 'lies', 'closes');
    const drand = drandOf(down, { tellEveryMs: 400 });
    const startedMs = monotonicMs();
    while (monotonicMs() - startedMs < 1_300) {
      const values = await Promise.all([
        valueOf(drand, recorded, 1000, 'evening'),
        valueOf(drand, recorded, 1000, 'morning'),
      ]);
      expect(values).toEqual(['NOT_YET', 'NOT_YET']);
      await sleep(20);
    }
    expect(down.map(({ state }) => state.asked)).toEqual([2, 2, 2]);
    expect(logged('was refused')).toHaveLength(3);
    const waiting = logged('waits');
    expect(waiting.length).toBeGreaterThanOrEqual(4);
    expect(waiting.length).toBeLessThanOrEqual(8);
    expect(waiting[0]).toMatchObject({ release: 'evening', round: 7, drandRound: 1000, level: 40 });
    expect(drand.overdueS()).toBeCloseTo((nowMs() - drandTimeMs(recorded.chain, 1000)) / 1000, -1);

    present(down[1], 'an endpoint').state.mode = 'honest';
    await sleep(1_000);
    expect(await valueOf(drand, recorded, 1000)).toEqual(valueIn(recorded, 1000));
    expect(await valueOf(drand, recorded, 1000, 'morning')).toEqual(valueIn(recorded, 1000));
    expect(drand.overdueS()).toBe(0);
  });

  it('takes what one network signed for no other that has its name', async () => {
    const network = ownNetwork('one');
    const namesake = ownNetwork('two', { chain: network.chain.chain });
    const drand = drandOf(await startAll(network, 'honest'));
    expect(await valueOf(drand, network, 9)).toEqual(valueIn(network, 9));
    expect(await valueOf(drand, namesake, 9)).toBe('NOT_YET');
    expect(outcomes).toEqual(['ok', 'bad_signature']);
  });

  it('without any endpoint has no value', async () => {
    expect(await valueOf(drandOf([]), recorded, 1000)).toBe('NOT_YET');
  });
});

describe('a release with public randomness', () => {
  const test = useRedis(['--appendfsync', 'no']);
  let network: Network;
  let endpoint: TestDrand;
  let engine: Engine;
  let release: string;

  const engineOf = (): Engine => {
    const drand = { endpoints: [endpoint.url], timeoutMs: TIMEOUT_MS, chain: network.chain };
    return createEngine(test.redis, { secret: SECRET, drand }, watch);
  };

  /** With three who entered, closed now. */
  const closed = async (): Promise<void> => {
    const beacon = { kind: 'drand', sealMarginS: 1 } as const;
    const wishes = { seats: [2], closesInS: 0.3, beacon };
    ({ release } = await publishRelease(engine, test.redis, wishes));
    const closedMs = nowMs() + 300;
    await Promise.all([1, 2, 3].map(() => putEntry(engine, release, [0])));
    await sleep(closedMs - nowMs() + 5);
  };
  beforeEach(async () => {
    network = ownNetwork('the test network');
    endpoint = present((await startAll(network, 'honest'))[0], 'an endpoint');
    engine = engineOf();
    await closed();
  });

  const readRound = async (round = 0) =>
    // oxlint-disable-next-line typescript/no-explicit-any -- tests look at what they expect
    granted(await engine.rounds.round(release, round)) as any;
  const published = async (worker: Conductor): Promise<Step> => {
    for (;;) {
      const step = await worker.step(release);
      if (step.step !== 'WAITING') return step;
      await sleep(Math.min(step.waitMs, 50));
    }
  };

  it('shows its seal before the value exists, and is drawn from the value that it names', async () => {
    const worker = workerOn(engine);
    expect(await worker.step(release)).toMatchObject({ step: 'WAITING' });
    const sealed = await readRound();
    const valueMs = drandTimeMs(network.chain, sealed.seal.beacon.round);
    expect(sealed).toEqual({
      release,
      round: 0,
      results: { prefixLength: expect.any(Number), files: expect.any(Number) },
      seal: sealed.seal,
      signature: expect.stringMatching(/^[A-Za-z0-9_-]{86}$/),
      trust: expect.stringMatching(/^whoever runs the drand chain /),
      valueAt: new Date(valueMs).toISOString(),
    });
    expect(nowMs()).toBeLessThan(valueMs);
    expect(valueMs - msFromIso(sealed.seal.sealed_at)).toBeGreaterThanOrEqual(1_000);
    expect(endpoint.state.asked).toBe(0);

    expect(await published(worker)).toMatchObject({ step: 'PUBLISHED', round: 0 });
    expect(nowMs()).toBeGreaterThanOrEqual(valueMs);
    const { seal, beacon, trust } = await readRound();
    expect({ seal, trust }).toEqual({ seal: sealed.seal, trust: sealed.trust });
    expect(beacon).toEqual(valueIn(network, seal.beacon.round));
    const view = granted(await engine.releases.describe(release));
    expect(view).toMatchObject({ beacon: 'drand', trust: sealed.trust });
    const report = await verify(engine, release);
    expect(report).toMatchObject({ accepted: true, trust: sealed.trust });
  });

  it('waits for a beacon that is late, for exactly that value, across workers', async () => {
    endpoint.state.mode = 'not found';
    await workerOn(engine).step(release);
    const { seal, valueAt } = await readRound();
    await sleep(msFromIso(valueAt) - nowMs() + 300);
    const other = engineOf(); // the first worker is gone, and another one takes over
    const worker = workerOn(other);
    expect(await worker.step(release)).toMatchObject({ step: 'WAITING' });
    endpoint.state.mode = 'lies';
    expect(await worker.step(release)).toMatchObject({ step: 'WAITING' });
    expect(other.beaconOverdueS()).toBeGreaterThan(0.3);
    expect((await readRound()).seal).toEqual(seal);

    endpoint.state.mode = 'honest';
    expect(await published(worker)).toMatchObject({ step: 'PUBLISHED' });
    expect(await readRound()).toMatchObject({ seal, beacon: valueIn(network, seal.beacon.round) });
    expect(other.beaconOverdueS()).toBe(0);
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
    expect(await workerOn(engine).step(release)).toMatchObject({ step: 'WAITING' });
  });

  it('is never drawn from another value, whoever says so', async () => {
    await workerOn(engine).step(release);
    const { seal } = await readRound();
    const { round } = seal.beacon;
    const wrong = [
      valueIn(network, round - 1),
      { ...valueIn(network, round - 1), round },
      { ...valueIn(ownNetwork('somebody else'), round) },
    ];
    for (const value of wrong) {
      const beaconOf = () => ({ value: async () => value as never });
      const worker = workerOn({ ...engine, beaconOf });
      await expect(worker.step(release)).rejects.toThrow('the beacon of');
    }
    expect(await engine.rounds.rounds(release)).toEqual([]);
    expect(await published(workerOn(engine))).toMatchObject({ step: 'PUBLISHED' });
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  });

  it('is sealed again for a later value when the seal could not be written in time', async () => {
    const tried: string[] = [];
    const delayed: DrawingStore = {
      ...engine.stores.drawing,
      writeSeal: async (name, round, seal) => {
        tried.push(seal.text);
        if (tried.length === 1) await sleep(present(seal.writeBeforeMs, 'a time') - nowMs() + 20);
        return engine.stores.drawing.writeSeal(name, round, seal);
      },
    };
    const worker = workerOn(engine, delayed);
    expect(await worker.step(release)).toMatchObject({ step: 'WAITING' });
    expect(tried).toHaveLength(2);
    const [first, second] = tried.map((seal) => JSON.parse(seal));
    expect(second).toEqual({
      ...first,
      sealed_at: expect.any(String),
      beacon: { kind: 'drand', round: expect.any(Number) },
    });
    expect(second.beacon.round).toBeGreaterThan(first.beacon.round);
    expect(msFromIso(second.sealed_at)).toBeGreaterThan(msFromIso(first.sealed_at));
    expect((await readRound()).seal).toEqual(second);
    expect(endpoint.state.asked).toBe(0);
    // Who takes over finds that seal, and goes on with it.
    expect(await published(workerOn(engineOf()))).toMatchObject({ step: 'PUBLISHED' });
    expect((await readRound()).beacon).toEqual(valueIn(network, second.beacon.round));
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  });

  it('has the seal that was written first, whoever meets in it and whoever dies', async () => {
    const written = Promise.withResolvers<void>();
    const late = async (...[name, round, seal]: Parameters<DrawingStore['writeSeal']>) => {
      await sleep(Math.max(0, present(seal.writeBeforeMs, 'a time') - nowMs() + 20));
      return engine.stores.drawing.writeSeal(name, round, seal);
    };
    let [slowTries, quickTries] = [0, 0];
    // Both come too late with their first seal. The slow one has its next ready, but writes it after
    // the quick one has written another.
    const slow = workerOn(engine, {
      ...engine.stores.drawing,
      writeSeal: async (...args) => {
        if (slowTries++ === 0) return late(...args);
        await written.promise;
        return engine.stores.drawing.writeSeal(...args);
      },
    });
    const quick = workerOn(engine, {
      ...engine.stores.drawing,
      writeSeal: async (...args) => {
        if (quickTries++ === 0) return late(...args);
        const reply = await engine.stores.drawing.writeSeal(...args);
        written.resolve();
        return reply;
      },
    });
    const steps = await Promise.all([slow.step(release), quick.step(release)]);
    expect(steps).toMatchObject([{ step: 'WAITING' }, { step: 'WAITING' }]);
    const { seal } = await readRound();
    const valueAtMs = await test.redis.hget(keys.release(release), 'value_at_ms');
    expect(valueAtMs).toBe(String(drandTimeMs(network.chain, seal.beacon.round)));
    expect(await published(workerOn(engineOf()))).toMatchObject({ step: 'PUBLISHED' });
    expect((await readRound()).seal).toEqual(seal);
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  });

  it('has no list that was fixed before the value of the round before, though Redis is behind', async () => {
    // To the worker, whose clock is ahead, the value is there as soon as the list is sealed.
    const ahead = workerOn({
      ...engine,
      beaconOf: () => ({
        value: async (plan) => valueIn(network, plan.kind === 'drand' ? plan.round : 0) as never,
      }),
    });
    expect(await ahead.step(release)).toMatchObject({ step: 'PUBLISHED', round: 0 });
    const before = await readRound();
    const valueMs = drandTimeMs(network.chain, before.seal.beacon.round);
    await putEntry(engine, release, [0]);
    await test.redis.hset(keys.release(release), { next_round_at_ms: 0 });
    expect(await ahead.step(release)).toMatchObject({ step: 'PUBLISHED', round: 1 });
    expect(nowMs()).toBeLessThan(valueMs);
    const { seal } = await readRound(1);
    expect(msFromIso(seal.cut_at)).toBeGreaterThan(valueMs);
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  });

  it('keeps its network when new releases are published with another', async () => {
    network = { ...ownNetwork('the next network'), signatureOf: network.signatureOf };
    expect(await published(workerOn(engineOf()))).toMatchObject({ step: 'PUBLISHED' });
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  });

  describe('its worker', () => {
    it('serves its metrics, and works without when their port is taken', async () => {
      const taken = await listen(
        createMonitor(
          createWorkerMetrics({
            ...readingsOf(engineOf(), test.redis),
            beaconOverdueS: () => 12.5,
            lastRun: async () => undefined,
          }).registry,
          watch.log,
        ),
        { host: '127.0.0.1', port: 0 },
      );
      const page = await call(taken.url, 'GET', '/metrics');
      expect(page.headers['content-type']).toContain('text/plain');
      expect(page.text).toContain('fairslot_rounds_beacon_wait_seconds 12.5');
      expect(await call(taken.url, 'GET', '/livez')).toMatchObject({ status: 200 });
      expect(await call(taken.url, 'GET', '/')).toMatchObject({ status: 404 });
      expect(await call(taken.url, 'POST', '/metrics')).toMatchObject({ status: 404 });

      const settings = { METRICS_PORT: new URL(taken.url).port, DRAND_URLS: endpoint.url };
      const worker = await spawnWorker(test.server.address, settings);
      while ((await engine.stores.rounds.round(release, 0)) === undefined) await sleep(50);
      await kill(worker, 'SIGTERM');
      await taken.close();
      expect(await verify(engine, release)).toMatchObject({ accepted: true });
    });
  });
});
