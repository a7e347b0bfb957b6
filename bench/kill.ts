/**
 * F7 at scale: a round whose worker is killed again and again, at points spread over all that it
 * does, must end with the bytes of a round that nobody disturbed.
 */
import { hash } from 'node:crypto';
import type { Progress } from '../src/progress.ts';
import { between, type Random, seededRandom } from '../src/demo/random.ts';
import type { Engine } from '../src/engine.ts';
import { assert, present } from '../src/lib/assert.ts';
import { monotonicMs, sleep } from '../src/lib/clock.ts';
import type { Redis } from '../src/redis/client.ts';
import { keys } from '../src/redis/keys.ts';
import type { Phase } from '../src/rounds/drawing.ts';
import { verifyChain } from '../src/rounds/verify/verify.ts';
import { type BenchEngine, withEngine } from './support/engine.ts';
import { amount, entries as entriesOption } from './support/options.ts';
import { openRelease, RELEASE, wishesFor } from './support/pune.ts';
import type { Scenario } from './support/scenario.ts';
import { enterStrangers, makeDue } from './support/strangers.ts';
import { startWorker } from './support/worker.ts';

export type KillOptions = {
  readonly entries: number;
  readonly runs: number;
  readonly kills: number;
  readonly seed: number;
};

/** A round's phases as its worker takes them, by what they are part of. */
const PHASES = [
  ['read', 'read'],
  ['hash', 'seal'],
  ['tree', 'seal'],
  ['proofs', 'seal'],
  ['seal', 'seal'],
  ['sort', 'draw'],
  ['assign', 'draw'],
  ['transcript', 'staging'],
  ['write', 'staging'],
  ['flip', 'flip'],
] as const satisfies readonly (readonly [Phase, string])[];

/** Where a kill hit. `published`: in the flip, too late to stop it. */
type Hit = (typeof PHASES)[number][1] | 'published';

const measure = (options: KillOptions, progress: Progress) =>
  withEngine(async (bench) => {
    const { entries, runs, kills, seed } = options;
    await cutRound(bench, entries, progress);
    const snapshot = await snapshotOf(bench.redis);
    const pace = await undisturbed(bench);
    const expected = await resultOf(bench);
    const random = seededRandom(`kill ${seed}`);
    const phasesHit = { read: 0, seal: 0, draw: 0, staging: 0, flip: 0, published: 0 };
    const differing: number[] = [];
    const phase = progress('killing workers', runs * kills);
    for (let run = 0; run < runs; run++) {
      await restore(bench.redis, snapshot);
      for (const point of pointsOf(random, kills, pace)) {
        const hit = await killOnce(bench, pace, point);
        phasesHit[hit] += 1;
        phase.advance();
        if (hit === 'published') break; // on a busy machine before its last kill: it is over
      }
      await finish(bench);
      if (!sameResult(await resultOf(bench), expected)) differing.push(run);
    }
    phase.done();
    return {
      entries,
      runs,
      kills,
      seed,
      phasesHit,
      undisturbedMs: Math.round(lengthOf(pace)),
      phaseMs: Object.fromEntries(
        pace.map(({ phase: name, fromMs, toMs }) => [name, Math.round(toMs - fromMs)]),
      ),
      digest: expected.digest,
      sameDigest: differing.length === 0,
      /** Numbers of the runs, from 0, that ended otherwise. */
      differing,
      errors: differing.length,
    };
  });

/** Everybody enters, and the round is cut: from there on its bytes do not depend on any clock. */
async function cutRound(bench: BenchEngine, entries: number, progress: Progress): Promise<void> {
  const { engine, redis } = bench;
  const published = await openRelease(engine, RELEASE, entries);
  const strangers = { engine, redis, published, wishes: wishesFor(published) };
  await enterStrangers(strangers, 0, entries, progress);
  await makeDue(redis, 0);
  const { outcome } = await engine.stores.drawing.cut(RELEASE);
  assert(outcome === 'DRAWING', 'the round is cut');
}

/** All that Redis holds, by key. */
type Snapshot = readonly (readonly [key: string, dump: Buffer])[];

async function snapshotOf(redis: Redis): Promise<Snapshot> {
  const all = await redis.keys('*');
  return Promise.all(
    all.map(async (key) => [key, present(await redis.dumpBuffer(key), key)] as const),
  );
}

async function restore(redis: Redis, snapshot: Snapshot): Promise<void> {
  await redis.flushall();
  for (const [key, dump] of snapshot) await redis.restore(key, 0, dump);
}

/** When a phase began and ended, in milliseconds since its worker was ready. */
type Span = { readonly phase: Phase; readonly fromMs: number; readonly toMs: number };

/** All phases of a round that nobody disturbed. */
async function undisturbed({ server }: BenchEngine): Promise<Span[]> {
  const worker = startWorker(server.address);
  const spans: Span[] = [];
  for (const [phase] of PHASES) {
    const toMs = await worker.said(phase);
    assert(toMs !== false, 'an undisturbed worker finishes its round');
    spans.push({ phase, fromMs: spans.at(-1)?.toMs ?? 0, toMs });
  }
  await worker.kill();
  return spans;
}

const lengthOf = (pace: readonly Span[]): number => present(pace.at(-1), 'phase').toMs;

