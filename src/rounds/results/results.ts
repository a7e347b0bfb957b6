/**
 * Result files (docs/draw.md): what a round gave, cut by the first bits of entry ids, so that
 * whoever asks for theirs says no more than that they are one of some hundreds. A file follows from
 * the transcript alone; in Redis only the offers are kept by file, since the ids of all others
 * stand in the round's tree.
 */
import { z } from 'zod';
import { present } from '../../lib/assert.ts';
import { ReleaseId, SlotId } from '../../releases/manifest.ts';
import { compareKeys } from '../draw/bytes.ts';
import type { Drawn } from '../draw/draw.ts';
import { ENTRY_ID, ENTRY_ID_BYTES, type EntryColumns, entryAt } from '../draw/entry-table.ts';
import { type Cohort, idBytes, type Ledger, WAITING } from '../draw/ledger.ts';
import { placeOf } from '../draw/transcript.ts';

/** Entries that share a file, on average at most; and at least half as many. */
const FILE_ENTRIES = 512;
/** More files than this no release has: its rounds hold 8,000,000 entries each. */
export const PREFIX_LENGTH_MAX = 24;
/** An entry id and the number of the pool that gave its seats. */
const OFFER_BYTES = ENTRY_ID_BYTES + 4;
const BITS = 32;

export const Prefix = z
  .string()
  .regex(new RegExp(`^[01]{1,${PREFIX_LENGTH_MAX}}$`))
  .meta({ description: 'The first bits of an entry id.', example: '01101' });

const EntryId = z.string().regex(ENTRY_ID);

/** Members, and the lists by the bytes of entry ids, ascend: JSON of it is canonical. */
export const ResultFile = z
  .strictObject({
    digest: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .meta({ description: "The round's." }),
    offered: z
      .array(z.strictObject({ entry: EntryId, pool: z.string(), slot: SlotId }))
      .meta({ description: 'Who got seats in this round, also of earlier ones.' }),
    prefix: Prefix,
    release: ReleaseId,
    round: z.int().min(0),
    waiting: z.array(EntryId).meta({ description: 'Who was new in this round, and got none.' }),
  })
  .meta({ id: 'ResultFile', description: 'What a round gave: docs/draw.md.' });
export type ResultFile = z.output<typeof ResultFile>;

/** What all files of a round have in common. */
export type ResultHead = Pick<ResultFile, 'digest' | 'release' | 'round'>;

/** The fewest bits by which at most FILE_ENTRIES share a file on average. */
export function prefixLengthFor(entries: number): number {
  let length = 1;
  while (entries > FILE_ENTRIES * 2 ** length) length += 1;
  return length;
}

/**
 * Whoever may want to know of a round: those who are in, and who is new. It is known before the
 * draw, as is what it is made from, so a client knows its file before it is there.
 */
export const prefixLengthOf = ({ cohorts }: Ledger, { count }: EntryColumns): number =>
  prefixLengthFor(cohorts.reduce((sum, { live }) => sum + live, count));

const fileAt = (ids: Buffer, row: number, length: number): number =>
  ids.readUInt32BE(row * ENTRY_ID_BYTES) >>> (BITS - length);

export const prefixOf = (file: number, length: number): string =>
  file.toString(2).padStart(length, '0');

export const fileOfPrefix = (prefix: string): number => Number.parseInt(prefix, 2);

/** What an entry id begins with: the file to ask for. */
export const prefixOfEntry = (entry: string, length: number): string =>
  prefixOf(fileAt(idBytes(entry), 0, length), length);

/** The lowest and the highest id that a file may hold. */
export function idsBetween(prefix: string): { readonly low: Buffer; readonly high: Buffer } {
  const [low, high] = [Buffer.alloc(ENTRY_ID_BYTES), Buffer.alloc(ENTRY_ID_BYTES, 0xff)];
  low.writeUInt32BE(Number.parseInt(prefix.padEnd(BITS, '0'), 2));
  high.writeUInt32BE(Number.parseInt(prefix.padEnd(BITS, '1'), 2));
  return { low, high };
}

function offerRow(id: Buffer, pool: number): Buffer {
  const row = Buffer.alloc(OFFER_BYTES);
  id.copy(row);
  row.writeUInt32BE(pool, ENTRY_ID_BYTES);
  return row;
}

