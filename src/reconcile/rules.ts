/** From what was read of a release to what does not agree in it. Pure. */
import type { Told } from './audit.ts';
import type { Found } from './findings.ts';
import {
  bookingOf,
  type Item,
  isHeld,
  itemOf,
  liveEntry,
  placeName,
  placeOf,
  type Reading,
  readBooking,
  readEntry,
  type SumName,
  SUMS,
} from './reading.ts';

/**
 * Something that is looked at by itself: once in the whole reading, and once more, if it was found
 * wrong, after all that it depends on was read again at one instant.
 */
export type Unit = {
  /** Entry ids, and `<slot index>/<pool index>`. */
  readonly asks: readonly string[];
  /** Account or device, whose marks it depends on. */
  readonly holder?: string;
  readonly check: () => Found[];
};

export type Context = {
  readonly reading: Reading;
  /** The entry id of a person in this release. */
  readonly entryIdOf: (person: string) => string;
  /** Of the manifest that is published. */
  readonly manifestHash: string;
  /** From then on a booking binds nobody. */
  readonly lastDayEndsAtMs: number;
};

/** Whether all that is known of entries and bookings agrees. */
export const entriesAgree = (context: Context): boolean =>
  context.reading.told.isWhole() &&
  new Set([...context.reading.items.keys(), ...context.reading.told.ids()])
    .values()
    .every((id) => ofEntry(context, id).length === 0);

/** What a pool's count of free seats must be. */
export const freeOf = (reading: Reading, place: string): number =>
  capacityOf(reading, place) - (reading.held.get(place) ?? 0);

export function* unitsOf(context: Context): Generator<Unit> {
  const { reading } = context;
  yield { asks: [], check: () => ofRelease(context) };
  const places = new Set([...reading.seats.keys(), ...reading.free.keys(), ...reading.held.keys()]);
  for (const place of places) yield { asks: [place], check: () => ofPool(reading, place) };
  const ids = new Set([...reading.items.keys(), ...reading.told.ids()]);
  for (const id of ids)
    yield { asks: [id, ...groupAsks(context, id)], check: () => ofEntry(context, id) };
  for (const entries of inTwoEntries(reading))
    yield { asks: entries, check: () => ofPerson(reading, entries) };
  for (const holder of reading.fixed.accounts.keys())
    yield { asks: [], holder, check: () => ofHolder(reading, holder) };
}

const wrong = (
  kind: Found['kind'],
  where: string,
  expected: string | number,
  found: string | number,
): Found => ({ kind, where, expected: String(expected), found: String(found) });

// --- the release ---

function ofRelease({ reading, manifestHash }: Context): Found[] {
  const { instant, told, fixed } = reading;
  const all: Found[] = [];
  const { phase, round, published, leftover } = instant;
  if (round !== published + 1)
    all.push(wrong('phase-wrong', 'release', `round ${published + 1} next`, `round ${round}`));
  if (phase !== 'DRAWING' && leftover > 0)
    all.push(wrong('phase-wrong', 'release', 'nothing of a round being drawn', `${leftover} left`));
  if (phase !== 'DRAWING' && phase !== 'OPEN')
    all.push(wrong('phase-wrong', 'release', 'OPEN or DRAWING', phase));
  if (!told.isWhole())
    all.push(wrong('audit-incomplete', 'release', 'a stream from publishing on', 'its end alone'));
  else if (told.manifestHash() !== manifestHash)
    all.push(wrong('round-digest', 'manifest', told.manifestHash() ?? 'none', manifestHash));
  if (told.isWhole() && told.drawn() !== published + 1)
    all.push(wrong('audit-lost', 'rounds', `${told.drawn()} drawn`, `${published + 1} published`));
  const changed = new Set(
    Array.from(fixed.changes, ([name, value]) =>
      name.startsWith('loss:') ? value.replace(/ \d+$/, '') : name,
    ),
  );
  for (const change of [...told.closed, ...told.lost])
    if (!changed.has(change)) all.push(wrong('audit-lost', `change ${change}`, 'kept', 'gone'));
  if (!told.isWhole()) return all;
  for (const change of changed)
    if (!told.closed.has(change) && !told.lost.has(change))
      all.push(wrong('audit-unrecorded', `change ${change}`, 'a line of the stream', 'none'));
  return all;
}

// --- seats ---

/** Seats that a pool has, free or held, at the instant of the reading. */
export function capacityOf({ seats, fixed, instant }: Reading, place: string): number {
  const [slot = ''] = place.split('/');
  const closed = fixed.changes.get(slot);
  if (closed !== undefined && Number(closed) <= instant.published) return 0;
  // What a pool loses is no longer counted as its own when the operator says so, and free or held
  // until the round that settles it.
  const unsettled = (fixed.losses.get(place) ?? []).filter(
    ({ round }) => round > instant.published,
  );
  const lost = unsettled.reduce((sum, { seats }) => sum + seats, 0);
  return (seats.get(place) ?? 0) + Number(fixed.resized.get(place) ?? 0) + lost;
}

