/**
 * Carries standing entries over: a release that is open pulls those of the releases before it in
 * its series that are over, a batch at a step of its worker, so that its rounds never wait for
 * them. Each step can be interrupted or done twice: what is on its way stays on its way until it is
 * known to have arrived, and arrives once (docs/adr/0015).
 */
import { present } from '../../lib/assert.ts';
import { isoFromMs } from '../../lib/clock.ts';
import type { Message } from '../../notify/messages.ts';
import type { OnFault } from '../../outage.ts';
import { isRefusal } from '../../refusal.ts';
import type { LotteryManifest } from '../../releases/manifest.ts';
import type { ReleaseService } from '../../releases/service.ts';
import type { Entrance } from './carry-in.ts';
import type { CarryStore, Moving } from './carry-store.ts';
import type { Conductor } from '../conduct.ts';
import { entryIdOf } from '../rules.ts';
import type { RoundService } from '../service.ts';
import { type Carried, packStanding, type StandingEntry, unpackStanding } from './standing.ts';
import type { RoundStore } from '../store.ts';
import { tell, type TellParts, type Told } from '../tell.ts';

/** Entries carried in one step: a round is held up by no more. */
const BATCH = 500;
/** Earlier releases that one step looks at. */
const RELEASES = 32;

type Parts = TellParts & {
  carry: CarryStore;
  store: RoundStore;
  rounds: Pick<RoundService, 'entrance'>;
  releases: ReleaseService;
  /** Hears what kept an entry from being carried, or somebody from being told. */
  onFault: OnFault;
  onCarried?: (outcome: Carried) => void;
};

/** Carries a batch into a release. Whether there is more to carry at once. */
export type Carrier = (manifest: LotteryManifest) => Promise<boolean>;

export function createCarrier(parts: Parts): Carrier {
  const { carry, releases, rounds } = parts;
  return async ({ release, series, title }) => {
    const reading = series === null ? undefined : await releases.read(release);
    if (series === null || !reading) return false;
    const { nowMs, opensAtMs, endsAtMs, endedAtMs } = reading;
    if (nowMs < opensAtMs || nowMs >= endsAtMs || endedAtMs > 0) return false;
    const sources = await sourcesOf(parts, series, release);
    if (sources.length === 0) return false;
    const entrances = new Map<string, Promise<Entrance>>();
    const entranceTo = (into: string): Promise<Entrance> => {
      const found = entrances.get(into) ?? rounds.entrance(into);
      entrances.set(into, found);
      return found;
    };
    const step = { release, title, entranceTo };
    let room = BATCH;
    let settled = 0;
    // What is on its way comes first, and of that what set out first: a withdrawal must find what
    // it takes back in the release before this one, not on its way from there.
    for (const { from } of sources.filter(({ isMoving }) => isMoving).toReversed()) {
      const reply = await carry.carryOut(from, release, 0);
      if (reply.outcome !== 'HANDED') continue;
      settled += await moveAll(parts, { from, ...step, ...reply });
      room -= reply.moving.length;
    }
    if (room <= 0) return settled > 0;
    if ((await entranceTo(release)).isShut) return false;
    // The later wish of somebody is the one that counts.
    for (const { from } of sources) {
      const reply = await carry.carryOut(from, release, room);
      if (reply.outcome !== 'HANDED') continue;
      settled += await moveAll(parts, { from, ...step, ...reply });
      const { length } = reply.moving;
      room -= length;
      // Where nothing but time helps, there is no hurry.
      if (reply.left > 0 || room <= 0) return settled > 0 || length === 0;
    }
    return false;
  };
}

type Source = { readonly from: string; readonly isMoving: boolean };

/**
 * The releases before this one that are over and hold standing entries, the latest first. What is
 * before a release that still runs is for that one to carry.
 */
async function sourcesOf(
  { carry, releases }: Parts,
  series: string,
  release: string,
): Promise<Source[]> {
  const sources: Source[] = [];
  for (const from of await carry.before(series, release, RELEASES)) {
    if (isRefusal(await releases.published(from))) continue; // listed, about to be published
    const reply = await carry.carryOut(from, release, 0);
    if (reply.outcome === 'RUNNING') break;
    if (reply.outcome === 'EMPTY') await carry.forget(series, from);
    else if (reply.left > 0 || reply.moving.length > 0)
      sources.push({ from, isMoving: reply.moving.length > 0 });
  }
  return sources;
}

