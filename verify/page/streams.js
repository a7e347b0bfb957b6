// @ts-check
/** Files as lines: read in pieces, gzip undone, nothing held that a hostile file could swell. */
import { refusal } from './refusal.js';

/**
 * What is verified: a File of the browser, or anything with its name and stream.
 *
 * @typedef {{readonly name: string, readonly size?: number,
 *   stream(): ReadableStream<Uint8Array> | Promise<ReadableStream<Uint8Array>>}} Source
 */

/** Of a line, unless more is asked for. */
export const LONGEST_LINE = 16 * 1024 * 1024;
/** So little at a time bounds what it can unfold to: gzip makes at most 1,032 bytes of one. */
const SLICE = 16 * 1024;
const LINE_FEED = 10;

/**
 * @param {Source} source
 * @param {(bytes: number) => void} onRead
 */
async function* read(source, onRead) {
  let reader;
  try {
    reader = (await source.stream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onRead(value.length);
      yield value;
    }
  } catch (fault) {
    throw refusal(`the file cannot be read: ${fault instanceof Error ? fault.message : 'fault'}`);
  } finally {
    await reader?.cancel().catch(() => undefined);
  }
}

/**
 * The same bytes in slices of one length, so that reading again gives the same slices.
 *
 * @param {AsyncIterable<Uint8Array>} pieces
 */
async function* slices(pieces) {
  let slice = new Uint8Array(SLICE);
  let filled = 0;
  for await (const piece of pieces)
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + SLICE - filled);
      slice.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < SLICE) continue;
      yield slice;
      slice = new Uint8Array(SLICE);
      filled = 0;
    }
  if (filled > 0) yield slice.subarray(0, filled);
}

/** Undoes gzip, slice by slice: after each, all that it unfolds to has been given. */
function createInflater() {
  const inflater = new DecompressionStream('gzip');
  const reader = /** @type {ReadableStreamDefaultReader<Uint8Array>} */ (
    inflater.readable.getReader()
  );
  const writer = inflater.writable.getWriter();
  writer.closed.catch(() => undefined);
  /** @type {ReturnType<typeof reader.read> | undefined} */
  let pending;

  /** @param {Promise<void>} written */
  async function* until(written) {
    const WRITTEN = Symbol('written');
    /** @type {unknown} */
    let fault;
    const settled = written.then(
      () => WRITTEN,
      (error) => {
        fault = error ?? new Error('fault');
        return WRITTEN;
      },
    );
    for (;;) {
      pending ??= reader.read();
      const first = await Promise.race([pending.catch(() => settled), settled]);
      if (typeof first === 'symbol') break;
      pending = undefined;
      if (first.done) break;
      yield first.value;
    }
    await settled;
    if (fault) throw fault;
  }

  return {
    /** @param {Uint8Array} slice */
    feed: (slice) => until(writer.write(/** @type {Uint8Array<ArrayBuffer>} */ (slice))),
    async *finish() {
      const closed = writer.close();
      closed.catch(() => undefined);
      for (;;) {
        pending ??= reader.read();
        const { done, value } = await pending;
        pending = undefined;
        if (done) break;
        yield value;
      }
      await closed;
    },
    async stop() {
      pending?.catch(() => undefined);
      await reader.cancel().catch(() => undefined);
      await writer.abort().catch(() => undefined);
    },
  };
}

/**
 * @param {AsyncIterable<Uint8Array>} pieces
 * @param {Source} source to be read again if need be
 */
async function* inflated(pieces, source) {
  const inflater = createInflater();
  let whole = 0;
  let given = 0;
  const last = new Uint8Array(4);
  try {
    for await (const slice of slices(pieces)) {
      for await (const piece of guarded(inflater.feed(slice))) {
        given += piece.length;
        yield piece;
      }
      whole += 1;
      last.copyWithin(0, Math.min(4, slice.length));
      last.set(slice.subarray(-4), 4 - Math.min(4, slice.length));
    }
    for await (const piece of guarded(inflater.finish())) {
      given += piece.length;
      yield piece;
    }
  } catch (fault) {
    if (!isGzipFault(fault)) throw fault;
    yield* rest(source, whole, given);
    throw refusal(NOT_GZIP);
  } finally {
    await inflater.stop();
  }
  // Where an inflater lets a second member pass: the last four bytes count the last one only.
  if (new DataView(last.buffer).getUint32(0, true) !== given % 2 ** 32) throw refusal(NOT_GZIP);
}

