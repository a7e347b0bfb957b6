/**
 * `npm run sim`: those who try to get more than their share, played with the engine's own draw, and
 * what it gains them against exact theory.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { createProgress } from '../src/progress.ts';
import { MARKETS, playMarkets } from './sim/market.ts';
import { measure, type Finding } from './sim/persona.ts';
import { PERSONAS } from './sim/personas.ts';
import { plot } from './sim/plot.ts';
import { asExpected, reportJson, reportText } from './sim/report.ts';

type Options = {
  readonly seed: string;
  readonly runs: number;
  readonly json: boolean;
  readonly plot: string;
};

const RUNS_MOST = 100_000;
const USAGE_STATUS = 2;

function count(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= RUNS_MOST) return value;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${RUNS_MOST}.`);
}

/** Wrong options end the process with status 2 and a message. */
const readOptions = (): Options =>
  new Command('npm run sim --')
    .description('Plays those who try to get more than their share, and measures their gains.')
    .option('--seed <word>', 'the same seed plays the same releases', 'pune')
    .option('--runs <number>', 'releases for each persona', count, 1_000)
    .option('--plot <file>', 'where to write the picture', join('bench', 'out', 'sim.svg'))
    .option('--json', 'end stdout with one JSON object; everything else goes to stderr', false)
    .allowExcessArguments(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : USAGE_STATUS))
    .parse()
    .opts<Options>();

/**
 * Markets are played at nine prices each: as many runs would take most of the time, while few
 * leave the sign of a profit open.
 */
const marketRuns = (runs: number): number => Math.max(100, Math.ceil(runs / 5));

async function run({ seed, runs, json, plot: file }: Options): Promise<number> {
  const progress = createProgress(process.stderr);
  const played = progress('personas', PERSONAS.length * runs);
  const personas: Finding[] = [];
  for (const persona of PERSONAS)
    personas.push(await measure(persona, { runs, seed, onRun: played.advance }));
  played.done();
  const traded = progress('black market', MARKETS * marketRuns(runs));
  const market = await playMarkets({ runs: marketRuns(runs), seed, onRun: traded.advance });
  traded.done();

  const results = { seed, runs, personas, market };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, plot(results));
  (json ? process.stderr : process.stdout).write(`\n${reportText(results)}\nPicture: ${file}\n`);
  if (json) process.stdout.write(`${reportJson(results)}\n`);
  return asExpected(results) ? 0 : 1;
}

process.exitCode = await run(readOptions());
