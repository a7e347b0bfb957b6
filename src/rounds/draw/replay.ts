/**
 * Recomputes one round from its transcript and refuses the first line that differs. The worker
 * rebuilds its ledger through this code too, so that it carries on from what anyone can check.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { present } from '../../lib/assert.ts';
import { isoFromMs, msFromIso } from '../../lib/clock.ts';
import { hex } from '../../lib/hash.ts';
import { jcs } from '../../lib/jcs.ts';
import { DrawnManifest } from '../../releases/manifest.ts';
import { BeaconValue, beaconProblem, trustOf } from '../beacon/beacon.ts';
import { drawCarried, joinLedger, type Offer, rankKeys } from './draw.ts';
import { withRoom } from './bytes.ts';
import {
  documentText,
  ENTRY_ID,
  type EntryRow,
  type EntryTable,
  entryTableBuilder,
  HASH_BYTES,
  leafHashes,
  rowProblem,
} from './entry-table.ts';
import {
  createLedger,
  findLive,
  inOrder,
  type Ledger,
  type Settled,
  settle,
  type Since,
  WAITING,
} from './ledger.ts';
import {
  LINE_BYTES_MAX,
  LINE_FEED,
  LINE_PARTS_MAX,
  type Line,
  type Mismatch,
  partsOf,
  readLinesTogether,
} from './lines.ts';
import { categoriesOf, manifestProblem } from './pools.ts';
import { receiptKeyProblem } from '../receipt-key.ts';
import { rootOf, Seal, sealTerms, seedOf } from './seal.ts';
import {
  closeRound,
  digestLine,
  manifestLine,
  offerLine,
  placeOf,
  placeTexts,
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
 * Checks one line, given what hashes all bytes before it: answers what checks the next one, or the
 * end.
 */
type Step = (line: Line, before: () => string) => Step | Replayed | Mismatch;

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

const ManifestLine = z.strictObject({ kind: z.literal('manifest'), manifest: DrawnManifest });
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
  if (line.text.length > SHORT_LINE_LENGTH && partsOf(line.text) > LINE_PARTS_MAX)
    return wrong(line, `the line has more than ${LINE_PARTS_MAX} lists, objects and members`);
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
  return isCanonical(read, line) ? read : wrong(line, NOT_CANONICAL);
}

function isCanonical(read: object, { text }: Line): boolean {
  try {
    return jcs(read) === text;
  } catch {
    return false; // half of a surrogate pair is JSON, but has no canonical form
  }
}

/** Whether all numbers are whole and exact, at whatever depth. */
function isExact(document: unknown): boolean {
  const left = [document];
  for (let value = left.pop(); value !== undefined; value = left.pop()) {
    if (typeof value === 'number' && !Number.isSafeInteger(value)) return false;
    if (typeof value === 'object' && value !== null)
      for (const inner of Object.values(value)) left.push(inner);
  }
  return true;
}

/** Line 1 of a first file: nothing is known yet. */
const firstManifest: Step = (line) => {
  const read = parse(line, ManifestLine, Infinity);
  if (isMismatch(read)) return read;
  // As it stands in the file, with whatever members it has for people.
  const { manifest } = JSON.parse(line.text) as typeof read;
  if (!isCanonical({ kind: 'manifest', manifest }, line)) return wrong(line, NOT_CANONICAL);
  if (!isExact(manifest)) return wrong(line, 'the manifest has a number that is not whole');
  const problem = manifestProblem(manifest) ?? receiptKeyProblem(manifest.receipt_key);
  if (problem !== undefined) return wrong(line, problem);
  return sinceStep(createLedger(manifest));
};

/** Line 1 of round 0 where the manifest is known already. */
const sameManifest =
  (ledger: Ledger): Step =>
  (line) =>
    line.text === manifestLine(ledger)
      ? sinceStep(ledger)
      : wrong(line, `this is not the manifest with the hash ${ledger.manifestHash}`);

/** What happened may fill a line with ids: at most of all who are in. */
const lineBytesMax = (ledger: Ledger | undefined): number =>
  (ledger?.cohorts ?? []).reduce((total, { live }) => total + 32 * live, LINE_BYTES_MAX);

