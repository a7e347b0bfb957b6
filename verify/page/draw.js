// @ts-check
/**
 * Verifies the published draw of a release, written from docs/draw.md alone. Knows neither page nor
 * network: it runs wherever there are web streams.
 */
import { isQuicknet, trustOf } from './beacon.js';
import { createRound, roundNamedIn, takeLine } from './round.js';
import { refusal } from './refusal.js';
import { LONGEST_LINE, readLines } from './streams.js';
import { countOfIn } from './table.js';

/**
 * @typedef {import('./streams.js').Source} Source
 * @typedef {import('./ledger.js').Ledger} Ledger
 * @typedef {{accepted: true, release: string, manifestHash: string,
 *   rounds: import('./ledger.js').Round[], digest: string, checked: string[],
 *   notChecked: string[], trust: string}} Accepted
 * @typedef {{accepted: false, file: string, line: number, reason: string}} Refused line: from 1
 * @typedef {Accepted | Refused} Report
 * @typedef {{file: number, files: number, bytes: number, entries: number}} Progress bytes: read of
 *   this file, as it stands on the disk
 * @typedef {{digest?: string | undefined, inOrder?: boolean,
 *   onProgress?: (progress: Progress) => void}} Options digest: what the last one must be; inOrder:
 *   the files are in order of their rounds, so none is opened to look
 */

const CHECKED = [
  'every line is canonical JSON, byte for byte, and no line is missing, added or moved',
  'each seal goes on from the round before, under the one manifest',
  'what happened between the rounds fits who waited and who held seats',
  'no list was fixed before the value of the round before it',
  'no offer expired before its time',
  'the Merkle root of each seal is that of the entries in its file',
  'each value of the beacon is the one that the seal names, and gives the seed',
  'each entry has the leaf, the key and the place in the order that follow from it',
  'each seat went to the first in that order who asked for it and may have it',
  'the seats before and after, the hash of each transcript, and each digest',
];

/** A file's first lines, at most, up to its seal. */
const LINES_TO_SEAL = 3;

/** What happened can be long, and stands before the seal: it is not wanted yet. */
const WHILE_NAMING = { longest: 2 ** 29, skip: 64 * 1024 };

/**
 * The round that its seal names; undefined where none can be read.
 *
 * @param {Source} source
 */
async function roundOf(source) {
  /** @type {number | undefined} */
  let round;
  let lines = 0;
  const decoder = new TextDecoder();
  const take = (/** @type {Uint8Array} */ line) => {
    lines += 1;
    round = roundNamedIn(decoder.decode(line));
    return round !== undefined || lines === LINES_TO_SEAL;
  };
  try {
    await readLines(source, { take, ...WHILE_NAMING });
  } catch {
    // Its fault is told when it is verified.
  }
  return round;
}

/**
 * By the rounds that their seals name. One that names none goes where a round is missing, so that it
 * is the one that is refused.
 *
 * @param {readonly Source[]} files
 */
async function inOrder(files) {
  const named = [];
  const unnamed = [];
  for (const file of files) {
    const round = await roundOf(file);
    if (round === undefined) unnamed.push(file);
    else named.push({ file, round });
  }
  /** @type {Source[]} */
  const places = [];
  for (const { file, round } of named.toSorted((a, b) => a.round - b.round)) {
    if (round > places.length) places.push(...unnamed.splice(0, round - places.length));
    places.push(file);
  }
  return [...places, ...unnamed];
}

/**
 * @param {readonly Source[]} files
 * @param {Options} [options]
 * @returns {Promise<{report: Report, ledger: Ledger | undefined}>} ledger: what stands after the
 *   last round, if all was accepted
 */
export async function verifyDraw(files, options = {}) {
  const { digest, onProgress = () => undefined } = options;
  /** @type {Ledger | undefined} */
  let ledger;
  let last = { file: '', line: 1 };
  const sources = options.inOrder ? files : await inOrder(files);
  for (const [at, source] of sources.entries()) {
    const before = ledger?.table.count ?? 0;
    const round = createRound(ledger, source.name);
    let bytes = 0;
    const tell = () => {
      const entries = round.ledger?.table.count ?? before;
      onProgress({ file: at, files: sources.length, bytes, entries });
    };
    const fault = await readRound(round, source, (length) => {
      bytes += length;
      tell();
    });
    if (fault) return { report: fault, ledger: undefined };
    ledger = round.ledger;
    last = { file: source.name, line: round.lines };
    tell();
  }
  if (!ledger) return refused(last.file, 1, 'there is no file to verify');
  if (digest !== undefined && digest !== ledger.digest)
    return refused(last.file, last.line, `the digest is ${ledger.digest}, not ${digest}`);
  return { report: accepted(ledger), ledger };
}

/**
 * @param {string} file
 * @param {number} line
 * @param {string} reason
 * @returns {{report: Refused, ledger: undefined}}
 */
const refused = (file, line, reason) => ({
  report: { accepted: false, file, line, reason },
  ledger: undefined,
});

/**
 * @param {Ledger} ledger
 * @returns {Accepted}
 */
const accepted = ({ manifest, rounds, digest }) => ({
  accepted: true,
  release: manifest.release,
  manifestHash: manifest.hash,
  rounds,
  digest,
  checked: CHECKED,
  notChecked:
    manifest.beacon.kind === 'drand' && !isQuicknet(manifest.beacon)
      ? [`whose network the drand chain ${manifest.beacon.chain} is`]
      : [],
  trust: trustOf(manifest.beacon),
});

/**
 * @param {import('./round.js').Reader} round
 * @param {Source} source
 * @param {(bytes: number) => void} onRead
 * @returns {Promise<Refused | undefined>}
 */
async function readRound(round, source, onRead) {
  try {
    const longest = LONGEST_LINE + 32 * (round.ledger ? countOfIn(round.ledger.table) : 0);
    const take = (/** @type {Uint8Array} */ line) => takeLine(round, line);
    const left = await readLines(source, { take, onRead, longest });
    if (left > 0 && round.done) throw refusal('there is something after the digest line');
    if (left > 0) throw refusal('the line does not end with a line feed');
    if (!round.done) throw refusal('the file ends before its digest line');
    return undefined;
  } catch (fault) {
    // Whatever a file does to this program, running out of room included, is the file's fault.
    const { message, line } = /** @type {Error & {line?: number | null}} */ (fault);
    const reason = message || 'the file cannot be verified';
    return { accepted: false, file: source.name, line: line ?? round.lines + 1, reason };
  }
}
