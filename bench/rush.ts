/**
 * The 8 PM release from end to end, over HTTP and on the processes of `npm start`: everybody signs
 * in and registers, enters at the opening, asks for the result at once, confirms, and waits for the
 * next rounds. People, and all personas that act over HTTP; once first come, first served, and
 * again by lot, evening after evening, until chance is bounded well enough to say what bots gain.
 */
import { readFileSync } from 'node:fs';
import { Option } from 'commander';
import { createClient, type Client } from '../src/demo/client.ts';
import { startEngine, withLastWords } from '../src/demo/engine.ts';
import type { Mode } from '../src/demo/personas.ts';
import { EVENING_SETTINGS } from '../src/demo/play.ts';
import { MINUTE_MS, readSites } from '../src/demo/population.ts';
import type { Progress } from '../src/progress.ts';
import { assertRehearsal, drawFirstNumber } from '../src/demo/rehearsal.ts';
import { nowMs } from '../src/lib/clock.ts';
import { advantageOf, fairRange } from './rush/advantage.ts';
import { signInAll } from './rush/arrive.ts';
import { createCast, PERSONA_NAMES, ROLES } from './rush/cast.ts';
import { chanceOf, chartsOf, durationsOf, type Played } from './rush/charts.ts';
import { PHASES } from './rush/deeds.ts';
import { type Evening, playEvening } from './rush/evening.ts';
import { unexpectedIn } from './rush/expected.ts';
import { percentilesOf, rounded, sum } from './support/numbers.ts';
import { amount, measure } from './support/options.ts';
import type { Goal, Outcome, Scenario, Target } from './support/scenario.ts';
import { byPhase, createTimed, type Sample } from './support/timed.ts';

export type RushOptions = {
  readonly people: number;
  /** Shared out among the personas. */
  readonly bots: number;
  /** Those who want one seat. */
  readonly demand: number;
  /** By lot, on the same engine. */
  readonly evenings: number;
  /** What a minute of the evening lasts, in seconds; the window has 15. */
  readonly minute: number;
  /** Arrivals a second while everybody signs in. */
  readonly signIns: number;
  readonly seed: string;
};

const SITES = new URL('data/pune-2021-04-10.csv', import.meta.url);
/** First come, first served, bots have more than so many times the seats of people. */
const IMMEDIATE_ABOVE = 5;

type Where = {
  readonly client: Client;
  readonly operatorKey: string;
  /** Before the names of its releases. */
  readonly name: string;
  readonly firstNumber: number;
};
type PlayedIn = Played & { readonly lateMs: readonly number[] };

/** Everybody signs in once, then comes to one release after another. */
async function play(
  { client, operatorKey, name, firstNumber }: Where,
  mode: Mode,
  options: RushOptions,
  progress: Progress,
): Promise<PlayedIn> {
  const { people, bots, demand, minute, seed } = options;
  const count = mode === 'lottery' ? options.evenings : 1;
  const timed = createTimed(client);
  const cast = createCast(people, bots, seed, firstNumber);
  const entering = progress(`${mode}: signed in and registered`, cast.length);
  const members = await signInAll({ timed, client }, cast, options.signIns, entering);
  const evenings: Evening[] = [];
  let first: readonly Sample[] = [];
  for (let evening = 1; evening <= count; evening++) {
    const script = {
      client,
      timed,
      operatorKey,
      release: `${name}-${mode}-${evening}`,
      mode,
      minuteMs: minute * MINUTE_MS,
      seats: Math.max(1, Math.round((people + bots) / demand)),
      sites: readSites(readFileSync(SITES, 'utf8')),
      isLast: evening === count,
    };
    evenings.push(await playEvening(script, members, progress));
    if (evening === 1) first = [...timed.samples];
  }
  return { evenings, first, samples: timed.samples, lateMs: timed.lateMs };
}

/** On an engine of its own, so that nothing of one mode reaches into the other. */
async function playOnOwn(mode: Mode, options: RushOptions, progress: Progress): Promise<PlayedIn> {
  const engine = await startEngine({ ...EVENING_SETTINGS, TRUSTED_PROXIES: 'loopback' });
  const client = createClient(engine.url, 'forwarded');
  const { operatorKey } = engine;
  try {
    const where = { client, operatorKey, name: 'rush', firstNumber: 0 };
    return await Promise.race([play(where, mode, options, progress), engine.died]);
  } catch (error) {
    throw withLastWords(error, engine.lastWords());
  } finally {
    client.close();
    await engine.stop();
  }
}

const ratio = (value: number): number => rounded(value, 3);