/**
 * Milliseconds into the round: one point in each of as many equal parts of the time before the
 * flip, in any order, and the last one in the flip, which the round may not outlive.
 */
function pointsOf(random: Random, kills: number, pace: readonly Span[]): number[] {
  const flip = present(pace.at(-1), 'flip');
  const parts = kills - 1;
  const points = Array.from(
    { length: parts },
    (_, part) => ((part + random()) / parts) * flip.fromMs,
  );
  for (let at = parts - 1; at > 0; at--) {
    const other = between(random, 0, at);
    [points[at], points[other]] = [present(points[other], 'point'), present(points[at], 'point')];
  }
  return [...points, flip.fromMs + random() * (flip.toMs - flip.fromMs)];
}

/**
 * Starts a worker, kills it where the undisturbed one was at `pointMs`, and says where that hit. It
 * may be slower or faster this time: the time counts from the start of that phase, to its end.
 */
async function killOnce(
  { engine, server, redis }: BenchEngine,
  pace: readonly Span[],
  pointMs: number,
): Promise<Hit> {
  const at = pace.findLastIndex(({ fromMs }) => fromMs <= pointMs);
  const { phase, fromMs } = present(pace[at], 'phase');
  const worker = startWorker(server.address);
  const begun = await worker.said(pace[at - 1]?.phase ?? 'ready');
  assert(begun !== false, 'a worker ended that nobody killed');
  const restMs = pointMs - fromMs;
  if (restMs >= 1) await Promise.race([sleep(restMs), worker.said(phase)]);
  await worker.kill();
  await redis.del(keys.lease(RELEASE)); // as if its ten seconds were over
  if (await digestOf(engine)) return 'published';
  const done = PHASES.findIndex(([name]) => name === worker.last());
  return present(PHASES[done + 1], 'a phase that was not over')[1];
}

/** Has a worker end the round, if none has. */
async function finish({ engine, server }: BenchEngine): Promise<void> {
  const worker = startWorker(server.address);
  const startedMs = monotonicMs();
  while ((await digestOf(engine)) === undefined) {
    assert(monotonicMs() - startedMs < FINISH_WITHIN_MS, 'the last worker finishes the round');
    await sleep(20);
  }
  await worker.kill();
}

const FINISH_WITHIN_MS = 120_000;

/** Of the round, once it is published. */
const digestOf = async ({ stores }: Engine): Promise<string | undefined> =>
  (await stores.rounds.round(RELEASE, 0))?.digest;

/** What a round published: its digest, and SHA-256 of its file and of all other results. */
type Result = { readonly digest: string; readonly file: string; readonly rest: string };

async function resultOf({ engine, redis }: BenchEngine): Promise<Result> {
  const digest = present(await digestOf(engine), 'digest');
  const open = () => engine.stores.rounds.transcript(RELEASE, 0);
  const chunks: Uint8Array[] = [];
  for await (const chunk of open()) chunks.push(chunk);
  const report = await verifyChain([{ name: 'round 0', open }], { digest });
  assert(report.accepted, `the transcript was refused: ${JSON.stringify(report)}`);
  return { digest, file: hash('sha256', Buffer.concat(chunks)), rest: await restOf(redis) };
}

/** Bookings, offers, tree and free seats. */
async function restOf(redis: Redis): Promise<string> {
  const hashes = [
    keys.bookings(RELEASE),
    keys.offers(RELEASE, 0),
    keys.tree(RELEASE, 0),
    keys.results(RELEASE, 0),
    keys.seats(RELEASE),
  ];
  const lines: string[] = [];
  for (const key of hashes) {
    const fields = Object.entries(await redis.hgetallBuffer(key));
    lines.push(...fields.map(([field, value]) => `${key} ${field} ${value.toString('hex')}`));
  }
  return hash('sha256', lines.toSorted().join('\n'));
}

const sameResult = (one: Result, other: Result): boolean =>
  one.digest === other.digest && one.file === other.file && one.rest === other.rest;

export const kill: Scenario<KillOptions> = {
  name: 'kill',
  summary: 'a round whose worker is killed again and again, against one left alone',
  options: [
    entriesOption(),
    amount('runs', 'rounds that are disturbed', 10),
    amount('kills', 'workers killed in each', 10),
    amount('seed', 'of the points at which they are killed', 1),
  ],
  inAll: { mostS: 30, options: { entries: 20_000, runs: 2, kills: 6 } },
  quick: { entries: 300, runs: 1, kills: 2 },
  run: async (options, progress) => {
    const figures = await measure(options, progress);
    const hits = Object.entries(figures.phasesHit);
    return {
      figures,
      goals: [
        {
          name: 'rounds that end otherwise when their worker is killed',
          figure: figures.differing.length,
          unit: 'rounds',
          atMost: 0,
        },
      ],
      charts: [
        {
          title: 'Where kills hit',
          description: `${options.runs * options.kills} workers were killed; every round had to end with the same bytes.`,
          kind: 'bars',
          x: { label: 'phase of the round', categories: hits.map(([phase]) => phase) },
          y: { label: 'workers killed' },
          series: [{ name: 'kills', points: hits.map(([, kills], place) => [place, kills]) }],
        },
      ],
      errors: figures.errors,
    };
  },
};