type Batch = {
  readonly from: string;
  readonly into: string;
  /** The release whose step this is: `into`, unless a batch is on its way into another. */
  readonly release: string;
  readonly title: string;
  /** One for all batches of a step. */
  readonly entranceTo: (into: string) => Promise<Entrance>;
  readonly nowMs: number;
  readonly moving: readonly Moving[];
};

type Moved = { readonly outcome: Carried; readonly message?: Message };

/** How many came to an end. */
async function moveAll(parts: Parts, batch: Batch): Promise<number> {
  const { carry, onFault, onCarried } = parts;
  const { from, into, moving } = batch;
  if (moving.length === 0) return 0;
  const entrance = await batch.entranceTo(into);
  const arrived: Moving[] = [];
  const back: Moving[] = [];
  const outcomes: Carried[] = [];
  const told: Told[] = [];
  await Promise.all(
    moving.map(async (one) => {
      const isWithdrawn = one.standing.startsWith('-');
      try {
        const entry = unpackStanding(isWithdrawn ? one.standing.slice(1) : one.standing);
        const { outcome, message } = isWithdrawn
          ? await takeBack(parts, batch, entry)
          : await moveOne(entrance, batch, entry);
        if (message) told.push(newsOf(parts, batch, entry, message));
        if (outcome !== 'LATER') arrived.push(one);
        else if (!isWithdrawn) back.push(one);
        outcomes.push(outcome);
      } catch (error) {
        // It stays on its way: the next step takes it up again.
        onFault(error, 'an entry was not carried over', { from, into });
      }
    }),
  );
  await tellAll(parts, told);
  await carry.done(from, 'ARRIVED', arrived);
  await carry.done(from, 'BACK', back);
  for (const outcome of outcomes) onCarried?.(outcome);
  return arrived.length;
}

function newsOf({ secrets }: Parts, { into }: Batch, entry: StandingEntry, message: Message): Told {
  const person = leadOf(entry);
  return { id: `${message.template}:${into}:${entryIdOf(secrets, into, person)}`, person, message };
}

const leadOf = ({ persons }: StandingEntry): string => present(persons[0], 'a lead');

async function moveOne(
  entrance: Entrance,
  { into, release, title, nowMs }: Batch,
  entry: StandingEntry,
): Promise<Moved> {
  const until = isoFromMs(entry.untilMs);
  const { outcome, told } =
    nowMs >= entry.untilMs
      ? await entrance.find(entry, 'EXPIRED') // entered before its time came, it stays so
      : await entrance.carryIn(entry);
  if (outcome === 'EXPIRED')
    return { outcome, message: { template: 'standing-over', title, until } };
  const isTold = told && into === release;
  return isTold ? { outcome, message: { template: 'carried', title, until } } : { outcome };
}

/**
 * Withdraws what an entry that was withdrawn on its way has become, unless by hand since: where it
 * was on its way to, or in this release, if it has come so far meanwhile.
 */
async function takeBack(
  { store, secrets }: Parts,
  { into, release }: Batch,
  entry: StandingEntry,
): Promise<Moved> {
  const packed = packStanding({ ...entry, refused: '' });
  for (const where of new Set([into, release])) {
    const reply = await store.withdraw(where, entryIdOf(secrets, where, leadOf(entry)), packed);
    if (reply === 'ROUND_DRAWING') return { outcome: 'LATER' };
  }
  return { outcome: 'WITHDRAWN' };
}

/** That somebody cannot be told keeps nobody from arriving. */
async function tellAll(parts: Parts, told: readonly Told[]): Promise<void> {
  try {
    await tell(parts, told);
  } catch (error) {
    parts.onFault(error, 'people were not told what became of their standing entries');
  }
}

/** A conductor that carries a batch of standing entries before each step, and never fails by it. */
export const carryingOver = (
  conductor: Conductor,
  carrier: Carrier,
  { releases, onFault }: { releases: ReleaseService; onFault: OnFault },
): Conductor => ({
  ...conductor,
  step: async (release) => {
    const found = await releases.published(release);
    let isMore = false;
    if (!isRefusal(found) && found.manifest.mode === 'lottery') {
      try {
        isMore = await carrier(found.manifest);
      } catch (error) {
        onFault(error, 'standing entries were not carried and are tried again', { release });
      }
    }
    const taken = await conductor.step(release);
    return isMore && taken.step === 'WAITING' ? { ...taken, waitMs: 0 } : taken;
  },
});
