// @ts-check
/** Times as docs/draw.md writes them. */

const WRITTEN = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/**
 * Milliseconds since 1970 of RFC 3339 in UTC with milliseconds, from then on; undefined for anything
 * else. Such texts sort as their times do.
 *
 * @param {unknown} text
 */
export function timeOf(text) {
  if (typeof text !== 'string' || !WRITTEN.test(text) || text < '1970') return undefined;
  const ms = Date.parse(text);
  // Some parsers let the 31st of February pass.
  return Number.isNaN(ms) || new Date(ms).toISOString() !== text ? undefined : ms;
}
