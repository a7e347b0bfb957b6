/**
 * What honest people notice of a flood: the same steady rate of them, with and without many times as
 * many hostile requests beside it, in turn. All on one machine: server, Redis, and a process for the
 * honest and one for the hostile.
 */
import type { Progress } from '../src/progress.ts';
import { seededRandom } from '../src/demo/random.ts';
import { Option } from 'commander';
import { present } from '../src/lib/assert.ts';
import { monotonicMs } from '../src/lib/clock.ts';
import { keys } from '../src/redis/keys.ts';
import { auditLine } from '../src/rounds/audit-line.ts';
import { entryIdOf, packEntry } from '../src/rounds/rules.ts';
import type { Published } from '../src/releases/service.ts';
import { createArmoury, INSIDERS } from './flood/arms.ts';
import { type Hand, startHand } from './flood/crew.ts';
import type { HonestJob, HonestReport, Sample } from './flood/honest.ts';
import type { HostileJob, Tally } from './flood/hostile.ts';
import { KIND_NAMES, type Kind, type KindName, KINDS } from './flood/kinds.ts';
import { peopleIn, type Person } from './flood/visit.ts';
import { type BenchEngine, EASY_CAPTCHA, settingsFor, withEngine } from './support/engine.ts';
import { watchCpu } from './support/measure.ts';
import { median, numbered, percentile, rounded, sum } from './support/numbers.ts';
import { amount, mix, nodeOptionsFor, profile as profileOption } from './support/options.ts';
import { percentileChart } from './support/latency-charts.ts';
import { type Citizen, openRelease, registerCitizens, RELEASE, wishesFor } from './support/pune.ts';
import { type ServerProcess, startServer } from './support/processes.ts';
import type { Chart, Goal, Scenario } from './support/scenario.ts';

export type Mix = Readonly<Partial<Record<KindName, number>>>;
export type FloodOptions = {
  /** Honest requests a second. */
  readonly rate: number;
  /** Hostile requests for each honest one. */
  readonly times: number;
  /** Length of a window. */
  readonly seconds: number;
  /** Windows of each sort. */
  readonly windows: number;
  /** Of the order in which kinds of hostile requests come. */
  readonly seed: number;
  /** Weights of the kinds; those of `KINDS` where left out. */
  readonly mix?: Mix | undefined;
  /** Measures afterwards what each kind costs by itself. */
  readonly kinds: boolean;
  /** Directory for a CPU profile of the server. */
  readonly profile?: string | undefined;
};

const GOAL = 2;
/** Until the compiler has seen enough of it: a window of both, whose times do not count. */
const WARM_UP_S = 3;
const KIND_S = 2;

type Stage = {
  readonly bench: BenchEngine;
  readonly published: Published;
  readonly server: ServerProcess;
  readonly honest: Hand<HonestJob, HonestReport>;
  readonly hostile: Hand<HostileJob, Tally>;
};
type Sort = 'warm-up' | 'quiet' | 'flood';
/** Who comes in one window, and what comes beside them. */
type Plan = {
  readonly sort: Sort;
  readonly people: readonly Person[];
  readonly kinds: readonly KindName[];
};
type Window = HonestReport & {
  readonly sort: Sort;
  readonly tally: Tally;
  /** Of one core, what each process used. */
  readonly cpu: Readonly<Record<'server' | 'redis' | 'honest' | 'hostile', number>>;
};

const measure = (options: FloodOptions, progress: Progress) =>
  withEngine(async (bench) => {
    const { engine } = bench;
    const sorts = sortsOf(options);
    const crowd = sum(sorts.map((sort) => crowdOf(sort, options)));
    const armies = options.kinds ? 1 + KIND_NAMES.length : 1;
    const published = await openRelease(engine, RELEASE, crowd);
    const citizens = await registerCitizens(engine, crowd + armies * INSIDERS, progress);
    const server = await startServer(
      'src/server.ts',
      { ...EASY_CAPTCHA, ...settingsOf(bench, crowd) },
      nodeOptionsFor(options.profile),
    );
    const honest = startHand<HonestJob, HonestReport>('honest.ts');
    const hostile = startHand<HostileJob, Tally>('hostile.ts');
    try {
      const stage = { bench, published, server, honest, hostile };
      const armoury = createArmoury(engine.secrets, wishesFor(published));
      const people = await Promise.all(citizens.slice(0, crowd).map(armoury.person));
      const plans = plan(sorts, people, options);
      const attackers = citizens.slice(crowd, crowd + INSIDERS);
      const counts = countsOf(plans.flatMap(({ kinds }) => kinds));
      const arms = await armoury.arms(server.url, attackers, 0, counts);
      await hostile.ask({ job: 'arm', arms });
      const windows = await playAll(stage, plans, options, progress);
      const verified = await verify(stage, people, citizens.slice(0, crowd), attackers);
      const rest = citizens.slice(crowd + INSIDERS);
      const costs = options.kinds ? await costOfKinds(stage, armoury, rest, options, progress) : {};
      return { figures: figures(windows, verified, costs, options), windows };
    } finally {
      honest.stop();
      hostile.stop();
      await server.stop();
    }
  });

