/** What stands where on a slip. All measures are points, from the top left corner of an A4 page. */
import { msFromIso } from '../../lib/clock.ts';
import type { SlipFacts, SlipPerson } from './facts.ts';
import type { Box } from './text.ts';

export type Style = {
  /** The largest that is tried. */
  readonly size: number;
  readonly bold?: true;
  readonly tag?: 'H1' | 'H2' | 'P';
};

type Pen = {
  moveTo(x: number, y: number): Pen;
  lineTo(x: number, y: number): Pen;
  rect(x: number, y: number, width: number, height: number): Pen;
};

/** What a slip is drawn with. */
export type Desk = {
  /** As large as fits the box; answers the height that was needed. */
  readonly write: (text: string, box: Box, style: Style) => number;
  readonly qr: (text: string, square: { x: number; y: number; side: number }) => void;
  readonly rule: (width: number, draw: (pen: Pen) => unknown) => void;
  /** Whether any letter written so far had no font. */
  readonly replaced: () => boolean;
};

export const PAGE = { width: 595.28, height: 841.89 };
const LEFT = 50;
const WIDTH = PAGE.width - 2 * LEFT;
const COLUMN = 325;
const SIDE = { x: 395.28, width: 150 };
const ROWS = { top: 478, height: 54, padding: 5 };
const HAIRLINE = 0.5;
const LABEL = { size: 9, bold: true, tag: 'H2' } as const;

const TELL =
  'Security code. Tell it to the vaccinator when you have arrived, and to nobody before.';
const BRING = 'This slip, on paper or on a screen, and the photo ID of each person named above.';
const REPLACED =
  '\u{FFFD} stands for a letter that cannot be printed here; the ID says who is meant.';
const LABELS = 'Appointment slip When Where For Who What to bring Booking reference';

/** What may be laid out ahead: it is on every slip. */
export const WORDS: readonly string[] = [
  ...new Set(`${LABELS} ${TELL} ${BRING} Dose Born Reference`.split(' ')),
  ' ',
];

const longDate = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' });
const weekday = new Intl.DateTimeFormat('en-GB', { weekday: 'long', timeZone: 'UTC' });

const left = (y: number, height: number, width = COLUMN): Box => ({ x: LEFT, y, width, height });
const side = (y: number, height: number): Box => ({ ...SIDE, y, height });

export function drawSlip(facts: SlipFacts, desk: Desk): void {
  const { write } = desk;
  write('Appointment slip', left(44, 36), { size: 24, bold: true, tag: 'H1' });
  write(facts.title, left(82, 34, WIDTH), { size: 12 });
  line(desk, 122);
  drawAppointment(facts, desk);
  drawPlace(facts, desk);
  line(desk, 452);
  write('Who', left(460, 14), LABEL);
  for (const [number, person] of facts.people.entries())
    drawPerson(person, ROWS.top + number * ROWS.height, desk);
  line(desk, 708);
  write('What to bring', left(716, 14), LABEL);
  write(BRING, left(730, 30, WIDTH), { size: 10.5 });
  if (desk.replaced()) write(REPLACED, left(764, 16, WIDTH), { size: 9 });
}

const line = ({ rule }: Desk, y: number): void =>
  rule(HAIRLINE, (pen) => pen.moveTo(LEFT, y).lineTo(LEFT + WIDTH, y));

function drawAppointment(facts: SlipFacts, { write, qr, rule }: Desk): void {
  const day = msFromIso(facts.date);
  write('When', left(134, 14), LABEL);
  write(longDate.format(day), left(148, 38), { size: 26, bold: true });
  write(`${weekday.format(day)}, ${facts.from} to ${facts.to}`, left(186, 28), { size: 18 });
  rule(1.5, (pen) => pen.rect(LEFT, 228, COLUMN, 76));
  const code = { x: LEFT + 14, y: 234, width: 120, height: 62 };
  write(facts.securityCode, code, { size: 42, bold: true });
  write(TELL, { x: LEFT + 146, y: 242, width: COLUMN - 160, height: 48 }, { size: 10.5 });
  qr(facts.bookingId, { x: SIDE.x, y: 130, side: SIDE.width });
  write('Booking reference', side(284, 13), LABEL);
  write(facts.bookingId, side(297, 36), { size: 8 });
}

function drawPlace({ centre, place, service, dose }: SlipFacts, { write }: Desk): void {
  const top = 354;
  write('Where', left(340, 14), LABEL);
  const named = write(centre, left(top, 42), { size: 15 });
  write(place.join(', '), left(top + named, 90 - named), { size: 11 });
  write('For', side(340, 14), LABEL);
  const said = write(service, side(top, 42), { size: 15 });
  write(`Dose ${dose}`, side(top + said, 18), { size: 11 });
}

function drawPerson(person: SlipPerson, top: number, desk: Desk): void {
  const { write } = desk;
  line(desk, top);
  write(person.name, left(top + ROWS.padding, ROWS.height - 2 * ROWS.padding), { size: 14 });
  write(`${person.idType} ${person.idMasked}`, side(top + 4, 18), { size: 11 });
  write(`Born ${person.birthYear}`, side(top + 21, 14), { size: 9 });
  if (person.reference !== undefined)
    write(`Reference ${person.reference}`, side(top + 35, 14), { size: 9 });
}
