/**
 * The appointment slip: one A4 page, black on white, the same bytes for the same facts. It is tagged
 * in reading order, and says what was written, so that it can be read aloud and searched: a glyph of
 * an Indian script tells a reader little.
 */
import PDFDocument from 'pdfkit';
import { msFromIso } from '../../lib/clock.ts';
import type { SlipFacts, SlipPerson } from './facts.ts';
import { type Face, type Faces, loadFaces } from './fonts.ts';
import { drawQr } from './qr.ts';
import { BASELINE, type Box, cleaned, fit, LINE_HEIGHT } from './text.ts';

export type SlipPrinter = (facts: SlipFacts) => Promise<Buffer>;

/** All in points. */
const PAGE = { width: 595.28, height: 841.89 };
const LEFT = 50;
const RIGHT = PAGE.width - LEFT;
const COLUMN = 325;
const SIDE = { x: 395.28, width: 150 };
const ROW = { top: 478, height: 54 };
const HAIRLINE = 0.5;

const BRING = [
  'This slip, on paper or on a screen.',
  'Of each person named above, the photo ID that is named there.',
  'The four digits above, known to nobody else until you arrive.',
].join(' ');
const TELL = 'Security code. Tell it to the vaccinator when you have arrived, and to nobody before.';

/** Fonts are read when the first slip is asked for. */
export function createSlipPrinter(): SlipPrinter {
  let loading: Promise<Faces> | undefined;
  return async (facts) => {
    loading ??= loadFaces();
    return print(facts, await loading);
  };
}

type Style = { readonly size: number; readonly bold?: true; readonly tag?: 'H1' | 'H2' | 'P' };
type Write = (text: string, box: Box, style: Style) => void;

async function print(facts: SlipFacts, faces: Faces): Promise<Buffer> {
  const doc = new PDFDocument({
    size: [PAGE.width, PAGE.height],
    margin: 0,
    pdfVersion: '1.7',
    tagged: true,
    lang: 'en-IN',
    displayTitle: true,
    // No font of pdfkit's own.
    font: null as unknown as string,
    info: {
      Title: 'Appointment slip',
      Producer: 'fairslot',
      Creator: 'fairslot',
      // The id of the file is made of these: nothing in it may be of the moment.
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
  const write: Write = (text, box, { size, bold, tag = 'P' }) => {
    const actual = cleaned(text);
    if (actual === '') return;
    const tried = bold ? [faces.bold, ...faces.scripts] : faces.scripts;
    page.add(
      doc.struct(tag, () => {
        doc.markContent('Span', { actual });
        drawText(doc, actual, { tried, box, size });
        doc.endMarkedContent();
      }),
    );
  };
  writeSlip(facts, write);
  page.add(
    doc.struct('Figure', { alt: `QR code of the booking reference ${facts.bookingId}` }, () => {
      drawQr(doc, facts.bookingId, { x: SIDE.x, y: 130, side: SIDE.width });
      doc.fill('black');
    }),
  );
  page.end();
  drawLines(doc, facts.people.length);
  doc.end();
  await ended;
  return Buffer.concat(chunks);
}

type Setting = { readonly tried: readonly Face[]; readonly box: Box; readonly size: number };

/** Into its box and nowhere else: signs may pile up above a letter without end. */
function drawText(doc: PDFKit.PDFDocument, text: string, { tried, box, size: most }: Setting): void {
  const { size, lines } = fit(text, tried, box, most);
  doc.save().rect(box.x, box.y, box.width, box.height).clip().fillColor('black');
  for (const [number, line] of lines.entries()) {
    const y = box.y + (number * LINE_HEIGHT + BASELINE) * size;
    let { x } = box;
    for (const { face, text, width } of line) {
      doc.font(face.font as unknown as PDFKit.Mixins.PDFFontSource, face.name, size);
      doc.text(text, x, y, { lineBreak: false, baseline: 'alphabetic' });
      x += width * size;
    }
  }
  doc.restore();
}

const longDate = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' });
const weekday = new Intl.DateTimeFormat('en-GB', { weekday: 'long', timeZone: 'UTC' });

function writeSlip(facts: SlipFacts, write: Write): void {
  const day = msFromIso(facts.date);
  const left = (y: number, height: number, width = COLUMN): Box => ({ x: LEFT, y, width, height });
  const side = (y: number, height: number): Box => ({ ...SIDE, y, height });
  const label = { size: 9, bold: true, tag: 'H2' } as const;

  write('Appointment slip', left(44, 36), { size: 24, bold: true, tag: 'H1' });
  write(facts.title, left(82, 34, RIGHT - LEFT), { size: 12 });

  write('When', left(134, 14), label);
  write(longDate.format(day), left(148, 38), { size: 26, bold: true });
  write(`${weekday.format(day)}, ${facts.from} to ${facts.to}`, left(186, 28), { size: 18 });

  write(facts.securityCode, { x: LEFT + 14, y: 234, width: 120, height: 62 }, { size: 42, bold: true });
  write(TELL, { x: LEFT + 146, y: 242, width: COLUMN - 160, height: 48 }, { size: 10.5 });

  write('Booking reference', side(284, 13), { ...label, size: 8 });
  write(facts.bookingId, side(297, 36), { size: 8 });

  write('Where', left(340, 14), label);
  write(facts.centre, left(354, 42), { size: 15 });
  write(facts.place.join(', '), left(396, 48), { size: 11 });

  write('For', side(340, 14), label);
  write(facts.service, side(354, 42), { size: 15 });
  write(`Dose ${facts.dose}`, side(396, 20), { size: 11 });

  write('Who', left(460, 14), label);
  for (const [number, person] of facts.people.entries())
    writePerson(person, ROW.top + number * ROW.height, write);

  write('What to bring', left(716, 14), label);
  write(BRING, left(730, 34, RIGHT - LEFT), { size: 10.5 });
}

function writePerson(person: SlipPerson, top: number, write: Write): void {
  const name = { x: LEFT, y: top + 5, width: COLUMN, height: ROW.height - 10 };
  const side = (y: number, height: number): Box => ({ ...SIDE, y: top + y, height });
  write(person.name, name, { size: 14 });
  write(`${person.idType} ${person.idMasked}`, side(4, 18), { size: 11 });
  write(`Born ${person.birthYear}`, side(21, 14), { size: 9 });
  if (person.reference !== undefined)
    write(`Reference ${person.reference}`, side(35, 14), { size: 9 });
}

/** What parts the fields; nothing to be read aloud. */
function drawLines(doc: PDFKit.PDFDocument, people: number): void {
  doc.markContent('Artifact', { type: 'Layout' });
  doc.lineWidth(HAIRLINE).strokeColor('black');
  const across = [122, 452, ...Array.from({ length: people }, (_, n) => ROW.top + n * ROW.height)];
  for (const y of [...across, 708]) doc.moveTo(LEFT, y).lineTo(RIGHT, y).stroke();
  doc.lineWidth(1.5).rect(LEFT, 228, COLUMN, 76).stroke();
  doc.endMarkedContent();
}
