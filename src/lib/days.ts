/**
 * Calendar days, YYYY-MM-DD, and when they begin in a time zone. A manifest has days and times of
 * day as a centre's clocks show them; the deployment's zone makes instants of them.
 */
import { createRecent } from './recent.ts';

/** The day that it is in a zone at an instant. */
export const dayAt = (epochMs: number, timeZone: string): string =>
  Temporal.Instant.fromEpochMilliseconds(epochMs)
    .toZonedDateTimeISO(timeZone)
    .toPlainDate()
    .toString();

/** Hours and minutes that clocks in a zone show, as HH:MM. */
export const clockAt = (epochMs: number, timeZone: string): string =>
  Temporal.Instant.fromEpochMilliseconds(epochMs)
    .toZonedDateTimeISO(timeZone)
    .toPlainTime()
    .toString({ smallestUnit: 'minute' });

/** When clocks in a zone show this time of day, or as soon after it as they do. */
export const instantMs = (day: string, time: string, timeZone: string): number =>
  instants.get(`${day} ${time} ${timeZone}`, () => zonedMs(day, time, timeZone));

/** Entries and bookings ask for each slot's again and again, and there are few of them. */
const instants = createRecent<string, number>(10_000);
const zonedMs = (day: string, time: string, timeZone: string): number =>
  Temporal.PlainDate.from(day).toZonedDateTime({ timeZone, plainTime: time }).epochMilliseconds;

/** When a day begins in a zone, and when the next one does. */
export const dayBoundsMs = (
  day: string,
  timeZone: string,
): { fromMs: number; untilMs: number } => ({
  fromMs: startMs(day, timeZone),
  untilMs: startMs(addDays(day, 1), timeZone),
});

/** Not always midnight: some zones skip it once a year. */
const startMs = (day: string, timeZone: string): number =>
  Temporal.PlainDate.from(day).toZonedDateTime(timeZone).epochMilliseconds;

export const addDays = (day: string, days: number): string =>
  sums.get(`${day} ${days}`, () => Temporal.PlainDate.from(day).add({ days }).toString());

const sums = createRecent<string, string>(1_000);
