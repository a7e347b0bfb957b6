/**
 * `npm run load -- --url …`: a rehearsal. Evenings of people and bots, one after another, on an
 * engine that runs, over HTTP and past every gate. The engine must keep its SMS (SMS_DRIVER=inbox,
 * which is for development), since that is where people read their OTPs here, and must trust this
 * process as a load balancer, since each of them has an address of their own.
 */
import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { publishedRounds, verifyRounds } from './demo/audit.ts';
import { createClient, type Client } from './demo/client.ts';
import { followRelease } from './demo/news.ts';
import { createOperator } from './demo/operator.ts';
import { live, type Member, register, signIn } from './demo/personas.ts';
import { inParallel } from './demo/play.ts';
import {
  createPopulation,
  MINUTE_MS,
  PEOPLE_PER_SEAT,
  type Person,
  readSites,
  scaleSites,
} from './demo/population.ts';
import { createProgress } from './progress.ts';
import { assertRehearsal, drawFirstNumber, nextFirstNumber } from './demo/rehearsal.ts';
import { nowMs } from './lib/clock.ts';

type Options = {
  readonly url: string;
  readonly key: string;
  readonly citizens: number;
  readonly bots: number;
  readonly evenings: number;
  readonly minute: number;
};

const SITES = new URL('../bench/data/pune-2021-04-10.csv', import.meta.url);

const progress = createProgress(process.stderr);

const from =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text !== '' && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
  };

/** Wrong options end the process with status 2 and a message. */
function readOptions(): Options {
  return new Command('npm run load --')
    .description('Rehearses evenings of a lottery on an engine that runs in development mode.')
    .requiredOption('--url <url>', 'where the engine listens')
    .addOption(
      new Option('--key <key>', 'an operator key')
        .env('FAIRSLOT_OPERATOR_KEY')
        .makeOptionMandatory(),
    )
    .option('--citizens <number>', 'people of an evening', from(1, 20_000), 300)
    .option('--bots <number>', 'scripts that ask every 50 ms', from(0, 1_000), 10)
    .option('--evenings <number>', 'one after another', from(1, 1_000), 20)
    .option('--minute <seconds>', 'what a minute lasts; the window has 15', from(0.1, 60), 4)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
    .parse()
    .opts<Options>();
}

/** What people can be refused for is part of the evening, and no reason to end it. */
async function those<T, R>(
  title: string,
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const done = await inParallel(items, progress(title, items.length), async (item) => {
    try {
      return [await work(item)];
    } catch (error) {
      process.stderr.write(`load: ${String(error)}\n`);
      return [];
    }
  });
  return done.flat();
}

type Stage = { readonly client: Client; readonly options: Options; readonly name: string };

/** Plays one evening to its end and recomputes its rounds. Throws where they are not right. */
async function playEvening({ client, options, name }: Stage, people: Person[]): Promise<string> {
  const { citizens, bots, key, minute } = options;
  const sites = scaleSites(
    readSites(readFileSync(SITES, 'utf8')),
    Math.max(1, Math.round((citizens + bots) / PEOPLE_PER_SEAT)),
  );
  const signedIn = await those(`${name}: signed in`, people, (one) => signIn(client, one));
  const members = await those(`${name}: registered`, signedIn, (one) => register(client, one));
  if (members.length === 0) throw new Error('nobody could sign in');
  const script = { release: name, title: `Rehearsal ${name}`, minuteMs: minute * MINUTE_MS };
  const operator = createOperator(client, key, script);
  const times = await operator.openRelease('lottery', sites);
  const news = followRelease(client, name);
  const sale = { client, release: name, news, ...times };
  const evenings = members.map((one: Member) => live(sale, one, 'lottery'));
  const [stories] = await Promise.all([Promise.all(evenings), news.ended]);
  const rounds = await publishedRounds(client, name);
  const { refused } = await verifyRounds(rounds);
  if (refused !== undefined) throw new Error(refused);
  const seats = stories.filter(({ round }) => round !== undefined).length;
  return `${members.length} people, ${seats} were offered a seat, ${rounds.length} rounds verified`;
}

async function run(options: Options): Promise<void> {
  const client = createClient(options.url, 'forwarded');
  await assertRehearsal(client, options.key);
  const start = Math.floor(nowMs() / 1_000);
  let number = drawFirstNumber();
  for (let evening = 1; evening <= options.evenings; evening++) {
    const name = `rehearsal-${start}-${evening}`;
    const { citizens, bots, minute } = options;
    const people = createPopulation(citizens, bots, name, number).map((person) => ({
      ...person,
      arrivesMs: person.group === 'bot' ? person.arrivesMs : person.arrivesMs * minute,
      actsAfterMs: person.actsAfterMs * minute,
    }));
    const said = await playEvening({ client, options, name }, people);
    process.stdout.write(`${name}: ${said}\n`);
    number = nextFirstNumber(number, citizens);
  }
  client.close();
}

try {
  await run(readOptions());
  process.exit(0);
} catch (error) {
  process.stderr.write(`load: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
