/**
 * The appointment slip: one A4 page, black on white, the same bytes for the same facts. It is
 * tagged in reading order and carries the letters as they were written beside the shapes that are
 * drawn of them, so that it can be searched, copied and read aloud in any script.
 */
import Pdf from 'pdfkit';
import { msFromIso } from '../../lib/clock.ts';
import type { SlipFacts } from './facts.ts';
import { type Face, type Faces, loadFaces } from './fonts.ts';
import { type Desk, drawSlip, PAGE, WORDS } from './page.ts';
import { drawQr } from './qr.ts';
import { BASELINE, type Box, cleaned, fit, LINE_HEIGHT, REPLACEMENT } from './text.ts';

export type SlipPrinter = (facts: SlipFacts) => Promise<Buffer>;
/** BUSY: too many wait to be made already. */
export type SlipPress = (facts: SlipFacts) => Promise<Buffer | 'BUSY'>;

/** Fonts are read when the first slip is asked for. */
export function createSlipPrinter(readFaces = loadFaces): SlipPrinter {
  let loading: Promise<Faces> | undefined;
  const load = async (): Promise<Faces> => {
    const faces = await readFaces();
    for (const face of [faces.bold, ...faces.scripts.slice(0, 1)]) face.keep(WORDS);
    return faces;
  };
  return async (facts) => {
    loading ??= load();
    const faces = await loading;
    try {
      return await print(facts, faces);
    } finally {
      for (const face of [faces.bold, ...faces.scripts]) face.forget();
    }
  };
}

async function print(facts: SlipFacts, faces: Faces): Promise<Buffer> {
  const doc = new Pdf({
    size: [PAGE.width, PAGE.height],
    margin: 0,
    pdfVersion: '1.7',
    tagged: true,
    lang: 'en-IN',
    displayTitle: true,
    // None of pdfkit's own.
    font: null as unknown as string,
    // The file's id is made of these: nothing here may be of the moment, or of a person.
    info: {
      Title: 'Appointment slip',
      Producer: 'fairslot',
      Creator: 'fairslot',
      CreationDate: new Date(msFromIso(facts.date)),
    },
  });
  const chunks: Buffer[] = [];
  doc.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise<void>((resolve, reject) => {
    doc.once('end', resolve).once('error', reject);
  });
  const page = doc.struct('Document');
  doc.addStructure(page);
  drawSlip(facts, deskOf(doc, page, faces));
  page.end();
  doc.end();
  await ended;
  return Buffer.concat(chunks);
}

function deskOf(doc: PDFKit.PDFDocument, page: PDFKit.PDFStructureElement, faces: Faces): Desk {
  let replaced = false;
  return {
    write: (text, box, { size, bold, tag = 'P' }) => {
      const actual = cleaned(text);
      if (actual === '') return 0;
      const tried = bold ? [faces.bold, ...faces.scripts] : faces.scripts;
      const fitted = fit(actual, tried, box, size);
      replaced ||= fitted.lines.flat().some(({ text }) => text.includes(REPLACEMENT));
      page.add(
        doc.struct(tag, { actual }, () => {
          doc.markContent('Span', { actual });
          drawLines(doc, fitted, box);
          doc.endMarkedContent();
        }),
      );
      return fitted.lines.length * LINE_HEIGHT * fitted.size;
    },
    qr: (text, square) => {
      page.add(
        doc.struct('Figure', { alt: `QR code of ${text}` }, () => {
          drawQr(doc, text, square);
          doc.fill('black');
        }),
      );
    },
    // Nothing to be read aloud.
    rule: (width, draw) => {
      doc.markContent('Artifact', { type: 'Layout' });
      draw(doc.lineWidth(width).strokeColor('black'));
      doc.stroke().endMarkedContent();
    },
    replaced: () => replaced,
  };
}

/** Into its box and nowhere else: signs may pile up above a letter without end. */
function drawLines(doc: PDFKit.PDFDocument, { size, lines }: ReturnType<typeof fit>, box: Box) {
  doc.save().rect(box.x, box.y, box.width, box.height).clip().fillColor('black');
  for (const [number, line] of lines.entries()) {
    const y = box.y + (number * LINE_HEIGHT + BASELINE) * size;
    let { x } = box;
    for (const { face, text, width } of line) {
      doc.font(sourceOf(face), face.name, size);
      doc.text(text, x, y, { lineBreak: false, baseline: 'alphabetic' });
      x += width * size;
    }
  }
  doc.restore();
}

/** pdfkit takes a parsed font too, which its types do not say. */
const sourceOf = ({ font }: Face): PDFKit.Mixins.PDFFontSource =>
  font as unknown as PDFKit.Mixins.PDFFontSource;
