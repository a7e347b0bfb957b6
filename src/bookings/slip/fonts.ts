/**
 * The fonts of a slip: Noto Sans for Devanagari (Hindi, Marathi), Bengali, and the letters of
 * Europe. Read and parsed once, 150 to 300 ms in all.
 */
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { create, type Font, type GlyphRun } from 'fontkit';
import { assert } from '../../lib/assert.ts';
import { correctShaping } from './shaping.ts';
import { fontOfWoff } from './woff.ts';

/** What draws one script. pdfkit takes the font under this name. */
export type Face = {
  readonly name: string;
  readonly font: Font;
  /** Words that are on every slip: laid out once and for all. */
  readonly keep: (words: readonly string[]) => void;
  /** To be called after each slip: names do not stay in memory for the sake of the next one. */
  readonly forget: () => void;
};

export type Faces = {
  /** For headings, in English. */
  readonly bold: Face;
  /** For what people and operators wrote, in the order in which they are tried. */
  readonly scripts: readonly Face[];
};

const SCRIPTS = {
  latin: 'noto-sans/files/noto-sans-latin-400-normal.woff',
  'latin-ext': 'noto-sans/files/noto-sans-latin-ext-400-normal.woff',
  vietnamese: 'noto-sans/files/noto-sans-vietnamese-400-normal.woff',
  greek: 'noto-sans/files/noto-sans-greek-400-normal.woff',
  cyrillic: 'noto-sans/files/noto-sans-cyrillic-400-normal.woff',
  devanagari: 'noto-sans-devanagari/files/noto-sans-devanagari-devanagari-400-normal.woff',
  bengali: 'noto-sans-bengali/files/noto-sans-bengali-bengali-400-normal.woff',
};
const BOLD = 'noto-sans/files/noto-sans-latin-700-normal.woff';

const { resolve } = createRequire(import.meta.url);

/** pdfkit scales what it gets to this, in place: only so may it be given the same thing twice. */
const UNITS_PER_EM = 1_000;

/** Laying words out is most of what a slip costs, and measuring and drawing both need it. */
function remembering(name: string, font: Font): Face {
  assert(font.unitsPerEm === UNITS_PER_EM, `${name} has other units than pdfkit`);
  const layout = font.layout.bind(font);
  const kept = new Map<string, GlyphRun>();
  const own = new Map<string, GlyphRun>();
  font.layout = (text) => {
    const known = kept.get(text) ?? own.get(text);
    if (known) return known;
    const run = layout(text);
    own.set(text, run);
    return run;
  };
  return {
    name,
    font,
    keep: (words) => {
      for (const word of words) kept.set(word, layout(word));
    },
    forget: () => own.clear(),
  };
}

async function load([name, file]: readonly [string, string]): Promise<Face> {
  const woff = await readFile(resolve(`@fontsource/${file}`));
  return remembering(name, correctShaping(create(fontOfWoff(woff))));
}

export async function loadFaces(): Promise<Faces> {
  const [bold, ...scripts] = await Promise.all([
    load(['bold', BOLD]),
    ...Object.entries(SCRIPTS).map(load),
  ]);
  return { bold, scripts };
}