const sinceStep =
  (ledger: Ledger): Step =>
  (line) => {
    const read = parse(line, SinceLine, Infinity);
    if (isMismatch(read)) return read;
    if (sinceLine(inOrder(read.since)) !== line.text)
      return wrong(
        line,
        'the lists of what happened are not in their order, or not canonical JSON',
      );
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
    const { cut_at: cutAt, sealed_at: sealedAt } = seal;
    const terms = sealTerms(ledger, since, { cutAt, sealedAt });
    const members: Readonly<Record<string, unknown>> = seal;
    for (const [name, term] of Object.entries(terms))
      if (jcs(members[name]) !== jcs(term)) return wrong(line, `${name} must be ${jcs(term)}`);
    const problem = timesProblem(ledger, settled, seal);
    if (problem !== undefined) return wrong(line, problem);
    return beaconStep({ ledger, since, settled, seal, sealedOnLine: line.number });
  };

/** What the times of a seal contradict, if anything. */
function timesProblem(
  { manifest, valueAtMs }: Ledger,
  { expiredOf }: Settled,
  { cut_at: cutAt, sealed_at: at }: Seal,
): string | undefined {
  if (cutAt < manifest.closes_at) return `the list was fixed before ${manifest.closes_at}`;
  if (at < cutAt) return 'the round was sealed before its list was fixed';
  const cutAtMs = msFromIso(cutAt);
  if (cutAtMs <= (valueAtMs.at(-1) ?? -Infinity))
    return "the list was not fixed after the seal and the beacon's value of the round before";
  const offeredAtMs = valueAtMs[expiredOf];
  if (offeredAtMs === undefined) return undefined;
  const earliestMs = offeredAtMs + manifest.confirm_within_s * 1000;
  return cutAtMs < earliestMs
    ? `offers of round ${expiredOf} have expired, which could be confirmed until ${isoFromMs(earliestMs)}`
    : undefined;
}

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
    const trust = trustOf(terms);
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

/** An entry line, read. */
type ReadEntry = {
  readonly row: EntryRow;
  /** As JSON. */
  readonly cats: string;
  /** As JSON. */
  readonly prefs: string;
  readonly key: string;
  readonly leaf: string;
  /** Number of the pool that the line says gave the seats; WAITING; undefined for no such pool. */
  readonly pool: number | undefined;
  readonly canonical: boolean;
};

const ENTRY_LINE = new RegExp(
  '^{"cats":(\\[[^\\]]*\\]),"entry":"([^"]*)","key":"([^"]*)","kind":"entry","leaf":"([^"]*)",' +
    '"pool":(null|"[^"]*"),"prefs":\\[([^\\]]*)\\],"size":([1-9]),"slot":(null|"[^"]*")}$',
);
/** Sets of categories whose JSON is remembered. */
const CATS_KEPT = 1_024;

/**
 * Reads entry lines without a parser where they are canonical JSON with names of the manifest, for
 * there can be millions; undefined for any other line.
 */
function quickReader(ledger: Ledger): (line: Line) => ReadEntry | undefined {
  const { slots } = ledger.manifest;
  const categories = categoriesOf(ledger.manifest);
  const slotNumbers = new Map(slots.map(({ slot }, number) => [JSON.stringify(slot), number]));
  const pools = new Map<string, number>();
  for (const number of [WAITING, ...ledger.free.keys()]) {
    const { slot, pool } = placeTexts(placeOf(ledger, number));
    pools.set(`${slot} ${pool}`, number);
  }
  const catsByText = new Map<string, readonly string[]>();
  const catsOf = (text: string): readonly string[] | undefined => {
    const known = catsByText.get(text);
    if (known) return known;
    const cats = categories.filter((name) => text.includes(JSON.stringify(name)));
    if (JSON.stringify(cats) !== text) return undefined;
    if (catsByText.size < CATS_KEPT) catsByText.set(text, cats);
    return cats;
  };
  return ({ text }) => {
    const match = text.length > SHORT_LINE_LENGTH ? null : ENTRY_LINE.exec(text);
    if (!match) return undefined;
    const [, cats = '', entry = '', key = '', leaf = '', pool, prefs = '', size, slot] = match;
    const names = catsOf(cats);
    if (!names) return undefined;
    const numbers: number[] = [];
    for (const pref of prefs.split(',')) {
      const number = slotNumbers.get(pref);
      if (number === undefined) return undefined;
      numbers.push(number);
    }
    const row = { entry, size: Number(size), categories: names, prefs: numbers };
    return {
      row,
      cats,
      prefs: `[${prefs}]`,
      key,
      leaf,
      pool: pools.get(`${slot} ${pool}`),
      canonical: true,
    };
  };
}

