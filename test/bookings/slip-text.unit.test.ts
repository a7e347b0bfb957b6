/** Letters of Indian scripts as they are put together, and text in a box. */
import { beforeAll, describe, expect, it, test } from 'vitest';
import { type Faces, loadFaces } from '../../src/bookings/slip/fonts.ts';
import { createSlipPrinter } from '../../src/bookings/slip/printer.ts';
import { drawQr } from '../../src/bookings/slip/qr.ts';
import { fit, LINE_HEIGHT, type Line } from '../../src/bookings/slip/text.ts';
import { present } from '../../src/lib/assert.ts';
import { factsWith, person } from '../support/slips.ts';

let faces: Faces;
beforeAll(async () => {
  faces = await loadFaces();
});

const BOX = { width: 300, height: 40 };
const linesOf = (text: string): readonly Line[] => fit(text, faces.scripts, BOX, 14).lines;

type Shaped = { readonly id: number; readonly bbox: { minX: number; maxX: number } };
/** Glyphs as they are drawn, with how far they are moved from where they would stand. */
const glyphsOf = (text: string) =>
  linesOf(text)
    .flat()
    .flatMap((run) => {
      const { glyphs, positions } = run.face.font.layout(run.text);
      return glyphs.map((glyph, at) => ({ ...positions[at]!, glyph: glyph as unknown as Shaped }));
    });

describe('letters', () => {
  test.each([
    ['Hindi', 'विद्यार्थी क्षत्रिय प्रज्ञा धर्मेंद्र शास्त्री उद्घाटन'],
    ['Marathi', 'ज्ञानेश्वर दर्‍याखोरे कऱ्हाड लक्ष्मी राष्ट्रीय'],
    ['Bengali', 'রবীন্দ্রনাথ কেন্দ্র ন্মু ট্রেন ড্রাইভার ডাক্তার পেট্রোল সংস্কৃত'],
  ])('of %s are all there, and no sign is left to stand under the next letter', (_name, text) => {
    const glyphs = glyphsOf(text);
    expect(glyphs.length).toBeGreaterThan(20);
    expect(glyphs.filter(({ glyph }) => glyph.id === 0)).toEqual([]);
    const loose = glyphs.filter(
      ({ xAdvance, xOffset, glyph }) =>
        xAdvance === 0 && xOffset === 0 && glyph.bbox.minX >= 0 && glyph.bbox.maxX > 50,
    );
    expect(loose).toEqual([]);
  });

  it('of one script stay together, also with those of another beside them', () => {
    const [line] = linesOf('Asha काळे চাঁদ।');
    const runs = line!.map(({ face, text }) => [face.name, text]);
    expect(runs).toEqual([
      ['latin', 'Asha'],
      ['latin', ' '],
      ['devanagari', 'काळे'],
      ['latin', ' '],
      ['bengali', 'চাঁদ।'],
    ]);
  });
});

describe('a text', () => {
  it('keeps the size asked for where it fits, and words whole', () => {
    const { size, lines } = fit('Kamla Nehru Hospital, Mangalwar Peth', faces.scripts, BOX, 14);
    expect(size).toBe(14);
    const said = lines.map((line) => line.map(({ text }) => text).join(''));
    expect(said.join(' ')).toBe('Kamla Nehru Hospital, Mangalwar Peth');
  });

  it('fits its box whatever it is, and loses nothing', () => {
    for (const text of ['W'.repeat(500), 'क्ष्म्य'.repeat(60), 'a b '.repeat(200).trim()]) {
      const { size, lines } = fit(text, faces.scripts, BOX, 14);
      expect(lines.length * LINE_HEIGHT * size).toBeLessThanOrEqual(BOX.height);
      for (const line of lines)
        expect(line.reduce((sum, { width }) => sum + width * size, 0)).toBeLessThanOrEqual(300.001);
      const said = lines.flat().map((run) => run.text);
      expect(said.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
    }
  });
});

describe('a word', () => {
  it('is laid out once a slip, and not kept for the next', () => {
    const face = faces.scripts.find(({ name }) => name === 'devanagari')!;
    const run = face.font.layout('काळे');
    expect(face.font.layout('काळे')).toBe(run);
    face.forget();
    expect(face.font.layout('काळे')).not.toBe(run);
  });
});

describe('a printer', () => {
  it('keeps no word that was on a slip, made or not', async () => {
    const laidOut = new Map<string, unknown>();
    const [latin] = faces.scripts;
    const { font } = present(latin, 'a face');
    const layout = font.layout.bind(font);
    font.layout = (text) => {
      const run = layout(text);
      laidOut.set(text, run);
      return run;
    };
    const print = createSlipPrinter(async () => faces);
    const facts = factsWith({ title: 'Of Zebunnisa', people: [person('Zebunnisa')] });
    const forgets = async (printing: Promise<unknown>): Promise<void> => {
      await Promise.allSettled([printing]);
      const word = [...laidOut.keys()].find((text) => text.includes('Zebunnisa')) ?? '';
      expect(word).not.toBe('');
      expect(layout(word)).not.toBe(laidOut.get(word));
      faces.scripts.forEach((face) => face.forget());
      laidOut.clear();
    };
    await forgets(print(facts));
    await forgets(print({ ...facts, bookingId: 'p'.repeat(5_000) }));
    font.layout = layout;
  });
});

describe('a QR code', () => {
  it('has four modules of white on each side', () => {
    const drawn: { x: number; y: number; right: number; bottom: number }[] = [];
    const rect = (x: number, y: number, width: number, height: number) =>
      drawn.push({ x, y, right: x + width, bottom: y + height });
    const side = 100;
    drawQr({ rect }, 'pune-2021-04-10', { x: 10, y: 20, side });
    const module = drawn[0]!.bottom - drawn[0]!.y;
    const [edge, far] = [4 * module, side - 4 * module];
    expect(Math.min(...drawn.map(({ x }) => x))).toBeCloseTo(10 + edge);
    expect(Math.min(...drawn.map(({ y }) => y))).toBeCloseTo(20 + edge);
    expect(Math.max(...drawn.map(({ right }) => right))).toBeCloseTo(10 + far);
    expect(Math.max(...drawn.map(({ bottom }) => bottom))).toBeCloseTo(20 + far);
  });
});
