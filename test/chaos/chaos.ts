/** `npm run test:chaos`: releases over real HTTP while everything under them is killed and paused. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { nowMs } from '../../src/lib/clock.ts';
import { TOPOLOGIES, type Topology } from './machines.ts';
import { chaos, type ChaosReport } from './run.ts';

type Options = {
  readonly minutes: number;
  readonly seed?: number;
  readonly topology: Topology | 'all';
  readonly json: boolean;
};

const USAGE_STATUS = 2;
const SEED_BELOW = 2 ** 31;
/** A run that hangs ends so long after it should have, in ms: starting, ending, reading it all. */
const OVERTIME_MS = 5 * 60_000;
/** Accounts of each wave of three releases. */
const PARTIES = 70;
const PACE = [400, 2_400] as const;

function minutes(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 600))
    throw new InvalidArgumentError('It must be a number above 0, of 600 at most.');
  return value;
}

function seed(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value >= SEED_BELOW)
    throw new InvalidArgumentError(`It must be a whole number from 0 to ${SEED_BELOW - 1}.`);
  return value;
}

const tell = (line: string): void => void process.stderr.write(`${line}\n`);

/** The figures that count; a run has failed when one of the last four is not 0. */
const figuresOf = (reports: readonly ChaosReport[]) => {
  const sum = (of: (report: ChaosReport) => number): number =>
    reports.reduce((total, report) => total + of(report), 0);
  return {
    kills: sum(({ toll }) => toll.kills),
    pauses: sum(({ toll }) => toll.pauses),
    acknowledged: sum((report) => report.acknowledged),
    lost: sum((report) => report.lost),
    oversold: sum((report) => report.oversold),
    doubleBooked: sum((report) => report.doubleBooked),
    digestMismatches: sum((report) => report.digestMismatches),
  };
};

/** What else there is to know of one topology, a line each. */
function details(topology: string, seed: number, report: ChaosReport): string[] {
  const { toll, service, unknown, missingSeats, releases } = report;
  const struck = Object.entries(toll.by).map(
    ([kind, { kills, pauses }]) => `${topology}.${kind}: ${kills} kills, ${pauses} pauses`,
  );
  return [
    ...struck,
    `${topology}.seed: ${seed}`,
    `${topology}.releases: ${releases}`,
    `${topology}.unknownOutcomes: ${unknown}`,
    `${topology}.requests: ${service.attempts}`,
    `${topology}.withoutAnswer: ${service.unanswered}`,
    `${topology}.unavailable: ${service.unavailable}`,
    `${topology}.longestOutageMs: ${service.longestOutageMs}`,
    `${topology}.missingSeats: ${missingSeats}`,
  ];
}

async function run({
  minutes,
  seed = nowMs() % SEED_BELOW,
  topology,
  json,
}: Options): Promise<void> {
  const topologies = topology === 'all' ? TOPOLOGIES : [topology];
  setTimeout(
    () => {
      tell(`The run did not end in time. Seed ${seed}`);
      process.exit(1);
    },
    minutes * 60_000 + OVERTIME_MS,
  ).unref();
  const reports: ChaosReport[] = [];
  const lines: string[] = [];
  const lengthMs = (minutes * 60_000) / topologies.length;
  for (const one of topologies) {
    const report = await chaos({
      topology: one,
      lengthMs,
      seed,
      parties: PARTIES,
      pace: PACE,
      tell,
    });
    reports.push(report);
    for (const finding of report.findings) tell(`FOUND ${finding}`);
    lines.push(...details(one, seed, report));
  }
  const figures = figuresOf(reports);
  const { lost, oversold, doubleBooked, digestMismatches } = figures;
  const wrong = lost + oversold + doubleBooked + digestMismatches;
  const missing = reports.reduce((sum, { missingSeats }) => sum + missingSeats, 0);
  const all = [...Object.entries(figures).map(([name, value]) => `${name}: ${value}`), ...lines];
  if (json) lines.forEach(tell);
  process.stdout.write(`${json ? JSON.stringify(figures) : all.join('\n')}\n`);
  const { acknowledged, kills, pauses } = figures;
  if (acknowledged === 0 || kills + pauses === 0) {
    tell('Nothing was tried: nothing was acknowledged, or nothing was killed or paused.');
    process.exitCode = 1;
  }
  if (wrong + missing > 0) {
    tell(`The promises do not hold: npm run test:chaos -- --topology ${topology} --seed ${seed}`);
    process.exitCode = 1;
  }
}

// What was started ends when this process exits.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

try {
  await new Command('test:chaos')
    .description(
      'Plays releases over HTTP on real processes, kills and pauses them at random, and audits ' +
        'what became of every acknowledged write. Exits with 1 if a promise does not hold.',
    )
    .option('--minutes <number>', 'how long things are killed', minutes, 10)
    .option('--seed <number>', 'of all dice; a new one unless said', seed)
    .addOption(
      new Option('--topology <kind>', 'of Redis; all: an equal time of each')
        .choices([...TOPOLOGIES, 'all'])
        .default('all'),
    )
    .option('--json', 'print one JSON object on the last line of stdout', false)
    .showHelpAfterError()
    .exitOverride()
    .action(run)
    .parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : USAGE_STATUS;
  else {
    tell(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exitCode = 1;
  }
}