const WHOLE = /^\d+$/;

function ofPool(reading: Reading, place: string): Found[] {
  const text = reading.free.get(place) ?? '';
  const where = placeName(reading.manifest, place);
  if (text !== '' && !WHOLE.test(text)) return [wrong('seats-low', where, 'a whole number', text)];
  const free = Number(text);
  const expected = freeOf(reading, place);
  if (free === expected) return [];
  const kind = free < expected ? 'seats-low' : 'seats-high';
  const found = wrong(kind, where, `${expected} free`, `${free} free`);
  return [expected < 0 ? found : { ...found, mend: { what: 'seats', place } }];
}

/** What the sums of a release must be: they follow from manifest, changes and bookings. */
export function sumsOf(reading: Reading): Record<SumName, number> {
  const held = { OFFERED: { seats: 0, entries: 0 }, BOOKED: { seats: 0, entries: 0 } };
  for (const item of reading.items.values()) {
    const booking = bookingOf(reading, item);
    if (booking?.state !== 'OFFERED' && booking?.state !== 'BOOKED') continue;
    held[booking.state].seats += booking.size;
    held[booking.state].entries += 1;
  }
  const total = (numbers: Iterable<number>): number =>
    [...numbers].reduce((sum, one) => sum + one, 0);
  return {
    capacity: total(reading.seats.values()),
    free_seats: total(Array.from(reading.seats.keys(), (place) => freeOf(reading, place))),
    offered_seats: held.OFFERED.seats,
    booked_seats: held.BOOKED.seats,
    offered_entries: held.OFFERED.entries,
    booked_entries: held.BOOKED.entries,
  };
}

/** To be asked where nothing else is wrong: a sum of what is wrong is wrong, too. */
export function ofSums(reading: Reading): Found[] {
  const sums = sumsOf(reading);
  const differing = SUMS.filter((name) => Number(reading.instant.sums[name]) !== sums[name]);
  if (differing.length === 0) return [];
  const told = (of: (name: SumName) => string | number): string =>
    differing.map((name) => `${name} ${of(name)}`).join(', ');
  const found = wrong(
    'sums-differ',
    'release',
    told((name) => sums[name]),
    told((name) => reading.instant.sums[name] || 'none'),
  );
  return [{ ...found, mend: { what: 'sums' } }];
}

// --- entries and bookings ---

/** Under which ids else something must stand of an entry's group. */
function groupAsks({ reading, entryIdOf }: Context, id: string): string[] {
  const entry = readEntry(liveEntry(reading, itemOf(reading, id)));
  return entry && entry.persons.length > 1 ? entry.persons.map(entryIdOf) : [];
}

function ofEntry(context: Context, id: string): Found[] {
  const { reading } = context;
  const item = itemOf(reading, id);
  const where = `entry ${id}`;
  const bad = unreadable(reading, item);
  if (bad) return [wrong('unreadable', where, 'a packed value', bad)];
  return [
    ...placed(reading, item, where),
    ...grouped(context, id, item),
    ...asTold(reading, id, item),
  ];
}

function unreadable({ manifest }: Reading, item: Item): string | undefined {
  const { entering, sealed, entries, booking } = item;
  const texts = Object.entries({ entering, sealed, entries });
  const bad = texts.find(([, text]) => text !== '' && !readEntry(text));
  if (bad) return `something else in ${bad[0]}`;
  if (booking === '') return undefined;
  const read = readBooking(booking);
  if (!read) return 'something else in bookings';
  return manifest.slots[read.slot]?.pools[read.pool] ? undefined : 'a booking of no pool';
}

function placed(reading: Reading, item: Item, where: string): Found[] {
  const { entering, sealed, entries } = item;
  const booking = bookingOf(reading, item);
  const held = isHeld(booking);
  const places = Object.entries({ entering, sealed, entries }).filter(([, text]) => text !== '');
  const names = places.map(([name]) => name).join(' and ');
  const all: Found[] = [];
  if (places.length > 1) all.push(wrong('entry-twice', where, 'one place', names));
  else if (held && (entering !== '' || sealed !== ''))
    all.push(wrong('entry-twice', where, 'a booking alone', `a booking, and an entry in ${names}`));
  else if (held && entries === '')
    all.push(wrong('entry-missing', where, 'the entry of a booking', 'none'));
  if (booking && !held && entries !== '')
    all.push(wrong('entry-left', where, 'none: its booking is over', 'an entry in entries'));
  const entry = readEntry(entries);
  if (!booking || !held || !entry) return all;
  const size = entry.persons.length;
  if (size !== booking.size)
    all.push(wrong('booking-size', where, `${size} seats`, `${booking.size} seats`));
  if (!entry.prefs.includes(booking.slot)) {
    const found = placeName(reading.manifest, placeOf(booking));
    all.push(wrong('booking-unasked', where, 'a slot that it asks for', found));
  }
  return all;
}