/** What a round gave, file by file: rows of entry id and pool, ascending. Files without are not. */
export function* offersByFile(
  { pools }: Pick<Ledger, 'pools'>,
  { ids, count }: EntryColumns,
  { offers, carried, given }: Pick<Drawn, 'offers' | 'carried' | 'given'>,
  length: number,
): Generator<readonly [file: number, rows: Buffer]> {
  const toEarlier = Map.groupBy(offers.slice(0, carried), ({ entry }) =>
    fileAt(idBytes(entry), 0, length),
  );
  let row = 0;
  for (let file = 0; file < 2 ** length; file++) {
    const rows = (toEarlier.get(file) ?? []).map(({ entry, slot, pool }) =>
      offerRow(idBytes(entry), present(pools.start[slot], 'slot') + pool),
    );
    for (; row < count && fileAt(ids, row, length) === file; row++) {
      const pool = present(given[row], 'entry');
      const id = ids.subarray(row * ENTRY_ID_BYTES, (row + 1) * ENTRY_ID_BYTES);
      if (pool !== WAITING) rows.push(offerRow(id, pool));
    }
    if (rows.length > 0)
      yield [file, Buffer.concat(rows.toSorted((one, other) => one.compare(other)))];
  }
}

type Places = Pick<Ledger, 'manifest' | 'pools'>;

const fileOf = (
  { digest, release, round }: ResultHead,
  prefix: string,
  lists: Pick<ResultFile, 'offered' | 'waiting'>,
): ResultFile => ({
  digest,
  offered: lists.offered,
  prefix,
  release,
  round,
  waiting: lists.waiting,
});

function offeredTo(places: Places, entry: string, pool: number): ResultFile['offered'][number] {
  const place = present(placeOf(places, pool), 'the place of an offer');
  return { entry, pool: place.pool, slot: place.slot };
}

/**
 * A file from what is kept: its `offers`, as offersByFile gives them, and the ids of all who were
 * new in the round, ascending; those with another prefix are passed over.
 */
export function keptResultFile(
  places: Places,
  head: ResultHead,
  prefix: string,
  { offers, ids }: { readonly offers: Buffer; readonly ids: Buffer },
): ResultFile {
  const offered = Array.from({ length: offers.length / OFFER_BYTES }, (_, row) => {
    const at = row * OFFER_BYTES;
    const entry = offers.toString('base64url', at, at + ENTRY_ID_BYTES);
    return offeredTo(places, entry, offers.readUInt32BE(at + ENTRY_ID_BYTES));
  });
  const served = new Set(offered.map(({ entry }) => entry));
  const waiting: string[] = [];
  const file = fileOfPrefix(prefix);
  for (let row = 0; row < ids.length / ENTRY_ID_BYTES; row++) {
    if (fileAt(ids, row, prefix.length) !== file) continue;
    const entry = ids.toString('base64url', row * ENTRY_ID_BYTES, (row + 1) * ENTRY_ID_BYTES);
    if (!served.has(entry)) waiting.push(entry);
  }
  return fileOf(head, prefix, { offered, waiting });
}

/** The first row whose id is not before `id`. */
function firstFrom({ ids, count }: EntryColumns, id: Buffer): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(ids, middle, id, 0, ENTRY_ID_BYTES) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The same file from the ledger as the round left it, which a verifier has. `entries`: those that
 * were new in the round.
 */
export function recomputedResultFile(
  ledger: Ledger,
  head: ResultHead,
  entries: number,
  prefix: string,
): ResultFile {
  const file = fileOfPrefix(prefix);
  const { low } = idsBetween(prefix);
  const newcomers: Cohort | undefined = entries > 0 ? ledger.cohorts.at(-1) : undefined;
  const offered: ResultFile['offered'] = [];
  const waiting: string[] = [];
  for (const cohort of ledger.cohorts) {
    const { table, standing, seatedIn } = cohort;
    for (let row = firstFrom(table, low); row < table.count; row++) {
      if (fileAt(table.ids, row, prefix.length) !== file) break;
      const pool = present(standing[row], 'row');
      const entry = entryAt(table, row);
      if (pool >= 0 && seatedIn[row] === head.round) offered.push(offeredTo(ledger, entry, pool));
      else if (cohort === newcomers && pool === WAITING) waiting.push(entry);
    }
  }
  offered.sort((one, other) => Buffer.compare(idBytes(one.entry), idBytes(other.entry)));
  return fileOf(head, prefix, { offered, waiting });
}
