// @ts-check
/** Receipts and proofs: what one person can check about an entry of one's own. */
import { ed25519 } from './vendor/noble.js';
import { fromBase64Url, fromHex, hex, isHex, tag } from './bytes.js';
import { canonical, members } from './canonical.js';
import { hasPrimeOrder } from './manifest.js';
import { leafOf, rootByProof } from './merkle.js';
import { demand, quoted, refusal } from './refusal.js';
import { DISPLACED, everyWith, GONE, HOLDS, idOf, prefsOf, WAITS } from './table.js';
import { timeOf } from './time.js';

/**
 * @typedef {import('./ledger.js').Ledger} Ledger
 * @typedef {{entry: string, id: Uint32Array, leaf: Uint8Array, leafText: string, issuedAt: string,
 *   release: string}} Receipt
 * @typedef {{round: number, place: number, of: number, state: 'holds' | 'waits' | 'displaced' |
 *   'gone', slot: string | null, pool: string | null, ahead: number | null}} Standing ahead: how
 *   many wait and come first
 * @typedef {{verdict: 'accepted' | 'refused' | 'open', findings: {ok: boolean | null,
 *   text: string}[], standing: Standing | null}} ReceiptReport ok: null where it cannot be told
 */

/** A path of more hashes is of no tree. */
const LONGEST_PATH = 64;

/**
 * @param {string} text
 * @param {string} what
 */
function parse(text, what) {
  try {
    return /** @type {unknown} */ (JSON.parse(text));
  } catch {
    throw refusal(`The ${what} is not JSON.`);
  }
}

/**
 * @param {Ledger} ledger
 * @param {Record<string, unknown>} receipt
 */
function isSigned({ manifest: { receiptKey } }, receipt) {
  const { signature, ...signed } = receipt;
  const bytes = fromBase64Url(signature, 64);
  const key = fromBase64Url(receiptKey.x, 32);
  if (!bytes || !key || receipt['kid'] !== receiptKey.kid) return false;
  const message = new TextEncoder().encode(tag('receipt') + canonical(signed));
  // The library multiplies by the cofactor. With R and the key of prime order that makes no difference.
  const [r, strictly] = [bytes.subarray(0, 32), { zip215: false }];
  return ed25519.verify(bytes, message, key, strictly) && hasPrimeOrder(r);
}

/**
 * @param {Record<string, unknown>} receipt
 * @returns {Receipt}
 */
function readReceipt(receipt) {
  const { entry, issued_at: issuedAt, leaf, release } = receipt;
  const wishes = members(entry, 'the entry of the receipt', ['cats', 'entry', 'prefs', 'size']);
  const id = idOf(wishes['entry']);
  demand(id, 'The receipt names no entry.');
  demand(timeOf(issuedAt) !== undefined, 'The receipt does not say when it was issued.');
  demand(typeof release === 'string', 'The receipt names no release.');
  const expected = leafOf(canonical(wishes));
  demand(leaf === hex(expected), 'The leaf on the receipt is not that of its entry.');
  return {
    entry: String(wishes['entry']),
    id,
    leaf: expected,
    leafText: hex(expected),
    issuedAt: String(issuedAt),
    release,
  };
}

/**
 * The leaf that an entry of the files has.
 *
 * @param {Ledger} ledger
 * @param {number} number
 * @param {string} id
 */
function leafIn({ table, categories, manifest }, number, id) {
  const bits = table.cats[number] ?? 0;
  const cats = Array.from(categories, ([name, bit]) => ((bits & bit) === 0 ? '' : name));
  const prefs = Array.from(prefsOf(table, number), (slot) => manifest.slots[slot]?.slot ?? '');
  const size = table.size[number] ?? 0;
  return hex(leafOf(canonical({ cats: cats.filter(Boolean), entry: id, prefs, size })));
}

const STATES = /** @type {const} */ ({
  [GONE]: 'gone',
  [WAITS]: 'waits',
  [DISPLACED]: 'displaced',
  [HOLDS]: 'holds',
});

/**
 * @param {Ledger} ledger
 * @param {number} number
 * @returns {Standing}
 */
function standingOf({ table, sealed, pools }, number) {
  const round = sealed.findIndex(({ first, count }) => number >= first && number < first + count);
  const { first = 0, count = 0 } = sealed[round] ?? {};
  const state = table.state[number] ?? GONE;
  const pool = pools[table.pool[number] ?? -1];
  let ahead = 0;
  for (let other = 0; other < table.count; other++) {
    const theirs = table.state[other];
    const before = theirs === state ? other < number : theirs === DISPLACED;
    if ((theirs === WAITS || theirs === DISPLACED) && before) ahead += 1;
  }
  return {
    round,
    place: number - first + 1,
    of: count,
    state: STATES[/** @type {keyof typeof STATES} */ (state)],
    slot: pool?.slotId ?? null,
    pool: pool?.name ?? null,
    ahead: state === WAITS || state === DISPLACED ? ahead : null,
  };
}

/**
 * @param {Ledger} ledger
 * @param {Receipt} receipt
 * @returns {{ok: boolean | null, text: string, standing: Standing | null}}
 */
