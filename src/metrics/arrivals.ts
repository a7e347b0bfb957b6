import { REMINDER_OUTCOMES } from '../arrivals/reminders.ts';
import { ARRIVAL_OUTCOMES } from '../arrivals/service.ts';
import { VACCINE_NAMES } from '../people/vaccines.ts';
import type { Watch } from '../watch.ts';
import type { Book } from './book.ts';

export function arrivalMetrics(book: Book): Pick<Watch, 'onArrival' | 'onDose'> {
  const arrivals = book.counter({
    name: 'fairslot_arrivals_arrivals_total',
    help: 'Arrivals that centres recorded or tried to, by what came of it.',
    unit: 'arrivals',
    of: 'process',
    labels: { outcome: ARRIVAL_OUTCOMES },
  });
  const doses = book.counter({
    name: 'fairslot_arrivals_doses_total',
    help: 'Doses recorded, by vaccine.',
    unit: 'doses',
    of: 'process',
    labels: { vaccine: VACCINE_NAMES },
  });
  return {
    onArrival: (outcome) => arrivals.inc({ outcome }),
    onDose: (vaccine) => doses.inc({ vaccine }),
  };
}

export const dayMetrics = (book: Book) =>
  ({
    noShows: book.counter({
      name: 'fairslot_arrivals_no_shows_total',
      help: 'Bookings whose people did not come.',
      unit: 'bookings',
      of: 'process',
    }),
    reminders: book.counter({
      name: 'fairslot_arrivals_reminders_total',
      help: 'Next doses that were due, by whether somebody was told of it.',
      unit: 'doses',
      of: 'process',
      labels: { outcome: REMINDER_OUTCOMES },
    }),
  }) as const;
