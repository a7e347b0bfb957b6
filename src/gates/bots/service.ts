/** Reads what a release holds of those who entered and of those who were refused. */
import { isoFromMs, msFromIso } from '../../lib/clock.ts';
import { present } from '../../lib/assert.ts';
import { isRefusal, type Refusal, refuse } from '../../refusal.ts';
import type { Census } from '../../releases/census.ts';
import type { ReleaseService } from '../../releases/service.ts';
import {
  addTo,
  type BotReport,
  callerId,
  type CallerId,
  type CallerKind,
  createEntrantCount,
  doorHours,
  entrantsOf,
  KINDS,
  type Offenders,
  type Refusals,
  refusalsOf,
  worstOf,
} from './report.ts';
import type { BotStore, Refused } from './store.ts';

export const REPORT_LIMITS = {
  /** Callers of a kind that a report names, and how many unless said. */
  top: 1_000,
  topUnlessSaid: 20,
  /** Offenders of a kind that are read of each hour at the door, and added up. */
  doorOffenders: 200,
  /** Hours of the door that are read at once. */
  hoursAtOnce: 8,
  /** Releases whose offenders are counted for metrics. */
  releasesWatched: 32,
} as const;

const HOUR_MS = 3_600_000;

type Parts = {
  readonly store: BotStore;
  readonly releases: Pick<ReleaseService, 'published' | 'read' | 'isDraft'>;
};

export type BotReports = ReturnType<typeof createBotReports>;

export function createBotReports({ store, releases }: Parts) {
  return {
    /** How many callers are refused often, over live releases and the hour at the door. */
    offenders: ({ live, nowMs }: Pick<Census, 'live' | 'nowMs'>): Promise<Offenders> =>
      store.offendersOf(live.slice(0, REPORT_LIMITS.releasesWatched), Math.floor(nowMs / HOUR_MS)),

    /** `top`: callers of each kind to name. Reads every account that entered, a batch at a time. */
    async report(
      release: string,
      top: number = REPORT_LIMITS.topUnlessSaid,
    ): Promise<BotReport | Refusal> {
      const found = await releases.published(release);
      if (isRefusal(found))
        return (await releases.isDraft(release)) ? refuse('RELEASE_DRAFT') : found;
      const { nowMs, endedAtMs } = present(await releases.read(release), `state of ${release}`);
      const { manifest } = found;
      const closesAt = manifest.mode === 'lottery' ? manifest.closes_at : manifest.ends_at;
      const closesAtMs = Math.min(msFromIso(closesAt), endedAtMs > 0 ? endedAtMs : Infinity);
      const { people, exact, entrants } = await readEntrants(store, release, top);
      const reading = { store, release, people, top };
      return {
        release,
        at: isoFromMs(nowMs),
        exact,
        people,
        entrants,
        refusals: await readRefusals(reading),
        door: await readDoor(reading, doorHours(msFromIso(manifest.opens_at), closesAtMs, nowMs)),
      };
    },
  };
}

async function readEntrants(store: BotStore, release: string, top: number) {
  const heldBefore = await store.entrantsHeld(release);
  const count = createEntrantCount(top);
  let seen = 0;
  for await (const batch of store.entrants(release)) {
    seen += batch.length;
    for (const { kind, id, people } of batch) count.add(kind, id, people);
  }
  const held = await store.entrantsHeld(release);
  const { people } = count.of('account');
  const entrants = await Promise.all(
    KINDS.map(async (kind) => {
      const counted = count.of(kind);
      const ids = counted.ranked.map(({ id }) => id);
      return entrantsOf(kind, counted, people, await store.refusalsOf(release, kind, ids));
    }),
  );
  return { people, exact: seen === held && held === heldBefore, entrants };
}

type Reading = {
  readonly store: BotStore;
  readonly release: string;
  /** Who were entered in all. */
  readonly people: number;
  readonly top: number;
};

const named = (
  refused: ReadonlyMap<CallerKind, readonly Refused[]>,
): (readonly [CallerId, number])[] =>
  [...refused].flatMap(([kind, many]) =>
    many.map(({ id, refusals }) => [callerId(kind, id), refusals] as const),
  );

async function view(
  { store, release, people, top }: Reading,
  byReason: ReadonlyMap<string, number>,
  refused: ReadonlyMap<CallerId, number>,
): Promise<Refusals> {
  const worst = worstOf(refused, top);
  const entered = await store.peopleOf(
    release,
    worst.map(([name]) => name),
  );
  return refusalsOf(byReason, worst, entered, people);
}

async function readRefusals(reading: Reading): Promise<Refusals> {
  const { store, release, top } = reading;
  const [byReason, refused] = await Promise.all([
    store.byReason(release),
    store.offenders(release, top),
  ]);
  return view(reading, byReason, new Map(named(refused)));
}

async function readDoor(
  reading: Reading,
  { hours, fromMs, untilMs, complete }: ReturnType<typeof doorHours>,
): Promise<BotReport['door']> {
  const { store } = reading;
  const byReason = new Map<string, number>();
  const refused = new Map<CallerId, number>();
  for (let i = 0; i < hours.length; i += REPORT_LIMITS.hoursAtOnce) {
    const some = hours.slice(i, i + REPORT_LIMITS.hoursAtOnce);
    const read = await Promise.all(
      some.map(
        async (hour) =>
          [
            await store.doorByReason(hour),
            await store.doorOffenders(hour, REPORT_LIMITS.doorOffenders),
          ] as const,
      ),
    );
    for (const [reasons, offenders] of read) {
      addTo(byReason, reasons);
      addTo(refused, named(offenders));
    }
  }
  const seen = await view(reading, byReason, refused);
  return { from: isoFromMs(fromMs), until: isoFromMs(untilMs), complete, ...seen };
}
