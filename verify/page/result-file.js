// @ts-check
/** Result files: what people are told that a round gave, held against what it gave. */
import { members } from './canonical.js';
import { placeName, poolNamed } from './ledger.js';
import { parse } from './receipt.js';
import { demand, quoted } from './refusal.js';
import { compareWrittenIds, demandAscending, entryId, listOf } from './round.js';
import { LONGEST_LINE, readStart } from './streams.js';
import { idOf, idText } from './table.js';

/**
 * @typedef {import('./ledger.js').Ledger} Ledger
 * @typedef {{name: string, text: string}} ResultFile
 * @typedef {{file: string, ok: boolean | null, text: string}} ResultReport ok: null where it cannot
 *   be told
 */

const MEMBERS = /** @type {const} */ ([
  'digest',
  'offered',
  'prefix',
  'release',
  'round',
  'waiting',
]);
/** Transcripts begin with another member. */
const BEGINS = new RegExp(`^\\uFEFF?\\s*\\{\\s*"(?:${MEMBERS.join('|')})"`);
const BEGINNING = 64;
const BITS = 32;

/**
 * The text of a result file; undefined where it is none, but one of a draw.
 *
 * @param {import('./streams.js').Source} source
 */
async function resultText(source) {
  try {
    const beginning = new TextDecoder('utf-8', { ignoreBOM: true });
    if (!BEGINS.test(beginning.decode(await readStart(source, BEGINNING)))) return undefined;
  } catch {
    return undefined; // whoever reads it as a file of the draw tells its fault
  }
  try {
    const bytes = await readStart(source, LONGEST_LINE + 1);
    const whole = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    return bytes.length > LONGEST_LINE ? '' : whole.decode(bytes);
  } catch {
    return ''; // is no JSON either
  }
}

/**
 * Tells the files of a draw and result files apart: people choose them together.
 *
 * @param {readonly File[]} files
 */
export async function sortOut(files) {
  /** @type {{draw: File[], results: ResultFile[]}} */
  const sorted = { draw: [], results: [] };
  for (const file of files) {
    const text = await resultText(file);
    if (text === undefined) sorted.draw.push(file);
    else sorted.results.push({ name: file.name, text });
  }
  return sorted;
}

/**
 * What a round gave to entries whose ids begin with these bits: pools by id, -1 for who waits.
 *
 * @param {Ledger} ledger
 * @param {import('./ledger.js').Sealed} round
 * @param {string} prefix
 */
function givenBy({ table }, { first, offers, pools }, prefix) {
  /** @type {Map<string, number>} */
  const given = new Map();
  const note = (/** @type {number} */ entry, /** @type {number} */ pool) => {
    if (begins(table.ids[4 * entry] ?? 0, prefix)) given.set(idText(table, entry), pool);
  };
  for (const [entry, pool] of offers) note(entry, pool);
  for (const [place, pool] of pools.entries()) note(first + place, pool);
  return given;
}

/**
 * @param {number} word the first of an id
 * @param {string} prefix
 */
const begins = (word, prefix) => word >>> (BITS - prefix.length) === Number.parseInt(prefix, 2);

/**
 * What the file says, in the same form.
 *
 * @param {Ledger} ledger
 * @param {Record<'offered' | 'waiting', unknown>} lists
 * @param {string} prefix
 */
function saidBy(ledger, lists, prefix) {
  const offered = listOf(lists.offered, 'offered', (item) => {
    const { entry, pool, slot } = members(item, 'an offer', ['entry', 'pool', 'slot']);
    const number = poolNamed(ledger, slot, pool);
    const seat = `${quoted(slot)}, ${quoted(pool)}`;
    demand(number >= 0, `It gives seats that the release does not have: ${seat}.`);
    return /** @type {const} */ ([entryId(entry), number]);
  });
  const waiting = listOf(lists.waiting, 'waiting', entryId);
  /** @type {Map<string, number>} */
  const said = new Map(offered);
  demandAscending(
    offered.map(([id]) => id),
    'offered',
    compareWrittenIds,
  );
  demandAscending(waiting, 'waiting', compareWrittenIds);
  for (const id of waiting) {
    demand(!said.has(id), `It says of the entry ${id} both that it got seats and that it waits.`);
    said.set(id, -1);
  }
  for (const id of said.keys())
    demand(
      begins(idOf(id)?.[0] ?? 0, prefix),
      `The entry ${id} belongs in another file: its id does not begin with ${prefix}.`,
    );
  return said;
}

/**
 * @param {string} text
 * @param {Ledger} ledger
 */
function compare(text, ledger) {
  const file = members(parse(text, 'file'), 'the file', MEMBERS);
  const { digest, prefix, release } = file;
  const round = typeof file.round === 'number' ? file.round : -1;
  const { manifest, sealed, rounds } = ledger;
  demand(
    release === manifest.release,
    `It is of the release ${quoted(release)}, and the draw is of ${quoted(manifest.release)}.`,
  );
  const held = sealed[round];
  demand(held, `It is of round ${quoted(file.round)}, which the files of the draw do not have.`);
  demand(
    digest === rounds[round]?.digest,
    `It is of another draw: its digest is not that of round ${round}.`,
  );
  demand(
    typeof prefix === 'string' && /^[01]{1,24}$/.test(prefix),
    'It does not say for which entries it is: its prefix is not 1 to 24 of 0 and 1.',
  );
  const said = saidBy(ledger, file, prefix);
  const given = givenBy(ledger, held, prefix);
  const does = (/** @type {number} */ pool) =>
    pool < 0 ? 'waits' : `gets seats of ${placeName(ledger, pool)}`;
  for (const [id, pool] of said) {
    const right = given.get(id);
    demand(right !== undefined, `It has the entry ${id}, and round ${round} does not.`);
    demand(
      pool === right,
      `In round ${round} the entry ${id} ${does(right)}. The file says that it ${does(pool)}.`,
    );
  }
  for (const [id, pool] of given)
    demand(said.has(id), `It leaves out the entry ${id}, which ${does(pool)} in round ${round}.`);
  const waiting = Array.from(given.values()).filter((pool) => pool < 0).length;
  return (
    `It says what round ${round} gave to the entries whose ids begin with ${prefix}: ` +
    `${given.size - waiting} got seats, ${waiting} wait.`
  );
}

/**
 * @param {readonly ResultFile[]} files
 * @param {Ledger | undefined} ledger of the draw, if it was accepted
 * @returns {ResultReport[]}
 */
export function checkResults(files, ledger) {
  return files.map(({ name, text }) => {
    if (!ledger) return { file: name, ok: null, text: UNKNOWN };
    try {
      return { file: name, ok: true, text: compare(text, ledger) };
    } catch (fault) {
      const reason = fault instanceof Error ? fault.message : 'It is damaged.';
      return { file: name, ok: false, text: reason };
    }
  });
}

const UNKNOWN =
  'What the draw gave stands in the files of its rounds: choose those too, and they must be right.';
