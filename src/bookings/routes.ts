import { z } from 'zod';
import { originOf } from '../gates/origin.ts';
import { isRefusal } from '../refusal.ts';
import { route, type Route } from '../http/route.ts';
import { PersonId } from '../people/rules.ts';
import { ReleaseId, SlotId } from '../releases/manifest.ts';
import type { BookingService } from './service.ts';

export const BookingId = z
  .string()
  .max(90)
  .meta({ id: 'BookingId', example: 'pune-2021-04-10.q1Z8Yp0r7hQ2mJcT5wLxEg.0' });
const Booking = z
  .object({
    bookingId: BookingId,
    release: ReleaseId,
    beneficiaries: z.array(PersonId),
    slot: SlotId,
    state: z.enum(['offered', 'booked', 'cancelled', 'lapsed', 'arrived', 'no-show']),
    confirmBy: z.iso.datetime().nullable(),
    /** Four digits, to be told to the centre on the day; null where nothing is booked. */
    securityCode: z.string().nullable(),
  })
  .meta({ id: 'Booking' });
export const bookingParams = z.strictObject({ booking: BookingId });

export const bookingRoutes = (bookings: BookingService): Route[] => [
  ...holdingRoutes(bookings),
  ...answerRoutes(bookings),
];

const holdingRoutes = (bookings: BookingService): Route[] => [
  route({
    method: 'post',
    path: '/v1/bookings',
    name: 'book',
    hot: true,
    slice: 'bookings',
    summary: 'Book a seat at once, in a release in immediate mode',
    gates: { limit: 'write', caller: 'account', captcha: 'book', device: true },
    body: z.strictObject({ release: ReleaseId, beneficiary: PersonId, slot: SlotId }),
    answers: { 201: Booking },
    errors: [
      'RELEASE_UNKNOWN',
      'NOT_IMMEDIATE',
      'SLOT_UNKNOWN',
      'SLOT_OVER',
      'BENEFICIARY_UNKNOWN',
      'CLAIMED_ELSEWHERE',
      'COOLING_DOWN',
      'ID_TYPE_NOT_ACCEPTED',
      'NOT_ELIGIBLE',
      'DOSE_NOT_DUE',
      'RELEASE_NOT_OPEN',
      'RELEASE_ENDED',
      'HAS_BOOKING',
      'SLOT_FULL',
      'TOO_MANY_ENTRIES',
      'TOO_MANY_FROM_DEVICE',
    ],
    claims: true,
    ahead: ({ account, body }) => bookings.prepareBooking(account, body),
    handler: async ({ account, device, address, body }, prepared) => {
      const from = originOf({ address, device });
      const booked = await bookings.book(account, body, prepared, from);
      return isRefusal(booked) ? booked : { status: 201, body: booked };
    },
  }),
  route({
    method: 'get',
    path: '/v1/bookings',
    name: 'listBookings',
    slice: 'bookings',
    summary: 'Offers and bookings of this account',
    gates: { limit: 'read', caller: 'account' },
    answers: { 200: z.object({ bookings: z.array(Booking) }) },
    errors: [],
    handler: async ({ account }) => ({
      status: 200,
      body: { bookings: await bookings.list(account) },
    }),
  }),
];

const answerRoutes = (bookings: BookingService): Route[] => [
  route({
    method: 'post',
    path: '/v1/bookings/:booking/confirm',
    name: 'confirmBooking',
    hot: true,
    slice: 'bookings',
    summary: 'Confirm an offer before its deadline',
    gates: { limit: 'answer', caller: 'account' },
    params: bookingParams,
    answers: { 200: Booking },
    errors: ['BOOKING_UNKNOWN', 'BOOKING_DISPLACED', 'BOOKING_OVER', 'OFFER_TOO_LATE'],
    ahead: ({ account, params }) => bookings.own(account, params.booking),
    handler: async ({ account, params }, own) => {
      const booked = await bookings.confirm(account, params.booking, own);
      return isRefusal(booked) ? booked : { status: 200, body: booked };
    },
  }),
  route({
    method: 'delete',
    path: '/v1/bookings/:booking',
    name: 'cancelBooking',
    slice: 'bookings',
    summary: 'Give back an offer or a booking',
    gates: { limit: 'answer', caller: 'account' },
    params: bookingParams,
    answers: { 204: null },
    errors: ['BOOKING_UNKNOWN', 'BOOKING_DISPLACED', 'BOOKING_OVER', 'ROUND_DRAWING'],
    ahead: ({ account, params }) => bookings.own(account, params.booking),
    handler: async ({ account, params }, own) => {
      const cancelled = await bookings.cancel(account, params.booking, own);
      return isRefusal(cancelled) ? cancelled : { status: 204 };
    },
  }),
];
