/** Drafts, publishing, and what everyone may read of a release. */
import { type HashChain, trustOf } from '../rounds/beacon/beacon.ts';
import { isTooLong } from '../rounds/draw/lines.ts';
import { categoriesOf, manifestProblem } from '../rounds/draw/pools.ts';
import { isoFromMs, msFromIso } from '../lib/clock.ts';
import { assert, present } from '../lib/assert.ts';
import { jcs } from '../lib/jcs.ts';
import { lazily } from '../lib/lazily.ts';
import { type Prepared, prepareBytes } from '../http/prepared.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import { isPublished, unpackBooking } from '../bookings/rules.ts';
import { createChanges } from './changes.ts';
import {
  type CalendarTerms,
  importCalendar,
  type Imported,
  importPlaces,
  type ImportTerms,
  NO_PLACES,
  type Places,
} from './import.ts';
import { manifestHash, type Manifest } from './manifest.ts';
import {
  manifestOf,
  releaseState,
  seatFields,
  stateOf,
  type Draft,
  type ManifestGrounds,
  type ReleaseReading,
  type ReleaseTerms,
} from './rules.ts';
import type { ReleaseStore } from './store.ts';

/** A published release: its manifest never changes, so a process reads it once. */
export type Published = {
  readonly manifest: Manifest;
  readonly hash: string;
  readonly slotNumbers: ReadonlyMap<string, number>;
  /** Reserve categories that a pool is for, ascending. */
  readonly categories: readonly string[];
  /** The session of each slot, by slot number. */
  readonly slotSessions: readonly Manifest['sessions'][number][];
  /** By id. */
  readonly centres: ReadonlyMap<string, Manifest['centres'][number]>;
  /** Days with a session, ascending. */
  readonly dates: readonly string[];
  /**
   * End of the release's last day anywhere on Earth, in milliseconds since the epoch: bookings
   * claim a person until then.
   */
  readonly lastDayEndsAtMs: number;
  /** The canonical JSON that is hashed, as an answer: the same bytes for everyone. */
  readonly manifestFile: () => Promise<Prepared>;
  /** What can be asked for, likewise. */
  readonly slotsFile: () => Promise<Prepared>;
};

export type SeatCount = {
  /** Those of the manifest. What operators took away is in none of the others. */
  readonly capacity: number;
  readonly free: number;
  readonly offered: number;
  readonly booked: number;
};

/** Published manifests that one process keeps. */
const MANIFESTS_KEPT = 1_000;
const RELEASES_LISTED = 200;

/** What a manifest is published on, beyond its draft. */
export type Grounds = Omit<ManifestGrounds, 'anchorOf'> & {
  readonly hashChain: (release: string, length: number) => HashChain;
};

/** A draft's places before an import, and with it. */
export type AddedTo = Imported & { readonly before: Places };

export type ReleaseService = ReturnType<typeof createReleaseService>;

export function createReleaseService(store: ReleaseStore, grounds: Grounds) {
  const reading = readers(store);
  return {
    ...reading,
    ...drafting(store, grounds),
    ...createChanges(store, reading.published),
    ...watching(store),
  };
}

function readers(store: ReleaseStore) {
  const kept = new Map<string, Published>();

  const published = async (release: string): Promise<Published | Refusal> => {
    const known = kept.get(release);
    if (known) return known;
    const text = await store.manifest(release);
    if (text === null) return refuse('RELEASE_UNKNOWN');
    const entry = publishedOf(text);
    if (kept.size >= MANIFESTS_KEPT)
      kept.delete(present(kept.keys().next().value, 'a kept manifest'));
    kept.set(release, entry);
    return entry;
  };

  const describe = async (release: string) => {
    const found = await published(release);
    if (isRefusal(found)) return found;
    const reading = present(await store.read(release), `state of ${release}`);
    return view(found, reading);
  };

  return {
    published,
    describe,
    read: (release: string) => store.read(release),
    /** Whether there is a release of this id that is not published yet. */
    isDraft: async (release: string) => (await store.draft(release)) !== null,
    /** Ids of all releases that are published or about to be. */
    all: () => store.all(),
    /** Ids of those that open later than a time, the first to open first. */
    openingAfter: (epochMs: number) => store.openingAfter(epochMs),
    list: async () => {
      const views = await Promise.all((await store.listed(RELEASES_LISTED)).map(describe));
      return views.filter((one) => !isRefusal(one));
    },
  };
}

