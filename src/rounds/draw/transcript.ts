/**
 * The published file of a round: NDJSON, each line canonical JSON (docs/draw.md lists them), in
 * gzip. Every line is written here; the verifier compares what it reads with what these functions
 * give.
 */
import { createHash } from 'node:crypto';
import { assert, present } from '../../lib/assert.ts';
import { msFromIso } from '../../lib/clock.ts';
import { hex, sha256 } from '../../lib/hash.ts';
import { jcs } from '../../lib/jcs.ts';
import { type BeaconTerms, type BeaconValue, trustOf, valueTimeMs } from '../beacon/beacon.ts';
import { type Drawn, KEY_BYTES, type Offer } from './draw.ts';
import { ENTRY_ID_BYTES, type EntryTable, entryAt, HASH_BYTES, rowTexts } from './entry-table.ts';
import { gzipBlocks } from './gzip-blocks.ts';
import { type Ledger, type Since, WAITING } from './ledger.ts';
import { type Seal, seedOf } from './seal.ts';

/** All that a transcript tells of a round. */
export type DrawnRound = {
  readonly ledger: Ledger;
  readonly table: EntryTable;
  readonly since: Since;
  readonly seal: Seal;
  readonly beacon: BeaconValue;
  readonly drawn: Drawn;
};

export type RoundRecord = {
  readonly beacon: BeaconValue;
  readonly release: string;
  readonly round: number;
  readonly seal: Seal;
  readonly seed: string;
  readonly since: Since;
  readonly transcript_sha256: string;
  readonly trust: string;
};

export type FinishedRound = {
  readonly record: RoundRecord;
  /** In hex. */
  readonly digest: string;
};

/** A slot's id and the name of one of its pools. */
export type Place = { readonly slot: string; readonly pool: string };

/** The place of a pool that is numbered through all slots; undefined for WAITING. */
export function placeOf(
  { manifest, pools }: Pick<Ledger, 'manifest' | 'pools'>,
  number: number,
): Place | undefined {
  if (number === WAITING) return undefined;
  const at = present(pools.slot[number], 'slot');
  const slot = present(manifest.slots[at], 'slot');
  const { pool } = present(slot.pools[number - present(pools.start[at], 'pool')], 'pool');
  return { slot: slot.slot, pool };
}

export const manifestLine = ({ manifest }: Ledger): string => jcs({ kind: 'manifest', manifest });

export const sinceLine = (since: Since): string => jcs({ kind: 'since', since });

export const sealLine = (seal: Seal): string => jcs({ kind: 'seal', seal });

const beaconLine = (terms: BeaconTerms, seal: Seal, beacon: BeaconValue): string =>
  jcs({
    beacon,
    kind: 'beacon',
    seed: hex(seedOf(terms, seal, beacon)),
    trust: trustOf(terms),
  });

export function offerLine({ manifest }: Ledger, offer: Offer): string {
  const { slot, pools } = present(manifest.slots[offer.slot], 'slot');
  const { pool } = present(pools[offer.pool], 'pool');
  return jcs({ entry: offer.entry, kind: 'offer', pool, slot });
}

/** Where the seats of a pool are, as JSON: null twice for WAITING. */
export const placeTexts = (place: Place | undefined): { slot: string; pool: string } => ({
  slot: JSON.stringify(place?.slot ?? null),
  pool: JSON.stringify(place?.pool ?? null),
});

/** Names and lists as JSON: see documentText. */
const entryLine = (line: {
  readonly cats: string;
  /** In base64url, without quotes, like hashes in hex. */
  readonly entry: string;
  readonly key: string;
  readonly leaf: string;
  readonly pool: string;
  readonly prefs: string;
  readonly size: number;
  readonly slot: string;
}): string =>
  `{"cats":${line.cats},"entry":"${line.entry}","key":"${line.key}","kind":"entry",` +
  `"leaf":"${line.leaf}","pool":${line.pool},"prefs":${line.prefs},"size":${line.size},` +
  `"slot":${line.slot}}`;

/** By pool: seats free after the last round, and before and after the draw. */
type SeatsByPool = Record<'last' | 'before' | 'after', Int32Array>;

export function seatsLine(ledger: Ledger, { last, before, after }: SeatsByPool): string {
  const seats: unknown[] = [];
  for (const [number, free] of before.entries()) {
    const left = after[number];
    if (ledger.nextRound > 0 && free === last[number] && free === left) continue;
    const place = placeOf(ledger, number);
    seats.push([place?.slot, place?.pool, free, left]);
  }
  return jcs({ kind: 'seats', seats });
}

/** `transcriptHash`: SHA-256, in hex, of all bytes of the transcript before its last line. */
export function recordOf(
  { ledger, since, seal, beacon }: Pick<DrawnRound, 'ledger' | 'since' | 'seal' | 'beacon'>,
  transcriptHash: string,
): FinishedRound {
  const { release, round } = seal;
  const terms = ledger.manifest.beacon;
  const record = {
    beacon,
    release,
    round,
    seal,
    seed: hex(seedOf(terms, seal, beacon)),
    since,
    transcript_sha256: transcriptHash,
    trust: trustOf(terms),
  };
  return { record, digest: hex(sha256(Buffer.from(jcs(record)))) };
}

export const digestLine = (digest: string, transcriptHash: string): string =>
  jcs({ digest, kind: 'digest', transcript_sha256: transcriptHash });

