// @ts-check
/** What is wrong with a file, as an exception that carries its line. */

/**
 * @param {string} reason
 * @param {number} [line] where it is not the line that is being read
 */
export const refusal = (reason, line) =>
  Object.assign(new Error(reason), { name: 'Refusal', line: line ?? null });

/**
 * @param {unknown} condition
 * @param {string} reason what is wrong when it does not hold
 * @returns {asserts condition}
 */
export function demand(condition, reason) {
  if (!condition) throw refusal(reason);
}

const QUOTED_AT_MOST = 400;

/**
 * A piece of a file for a sentence: hostile files have long ones.
 *
 * @param {unknown} value
 */
export function quoted(value) {
  return shortened(JSON.stringify(value) ?? 'nothing');
}

/** @param {string} text */
export const shortened = (text) =>
  text.length > QUOTED_AT_MOST ? `${text.slice(0, QUOTED_AT_MOST)}…` : text;