function lastDayEndsAtMs({ sessions }: Manifest): number {
  const lastDay = sessions.reduce((last, { date }) => (date > last ? date : last), '');
  return msFromIso(`${lastDay}T23:59:59.999-12:00`);
}

function publishedOf(text: string): Published {
  const manifest = JSON.parse(text) as Manifest;
  const sessions = new Map(manifest.sessions.map((session) => [session.session, session]));
  const slotSessions = manifest.slots.map((slot) =>
    present(sessions.get(slot.session), slot.session),
  );
  const places = {
    manifest,
    slotSessions,
    centres: new Map(manifest.centres.map((centre) => [centre.centre, centre])),
  };
  const hash = manifestHash(manifest);
  const bytes = Buffer.from(text);
  return {
    ...places,
    hash,
    dates: [...new Set(manifest.sessions.map(({ date }) => date))].toSorted(),
    categories: categoriesOf(manifest),
    slotNumbers: new Map(manifest.slots.map((slot, index) => [slot.slot, index])),
    lastDayEndsAtMs: lastDayEndsAtMs(manifest),
    manifestFile: lazily(() => prepareBytes(bytes, hash)),
    slotsFile: lazily(() => {
      const slots = slotsOf(places);
      return prepareBytes(Buffer.from(JSON.stringify({ slots })), `slots-${hash}`);
    }),
  };
}

type PublishedPlaces = Pick<Published, 'manifest' | 'slotSessions' | 'centres'>;

/** A slot, with the session and the centre that it belongs to. */
export function slotAt({ manifest, slotSessions, centres }: PublishedPlaces, slotNumber: number) {
  const slot = present(manifest.slots[slotNumber], 'a slot');
  const session = present(slotSessions[slotNumber], slot.session);
  const centre = present(centres.get(session.centre), session.centre);
  return { slot, session, centre };
}

function slotsOf(places: PublishedPlaces) {
  return places.manifest.slots.map((_slot, slotNumber) => {
    const { slot, session, centre } = slotAt(places, slotNumber);
    return {
      slot: slot.slot,
      session: slot.session,
      centre: session.centre,
      centreName: centre.name,
      date: session.date,
      from: slot.from,
      to: slot.to,
      service: session.service,
      dose: session.dose,
      minAge: session.min_age,
      maxAge: session.max_age,
      seats: slot.pools.reduce((sum, pool) => sum + pool.seats, 0),
    };
  });
}

function view({ manifest, hash }: Published, reading: ReleaseReading) {
  const state = stateOf(reading);
  const rounds = reading.published + 1;
  const nextRoundAt =
    state === 'ended' || reading.nextRoundAtMs === 0 ? null : isoFromMs(reading.nextRoundAtMs);
  const beacon = manifest.mode === 'lottery' ? manifest.beacon.kind : null;
  return {
    release: manifest.release,
    title: manifest.title,
    mode: manifest.mode,
    series: manifest.mode === 'lottery' ? manifest.series : null,
    state,
    opensAt: manifest.opens_at,
    closesAt: manifest.mode === 'lottery' ? manifest.closes_at : null,
    endsAt: reading.endedAtMs > 0 ? isoFromMs(reading.endedAtMs) : manifest.ends_at,
    manifestHash: hash,
    beacon,
    trust: manifest.mode === 'lottery' ? trustOf(manifest.beacon) : null,
    idTypes: manifest.id_types,
    limits: {
      preferences: manifest.limits.preferences,
      entriesPerAccount: manifest.limits.entries_per_account,
      entriesPerDevice: manifest.limits.entries_per_device ?? null,
      groupSize: manifest.limits.group_size,
    },
    rounds,
    nextRoundAt,
    changedInRound: reading.changingRound < 0 ? null : reading.changingRound,
  };
}

