/**
 * The published file of a round: NDJSON, each line canonical JSON (docs/draw.md lists them), in
 * gzip. Every line is written here; the verifier compares what it reads with what these functions
 * give.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import { present } from '../lib/assert.ts';
import { hex, sha256 } from '../lib/hash.ts';
import { jcs } from '../lib/jcs.ts';
import { BEACON_TRUST, type BeaconTerms, type BeaconValue } from './beacon.ts';
import { type Drawn, KEY_BYTES, type Offer } from './draw.ts';
import {
  type EntryDocument,
  type EntryTable,
  entryAt,
  HASH_BYTES,
  prefsAt,
} from './entry-table.ts';
import { type Ledger, type Since, WAITING } from './ledger.ts';
import { categoriesOf } from './pools.ts';
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

/** A slot's id and the name of one of its pools. */
export type Place = { readonly slot: string; readonly pool: string };

/** The place of a pool that is numbered through all slots; undefined for WAITING. */
export function placeOf({ manifest, pools }: Ledger, number: number): Place | undefined {
  if (number === WAITING) return undefined;
  const at = present(pools.slot[number], 'slot');
  const slot = present(manifest.slots[at], 'slot');
  const { pool } = present(slot.pools[number - present(pools.start[at], 'pool')], 'pool');
  return { slot: slot.slot, pool };
}

export const manifestLine = ({ manifest }: Ledger): string => jcs({ kind: 'manifest', manifest });

export const sinceLine = (since: Since): string => jcs({ kind: 'since', since });

export const sealLine = (seal: Seal): string => jcs({ kind: 'seal', seal });

export const beaconLine = (terms: BeaconTerms, seal: Seal, beacon: BeaconValue): string =>
  jcs({
    beacon,
    kind: 'beacon',
    seed: hex(seedOf(terms, seal, beacon)),
    trust: BEACON_TRUST[terms.kind],
  });

export function offerLine({ manifest }: Ledger, offer: Offer): string {
  const { slot, pools } = present(manifest.slots[offer.slot], 'slot');
  const { pool } = present(pools[offer.pool], 'pool');
  return jcs({ entry: offer.entry, kind: 'offer', pool, slot });
}

/** Members in ascending order, so that JSON.stringify gives JCS: see leafOf. */
export const entryLine = (
  { cats, entry, prefs, size }: EntryDocument,
  key: string,
  leaf: string,
  place: Place | undefined,
): string =>
  JSON.stringify({
    cats,
    entry,
    key,
    kind: 'entry',
    leaf,
    pool: place?.pool ?? null,
    prefs,
    size,
    slot: place?.slot ?? null,
  });

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
): { record: RoundRecord; digest: string } {
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
    trust: BEACON_TRUST[terms.kind],
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
  ledger.previousSealedAt = seal.sealed_at;
  ledger.previousDigest = digest;
  ledger.previousBeacon = beacon;
}

function* entryLines({ ledger, table, drawn }: DrawnRound): Generator<string> {
  const slots = ledger.manifest.slots.map(({ slot }) => slot);
  const categories = categoriesOf(ledger.manifest);
  for (const row of drawn.order) {
    const mask = present(table.categories[row], 'categories');
    const document: EntryDocument = {
      cats: mask === 0 ? [] : categories.filter((_, bit) => (mask & (1 << bit)) !== 0),
      entry: entryAt(table, row),
      prefs: Array.from(prefsAt(table, row), (number) => present(slots[number], 'slot')),
      size: present(table.sizes[row], 'size'),
    };
    const key = drawn.keys.toString('hex', row * KEY_BYTES, (row + 1) * KEY_BYTES);
    const leaf = table.leaves.toString('hex', row * HASH_BYTES, (row + 1) * HASH_BYTES);
    yield entryLine(document, key, leaf, placeOf(ledger, present(drawn.given[row], 'entry')));
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

/** Characters gathered before they are hashed and handed on. */
const CHUNK_LENGTH = 65_536;

/**
 * The transcript's bytes in chunks of whole lines; returns the round's record and its digest in
 * hex.
 */
export function* transcriptLines(
  round: DrawnRound,
): Generator<Buffer, { record: RoundRecord; digest: string }> {
  const hasher = createHash('sha256');
  let text = '';
  for (const line of linesBeforeDigest(round)) {
    text += `${line}\n`;
    if (text.length < CHUNK_LENGTH) continue;
    const chunk = Buffer.from(text);
    hasher.update(chunk);
    yield chunk;
    text = '';
  }
  const transcriptHash = hasher.update(text).digest('hex');
  const finished = recordOf(round, transcriptHash);
  yield Buffer.from(`${text}${digestLine(finished.digest, transcriptHash)}\n`);
  return finished;
}

/** Bytes of one chunk of a compressed transcript: one write to Redis. */
const CHUNK_BYTES = 512 * 1024;

/** A round that is drawn again must give the same chunks, however its compressed bytes arrive. */
const inChunks = (bytes: Buffer): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / CHUNK_BYTES) }, (_chunk, number) =>
    bytes.subarray(number * CHUNK_BYTES, (number + 1) * CHUNK_BYTES),
  );

/**
 * Writes the transcript, compressed on another thread, and moves the ledger on to its next round.
 * Half of a transcript is hashes, which do not shrink: more effort than the least gains a few per
 * cent at twice the time.
 */
export async function finishRound(
  round: DrawnRound,
): Promise<{ record: RoundRecord; digest: string; transcript: readonly Buffer[] }> {
  let finished: { record: RoundRecord; digest: string } | undefined;
  const lines = function* (): Generator<Buffer> {
    finished = yield* transcriptLines(round);
  };
  const compressed: Buffer[] = [];
  await pipeline(
    Readable.from(lines()),
    createGzip({ level: constants.Z_BEST_SPEED, chunkSize: CHUNK_BYTES }),
    async (arriving: AsyncIterable<Buffer>) => {
      for await (const bytes of arriving) compressed.push(bytes);
    },
  );
  const { record, digest } = present(finished, 'end of the transcript');
  closeRound(round.ledger, round, digest);
  return { record, digest, transcript: inChunks(Buffer.concat(compressed)) };
}
