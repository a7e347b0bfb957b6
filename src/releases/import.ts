/** Centres and capacities from CSV: all rows or none. Pure. */
import { parse } from 'csv-parse/sync';
import { refuse, type Refusal } from '../refusal.ts';
import { MANIFEST_LIMITS, OPEN_POOL, type Manifest } from './manifest.ts';

export type Places = Pick<Manifest, 'centres' | 'sessions' | 'slots'>;

export const NO_PLACES: Places = { centres: [], sessions: [], slots: [] };

export type ImportTerms = {
  readonly date: string;
  readonly service: string;
  readonly dose: number;
  readonly minAge: number;
  readonly maxAge: number | null;
  /**
   * Time bands among which a centre's seats are spread evenly, the earliest taking the remainder.
   */
  readonly bands: readonly { readonly from: string; readonly to: string }[];
  /** Names of the CSV's columns. */
  readonly columns: { readonly centre: string; readonly name: string; readonly seats: string };
};

type Row = {
  readonly line: number;
  readonly centre: string;
  readonly name: string;
  readonly seats: number;
};
type BadRow = { readonly line: number; readonly reason: string };

const CENTRE = /^[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?$/;
const SEATS = /^\d{1,7}$/;

/** The places of a draft with those of the CSV added. Refuses with every bad row's line number. */
export function importPlaces(places: Places, csv: string, terms: ImportTerms): Places | Refusal {
  const read = readRows(csv, terms.columns);
  if ('refused' in read) return read;
  const { rows, bad } = read;
  if (rows.length + bad.length === 0)
    return invalid([{ line: 1, reason: 'no rows below the header' }]);
  return withinLimits(addPlaces(places, rows, bad, terms));
}

const invalid = (bad: readonly BadRow[]): Refusal =>
  refuse('IMPORT_INVALID', {
    detail: `${bad.length} bad ${bad.length === 1 ? 'row' : 'rows'}`,
    extra: { rows: bad.toSorted((one, other) => one.line - other.line) },
  });

type Parsed = { readonly info: { readonly lines: number }; readonly record: string[] };

function readRows(
  csv: string,
  columns: ImportTerms['columns'],
): { rows: Row[]; bad: BadRow[] } | Refusal {
  let parsed: Parsed[];
  try {
    const options = {
      bom: true,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    } as const;
    parsed = parse(csv, { ...options, info: true }) as unknown as Parsed[]; // the typings leave `info` out
  } catch (error) {
    const { lines, message } = error as { lines?: number; message: string };
    return invalid([{ line: lines ?? 1, reason: message }]);
  }
  const header = parsed[0]?.record ?? [];
  const at = {
    centre: header.indexOf(columns.centre),
    name: header.indexOf(columns.name),
    seats: header.indexOf(columns.seats),
  };
  const missing = Object.entries(at)
    .filter(([, index]) => index < 0)
    .map(([key]) => columns[key as keyof typeof at]);
  if (missing.length > 0)
    return invalid([{ line: 1, reason: `the header lacks ${missing.join(', ')}` }]);
  const rows: Row[] = [];
  const bad: BadRow[] = [];
  const seen = new Map<string, number>();
  for (const { info, record } of parsed.slice(1)) {
    const centre = (record[at.centre] ?? '').toLowerCase();
    const name = record[at.name] ?? '';
    const seats = record[at.seats] ?? '';
    const reason = faultOf(record.length === header.length, centre, name, seats, seen.get(centre));
    if (reason) bad.push({ line: info.lines, reason });
    else rows.push({ line: info.lines, centre, name, seats: Number(seats) });
    if (!seen.has(centre)) seen.set(centre, info.lines);
  }
  return { rows, bad };
}

function faultOf(
  complete: boolean,
  centre: string,
  name: string,
  seats: string,
  seenAt: number | undefined,
): string | undefined {
  if (!complete) return 'another number of columns than the header';
  if (!CENTRE.test(centre)) return 'the centre id is not 1 to 20 letters, digits or hyphens';
  if (seenAt !== undefined) return `the centre id stands on line ${seenAt} already`;
  if (name.length === 0 || name.length > 120) return 'the name is not 1 to 120 characters';
  if (!SEATS.test(seats) || Number(seats) > MANIFEST_LIMITS.seatsPerPool) {
    return `the seats are not a whole number from 0 to ${MANIFEST_LIMITS.seatsPerPool}`;
  }
  return undefined;
}

/** `9:00` on 2021-04-11 at centre 6291 for dose 1 becomes slot `6291-20210411-d1-0900`. */
function addPlaces(
  places: Places,
  rows: readonly Row[],
  bad: BadRow[],
  terms: ImportTerms,
): Places | Refusal {
  const compactDate = terms.date.replaceAll('-', '');
  const centres = new Map(places.centres.map((centre) => [centre.centre, centre]));
  const sessions = new Map(places.sessions.map((session) => [session.session, session]));
  const slots = new Map(places.slots.map((slot) => [slot.slot, slot]));
  for (const { line, centre, name, seats } of rows) {
    if (seats === 0) continue; // closed that day
    const session = `${centre}-${compactDate}-d${terms.dose}`;
    if (sessions.has(session)) {
      bad.push({ line, reason: `session ${session} was imported before` });
      continue;
    }
    centres.set(centre, { centre, name });
    const { date, service, dose } = terms;
    sessions.set(session, {
      session,
      centre,
      date,
      service,
      dose,
      min_age: terms.minAge,
      max_age: terms.maxAge,
    });
    terms.bands.forEach(({ from, to }, band) => {
      const share =
        Math.floor(seats / terms.bands.length) + (band < seats % terms.bands.length ? 1 : 0);
      if (share === 0) return;
      const slot = `${session}-${from.replace(':', '')}`;
      slots.set(slot, { slot, session, from, to, pools: [{ pool: OPEN_POOL, seats: share }] });
    });
  }
  if (bad.length > 0) return invalid(bad);
  return {
    centres: [...centres.values()],
    sessions: [...sessions.values()],
    slots: [...slots.values()],
  };
}

function withinLimits(places: Places | Refusal): Places | Refusal {
  if ('refused' in places) return places;
  const { slots, centres } = MANIFEST_LIMITS;
  if (places.slots.length <= slots && places.centres.length <= centres) return places;
  return invalid([
    { line: 1, reason: `a release holds at most ${slots} slots and ${centres} centres` },
  ]);
}
