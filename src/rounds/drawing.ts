/**
 * A round from its cut to its publication: read, seal, wait for the beacon, draw, stage, flip. A
 * round that was sealed is held while its beacon's value is awaited; everything before and after
 * that can be done again from the start, by any worker, and gives the same bytes.
 */
import { packOffer } from '../bookings/rules.ts';
import { assert, present } from '../lib/assert.ts';
import { isoFromMs, monotonicMs, nowMs } from '../lib/clock.ts';
import { jcs } from '../lib/jcs.ts';
import type { Log } from '../log.ts';
import type { DrawnManifest, LotteryManifest } from '../releases/manifest.ts';
import {
  type Beacon,
  beaconProblem,
  type BeaconTerms,
  type BeaconValue,
  valueTimeMs,
} from './beacon/beacon.ts';
import { type Drawn, drawRound, type Offer } from './draw/draw.ts';
import type { DrawingStore, SeatChange } from './drawing-store.ts';
import {
  checkedBuilder,
  ENTRIES_MAX,
  entryAt,
  type EntryColumns,
  type EntryTable,
  leavesOf,
} from './draw/entry-table.ts';
import { sinceOf } from './happened.ts';
import { createLedger, type Ledger, type Since } from './draw/ledger.ts';
import { type KeptTree, keptTree, treeChunks } from './proofs.ts';
import { isMismatch, replay } from './draw/replay.ts';
import { offersByFile, prefixLengthOf } from './results/results.ts';
import { unpackEntry } from './rules.ts';
import { Seal, sealTerms, seedOf } from './draw/seal.ts';
import type { RoundStore } from './store.ts';
import { type FinishedRound, finishRound } from './draw/transcript.ts';

/** What a worker comes to with one step of a release's rounds. */
export type Step =
  /** Nothing to do before `waitMs`. */
  | { readonly step: 'WAITING'; readonly waitMs: number }
  | {
      readonly step: 'PUBLISHED';
      readonly round: number;
      readonly digest: string;
      /** Entries that lost their seats to an operator's change. */
      readonly displaced: number;
      readonly offers: number;
    }
  /** Another worker finished the round. */
  | { readonly step: 'AGAIN' }
  /** No round and no expiry will ever be due again. */
  | { readonly step: 'OVER' };

type Parts = {
  readonly store: RoundStore;
  readonly drawing: DrawingStore;
  readonly beaconOf: (manifest: LotteryManifest) => Beacon;
  readonly log: Log;
  /** Called as each phase of a round is over. */
  readonly onPhase?: (phase: Phase, ms: number) => void;
};

/**
 * What a round takes its time for: to `read` the list and bring it into its order, `hash` its
 * leaves and the `tree` above them, keep what `proofs` are made from and publish the `seal`, `sort` by
 * rank keys, `assign` seats, make the `transcript`, which is staged as it is compressed, `write` all
 * other results, and `flip`.
 */
export const PHASES = [
  'read',
  'hash',
  'tree',
  'proofs',
  'seal',
  'sort',
  'assign',
  'transcript',
  'write',
  'flip',
] as const;
export type Phase = (typeof PHASES)[number];

/** An operator should see where a long round is; shorter phases are for whoever debugs. */
const LONG_PHASE_MS = 2_000;

/** Ends a phase that began where the one before it ended. */
type Lap = (phase: Phase) => void;

function startLaps({ log, onPhase }: Parts, release: string, round: number): Lap {
  let startMs = monotonicMs();
  return (phase) => {
    const ms = monotonicMs() - startMs;
    startMs += ms;
    onPhase?.(phase, ms);
    const level = ms > LONG_PHASE_MS ? 'info' : 'debug';
    log[level]({ release, round, phase, ms: Math.round(ms) }, 'round phase');
  };
}

