// @ts-check
/**
 * One file, line by line: each line must be the one that follows from the ledger and the lines
 * before it. The draw is done while entries are read, for they stand in its order.
 */
import { sha256 } from './vendor/noble.js';
import { planOf, readValue, trustOf } from './beacon.js';
import { fromBase64Url, fromHex, hash, hex, isHex, tag, u32 } from './bytes.js';
import {
  canonical,
  isObject,
  members,
  NOT_CANONICAL,
  parseJson,
  parseLine,
  quote,
} from './canonical.js';
import { createLedger, drawEarlier, placeName, poolNamed, seat, settle } from './ledger.js';
import { readManifest } from './manifest.js';
import { leafOf, rootOf } from './merkle.js';
import { demand, quoted, refusal, shortened } from './refusal.js';
import { add, compareIds, GONE, idOf, idText, latestWith, wordsOf } from './table.js';
import { timeOf } from './time.js';

const MOST_ENTRIES = 8_000_000;

/**
 * @typedef {import('./ledger.js').Ledger} Ledger
 * @typedef {ReturnType<typeof createRound>} Reader
 * @typedef {(round: Reader, text: string) => void} Step reads one line and says which step is next
 */

/**
 * @param {Ledger | undefined} ledger
 * @param {string} file its name
 */
export function createRound(ledger, file) {
  return {
    file,
    /** Undefined until the manifest of round 0 was read. */
    ledger,
    step: ledger ? sinceStep : manifestStep,
    lines: 0,
    hasher: sha256.create(),
    decoder: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }),
    sinceText: '',
    /** The last round of which offers expired. */
    expiredOf: -1,
    sealText: '',
    sealLine: 0,
    cutAt: '',
    sealedAt: '',
    count: 0,
    root: '',
    plan: /** @type {import('./beacon.js').Plan | undefined} */ (undefined),
    beaconText: '',
    seed: '',
    /** The bytes before the entry id in what a rank key is the hash of. */
    rankPrefix: new Uint8Array(0),
    /** Free when `since` and any dereserving have been applied. */
    before: new Float64Array(0),
    offers: /** @type {number[]} */ ([]),
    offersRead: 0,
    /** Number of the first new entry. */
    first: 0,
    leaves: new Uint8Array(0),
    lastKey: '',
    served: 0,
    /** The first entry that the draw would place differently. */
    misplaced: /** @type {Error | undefined} */ (undefined),
    done: false,
  };
}

/**
 * Reads the next line, without its line feed. `bytes` has the line feed and may be reused after.
 *
 * @param {Reader} round
 * @param {Uint8Array} bytes
 */
export function takeLine(round, bytes) {
  demand(!round.done, 'there is something after the digest line');
  let text = '';
  try {
    text = round.decoder.decode(bytes.subarray(0, -1));
  } catch {
    throw refusal('the line is not UTF-8');
  }
  round.step(round, text);
  if (!round.done) round.hasher.update(bytes);
  round.lines += 1;
}

/**
 * @param {Reader} round
 * @returns {Ledger}
 */
function ledgerOf({ ledger }) {
  demand(ledger, 'the manifest is missing');
  return ledger;
}

/** @type {Step} */
function manifestStep(round, text) {
  const later = text.startsWith('{"kind":"since"');
  demand(!later, 'the files begin with that of round 0, which has the manifest: it is missing');
  round.ledger = createLedger(readManifest(text));
  round.step = sinceStep;
}

/**
 * @template Item
 * @param {unknown} value
 * @param {string} name
 * @param {(item: unknown) => Item} read
 * @returns {Item[]}
 */
export function listOf(value, name, read) {
  demand(Array.isArray(value), `${name} is not a list`);
  return value.map(read);
}

/** @param {unknown} item */
export function entryId(item) {
  demand(idOf(item), `${quoted(item)} is not the id of an entry`);
  return String(item);
}

/** @param {unknown} item */
function slotId(item) {
  demand(typeof item === 'string', `${quoted(item)} is not the id of a slot`);
  return item;
}

