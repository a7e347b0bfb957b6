/**
 * `npm run demo`: the same people and bots want the same seats, first come, first served and then
 * by lottery, on a whole engine over HTTP; then a table and an HTML report of who got them.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, parse } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { verifyRounds, type Round } from './demo/audit.ts';
import { hasLoopbackAddresses } from './demo/engine.ts';
import { playEvening } from './demo/play.ts';
import { createPopulation, PEOPLE_PER_SEAT, readSites, scaleSites } from './demo/population.ts';
import { createProgress } from './progress.ts';
import { reportHtml } from './demo/report.ts';
import { brokenPromises, summaryJson, summaryTable, type Results } from './demo/summary.ts';
import { isoFromMs } from './lib/clock.ts';
import { findRedisServer } from './redis/embedded.ts';

type Options = {
  readonly citizens: number;
  readonly bots: number;
  readonly seed: string;
  readonly json: boolean;
  readonly report: string;
};

const SITES = new URL('../bench/data/pune-2021-04-10.csv', import.meta.url);

const stopped = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => stopped.abort(new Error(`stopped by ${signal}`)));
}

const whole = (least: number, most: number) => (text: string) => {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`It is not a whole number from ${least} to ${most}.`);
};

function word(text: string): string {
  if (/^[\w.-]{1,40}$/.test(text)) return text;
  throw new InvalidArgumentError(
    'It is not 1 to 40 letters, digits, dots, hyphens or underscores.',
  );
}

/** Wrong options end the process with status 2 and a message. */
function readOptions(): Options {
  return new Command('npm run demo --')
    .description('Play the same evening twice: first come, first served, then by lottery.')
    .option('--citizens <number>', 'people who come at human speed', whole(10, 20_000), 1_000)
    .option('--bots <number>', 'scripts that ask every 50 ms', whole(1, 5_000), 100)
    .option('--seed <word>', 'the same seed brings the same people', word, 'pune')
    .option('--report <file>', 'where to write the HTML report', join('bench', 'out', 'demo.html'))
    .option('--json', 'end stdout with one JSON object; everything else goes to stderr', false)
    .allowExcessArguments(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
    .parse()
    .opts<Options>();
}

/** The exit status: 1 when the engine broke one of its promises. */
async function run(options: Options): Promise<number> {
  const { citizens, bots, seed } = options;
  findRedisServer(); // installs it where there is none, with its output in sight
  mkdirSync(dirname(options.report), { recursive: true });
  const say = (text: string): void =>
    void (options.json ? process.stderr : process.stdout).write(`${text}\n`);
  const allSites = readSites(readFileSync(SITES, 'utf8'));
  const seats = Math.round((citizens + bots) / PEOPLE_PER_SEAT);
  const sites = scaleSites(allSites, seats);
  const ownAddresses = await hasLoopbackAddresses();
  const setting = {
    people: createPopulation(citizens, bots, seed),
    sites,
    ownAddresses,
    progress: createProgress(process.stderr),
    stopped: stopped.signal,
  };
  say(`${citizens} citizens and ${bots} bots want ${seats} seats, twice.`);
  const immediate = await playEvening({ ...setting, mode: 'immediate' });
  const lottery = await playEvening({ ...setting, mode: 'lottery' });

  const verdict = await verifyRounds(lottery.rounds);
  const results: Results = {
    tallies: { immediate: immediate.tally, lottery: lottery.tally },
    verified: verdict.refused === undefined,
  };
  const verifyCommand = saveTranscripts(options.report, lottery.rounds);
  const doses = allSites.reduce((sum, site) => sum + site.seats, 0);
  const html = reportHtml({
    ...results,
    ranAt: isoFromMs(immediate.openedAtMs),
    seed,
    sites: { all: allSites.length, withSeats: sites.length, doses },
    ownAddresses,
    rounds: lottery.rounds.map(({ round, digest, publishedAtMs }, index) => ({
      round,
      digest,
      publishedAtMs: publishedAtMs - lottery.openedAtMs,
      entries: verdict.rounds[index]?.entries ?? 0,
      offers: verdict.rounds[index]?.served ?? 0,
    })),
    verifyCommand,
    trust: verdict.trust,
  });
  writeFileSync(options.report, html);

  say(`\n${summaryTable(results)}\n`);
  say(`Report: ${options.report}\nCheck the draw yourself: ${verifyCommand}`);
  const broken = brokenPromises(results);
  for (const promise of broken) process.stderr.write(`demo: ${promise}\n`);
  if (verdict.refused) process.stderr.write(`demo: ${verdict.refused}\n`);
  if (options.json) process.stdout.write(`${summaryJson(results)}\n`);
  return broken.length === 0 ? 0 : 1;
}

/**
 * Saves them beside the report, in place of those of an earlier run; returns how to verify them.
 */
function saveTranscripts(report: string, rounds: readonly Round[]): string {
  const { dir, name } = parse(report);
  const stem = `${name}-round-`;
  const old = readdirSync(dir || '.').filter((file) => file.startsWith(stem));
  for (const file of old) rmSync(join(dir, file));
  for (const { round, transcript } of rounds)
    writeFileSync(join(dir, `${stem}${round}.ndjson.gz`), transcript);
  const digest = rounds.at(-1)?.digest ?? '';
  return `npm run cli -- draw verify ${join(dir, stem)}*.ndjson.gz --digest ${digest}`;
}

try {
  process.exit(await run(readOptions()));
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(stopped.signal.aborted ? 130 : 1);
}