/** Reads any entry line, or says what is wrong with it. */
function carefulReader({ manifest, pools }: Ledger): (line: Line) => ReadEntry | Mismatch {
  const slots = new Map(manifest.slots.map(({ slot }, number) => [slot, number]));
  const poolOf = (slot: string | null, pool: string | null): number | undefined => {
    if (slot === null && pool === null) return WAITING;
    const number = slots.get(slot ?? '') ?? -1;
    const within = manifest.slots[number]?.pools.findIndex((one) => one.pool === pool) ?? -1;
    return within < 0 ? undefined : present(pools.start[number], 'slot') + within;
  };
  return (line) => {
    const read = parse(line, EntryLine);
    if (isMismatch(read)) return read;
    const { cats, entry, prefs, size, key, leaf } = read;
    const numbers = prefs.map((slot) => slots.get(slot) ?? -1);
    return {
      row: { entry, size, categories: cats, prefs: numbers },
      cats: JSON.stringify(cats),
      prefs: JSON.stringify(prefs),
      key,
      leaf,
      pool: poolOf(read.slot, read.pool),
      canonical: isCanonical(read, line),
    };
  };
}

/** The entries of a round as they were read. */
type ReadEntries = {
  readonly table: EntryTable;
  /** Rows in the order of their lines. */
  readonly order: Uint32Array;
  /** By place in that order: the pool that the line says gave the seats, or WAITING. */
  readonly claimed: Int32Array;
};

/** Gathers entries whose lines are right as far as one can tell from a line. */
function gatherEntries(ledger: Ledger, most: number) {
  const builder = entryTableBuilder(ledger.manifest, most);
  let leaves = Buffer.alloc(0);
  let claimed = new Int32Array();
  const add = (row: EntryRow, leaf: string, pool: number): void => {
    const at = builder.count();
    builder.add(row);
    leaves = withRoom(leaves, (at + 1) * HASH_BYTES);
    leaves.write(leaf, at * HASH_BYTES, 'hex');
    claimed = withRoom(claimed, at + 1);
    claimed[at] = pool;
  };
  const finish = (): ReadEntries => {
    const { table, added } = builder.finish();
    const sorted = Buffer.alloc(table.count * HASH_BYTES);
    const order = new Uint32Array(table.count);
    for (const [row, at] of added.entries()) {
      leaves.copy(sorted, row * HASH_BYTES, at * HASH_BYTES, (at + 1) * HASH_BYTES);
      order[at] = row;
    }
    return { table: { ...table, leaves: sorted }, order, claimed };
  };
  return { count: builder.count, add, finish };
}

/**
 * Reads the entries. Whether they got what is written can only be told when all of them are there.
 */