/**
 * @param {unknown} item
 * @returns {[string, string, number]}
 */
function loss(item) {
  demand(Array.isArray(item) && item.length === 3, `${quoted(item)} is not slot, pool and seats`);
  const [slot, pool, seats] = item;
  demand(typeof slot === 'string' && typeof pool === 'string', `${quoted(item)} names no pool`);
  demand(Number.isSafeInteger(seats) && seats >= 1, `${quoted(item)} has no number of seats`);
  return [slot, pool, seats];
}

/**
 * @template Item
 * @param {readonly Item[]} items
 * @param {string} name
 * @param {(a: Item, b: Item) => number} compare
 */
export function demandAscending(items, name, compare) {
  for (let at = 1; at < items.length; at++) {
    const [a, b] = /** @type {[Item, Item]} */ ([items[at - 1], items[at]]);
    if (compare(a, b) >= 0) throw refusal(`${name} is not in ascending order at ${quoted(b)}`);
  }
}

/**
 * @param {string | number} a
 * @param {string | number} b
 */
const compareText = (a, b) => (a < b ? -1 : Number(a > b));

/**
 * @param {string} a
 * @param {string} b
 */
export function compareWrittenIds(a, b) {
  const [left, right] = [idOf(a), idOf(b)];
  for (let word = 0; word < 4; word++) {
    const difference = (left?.[word] ?? 0) - (right?.[word] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** @type {Step} */
function sinceStep(round, text) {
  const { since } = parseLine(text, 'since', ['since']);
  const lists = members(since, 'since', ['cancelled', 'closed', 'expired', 'lost', 'withdrawn']);
  const read = {
    cancelled: listOf(lists.cancelled, 'cancelled', entryId),
    closed: listOf(lists.closed, 'closed', slotId),
    expired: listOf(lists.expired, 'expired', entryId),
    lost: listOf(lists.lost, 'lost', loss),
    withdrawn: listOf(lists.withdrawn, 'withdrawn', entryId),
  };
  round.sinceText = canonical(read);
  demand(text === `{"kind":"since","since":${round.sinceText}}`, NOT_CANONICAL);
  for (const name of /** @type {const} */ (['cancelled', 'expired', 'withdrawn']))
    demandAscending(read[name], name, compareWrittenIds);
  demandAscending(read.closed, 'closed', compareText);
  demandAscending(read.lost, 'lost', (a, b) => compareText(a[0], b[0]) || compareText(a[1], b[1]));
  const ledger = ledgerOf(round);
  ledger.touched.clear();
  round.expiredOf = settle(ledger, read);
  round.before = ledger.free.slice();
  round.step = sealStep;
}

const SEAL = /** @type {const} */ ([
  'beacon',
  'count',
  'cut_at',
  'manifest_hash',
  'previous',
  'release',
  'root',
  'round',
  'sealed_at',
  'since_hash',
]);

/** @type {Step} */
function sealStep(round, text) {
  const { seal } = parseLine(text, 'seal', ['seal']);
  const read = members(seal, 'the seal', SEAL);
  const ledger = ledgerOf(round);
  const { manifest, rounds } = ledger;
  demand(
    read['round'] === rounds.length,
    `this file is of round ${quoted(read['round'])}, but round ${rounds.length} comes next`,
  );
  const [cutAtMs, sealedAtMs] = [timeOf(read['cut_at']), timeOf(read['sealed_at'])];
  demand(cutAtMs !== undefined, 'cut_at is not a time in UTC with milliseconds');
  demand(sealedAtMs !== undefined, 'sealed_at is not a time in UTC with milliseconds');
  const { count, root } = read;
  demand(
    typeof count === 'number' && Number.isSafeInteger(count) && count >= 0,
    'the count is not a number of entries',
  );
  demand(count <= MOST_ENTRIES, `the round has more than ${MOST_ENTRIES} entries`);
  demand(isHex(root, 32), 'the root is not 32 bytes in hexadecimal');
  const plan = planOf(manifest.beacon, rounds.length, sealedAtMs);
  /** @type {Record<string, unknown>} */
  const expected = {
    beacon: plan.plan,
    count,
    cut_at: read['cut_at'],
    manifest_hash: manifest.hash,
    previous: ledger.digest,
    release: manifest.release,
    root,
    round: rounds.length,
    sealed_at: read['sealed_at'],
    since_hash: hex(hash(round.sinceText)),
  };
  for (const name of SEAL)
    demand(
      canonical(read[name]) === canonical(expected[name]),
      `${name} of the seal must be ${quoted(expected[name])}`,
    );
  round.sealText = canonical(expected);
  demand(text === `{"kind":"seal","seal":${round.sealText}}`, NOT_CANONICAL);
  const [cutAt, sealedAt] = [String(read['cut_at']), String(read['sealed_at'])];
  demand(cutAt >= manifest.closesAt, `the list was fixed before ${manifest.closesAt}`);
  demand(sealedAt >= cutAt, 'the round was sealed before its list was fixed');
  demand(
    cutAtMs > ledger.valueAtMs,
    "the list was not fixed after the seal and the beacon's value of the round before",
  );
  const offered = ledger.sealed[round.expiredOf];
  demand(
    !offered || cutAtMs >= offered.valueAtMs + 1000 * manifest.confirmWithinS,
    `offers of round ${round.expiredOf} have expired before their time`,
  );
  Object.assign(round, {
    cutAt,
    sealedAt,
    count,
    root,
    plan,
    sealLine: round.lines + 1,
    step: beaconStep,
  });
}

/** @type {Step} */
function beaconStep(round, text) {
  const { beacon } = parseLine(text, 'beacon', ['beacon', 'seed', 'trust']);
  const ledger = ledgerOf(round);
  const { manifest } = ledger;
  demand(round.plan, 'the seal is missing');
  const { link, bytes, value } = readValue(manifest.beacon, round.plan, ledger.link, beacon);
  const [manifestHash, previous, root] = [manifest.hash, ledger.digest, round.root].map(fromHex);
  const seed = hash(
    tag('seed'),
    manifestHash ?? '',
    u32(ledger.rounds.length),
    previous ?? '',
    root ?? '',
    bytes,
  );
  round.beaconText = canonical(value);
  round.seed = hex(seed);
  demandLine(
    text,
    `{"beacon":${round.beaconText},"kind":"beacon","seed":"${round.seed}",` +
      `"trust":${quote(trustOf(manifest.beacon))}}`,
  );
  ledger.link = link;
  ledger.valueAtMs = round.plan.atMs;
  const prefix = tag('rank');
  round.rankPrefix = new Uint8Array(prefix.length + seed.length);
  new TextEncoder().encodeInto(prefix, round.rankPrefix);
  round.rankPrefix.set(seed, prefix.length);
  round.offers = drawEarlier(ledger);
  round.first = ledger.table.count;
  round.step = afterOffers(round);
}

/**
 * @param {string} text
 * @param {string} expected
 */
function demandLine(text, expected) {
  if (text !== expected) throw refusal(`the line must be ${shortened(expected)}`);
}

/**
 * @param {Reader} round
 * @returns {Step}
 */
function afterOffers(round) {
  if (round.offersRead < round.offers.length) return offerStep;
  return round.count > 0 ? entryStep : seatsStep;
}

/** @type {Step} */
function offerStep(round, text) {
  const { table, pools } = ledgerOf(round);
  const entry = round.offers[round.offersRead] ?? 0;
  const pool = pools[table.pool[entry] ?? -1];
  const id = idText(table, entry);
  const place = `"pool":${quote(pool?.name ?? '')},"slot":${quote(pool?.slotId ?? '')}`;
  demandLine(text, `{"entry":"${id}","kind":"offer",${place}}`);
  round.offersRead += 1;
  round.step = afterOffers(round);
}

/**
 * @param {Ledger} ledger
 * @param {unknown} value
 */
function catsOf({ categories }, value) {
  demand(Array.isArray(value), 'cats is not a list');
  let bits = 0;
  for (const [at, name] of value.entries()) {
    const bit = categories.get(name);
    if (bit === undefined) throw refusal(`there is no category ${quoted(name)}`);
    if (at > 0 && value[at - 1] >= name) throw refusal('cats do not ascend');
    bits = (bits | bit) >>> 0;
  }
  return bits;
}

/**
 * @param {Ledger} ledger
 * @param {unknown} value
 */
function prefNumbers({ slots, manifest }, value) {
  demand(Array.isArray(value), 'prefs is not a list');
  if (value.length < 1 || value.length > manifest.preferences)
    throw refusal(`there are ${value.length} preferences, not 1 to ${manifest.preferences}`);
  /** @type {number[]} */
  const numbers = [];
  for (const name of value) {
    const number = slots.get(name);
    if (number === undefined) throw refusal(`there is no slot ${quoted(name)}`);
    numbers.push(number);
  }
  if (new Set(numbers).size < numbers.length) throw refusal('prefs name a slot twice');
  return numbers;
}

const ENTRY = /** @type {const} */ ([
  'cats',
  'entry',
  'key',
  'leaf',
  'pool',
  'prefs',
  'size',
  'slot',
]);

/**
 * There are many: a line that is as it should be takes the short way. That its members are these
 * and no more shows when it is written anew.
 *
 * @param {string} text
 * @returns {Record<string, unknown>}
 */
function parseEntry(text) {
  const value = parseJson(text);
  return isObject(value) && value['kind'] === 'entry' ? value : parseLine(text, 'entry', ENTRY);
}

/** @type {Step} */
function entryStep(round, text) {
  const ledger = ledgerOf(round);
  const { table, manifest } = ledger;
  const read = parseEntry(text);
  const bytes = fromBase64Url(read['entry'], 16);
  demand(bytes, 'entry is not 16 bytes in base64url');
  const id = wordsOf(bytes);
  const cats = catsOf(ledger, read['cats']);
  const prefs = prefNumbers(ledger, read['prefs']);
  const size = Number(read['size']);
  if (typeof read['size'] !== 'number' || !(size >= 1) || size > manifest.groupSize || size % 1 > 0)
    throw refusal(`size is not a number from 1 to ${manifest.groupSize}`);
  const start = `{"cats":${JSON.stringify(read['cats'])},"entry":"${String(read['entry'])}"`;
  const wishes = `"prefs":${JSON.stringify(read['prefs'])},"size":${size}`;
  const leaf = leafOf(`${start},${wishes}}`);
  const leafText = hex(leaf);
  if (read['leaf'] !== leafText) throw refusal(`the leaf must be ${leafText}`);
  const known = latestWith(table, id);
  if (known >= 0 && table.state[known] !== GONE) throw refusal('the entry is in already');
  const entry = add(table, { id, size, cats, prefs });
  const key = hex(hash(round.rankPrefix, bytes));
  if (read['key'] !== key) throw refusal(`the key must be ${key}`);
  if (key <= round.lastKey) throw refusal('the entry is out of order: keys ascend');
  const { slot, pool } = read;
  const claimed = slot === null && pool === null ? -1 : poolNamed(ledger, slot, pool);
  if (claimed < 0 && (slot !== null || pool !== null))
    throw refusal('the manifest has no such slot and pool');
  const place = `"pool":${JSON.stringify(pool)}`;
  const end = `"slot":${JSON.stringify(slot)}}`;
  if (
    text !== `${start},"key":"${key}","kind":"entry","leaf":"${leafText}",${place},${wishes},${end}`
  )
    throw refusal(NOT_CANONICAL);
  round.lastKey = key;
  keepLeaf(round, entry - round.first, leaf);
  draw(round, entry, claimed);
  if (entry - round.first + 1 === round.count) round.step = seatsStep;
}

/**
 * @param {Reader} round
 * @param {number} at
 * @param {Uint8Array} leaf
 */
function keepLeaf(round, at, leaf) {
  if (32 * (at + 1) > round.leaves.length) {
    const wider = new Uint8Array(Math.max(32 * 256, 2 * round.leaves.length));
    wider.set(round.leaves);
    round.leaves = wider;
  }
  round.leaves.set(leaf, 32 * at);
}

/**
 * @param {Reader} round
 * @param {number} entry
 * @param {number} claimed the pool that its line names, or -1
 */
function draw(round, entry, claimed) {
  const ledger = ledgerOf(round);
  const drawn = seat(ledger, entry);
  if (drawn >= 0) {
    ledger.touched.add(drawn);
    round.served += 1;
  } else ledger.queue.push(entry);
  // Not refused yet: if the root is wrong too, the seal is the first line that differs.
  if (drawn !== claimed)
    round.misplaced ??= refusal(
      `the draw gives this entry ${placeName(ledger, drawn)}`,
      round.lines + 1,
    );
}

/** @param {Reader} round */
function checkRoot(round) {
  const { table } = ledgerOf(round);
  const order = Uint32Array.from({ length: round.count }, (_, at) => round.first + at);
  order.sort((a, b) => compareIds(table, a, b));
  const sorted = new Uint8Array(32 * round.count);
  for (const [at, entry] of order.entries()) {
    const from = 32 * (entry - round.first);
    sorted.set(round.leaves.subarray(from, from + 32), 32 * at);
  }
  const root = hex(rootOf(sorted, round.count));
  if (root !== round.root)
    throw refusal(
      `the root must be ${root}: entries are missing, added or changed`,
      round.sealLine,
    );
}

/** @type {Step} */
function seatsStep(round, text) {
  const ledger = ledgerOf(round);
  checkRoot(round);
  if (round.misplaced) throw round.misplaced;
  const { free, settled, pools, touched, rounds } = ledger;
  const changed = /** @param {number} pool */ (pool) =>
    round.before[pool] !== settled[pool] || free[pool] !== settled[pool];
  const listed =
    rounds.length === 0
      ? [...pools.keys()]
      : [...touched].filter(changed).toSorted((a, b) => a - b);
  const seats = listed.map((pool) => {
    const { slotId = '', name = '' } = pools[pool] ?? {};
    return `[${quote(slotId)},${quote(name)},${round.before[pool]},${free[pool]}]`;
  });
  demandLine(text, `{"kind":"seats","seats":[${seats.join(',')}]}`);
  for (const pool of touched) settled[pool] = free[pool] ?? 0;
  round.step = digestStep;
}

/** @type {Step} */
function digestStep(round, text) {
  const ledger = ledgerOf(round);
  const { manifest, rounds, table } = ledger;
  const transcript = hex(round.hasher.digest());
  const record =
    `{"beacon":${round.beaconText},"release":${quote(manifest.release)},` +
    `"round":${rounds.length},"seal":${round.sealText},"seed":"${round.seed}",` +
    `"since":${round.sinceText},"transcript_sha256":"${transcript}",` +
    `"trust":${quote(trustOf(manifest.beacon))}}`;
  const digest = hex(hash(record));
  demandLine(text, `{"digest":"${digest}","kind":"digest","transcript_sha256":"${transcript}"}`);
  ledger.digest = digest;
  ledger.sealed.push({
    first: round.first,
    count: round.count,
    root: round.root,
    text: round.sealText,
    cutAt: round.cutAt,
    sealedAt: round.sealedAt,
    valueAtMs: ledger.valueAtMs,
    offers: new Map(round.offers.map((entry) => [entry, table.pool[entry] ?? -1])),
    pools: table.pool.slice(round.first, round.first + round.count),
  });
  rounds.push({
    round: rounds.length,
    file: round.file,
    entries: round.count,
    served: round.offers.length + round.served,
    digest,
  });
  round.done = true;
}

/**
 * The round that a line names if it is a seal: for putting files in order before they are verified.
 *
 * @param {string} text
 */
export function roundNamedIn(text) {
  try {
    const { seal } = parseLine(text, 'seal', ['seal']);
    const { round } = /** @type {Record<string, unknown>} */ (seal);
    return Number.isSafeInteger(round) && Number(round) >= 0 ? Number(round) : undefined;
  } catch {
    return undefined;
  }
}
