/** `npm run bench -- SCENARIO`: measures one thing on a Redis of its own and prints the figures. */
import { availableParallelism, cpus } from 'node:os';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { createProgress } from '../src/demo/progress.ts';
import { captcha } from './captcha.ts';
import { carry } from './carry.ts';
import { discovery } from './discovery.ts';
import { draw } from './draw.ts';
import { flood, type Mix } from './flood.ts';
import { KIND_NAMES, type KindName } from './flood/kinds.ts';
import { floor } from './floor.ts';
import { kill } from './kill.ts';
import { memory } from './memory.ts';
import { slip } from './slip.ts';

/** No scenario may hold the machine longer than this, in milliseconds. */
const TIME_LIMIT_MS = 10 * 60_000;
const USAGE_STATUS = 2;

const progress = createProgress(process.stderr);

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 10_000_000)
    throw new InvalidArgumentError('It must be a whole number from 1 to 10,000,000.');
  return value;
}

/** `forgedToken=3,largeBody=1` */
function mix(text: string): Mix {
  const weights = text.split(',').map((one) => {
    const [name = '', weight = '1'] = one.split('=');
    if (!KIND_NAMES.includes(name as KindName))
      throw new InvalidArgumentError(`The kinds are: ${KIND_NAMES.join(', ')}.`);
    return [name, count(weight)] as const;
  });
  return Object.fromEntries(weights);
}

const machine = (): string =>
  `${availableParallelism()} x ${cpus()[0]?.model.trim() ?? 'an unknown CPU'}, Node ${process.versions.node}`;

/** `entry.p50Ms 12` lines; numbers of an object stand under its name. */
const lines = (figures: object, under = ''): string[] =>
  Object.entries(figures).flatMap(([name, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null
      ? lines(value, `${under}${name}.`)
      : [`${`${under}${name}`.padEnd(32)} ${String(value)}`],
  );

function report(scenario: string, figures: object): void {
  const all = { scenario, ...figures, machine: machine() };
  const text = program.opts<{ json: boolean }>().json ? JSON.stringify(all) : lines(all).join('\n');
  process.stdout.write(`${text}\n`);
  if ('errors' in figures && figures.errors !== 0) process.exitCode = 1;
}

const program = new Command('bench')
  .description('Measures the engine. Each scenario starts a Redis of its own and ends it.')
  .option('--json', 'print one JSON object on the last line of stdout', false)
  .showHelpAfterError()
  .exitOverride();

program
  .command('floor')
  .description('entries a second through the whole server, against one bare script call')
  .option('--requests <number>', 'requests of one volley', count, 10_000)
  .option('--connections <number>', 'connections at once', count, 100)
  .option('--repeats <number>', 'volleys that count', count, 5)
  .option('--profile <directory>', 'write a CPU profile of each server there')
  .option('--captcha', 'every entry brings a device token and a solved captcha', false)
  .action(async (options: Parameters<typeof floor>[0]) =>
    report('floor', await floor(options, progress)),
  );

program
  .command('discovery')
  .description('the CoWIN calendar of a district, against node:http with the same bytes in memory')
  .option('--requests <number>', 'requests of one volley', count, 3_000)
  .option('--connections <number>', 'connections at once', count, 50)
  .option('--repeats <number>', 'volleys that count', count, 5)
  .option('--profile <directory>', 'write a CPU profile of each server there')
  .addOption(new Option('--only <what>', 'for a profile').choices(['gzip', 'plain', 'schedule']))
  .action(async (options: Parameters<typeof discovery>[0]) =>
    report('discovery', await discovery(options, progress)),
  );

program
  .command('captcha')
  .description('what solving, checking and forging a proof of work costs')
  .option('--repeats <number>', 'measures of which the median counts', count, 5)
  .action(async (options: Parameters<typeof captcha>[0]) =>
    report('captcha', await captcha(options, progress)),
  );

program
  .command('slip')
  .description('what an appointment slip costs, on the thread of the server and on its own')
  .option('--slips <number>', 'slips that count, of each kind', count, 200)
  .action(async (options: Parameters<typeof slip>[0]) =>
    report('slip', await slip(options, progress)),
  );

const entries = ['--entries <number>', 'people who enter', count, 100_000] as const;

program
  .command('memory')
  .description('bytes of Redis for each entry')
  .option(...entries)
  .action(async (options: Parameters<typeof memory>[0]) =>
    report('memory', await memory(options, progress)),
  );

program
  .command('draw')
  .description('a round of that many entries, from the cut to the publication; and smaller ones')
  .option(...entries)
  .action(async (options: Parameters<typeof draw>[0]) =>
    report('draw', await draw(options, progress)),
  );

program
  .command('kill')
  .description('a round whose worker is killed again and again, against one left alone')
  .option(...entries)
  .option('--runs <number>', 'rounds that are disturbed', count, 10)
  .option('--kills <number>', 'workers killed in each', count, 10)
  .option('--seed <number>', 'of the points at which they are killed', count, 1)
  .action(async (options: Parameters<typeof kill>[0]) =>
    report('kill', await kill(options, progress)),
  );

program
  .command('carry')
  .description('standing entries carried from a release that is over into the next')
  .option(...entries)
  .action(async (options: Parameters<typeof carry>[0]) =>
    report('carry', await carry(options, progress)),
  );

program
  .command('flood')
  .description('what honest people notice of ten times as many hostile requests')
  .option('--rate <number>', 'honest requests a second', count, 80)
  .option('--times <number>', 'hostile requests for each honest one', count, 10)
  .option('--seconds <number>', 'length of a window', count, 5)
  .option('--windows <number>', 'windows without a flood, and as many with one', count, 5)
  .option('--seed <number>', 'of the order of the hostile requests', count, 1)
  .option('--mix <kinds>', 'weights of hostile kinds: forgedToken=3,largeBody=1', mix)
  .option('--kinds', 'then measure what each kind costs alone', false)
  .option('--profile <directory>', 'write a CPU profile of the server there')
  .action(async (options: Parameters<typeof flood>[0]) =>
    report('flood', await flood(options, progress)),
  );

setTimeout(() => {
  process.stderr.write(`The scenario took longer than ${TIME_LIMIT_MS / 1000} s.\n`);
  process.exit(1);
}, TIME_LIMIT_MS).unref();
// What the scenario started ends when this process exits.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : USAGE_STATUS;
}
