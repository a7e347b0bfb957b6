import { type Census, EVENTS, RELEASE_PHASES, SEAT_STATES } from '../releases/census.ts';
import type { Book } from './book.ts';
import type { Reading } from './reading.ts';
import { nowOf } from './rounds.ts';

export function releaseGauges(book: Book, census: Reading<Census>): void {
  book.told(
    {
      name: 'fairslot_releases_releases',
      help: 'Releases by phase.',
      unit: 'releases',
      labels: { phase: RELEASE_PHASES },
    },
    census,
    ({ phases }) => RELEASE_PHASES.map((phase) => [{ phase }, phases[phase]]),
  );
  book.told(
    {
      name: 'fairslot_releases_next_event_seconds',
      help: 'Until the next release opens, closes, is drawn or ends; a draw under way is at 0.',
      unit: 'seconds',
      labels: { event: EVENTS },
    },
    census,
    (counted) =>
      EVENTS.flatMap((event) => {
        const atMs = counted.nextMs[event];
        return atMs === undefined ? [] : [[{ event }, Math.max(0, atMs - nowOf(counted)) / 1000]];
      }),
  );
  book.told(
    {
      name: 'fairslot_releases_seats',
      help: 'Seats of live releases (open, drawing or running); capacity is what their manifests have.',
      unit: 'seats',
      labels: { state: SEAT_STATES },
    },
    census,
    ({ seats }) => SEAT_STATES.map((state) => [{ state }, seats[state]]),
  );
  book.told(
    {
      name: 'fairslot_releases_unread_releases',
      help: 'Live releases that are in no other number of seats, entries, offers and rounds, since there are too many.',
      unit: 'releases',
    },
    census,
    ({ unread }) => [[{}, unread]],
  );
}
