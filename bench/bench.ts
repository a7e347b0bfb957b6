/** `npm run bench -- SCENARIO`: measures one thing, or all, and prints figures and goals. */
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Command, CommanderError } from 'commander';
import { createProgress } from '../src/progress.ts';
import { monotonicMs } from '../src/lib/clock.ts';
import { SCENARIOS } from './scenarios.ts';
import { describeMachine, type Machine, machineInWords, whereWords } from './support/machine.ts';
import { playAll } from './support/play.ts';
import { reportHtml } from './support/report.ts';
import { resultsText } from './support/results.ts';
import { type AnyScenario, type Target, timeLimitMs } from './support/scenario.ts';
import {
  brokenOf,
  figureLines,
  goalTable,
  judgedGoals,
  type Measured,
  type Played,
} from './support/verdict.ts';

const ALL_WITHIN_MS = 60 * 60_000;
const USAGE_STATUS = 2;

type Common = {
  readonly json: boolean;
  readonly report?: string;
  readonly target?: string;
  readonly iMayLoadIt: boolean;
  readonly operatorKey?: string;
};
type All = { readonly quick: boolean; readonly results?: string };

const program = new Command('bench')
  .description(
    'Measures the engine. Unless it has a target, each scenario starts a Redis of its own and ends it.',
  )
  .option('--json', 'print one JSON object on the last line of stdout', false)
  .option('--report <file>', 'write a page with figures and charts there')
  .option('--target <url>', 'play on the deployment there instead, where a scenario can')
  .option('--i-may-load-it', 'the owner of the target has agreed to that', false)
  .option('--operator-key <key>', 'of the target; FAIRSLOT_OPERATOR_KEY where it is left out')
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError()
  .exitOverride();

/** The deployment to play on; undefined for one of our own. Refuses with status 2. */
function targetOf({ target, iMayLoadIt, operatorKey }: Common): Target | undefined {
  if (target === undefined) return undefined;
  const refuse = (why: string): never => program.error(`error: ${why}`);
  const url = URL.canParse(target) ? new URL(target) : refuse('--target is no URL');
  if (!/^https?:$/.test(url.protocol)) refuse('--target is no http or https URL');
  if (!iMayLoadIt)
    refuse(
      `a bench loads ${url.host} as far as it can, leaves releases, people and entries there, and may shut others out; say --i-may-load-it if its owner has agreed to that`,
    );
  const key = operatorKey ?? process.env['FAIRSLOT_OPERATOR_KEY'] ?? '';
  if (key === '')
    refuse('a target needs --operator-key, or FAIRSLOT_OPERATOR_KEY in the environment');
  return { url: url.origin, operatorKey: key };
}

/** Of a scenario that was chosen, here in this process. */
async function play(scenario: AnyScenario, options: object, target?: Target): Promise<Played> {
  const progress = createProgress(process.stderr);
  const startedMs = monotonicMs();
  const { onTarget } = scenario;
  if (target && !onTarget)
    program.error(`error: ${scenario.name} cannot be played on a deployment: leave --target out`);
  const outcome =
    target && onTarget
      ? await onTarget(target, options as never, progress)
      : await scenario.run(options as never, progress);
  const { name, summary } = scenario;
  return { name, summary, tookMs: monotonicMs() - startedMs, outcome };
}

/** Refuses with status 2, before anything is measured, what could not be kept then. */
function assertWritable(option: string, file: string | undefined): void {
  if (file === undefined) return;
  try {
    mkdirSync(dirname(file), { recursive: true });
    const isNew = !existsSync(file);
    closeSync(openSync(file, 'a'));
    if (isNew) rmSync(file);
  } catch (error) {
    program.error(`error: ${option} cannot be written: ${String(error)}`);
  }
}

function endAfter(ms: number): void {
  setTimeout(() => {
    process.stderr.write(`It took longer than ${ms / 60_000} minutes.\n`);
    process.exit(1);
  }, ms).unref();
}

function save(file: string, text: string): void {
  writeFileSync(file, text);
  process.stderr.write(`Written: ${file}\n`);
}

/** Says it all, in the forms that were asked for. */
function conclude(measured: Measured, json: object): void {
  const { json: asJson, report } = program.opts<Common>();
  if (report !== undefined) save(report, reportHtml(measured));
  const broken = measured.played.flatMap(brokenOf);
  const { played, machine, target } = measured;
  const said = `${goalTable(played)}\n${whereWords(target)} ${machineInWords(machine)}.`;
  (asJson ? process.stderr : process.stdout).write(`\n${said}\n`);
  if (asJson) process.stdout.write(`${JSON.stringify(json)}\n`);
  if (broken.length > 0) process.exitCode = 1;
}

const begin = (): { machine: Machine; at: Date } => ({
  machine: describeMachine(),
  at: new Date(),
});

async function playOne(scenario: AnyScenario, options: object): Promise<void> {
  const common = program.opts<Common>();
  const target = targetOf(common);
  assertWritable('--report', common.report);
  endAfter(timeLimitMs(scenario, options));
  const { machine, at } = begin();
  const played = await play(scenario, options, target);
  const goals = judgedGoals(played);
  const { figures, errors } = 'outcome' in played ? played.outcome : { figures: {}, errors: 0 };
  if (!common.json) process.stdout.write(`${figureLines(figures).join('\n')}\n`);
  const met = errors === 0 && goals.every((goal) => goal.met);
  const json = { scenario: scenario.name, ...figures, goals, met, errors, machine };
  conclude({ played: [played], machine, at, target: target?.url }, json);
}

async function playEverything({ quick, results }: All): Promise<void> {
  const { report, ...common } = program.opts<Common>();
  const target = targetOf(common);
  assertWritable('--report', report);
  assertWritable('--results', results);
  endAfter(ALL_WITHIN_MS);
  const { machine, at } = begin();
  const played = await playAll(SCENARIOS, { quick, target }, process.stderr);
  const measured: Measured = { played, machine, at, target: target?.url };
  if (results !== undefined) save(results, resultsText(measured, SCENARIOS));
  const goals = played.flatMap((one) =>
    judgedGoals(one).map((goal) => ({ scenario: one.name, ...goal })),
  );
  const scenarios = Object.fromEntries(
    played.map((one) => [one.name, 'outcome' in one ? one.outcome.figures : null]),
  );
  const broken = played.flatMap(brokenOf);
  conclude(measured, { scenario: 'all', goals, broken, machine, scenarios });
}

for (const scenario of SCENARIOS) {
  const command = program.command(scenario.name).description(scenario.summary);
  for (const option of scenario.options) command.addOption(option);
  command.action((options: object) => playOne(scenario, options));
}
program
  .command('all')
  .description('one scenario after another, each in a process of its own, within 30 minutes')
  .option('--quick', 'as small as can be: shows that it runs, and measures nothing', false)
  .option('--results <file>', 'write bench/RESULTS.md anew there, with the notes of bench/notes')
  .action((options: All) => playEverything(options));

// What a scenario started ends when this process exits.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : USAGE_STATUS;
}