/** Moves a drawn ledger on to its next round. */
export function closeRound(
  ledger: Ledger,
  { seal, beacon }: Pick<DrawnRound, 'seal' | 'beacon'>,
  digest: string,
): void {
  ledger.nextRound += 1;
  const { beacon: terms } = ledger.manifest;
  ledger.valueAtMs.push(valueTimeMs(terms, seal.beacon) ?? msFromIso(seal.sealed_at));
  ledger.previousDigest = digest;
  ledger.previousBeacon = beacon;
}

/** Entries whose columns are fetched together: what they fill stays in a core's cache. */
const ROWS_TOGETHER = 64;

/**
 * Reads what an entry's line is made of in rows that come next. Draw order is random in memory, so
 * each line would wait for memory a dozen times in turn; here the processor waits for many at once.
 */
function fetchRows({ table, drawn }: DrawnRound, rows: Uint32Array): void {
  let sum = 0;
  for (const row of rows) {
    const pref = present(table.prefs[present(table.prefStart[row], 'row')], 'preference');
    sum += pref + present(table.categories[row], 'row') + present(table.sizes[row], 'row');
    sum += present(table.ids[row * ENTRY_ID_BYTES], 'row');
    sum += present(table.leaves[row * HASH_BYTES], 'row');
    sum += present(drawn.keys[row * KEY_BYTES], 'row') + present(drawn.given[row], 'row');
  }
  assert(Number.isFinite(sum), 'rows are numbers'); // and so all of it was read
}

function* entryLines(round: DrawnRound): Generator<string> {
  const { ledger, table, drawn } = round;
  const texts = rowTexts(ledger.manifest, table);
  const waits = placeTexts(undefined);
  const places = Array.from(ledger.free, (_, pool) => placeTexts(placeOf(ledger, pool)));
  for (const [place, row] of drawn.order.entries()) {
    if (place % ROWS_TOGETHER === 0)
      fetchRows(round, drawn.order.subarray(place, place + ROWS_TOGETHER));
    const { pool, slot } = places[present(drawn.given[row], 'entry')] ?? waits;
    yield entryLine({
      cats: texts.cats(row),
      entry: entryAt(table, row),
      key: drawn.keys.toString('hex', row * KEY_BYTES, (row + 1) * KEY_BYTES),
      leaf: table.leaves.toString('hex', row * HASH_BYTES, (row + 1) * HASH_BYTES),
      pool,
      prefs: texts.prefs(row),
      size: present(table.sizes[row], 'size'),
      slot,
    });
  }
}

function* linesBeforeDigest(round: DrawnRound): Generator<string> {
  const { ledger, since, seal, beacon, drawn } = round;
  if (seal.round === 0) yield manifestLine(ledger);
  yield sinceLine(since);
  yield sealLine(seal);
  yield beaconLine(ledger.manifest.beacon, seal, beacon);
  for (const offer of drawn.offers.slice(0, drawn.carried)) yield offerLine(ledger, offer);
  yield* entryLines(round);
  yield seatsLine(ledger, { ...drawn.settled, ...drawn });
}

/** Characters gathered before they are hashed and handed on to be compressed. */
const BLOCK_LENGTH = 512 * 1024;

/**
 * The transcript's bytes in blocks of whole lines; returns the round's record and its digest in
 * hex.
 */
export function* transcriptLines(round: DrawnRound): Generator<Buffer, FinishedRound> {
  const hasher = createHash('sha256');
  let text = '';
  for (const line of linesBeforeDigest(round)) {
    text += `${line}\n`;
    if (text.length < BLOCK_LENGTH) continue;
    const block = Buffer.from(text);
    hasher.update(block);
    yield block;
    text = '';
  }
  const transcriptHash = hasher.update(text).digest('hex');
  const finished = recordOf(round, transcriptHash);
  yield Buffer.from(`${text}${digestLine(finished.digest, transcriptHash)}\n`);
  return finished;
}

/** Bytes of one chunk of a compressed transcript: one write to Redis. */
const CHUNK_BYTES = 512 * 1024;

/**
 * A round that is drawn again must give the same chunks, however its compressed bytes arrive: all
 * but the last have CHUNK_BYTES.
 */
async function* inChunks(arriving: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const bytes of arriving) {
    parts.push(bytes);
    length += bytes.length;
    if (length < CHUNK_BYTES) continue;
    const whole = Buffer.concat(parts, length);
    let at = 0;
    for (; at + CHUNK_BYTES <= length; at += CHUNK_BYTES)
      yield whole.subarray(at, at + CHUNK_BYTES);
    parts = [whole.subarray(at)];
    length -= at;
  }
  if (length > 0) yield Buffer.concat(parts, length);
}

/**
 * Writes the transcript and moves the ledger on to its next round. `take` gets the file chunk by
 * chunk as it is compressed, on other threads, while this one writes further lines; when it says
 * no, there is no more.
 */
export async function finishRound(
  round: DrawnRound,
  take: (chunk: Buffer, number: number) => Promise<boolean>,
): Promise<FinishedRound | undefined> {
  let finished: FinishedRound | undefined;
  const lines = function* (): Generator<Buffer> {
    finished = yield* transcriptLines(round);
  };
  let number = 0;
  // One chunk is on its way while the next is made.
  let taken = Promise.resolve(true);
  for await (const chunk of inChunks(gzipBlocks(lines()))) {
    if (!(await taken)) return undefined;
    taken = take(chunk, number++);
    taken.catch(() => undefined); // it is heard of before the next
  }
  if (!(await taken)) return undefined;
  const { record, digest } = present(finished, 'end of the transcript');
  closeRound(round.ledger, round, digest);
  return { record, digest };
}