/** A round whose list is public and fixed, and whose order does not exist yet. */
type Sealed = {
  readonly ledger: Ledger;
  readonly table: EntryTable;
  readonly since: Since;
  readonly seal: Seal;
  /** Of the round's result files, in bits. */
  readonly prefixLength: number;
  readonly startedMs: number;
};

/** Between two looks for a beacon's value. */
const BEACON_PACE_MS = 250;

export type Drawing = {
  /** Takes a round that was cut as far as it gets: to its publication, or to its beacon. */
  readonly step: (
    manifest: LotteryManifest,
    cut: { readonly round: number; readonly cutAtMs: number },
  ) => Promise<Step>;
  /** Lets go of what is kept of a release from one step to the next, up to 39 bytes an entry. */
  readonly forget: (release: string) => void;
};

export function createDrawing(parts: Parts): Drawing {
  const ledgers = keepLedgers(parts.store);
  const held = new Map<string, Sealed>();

  const sealedRound: (...cut: Parameters<Drawing['step']>) => Promise<Sealed | undefined> = async (
    manifest,
    { round, cutAtMs },
  ) => {
    const { release } = manifest;
    const kept = held.get(release);
    if (kept?.seal.round === round) return kept;
    const sealed = await seal(parts, await ledgers.before(manifest, round), cutAtMs);
    if (sealed) held.set(release, sealed);
    return sealed;
  };

  const step: Drawing['step'] = async (manifest, cut) => {
    const sealed = await sealedRound(manifest, cut);
    if (!sealed) return { step: 'AGAIN' };
    const beacon = await parts.beaconOf(manifest).value(sealed.seal.beacon, cut.round);
    if (beacon === 'NOT_YET') return { step: 'WAITING', waitMs: beaconWaitMs(manifest, sealed) };
    held.delete(manifest.release);
    const published = await drawAndPublish(parts, sealed, beacon);
    if (!published) return { step: 'AGAIN' };
    ledgers.keep(sealed.ledger);
    return { step: 'PUBLISHED', round: cut.round, ...published };
  };
  const forget = (release: string): void => {
    held.delete(release);
    ledgers.forget(release);
  };
  return { step, forget };
}

/** Until the value should exist; then at a steady pace, for as long as the beacon is late. */
const beaconWaitMs = ({ beacon }: LotteryManifest, { seal }: Sealed): number =>
  Math.max(BEACON_PACE_MS, (valueTimeMs(beacon, seal.beacon) ?? 0) - nowMs());

type Ledgers = {
  /** The ledger before a round: at hand, or rebuilt from the transcripts of the rounds before. */
  readonly before: (manifest: LotteryManifest, round: number) => Promise<Ledger>;
  /** Keeps a ledger once the round that changed it is published. */
  readonly keep: (ledger: Ledger) => void;
  readonly forget: (release: string) => void;
};

function keepLedgers(store: RoundStore): Ledgers {
  const kept = new Map<string, Ledger>();
  const before = async (manifest: LotteryManifest, round: number): Promise<Ledger> => {
    const held = kept.get(manifest.release);
    kept.delete(manifest.release); // it is about to change, and the round may fail
    if (held?.nextRound === round) return held;
    const ledger = createLedger(manifest);
    for (let past = 0; past < round; past++) {
      const replayed = await replay(ledger, store.transcript(manifest.release, past));
      assert(
        !isMismatch(replayed),
        `the transcript of round ${past} of ${manifest.release} is damaged`,
      );
    }
    return ledger;
  };
  return {
    before,
    keep: (ledger) => void kept.set(ledger.manifest.release, ledger),
    forget: (release) => void kept.delete(release),
  };
}

