/** The bad-bot report for people: a page of text, and CSV for spreadsheets. Pure. */
import type { BotReport, Entrants, Refusals } from './report.ts';

const BAR_WIDTH = 20;
const NAME_WIDTH = 34;
const NUMBER_WIDTH = 11;

const number = (value: number): string => value.toLocaleString('en').padStart(NUMBER_WIDTH);
const percent = (part: number): string => `${(100 * part).toFixed(1)} %`.padStart(8);
/** Eighths of a block, so that small shares can be told apart. */
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
function bar(part: number): string {
  const eighths = Math.round(8 * BAR_WIDTH * Math.min(1, part));
  const whole = Math.floor(eighths / 8);
  return `${'█'.repeat(whole)}${EIGHTHS[eighths % 8]}`;
}
const row = (name: string, ...cells: string[]): string =>
  `  ${name.padEnd(NAME_WIDTH)}${cells.join(' ')}`.trimEnd();
const head = (...columns: string[]): string =>
  columns.map((c) => c.padStart(NUMBER_WIDTH)).join(' ');

/** `report` as lines for a terminal of 80 columns and more. */
export function textOf(report: BotReport): string {
  const { release, at, people, exact, entrants, refusals, door } = report;
  const hours = `${door.from.slice(0, 16)} to ${door.until.slice(0, 16)} UTC`;
  return [
    `${release} at ${at}: ${people.toLocaleString('en')} people entered`,
    ...(exact ? [] : ['People came while they were counted: ask again when it has closed.']),
    ...entrants.flatMap((one) => entrantLines(one)),
    ...refusalLines('Refused in this release', refusals),
    ...refusalLines(`Refused at the door, ${hours}`, door),
    ...(door.complete ? [] : ['  Not all of its hours are kept or read.']),
    '',
    'Accounts, devices and networks stand for no name. Much of one is a sign, not a proof: a carrier',
    'or a helper may stand behind it. A request counts for each of the three that is known of it.',
    '',
  ].join('\n');
}

function entrantLines({ kind, callers, distribution, top }: Entrants): string[] {
  const title = `Entered by ${kind}: ${callers.toLocaleString('en')} ${kind}s`;
  return [
    '',
    title,
    ...distribution.map(({ people, callers: many }) => {
      const part = callers === 0 ? 0 : many / callers;
      const who = people === '1' ? '1 person' : `${people} people`;
      return row(who, number(many), percent(part), bar(part));
    }),
    ...(top.length === 0 ? [] : [row('the most by', head('people'), '   share')]),
    ...top.map(({ name, people, share }) => row(name, number(people), percent(share), bar(share))),
  ];
}

function refusalLines(title: string, { total, byReason, offenders }: Refusals): string[] {
  return [
    '',
    `${title}: ${total.toLocaleString('en')} requests`,
    ...byReason.map(({ code, count, share }) =>
      row(code, number(count), percent(share), bar(share)),
    ),
    ...(offenders.length === 0
      ? []
      : [row('the most of', head('refused'), '   share', head('people'))]),
    ...offenders.map(({ name, refusals, share, people }) =>
      row(name, number(refusals), percent(share), number(people), bar(share)),
    ),
  ];
}

const COLUMNS = [
  'section',
  'kind',
  'name',
  'callers',
  'people',
  'refusals',
  'share_of_people',
  'share_of_refusals',
] as const;
type Row = Partial<Record<(typeof COLUMNS)[number], string | number>>;

/** What a spreadsheet would take for a formula when it stands first in a cell. */
const FORMULA = /^[=+\-@\t\r]/;
const SHARE_DIGITS = 6;

/** One cell (RFC 4180). No share or count is negative, so that only text is guarded. */
function cell(value: string | number): string {
  if (typeof value === 'number')
    return Number.isInteger(value) ? String(value) : value.toFixed(SHARE_DIGITS);
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** One table of RFC 4180: a line for each figure, empty where a column does not apply. */
export function csvOf(report: BotReport): string {
  const lines = rowsOf(report).map((one) =>
    COLUMNS.map((column) => cell(one[column] ?? '')).join(','),
  );
  return [COLUMNS.join(','), ...lines, ''].join('\r\n');
}

const rowsOf = ({ release, people, entrants, refusals, door }: BotReport): Row[] => [
  { section: 'release', name: release, people, refusals: refusals.total },
  ...entrants.flatMap(({ kind, callers, people: entered, distribution, top }): Row[] => [
    { section: 'entered', kind, callers, people: entered },
    ...distribution.map((one) => ({
      section: 'entered by',
      kind,
      name: `${one.people} people`,
      callers: one.callers,
    })),
    ...top.map((one) => ({
      section: 'entered most',
      kind,
      name: one.name,
      people: one.people,
      refusals: one.refusals,
      share_of_people: one.share,
    })),
  ]),
  ...refusalRows('refused', refusals),
  ...refusalRows('refused at the door', door),
];

const refusalRows = (section: string, { byReason, offenders }: Refusals): Row[] => [
  ...byReason.map(({ code, count, share }) => ({
    section,
    kind: 'reason',
    name: code,
    refusals: count,
    share_of_refusals: share,
  })),
  ...offenders.map((one) => ({
    section,
    kind: one.name.slice(0, one.name.indexOf(':')),
    name: one.name,
    people: one.people,
    refusals: one.refusals,
    share_of_people: one.shareOfPeople,
    share_of_refusals: one.share,
  })),
];
