/** `fairslot release export`: works on Redis itself. */
import { createWriteStream, existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { PassThrough, Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Problem, problemOf } from '../command-line.ts';
import { createProgress } from '../progress.ts';
import { isRefusal } from '../refusal.ts';
import { exportRelease, type ExportParts, type ExportSums } from './release-export.ts';

export type ExportOptions = {
  /** Standard output where it is left out; gzip where it ends so. */
  readonly out?: string;
  readonly withAccounts: boolean;
};

const PIECE_LENGTH = 256 * 1024;

export async function exportCommand(
  parts: ExportParts,
  release: string,
  { out, withAccounts }: ExportOptions,
): Promise<ExportSums | Problem> {
  if (out !== undefined && existsSync(out)) return { problem: `${out} is there already` };
  const started = await exportRelease(parts, release, withAccounts);
  if (isRefusal(started)) return problemOf(started);
  const { lines, total } = started;
  const arriving = out === undefined ? undefined : `${out}.part`;
  const phase = createProgress(process.stderr)('lines exported', total);
  let sums: ExportSums | undefined;
  const pieces = async function* (): AsyncGenerator<string, void> {
    let piece = '';
    let next = await lines.next();
    for (; !next.done; next = await lines.next()) {
      piece += next.value;
      phase.advance();
      if (piece.length < PIECE_LENGTH) continue;
      yield piece;
      piece = '';
    }
    sums = next.value;
    yield piece;
  };
  const source = Readable.from(pieces());
  try {
    if (out === undefined || arriving === undefined)
      await pipeline(source, process.stdout, { end: false });
    else {
      const packed = out.endsWith('.gz') ? createGzip() : new PassThrough();
      const target: Writable = createWriteStream(arriving, { mode: 0o600, flush: true });
      await pipeline(source, packed, target);
      await rename(arriving, out);
    }
  } finally {
    phase.done();
    if (arriving !== undefined) await rm(arriving, { force: true });
  }
  return sums ?? { problem: `${release}: the export has no end` };
}
