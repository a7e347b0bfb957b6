/** What one row of a CSV offers. The columns are described in docs/import.md. Pure. */
import type { z } from 'zod';
import { sha256Hex } from '../../lib/hash.ts';
import { Centre, type ManifestSession, MANIFEST_LIMITS, Session } from '../manifest.ts';
import type { Offering } from './add.ts';
import { textFault } from './text.ts';
import { bandsOf, type ImportTerms } from './terms.ts';

/** Where one of these is in the header, all of them are, and every row has them. */
export const DIRECTORY_NEEDED = [
  'state_id',
  'state_name',
  'district_id',
  'district_name',
  'pincode',
] as const;
export const DIRECTORY_COLUMNS = [
  ...DIRECTORY_NEEDED,
  'block_name',
  'address',
  'lat',
  'long',
  'opens',
  'closes',
  'fee_type',
] as const;
/** What a session of its own says; an empty cell says what the import's terms do. */
export const SESSION_COLUMNS = [
  'date',
  'vaccine',
  'dose',
  'min_age',
  'max_age',
  'bands',
  'fee',
] as const;
const DEFAULTS = { opens: '09:00', closes: '17:00', feeType: 'Free' };
/** Members of the manifest that a CSV calls otherwise. */
const COLUMN_OF: Readonly<Record<string, string>> = {
  name: 'the name',
  centre: 'the centre id',
  service: 'vaccine',
  from: 'opens',
  to: 'closes',
};

/** The cell of a column; empty where the header has no such column. */
export type Cells = (column: string) => string;

const CENTRE = /^[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?$/;
const SEATS = /^\d{1,7}$/;
const WHOLE = /^-?\d{1,9}$/;
const DEGREES = /^-?\d{1,3}(?:\.\d{1,15})?$/;

export const centreFault = (centre: string): string | undefined =>
  CENTRE.test(centre) ? undefined : 'the centre id is not 1 to 20 letters, digits or hyphens';

const numberIn = (cell: string): number => (WHOLE.test(cell) ? Number(cell) : Number.NaN);
/** Plus 0: there is no -0 in a manifest. */
const degreesIn = (cell: string): number =>
  DEGREES.test(cell) ? Math.round(Number(cell)) + 0 : Number.NaN;

/** What a row offers, or what is wrong with it first. */
export function offeringOf(
  at: number,
  id: string,
  cells: Cells,
  terms: ImportTerms,
  withDirectory: boolean,
): Offering<number> | string {
  const centre = checked(Centre, {
    centre: id,
    name: cells(terms.columns.name),
    ...(withDirectory && { directory: directoryIn(cells) }),
  });
  if (typeof centre === 'string') return centre;
  const seats = cells(terms.columns.seats);
  if (!SEATS.test(seats) || Number(seats) > MANIFEST_LIMITS.seatsPerPool)
    return `the seats are not a whole number from 0 to ${MANIFEST_LIMITS.seatsPerPool}`;
  const session = sessionIn(id, cells, terms);
  if (typeof session === 'string') return session;
  const bands = cells('bands') === '' ? terms.bands : bandsOf(cells('bands'));
  if (typeof bands === 'string') return `bands: ${bands}`;
  const { session: _id, fee: _fee, ...facts } = session;
  return { at, centre, session, identity: JSON.stringify(facts), seats: Number(seats), bands };
}

/** What a schema of the manifest makes of it, or what is wrong, by the name of its column. */
function checked<S extends z.ZodType>(schema: S, value: object): z.output<S> | string {
  const result = schema.safeParse(value);
  if (result.success) return textsFault(value) ?? result.data;
  const issue = result.error.issues[0];
  return `${columnOf(String(issue?.path.at(-1)))} is ${issue?.message}`;
}

const columnOf = (member: string): string => COLUMN_OF[member] ?? member;

/** The first text that is none, in what was checked or in its directory, which comes last. */
function textsFault(value: object): string | undefined {
  for (const [member, one] of Object.entries(value)) {
    if (typeof one === 'object' && one !== null) return textsFault(one);
    const fault = typeof one === 'string' ? textFault(one) : undefined;
    if (fault !== undefined) return `${columnOf(member)} is ${fault}`;
  }
  return undefined;
}

const directoryIn = (cells: Cells) => ({
  state_id: numberIn(cells('state_id')),
  state_name: cells('state_name'),
  district_id: numberIn(cells('district_id')),
  district_name: cells('district_name'),
  block_name: cells('block_name'),
  pincode: numberIn(cells('pincode')),
  address: cells('address'),
  lat: degreesIn(cells('lat') || '0'),
  long: degreesIn(cells('long') || '0'),
  from: cells('opens') || DEFAULTS.opens,
  to: cells('closes') || DEFAULTS.closes,
  fee_type: cells('fee_type') || DEFAULTS.feeType,
});

const SessionFacts = Session.omit({ session: true });

function sessionIn(centre: string, cells: Cells, terms: ImportTerms): ManifestSession | string {
  const date = cells('date') || terms.date;
  if (!date) return 'it has no date, and no other was said (--date, or date in the query)';
  const number = <T>(column: string, term: T): T | number =>
    cells(column) === '' ? term : numberIn(cells(column));
  const fee = number('fee', undefined);
  const facts = checked(SessionFacts, {
    centre,
    date,
    service: cells('vaccine') || terms.service,
    dose: number('dose', terms.dose),
    min_age: number('min_age', terms.minAge),
    max_age: number('max_age', terms.maxAge),
    ...(fee !== undefined && { fee }),
  });
  if (typeof facts === 'string') return facts;
  if (facts.max_age !== null && facts.max_age < facts.min_age) return 'max_age is below min_age';
  const isOwn = ['vaccine', 'min_age', 'max_age'].some((column) => cells(column) !== '');
  const day = facts.date.replaceAll('-', '');
  const kind = isOwn ? `-${vaccineSlug(facts.service)}-${facts.min_age}` : '';
  return { session: `${centre}-${day}${kind}-d${facts.dose}`, ...facts };
}

const SLUG_LONGEST = 10;

/** At most 10 characters; of a name without Latin letters and digits, those of its hash. */
function vaccineSlug(vaccine: string): string {
  const slug = vaccine
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
    .slice(0, SLUG_LONGEST)
    .replace(/-$/, '');
  return slug === '' ? sha256Hex(Buffer.from(vaccine)).slice(0, SLUG_LONGEST) : slug;
}
