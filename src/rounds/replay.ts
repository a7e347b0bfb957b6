/**
 * Recomputes one round from its transcript and refuses the first line that differs. The worker
 * rebuilds its ledger through this code too, so that it carries on from what anyone can check.
 */
import { createHash, type Hash } from 'node:crypto';
import { z } from 'zod';
import { present } from '../lib/assert.ts';
import { hex } from '../lib/hash.ts';
import { jcs } from '../lib/jcs.ts';
import { LotteryManifest } from '../releases/manifest.ts';
import { BEACON_TRUST, BeaconValue, beaconProblem } from './beacon.ts';
import { drawCarried, drawNew, type Offer, rankKey, rankPrefix } from './draw.ts';
import { ENTRY_ID, type EntryTable, entryTableBuilder, leafOf, rowProblem } from './entry-table.ts';
import {
  createLedger,
  findLive,
  idBytes,
  inOrder,
  type Ledger,
  type Settled,
  settle,
  type Since,
  WAITING,
} from './ledger.ts';
import { type Line, type Mismatch, readLines } from './lines.ts';
import { categoriesOf, manifestProblem } from './pools.ts';
import { rootOf, Seal, sealTerms, seedOf } from './seal.ts';
import {
  closeRound,
  digestLine,
  entryLine,
  manifestLine,
  offerLine,
  placeOf,
  recordOf,
  seatsLine,
  sinceLine,
} from './transcript.ts';

export type Replayed = {
  /** As it stands after the round. */
  readonly ledger: Ledger;
  readonly seal: Seal;
  readonly round: number;
  readonly digest: string;
  /** Entries sealed in the round. */
  readonly entries: number;
  /** Entries, of this round or earlier ones, that the round gave seats to. */
  readonly served: number;
  /** Lines of the file. */
  readonly lines: number;
};

/**
 * Checks one line, given a hash of all bytes before it: answers what checks the next one, or the
 * end.
 */
type Step = (line: Line, before: Hash) => Step | Replayed | Mismatch;

/** What has been read and recomputed before the entries. */
type Opening = {
  readonly ledger: Ledger;
  readonly since: Since;
  readonly seal: Seal;
  readonly sealedOnLine: number;
  readonly beacon: BeaconValue;
  readonly settled: Settled;
  readonly seatsBefore: Int32Array;
  readonly offers: readonly Offer[];
};

/** Lines whose length does not depend on the manifest or on how many entries there are. */
const SHORT_LINE_LENGTH = 16_384;
const NOT_CANONICAL = 'the line is not canonical JSON (RFC 8785)';

const ManifestLine = z.strictObject({ kind: z.literal('manifest'), manifest: LotteryManifest });
const EntryIds = z.array(z.string().regex(ENTRY_ID));
const SinceLine = z.strictObject({
  kind: z.literal('since'),
  since: z.strictObject({
    cancelled: EntryIds,
    closed: z.array(z.string()),
    expired: EntryIds,
    lost: z.array(z.tuple([z.string(), z.string(), z.int().min(1)])),
    withdrawn: EntryIds,
  }),
});
const SealLine = z.strictObject({ kind: z.literal('seal'), seal: Seal });
const BeaconLine = z.strictObject({
  beacon: BeaconValue,
  kind: z.literal('beacon'),
  seed: z.string(),
  trust: z.string(),
});
const EntryLine = z.strictObject({
  cats: z.array(z.string()),
  entry: z.string(),
  key: z.string(),
  kind: z.literal('entry'),
  leaf: z.string(),
  pool: z.string().nullable(),
  prefs: z.array(z.string()),
  size: z.number(),
  slot: z.string().nullable(),
});

const wrong = ({ number }: Line, reason: string): Mismatch => ({ line: number, reason });
export const isMismatch = (value: object): value is Mismatch => 'reason' in value;