/** The limits are the defaults; the budget for SMS is what this many people need (security.md). */
const settingsOf = (bench: BenchEngine, crowd: number): Record<string, string> => ({
  ...settingsFor(bench),
  SMS_BUDGET_NEW_PER_MINUTE: String(1_200 + crowd),
  SMS_BUDGET_NEW_PER_HOUR: String(20_000 + crowd),
});

const sortsOf = ({ windows }: FloodOptions): Sort[] => [
  'warm-up',
  ...Array.from({ length: windows }, (): Sort[] => ['quiet', 'flood']).flat(),
];
const secondsOf = (sort: Sort, { seconds }: FloodOptions): number =>
  sort === 'warm-up' ? Math.min(WARM_UP_S, seconds) : seconds;
const crowdOf = (sort: Sort, options: FloodOptions): number =>
  peopleIn(options.rate * secondsOf(sort, options));

function plan(sorts: readonly Sort[], people: readonly Person[], options: FloodOptions): Plan[] {
  const next = picking(options);
  let come = 0;
  return sorts.map((sort) => {
    const first = come;
    come += crowdOf(sort, options);
    const requests = options.rate * options.times * secondsOf(sort, options);
    const kinds = sort === 'quiet' ? [] : Array.from({ length: requests }, next);
    return { sort, people: people.slice(first, come), kinds };
  });
}

const weightOf = (name: KindName, mix: Mix | undefined): number =>
  mix ? (mix[name] ?? 0) : KINDS[name].weight;

/** Draws kinds by their weights. */
function picking({ seed, mix }: FloodOptions): () => KindName {
  const random = seededRandom(String(seed));
  const total = sum(KIND_NAMES.map((name) => weightOf(name, mix)));
  return () => {
    let left = random() * total;
    return present(
      KIND_NAMES.find((name) => (left -= weightOf(name, mix)) < 0),
      'a kind',
    );
  };
}