function entryStep(opening: Opening): Step {
  const { ledger, seal, beacon } = opening;
  const categories = categoriesOf(ledger.manifest);
  const readQuickly = quickReader(ledger);
  const readCarefully = carefulReader(ledger);
  const keyOf = rankKeys(seedOf(ledger.manifest.beacon, seal, beacon));
  const leafOf = leafHashes();
  const entries = gatherEntries(ledger, seal.count);
  let lastKey = '';

  const step: Step = (line) => {
    const read = readQuickly(line) ?? readCarefully(line);
    if (isMismatch(read))
      return wrong(line, `entry ${entries.count() + 1} of ${seal.count}: ${read.reason}`);
    const { row, pool } = read;
    const problem = rowProblem(ledger.manifest, categories, row);
    if (problem !== undefined) return wrong(line, problem);
    const leaf = leafOf(documentText(read.cats, row.entry, read.prefs, row.size));
    if (read.leaf !== leaf) return wrong(line, `leaf must be ${leaf}`);
    const key = keyOf(row.entry);
    if (read.key !== key) return wrong(line, `key must be ${key}`);
    if (key <= lastKey) return wrong(line, 'the entry is out of order: keys ascend');
    if (findLive(ledger, row.entry)) return wrong(line, 'the entry waits or holds a seat already');
    if (pool === undefined) return wrong(line, 'the manifest has no such slot and pool');
    if (!read.canonical) return wrong(line, NOT_CANONICAL);
    lastKey = key;
    entries.add(row, leaf, pool);
    return entries.count() < seal.count ? step : seatsStep(opening, entries.finish());
  };
  return seal.count > 0 ? step : seatsStep(opening, entries.finish());
}

const seatsStep =
  (opening: Opening, { table, order, claimed }: ReadEntries): Step =>
  (line) => {
    const { ledger, seal, sealedOnLine, offers } = opening;
    const root = rootOf(table);
    if (seal.root !== root)
      return {
        line: sealedOnLine,
        reason: `root must be ${root}: entries are missing, added or changed`,
      };
    const given = joinLedger(ledger, table, order);
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
    const transcriptHash = before();
    const { digest } = recordOf(opening, transcriptHash);
    const expected = digestLine(digest, transcriptHash);
    if (line.text !== expected) return wrong(line, `the line must be ${expected}`);
    closeRound(ledger, opening, digest);
    const { round, count: entries } = seal;
    return { ledger, seal, round, digest, entries, served, lines: line.number };
  };

const nextRound = (ledger: Ledger): Step =>
  ledger.nextRound === 0 ? sameManifest(ledger) : sinceStep(ledger);

/** Bytes gathered before they are hashed: a call a line would take longer than all hashing. */
const GATHERED_BYTES = 256 * 1024;
/** Of one character in UTF-8, as JavaScript counts characters. */
const BYTES_MAX = 3;

/** SHA-256, in hex, of all lines that were added so far, with their line feeds. */
function runningHash() {
  const hasher = createHash('sha256');
  const gathered = Buffer.alloc(GATHERED_BYTES);
  let length = 0;
  const flush = (): void => {
    hasher.update(gathered.subarray(0, length));
    length = 0;
  };
  const add = ({ text }: Line): void => {
    const most = BYTES_MAX * text.length + 1;
    if (length + most > GATHERED_BYTES) flush();
    if (most > GATHERED_BYTES) return void hasher.update(`${text}\n`);
    length += gathered.write(text, length, 'utf8');
    gathered[length++] = LINE_FEED;
  };
  const digest = (): string => {
    flush();
    return hasher.copy().digest('hex');
  };
  return { add, digest };
}

/**
 * Recomputes the next round of `ledger` from a transcript, and moves the ledger on. Without a
 * ledger the file must be that of round 0, and its manifest makes one. After a mismatch the ledger
 * is half changed and of no use.
 */
export async function replay(
  ledger: Ledger | undefined,
  bytes: AsyncIterable<Uint8Array>,
): Promise<Replayed | Mismatch> {
  const before = runningHash();
  const longest = lineBytesMax(ledger);
  let step = ledger ? nextRound(ledger) : firstManifest;
  let replayed: Replayed | undefined;
  let number = 0;
  for await (const together of readLinesTogether(bytes, { longest }))
    for (const line of together) {
      if (isMismatch(line)) return line;
      if (replayed) return wrong(line, 'there is something after the digest');
      const next = step(line, before.digest);
      if (typeof next === 'function') step = next;
      else if (isMismatch(next)) return next;
      else replayed = next;
      before.add(line);
      number = line.number;
    }
  return replayed ?? { line: number + 1, reason: 'the file ends before its digest' };
}
