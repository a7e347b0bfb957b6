/**
 * A process that does nothing but draw, or verify: what it takes in memory is what that takes. Its
 * owner sends a job and gets a report of it.
 */
import { createEngine } from '../../src/engine.ts';
import { assert } from '../../src/lib/assert.ts';
import { monotonicMs } from '../../src/lib/clock.ts';
import { createLog } from '../../src/log.ts';
import { connectRedis, type RedisAddress } from '../../src/redis/client.ts';
import { createDrawing } from '../../src/rounds/drawing.ts';
import { verifyChain } from '../../src/rounds/verify/verify.ts';
import { SECRET } from './engine.ts';
import { granted } from './pune.ts';

export type Job =
  | { readonly job: 'start'; readonly address: RedisAddress }
  | { readonly job: 'draw'; readonly release: string }
  | { readonly job: 'verify'; readonly release: string; readonly digest: string };

export type Report = {
  readonly ms: number;
  /** CPU time of all threads: what `ms` would be at the least on one free core. */
  readonly cpuMs: number;
  /** The most that this process ever had in memory. */
  readonly rssMiB: number;
  readonly digest: string;
  readonly phases: Phases;
  /** CPU time of the main thread, by phase. */
  readonly phasesCpu: Phases;
  readonly served: number;
};

type Phases = Readonly<Record<string, number>>;

const KIB_OF_MIB = 1024;
const MICROS_OF_MS = 1_000;

const cpuMs = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / MICROS_OF_MS;
const mainCpuMs = (): number => cpuMs(process.threadCpuUsage());

type Draw = (release: string) => Promise<Pick<Report, 'digest' | 'phases' | 'phasesCpu'>>;
type Verify = (release: string, digest: string) => Promise<Pick<Report, 'served'>>;

function jobsOn(address: RedisAddress): { draw: Draw; verify: Verify } {
  const engine = createEngine(connectRedis(address), { secret: SECRET });
  const { stores, releases, beaconOf } = engine;
  let phases: Record<string, number> = {};
  let phasesCpu: Record<string, number> = {};
  let threadCpuMs = mainCpuMs();
  const drawing = createDrawing({
    store: stores.rounds,
    drawing: stores.drawing,
    beaconOf,
    log: createLog('silent'),
    onPhase: (phase, ms) => {
      const untilMs = mainCpuMs();
      phases[phase] = Math.round(ms);
      phasesCpu[phase] = Math.round(untilMs - threadCpuMs);
      threadCpuMs = untilMs;
    },
  });
  const draw: Draw = async (release) => {
    phases = {};
    phasesCpu = {};
    threadCpuMs = mainCpuMs();
    const { manifest } = granted(await releases.published(release));
    assert(manifest.mode === 'lottery', 'the release has rounds');
    const cut = await stores.drawing.cut(release);
    assert(cut.outcome === 'DRAWING', 'the round is due');
    const taken = await drawing.step(manifest, cut);
    assert(taken.step === 'PUBLISHED', 'the round is published');
    return { digest: taken.digest, phases, phasesCpu };
  };
  const verify: Verify = async (release, digest) => {
    const open = () => stores.rounds.transcript(release, 0);
    const report = await verifyChain([{ name: 'round 0', open }], { digest });
    assert(report.accepted, `the transcript was refused: ${JSON.stringify(report)}`);
    return { served: report.rounds[0]?.served ?? 0 };
  };
  return { draw, verify };
}

let jobs: ReturnType<typeof jobsOn> | undefined;

async function work(job: Job): Promise<Report> {
  if (job.job === 'start') jobs = jobsOn(job.address);
  assert(jobs, 'the first job is to start');
  const startedMs = monotonicMs();
  const startedCpu = process.cpuUsage();
  const nothing = { digest: '', phases: {}, phasesCpu: {}, served: 0 };
  const done =
    job.job === 'draw'
      ? await jobs.draw(job.release)
      : job.job === 'verify'
        ? await jobs.verify(job.release, job.digest)
        : nothing;
  const ms = Math.round(monotonicMs() - startedMs);
  const usedMs = Math.round(cpuMs(process.cpuUsage(startedCpu)));
  const rssMiB = Math.round(process.resourceUsage().maxRSS / KIB_OF_MIB);
  return { ...nothing, ...done, ms, cpuMs: usedMs, rssMiB };
}

process.on('message', (job: Job) => {
  work(job).then(
    (report) => process.send?.(report),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
