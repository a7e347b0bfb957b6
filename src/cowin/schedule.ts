/**
 * `schedule`: in a release that books at once, a booking; in a lottery, an entry, to which further
 * slots of the account are added as less and less wished for. Its clients know no draw: they are
 * told that all is booked, which makes them wait, and find the result among their appointments.
 */
import { isoFromMs } from '../lib/clock.ts';
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

export type ScheduleAsk = {
  readonly dose: number;
  readonly session: string;
  /** As a client writes it: `09:00AM-11:00AM`. */
  readonly slot: string;
  /** References, 14 digits each; the first is the lead of a group. */
  readonly beneficiaries: readonly string[];
  readonly captcha?: string | undefined;
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
  readonly release: string;
  readonly persons: readonly string[];
  readonly standings: readonly PersonStanding[];
  readonly from: Origin;
  /** The captcha, before anything is changed: repeating an ask needs none. */
  readonly pass: () => Promise<Refusal | undefined>;
};

export type Scheduler = ReturnType<typeof createScheduler>;

export function createScheduler(parts: Parts) {
  const { catalogue, references, captcha, rounds } = parts;

  /** The slot that a client means. */
  const place = async (
    ask: Pick<ScheduleAsk, 'session' | 'dose' | 'slot'>,
  ): Promise<Place | Refusal> => {
    const atlas = await catalogue.atlas();
    const session = atlas.sessions.get(ask.session.toLowerCase());
    if (!session) return refuse('SESSION_UNKNOWN');
    const slotNumber = session.slots.get(ask.dose)?.get(bandOf(ask.slot));
    if (slotNumber === undefined) return refuse('SLOT_UNKNOWN');
    return { places: present(atlas.releases.get(session.release), 'its release'), slotNumber };
  };

  return {
    place,

    /** The appointment's id, or what a client is told instead. */
    async schedule(account: string, ask: ScheduleAsk, from: Origin): Promise<string | Refusal> {
      const found = await place(ask);
      if (isRefusal(found)) return found;
      if (new Set(ask.beneficiaries).size < ask.beneficiaries.length)
        return refuse('BENEFICIARY_DUPLICATE');
      const persons = await references.personsOf(account, ask.beneficiaries);
      if (isRefusal(persons)) return persons;
      const { release, published } = found.places;
      const standings = await rounds.standings(release, persons);
      const pass = (): Promise<Refusal | undefined> => captcha.check(account, ask.captcha);
      const whole = { ...found, account, release, persons, standings, from, pass };
      return published.manifest.mode === 'lottery' ? enter(parts, whole) : book(parts, whole);
    },
  };
}

/** A round may still give a seat to whoever stands here; until it has, nothing may be changed. */
const WAITS: readonly string[] = ['SEALED', 'WAITING'];

async function enter(parts: Parts, ask: Ask): Promise<string | Refusal> {
  const { rounds, catalogue } = parts;
  const { account, release, persons, standings, slotNumber, from } = ask;
  const holding = standings.find(({ state }) => state === 'OFFERED' || state === 'BOOKED');
  if (holding) return take(parts, ask, holding);
  const lead = present(standings[0], 'the lead');
  const limit = ask.places.published.manifest.limits.preferences;
  const isSettled = WAITS.includes(lead.state) || hasAsked(lead, persons, slotNumber, limit);
  if (isSettled) return entered(lead.entryId, await catalogue.nextRoundAtMs(ask.places));
  const refusal = await ask.pass();
  if (refusal) return refusal;
  const wish = { beneficiaries: persons, slotNumber };
  const appended = await rounds.append(account, release, wish, from);
  return isRefusal(appended) ? appended : entered(appended.entryId, appended.resultAtMs);
}

const entered = (entryId: string, resultAtMs: number): Refusal =>
  refuse('ENTERED_IN_LOTTERY', { extra: { entryId, resultAt: isoFromMs(resultAtMs) } });

/** Whether the entry of these people is what it would be after another ask. */
function hasAsked(
  { state, entry }: PersonStanding,
  persons: readonly string[],
  slotNumber: number,
  limit: number,
): boolean {
  if (state !== 'ENTERED') return false;
  const held = unpackEntry(entry);
  const isSame = held.persons.join() === persons.join();
  return isSame && (held.prefs.includes(slotNumber) || held.prefs.length >= limit);
}

/** Who asks for the slot that a round has offered takes it: they have no other word for it. */
async function take(
  { bookings }: Parts,
  { account, release, slotNumber }: Ask,
  { state, booking, entryId, group: [lead = entryId] }: PersonStanding,
): Promise<string | Refusal> {
  const { slot, grant } = unpackBooking(booking);
  if (state !== 'OFFERED' || slot !== slotNumber) return refuse('HAS_BOOKING');
  const id = bookingId({ release, entry: lead, grant });
  const confirmed = await bookings.confirm(account, id);
  return isRefusal(confirmed) ? confirmed : appointmentIdOf(id);
}

/** All of them or none: whoever was booked before a refusal is given back. */
async function book(parts: Parts, ask: Ask): Promise<string | Refusal> {
  const { account, release, persons, standings, slotNumber, from } = ask;
  if (standings.some(({ state }) => state === 'BOOKED')) return refuse('HAS_BOOKING');
  const refusal = await ask.pass();
  if (refusal) return refusal;
  const { slot } = present(ask.places.published.manifest.slots[slotNumber], 'a slot');
  const booked: string[] = [];
  for (const beneficiary of persons) {
    const wish = { release, beneficiary, slot };
    const one = await parts.bookings.book(account, wish, undefined, from);
    if (isRefusal(one)) {
      await Promise.all(booked.map((id) => parts.bookings.cancel(account, id)));
      return one;
    }
    booked.push(one.bookingId);
  }
  return appointmentIdOf(present(booked[0], 'a booking'));
}
