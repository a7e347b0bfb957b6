/** How the CoWIN surface writes days and time bands. Pure. */

const DAY = /^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})$/;

/**
 * YYYY-MM-DD of a day as clients write it: DD-MM-YYYY, without leading zeros too, and with two
 * digits of a year of this century. Undefined where there is no such day. One day has one spelling
 * from here on: a second one must not be a way past a cache.
 */
export function dayOf(text: string): string | undefined {
  const [, day = '', month = '', year = ''] = DAY.exec(text.trim()) ?? [];
  const iso = `${year.length === 2 ? `20${year}` : year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`;
  const ms = Date.parse(`${iso}T00:00:00Z`);
  return Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== iso ? undefined : iso;
}

/** DD-MM-YYYY of YYYY-MM-DD. */
export const dayText = (iso: string): string => iso.split('-').toReversed().join('-');

/** `09:00AM` of 09:00, `01:30PM` of 13:30. */
function clockText(time: string): string {
  const [hours = 0, minutes = ''] = time
    .split(':')
    .map((part, index) => (index === 0 ? Number(part) : part));
  const hour = Number(hours);
  return `${String(hour % 12 || 12).padStart(2, '0')}:${minutes}${hour < 12 ? 'AM' : 'PM'}`;
}

/** `09:00AM-11:00AM`. */
export const bandText = ({ from, to }: { readonly from: string; readonly to: string }): string =>
  `${clockText(from)}-${clockText(to)}`;

/** One spelling of a band that a client sends: no spaces, capitals, two digits of an hour. */
export const bandOf = (text: string): string =>
  text
    .toUpperCase()
    .replaceAll(/\s/g, '')
    .replaceAll(/(^|-)(\d):/g, '$10$2:');

/** HH:MM:SS of HH:MM. */
export const secondsText = (time: string): string => `${time}:00`;
