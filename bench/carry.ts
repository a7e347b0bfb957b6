/** How fast the standing entries of a release that is over are carried into the next. */
import type { Progress } from '../src/progress.ts';
import { assert } from '../src/lib/assert.ts';
import { isoFromMs, monotonicMs, msFromIso, sleep } from '../src/lib/clock.ts';
import { createLog } from '../src/log.ts';
import { createFaults } from '../src/outage.ts';
import { PEOPLE_LIMITS } from '../src/people/rules.ts';
import { keys } from '../src/redis/keys.ts';
import { createCarrier } from '../src/rounds/carry/carry.ts';
import { withEngine } from './support/engine.ts';
import { median } from './support/numbers.ts';
import { entries as entriesOption } from './support/options.ts';
import {
  type Citizen,
  enterAll,
  granted,
  openRelease,
  registerCitizens,
  RELEASE,
} from './support/pune.ts';
import type { Scenario } from './support/scenario.ts';

const NEXT = 'pune-2021-04-11';
const SERIES = 'pune-evenings';
const DAY_MS = 86_400_000;
/** An evening's window is half an hour; this many must take far less of it. */
const GOAL_MS = 60_000;
const GOAL_ENTRIES = 100_000;
const MS_PER_S = 1_000;

export type CarryOptions = { readonly entries: number };

const measure = ({ entries }: CarryOptions, progress: Progress) =>
  withEngine(async ({ engine, redis }) => {
    const first = await openRelease(engine, RELEASE, entries, SERIES);
    const citizens: Citizen[] = await registerCitizens(engine, entries, progress);
    const until = isoFromMs(msFromIso(first.manifest.ends_at) + 30 * DAY_MS);
    await enterAll(engine, first, citizens, progress, until);
    granted(await engine.releases.end(RELEASE));
    await sleep(PEOPLE_LIMITS.claimLeaseMs + 1_000); // no claim was used a moment ago
    const next = await openRelease(engine, NEXT, entries, SERIES);
    const { manifest } = next;
    assert(manifest.mode === 'lottery', 'Pune has a lottery');

    const log = createLog('warn');
    const carrier = createCarrier({
      carry: engine.stores.carry,
      store: engine.stores.rounds,
      people: engine.stores.people,
      rounds: engine.rounds,
      releases: engine.releases,
      outbox: engine.outbox,
      secrets: engine.secrets,
      log,
      onFault: createFaults(log),
    });
    const steps: number[] = [];
    const startMs = monotonicMs();
    const cpu = process.cpuUsage();
    for (let isMore = true; isMore; ) {
      const stepMs = monotonicMs();
      isMore = await carrier(manifest);
      steps.push(monotonicMs() - stepMs);
    }
    const totalMs = Math.round(monotonicMs() - startMs);
    const { user, system } = process.cpuUsage(cpu);
    const carried = await redis.hlen(keys.entering(NEXT));
    steps.sort((one, other) => one - other);
    return {
      entries,
      carried,
      totalMs,
      perSecond: Math.round((1000 * carried) / totalMs),
      /** What one step of a worker takes at most before it looks after its round again. */
      longestStepMs: Math.round(steps.at(-1) ?? 0),
      medianStepMs: Math.round(median(steps)),
      cpuMs: Math.round((user + system) / 1000),
      steps: steps.map(Math.round),
    };
  });

export const carry: Scenario<CarryOptions> = {
  name: 'carry',
  summary: 'standing entries carried from a release that is over into the next',
  options: [entriesOption()],
  inAll: { mostS: 25, options: { entries: 20_000 } },
  quick: { entries: 300 },
  run: async (options, progress) => {
    const { steps, ...figures } = await measure(options, progress);
    return {
      figures,
      goals: [
        {
          name: `${GOAL_ENTRIES.toLocaleString('en')} standing entries carried, at this pace`,
          figure: Math.round((GOAL_ENTRIES * MS_PER_S) / figures.perSecond),
          unit: 'ms',
          atMost: GOAL_MS,
        },
      ],
      charts: [
        {
          title: 'Steps of the worker that carries',
          description: 'Between two steps it looks after its rounds: none may be long.',
          kind: 'lines',
          x: { label: 'steps, the shortest first' },
          y: { label: 'milliseconds' },
          series: [{ name: 'a step', points: steps.map((ms, step) => [step, ms]) }],
        },
      ],
      errors: options.entries - figures.carried,
    };
  },
};
