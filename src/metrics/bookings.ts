import type { Census } from '../releases/census.ts';
import type { Watch } from '../watch.ts';
import type { Book } from './book.ts';
import type { Reading } from './reading.ts';

export const bookingMetrics = (
  book: Book,
): Pick<Watch, 'onImmediate' | 'onConfirmation' | 'onCancellation'> => ({
  onImmediate: book.outcomes(
    {
      name: 'fairslot_bookings_immediate_total',
      help: 'Bookings made at once or moved to another slot; requests for them that were refused.',
      unit: 'bookings',
    },
    ['booked', 'moved'],
  ),
  onConfirmation: book.outcomes(
    {
      name: 'fairslot_bookings_confirmations_total',
      help: 'Offers confirmed, those confirmed again included, or refused.',
      unit: 'requests',
    },
    ['confirmed'],
  ),
  onCancellation: book.outcomes(
    {
      name: 'fairslot_bookings_cancellations_total',
      help: 'Offers and bookings given back, those given back again included, or refused.',
      unit: 'requests',
    },
    ['cancelled'],
  ),
});

export function offerMetrics(book: Book, census: Reading<Census>) {
  book.told(
    {
      name: 'fairslot_bookings_outstanding_offers',
      help: 'Offers in live releases that are not answered yet.',
      unit: 'offers',
    },
    census,
    ({ offers }) => [[{}, offers]],
  );
  return {
    expired: book.counter({
      name: 'fairslot_bookings_expired_total',
      help: 'Offers that lapsed, since nobody confirmed them in time.',
      unit: 'offers',
      of: 'process',
    }),
  } as const;
}
