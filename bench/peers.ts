/**
 * Ways in which this is built today, and ours beside them: the same people ask for the same seats,
 * behind the same HTTP front, in the same run. All but Vendure are written for this bench
 * (bench/peers), with the packages that people use for it.
 */
import { Option } from 'commander';
import type { Progress } from '../src/progress.ts';
import { present } from '../src/lib/assert.ts';
import { monotonicMs } from '../src/lib/clock.ts';
import { behindFront, type Contender, wholeEngine } from './peers/contender.ts';
import { arrivals } from './peers/crowd.ts';
import { LOAD_PEER, PEER_NAMES, type PeerName } from './peers/list.ts';
import { type Case, measure, measureKilled, type Run, type Verdict } from './peers/measure.ts';
import type { Peer } from './peers/peer.ts';
import { measureVendure } from './peers/vendure.ts';
import { type BenchEngine, withEngine } from './support/engine.ts';
import { median, rounded, sum } from './support/numbers.ts';
import { amount, amounts, some } from './support/options.ts';
import { type Postgres, startPostgres } from './support/postgres.ts';
import type { ServerProcess } from './support/processes.ts';
import type { Chart, Goal, Outcome, Scenario } from './support/scenario.ts';

const ENGINE = 'fairslotEngine';
const OURS: PeerName = 'fairslotScript';
type ContenderName = PeerName | typeof ENGINE;
const NAMES: readonly ContenderName[] = [...PEER_NAMES, ENGINE];

export type PeersOptions = {
  readonly people: number;
  /** Connections at once, of each measure. */
  readonly workers: readonly number[];
  /** Seats of the slot, of each measure: in the last there are enough for all. */
  readonly seats: readonly number[];
  /** How often each is measured, at the most; the order turns each time. */
  readonly rounds: number;
  /** No round but the first begins that would not end within so many. */
  readonly minutes: number;
  /** Of the order in which people come. */
  readonly seed: number;
  /** Vendure too, which is installed for it. */
  readonly vendure: boolean;
  /** Buyers of its one unit. */
  readonly buyers: number;
  /** Which are measured; all where left out. */
  readonly only?: readonly ContenderName[] | undefined;
};

export const peers: Scenario<PeersOptions> = {
  name: 'peers',
  summary:
    'bookings a second, oversold, doubled and leaked seats: ours beside how it is built today',
  options: [
    amount('people', 'who ask for a seat', 2_000),
    amounts('workers', 'connections at once', [10, 64, 256]),
    amounts('seats', 'seats', [100, 10_000]),
    amount('rounds', 'rounds that count, at the most', 3),
    amount('minutes', 'within which the last round ends', 30, [1, 1_440]),
    amount('seed', 'of the order in which people come', 1),
    new Option('--vendure', 'Vendure too: npm ci in bench/peers/vendure').default(false),
    amount('buyers', 'who buy from Vendure at once', 50),
    new Option('--only <names>', `some of ${NAMES.join(', ')}`).argParser(some(NAMES)),
  ],
  minutesAsked: ({ minutes }) => minutes,
  run: (options, progress) => withEngine((bench) => compare(bench, options, progress)),
  inAll: { mostS: 560, options: { vendure: true, minutes: 6 } },
  quick: {
    people: 40,
    workers: [8],
    seats: [10, 100],
    rounds: 1,
    vendure: false,
    only: [OURS, ENGINE],
  },
};

/** It comes from a registry, which may be out of reach: then the others are measured all the same. */
const vendureOn = (postgres: Postgres, { buyers }: PeersOptions, progress: Progress) =>
  measureVendure(postgres, buyers, progress).catch((error: unknown) => {
    process.stderr.write(`Vendure was left out: ${String(error)}\n`);
    return { leftOut: String(error) };
  });

type Measured = { readonly seats: number; readonly workers: number; readonly runs: Run[] };
type Results = {
  readonly contender: Contender;
  readonly measured: readonly Measured[];
  /** After a kill. */
  killed?: Verdict;
};