/** The line as `schema` has it, or what is wrong with it. */
function parse<T extends object>(
  line: Line,
  schema: z.ZodType<T>,
  longest = SHORT_LINE_LENGTH,
): T | Mismatch {
  if (line.text.length > longest) return wrong(line, `the line is longer than ${longest}`);
  let json: unknown;
  try {
    json = JSON.parse(line.text);
  } catch {
    return wrong(line, 'the line is not JSON');
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = present(result.error.issues[0], 'issue');
  return wrong(line, [...issue.path.map(String), issue.message].join(': '));
}

/** The same, and the line must be its canonical JSON. */
function parseCanonical<T extends object>(
  line: Line,
  schema: z.ZodType<T>,
  longest?: number,
): T | Mismatch {
  const read = parse(line, schema, longest);
  if (isMismatch(read)) return read;
  try {
    if (jcs(read) === line.text) return read;
  } catch {
    // Half of a surrogate pair is JSON, but has no canonical form.
  }
  return wrong(line, NOT_CANONICAL);
}

/** Line 1 of a first file: nothing is known yet. */
const firstManifest: Step = (line) => {
  const read = parseCanonical(line, ManifestLine, Infinity);
  if (isMismatch(read)) return read;
  const problem = manifestProblem(read.manifest);
  if (problem !== undefined) return wrong(line, problem);
  return sinceStep(createLedger(read.manifest));
};

/** Line 1 of round 0 where the manifest is known already. */
const sameManifest =
  (ledger: Ledger): Step =>
  (line) =>
    line.text === manifestLine(ledger)
      ? sinceStep(ledger)
      : wrong(line, `this is not the manifest with the hash ${ledger.manifestHash}`);

const sinceStep =
  (ledger: Ledger): Step =>
  (line) => {
    const live = ledger.cohorts.reduce((total, cohort) => total + cohort.live, 0);
    const longest = SHORT_LINE_LENGTH + 32 * live + 80 * ledger.manifest.slots.length;
    const read = parseCanonical(line, SinceLine, longest);
    if (isMismatch(read)) return read;
    if (sinceLine(inOrder(read.since)) !== line.text)
      return wrong(line, 'the lists of what happened are not in their order');
    const places = read.since.lost.map(([slot, pool]) => `${slot}/${pool}`);
    if (new Set(places).size < places.length) return wrong(line, 'a pool has lost seats twice');
    const settled = settle(ledger, read.since);
    return 'misfit' in settled
      ? wrong(line, settled.misfit)
      : sealStep(ledger, read.since, settled);
  };

const sealStep =
  (ledger: Ledger, since: Since, settled: Settled): Step =>
  (line) => {
    const read = parseCanonical(line, SealLine);
    if (isMismatch(read)) return read;
    const { seal } = read;
    const terms = sealTerms(ledger, since, seal.sealed_at);
    const members: Readonly<Record<string, unknown>> = seal;
    for (const [name, term] of Object.entries(terms))
      if (jcs(members[name]) !== jcs(term)) return wrong(line, `${name} must be ${jcs(term)}`);
    if (seal.sealed_at < ledger.manifest.closes_at)
      return wrong(line, `the round was sealed before ${ledger.manifest.closes_at}`);
    if (seal.sealed_at <= ledger.previousSealedAt)
      return wrong(line, 'the round was not sealed after the one before');
    return beaconStep({ ledger, since, settled, seal, sealedOnLine: line.number });
  };

const beaconStep =
  (sealed: Pick<Opening, 'ledger' | 'since' | 'settled' | 'seal' | 'sealedOnLine'>): Step =>
  (line) => {
    const read = parseCanonical(line, BeaconLine);
    if (isMismatch(read)) return read;
    const { beacon } = read;
    const { ledger, seal } = sealed;
    const { manifest, previousBeacon } = ledger;
    const terms = manifest.beacon;
    const problem = beaconProblem(terms, seal.beacon, previousBeacon, beacon);
    if (problem !== undefined) return wrong(line, problem);
    const seed = hex(seedOf(terms, seal, beacon));
    if (read.seed !== seed) return wrong(line, `seed must be ${seed}, by this seal and value`);
    const trust = BEACON_TRUST[terms.kind];
    if (read.trust !== trust) return wrong(line, `trust must be ${trust}`);
    const seatsBefore = ledger.free.slice();
    const offers = drawCarried(ledger);
    return offerStep({ ...sealed, beacon, seatsBefore, offers }, 0);
  };

/**
 * All offers to those of earlier rounds follow from what is known, and so does how many there are.
 */
function offerStep(opening: Opening, number: number): Step {
  const offer = opening.offers[number];
  if (!offer) return entryStep(opening);
  const expected = offerLine(opening.ledger, offer);
  return (line) =>
    line.text === expected
      ? offerStep(opening, number + 1)
      : wrong(line, `the line must be ${expected}`);
}

/**
 * Number of the pool that an entry line says gave the seats, WAITING for none, undefined for no
 * such pool.
 */
function claimedPool(
  { manifest, pools }: Ledger,
  slots: ReadonlyMap<string, number>,
  place: { readonly slot: string | null; readonly pool: string | null },
): number | undefined {
  if (place.slot === null && place.pool === null) return WAITING;
  const slot = slots.get(place.slot ?? '') ?? -1;
  const pool = manifest.slots[slot]?.pools.findIndex(({ pool }) => pool === place.pool) ?? -1;
  return pool < 0 ? undefined : present(pools.start[slot], 'slot') + pool;
}

/**
 * Reads the entries. Whether they got what is written can only be told when all of them are there.
 */
function entryStep(opening: Opening): Step {
  const { ledger, seal, beacon } = opening;
  const categories = categoriesOf(ledger.manifest);
  const slots = new Map(ledger.manifest.slots.map(({ slot }, number) => [slot, number]));
  const prefix = rankPrefix(seedOf(ledger.manifest.beacon, seal, beacon));
  const builder = entryTableBuilder(ledger.manifest, seal.count);
  const claimed = new Int32Array(seal.count);
  let lastKey = '';

  const step: Step = (line) => {
    const read = parse(line, EntryLine);
    if (isMismatch(read))
      return wrong(line, `entry ${builder.count() + 1} of ${seal.count}: ${read.reason}`);
    const { cats, entry, prefs, size } = read;
    const numbers = prefs.map((slot) => slots.get(slot) ?? -1);
    const row = { entry, size, categories: cats, prefs: numbers };
    const problem = rowProblem(ledger.manifest, categories, row);
    if (problem !== undefined) return wrong(line, problem);
    const leaf = leafOf(read);
    if (read.leaf !== hex(leaf)) return wrong(line, `leaf must be ${hex(leaf)}`);
    const key = hex(rankKey(prefix, idBytes(entry)));
    if (read.key !== key) return wrong(line, `key must be ${key}`);
    if (key <= lastKey) return wrong(line, 'the entry is out of order: keys ascend');
    if (findLive(ledger, entry)) return wrong(line, 'the entry waits or holds a seat already');
    const pool = claimedPool(ledger, slots, read);
    if (pool === undefined) return wrong(line, 'the manifest has no such slot and pool');
    if (entryLine(read, key, read.leaf, placeOf(ledger, pool)) !== line.text)
      return wrong(line, NOT_CANONICAL);
    lastKey = key;
    claimed[builder.count()] = pool;
    builder.add(row, leaf);
    return builder.count() < seal.count ? step : seatsStep(opening, builder.finish(), claimed);
  };
  return seal.count > 0 ? step : seatsStep(opening, builder.finish(), claimed);
}

/**
 * `claimed`: by place in the draw, the pool that the entry's line says gave the seats, or WAITING.
 */
const seatsStep =
  (opening: Opening, table: EntryTable, claimed: Int32Array): Step =>
  (line) => {
    const { ledger, seal, sealedOnLine, offers } = opening;
    const root = rootOf(table);
    if (seal.root !== root)
      return {
        line: sealedOnLine,
        reason: `root must be ${root}: entries are missing, added or changed`,
      };
    const seed = seedOf(ledger.manifest.beacon, seal, opening.beacon);
    const { order, given } = drawNew(ledger, table, seed);
    const named = (pool: number): string => {
      const place = placeOf(ledger, pool);
      return place ? `${place.slot} ${place.pool}` : 'no seat';
    };
    for (let place = 0; place < order.length; place++) {
      const drawn = present(given[present(order[place], 'place')], 'entry');
      if (claimed[place] !== drawn)
        return {
          line: line.number - order.length + place,
          reason: `the draw gives this entry ${named(drawn)}`,
        };
    }
    const { last } = opening.settled;
    const seats = { last, before: opening.seatsBefore, after: ledger.free };
    if (seatsLine(ledger, seats) !== line.text)
      return wrong(line, 'these are not the seats before and after the draw');
    const served = offers.length + given.filter((pool) => pool !== WAITING).length;
    return digestStep(opening, served);
  };

const digestStep =
  (opening: Opening, served: number): Step =>
  (line, before) => {
    const { ledger, seal } = opening;
    const transcriptHash = before.copy().digest('hex');
    const { digest } = recordOf(opening, transcriptHash);
    const expected = digestLine(digest, transcriptHash);
    if (line.text !== expected) return wrong(line, `the line must be ${expected}`);
    closeRound(ledger, opening, digest);
    const { round, count: entries } = seal;
    return { ledger, seal, round, digest, entries, served, lines: line.number };
  };

const nextRound = (ledger: Ledger): Step =>
  ledger.nextRound === 0 ? sameManifest(ledger) : sinceStep(ledger);

/**
 * Recomputes the next round of `ledger` from a transcript, and moves the ledger on. Without a
 * ledger the file must be that of round 0, and its manifest makes one. After a mismatch the ledger
 * is half changed and of no use.
 */
export async function replay(
  ledger: Ledger | undefined,
  bytes: AsyncIterable<Uint8Array>,
): Promise<Replayed | Mismatch> {
  const before = createHash('sha256');
  let step = ledger ? nextRound(ledger) : firstManifest;
  let replayed: Replayed | undefined;
  let lines = 0;
  for await (const line of readLines(bytes)) {
    if (isMismatch(line)) return line;
    if (replayed) return wrong(line, 'there is something after the digest');
    const next = step(line, before);
    if (typeof next === 'function') step = next;
    else if (isMismatch(next)) return next;
    else replayed = next;
    before.update(line.bytes);
    lines = line.number;
  }
  return replayed ?? { line: lines + 1, reason: 'the file ends before its digest' };
}