/** Whether the ids of its people lead to the entry, and back. */
function grouped({ reading, entryIdOf }: Context, id: string, item: Item): Found[] {
  const entry = readEntry(liveEntry(reading, item));
  if (!entry) return [];
  const ids = entry.persons.map(entryIdOf);
  const where = `entry ${id}`;
  if (ids[0] !== id) return [wrong('members-wrong', where, 'the id of its lead', 'another id')];
  if (ids.length === 1)
    return item.members === '' ? [] : [wrong('members-wrong', where, 'nobody else', 'a group')];
  const strays = ids.slice(1).filter((other) => itemOf(reading, other).members !== id);
  if (item.members !== ids.join(','))
    return [wrong('members-wrong', where, `${ids.length} people`, 'another list of people')];
  return strays.map((other) =>
    wrong('members-wrong', where, `entry ${other} leads to it`, 'it does not'),
  );
}

/** Whether an entry stands where the audit stream says. */
function asTold(reading: Reading, id: string, item: Item): Found[] {
  const told = reading.told.of(id);
  const where = `entry ${id}`;
  const isLive = liveEntry(reading, item) !== '' || isHeld(bookingOf(reading, item));
  if (told === undefined || told.word === 'LEFT') {
    if (!isLive || (told === undefined && !reading.told.isWhole())) return [];
    return [wrong('audit-unrecorded', where, told ? 'left' : 'never entered', 'it is there')];
  }
  if (told.word === 'UNSURE') return [];
  const state = bookingOf(reading, item)?.state;
  if (told.word === 'BOOKED') {
    if (state === 'BOOKED') return [];
    const displaced = (reading.fixed.displacedIn.get(id) ?? -1) >= told.round;
    if (!displaced) return [wrong('audit-lost', where, 'booked', state?.toLowerCase() ?? 'none')];
  }
  return waits(reading, told, item, where);
}

/** Whether an entry is where one is that entered, or was displaced, and never left. */
function waits(reading: Reading, told: Told, item: Item, where: string): Found[] {
  const state = bookingOf(reading, item)?.state;
  const round = told.word === 'ENTERED' ? told.round : -1;
  if (round >= reading.told.sealed())
    return item.entering === '' ? [wrong('audit-lost', where, 'entered', 'not in entering')] : [];
  if (round >= reading.told.drawn())
    return item.sealed === '' ? [wrong('audit-lost', where, 'sealed', 'not in sealed')] : [];
  if (state !== undefined && state !== 'OFFERED')
    return [wrong('audit-unrecorded', where, 'waiting or offered', state.toLowerCase())];
  return item.entries === '' ? [wrong('audit-lost', where, 'waiting or offered', 'none')] : [];
}

// --- people ---

/** The ids of entries that have a person in common. */
function* inTwoEntries(reading: Reading): Generator<string[]> {
  const first = new Map<string, string>();
  const doubles = new Map<string, Set<string>>();
  for (const [id, item] of reading.items)
    for (const person of readEntry(liveEntry(reading, item))?.persons ?? []) {
      const known = first.get(person);
      if (known === undefined) first.set(person, id);
      else doubles.set(person, (doubles.get(person) ?? new Set([known])).add(id));
    }
  for (const entries of doubles.values()) yield [...entries];
}

function ofPerson(reading: Reading, entries: readonly string[]): Found[] {
  const known = new Set<string>();
  const where = `entries ${entries.toSorted().join(' and ')}`;
  for (const id of entries)
    for (const person of readEntry(liveEntry(reading, itemOf(reading, id)))?.persons ?? []) {
      if (known.has(person))
        return [wrong('person-twice', where, 'nobody in common', 'somebody in more than one')];
      known.add(person);
    }
  return [];
}

/** Characters of a mark (lua/lib/accounts.lua). */
export const MARK = 6;

function ofHolder({ fixed, manifest }: Reading, holder: string): Found[] {
  if (holder.startsWith('n:')) return [];
  const marks = fixed.accounts.get(holder) ?? '';
  const { entries_per_account: perAccount, entries_per_device: perDevice } = manifest.limits;
  const isDevice = holder.startsWith('d:');
  const limit = (isDevice ? perDevice : perAccount) ?? Number.POSITIVE_INFINITY;
  const count = marks.length / MARK;
  if (count <= limit && Number.isInteger(count)) return [];
  // By the mark of an entry: whose account or device it is is nobody's business here.
  const where = `whoever entered ${marks.slice(0, MARK)}…`;
  return [wrong('charge-over', where, `at most ${limit} people`, `${count} people`)];
}

/** Whether a person is among those whom these marks charge. */
export function isCharged(marks: string, entryId: string): boolean {
  const mark = entryId.slice(0, MARK);
  for (let at = 0; at < marks.length; at += MARK)
    if (marks.slice(at, at + MARK) === mark) return true;
  return false;
}
