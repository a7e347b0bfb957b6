/** Attestations from CSV: all rows or none. Pure. */
import { parse } from 'csv-parse/sync';
import { Category } from '../releases/manifest.ts';
import { ID_TYPES, normaliseIdNumber, PEOPLE_LIMITS, type IdType } from './rules.ts';

export type Attestation = {
  readonly idType: IdType;
  readonly idNumber: string;
  /** What an operator has seen proof of; it replaces what was attested of this ID before. */
  readonly categories: readonly string[];
};

/** The reason never holds the number: it is shown, and may be kept in a log. */
export type BadRow = { readonly line: number; readonly reason: string };

export const ATTEST_COLUMNS = ['id_type', 'id_number', 'categories'] as const;
const SEPARATOR = ';';

type Parsed = {
  readonly info: { readonly lines: number };
  readonly record: Readonly<Record<string, string>>;
};

/** The attestations of a file with each number in its one spelling, or every bad row. */
export function readAttestations(csv: string): readonly Attestation[] | { bad: readonly BadRow[] } {
  let rows: Parsed[];
  try {
    const options = { bom: true, columns: true, skip_empty_lines: true, trim: true } as const;
    rows = parse(csv, { ...options, info: true }) as unknown as Parsed[]; // the typings leave `info` out
  } catch (error) {
    const { lines, message } = error as { lines?: number; message: string };
    return { bad: [{ line: lines ?? 1, reason: message }] };
  }
  const missing = ATTEST_COLUMNS.filter((column) => rows[0] && !(column in rows[0].record));
  if (missing.length > 0)
    return { bad: [{ line: 1, reason: `the header lacks ${missing.join(', ')}` }] };
  const attestations: Attestation[] = [];
  const bad: BadRow[] = [];
  const seen = new Map<string, number>();
  for (const { info, record } of rows) {
    const attestation = attestationOf(record);
    if (typeof attestation === 'string') {
      bad.push({ line: info.lines, reason: attestation });
      continue;
    }
    const id = `${attestation.idType}|${attestation.idNumber}`;
    const before = seen.get(id);
    if (before !== undefined)
      bad.push({ line: info.lines, reason: `this ID stands on line ${before} already` });
    seen.set(id, before ?? info.lines);
    attestations.push(attestation);
  }
  if (rows.length === 0) bad.push({ line: 1, reason: 'no rows below the header' });
  return bad.length > 0 ? { bad } : attestations;
}

/** A row's attestation, or what is wrong with it. */
function attestationOf(record: Readonly<Record<string, string>>): Attestation | string {
  const { id_type: type, id_number: number = '', categories: list = '' } = record;
  const idType = ID_TYPES.find((one) => one === type);
  if (!idType) return `the ID type is none of ${ID_TYPES.join(', ')}`;
  const idNumber = normaliseIdNumber(idType, number);
  if (idNumber === undefined) return `this is no number of a document of type ${idType}`;
  const categories = list
    .split(SEPARATOR)
    .map((category) => category.trim())
    .filter((category) => category !== '');
  if (!categories.every((category) => Category.safeParse(category).success))
    return 'a category is not lower-case letters, digits, dots and hyphens';
  if (categories.length > PEOPLE_LIMITS.categoriesPerPerson)
    return `more than ${PEOPLE_LIMITS.categoriesPerPerson} categories`;
  return { idType, idNumber, categories };
}
