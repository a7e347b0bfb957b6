/** What checking a release of many entries takes, of this process and of Redis. */
import type { Progress } from '../src/progress.ts';
import { assert, present } from '../src/lib/assert.ts';
import { monotonicMs } from '../src/lib/clock.ts';
import { createLog } from '../src/log.ts';
import { RECONCILE_LIMITS, unhurried } from '../src/reconcile/store.ts';
import type { RunReport, Wishes } from '../src/reconcile/service.ts';
import { createDrawing } from '../src/rounds/drawing.ts';
import type { BenchEngine } from './support/engine.ts';
import { withEngine } from './support/engine.ts';
import { entries as entriesOption } from './support/options.ts';
import { enterAll, granted, openRelease, registerCitizens, RELEASE } from './support/pune.ts';
import type { Scenario } from './support/scenario.ts';
import { makeDue } from './support/strangers.ts';

const GOAL_MS = 30_000;
const GOAL_ENTRIES = 100_000;
/** No command of the check may hold Redis up for longer. */
const GOAL_STEP_MS = 10;
const MICROS_OF_MS = 1_000;
const SLOW_MICROS = 500;
const SLOW_KEPT = 100_000;

export type ReconcileOptions = { readonly entries: number };

const measure = ({ entries }: ReconcileOptions, progress: Progress) =>
  withEngine(async (bench) => {
    const { engine, redis } = bench;
    const published = await openRelease(engine, RELEASE, entries);
    const citizens = await registerCitizens(engine, entries, progress);
    await enterAll(engine, published, citizens, progress);
    await makeDue(redis, 0);
    await drawRound(bench);
    const offers = await confirmHalf(bench);
    const rssBefore = process.memoryUsage.rss();
    const quick = await measureCheck(bench, {});
    const paced = await measureCheck(bench, { pace: unhurried });
    const verified = await measureCheck(bench, { verify: true });
    return {
      entries,
      offers,
      ...quick,
      batch: RECONCILE_LIMITS.batch,
      rssBeforeMiB: Math.round(rssBefore / 2 ** 20),
      paced,
      verified,
      errors: quick.findings + paced.findings + verified.findings,
    };
  });

async function drawRound({ engine }: BenchEngine): Promise<void> {
  const { stores, releases, beaconOf } = engine;
  const { manifest } = granted(await releases.published(RELEASE));
  assert(manifest.mode === 'lottery', 'the release has rounds');
  const cut = await stores.drawing.cut(RELEASE);
  assert(cut.outcome === 'DRAWING', 'the round is due');
  const parts = { store: stores.rounds, drawing: stores.drawing, beaconOf };
  const drawing = createDrawing({ ...parts, log: createLog('silent') });
  assert((await drawing.step(manifest, cut)).step === 'PUBLISHED', 'the round is published');
}

/** How many offers there were; half of them are bookings now. */
async function confirmHalf({ engine }: BenchEngine): Promise<number> {
  const { rounds, bookings } = engine.stores;
  const offered = await rounds.openOffers(RELEASE, 0);
  for (const entry of offered.slice(0, offered.length / 2))
    await bookings.confirm({ release: RELEASE, entry, grant: '0' }, Number.MAX_SAFE_INTEGER);
  return offered.length;
}

const findingsOf = ({ releases, strays }: RunReport): number =>
  strays.length + releases.reduce((sum, { findings }) => sum + findings.length, 0);

async function measureCheck({ engine, redis }: BenchEngine, wishes: Wishes) {
  await redis.config('SET', 'slowlog-log-slower-than', SLOW_MICROS);
  await redis.config('SET', 'slowlog-max-len', SLOW_KEPT);
  await redis.slowlog('RESET');
  const redisMs = await redisCpuMs(redis);
  const cpu = process.cpuUsage();
  const startMs = monotonicMs();
  const report = await engine.reconciler.all(wishes);
  const totalMs = Math.round(monotonicMs() - startMs);
  const { user, system } = process.cpuUsage(cpu);
  const slow = (await redis.slowlog('GET', SLOW_KEPT)) as [number, number, number, string[]][];
  return {
    totalMs,
    cpuMs: Math.round((user + system) / MICROS_OF_MS),
    redisCpuMs: Math.round((await redisCpuMs(redis)) - redisMs),
    /** The longest that one command held Redis up. */
    longestStepMs: Math.max(0, ...slow.map(([, , micros]) => micros)) / MICROS_OF_MS,
    stepsOverHalfMs: slow.length,
    rssMiB: Math.round(process.memoryUsage.rss() / 2 ** 20),
    findings: findingsOf(report),
  };
}

async function redisCpuMs(redis: BenchEngine['redis']): Promise<number> {
  const info = await redis.info('cpu');
  const of = (name: string): number =>
    Number(present(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1], name));
  return 1000 * (of('used_cpu_user') + of('used_cpu_sys'));
}

export const reconcile: Scenario<ReconcileOptions> = {
  name: 'reconcile',
  summary: 'a release checked against itself: all of it, and what each step takes of Redis',
  options: [entriesOption()],
  inAll: { mostS: 25, options: { entries: 20_000 } },
  quick: { entries: 300 },
  run: async (options, progress) => {
    const figures = await measure(options, progress);
    const { paced, verified } = figures;
    const ways = [figures, paced, verified];
    const scale = Math.max(options.entries, GOAL_ENTRIES) / GOAL_ENTRIES;
    return {
      figures,
      goals: [
        {
          name: `a release of ${options.entries.toLocaleString('en')} entries checked`,
          figure: figures.totalMs,
          unit: 'ms',
          atMost: GOAL_MS * scale,
        },
        {
          name: 'longest that one command of the check holds Redis up',
          figure: figures.longestStepMs,
          unit: 'ms',
          atMost: GOAL_STEP_MS,
        },
      ],
      charts: [
        {
          title: 'A check, three ways',
          description: 'All at once, at the pace of a worker, and with every round recomputed.',
          kind: 'bars',
          x: { label: '', categories: ['at once', 'as a worker does', 'all recomputed'] },
          y: { label: 'milliseconds' },
          series: [
            { name: 'time', points: ways.map(({ totalMs }, place) => [place, totalMs]) },
            { name: 'CPU of ours', points: ways.map(({ cpuMs }, place) => [place, cpuMs]) },
            {
              name: 'CPU of Redis',
              points: ways.map(({ redisCpuMs }, place) => [place, redisCpuMs]),
            },
          ],
        },
      ],
      errors: figures.errors,
    };
  },
};