function drafting(store: ReleaseStore, grounds: Grounds) {
  const readDraft = async (release: string): Promise<{ draft: Draft; text: string } | Refusal> => {
    const text = await store.draft(release);
    if (text !== null) return { draft: JSON.parse(text) as Draft, text };
    return refuse(
      (await store.manifest(release)) === null ? 'RELEASE_UNKNOWN' : 'RELEASE_PUBLISHED',
    );
  };

  const create = async (terms: ReleaseTerms): Promise<Draft | Refusal> => {
    const draft: Draft = { terms, places: NO_PLACES };
    const saved = await store.saveDraft(terms.release, JSON.stringify(draft), '');
    if (saved !== 'SAVED') return refuse('RELEASE_EXISTS');
    await store.countDraft(terms.release);
    return draft;
  };

  /** All that `add` finds in a file, or none. */
  const addTo = async (
    release: string,
    add: (places: Places) => Imported | Refusal,
  ): Promise<AddedTo | Refusal> => {
    const read = await readDraft(release);
    if (isRefusal(read)) return read;
    const before = read.draft.places;
    const imported = add(before);
    if (isRefusal(imported)) return imported;
    const { places, leftOut } = imported;
    const draft: Draft = { ...read.draft, places };
    const saved = await store.saveDraft(release, JSON.stringify(draft), read.text);
    if (saved === 'DRAFT_CHANGED') return addTo(release, add); // another import came between
    return saved === 'SAVED' ? { before, places, leftOut } : refuse('RELEASE_PUBLISHED');
  };
  const importInto = (release: string, csv: string, terms: ImportTerms) =>
    addTo(release, (places) => importPlaces(places, csv, terms));
  /** `centers`: those of a saved calendarByDistrict reply. */
  const importCalendarInto = (release: string, centers: readonly unknown[], terms: CalendarTerms) =>
    addTo(release, (places) => importCalendar(places, centers, terms));

  const publish = async (
    release: string,
    nowMs: number,
  ): Promise<{ manifestHash: string } | Refusal> => {
    const read = await readDraft(release);
    if (isRefusal(read)) return read;
    const anchorOf = (length: number): string => grounds.hashChain(release, length).anchor;
    const manifest = manifestOf(read.draft, { ...grounds, anchorOf });
    if (isRefusal(manifest)) return manifest;
    const problem = manifestProblem(manifest);
    assert(problem === undefined, `the manifest of ${release} could not be drawn: ${problem}`);
    const lastEntryAt = manifest.mode === 'lottery' ? manifest.closes_at : manifest.ends_at;
    if (msFromIso(lastEntryAt) <= nowMs) return refuse('RELEASE_TOO_LATE');
    // A booking binds its person until the last day is over, which must not be while it runs.
    if (lastDayEndsAtMs(manifest) <= msFromIso(manifest.ends_at)) return refuse('RELEASE_DATES');
    const text = jcs(manifest);
    if (isTooLong(text)) return refuse('RELEASE_TOO_LARGE');
    const hash = manifestHash(manifest);
    // Listed first: readers pass over a release that is not published yet, while one published and
    // never listed would be drawn by nobody.
    const series = manifest.mode === 'lottery' ? manifest.series : null;
    await store.list(release, msFromIso(manifest.opens_at), series);
    const outcome = await store.publish(release, {
      draft: read.text,
      manifest: text,
      manifestHash: hash,
      state: releaseState(manifest),
      seats: seatFields(manifest),
    });
    if (outcome === 'DRAFT_CHANGED') return publish(release, nowMs);
    await store.uncountDraft(release);
    if (outcome === 'ALREADY') return refuse('RELEASE_PUBLISHED');
    return { manifestHash: hash };
  };

  return { readDraft, create, importInto, importCalendarInto, publish };
}

function watching(store: ReleaseStore) {
  /** Seats by state, over all slots; what an operator watches and the demo counts. */
  const seats = async (manifest: Manifest): Promise<SeatCount> => {
    const { free, bookings, published } = await store.holdings(manifest.release);
    const counts = { offered: 0, booked: 0 };
    for (const packed of bookings) {
      const booking = unpackBooking(packed);
      if (!isPublished(booking, published)) continue;
      if (booking.state === 'OFFERED') counts.offered += booking.size;
      if (booking.state === 'BOOKED') counts.booked += booking.size;
    }
    const capacity = seatFields(manifest).reduce((sum, [, seats]) => sum + seats, 0);
    return {
      capacity,
      free: Object.values(free).reduce((sum, seats) => sum + Number(seats), 0),
      ...counts,
    };
  };

  /** Free seats by slot number, of all pools together. */
  const free = async ({ release, slots }: Manifest): Promise<number[]> => {
    const held = await store.free(release);
    return slots.map(({ pools }, slot) =>
      pools.reduce((sum, _pool, pool) => sum + Number(held[`${slot}/${pool}`] ?? 0), 0),
    );
  };

  return { seats, free, end: (release: string) => store.end(release) };
}
