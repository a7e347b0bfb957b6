/**
 * Reads a release while it goes on. First by and by: each thing as it was at some time. Then, in
 * one script, the lines that its audit stream got since, and how all they name stands now; so that
 * the whole is that of one instant. What looks wrong then is read once more. A round that comes
 * between changes too much for that: then all is read anew.
 */
import type { Manifest } from '../releases/manifest.ts';
import type { AuditReplay } from './audit.ts';
import { isTurning } from './audit.ts';
import type { Found } from './findings.ts';
import { createReading, lossesOf, putItem, putPart, type Reading } from './reading.ts';
import { type Context, type Unit, ofSums, unitsOf } from './rules.ts';
import { type Pace, RECONCILE_LIMITS, type ReadReply, type ReconcileStore } from './store.ts';

export type ReaderParts = {
  readonly store: ReconcileStore;
  readonly pace: Pace;
  /** Called with each step, for whoever waits. */
  readonly onStep?: () => void;
};

/** Brings a reading to the instant of a reply. Whether it still is a picture of that instant. */
function apply(reading: Reading, { instant, lines, items, free }: ReadReply): boolean {
  let isPicture = true;
  for (const { id, text } of lines) {
    reading.told.take(text);
    reading.after = id;
    isPicture = isPicture && !isTurning(text);
  }
  reading.instant = instant;
  for (const [id, item] of items) putItem(reading, id, item);
  for (const [place, seats] of free) reading.free.set(place, seats);
  return isPicture;
}

/**
 * Brings a reading to now, and reads what is asked for as well. False when it is no picture of an
 * instant any more.
 */
export async function catchUp(
  store: ReconcileStore,
  reading: Reading,
  asks: readonly string[] = [],
): Promise<boolean> {
  for (;;) {
    const reply = await store.read(reading.manifest.release, reading.after, asks);
    if (!reply || !apply(reading, reply)) return false;
    if (!reply.more) return true;
  }
}

/** Everything of a release as it is at one instant; undefined when a round came between. */
async function readOnce(
  { store, pace, onStep }: ReaderParts,
  manifest: Manifest,
  told: AuditReplay,
  after: string,
): Promise<{ reading: Reading | undefined; after: string }> {
  const { release } = manifest;
  const step: Pace = () => {
    onStep?.();
    return pace();
  };
  let last = after;
  for (;;) {
    const lines = await store.lines(release, last);
    for (const { text } of lines) told.take(text);
    last = lines.at(-1)?.id ?? last;
    if (lines.length === 0) break;
    await step();
  }
  const first = await store.read(release, last);
  if (!first) return { reading: undefined, after: last };
  const reading = createReading(manifest, told, first.instant);
  reading.after = last;
  apply(reading, first);
  if (first.more) await catchUp(store, reading);
  await readFixed(store, reading, step);
  for (const part of ['entering', 'sealed', 'entries', 'members'] as const)
    await store.scan(release, part, (id, text) => putPart(reading, part, id, text), step);
  const takeBooking = (id: string, text: string): void => putPart(reading, 'booking', id, text);
  await store.scan(release, 'bookings', takeBooking, step);
  await store.scan(release, 'seats', (place, seats) => reading.free.set(place, seats), step);
  const isPicture = await catchUp(store, reading);
  return { reading: isPicture ? reading : undefined, after: reading.after };
}

async function readFixed(store: ReconcileStore, reading: Reading, pace: Pace): Promise<void> {
  const { release } = reading.manifest;
  const { unexpiredRound, published } = reading.instant;
  const whole = async (noun: Parameters<typeof store.scan>[1]): Promise<Map<string, string>> => {
    const fields = new Map<string, string>();
    await store.scan(release, noun, (field, value) => fields.set(field, value), pace);
    return fields;
  };
  const resized = await whole('resized');
  const changes = await whole('changes');
  const displacedIn = new Map<string, number>();
  const displace = (name: string, round: string): void => {
    const [id = ''] = name.split('.');
    displacedIn.set(id, Math.max(displacedIn.get(id) ?? -1, Number(round)));
  };
  await store.scan(release, 'displacements', displace, pace);
  const offers = new Map<number, Set<string>>();
  for (let round = unexpiredRound; round <= published; round++) {
    const listed = new Set<string>();
    await store.scanOffers(release, round, (id) => listed.add(id), pace);
    offers.set(round, listed);
  }
  const accounts = await whole('accounts');
  const losses = lossesOf(changes);
  reading.fixed = { resized, changes, losses, displacedIn, accounts, offers };
}

/** Checks these again, after what they depend on was read again. Undefined: no picture any more. */
async function recheck(
  store: ReconcileStore,
  reading: Reading,
  units: readonly Unit[],
): Promise<Found[] | undefined> {
  const found: Found[] = [];
  for (let at = 0; at < units.length; ) {
    const some: Unit[] = [];
    const asks = new Set<string>();
    for (; at < units.length && asks.size < RECONCILE_LIMITS.asks; at++) {
      const unit = units[at];
      if (!unit) break;
      some.push(unit);
      for (const ask of unit.asks) asks.add(ask);
      if (some.length >= RECONCILE_LIMITS.asks) {
        at++;
        break;
      }
    }
    for (const { holder } of some)
      if (holder !== undefined) {
        const marks = await store.marksOf(reading.manifest.release, holder);
        (reading.fixed.accounts as Map<string, string>).set(holder, marks);
      }
    if (!(await catchUp(store, reading, [...asks]))) return undefined;
    for (const { check } of some) found.push(...check());
  }
  return found;
}

export type ReadRelease = { readonly context: Context; readonly found: readonly Found[] };

/**
 * A release at one instant, and what was found wrong in it twice. Undefined when rounds came
 * between again and again, or there is no such release.
 */
export async function readRelease(
  parts: ReaderParts,
  manifest: Manifest,
  told: AuditReplay,
  rest: Omit<Context, 'reading'>,
): Promise<ReadRelease | undefined> {
  let after = '0-0';
  for (let attempt = 0; attempt < RECONCILE_LIMITS.attempts; attempt++) {
    const read = await readOnce(parts, manifest, told, after);
    ({ after } = read);
    if (!read.reading) continue;
    const context = { ...rest, reading: read.reading };
    const suspicious: Unit[] = [];
    for (const unit of unitsOf(context)) if (unit.check().length > 0) suspicious.push(unit);
    const found = await recheck(parts.store, read.reading, suspicious);
    ({ after } = read.reading);
    if (found) return { context, found: found.length > 0 ? found : ofSums(read.reading) };
  }
  return undefined;
}