/** Reads what was cut, and publishes its seal. Undefined when another worker finished the round. */
async function seal(parts: Parts, ledger: Ledger, cutAtMs: number): Promise<Sealed | undefined> {
  const { drawing } = parts;
  const { manifest, nextRound: round } = ledger;
  const { release, beacon } = manifest;
  const lap = startLaps(parts, release, round);
  const startedMs = monotonicMs();
  const columns = await readEntries(drawing, manifest);
  const happened = await drawing.sealedHappenings(release);
  lap('read');
  const table = { ...columns, leaves: leavesOf(manifest, columns) };
  lap('hash');
  const since = sinceOf(manifest, happened);
  const tree = keptTree(table);
  lap('tree');
  const prefixLength = prefixLengthOf(ledger, table);
  if (!(await stageTree(drawing, ledger, table, tree, prefixLength))) return undefined;
  lap('proofs');
  const list = { count: table.count, root: tree.root };
  const cutAt = isoFromMs(cutAtMs);
  const seal = await writeSeal(drawing, beacon, cutAtMs, (sealedAt) => ({
    ...sealTerms(ledger, since, { cutAt, sealedAt }),
    ...list,
  }));
  if (!seal) return undefined;
  lap('seal');
  return { ledger, table, since, seal, prefixLength, startedMs };
}

/**
 * Publishes the seal of what was cut; one that could not be written before its beacon's value
 * exists is made again for a later value. Answers the seal that counts, which may be that of
 * another worker; undefined when the round is finished.
 */
async function writeSeal(
  drawing: DrawingStore,
  terms: BeaconTerms,
  cutAtMs: number,
  sealAt: (sealedAt: string) => Seal,
): Promise<Seal | undefined> {
  for (let sealedAtMs = cutAtMs; ; ) {
    const seal = sealAt(isoFromMs(sealedAtMs));
    const { release, round } = seal;
    const writeBeforeMs = valueTimeMs(terms, seal.beacon);
    const valueAtMs = writeBeforeMs ?? sealedAtMs;
    const writing = { text: jcs(seal), valueAtMs, writeBeforeMs };
    const reply = await drawing.writeSeal(release, round, writing);
    if (reply.outcome === 'NOT_DRAWING') return undefined;
    if (reply.outcome === 'SEALED') {
      const sealed = Seal.parse(JSON.parse(reply.seal));
      const same = jcs(sealAt(sealed.sealed_at)) === reply.seal;
      assert(same, `round ${round} of ${release} was sealed over another list`);
      return sealed;
    }
    sealedAtMs = reply.nowMs;
  }
}

/** Keeps what proofs are made from: whoever sees the seal can have one. */
const stageTree = (
  drawing: DrawingStore,
  { manifest, nextRound: round }: Ledger,
  table: EntryTable,
  { roots }: KeptTree,
  prefixLength: number,
): Promise<boolean> =>
  drawing.stageTree(manifest.release, round, {
    roots,
    chunks: treeChunks(table),
    newcomers:
      round === 0 ? [] : Array.from({ length: table.count }, (_, row) => entryAt(table, row)),
    prefixLength,
  });

/** Undefined when another worker finished the round before. */
async function drawAndPublish(
  parts: Parts,
  sealed: Sealed,
  beacon: BeaconValue,
): Promise<{ digest: string; displaced: number; offers: number } | undefined> {
  const { drawing, log } = parts;
  const { ledger, table, since, seal, prefixLength, startedMs } = sealed;
  const { release, beacon: terms } = ledger.manifest;
  const { round } = seal;
  // A value that no verifier would accept must never be published: it could not be taken back.
  const problem = beaconProblem(terms, seal.beacon, ledger.previousBeacon, beacon);
  assert(problem === undefined, `the beacon of ${release} is wrong: ${problem}`);
  const lap = startLaps(parts, release, round);
  const seed = seedOf(terms, seal, beacon);
  const drawn = drawRound({ ledger, table, since, seed, onStep: lap });
  const finished = await finishRound(
    { ledger, table, since, seal, beacon, drawn },
    (chunk, number) => drawing.stageTranscript(release, round, number, chunk),
  );
  if (!finished) return undefined;
  lap('transcript');
  if (!(await stageOffers(drawing, release, round, drawn))) return undefined;
  const files = offersByFile(ledger, table, drawn, prefixLength);
  if (!(await drawing.stageResults(release, round, finished.digest, files))) return undefined;
  lap('write');
  if (!(await flip(drawing, ledger, round, drawn, finished))) return undefined;
  lap('flip');
  const { digest } = finished;
  const displaced = drawn.settled.displaced.length;
  const counts = { entries: table.count, offers: drawn.offers.length, displaced };
  const tookMs = Math.round(monotonicMs() - startedMs);
  log.info({ release, round, digest, ...counts, tookMs }, 'round published');
  return { digest, displaced, offers: counts.offers };
}

