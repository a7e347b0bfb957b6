// @ts-check
/** Receipts and proofs: what one person can check about an entry of one's own. */
import { ed25519 } from './vendor/noble.js';
import { fromBase64Url, fromHex, hex, isHex, tag } from './bytes.js';
import { canonical, isObject, members } from './canonical.js';
import { hasPrimeOrder } from './manifest.js';
import { leafOf, rootByProof } from './merkle.js';
import { demand, quoted, refusal } from './refusal.js';
import { DISPLACED, everyWith, GONE, HOLDS, idOf, prefsOf, WAITS } from './table.js';
import { timeOf } from './time.js';

/**
 * @typedef {import('./ledger.js').Ledger} Ledger
 * @typedef {{entry: string, wishes: Record<string, unknown>, leafText: string, issuedAt: string,
 *   release: string}} Receipt
 * @typedef {{round: number, place: number, of: number, state: 'holds' | 'waits' | 'displaced' |
 *   'gone', slot: string | null, pool: string | null, ahead: number | null}} Standing ahead: how
 *   many wait and come first
 * @typedef {{verdict: 'accepted' | 'refused' | 'open', findings: {ok: boolean | null,
 *   text: string}[], standing: Standing | null}} ReceiptReport ok: null where it cannot be told
 */

/** A path of more hashes is of no tree. */
const LONGEST_PATH = 64;

const STRING_OR_SPACE = /("(?:[^"\\]|\\.)*")|[ \t\r\n]+/g;

/**
 * A document: canonical JSON, but for a byte order mark and white space.
 *
 * @param {string} text
 * @param {string} what
 */
export function parse(text, what) {
  const bare = text.replace(/^\uFEFF/, '');
  /** @type {unknown} */
  let value;
  try {
    value = JSON.parse(bare);
  } catch {
    throw refusal(`The ${what} is not JSON: it is damaged, or was cut off.`);
  }
  demand(
    bare.replaceAll(STRING_OR_SPACE, '$1') === canonical(value),
    `The ${what} is not canonical JSON, apart from white space: save it as it was given.`,
  );
  return value;
}

/**
 * @param {Ledger} ledger
 * @param {string} kind
 * @param {Record<string, unknown>} signed
 * @param {unknown} signature
 */
function isSigned({ manifest: { receiptKey } }, kind, signed, signature) {
  const bytes = fromBase64Url(signature, 64);
  const key = fromBase64Url(receiptKey.x, 32);
  if (!bytes || !key) return false;
  const message = new TextEncoder().encode(tag(kind) + canonical(signed));
  // The library multiplies by the cofactor. With R and the key of prime order that makes no difference.
  const [r, strictly] = [bytes.subarray(0, 32), { zip215: false }];
  return ed25519.verify(bytes, message, key, strictly) && hasPrimeOrder(r);
}

/**
 * Its form, which needs no manifest.
 *
 * @param {Record<string, unknown>} receipt
 * @returns {Receipt}
 */
function readReceipt(receipt) {
  const { entry, issued_at: issuedAt, leaf, release } = receipt;
  const wishes = members(entry, 'the entry of the receipt', ['cats', 'entry', 'prefs', 'size']);
  const { cats, entry: id, prefs, size } = wishes;
  const names = [
    id,
    ...(Array.isArray(cats) ? cats : [null]),
    ...(Array.isArray(prefs) ? prefs : [null]),
  ];
  demand(
    names.every((name) => typeof name === 'string') && Number.isSafeInteger(size),
    'The entry of the receipt is not of the form of an entry.',
  );
  demand(timeOf(issuedAt) !== undefined, 'The receipt does not say when it was issued.');
  demand(typeof release === 'string', 'The receipt names no release.');
  demand(isHex(leaf, 32), 'The leaf on the receipt is not a hash.');
  return { entry: String(id), wishes, leafText: leaf, issuedAt: String(issuedAt), release };
}

/**
 * Why no round can hold the entry of a receipt, if so.
 *
 * @param {Ledger} ledger
 * @param {Receipt} receipt
 */
function misfitOf({ categories, slots, manifest }, { wishes, entry, leafText }) {
  const cats = /** @type {string[]} */ (wishes['cats']);
  const prefs = /** @type {string[]} */ (wishes['prefs']);
  const size = Number(wishes['size']);
  if (hex(leafOf(canonical(wishes))) !== leafText) return OTHER_LEAF;
  if (!idOf(entry)) return 'It names no entry.';
  if (!cats.every((name, at) => categories.has(name) && (at === 0 || (cats[at - 1] ?? '') < name)))
    return 'Its categories are not of the release, or not in order.';
  if (!prefs.every((name) => slots.has(name)) || new Set(prefs).size < prefs.length)
    return 'Its preferences are not distinct slots of the release.';
  if (prefs.length < 1 || prefs.length > manifest.preferences)
    return 'It has too many preferences.';
  return size < 1 || size > manifest.groupSize ? 'It is of too many people.' : '';
}