async function compare(
  bench: BenchEngine,
  options: PeersOptions,
  progress: Progress,
): Promise<Outcome> {
  const wanted = options.only ?? NAMES;
  const fronts: { name: PeerName; peer: Peer }[] = await Promise.all(
    PEER_NAMES.filter((name) => wanted.includes(name)).map(async (name) => ({
      name,
      peer: await LOAD_PEER[name](),
    })),
  );
  const isNeeded = options.vendure || fronts.some(({ peer }) => peer.needs === 'postgres');
  const postgres = isNeeded ? await startPostgres() : undefined;
  const contenders: Contender[] = [];
  try {
    const places = { redis: bench.server.address, postgres: postgres?.socket ?? '' };
    for (const { name, peer } of fronts) contenders.push(await behindFront(name, peer, places));
    if (wanted.includes(ENGINE))
      contenders.push(await wholeEngine(bench, options.people, progress));
    const outcome = outcomeOf(await measureAll(contenders, options, progress), options);
    if (!options.vendure || !postgres) return outcome;
    const vendure = await vendureOn(postgres, options, progress);
    return { ...outcome, figures: { ...outcome.figures, vendure } };
  } finally {
    await Promise.all(contenders.map(({ close }) => close()));
    await postgres?.stop();
  }
}

const MS_PER_MINUTE = 60_000;
/** Until the compiler has seen enough of each: so many times a fourth of the people, or so long. */
const WARM_UPS = 8;
const WARM_UP_MS = 2_000;
const WARM_UP_PART = 4;
/** The measure with a kill: where there are seats enough, and with the middle number of workers. */
const middleOf = <T>(items: readonly T[]): T =>
  present(items[Math.floor(items.length / 2)], 'a number');

async function measureAll(
  contenders: readonly Contender[],
  options: PeersOptions,
  progress: Progress,
): Promise<Results[]> {
  const { people, seats, workers, rounds, minutes, seed } = options;
  const cases = seats.flatMap((seats) => workers.map((workers) => ({ seats, workers })));
  const results: Results[] = contenders.map((contender) => ({
    contender,
    measured: cases.map((one) => ({ ...one, runs: [] })),
  }));
  const phase = progress('peers in turn', contenders.length * (cases.length * rounds + 2));
  const servers = new Map<Contender, ServerProcess>();
  let made = 0;
  const play = async (
    { contender }: Results,
    { seats, workers }: Pick<Case, 'seats' | 'workers'>,
    crowd: number,
    round: number,
  ): Promise<Run> => {
    const asks = arrivals(crowd, `${seed}/${round}`);
    const one = { slot: `slot-${++made}`, seats, workers, people: crowd, asks };
    return measure(contender, present(servers.get(contender), 'a server'), one);
  };
  const most = Math.max(...seats);
  // Each server that is started listens for the end of this process.
  process.setMaxListeners(process.getMaxListeners() + 2 * contenders.length);
  try {
    await Promise.all(
      contenders.map(async (contender) => void servers.set(contender, await contender.start())),
    );
    for (const one of results) {
      const untilMs = monotonicMs() + WARM_UP_MS;
      const crowd = Math.ceil(people / WARM_UP_PART);
      for (let times = 0; times < WARM_UPS && monotonicMs() < untilMs; times++)
        await play(one, { seats: most, workers: middleOf(workers) }, crowd, 0);
      phase.advance();
    }
    const startedMs = monotonicMs();
    for (let round = 0; round < rounds; round++) {
      const spentMs = monotonicMs() - startedMs;
      if (round > 0 && spentMs + spentMs / round > minutes * MS_PER_MINUTE) break;
      for (const [index] of cases.entries())
        for (const one of turned(results, seed + round + index)) {
          const measured = present(one.measured[index], 'a case');
          measured.runs.push(await play(one, measured, people, 1 + round));
          phase.advance();
        }
    }
    for (const one of results) {
      const asks = arrivals(people, `${seed}/killed`);
      const killed = {
        slot: `slot-${++made}`,
        seats: most,
        workers: middleOf(workers),
        people,
        asks,
      };
      const server = present(servers.get(one.contender), 'a server');
      one.killed = await measureKilled(one.contender, server, killed);
      phase.advance();
    }
  } finally {
    await Promise.all(Array.from(servers.values(), (server) => server.stop()));
  }
  phase.done();
  return results;
}

