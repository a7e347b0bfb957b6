/**
 * The drand beacon over HTTP. A round needs one verified signature, from whichever endpoint: they
 * are asked one after the other, the next as soon as one fails or is slow, each time from another
 * one on. While none has the value the round waits for exactly that value, however long, and the
 * operators can see that it does.
 */
import { assert } from '../../lib/assert.ts';
import { monotonicMs, nowMs } from '../../lib/clock.ts';
import type { Log } from '../../log.ts';
import { type Beacon, type DrandChain, drandTimeMs, type DrandTerms } from './beacon.ts';
import { type AnswerOutcome, askEndpoint, type Question } from './drand-endpoint.ts';

export type DrandParts = {
  /** Without a slash at the end. */
  readonly endpoints: readonly string[];
  /** For one answer of one endpoint. */
  readonly timeoutMs: number;
  readonly log: Log;
  readonly onAnswer: (outcome: AnswerOutcome) => void;
  /** Between two lines about a round that waits; half a minute unless said. */
  readonly tellEveryMs?: number;
};

export type Drand = {
  readonly beaconOf: (release: string, terms: DrandTerms) => Beacon;
  /** How long the value is overdue, in seconds: the longest of all that rounds wait for, or 0. */
  readonly overdueS: () => number;
};

/** Between the starts of two sweeps over the endpoints for one value. */
const SWEEP_PACE_MS = 1_000;
const TELL_EVERY_MS = 30_000;
/** A round that was not asked about for so long is in other hands. */
const FORGOTTEN_AFTER_MS = 15_000;
/** Values and waits that are remembered; to forget one costs a request or a line. */
const REMEMBERED = 256;

/** The search for one value of one network. */
type Search = {
  signature: string | undefined;
  running: Promise<string | undefined> | undefined;
  nextSweepMs: number;
  /** What was logged about this value, of which endpoint. */
  readonly told: Set<string>;
};

/** A release whose round waits. */
type Wait = { readonly dueMs: number; askedMs: number; toldMs: number };

export function createDrand(parts: DrandParts): Drand {
  const searches = new Map<string, Search>();
  const waits = new Map<string, Wait>();
  let sweeps = 0;

  /** The value if it is at hand or can be had now. Releases that want the same share the search. */
  const find = async (chain: DrandChain, round: number): Promise<string | undefined> => {
    // The key too: what was verified under one must not pass for the value of another.
    const search = remembered(searches, `${chain.chain} ${chain.public_key} ${round}`, newSearch);
    if (search.signature !== undefined) return search.signature;
    if (!search.running && monotonicMs() >= search.nextSweepMs) {
      search.nextSweepMs = monotonicMs() + SWEEP_PACE_MS;
      search.running = sweep(parts, sweeps++, chain, round, search.told).then((found) => {
        search.running = undefined;
        search.signature = found;
        return found;
      });
    }
    return search.running;
  };

  const beaconOf = (release: string, terms: DrandTerms): Beacon => ({
    value: async (plan, round) => {
      assert(plan.kind === 'drand', 'a drand network is asked for its own rounds');
      const dueMs = drandTimeMs(terms, plan.round);
      if (nowMs() < dueMs) return 'NOT_YET';
      const wait = waitOf(waits, release, dueMs);
      const signature = await find(terms, plan.round);
      if (signature !== undefined) {
        waits.delete(release);
        return { kind: plan.kind, round: plan.round, signature };
      }
      wait.askedMs = monotonicMs();
      tell(parts, wait, { release, round, drandRound: plan.round });
      return 'NOT_YET';
    },
  });

  const overdueS = (): number => {
    const since = monotonicMs() - FORGOTTEN_AFTER_MS;
    const overdue = [...waits.values()]
      .filter(({ askedMs }) => askedMs >= since)
      .map(({ dueMs }) => (nowMs() - dueMs) / 1000);
    return Math.max(0, ...overdue);
  };
  return { beaconOf, overdueS };
}

const newSearch = (): Search => ({
  signature: undefined,
  running: undefined,
  nextSweepMs: 0,
  told: new Set(),
});

/** What the map holds under a key, or a new one, for which the oldest makes room. */
function remembered<T>(map: Map<string, T>, key: string, create: () => T): T {
  const held = map.get(key);
  if (held !== undefined) return held;
  const [oldest] = map.keys();
  if (map.size >= REMEMBERED && oldest !== undefined) map.delete(oldest);
  const made = create();
  map.set(key, made);
  return made;
}

function waitOf(waits: Map<string, Wait>, release: string, dueMs: number): Wait {
  if (waits.get(release)?.dueMs !== dueMs) waits.delete(release); // of a round before
  const wait = remembered(waits, release, () => ({ dueMs, askedMs: 0, toldMs: -Infinity }));
  wait.askedMs = monotonicMs();
  return wait;
}

/** A line for the operators, now and then, once the value is late. */
function tell({ log, tellEveryMs = TELL_EVERY_MS }: DrandParts, wait: Wait, about: object): void {
  const overdueMs = nowMs() - wait.dueMs;
  if (overdueMs < tellEveryMs || monotonicMs() - wait.toldMs < tellEveryMs) return;
  wait.toldMs = monotonicMs();
  const overdueS = Math.round(overdueMs / 1000);
  log.warn({ ...about, overdueS }, 'a round waits for its beacon, which is late');
}

/**
 * Asks every endpoint once, until one has the value. One that hangs costs the others little: each
 * gets its share of the time-out before the next is asked as well, so that a sweep takes less than
 * two time-outs.
 */
async function sweep(
  parts: DrandParts,
  first: number,
  chain: DrandChain,
  round: number,
  told: Set<string>,
): Promise<string | undefined> {
  const { endpoints, timeoutMs } = parts;
  const from = endpoints.length === 0 ? 0 : first % endpoints.length;
  const order = [...endpoints.slice(from), ...endpoints.slice(0, from)];
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let asking = 0;
  let over = false;
  let slow: NodeJS.Timeout | undefined;
  const askNext = async (): Promise<void> => {
    clearTimeout(slow);
    const endpoint = order.shift();
    if (endpoint === undefined) {
      if (asking === 0) resolve(undefined);
      return;
    }
    asking += 1;
    slow = setTimeout(() => void askNext(), timeoutMs / endpoints.length);
    const question = { endpoint, chain, round, timeoutMs };
    const signature = await ask(parts, question, told);
    asking -= 1;
    if (signature !== undefined) resolve(signature);
    else if (!over) await askNext();
  };
  void askNext();
  const found = await promise;
  clearTimeout(slow);
  over = true; // who was asked and is slow is let finish, so that it is counted
  return found;
}

/** The signature, if this endpoint has it; what else it answered is counted, and logged once. */
async function ask(
  { log, onAnswer }: DrandParts,
  question: Question,
  told: Set<string>,
): Promise<string | undefined> {
  const answer = await askEndpoint(question);
  onAnswer(answer.outcome);
  if (answer.outcome === 'ok') return answer.signature;
  const { endpoint, round: drandRound } = question;
  const what = `${answer.outcome} ${endpoint}`;
  if (told.has(what)) return undefined;
  told.add(what);
  const about = { ...answer, endpoint: new URL(endpoint).host, drandRound };
  // In the second after its time a value is on its way, which is nobody's fault.
  if (answer.outcome === 'not_yet') log.info(about, 'a beacon endpoint has no value yet');
  else log.warn(about, 'a beacon endpoint was refused');
  return undefined;
}
