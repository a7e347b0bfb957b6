/**
 * `schedule`: in a release that books at once, a booking; in a lottery, an entry, to which further
 * slots of the account are added as less and less wished for. Its clients know no draw: they are
 * told that all is booked, which makes them wait, and find the result among their appointments.
 */
import { nowMs, isoFromMs } from '../lib/clock.ts';
import { present } from '../lib/assert.ts';
import type { BookingService } from '../bookings/service.ts';
import { bookingId, unpackBooking } from '../bookings/rules.ts';
import type { Origin } from '../gates/origin.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import type { PersonStanding } from '../rounds/appending.ts';
import { unpackEntry } from '../rounds/rules.ts';
import type { RoundService } from '../rounds/service.ts';
import type { Catalogue } from './catalogue.ts';
import { appointmentIdOf } from './ids.ts';
import type { ImageCaptcha } from './image-captcha.ts';
import type { ReleasePlaces } from './places.ts';
import type { References } from './references.ts';
import { bandOf } from './words.ts';

export type ScheduleAsk = SlotWords & {
  /** References, 14 digits each; the first is the lead of a group. */
  readonly beneficiaries: readonly string[];
  readonly captcha?: string | undefined;
};

/** A slot as a client names it. */
export type SlotWords = {
  readonly dose: number;
  readonly session: string;
  /** `09:00AM-11:00AM`. */
  readonly slot: string;
};

export type Place = { readonly places: ReleasePlaces; readonly slotNumber: number };

type Parts = {
  catalogue: Catalogue;
  references: References;
  captcha: ImageCaptcha;
  rounds: RoundService;
  bookings: BookingService;
};

/** An ask of these people in one release, once it is known what it means. */
type Ask = Place & {
  readonly account: string;
  readonly persons: readonly string[];
  readonly standings: readonly PersonStanding[];
  readonly from: Origin;
  /** The captcha, before anything is changed: repeating an ask needs none. */
  readonly pass: () => Promise<Refusal | undefined>;
};

export type Scheduler = ReturnType<typeof createScheduler>;

export function createScheduler(parts: Parts) {
  const { catalogue, references, captcha, rounds } = parts;

  /** The slot that a client means, in each release that has it, the latest first. */
  const places = async (words: SlotWords): Promise<readonly Place[] | Refusal> => {
    const atlas = await catalogue.atlas();
    const sessions = atlas.sessions.get(words.session.toLowerCase());
    if (!sessions) return refuse('SESSION_UNKNOWN');
    const found = sessions.flatMap((session) => {
      const slotNumber = session.slots.get(words.dose)?.get(bandOf(words.slot));
      const places = present(atlas.releases.get(session.release), session.release);
      return slotNumber === undefined ? [] : [{ places, slotNumber }];
    });
    return found.length === 0 ? refuse('SLOT_UNKNOWN') : found;
  };

  /** Where one of these people stands; else where one may ask. */
  const choose = async (found: readonly Place[], persons: readonly string[]) => {
    const all = await Promise.all(
      found.map(async (place) => ({
        ...place,
        standings: await rounds.standings(place.places.release, persons),
      })),
    );
    const standing = all.find(({ standings }) => standings.some(isLive));
    if (standing || all.length === 1) return present(standing ?? all[0], 'a place');
    const open = await Promise.all(
      all.map(async ({ places: one }) => (await catalogue.availability(one)).mayAsk),
    );
    return present(all[Math.max(0, open.indexOf(true))], 'a place');
  };

  return {
    places,

    /** The appointment's id, or what a client is told instead. */
    async schedule(account: string, ask: ScheduleAsk, from: Origin): Promise<string | Refusal> {
      const found = await places(ask);
      if (isRefusal(found)) return found;
      if (new Set(ask.beneficiaries).size < ask.beneficiaries.length)
        return refuse('BENEFICIARY_DUPLICATE');
      const persons = await references.personsOf(account, ask.beneficiaries);
      if (isRefusal(persons)) return persons;
      const chosen = await choose(found, persons);
      const pass = (): Promise<Refusal | undefined> => captcha.check(account, ask.captcha);
      const whole = { ...chosen, account, persons, from, pass };
      const isLottery = chosen.places.published.manifest.mode === 'lottery';
      return isLottery ? enter(parts, whole) : book(parts, whole);
    },
  };
}

