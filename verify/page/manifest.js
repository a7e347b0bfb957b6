// @ts-check
/** The members of a manifest that the draw depends on. */
import { ed25519 } from './vendor/noble.js';
import { fromBase64Url, hash, hex, toBase64Url } from './bytes.js';
import { readTerms } from './beacon.js';
import { canonical, isObject, members, NOT_CANONICAL, parseLine } from './canonical.js';
import { demand, quoted } from './refusal.js';
import { timeOf } from './time.js';

/**
 * @typedef {{slot: string, pools: {pool: string, seats: number}[]}} Slot
 * @typedef {{release: string, hash: string, title: string, slots: Slot[], preferences: number,
 *   groupSize: number, dereserveAfter: number | null, closesAt: string, confirmWithinS: number,
 *   beacon: import('./beacon.js').Terms, receiptKey: {kid: string, x: string}}} Manifest
 */

export const OPEN = 'open';
const MOST_CATEGORIES = 32;
const MOST_SLOTS = 20_000;
const MOST_POOLS = 8;
const MOST_SEATS = 1_000_000;
const MOST_ROUNDS = 20_000;
const A_WEEK_S = 604_800;
const NAME = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/;

/**
 * @param {unknown} value
 * @param {number} least
 * @param {number} most
 * @param {string} what
 */
function whole(value, least, most, what) {
  demand(
    Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most,
    `${what} is not a number from ${least} to ${most}`,
  );
  return Number(value);
}

/**
 * @param {unknown} value
 * @param {number} longest
 * @param {string} what
 */
function word(value, longest, what) {
  const fits = typeof value === 'string' && value.length <= longest && NAME.test(value);
  demand(fits, `${what} is not such a name`);
  return value;
}

/**
 * @param {unknown} value
 * @param {number} most
 * @param {string} what
 * @returns {unknown[]}
 */
function list(value, most, what) {
  const fits = Array.isArray(value) && value.length >= 1 && value.length <= most;
  demand(fits, `${what} are not 1 to ${most}`);
  return value;
}

/**
 * @param {unknown} value
 * @returns {Slot}
 */
function readSlot(value) {
  demand(isObject(value), 'a slot of the manifest is not an object');
  const slot = word(value['slot'], 64, 'the id of a slot');
  const pools = list(value['pools'], MOST_POOLS, `pools of slot ${quoted(slot)}`).map((pool) => {
    demand(isObject(pool), `a pool of slot ${quoted(slot)} is not an object`);
    const name = word(pool['pool'], 24, `the name of a pool of slot ${quoted(slot)}`);
    return { pool: name, seats: whole(pool['seats'], 0, MOST_SEATS, 'the number of seats') };
  });
  const names = new Set(pools.map(({ pool }) => pool));
  demand(names.size === pools.length, `slot ${quoted(slot)} has two pools of one name`);
  return { slot, pools };
}

/** @param {Record<string, unknown>} manifest */
function readSlots(manifest) {
  const slots = list(manifest['slots'], MOST_SLOTS, 'the slots of the manifest').map(readSlot);
  demand(new Set(slots.map(({ slot }) => slot)).size === slots.length, 'two slots have one id');
  demand(
    categoriesOf(slots).length <= MOST_CATEGORIES,
    `there are more than ${MOST_CATEGORIES} categories`,
  );
  return slots;
}

/**
 * Names of all pools but the open ones, ascending.
 *
 * @param {readonly Slot[]} slots
 */
export const categoriesOf = (slots) =>
  [...new Set(slots.flatMap(({ pools }) => pools.map(({ pool }) => pool)))]
    .filter((pool) => pool !== OPEN)
    .toSorted();

/**
 * @param {Record<string, unknown>} manifest
 * @param {readonly Slot[]} slots
 */
function readDereserving(manifest, slots) {
  const after = manifest['dereserve_after_round'];
  if (after === null) return null;
  const closed = slots.find(({ pools }) => !pools.some(({ pool }) => pool === OPEN));
  demand(!closed, `slot ${quoted(closed?.slot)} has no open pool for what reserves leave`);
  return whole(after, 0, MOST_ROUNDS, 'dereserve_after_round');
}

/**
 * Whether these are a point that generates the group of Ed25519: of others, one signature can be
 * right in one program and wrong in the next.
 *
 * @param {Uint8Array} bytes
 */
export function hasPrimeOrder(bytes) {
  try {
    const point = ed25519.Point.fromBytes(bytes);
    return point.isTorsionFree() && !point.is0();
  } catch {
    return false; // no point, or not the one way to write it
  }
}

/** @param {unknown} value */
function readReceiptKey(value) {
  const { kid, x } = members(value, 'the receipt_key of the manifest', ['kid', 'x']);
  const bytes = fromBase64Url(x, 32);
  demand(bytes && hasPrimeOrder(bytes), 'x of the receipt_key is not a public key');
  const thumbprint = toBase64Url(hash(`{"crv":"Ed25519","kty":"OKP","x":"${String(x)}"}`));
  demand(kid === thumbprint, 'kid of the receipt_key is not the thumbprint of its x');
  return { kid: thumbprint, x: String(x) };
}

/**
 * @param {string} text the line
 * @returns {Manifest}
 */
export function readManifest(text) {
  const { manifest } = parseLine(text, 'manifest', ['manifest']);
  demand(isObject(manifest), 'the manifest is not an object');
  const written = canonical(manifest);
  demand(`{"kind":"manifest","manifest":${written}}` === text, NOT_CANONICAL);
  demand(manifest['rules'] === 'fairslot/v1', `the rules ${quoted(manifest['rules'])} are unknown`);
  demand(manifest['mode'] === 'lottery', 'the mode of the manifest is not lottery');
  const release = word(manifest['release'], 40, 'the release of the manifest');
  demand(/^[^.]{3,}$/.test(release), 'the release of the manifest is not such a name');
  const closesAt = manifest['closes_at'];
  demand(timeOf(closesAt) !== undefined, 'closes_at is not a time in UTC with milliseconds');
  const limits = manifest['limits'];
  demand(isObject(limits), 'the manifest has no limits');
  const slots = readSlots(manifest);
  return {
    release,
    hash: hex(hash(written)),
    title: typeof manifest['title'] === 'string' ? manifest['title'] : '',
    slots,
    preferences: whole(limits['preferences'], 1, 10, 'limits.preferences'),
    groupSize: whole(limits['group_size'], 1, 4, 'limits.group_size'),
    dereserveAfter: readDereserving(manifest, slots),
    closesAt: String(closesAt),
    confirmWithinS: whole(manifest['confirm_within_s'], 1, A_WEEK_S, 'confirm_within_s'),
    beacon: readTerms(manifest['beacon']),
    receiptKey: readReceiptKey(manifest['receipt_key']),
  };
}