const NOT_GZIP = 'the gzip is damaged, cut off, or has something after its first member';
const GZIP_FAULT = Symbol('what is not gzip');

/** @param {unknown} fault */
const isGzipFault = (fault) => fault === GZIP_FAULT;

/**
 * @param {AsyncIterable<Uint8Array>} pieces
 */
async function* guarded(pieces) {
  const iterator = pieces[Symbol.asyncIterator]();
  for (;;) {
    let next;
    try {
      next = await iterator.next();
    } catch {
      throw GZIP_FAULT;
    }
    if (next.done) return;
    yield next.value;
  }
}

/**
 * A faulty slice takes along what it unfolds to before the fault. This gives those bytes: it undoes
 * the gzip once more, the faulty slice byte by byte.
 *
 * @param {Source} source
 * @param {number} whole slices before the faulty one
 * @param {number} given bytes that were given
 */
async function* rest(source, whole, given) {
  const inflater = createInflater();
  let number = 0;
  let unfolded = 0;
  try {
    for await (const slice of slices(read(source, () => undefined))) {
      const parts = number < whole ? [slice] : Array.from(slice, (byte) => Uint8Array.of(byte));
      number += 1;
      for (const part of parts)
        for await (const piece of inflater.feed(part)) {
          unfolded += piece.length;
          if (unfolded > given) yield piece.subarray(-(unfolded - given));
          given = Math.max(given, unfolded);
        }
    }
  } catch {
    // The same fault as before.
  } finally {
    await inflater.stop();
  }
}

/**
 * The bytes of a file, without gzip if there is any.
 *
 * @param {Source} source
 * @param {(bytes: number) => void} onRead told of bytes as the file has them
 */
async function* plain(source, onRead) {
  const pieces = read(source, onRead);
  /** @type {Uint8Array[]} */
  const begun = [];
  let start = new Uint8Array(0);
  while (start.length < 2) {
    const { done, value } = await pieces.next();
    if (done) break;
    begun.push(value);
    start = new Uint8Array([...start, ...value.subarray(0, 2)]);
  }
  const all = (async function* () {
    yield* begun;
    yield* pieces;
  })();
  try {
    yield* start[0] === 0x1f && start[1] === 0x8b ? inflated(all, source) : all;
  } finally {
    await pieces.return();
  }
}

/**
 * Calls `take` with each line and its line feed; the bytes may be reused after.
 *
 * @param {Source} source
 * @param {{take: (line: Uint8Array) => boolean | void, onRead?: (bytes: number) => void,
 *   longest?: number, skip?: number}} options take: true to read no further; longest: a line may be;
 *   skip: longer ones are given as nothing
 * @returns {Promise<number>} how many bytes stand after the last line feed
 */
export async function readLines(source, options) {
  const { take, onRead = () => undefined, longest = LONGEST_LINE, skip = longest } = options;
  /** @type {Uint8Array[]} */
  let begun = [];
  let length = 0;
  for await (const piece of plain(source, onRead)) {
    let from = 0;
    for (let end = piece.indexOf(LINE_FEED); end >= 0; end = piece.indexOf(LINE_FEED, from)) {
      const part = piece.subarray(from, end + 1);
      from = end + 1;
      length += part.length;
      if (length > longest) throw refusal(`the line is longer than ${longest} bytes`);
      const line = length > skip || begun.length === 0 ? part : joined([...begun, part], length);
      begun = [];
      length = 0;
      if (take(line)) return 0;
    }
    if (from === piece.length) continue;
    length += piece.length - from;
    if (length > longest) throw refusal(`the line is longer than ${longest} bytes`);
    if (length > skip) begun = [];
    else begun.push(piece.slice(from));
  }
  return length;
}

/**
 * The first bytes of a file, without gzip: all, or somewhat more than are asked for.
 *
 * @param {Source} source
 * @param {number} length
 */
export async function readStart(source, length) {
  const parts = [];
  let read = 0;
  for await (const piece of plain(source, () => undefined)) {
    parts.push(piece.slice());
    read += piece.length;
    if (read >= length) break;
  }
  return joined(parts, read);
}

/**
 * @param {readonly Uint8Array[]} parts
 * @param {number} length
 */
function joined(parts, length) {
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