function countsOf(kinds: readonly KindName[]): Partial<Record<KindName, number>> {
  const counts: Partial<Record<KindName, number>> = {};
  for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

async function playAll(
  stage: Stage,
  plans: readonly Plan[],
  options: FloodOptions,
  progress: Progress,
): Promise<Window[]> {
  const phase = progress('quiet and flooded windows', plans.length);
  const windows: Window[] = [];
  for (const [index, plan] of plans.entries()) {
    windows.push(await play(stage, plan, options, index === plans.length - 1));
    phase.advance();
  }
  phase.done();
  return windows;
}

/** `stay`: slow connections of this window go on until they are answered. */
async function play(
  { bench, server, honest, hostile }: Stage,
  { sort, people, kinds }: Plan,
  { rate, times }: FloodOptions,
  stay: boolean,
): Promise<Window> {
  const pids = {
    server: server.pid,
    redis: bench.server.pid,
    honest: honest.pid,
    hostile: hostile.pid,
  };
  const [startedMs, spent] = [monotonicMs(), watchCpu(pids)];
  const flooding =
    kinds.length === 0
      ? Promise.resolve({})
      : hostile.ask({ job: 'flood', kinds, rate: rate * times, stay });
  const report = await honest.ask({ url: server.url, release: RELEASE, rate, people });
  const tookMs = monotonicMs() - startedMs;
  const cpu = Object.fromEntries(
    Object.entries(spent()).map(([name, ms]) => [name, rounded(ms / tookMs)]),
  ) as Window['cpu'];
  return { sort, ...report, tally: await flooding, cpu };
}

type Verified = {
  readonly entries: number;
  readonly ofAttackers: number;
  /** Honest entries that are not there, or not as they were asked for. */
  readonly missing: number;
  /** Entries, honest or not, that were written more than once. */
  readonly twice: number;
  /** Entries of nobody who was there. */
  readonly foreign: number;
};

/** Every honest entry must be in Redis exactly once and as it was asked for; of attackers one each. */
async function verify(
  { bench: { engine, redis }, published }: Stage,
  people: readonly Person[],
  citizens: readonly Citizen[],
  attackers: readonly Citizen[],
): Promise<Verified> {
  const idOf = ({ person }: Citizen): string => entryIdOf(engine.secrets, RELEASE, person);
  const found = await redis.hgetall(keys.entering(RELEASE));
  const written = new Map<string, number>();
  for (const [, [, event = '']] of await redis.xrange(keys.audit(RELEASE), '-', '+')) {
    const [word, id = ''] = auditLine(event).split(' ');
    if (word === 'entered' || word === 'edited') written.set(id, (written.get(id) ?? 0) + 1);
  }
  const asked = new Map(
    people.map(({ preferences }, index) => {
      const citizen = present(citizens[index], 'a citizen');
      const prefs = preferences.map((slot) => present(published.slotNumbers.get(slot), slot));
      return [idOf(citizen), packEntry({ persons: [citizen.person], prefs, categories: [] })];
    }),
  );
  const hostile = new Set(attackers.map(idOf));
  const ids = Object.keys(found);
  return {
    entries: ids.length,
    ofAttackers: ids.filter((id) => hostile.has(id)).length,
    missing: [...asked].filter(([id, packed]) => found[id] !== packed).length,
    twice: ids.filter((id) => written.get(id) !== 1).length,
    foreign: ids.filter((id) => !asked.has(id) && !hostile.has(id)).length,
  };
}

type Cost = { readonly serverUs: number; readonly redisUs: number };

/** Microseconds of CPU that a request of each kind costs, sent alone by attackers of its own. */
async function costOfKinds(
  { bench, server, hostile }: Stage,
  armoury: ReturnType<typeof createArmoury>,
  citizens: readonly Citizen[],
  { rate, times, mix }: FloodOptions,
  progress: Progress,
): Promise<Record<string, Cost>> {
  const names = KIND_NAMES.filter((name) => weightOf(name, mix) > 0);
  const phase = progress('each kind alone', names.length);
  const costs: Record<string, Cost> = {};
  const pids = { server: server.pid, redis: bench.server.pid };
  for (const [index, name] of names.entries()) {
    const count = rate * times * KIND_S;
    const attackers = citizens.slice(index * INSIDERS, (index + 1) * INSIDERS);
    const arms = await armoury.arms(server.url, attackers, 1 + index, { [name]: count });
    await hostile.ask({ job: 'arm', arms });
    const spent = watchCpu(pids);
    const kinds = Array.from({ length: count }, () => name);
    await hostile.ask({ job: 'flood', kinds, rate: rate * times, stay: false });
    const { server: serverMs, redis: redisMs } = spent();
    const each = (ms: number): number => Math.round((ms * 1000) / count);
    costs[name] = { serverUs: each(serverMs), redisUs: each(redisMs) };
    phase.advance();
  }
  phase.done();
  return costs;
}

function figures(
  windows: readonly Window[],
  verified: Verified,
  costs: Readonly<Record<string, Cost>>,
  options: FloodOptions,
) {
  const all = windows.flatMap(({ samples }) => samples);
  const failed = all.filter((one) => one.failed !== undefined);
  const honestSuccess = (all.length - failed.length) / all.length;
  const quiet = honestFigures(windows.filter(({ sort }) => sort === 'quiet'));
  const flood = honestFigures(windows.filter(({ sort }) => sort === 'flood'));
  const p99Ratio = rounded(flood.p99Ms / quiet.p99Ms);
  const hostile = hostileFigures(windows);
  const harm = verified.missing + verified.twice + verified.foreign;
  const errors = failed.length + hostile.unexpected + harm;
  return {
    quiet,
    flood,
    honestSuccess,
    p99Ratio,
    errors,
    hostile,
    verified,
    ...(Object.keys(costs).length > 0 && { costs }),
    rate: options.rate,
    times: options.times,
    seconds: options.seconds,
    windows: options.windows,
    seed: options.seed,
  };
}

/** Percentiles are medians over the windows, so that a busy moment of the machine decides nothing. */
function honestFigures(windows: readonly Window[]) {
  const samples = windows.flatMap(({ samples }) => samples);
  const times = (of: readonly Sample[]): number[] => of.map(({ ms }) => ms);
  const ofWindows = (percent: number): number[] =>
    windows.map(({ samples }) => percentile(times(samples), percent));
  const steps = [...new Set(samples.map(({ step }) => step))];
  const failed = samples.filter((one) => one.failed !== undefined);
  const cpu = (name: keyof Window['cpu']): number => median(windows.map(({ cpu }) => cpu[name]));
  return {
    requests: samples.length,
    success: (samples.length - failed.length) / samples.length,
    ...(failed.length > 0 && { failed: countsBy(failed.map((one) => one.failed ?? '')) }),
    p50Ms: median(ofWindows(50)),
    p99Ms: median(ofWindows(99)),
    maxMs: percentile(times(samples), 100),
    p99MsPooled: percentile(times(samples), 99),
    p99MsOfWindows: ofWindows(99),
    p99MsOfSteps: Object.fromEntries(
      steps.map((name) => [
        name,
        percentile(times(samples.filter(({ step }) => step === name)), 99),
      ]),
    ),
    sentLateP99Ms: percentile(
      windows.flatMap(({ lateMs }) => lateMs),
      99,
    ),
    loopDelayP99Ms: rounded(Math.max(...windows.map(({ loopDelayP99Ms }) => loopDelayP99Ms))),
    cpu: {
      server: cpu('server'),
      redis: cpu('redis'),
      honest: cpu('honest'),
      hostile: cpu('hostile'),
    },
  };
}

/** How often each kind was sent and answered what; what no document foresees is unexpected. */
function hostileFigures(windows: readonly Window[]) {
  const kinds: Record<string, Record<string, number>> = {};
  let [sent, granted, unexpected] = [0, 0, 0];
  for (const name of KIND_NAMES) {
    const kind: Kind = KINDS[name];
    const answers: Record<string, number> = {};
    for (const { tally } of windows)
      for (const [label, count] of Object.entries(tally[name] ?? {})) {
        answers[label] = (answers[label] ?? 0) + count;
        sent += count;
        if (label.startsWith('2')) granted += count;
        if (!kind.answers.includes(label)) unexpected += count;
      }
    kinds[name] = answers;
  }
  return { sent, granted, unexpected, kinds };
}

function countsBy(labels: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

type Measured = Awaited<ReturnType<typeof measure>>;

const goalsOf = ({ honestSuccess, p99Ratio }: Measured['figures']): Goal[] => [
  {
    name: 'honest requests of a flood that succeed',
    figure: honestSuccess,
    unit: 'of all',
    atLeast: 1,
  },
  { name: 'p99 in a flood / without one', figure: p99Ratio, unit: 'ratio', atMost: GOAL },
];

function chartsOf({ figures: { quiet, flood, costs = {} }, windows }: Measured): Chart[] {
  const timesIn = (sort: Sort): number[] =>
    windows
      .filter((one) => one.sort === sort)
      .flatMap(({ samples }) => samples.map(({ ms }) => ms));
  const steps = Object.keys(quiet.p99MsOfSteps);
  const kinds = Object.entries(costs);
  return [
    percentileChart('What honest people wait', {
      quiet: timesIn('quiet'),
      flood: timesIn('flood'),
    }),
    {
      title: 'p99 of each window',
      description: 'Quiet and flooded windows come in turn: each pair was measured in one moment.',
      kind: 'lines',
      x: { label: 'window', categories: quiet.p99MsOfWindows.map((_, place) => String(place + 1)) },
      y: { label: 'milliseconds' },
      series: [
        { name: 'quiet', points: numbered(quiet.p99MsOfWindows) },
        { name: 'flood', points: numbered(flood.p99MsOfWindows) },
      ],
    },
    {
      title: 'p99 of each step of a visit',
      description: 'Which of the requests of honest people are slower in a flood.',
      kind: 'bars',
      x: { label: '', categories: steps },
      y: { label: 'milliseconds' },
      series: [
        { name: 'quiet', points: numbered(steps.map((step) => quiet.p99MsOfSteps[step] ?? 0)) },
        { name: 'flood', points: numbered(steps.map((step) => flood.p99MsOfSteps[step] ?? 0)) },
      ],
    },
    ...(kinds.length === 0
      ? []
      : [
          {
            title: 'CPU of each kind of hostile request',
            description: 'Each sent alone, by attackers of its own.',
            kind: 'bars' as const,
            x: { label: '', categories: kinds.map(([name]) => name) },
            y: { label: 'microseconds of CPU' },
            series: [
              { name: 'server', points: numbered(kinds.map(([, cost]) => cost.serverUs)) },
              { name: 'Redis', points: numbered(kinds.map(([, cost]) => cost.redisUs)) },
            ],
          },
        ]),
  ];
}

export const flood: Scenario<FloodOptions> = {
  name: 'flood',
  summary: 'what honest people notice of ten times as many hostile requests',
  options: [
    amount('rate', 'honest requests a second', 80),
    amount('times', 'hostile requests for each honest one', 10),
    amount('seconds', 'length of a window', 5),
    amount('windows', 'windows without a flood, and as many with one', 5),
    amount('seed', 'of the order of the hostile requests', 1),
    new Option('--mix <kinds>', 'weights of hostile kinds: forgedToken=3,largeBody=1').argParser(
      mix(KIND_NAMES),
    ),
    new Option('--kinds', 'then measure what each kind costs alone').default(false),
    profileOption(),
  ],
  inAll: { mostS: 100 },
  quick: { rate: 20, seconds: 1, windows: 1, kinds: true, mix: { unknownRoute: 3, noCaptcha: 1 } },
  run: async (options, progress) => {
    const measured = await measure(options, progress);
    const { figures } = measured;
    return {
      figures,
      goals: goalsOf(figures),
      charts: chartsOf(measured),
      errors: figures.errors,
    };
  },
};
