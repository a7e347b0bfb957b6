/** Transcripts as the verifier gets them. */
import type { TranscriptFile } from '../../src/rounds/verify/verify.ts';

/** `pieces` arrive one after the other, as they do from a disk or a network. */
export const file = (name: string, ...pieces: readonly (Buffer | string)[]): TranscriptFile => ({
  name,
  open: async function* () {
    for (const piece of pieces) yield Buffer.from(piece);
  },
});

export const linesOf = (bytes: Buffer): string[] => bytes.toString().split('\n').slice(0, -1);

/** The file with one of its lines, counted from 1, replaced by any number of lines. */
export const withLine = (bytes: Buffer, number: number, ...lines: readonly string[]): Buffer =>
  Buffer.from(
    `${linesOf(bytes)
      .toSpliced(number - 1, 1, ...lines)
      .join('\n')}\n`,
  );