const OTHER_LEAF = 'The leaf on the receipt is not that of its entry.';

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
function find(ledger, { entry, leafText, issuedAt }) {
  const { sealed, table } = ledger;
  const next = sealed.findIndex(({ cutAt }) => cutAt >= issuedAt);
  if (next < 0)
    return {
      ok: null,
      standing: null,
      text: 'No list in these files was fixed after the receipt was issued: look at a later round.',
    };
  const { first, count } = /** @type {import('./ledger.js').Sealed} */ (sealed[next]);
  const all = everyWith(table, /** @type {Uint32Array} */ (idOf(entry)));
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
  const reached = rootByProof(
    fromHex(receipt.leafText),
    Number(index),
    Number(count),
    path.map(fromHex),
  );
  demand(reached && hex(reached) === root, 'The path of the proof does not lead to its root.');
  if (!ledger) return;
  const sealed = typeof round === 'number' ? ledger.sealed[round] : undefined;
  demand(sealed, `The files have no round ${quoted(round)}, of which the proof is.`);
  demand(
    sealed.root === root && sealed.count === count,
    `The root of the proof is not the one in the seal of round ${quoted(round)}.`,
  );
  const id = idOf(entry);
  const there = (id ? everyWith(ledger.table, id) : []).find(
    (number) => number >= sealed.first && number < sealed.first + sealed.count,
  );
  demand(
    there !== undefined && leafIn(ledger, there, entry) === leaf,
    `The entry is not in round ${quoted(round)} with the leaf of the proof.`,
  );
}

/**
 * What the server answered for a round, with the operator's signature of its seal.
 *
 * @param {Ledger | undefined} ledger
 * @param {string} text
 * @returns {ReceiptReport['findings'][number]}
 */
function checkSeal(ledger, text) {
  const shown = parse(text, 'seal');
  demand(isObject(shown), 'The seal is not one.');
  const { seal, signature } = shown;
  demand(isObject(seal), 'The seal is not one.');
  if (!ledger) return { ok: null, text: 'The seal can be told from the files only.' };
  const { round } = seal;
  demand(
    isSigned(ledger, 'seal', seal, signature),
    'The seal was not signed with the key of this release.',
  );
  const held = typeof round === 'number' ? ledger.sealed[round] : undefined;
  demand(held, `The files have no round ${quoted(round)}, of which the seal is.`);
  demand(
    held.text === canonical(seal),
    `The operator signed another seal of round ${quoted(round)} than that of the files. ${AGAINST}`,
  );
  return {
    ok: true,
    text: `The operator signed the seal of round ${quoted(round)}, and it is that of the files.`,
  };
}

const AGAINST = 'That is evidence against the operator: keep both.';

const UNSIGNED =
  'Whether the operator signed the receipt cannot be told: the key is in the files of the draw. ' +
  'Check those first.';

const RECEIPT = /** @type {const} */ ([
  'entry',
  'issued_at',
  'kid',
  'leaf',
  'manifest_hash',
  'release',
  'signature',
]);

/**
 * @param {Ledger | undefined} ledger
 * @param {string} text
 * @param {ReceiptReport['findings']} findings
 */
function checkSigned(ledger, text, findings) {
  const value = members(parse(text, 'receipt'), 'the receipt', RECEIPT);
  const read = readReceipt(value);
  if (ledger) {
    const { manifest } = ledger;
    const { signature, ...signed } = value;
    demand(
      read.release === manifest.release && value.manifest_hash === manifest.hash,
      'The receipt is of another release than the files.',
    );
    demand(
      value.kid === manifest.receiptKey.kid && isSigned(ledger, 'receipt', signed, signature),
      'The receipt was not signed with the key of this release.',
    );
    findings.push({ ok: true, text: 'The operator signed the receipt.' });
    const misfit = misfitOf(ledger, read);
    demand(misfit === '', `No round can hold the entry of this receipt. ${misfit} ${AGAINST}`);
  } else {
    demand(hex(leafOf(canonical(read.wishes))) === read.leafText, OTHER_LEAF);
    findings.push({ ok: null, text: UNSIGNED });
  }
  findings.push({ ok: true, text: 'The leaf on the receipt is that of your entry.' });
  return read;
}

/**
 * @param {{receipt: string, proof?: string, seal?: string}} texts proof, seal: empty for none
 * @param {Ledger | undefined} ledger of the files that were accepted
 * @returns {ReceiptReport}
 */
export function checkReceipt({ receipt: text, proof = '', seal = '' }, ledger) {
  /** @type {ReceiptReport['findings']} */
  const findings = [];
  /** @type {Standing | null} */
  let standing = null;
  try {
    if (seal.trim() !== '') findings.push(checkSeal(ledger, seal));
    if (text.trim() !== '' || seal.trim() === '') {
      const read = checkSigned(ledger, text, findings);
      if (proof.trim() !== '') {
        checkProof(ledger, read, proof);
        findings.push({ ok: true, text: proofText(ledger !== undefined) });
      }
      if (ledger) {
        const { ok, text, ...found } = find(ledger, read);
        standing = found.standing;
        findings.push({ ok, text });
      }
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
