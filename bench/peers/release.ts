/** A release in immediate mode with one slot, and what is kept of it. */
import type { Engine } from '../../src/engine.ts';
import { unpackBooking } from '../../src/bookings/rules.ts';
import { present } from '../../src/lib/assert.ts';
import { isoFromMs, nowMs } from '../../src/lib/clock.ts';
import type { Redis } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { ReleaseTerms } from '../../src/releases/rules.ts';
import { unpackEntry } from '../../src/rounds/rules.ts';
import { publishSites } from '../support/pune.ts';
import type { Books } from './peer.ts';

const HOUR_MS = 3_600_000;

/** It is open for an hour. Gives the id of its slot. */
export async function openAtOnce(engine: Engine, release: string, seats: number): Promise<string> {
  const now = nowMs();
  const terms = ReleaseTerms.parse({
    release,
    title: 'One slot',
    mode: 'immediate',
    opensAt: isoFromMs(now - 1),
    endsAt: isoFromMs(now + HOUR_MS),
    idTypes: ['aadhaar'],
  });
  const only = [{ id: '1', name: 'The only centre', seats }];
  const { manifest } = await publishSites(engine, terms, only, now);
  return present(manifest.slots[0], 'the slot').slot;
}

export async function booksOf(redis: Redis, release: string): Promise<Books> {
  const [bookings, entries, free] = await Promise.all([
    redis.hgetall(keys.bookings(release)),
    redis.hgetall(keys.entries(release)),
    redis.hget(keys.seats(release), '0/0'),
  ]);
  const persons = Object.entries(bookings).flatMap(([entry, packed]) =>
    unpackBooking(packed).state === 'BOOKED'
      ? unpackEntry(present(entries[entry], 'the entry of a booking')).persons
      : [],
  );
  return { free: Number(present(free, 'free seats')), persons };
}