/**
 * Stages who holds what, and apart from them those who held something else until now. False when
 * another worker finished the round before.
 */
async function stageOffers(
  drawing: DrawingStore,
  release: string,
  round: number,
  { offers, settled }: Drawn,
): Promise<boolean> {
  const ids = offers.values().map(({ entry }: Offer) => entry);
  const booking = (offer: Offer) => [offer.entry, packOffer(round, offer)] as const;
  const displaced = new Map(settled.displaced.map((entry) => [entry, '']));
  const isDisplaced = ({ entry }: Offer): boolean => displaced.has(entry);
  const moved = displaced.size === 0 ? [] : offers.filter(isDisplaced);
  for (const [entry, packed] of moved.map(booking)) displaced.set(entry, packed);
  const bookings = offers
    .values()
    .filter((offer) => !isDisplaced(offer))
    .map(booking);
  return (
    (await drawing.stageBookings(release, round, bookings)) &&
    (displaced.size === 0 || (await drawing.stageDisplaced(release, round, displaced))) &&
    drawing.stageOffers(release, round, ids)
  );
}

/** Makes all that was staged count. False when another worker did so before. */
async function flip(
  drawing: DrawingStore,
  ledger: Ledger,
  round: number,
  drawn: Drawn,
  { record, digest }: FinishedRound,
): Promise<boolean> {
  const { release } = ledger.manifest;
  // What happened is in the transcript, and may fill megabytes: whoever reads a round is spared it.
  const { since: _, ...brief } = record;
  const { offers } = drawn;
  const result = { record: jcs(brief), digest, seats: seatChanges(ledger, drawn), offers };
  const { outcome } = await drawing.publish(release, round, result);
  assert(outcome !== 'SEATS_SHORT', `round ${round} of ${release} gave a seat that is not free`);
  return outcome === 'PUBLISHED';
}

/** The sealed list, which is never in memory but as columns. */
async function readEntries(drawing: DrawingStore, manifest: DrawnManifest): Promise<EntryColumns> {
  const builder = checkedBuilder(manifest, ENTRIES_MAX);
  await drawing.sealedEntries(manifest.release, (batch) => {
    for (let at = 0; at < batch.length; at += 2) {
      const { persons, prefs, categories } = unpackEntry(present(batch[at + 1], 'entry'));
      const entry = present(batch[at], 'entry id');
      builder.add({ entry, size: persons.length, prefs, categories });
    }
  });
  return builder.finish().table;
}

/**
 * What the round changes in pools. What cancelled and expired entries gave back is free in Redis
 * already, and what operators took is no longer counted there as a pool's.
 */
function seatChanges({ pools, capacity }: Ledger, { settled, after }: Drawn): SeatChange[] {
  const changes: SeatChange[] = [];
  for (const [number, seats] of after.entries()) {
    const free = seats - present(settled.returned[number], 'pool');
    const moved = present(capacity[number], 'pool') - present(settled.capacity[number], 'pool');
    const slot = present(pools.slot[number], 'pool');
    const pool = number - present(pools.start[slot], 'slot');
    if (free !== 0 || moved !== 0) changes.push([`${slot}/${pool}`, free, moved]);
  }
  return changes;
}