/** Somebody in one of these states has something here already. */
const LIVE: readonly string[] = ['ENTERED', 'SEALED', 'WAITING', 'OFFERED', 'BOOKED'];
const isLive = ({ state }: PersonStanding): boolean => LIVE.includes(state);
const entryOf = ({ group: [lead], entryId }: PersonStanding): string => lead ?? entryId;

async function enter(parts: Parts, ask: Ask): Promise<string | Refusal> {
  const { catalogue } = parts;
  const { persons, standings, slotNumber, places } = ask;
  const live = standings.filter(isLive);
  const [held] = live;
  if (!held) return append(parts, ask, persons);
  const isOne = live.length === persons.length && new Set(live.map(entryOf)).size === 1;
  // Nobody is told of an entry that they are not in, and nobody leaves one because of another's ask.
  if (!isOne) {
    const isHeld = live.some(({ state }) => state === 'BOOKED' || state === 'OFFERED');
    return refuse(isHeld ? 'HAS_BOOKING' : 'IN_ANOTHER_ENTRY');
  }
  if (held.state === 'BOOKED') return refuse('HAS_BOOKING');
  if (held.state === 'OFFERED') return take(parts, ask, held);
  const entry = unpackEntry(held.entry);
  const isFull = entry.prefs.length >= places.published.manifest.limits.preferences;
  // Of one that is sealed, or waits, a round decides next; until then nothing may be changed.
  const isSettled = held.state !== 'ENTERED' || isFull || entry.prefs.includes(slotNumber);
  if (isSettled) return entered(entryOf(held), await catalogue.nextRoundAtMs(places));
  return append(parts, ask, entry.persons);
}

/** `persons`: those of the entry, who may be more than asked. */
async function append(
  { rounds }: Parts,
  { account, places, slotNumber, from, pass }: Ask,
  persons: readonly string[],
): Promise<Refusal> {
  const refusal = await pass();
  if (refusal) return refusal;
  const wish = { beneficiaries: persons, slotNumber };
  const appended = await rounds.append(account, places.release, wish, from);
  return isRefusal(appended) ? appended : entered(appended.entryId, appended.resultAtMs);
}

/** A round that is late is still to come. */
const entered = (entryId: string, resultAtMs: number): Refusal =>
  refuse('ENTERED_IN_LOTTERY', {
    extra: { entryId, resultAt: isoFromMs(Math.max(resultAtMs, nowMs())) },
  });

/** Who asks for the slot that a round has offered takes it: they have no other word for it. */
async function take(
  { bookings }: Parts,
  { account, places, slotNumber }: Ask,
  held: PersonStanding,
): Promise<string | Refusal> {
  const { slot, grant } = unpackBooking(held.booking);
  if (slot !== slotNumber) return refuse('HAS_BOOKING');
  const id = bookingId({ release: places.release, entry: entryOf(held), grant });
  const confirmed = await bookings.confirm(account, id);
  if (!isRefusal(confirmed)) return appointmentIdOf(id);
  const isGone = confirmed.refused === 'BOOKING_OVER' || confirmed.refused === 'BOOKING_UNKNOWN';
  return isGone ? refuse('OFFER_TOO_LATE') : confirmed;
}

/** All of them or none. */
async function book({ bookings }: Parts, ask: Ask): Promise<string | Refusal> {
  const { account, places, persons, standings, slotNumber, from } = ask;
  if (standings.some(({ state }) => state === 'BOOKED')) return refuse('HAS_BOOKING');
  const refusal = await ask.pass();
  if (refusal) return refusal;
  const { slot } = present(places.published.manifest.slots[slotNumber], 'a slot');
  const wish = { release: places.release, slot, beneficiaries: [...persons] };
  const booked = await bookings.bookTogether(account, wish, from);
  return isRefusal(booked) ? booked : appointmentIdOf(present(booked[0], 'a booking').bookingId);
}
