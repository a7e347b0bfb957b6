/**
 * Calendar days, YYYY-MM-DD, and when they begin in a time zone. A manifest has days and times of
 * day as a centre's clocks show them; the deployment's zone makes instants of them.
 */

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
  Temporal.PlainDate.from(day).add({ days }).toString();
