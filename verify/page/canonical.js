// @ts-check
/** Canonical JSON (RFC 8785): strict reading, and writing. */
import { demand, quoted, refusal } from './refusal.js';

/** Lists, objects and members of a line: each takes many times its length in memory. */
const MOST_PARTS = 1_000_000;

/** Deeper documents are refused, so that no file exhausts the stack. */
const DEEPEST = 200;

/**
 * @param {string} text
 * @returns {string}
 */
export function quote(text) {
  demand(text.isWellFormed(), 'the line has half of a surrogate pair');
  return JSON.stringify(text);
}

/**
 * Only whole numbers that are exact: no other is in what is published.
 *
 * @param {unknown} value as JSON.parse gives it
 * @param {number} [depth]
 * @returns {string}
 */
export function canonical(value, depth = 0) {
  demand(depth <= DEEPEST, `the line is nested more than ${DEEPEST} levels deep`);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number') {
    demand(Number.isSafeInteger(value), `the line has the number ${value}, which is not whole`);
    return Object.is(value, -0) ? '0' : String(value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth + 1)).join(',')}]`;
  const object = /** @type {Record<string, unknown>} */ (value);
  const names = Object.keys(object).toSorted();
  const members = names.map((name) => `${quote(name)}:${canonical(object[name], depth + 1)}`);
  return `{${members.join(',')}}`;
}

/**
 * At least as many as there are.
 *
 * @param {string} text
 */
function partsOf(text) {
  if (text.length <= MOST_PARTS) return 0;
  let count = 0;
  for (const sign of '[{:')
    for (let at = text.indexOf(sign); at >= 0; at = text.indexOf(sign, at + 1)) count += 1;
  return count;
}

/**
 * @param {string} text
 * @returns {unknown}
 */
export function parseJson(text) {
  demand(partsOf(text) <= MOST_PARTS, `the line has more than ${MOST_PARTS} lists and members`);
  try {
    return JSON.parse(text);
  } catch {
    throw refusal('the line is not JSON');
  }
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export const isObject = (value) =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * An object with exactly these members.
 *
 * @template {string} Name
 * @param {unknown} value
 * @param {string} what for the sentence
 * @param {readonly Name[]} names
 * @returns {Record<Name, unknown>}
 */
export function members(value, what, names) {
  demand(isObject(value), `${what} is not an object`);
  for (const name of names) demand(Object.hasOwn(value, name), `${what} has no member ${name}`);
  const extra = Object.keys(value).find((name) => !names.some((known) => known === name));
  demand(extra === undefined, `${what} has a member ${quoted(extra)} that does not belong there`);
  return value;
}

/**
 * A line of this kind with exactly these members beside `kind`.
 *
 * @template {string} Name
 * @param {string} text
 * @param {string} kind
 * @param {readonly Name[]} names
 */
export function parseLine(text, kind, names) {
  const value = parseJson(text);
  const found = isObject(value) ? value['kind'] : undefined;
  demand(found === kind, `this must be a line of kind "${kind}", but is of kind ${quoted(found)}`);
  return members(value, 'the line', [...names, 'kind']);
}

export const NOT_CANONICAL = 'the line is not written in canonical JSON (RFC 8785)';
