/**
 * What a process refuses, counted by release, reason and caller. In memory, and handed to Redis
 * once a second: no request waits for it, and a flood costs Redis little more than a trickle. It is
 * a statistic and not a promise: a process that is killed takes up to a second of counts with it.
 */
import { ERRORS, type ErrorCode } from '../../errors.ts';
import { nowMs } from '../../lib/clock.ts';
import type { Secrets } from '../../lib/secrets.ts';
import type { Redis } from '../../redis/client.ts';
import { type Who } from '../limits.ts';
import { networkIdOf, networkOf } from '../origin.ts';
import { type Counts, createBotStore, TALLY_LIMITS } from './store.ts';

export const MEMORY_LIMITS = {
  /** Callers that are told apart between two hand-overs, each once for each release. */
  callers: 4_000,
  /** Releases that are told apart between two hand-overs. */
  releases: 256,
  /** Of these, releases of which this process does not know whether they exist. */
  unknown: 16,
  /** Releases that a process remembers to exist. */
  known: 1_000,
} as const;

const EVERY_MS = 1_000;
/** A process that ends waits no longer than this for a Redis that does not answer. */
const FINISH_WITHIN_MS = 2_000;
const HOUR_MS = 3_600_000;
const FIRST_FAULT_OF_OURS = 500;

/** Where requests that name no release are counted. */
const DOOR = '';
const NETWORK = 'network:';

export type Tally = {
  /**
   * Counts a refusal, at once and without fail. `release`: '' where none is named. `who`: left out
   * where nobody is known.
   */
  readonly refused: (code: ErrorCode, release: string, who?: Who) => void;
  /** Hands over what is still counted, for a process that is about to end. */
  readonly finish: () => Promise<void>;
};

/** `onUncounted`: hears of callers' refusals for which there was no room; `now`: tests move it. */
export function createTally(
  redis: Redis,
  secrets: Secrets,
  onUncounted: (requests: number) => void = () => undefined,
  now: () => number = nowMs,
): Tally {
  const handOver = createHandOver(redis, secrets, now);
  let counts = createCounts(onUncounted, handOver.isKnown);
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> | undefined;
  let finishing = false;

  const send = async (): Promise<void> => {
    const taken = counts;
    counts = createCounts(onUncounted, handOver.isKnown);
    const left = await handOver.all(taken.byRelease);
    const since = counts.byRelease;
    counts = createCounts(onUncounted, handOver.isKnown);
    // In that order, so that what could not be given, which is the last of it, is not tried first.
    for (const [release, names] of [...left, ...since])
      for (const [name, count] of names) counts.add(release, name, count);
    sending = undefined;
    if (counts.byRelease.size > 0) arm();
  };
  const arm = (): void => {
    if (timer || sending || finishing) return;
    timer = setTimeout(() => {
      timer = undefined;
      sending = send();
    }, EVERY_MS).unref();
  };

  return {
    refused: (code, release, who) => {
      // No release that does not exist is worth a name, and what is our fault is nobody's offence.
      const named = code === 'RELEASE_UNKNOWN' ? DOOR : release;
      counts.add(named, code, 1);
      if (who && ERRORS[code].status < FIRST_FAULT_OF_OURS)
        for (const caller of callersOf(who)) counts.add(named, caller, 1);
      arm();
    },
    finish: async () => {
      finishing = true;
      clearTimeout(timer);
      const late = Promise.withResolvers<void>();
      const bound = setTimeout(late.resolve, FINISH_WITHIN_MS);
      await Promise.race([late.promise, (sending ?? Promise.resolve()).then(send)]);
      clearTimeout(bound);
    },
  };
}

/** A network is hashed when it leaves the process: once a second, not once a request. */
function callersOf({ address, account, device }: Who): string[] {
  const callers = [`${NETWORK}${networkOf(address)}`];
  if (account !== '') callers.push(`account:${account}`);
  if (device !== '') callers.push(`device:${device}`);
  return callers;
}

type ByName = Map<string, number>;

/** Counts of bounded size: what there is no room for is counted less finely, or not. */
function createCounts(onUncounted: (count: number) => void, isKnown: (release: string) => boolean) {
  const byRelease = new Map<string, ByName>();
  let callers = 0;
  let unknown = 0;
  const namesOf = (release: string): ByName => {
    const found = byRelease.get(release);
    if (found) return found;
    if (release !== DOOR) {
      const known = isKnown(release);
      if (byRelease.size >= MEMORY_LIMITS.releases) return namesOf(DOOR);
      if (!known && unknown >= MEMORY_LIMITS.unknown) return namesOf(DOOR);
      if (!known) unknown += 1;
    }
    const made: ByName = new Map();
    byRelease.set(release, made);
    return made;
  };
  return {
    byRelease,
    /** `name`: an error code, of which there are few, or a caller. */
    add: (release: string, name: string, count: number): void => {
      const names = namesOf(release);
      const before = names.get(name);
      if (before === undefined && name.includes(':')) {
        if (callers >= MEMORY_LIMITS.callers) return onUncounted(count);
        callers += 1;
      }
      names.set(name, (before ?? 0) + count);
    },
  };
}

type Batch = readonly [release: string, counts: Counts];

/** Gives counts to Redis, in batches; what it does not take comes back. */
function createHandOver(redis: Redis, secrets: Secrets, now: () => number) {
  const store = createBotStore(redis);
  const known = new Set<string>();
  const remember = (release: string): void => {
    known.delete(release);
    known.add(release);
    for (const oldest of known) {
      if (known.size <= MEMORY_LIMITS.known) break;
      known.delete(oldest);
    }
  };
  const hashed = (counts: Counts): Counts =>
    counts.map(([name, count]) =>
      name.startsWith(NETWORK)
        ? [`${NETWORK}${networkIdOf(secrets, name.slice(NETWORK.length))}`, count]
        : [name, count],
    );
  /** True unless there is no such release. */
  const give = async ([release, counts]: Batch): Promise<boolean> => {
    if (release === DOOR) {
      await store.tallyDoor(Math.floor(now() / HOUR_MS), hashed(counts));
      return true;
    }
    if ((await store.tally(release, hashed(counts))) === 'RELEASE_UNKNOWN') return false;
    remember(release);
    return true;
  };

  return {
    isKnown: (release: string): boolean => known.has(release),
    all: async (byRelease: ReadonlyMap<string, ByName>): Promise<Batch[]> => {
      const left: Batch[] = [];
      let away: Batch | undefined;
      for (const batch of batchesOf(byRelease)) {
        if (away) {
          left.push(batch);
          continue;
        }
        try {
          // What was said of a release that does not exist was said at the door.
          if (!(await give(batch))) await give([DOOR, batch[1]]);
        } catch {
          away = batch;
        }
      }
      // Last, so that one release whose shard is away does not keep the others back for ever.
      return away ? [...left, away] : left;
    },
  };
}

function* batchesOf(byRelease: ReadonlyMap<string, ByName>): Generator<Batch> {
  for (const [release, names] of byRelease) {
    const counts = [...names];
    for (let i = 0; i < counts.length; i += TALLY_LIMITS.batch)
      yield [release, counts.slice(i, i + TALLY_LIMITS.batch)];
  }
}
