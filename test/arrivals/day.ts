/**
 * The day of a session, in tests: it is today in one time zone, and over in another, so that no
 * test has to wait for it.
 */
import type { Attendance } from '../../src/arrivals/no-shows.ts';
import { createAttendance } from '../../src/arrivals/no-shows.ts';
import type { Vaccinator } from '../../src/arrivals/rules.ts';
import { securityCodeOf } from '../../src/bookings/security-code.ts';
import { createEngine, type Engine } from '../../src/engine.ts';
import type { Watch } from '../../src/watch.ts';
import { clockAt, dayAt } from '../../src/lib/days.ts';
import { redisNowMs, type Redis } from '../../src/redis/client.ts';
import { SECRET } from '../support/app.ts';
import {
  fresh,
  granted,
  publishRelease,
  register,
  type ReleaseWishes,
  type TestRelease,
} from '../support/engine.ts';

/**
 * Where it is a day that has ended where days end first. Not where it is about to end: what a test
 * publishes ends before its last day has ended everywhere.
 */
export const HERE = [10, 11].includes(new Date().getUTCHours()) ? 'Etc/GMT+10' : 'Etc/GMT+12';
export const AFTERWARDS = 'Etc/GMT-14';

export const engineHere = (redis: Redis, watch: Partial<Watch> = {}): Engine =>
  createEngine(redis, { secret: SECRET, timeZone: HERE }, watch);

/** An engine for which what is today in the other is over. */
export const engineAfterwards = (redis: Redis): Engine =>
  createEngine(redis, { secret: SECRET, timeZone: AFTERWARDS });

export const today = async (redis: Redis): Promise<string> => dayAt(await redisNowMs(redis), HERE);

/** A far day, so that a release can be over neither today nor tomorrow. */
const FAR = '2099-01-01';

/** The last minutes of a day: a session of today is still to come, at whatever hour a test runs. */
export const LATE = [{ from: '23:58', to: '23:59' }];

/** Books at once: each centre has these seats today, and again on a far day. */
export const openToday = async (
  engine: Engine,
  redis: Redis,
  wishes: Partial<ReleaseWishes> = {},
): Promise<TestRelease> =>
  publishRelease(engine, redis, {
    mode: 'immediate',
    seats: [100],
    alsoOn: FAR,
    ...wishes,
    places: { date: await today(redis), bands: LATE, ...wishes.places },
  });

export type Booked = {
  readonly account: string;
  readonly person: string;
  readonly booking: string;
  readonly code: string;
};

/** Somebody with a booking; on the first slot unless said otherwise. */
export async function bookSomebody(
  engine: Engine,
  { release, slots }: TestRelease,
  slot = slots[0] ?? '',
  account = fresh('account'),
): Promise<Booked> {
  const person = await register(engine, account);
  const wish = { release, beneficiary: person, slot };
  const { bookingId: booking } = granted(await engine.bookings.book(account, wish));
  return { account, person, booking, code: securityCodeOf(engine.secrets, booking) };
}

export const bookMany = (engine: Engine, one: TestRelease, count: number): Promise<Booked[]> =>
  Promise.all(Array.from({ length: count }, () => bookSomebody(engine, one)));

/** A code that is not this one. */
export const wrong = (code: string): string => (code === '0000' ? '0001' : '0000');

/** A key that is bound to no centre. */
export const CENTRE: Vaccinator = { name: 'centre' };

/** `by`: a key, or the name of one that is bound to no centre. */
export const arrive = (
  engine: Engine,
  { booking, code }: Booked,
  by: string | Vaccinator = CENTRE,
) => engine.arrivals.arrive(typeof by === 'string' ? { name: by } : by, booking, code);

export const BATCH = '4121Z025';
export const giveDose = (
  engine: Engine,
  { booking, person }: Booked,
  batch = BATCH,
  by: Vaccinator = CENTRE,
) => engine.arrivals.recordDose(by, { booking, beneficiary: person, vaccine: 'covishield', batch });

/** Sees to a release where its day is over. */
export const attendanceAfterwards = (
  { stores, releases }: Engine,
  store = stores.arrivals,
  timeZone = AFTERWARDS,
): Attendance => createAttendance({ store, people: stores.people, releases, timeZone });

/** A zone where it is this hour of the day. */
export function zoneAt(nowMs: number, hour: number): string {
  for (let offset = -14; offset <= 12; offset++) {
    const zone = `Etc/GMT${offset < 0 ? offset : `+${offset}`}`;
    if (clockAt(nowMs, zone).startsWith(String(hour).padStart(2, '0'))) return zone;
  }
  throw new Error(`it is nowhere ${hour} o'clock`);
}
