/** Places from a file, added to those of a draft: all rows or sessions of it, or none. Pure. */
import { refuse, type Refusal } from '../refusal.ts';
import { addOfferings, type Fault, type Places } from './import/add.ts';
import { readCalendar } from './import/calendar.ts';
import { readCsv } from './import/csv.ts';
import type { CalendarTerms, ImportTerms } from './import/terms.ts';

export type { CalendarTerms, ImportTerms, Places };

export const NO_PLACES: Places = { centres: [], sessions: [], slots: [] };

export type Imported = {
  /** Those of the draft, then those of the file. */
  readonly places: Places;
  /** Rows or sessions of the file without any seats. */
  readonly leftOut: number;
};

/** The places of a draft with those of the CSV added. Refuses with every bad row's line number. */
export function importPlaces(places: Places, csv: string, terms: ImportTerms): Imported | Refusal {
  const reading = readCsv(csv, terms);
  const added = addOfferings(places, reading, 1, (line) => `line ${line}`);
  if (isPlaces(added)) return { places: added, leftOut: reading.empty };
  const rows = added.map(({ at, reason }) => ({ line: at, reason }));
  return refuse('IMPORT_INVALID', {
    detail: `${rows.length} bad ${rows.length === 1 ? 'row' : 'rows'}`,
    extra: { rows: rows.toSorted((one, other) => one.line - other.line) },
  });
}

/** The same with a saved calendarByDistrict reply's `centers`; bad ones by their JSON paths. */
export function importCalendar(
  places: Places,
  centers: readonly unknown[],
  terms: CalendarTerms,
): Imported | Refusal {
  const reading = readCalendar(centers, terms);
  const added = addOfferings(places, reading, 'centers', (path) => path);
  if (isPlaces(added)) return { places: added, leftOut: reading.empty };
  const problems = added.map(({ at, reason }) => ({ path: at, message: reason }));
  return refuse('IMPORT_INVALID', {
    detail: `${problems.length} bad ${problems.length === 1 ? 'place' : 'places'}`,
    extra: { problems },
  });
}

const isPlaces = (added: Places | readonly Fault<unknown>[]): added is Places => 'slots' in added;
