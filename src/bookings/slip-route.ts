import { isRefusal } from '../refusal.ts';
import { route, type Route } from '../http/route.ts';
import { bookingParams } from './routes.ts';
import type { Slips } from './slips.ts';

const PDF = 'application/pdf';

export const slipRoute = (slips: Slips): Route =>
  route({
    method: 'get',
    path: '/v1/bookings/:booking/slip',
    name: 'readSlip',
    slice: 'bookings',
    summary: 'The appointment slip of a confirmed booking, as PDF',
    gates: { limit: 'slip', caller: 'account' },
    params: bookingParams,
    answers: { 200: { mediaType: PDF } },
    errors: ['BOOKING_UNKNOWN', 'SLIP_NOT_BOOKED'],
    handler: async ({ account, params }) => {
      const slip = await slips.of(account, params.booking);
      if (isRefusal(slip)) return slip;
      const headers = {
        'content-type': PDF,
        'content-disposition': 'inline; filename="appointment-slip.pdf"',
        // It has names and the security code on it.
        'cache-control': 'private, no-store',
      };
      return { status: 200, body: slip, headers };
    },
  });
