/** How fast the standing entries of a release that is over are carried into the next. */
import type { Progress } from '../src/demo/progress.ts';
import { assert } from '../src/lib/assert.ts';
import { isoFromMs, monotonicMs, msFromIso, sleep } from '../src/lib/clock.ts';
import { createLog } from '../src/log.ts';
import { PEOPLE_LIMITS } from '../src/people/rules.ts';
import { keys } from '../src/redis/keys.ts';
import { createCarrier } from '../src/rounds/carry.ts';
import { withEngine } from './support/engine.ts';
import {
  type Citizen,
  enterAll,
  granted,
  openRelease,
  registerCitizens,
  RELEASE,
} from './support/pune.ts';

const NEXT = 'pune-2021-04-11';
const SERIES = 'pune-evenings';
const DAY_MS = 86_400_000;
/** An evening's window is half an hour; this many must take far less of it. */
const GOAL_MS = 60_000;
const GOAL_ENTRIES = 100_000;

export const carry = ({ entries }: { readonly entries: number }, progress: Progress) =>
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

    const carrier = createCarrier({
      carry: engine.stores.carry,
      store: engine.stores.rounds,
      people: engine.stores.people,
      rounds: engine.rounds,
      releases: engine.releases,
      outbox: engine.outbox,
      secrets: engine.secrets,
      log: createLog('warn'),
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
    const goal = (GOAL_MS * Math.max(entries, GOAL_ENTRIES)) / GOAL_ENTRIES;
    return {
      entries,
      carried,
      totalMs,
      goal,
      met: carried === entries && totalMs <= goal,
      perSecond: Math.round((1000 * carried) / totalMs),
      /** What one step of a worker takes at most before it looks after its round again. */
      longestStepMs: Math.round(steps.at(-1) ?? 0),
      medianStepMs: Math.round(steps[Math.floor(steps.length / 2)] ?? 0),
      cpuMs: Math.round((user + system) / 1000),
    };
  });