/** The same order, begun elsewhere. */
const turned = <T>(items: readonly T[], by: number): T[] => [
  ...items.slice(by % items.length),
  ...items.slice(0, by % items.length),
];

const round = (value: number): number => rounded(value, value < 10 ? 2 : 0);
const middle = (runs: readonly Run[], of: keyof Run): number =>
  round(median(runs.map((run) => run[of])));
const worst = (runs: readonly Run[], of: keyof Run): number =>
  Math.max(...runs.map((run) => run[of]));

/** Speed as medians with their spread; what must never be, as the most there was. */
const figuresOf = (runs: readonly Run[]) => ({
  bookingsPerS: middle(runs, 'bookingsPerS'),
  bookingsPerSFrom: round(Math.min(...runs.map(({ bookingsPerS }) => bookingsPerS))),
  bookingsPerSTo: round(worst(runs, 'bookingsPerS')),
  requestsPerS: middle(runs, 'requestsPerS'),
  p50Ms: middle(runs, 'p50Ms'),
  p99Ms: middle(runs, 'p99Ms'),
  sold: middle(runs, 'sold'),
  oversold: worst(runs, 'oversold'),
  doubled: worst(runs, 'doubled'),
  leaked: worst(runs, 'leaked'),
  lost: worst(runs, 'lost'),
  turnedAway: worst(runs, 'turnedAway'),
  botsShare: middle(runs, 'botsShare'),
  unexpected: worst(runs, 'unexpected'),
});

function outcomeOf(results: readonly Results[], options: PeersOptions): Outcome {
  const measures = results.map(({ contender: { name, label, why, isSafe }, measured, killed }) => [
    name,
    {
      label,
      why,
      isSafe,
      ...Object.fromEntries(
        options.seats.map((seats) => [
          `seats${seats}`,
          Object.fromEntries(
            measured
              .filter((one) => one.seats === seats)
              .map(({ workers, runs }) => [`workers${workers}`, figuresOf(runs)]),
          ),
        ]),
      ),
      killed,
    },
  ]);
  const { people, workers, seats, seed } = options;
  const rounds = results[0]?.measured[0]?.runs.length ?? 0;
  return {
    figures: {
      ...Object.fromEntries(measures),
      ratios: Object.fromEntries(
        options.workers.map((count) => [`workers${count}`, ratiosOf(results, options, count)]),
      ),
      people,
      workers,
      seats,
      rounds,
      seed,
    },
    goals: goalsOf(results, options),
    charts: chartsOf(results, options),
    errors: sum(results.map(brokenBy)),
  };
}

const HARMS = ['oversold', 'doubled', 'leaked', 'lost'] as const;
const harmOf = (verdict: Verdict): number => sum(HARMS.map((name) => verdict[name]));

/** Promises of a contender that did not hold: then its label is wrong, or the engine is. */
function brokenBy({
  contender: { name, isSafe, survivesKill },
  measured,
  killed,
}: Results): number {
  const runs = measured.flatMap(({ runs }) => runs);
  const unexpected = sum(runs.map((run) => run.unexpected));
  const twice = ({ oversold, doubled, lost }: Verdict): number => oversold + doubled + lost;
  const isOurs = name.startsWith('fairslot');
  const broken = isOurs || isSafe ? sum(runs.map(isOurs ? harmOf : twice)) : 0;
  return unexpected + broken + (killed && survivesKill ? harmOf(killed) : 0);
}

/** Held with enough seats for all, at each number of workers. */
const RATIOS = [
  { peer: 'postgresConditionalUpdate', atLeast: 4 },
  { peer: 'redisRedlock', atLeast: 10 },
] as const;

