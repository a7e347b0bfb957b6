/**
 * Text of any script as runs of one font each, broken into lines that fit a box. Pure, but for the
 * fonts. All sizes are points; widths are measured at a size of 1.
 */
import { present } from '../../lib/assert.ts';
import type { Face } from './fonts.ts';

export type Run = { readonly face: Face; readonly text: string; readonly width: number };
export type Line = readonly Run[];
export type Fitted = { readonly size: number; readonly lines: readonly Line[] };
export type Box = {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
};

/** Of a line, and from its top to what letters stand on, at a size of 1: the tallest font's. */
export const LINE_HEIGHT = 1.4;
export const BASELINE = 1.07;
/** Shown for what no font has; the first font of all must have it. */
export const REPLACEMENT = '\u{FFFD}';
/** From one size tried to the next; at the least size what does not fit is cut off. */
const STEP = 0.92;
const LEAST = 1;

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** One spelling, one line, nothing that acts instead of being seen. */
export const cleaned = (text: string): string =>
  text
    .toWellFormed()
    .normalize('NFC')
    .replaceAll(/\s+/gu, ' ')
    // Joiners shape letters of Indian scripts; other invisible characters can only deceive.
    .replaceAll(/(?![\u200C\u200D])[\p{Cc}\p{Cf}]/gu, REPLACEMENT)
    .trim();

const has = ({ font }: Face, text: string): boolean =>
  Array.from(text).every((one) => font.hasGlyphForCodePoint(one.codePointAt(0) ?? 0));

/** A font for each letter, the last one first; what no font has becomes a replacement. */
function drawable(text: string, faces: readonly Face[]): { face: Face; text: string }[] {
  const first = present(faces[0], 'a font');
  let last = first;
  const faceOf = (piece: string): Face | undefined =>
    [last, ...faces].find((face) => has(face, piece));
  return Array.from(graphemes.segment(text), ({ segment }) => segment).flatMap((letter) => {
    const whole = faceOf(letter);
    // Of a letter with signs that no one font has, what there is, and one replacement for the rest.
    const pieces = whole ? [letter] : Array.from(letter);
    const drawn = pieces.map((piece) => {
      const face = faceOf(piece);
      if (face) last = face;
      return face ? { face, text: piece } : { face: first, text: REPLACEMENT };
    });
    return drawn.filter(
      ({ text }, at) => text !== REPLACEMENT || drawn[at - 1]?.text !== REPLACEMENT,
    );
  });
}

const measured = (face: Face, text: string): Run => ({
  face,
  text,
  width: face.font.layout(text).advanceWidth / face.font.unitsPerEm,
});

/** Runs as long as can be: letters are shaped together with their neighbours. */
function runsOf(pieces: readonly { face: Face; text: string }[]): Run[] {
  const joined: { face: Face; text: string }[] = [];
  for (const { face, text } of pieces) {
    const before = joined.at(-1);
    if (before?.face === face) before.text += text;
    else joined.push({ face, text });
  }
  return joined.map(({ face, text }) => measured(face, text));
}

const widthOf = (runs: Line): number => runs.reduce((sum, { width }) => sum + width, 0);

/**
 * The largest size from `most` down at which a text fits into a box. Words stay whole while they
 * fit a line; one that does not is broken between letters.
 */
export function fit(
  text: string,
  faces: readonly Face[],
  box: Pick<Box, 'width' | 'height'>,
  most: number,
): Fitted {
  const words = cleaned(text)
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => {
      const pieces = drawable(word, faces);
      return { pieces, runs: runsOf(pieces) };
    });
  const space = measured(present(faces[0], 'a font'), ' ');
  for (let size = most; ; size *= STEP) {
    const width = box.width / size;
    const whole = words.flatMap(({ pieces, runs }) =>
      // Too long for a line: in letters, each measured by itself, as it is then drawn.
      widthOf(runs) <= width ? [{ runs, glued: false }] : lettersOf(pieces),
    );
    const lines = wrapped(whole, space, width);
    const fits = lines.length * LINE_HEIGHT * size <= box.height;
    if (size < LEAST || (fits && lines.every((line) => widthOf(line) <= width)))
      return { size, lines };
  }
}

type Part = {
  readonly runs: Line /** To what is before it, without a space. */;
  readonly glued: boolean;
};

const lettersOf = (pieces: readonly { face: Face; text: string }[]): Part[] =>
  pieces.map(({ face, text }, at) => ({ runs: [measured(face, text)], glued: at > 0 }));

function wrapped(parts: readonly Part[], space: Run, width: number): Line[] {
  const lines: Run[][] = [];
  let [line, used]: [Run[], number] = [[], 0];
  for (const { runs, glued } of parts) {
    const before = glued || line.length === 0 ? [] : [space];
    const more = widthOf(before) + widthOf(runs);
    if (line.length > 0 && used + more > width) {
      lines.push(line);
      [line, used] = [[...runs], widthOf(runs)];
    } else {
      line.push(...before, ...runs);
      used += more;
    }
  }
  return line.length > 0 ? [...lines, line] : lines;
}
