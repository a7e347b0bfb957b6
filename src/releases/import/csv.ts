/** Reads a CSV: its header, then every row or what is wrong with it. Pure. */
import { parse } from 'csv-parse/sync';
import { MANIFEST_LIMITS } from '../manifest.ts';
import { type Fault, FAULTS_MOST, type Offering, type Reading } from './add.ts';
import {
  centreFault,
  type Cells,
  DIRECTORY_COLUMNS,
  DIRECTORY_NEEDED,
  offeringOf,
  SESSION_COLUMNS,
} from './row.ts';
import type { ImportTerms } from './terms.ts';

/** Rows below the header: each gives a slot or more, or is empty. */
const ROWS_MOST = MANIFEST_LIMITS.slots;
/** Of the header and of every row: a row is kept as a list of its cells, however many there are. */
const COLUMNS_MOST = 64;

type Parsed = { readonly info: { readonly lines: number }; readonly record: string[] };

const refused = (line: number, reason: string): Reading<number> => ({
  offerings: [],
  bad: [{ at: line, reason }],
  empty: 0,
});

export function readCsv(csv: string, terms: ImportTerms): Reading<number> {
  const wide = wideRow(csv);
  if (wide !== undefined) return refused(wide, `more than ${COLUMNS_MOST} columns`);
  let parsed: Parsed[];
  try {
    const options = {
      bom: true,
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
      to: ROWS_MOST + 2,
    };
    parsed = parse(csv, { ...options, info: true }) as unknown as Parsed[]; // the typings leave `info` out
  } catch (error) {
    const { lines, message } = error as { lines?: number; message: string };
    return refused(lines ?? 1, message);
  }
  const header = parsed[0]?.record ?? [];
  const fault = headerFault(header, terms);
  if (fault !== undefined) return refused(1, fault);
  if (parsed.length === 1) return refused(1, 'no rows below the header');
  const over = parsed[ROWS_MOST + 1];
  if (over) return refused(over.info.lines, `more than ${ROWS_MOST} rows`);
  return readRows(parsed.slice(1), header, terms);
}

const MARK = /["\r\n,]/g;

/**
 * The line of the first row with too many columns, before anything is made of it. Quotes are
 * counted as the parser does up to its first fault, where it ends; so are lines.
 */
function wideRow(csv: string): number | undefined {
  let line = 1;
  let columns = 1;
  let isQuoted = false;
  for (const { 0: mark, index } of csv.matchAll(MARK)) {
    if (mark === '"') isQuoted = !isQuoted;
    else if (mark === ',') columns += isQuoted ? 0 : 1;
    else {
      if (mark === '\r' || csv[index - 1] !== '\r') line += 1;
      if (!isQuoted) columns = 1;
    }
    if (columns > COLUMNS_MOST) return line;
  }
  return undefined;
}

function headerFault(header: readonly string[], { columns }: ImportTerms): string | undefined {
  const withDirectory = DIRECTORY_NEEDED.some((column) => header.includes(column));
  const needed = [columns.centre, columns.name, columns.seats];
  if (withDirectory) needed.push(...DIRECTORY_NEEDED);
  const missing = needed.filter((column) => !header.includes(column));
  if (missing.length > 0) return `the header lacks ${missing.join(', ')}`;
  const read = [...new Set([...needed, ...DIRECTORY_COLUMNS, ...SESSION_COLUMNS])];
  const twice = read.filter((column) => header.indexOf(column) !== header.lastIndexOf(column));
  return twice.length > 0 ? `the header has ${twice.join(', ')} more than once` : undefined;
}

function readRows(
  rows: readonly Parsed[],
  header: readonly string[],
  terms: ImportTerms,
): Reading<number> {
  const offerings: Offering<number>[] = [];
  const bad: Fault<number>[] = [];
  const index = new Map(header.map((column, at) => [column, at]));
  const hasSessions = SESSION_COLUMNS.some((column) => index.has(column));
  /** Lines of centres, where each has one. */
  const seen = new Map<string, number>();
  for (const { info, record } of rows) {
    const at = info.lines;
    const cells: Cells = (column) => record[index.get(column) ?? -1] ?? '';
    const centre = cells(terms.columns.centre).toLowerCase();
    const before = seen.get(centre);
    if (!hasSessions && before === undefined) seen.set(centre, at);
    const reason =
      (record.length === header.length ? undefined : 'another number of columns than the header') ??
      centreFault(centre) ??
      (before === undefined ? undefined : `the centre id stands on line ${before} already`);
    const read = reason ?? offeringOf(at, centre, cells, terms, index.has('state_id'));
    if (typeof read === 'string') bad.push({ at, reason: read });
    else offerings.push(read);
    if (bad.length === FAULTS_MOST) break;
  }
  return { offerings, bad, empty: offerings.filter(({ seats }) => seats === 0).length };
}