/** Bookings a second of our script by those of each other one, round by round, with seats for all. */
function ratiosOf(
  results: readonly Results[],
  { seats }: PeersOptions,
  workers: number,
): Readonly<Record<string, number>> {
  const most = Math.max(...seats);
  const runsOf = ({ measured }: Results): readonly Run[] =>
    measured.find((one) => one.seats === most && one.workers === workers)?.runs ?? [];
  const ours = results.find(({ contender }) => contender.name === OURS);
  if (!ours) return {};
  return Object.fromEntries(
    results
      .filter((one) => one !== ours)
      .map((one) => {
        const theirs = runsOf(one);
        const ofRounds = runsOf(ours).map(
          (run, index) => run.bookingsPerS / present(theirs[index], 'a run').bookingsPerS,
        );
        return [one.contender.name, rounded(median(ofRounds))];
      }),
  );
}

function goalsOf(results: readonly Results[], options: PeersOptions): Goal[] {
  const ratios = RATIOS.flatMap(({ peer, atLeast }) =>
    options.workers.flatMap((workers): Goal[] => {
      const figure = ratiosOf(results, options, workers)[peer];
      if (figure === undefined) return [];
      const label = results.find(({ contender }) => contender.name === peer)?.contender.label;
      const name = `bookings/s, fairslot script / ${label}; ${workers} workers`;
      return [{ name, figure, unit: 'ratio', atLeast }];
    }),
  );
  const own = results.filter(({ contender }) => contender.name.startsWith('fairslot'));
  const verdicts = own.flatMap(({ measured, killed }): Verdict[] => [
    ...measured.flatMap(({ runs }) => runs),
    ...(killed ? [killed] : []),
  ]);
  const harms = (own.length > 0 ? HARMS : []).map((harm): Goal => {
    const figure = Math.max(...verdicts.map((verdict) => verdict[harm]));
    return { name: `seats ${harm} by ours, in any run`, figure, unit: 'seats', atMost: 0 };
  });
  return [...ratios, ...harms];
}

function chartsOf(results: readonly Results[], { seats, workers }: PeersOptions): Chart[] {
  const [fewest, most] = [Math.min(...seats), Math.max(...seats)];
  const x = { label: 'peer', categories: results.map(({ contender: { label } }) => label) };
  const byWorkers = (seats: number, figure: keyof Run, of: typeof middle): Chart['series'] =>
    workers.map((workers) => ({
      name: `${workers} workers`,
      points: results.map(({ measured }, index) => {
        const runs = measured.find((one) => one.seats === seats && one.workers === workers)?.runs;
        return [index, of(present(runs, 'runs'), figure)] as const;
      }),
    }));
  const harm = (name: 'oversold' | 'doubled'): Chart['series'][number] => ({
    name,
    points: results.map(
      ({ measured }, index) =>
        [
          index,
          worst(
            measured.flatMap(({ runs }) => runs),
            name,
          ),
        ] as const,
    ),
  });
  const killed = {
    name: 'leaked',
    points: results.map(({ killed }, index) => [index, killed?.leaked ?? 0] as const),
  };
  return [
    {
      title: `Bookings a second, ${most} seats`,
      description: 'How many people get their seat in a second, by how many ask at once.',
      kind: 'bars',
      x,
      y: { label: 'bookings/s', scale: 'logarithmic' },
      series: byWorkers(most, 'bookingsPerS', middle),
    },
    {
      title: 'Seats sold twice, and people with two',
      description:
        'The most in any run: seats beyond those there are, and second seats of a person.',
      kind: 'bars',
      x,
      y: { label: 'seats' },
      series: [harm('oversold'), harm('doubled')],
    },
    {
      title: 'Seats leaked when the server is killed',
      description: 'Seats that nobody has and nobody can get after one SIGKILL amid the crowd.',
      kind: 'bars',
      x,
      y: { label: 'seats' },
      series: [killed],
    },
    {
      title: `Share of ${fewest} seats that bots got`,
      description:
        'One person in ten is a bot. Whoever gives seats to those who come first gives them to bots, and so does our immediate mode; the lottery is for that.',
      kind: 'bars',
      x,
      y: { label: 'share of seats' },
      series: byWorkers(fewest, 'botsShare', middle),
    },
    {
      title: `Slowest requests, ${most} seats`,
      description: 'The 99th percentile of the time to an answer, by how many ask at once.',
      kind: 'bars',
      x,
      y: { label: 'p99 in ms', scale: 'logarithmic' },
      series: byWorkers(most, 'p99Ms', middle),
    },
  ];
}
