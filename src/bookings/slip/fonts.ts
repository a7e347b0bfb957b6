/**
 * The fonts of a slip: Noto Sans for Latin letters, Devanagari (Hindi, Marathi) and Bengali. Read
 * and parsed once, 140 ms in all.
 */
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { create, type Font } from 'fontkit';
import { correctShaping } from './shaping.ts';
import { fontOfWoff } from './woff.ts';

/** What draws one script. pdfkit takes the font under this name. */
export type Face = { readonly name: string; readonly font: Font };

export type Faces = {
  /** For headings, in English. */
  readonly bold: Face;
  /** For what people and operators wrote, in the order in which they are tried. */
  readonly scripts: readonly Face[];
};

const SCRIPTS = {
  latin: 'noto-sans/files/noto-sans-latin-400-normal.woff',
  'latin-ext': 'noto-sans/files/noto-sans-latin-ext-400-normal.woff',
  devanagari: 'noto-sans-devanagari/files/noto-sans-devanagari-devanagari-400-normal.woff',
  bengali: 'noto-sans-bengali/files/noto-sans-bengali-bengali-400-normal.woff',
};
const BOLD = 'noto-sans/files/noto-sans-latin-700-normal.woff';

const { resolve } = createRequire(import.meta.url);

async function load([name, file]: readonly [string, string]): Promise<Face> {
  const woff = await readFile(resolve(`@fontsource/${file}`));
  return { name, font: correctShaping(create(fontOfWoff(woff))) };
}

export async function loadFaces(): Promise<Faces> {
  const [bold, ...scripts] = await Promise.all([
    load(['bold', BOLD]),
    ...Object.entries(SCRIPTS).map(load),
  ]);
  return { bold, scripts };
}