function modeFigures(played: PlayedIn) {
  const { evenings, samples } = played;
  const all = (of: (one: Evening) => number): number => sum(evenings.map(of));
  const given = evenings.map((one) => one.given);
  return {
    evenings: evenings.length,
    people: all((one) => one.given.people),
    bots: all((one) => one.given.bots),
    seatsGiven: all((one) => one.given.seatsOfPeople + one.given.seatsOfBots),
    advantage: ratio(advantageOf(given)),
    advantageOfEvenings: given.map((one) => ratio(advantageOf([one]))),
    /** Of the seats that people had in the end. */
    advantageHeld: ratio(advantageOf(evenings.map((one) => one.held))),
    seatsOfHundred: Object.fromEntries(
      ROLES.map((role) => [role, ratio(chanceOf({ evenings }, role))]),
    ),
    seatsOfferedOn: all((one) => one.offeredOn),
    seatsHandedOn: all((one) => one.handedOn),
    rounds: all((one) => one.rounds),
    roundsRefused: evenings.flatMap(({ refused }) => refused ?? []),
    oversold: all((one) => one.oversold),
    doubled: all((one) => one.doubled),
    lost: all((one) => one.lost),
    disagreed: all((one) => one.disagreed),
    requests: samples.length,
    unexpected: unexpectedIn(samples),
    latency: byPhase(
      PHASES,
      samples.filter(({ group }) => group === 'people'),
    ),
    latencyOfBots: byPhase(
      PHASES,
      samples.filter(({ group }) => group === 'bots'),
    ),
    durationsS: durationsOf(played),
    /** How long after they were due requests left that had to wait for no answer. */
    sentLate: percentilesOf(played.lateMs),
  };
}
type ModeFigures = ReturnType<typeof modeFigures>;

const errorsIn = (one: ModeFigures): number =>
  one.oversold +
  one.doubled +
  one.lost +
  one.disagreed +
  one.roundsRefused.length +
  sum(Object.values(one.unexpected));

function lotteryGoal({ evenings }: Played): Goal {
  const given = evenings.map((one) => one.given);
  const { least, most } = fairRange(given);
  return {
    name: "bots' advantage by lot, within what 99.9 % of fair lots give",
    figure: advantageOf(given),
    unit: 'ratio',
    atLeast: least,
    atMost: most,
  };
}

function outcomeOf(
  options: RushOptions,
  lottery: PlayedIn,
  immediate: PlayedIn | undefined,
): Outcome {
  const figures = { lottery: modeFigures(lottery), immediate: immediate && modeFigures(immediate) };
  const goal = lotteryGoal(lottery);
  const goals = [goal];
  if (figures.immediate)
    goals.push({
      name: "bots' advantage first come, first served",
      figure: figures.immediate.advantage,
      unit: 'ratio',
      atLeast: IMMEDIATE_ABOVE,
    });
  const { atLeast = 0, atMost = 0 } = goal;
  const errors = errorsIn(figures.lottery) + (figures.immediate ? errorsIn(figures.immediate) : 0);
  return {
    figures: {
      lottery: {
        ...figures.lottery,
        fairLeast: ratio(atLeast),
        fairMost: ratio(atMost),
      },
      ...(figures.immediate && { immediate: figures.immediate }),
      errors,
      ...options,
    },
    goals,
    charts: chartsOf(lottery, immediate),
    errors,
  };
}

async function run(options: RushOptions, progress: Progress): Promise<Outcome> {
  const immediate = await playOnOwn('immediate', options, progress);
  const lottery = await playOnOwn('lottery', options, progress);
  return outcomeOf(options, lottery, immediate);
}

/**
 * By lot only: on a deployment whose operator does not give seats first come, first served. It must
 * keep its SMS and believe this client's X-Forwarded-For.
 */
async function onTarget(
  { url, operatorKey }: Target,
  options: RushOptions,
  progress: Progress,
): Promise<Outcome> {
  const client = createClient(url, 'forwarded');
  try {
    await assertRehearsal(client, operatorKey);
    const name = `rush-${Math.floor(nowMs() / 1_000)}`;
    const where = { client, operatorKey, name, firstNumber: drawFirstNumber() };
    return outcomeOf(options, await play(where, 'lottery', options, progress), undefined);
  } finally {
    client.close();
  }
}

export const rush: Scenario<RushOptions> = {
  name: 'rush',
  summary: 'the 8 PM release from sign-in to the last round, with all personas, in both modes',
  options: [
    amount('people', 'people of an evening', 560, [1, 20_000]),
    amount('bots', `bots of an evening, shared out among ${PERSONA_NAMES.length} personas`, 140, [
      PERSONA_NAMES.length,
      5_000,
    ]),
    measure('demand', 'number', 'people and bots for one seat', 4, [1, 1_000]),
    amount('evenings', 'evenings by lot', 5, [1, 1_000]),
    measure('minute', 'seconds', 'what a minute lasts; the window has 15', 0.5, [0.1, 60]),
    amount('sign-ins', 'people who sign in a second', 60, [1, 1_000]),
    new Option('--seed <word>', 'the same seed brings the same people').default('rush'),
  ],
  inAll: { mostS: 180 },
  quick: { people: 21, bots: 14, demand: 2, evenings: 1, minute: 0.3, signIns: 30 },
  run,
  onTarget,
};