function find(ledger, { entry, id, leafText, issuedAt }) {
  const { sealed, table } = ledger;
  const next = sealed.findIndex(({ cutAt }) => cutAt >= issuedAt);
  if (next < 0)
    return {
      ok: null,
      standing: null,
      text: 'No list in these files was fixed after the receipt was issued: look at a later round.',
    };
  const { first, count } = /** @type {import('./ledger.js').Sealed} */ (sealed[next]);
  const all = everyWith(table, id);
  const there = all.find((number) => number >= first && number < first + count);
  if (there !== undefined && leafIn(ledger, there, entry) === leafText) {
    const text = `Your entry is in round ${next}, just as on the receipt.`;
    return { ok: true, text, standing: standingOf(ledger, there) };
  }
  const later = all.find((number) => number >= first + count);
  const round = later === undefined ? 0 : standingOf(ledger, later).round;
  const found =
    there === undefined
      ? `Your entry is not in round ${next}, the first whose list was fixed after the receipt` +
        (later === undefined ? '.' : `, but put off to round ${round}.`)
      : `Your entry is in round ${next}, but not with what the receipt says.`;
  return { ok: false, standing: null, text: `${found} ${KEEP}` };
}

const KEEP =
  'If you neither edited nor withdrew the entry after this receipt, that is evidence against ' +
  'the operator: keep the receipt and these files.';

/**
 * @param {Ledger | undefined} ledger
 * @param {Receipt} receipt
 * @param {string} text of the proof
 */
function checkProof(ledger, receipt, text) {
  const names = /** @type {const} */ ([
    'count',
    'entry',
    'index',
    'leaf',
    'path',
    'release',
    'root',
    'round',
  ]);
  const proof = members(parse(text, 'proof'), 'the proof', names);
  const { count, entry, index, leaf, path, release, root, round } = proof;
  demand(entry === receipt.entry, 'The proof is of another entry.');
  demand(release === receipt.release, 'The proof is of another release.');
  demand(leaf === receipt.leafText, 'The proof is of another leaf than the receipt.');
  demand(
    Number.isSafeInteger(count) && Number.isSafeInteger(index) && Number(index) >= 0,
    'The proof has no index or count.',
  );
  demand(
    Array.isArray(path) && path.length <= LONGEST_PATH && path.every((node) => isHex(node, 32)),
    'The path of the proof is not a list of hashes.',
  );
  const reached = rootByProof(receipt.leaf, Number(index), Number(count), path.map(fromHex));
  demand(reached && hex(reached) === root, 'The path of the proof does not lead to its root.');
  if (!ledger) return;
  const sealed = typeof round === 'number' ? ledger.sealed[round] : undefined;
  demand(sealed, `The files have no round ${quoted(round)}, of which the proof is.`);
  demand(
    sealed.root === root && sealed.count === count,
    `The root of the proof is not the one in the seal of round ${quoted(round)}.`,
  );
}

const UNSIGNED =
  'Whether the operator signed the receipt cannot be told: the key is in the files of the draw. ' +
  'Check those first.';

/**
 * @param {{receipt: string, proof?: string}} texts proof: empty for none
 * @param {Ledger | undefined} ledger of the files that were accepted
 * @returns {ReceiptReport}
 */
export function checkReceipt({ receipt: text, proof = '' }, ledger) {
  /** @type {ReceiptReport['findings']} */
  const findings = [];
  /** @type {Standing | null} */
  let standing = null;
  try {
    const names = /** @type {const} */ ([
      'entry',
      'issued_at',
      'kid',
      'leaf',
      'manifest_hash',
      'release',
      'signature',
    ]);
    const value = members(parse(text, 'receipt'), 'the receipt', names);
    const read = readReceipt(value);
    findings.push({ ok: true, text: 'The leaf on the receipt is that of your entry.' });
    if (ledger) {
      const { manifest } = ledger;
      demand(
        read.release === manifest.release && value['manifest_hash'] === manifest.hash,
        'The receipt is of another release than the files.',
      );
      demand(isSigned(ledger, value), 'The receipt was not signed with the key of this release.');
      findings.push({ ok: true, text: 'The operator signed the receipt.' });
    } else findings.push({ ok: null, text: UNSIGNED });
    if (proof.trim() !== '') {
      checkProof(ledger, read, proof);
      findings.push({ ok: true, text: proofText(ledger !== undefined) });
    }
    if (ledger) {
      const { ok, text, ...found } = find(ledger, read);
      standing = found.standing;
      findings.push({ ok, text });
    }
  } catch (fault) {
    findings.push({ ok: false, text: fault instanceof Error ? fault.message : 'It is damaged.' });
  }
  const refused = findings.some(({ ok }) => ok === false);
  const open = findings.some(({ ok }) => ok === null);
  return { verdict: refused ? 'refused' : open ? 'open' : 'accepted', findings, standing };
}

/** @param {boolean} sealed whether the seal was there to compare with */
const proofText = (sealed) =>
  sealed
    ? 'The proof leads from your entry to the root in the seal.'
    : 'The proof leads from your entry to the root that it names: compare that with the seal.';
