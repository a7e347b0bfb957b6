/**
 * Reads NDJSON that a stranger made, gzip or plain: in bounded memory, and whatever is wrong with
 * the bytes is an answer, never an exception.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** `text` without the line feed at its end; there is no other UTF-8 for it than what was read. */
export type Line = { readonly number: number; readonly text: string };

/** What is wrong with a file, and in which of its lines; the first is line 1. */
export type Mismatch = { readonly line: number; readonly reason: string };

/** A manifest of 20,000 slots with names of usual length takes a third of this. */
export const LINE_BYTES_MAX = 16 * 2 ** 20;
/** Lists, objects and members in a line: each takes many times its length in memory. */
export const LINE_PARTS_MAX = 1_000_000;

/** What begins a list or an object, or a member's value, wherever it stands. */
export function partsOf(text: string): number {
  let count = 0;
  for (const sign of ['[', '{', ':'])
    for (let at = text.indexOf(sign); at >= 0; at = text.indexOf(sign, at + 1)) count += 1;
  return count;
}

/** Whether the manifest of a release would not fit in the line of a transcript that it gets. */
export const isTooLong = (manifest: string): boolean =>
  Buffer.byteLength(manifest) > LINE_BYTES_MAX - 1_024 ||
  partsOf(manifest) > LINE_PARTS_MAX - 1_024;

export type ReadOptions = {
  /** Bytes of a line: a longer one is refused. */
  readonly longest?: number;
  /** Longer lines are handed on as '', whatever their length. */
  readonly skip?: number;
};
export const LINE_FEED = 0x0a;
/** Large pieces, of which the next is inflated on another thread while one is being read. */
const GUNZIP = { rejectGarbageAfterEnd: true, chunkSize: 256 * 1024, highWaterMark: 512 * 1024 };
const GZIP_MAGIC = Buffer.of(0x1f, 0x8b);

/** Gzip is told from plain text by its first two bytes. One member and nothing behind it. */
async function inflated(source: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Buffer>> {
  const chunks = source[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < GZIP_MAGIC.length) {
    const next = await chunks.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  const whole = async function* (): AsyncGenerator<Buffer> {
    try {
      yield head;
      for (let next = await chunks.next(); !next.done; next = await chunks.next())
        yield Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    } finally {
      await chunks.return?.();
    }
  };
  if (!head.subarray(0, GZIP_MAGIC.length).equals(GZIP_MAGIC)) return whole();
  const gunzip = createGunzip(GUNZIP);
  // A failure of either reaches whoever reads `gunzip`.
  pipeline(Readable.from(whole()), gunzip, () => undefined);
  return gunzip;
}

/** Cuts what arrives into lines. After a Mismatch there must be no more. */
function lineCutter({ longest = LINE_BYTES_MAX, skip = Infinity }: ReadOptions) {
  let number = 1;
  /** Of a line whose end has not come yet. */
  let parts: Buffer[] = [];
  let length = 0;
  const mismatch = (reason: string): Mismatch => ({ line: number, reason });

  /** What is left of a line once its end has come. */
  const completed = (end: Buffer): string | undefined => {
    const bytes = parts.length === 0 ? end : Buffer.concat([...parts, end]);
    parts = [];
    length = 0;
    return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
  };
  const lines = function* (chunk: Buffer): Generator<Line | Mismatch, void> {
    const ascii = isAscii(chunk);
    for (let start = 0; start < chunk.length; ) {
      const feed = chunk.indexOf(LINE_FEED, start);
      const end = feed < 0 ? chunk.length : feed;
      length += end - start;
      if (length >= longest) return yield mismatch(`the line is longer than ${longest} bytes`);
      if (length > skip) parts = [];
      else if (feed < 0) parts.push(chunk.subarray(start));
      if (feed < 0) return;
      const whole = ascii && parts.length === 0; // most lines: no buffer of their own
      const text = whole
        ? chunk.toString('latin1', start, length > skip ? start : end)
        : completed(chunk.subarray(start, length > skip ? start : end));
      if (text === undefined) return yield mismatch('the line is not UTF-8');
      yield { number, text };
      number += 1;
      length = 0;
      start = end + 1;
    }
  };
  const end = (): Mismatch[] =>
    length > 0 ? [mismatch('the last line does not end with a line feed')] : [];
  return { lines, end, mismatch };
}

/**
 * The lines of a file, some hundreds at a time: waiting for each of a million would take longer
 * than reading it. A Mismatch says why there are no more; it comes last.
 */
export async function* readLinesTogether(
  source: AsyncIterable<Uint8Array>,
  options: ReadOptions = {},
): AsyncGenerator<Iterable<Line | Mismatch>, void> {
  const cutter = lineCutter(options);
  try {
    for await (const chunk of await inflated(source)) yield cutter.lines(chunk);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    yield [cutter.mismatch(`the file cannot be read: ${reason}`)];
    return;
  }
  yield cutter.end();
}

/** The lines of a file, one by one. */
export async function* readLines(
  source: AsyncIterable<Uint8Array>,
  options: ReadOptions = {},
): AsyncGenerator<Line | Mismatch, void> {
  for await (const lines of readLinesTogether(source, options))
    for (const line of lines) {
      yield line;
      if ('reason' in line) return;
    }
}
