/** What an import is told beside the file: it holds wherever the file itself says nothing. */
import { z } from 'zod';

/** A time of day that begins and ends, `HH:MM` each. */
export type Band = { readonly from: string; readonly to: string };

export type ImportTerms = {
  /** Left out where every row has its own. */
  readonly date?: string | undefined;
  readonly service: string;
  readonly dose: number;
  readonly minAge: number;
  readonly maxAge: number | null;
  /**
   * Time bands among which a centre's seats are spread evenly, the earliest taking the remainder.
   */
  readonly bands: readonly Band[];
  /** Names of the CSV's columns. */
  readonly columns: { readonly centre: string; readonly name: string; readonly seats: string };
};

/** A saved calendarByDistrict reply names its state and district, and does not number them. */
export type CalendarTerms = { readonly stateId: number; readonly districtId: number };

export const BANDS_MOST = 24;
const BAND = /^(?:[01]\d|2[0-3]):[0-5]\d-(?:[01]\d|2[0-3]):[0-5]\d$/;

/** What is wrong with the bands of a session. */
export function bandsFault(bands: readonly Band[]): string | undefined {
  if (bands.length === 0 || bands.length > BANDS_MOST) return `not 1 to ${BANDS_MOST} time bands`;
  if (!bands.every(({ from, to }) => from < to)) return 'a band ends after it begins';
  return new Set(bands.map(({ from }) => from)).size === bands.length
    ? undefined
    : 'bands begin at different times';
}

/** `09:00-11:00,11:00-13:00`; in a CSV, where commas need quotes, semicolons do as well. */
export function bandsOf(text: string): readonly Band[] | string {
  const parts = text.split(/[,;]/).map((part) => part.trim());
  if (!parts.every((part) => BAND.test(part)))
    return 'not time bands as in 09:00-11:00,11:00-13:00';
  const bands = parts.map((part) => ({ from: part.slice(0, 5), to: part.slice(6) }));
  return bandsFault(bands) ?? bands;
}

export const Bands = z.string().transform((text, context): readonly Band[] => {
  const bands = bandsOf(text);
  if (typeof bands !== 'string') return bands;
  context.addIssue({ code: 'custom', message: bands });
  return z.NEVER;
});
