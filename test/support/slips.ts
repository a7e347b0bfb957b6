/** Appointment slips: facts to make them of, and a reader that knows nothing of how they are made. */
import jsqr from 'jsqr';
import { getDocument, OPS } from 'pdfjs-dist/legacy/build/pdf.mjs';
import { present } from '../../src/lib/assert.ts';
import type { SlipFacts, SlipPerson } from '../../src/bookings/slip/facts.ts';

export const person = (name: string, more: Partial<SlipPerson> = {}): SlipPerson => ({
  name,
  birthYear: 1960,
  idType: 'Passport',
  idMasked: 'XXXX9999',
  ...more,
});

export const factsWith = (more: Partial<SlipFacts> = {}): SlipFacts => ({
  title: 'Pune, 10 April',
  people: [person('Asha Kale')],
  service: 'COVISHIELD',
  dose: 2,
  centre: 'Kamla Nehru Hospital',
  place: [],
  date: '2021-04-10',
  from: '09:00',
  to: '11:00',
  bookingId: 'pune-2021-04-10.q1Z8Yp0r7hQ2mJcT5wLxEg.0',
  securityCode: '0417',
  ...more,
});

/** Where a piece of text stands, in points from the page's lower left corner. */
export type Piece = {
  readonly text: string;
  readonly left: number;
  readonly right: number;
  readonly baseline: number;
  readonly size: number;
};

type Node = { readonly alt?: string; readonly children?: readonly Node[] };

const spoken = ({ alt, children = [] }: Node): string[] =>
  alt === undefined ? children.flatMap(spoken) : [alt];

export async function readSlip(slip: Uint8Array) {
  // It takes the bytes away from whoever hands them in.
  const task = getDocument({ data: Uint8Array.from(slip), verbosity: 0 });
  const document = await task.promise;
  try {
    const page = await document.getPage(1);
    const [, , width = 0, height = 0] = page.view;
    const { items } = await page.getTextContent();
    const pieces = items.flatMap((item): Piece[] => {
      if (!('str' in item) || item.str.trim() === '') return [];
      const [size, , , , left, baseline] = item.transform as [number, 0, 0, 0, number, number];
      return [{ text: item.str, left, right: left + item.width, baseline, size }];
    });
    const { info } = await document.getMetadata();
    return {
      pages: document.numPages,
      width,
      height,
      pieces,
      /** What is drawn, letter by letter as it stands there: right for Latin letters only. */
      drawn: pieces.map(({ text }) => text).join(' '),
      /** What was written, as a screen reader is told. */
      written: spoken((await page.getStructTree()) as Node),
      info: info as Record<string, unknown>,
    };
  } finally {
    await task.destroy();
  }
}

/** What pdf.js draws on where there is no browser. */
type Easel = {
  readonly canvas: { readonly width: number; readonly height: number };
  readonly context: {
    getImageData(
      x: number,
      y: number,
      width: number,
      height: number,
    ): { readonly data: Uint8ClampedArray; readonly width: number; readonly height: number };
  };
};

type Picture = ReturnType<Easel['context']['getImageData']>;

/** The page as it looks, two pixels a point. */
async function pictureOf(slip: Uint8Array): Promise<Picture> {
  const task = getDocument({ data: Uint8Array.from(slip), verbosity: 0 });
  const document = await task.promise;
  try {
    const page = await document.getPage(1);
    const viewport = page.getViewport({ scale: 2 });
    const factory = document.canvasFactory as { create(width: number, height: number): Easel };
    const { canvas, context } = factory.create(viewport.width, viewport.height);
    await page.render({ canvas, canvasContext: context, viewport }).promise;
    return context.getImageData(0, 0, canvas.width, canvas.height);
  } finally {
    await task.destroy();
  }
}

/** What a camera reads off the page; undefined where there is nothing to be read. */
export async function scan(slip: Uint8Array): Promise<string | undefined> {
  const { data, width, height } = await pictureOf(slip);
  return present(jsqr.default, 'the reader of QR codes')(data, width, height)?.data;
}

/** How far apart, in points, the uppermost and the lowest are of what looks otherwise. */
export async function differingHeight(one: Uint8Array, other: Uint8Array): Promise<number> {
  const [before, after] = [await pictureOf(one), await pictureOf(other)];
  const inRow = 4 * before.width;
  const at = (matches: (places: Uint8ClampedArray) => number): number =>
    Math.floor(matches(before.data) / inRow);
  const differs = (value: number, place: number): boolean => value !== after.data[place];
  const first = at((data) => data.findIndex(differs));
  return (at((data) => data.findLastIndex(differs)) - first) / 2;
}

/** Kinds of drawing on the page, by name: which of them there are. */
export async function drawingsOf(slip: Uint8Array): Promise<Set<string>> {
  const task = getDocument({ data: Uint8Array.from(slip), verbosity: 0 });
  const document = await task.promise;
  try {
    const page = await document.getPage(1);
    const { fnArray } = await page.getOperatorList();
    const names = new Map(Object.entries(OPS).map(([name, number]) => [number, name]));
    return new Set(fnArray.map((number) => names.get(number) ?? ''));
  } finally {
    await task.destroy();
  }
}
