/** The times of a CoWIN slot as a band. Pure. */
import type { Band } from './terms.ts';

/** What CoWIN called its slots in early 2021. */
const HALF_DAYS: Readonly<Record<string, Band>> = {
  FORENOON: { from: '09:00', to: '13:00' },
  AFTERNOON: { from: '13:00', to: '17:00' },
};
const TIME = /^(\d{1,2}):([0-5]\d)(?::[0-5]\d)? ?(AM|PM)?$/;
const HOURS_OF_HALF_DAY = 12;

/** `09:00AM-11:00AM`, `FORENOON`; also by 24 hours. */
export function slotBand(text: string): Band | undefined {
  const name = text.trim().toUpperCase();
  const halfDay = HALF_DAYS[name];
  if (halfDay) return halfDay;
  const [from, to, ...more] = name.split('-').map((part) => timeOf(part.trim()));
  return from !== undefined && to !== undefined && more.length === 0 ? { from, to } : undefined;
}

/** `10:30:00`, `03:00PM` as `HH:MM`. */
export function timeOf(text: string): string | undefined {
  const [, hour, minutes, half] = TIME.exec(text) ?? [];
  if (hour === undefined || minutes === undefined) return undefined;
  const number = Number(hour);
  if (half !== undefined && (number < 1 || number > HOURS_OF_HALF_DAY)) return undefined;
  const hours =
    half === undefined
      ? number
      : (number % HOURS_OF_HALF_DAY) + (half === 'PM' ? HOURS_OF_HALF_DAY : 0);
  return hours < 24 ? `${String(hours).padStart(2, '0')}:${minutes}` : undefined;
}
