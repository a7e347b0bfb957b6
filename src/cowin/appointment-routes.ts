/** Asking for an appointment, and what is done with one. */
import { z } from 'zod';
import { originOf } from '../gates/origin.ts';
import { route, type Route } from '../http/route.ts';
import { isRefusal } from '../refusal.ts';
import type { Appointments } from './appointments.ts';
import type { Asked } from './asked.ts';
import { COWIN } from './dialect.ts';
import type { References } from './references.ts';
import type { Scheduler } from './schedule.ts';

/** People that one request may name: more than any release lets enter together. */
const MOST_NAMED = 8;

const shared = { slice: 'cowin', dialect: COWIN } as const;
const write = { limit: 'write', caller: 'account' } as const;

export type AppointmentParts = {
  readonly scheduler: Scheduler;
  readonly appointments: Appointments;
  readonly references: References;
  readonly asked: Asked;
};

export const appointmentRoutes = (parts: AppointmentParts): Route[] => [
  scheduleRoute(parts),
  rescheduleRoute(parts),
  cancelRoute(parts),
  slipRoute(parts),
];

const References14 = z
  .array(z.union([z.string().max(20), z.int().transform(String)]))
  .min(1)
  .max(MOST_NAMED);
const Dose = z.coerce.number().int().min(1).max(9);
const Slot = z.string().max(40).meta({ example: '09:00AM-11:00AM' });

const scheduleRoute = ({ scheduler, asked }: AppointmentParts): Route =>
  route({
    ...shared,
    method: 'post',
    path: '/api/v2/appointment/schedule',
    name: 'cowin-schedule',
    hot: true,
    summary: 'Book at once; in a lottery, enter: 409 APPOIN0040 with `fairslot`, once or often',
    gates: write,
    body: z.looseObject({
      dose: Dose,
      session_id: z.string().max(60),
      slot: Slot,
      beneficiaries: References14,
      captcha: z.string().max(40).optional(),
    }),
    answers: { 200: z.object({ appointment_confirmation_no: z.uuid() }) },
    errors: [
      'SESSION_UNKNOWN',
      'SLOT_UNKNOWN',
      'BENEFICIARY_DUPLICATE',
      'BENEFICIARY_UNKNOWN',
      'CAPTCHA_WRONG',
      'ENTERED_IN_LOTTERY',
      'ENTRY_CHANGED',
      'GROUP_TOO_LARGE',
      'CLAIMED_ELSEWHERE',
      'COOLING_DOWN',
      'ID_TYPE_NOT_ACCEPTED',
      'NOT_ELIGIBLE',
      'DOSE_NOT_DUE',
      'SLOT_OVER',
      'RELEASE_NOT_OPEN',
      'RELEASE_ENDED',
      'ENTRY_SEALED',
      'HAS_BOOKING',
      'SLOTS_CLOSED',
      'SLOT_FULL',
      'ENTRY_LAPSED',
      'IN_ANOTHER_ENTRY',
      'TOO_MANY_ENTRIES',
      'TOO_MANY_FROM_DEVICE',
      'OFFER_TOO_LATE',
      'BOOKING_DISPLACED',
    ],
    handler: async ({ account, address, device, body }) => {
      const { dose, session_id: session, slot, beneficiaries, captcha } = body;
      const ask = { dose, session, slot, beneficiaries, captcha };
      const from = originOf({ address, device });
      const scheduled = await scheduler.schedule(account, ask, from);
      asked.forget(account);
      if (isRefusal(scheduled)) return scheduled;
      return { status: 200, body: { appointment_confirmation_no: scheduled } };
    },
  });

const AppointmentId = z.string().max(60);

const rescheduleRoute = ({ appointments }: AppointmentParts): Route =>
  route({
    ...shared,
    method: 'post',
    path: '/api/v2/appointment/reschedule',
    name: 'cowin-reschedule',
    summary: 'Exchange a seat that was booked at once for one in another slot of its release',
    gates: { limit: 'answer', caller: 'account' },
    body: z.looseObject({
      appointment_id: AppointmentId,
      session_id: z.string().max(60),
      slot: Slot,
    }),
    answers: { 204: null },
    errors: [
      'BOOKING_UNKNOWN',
      'BOOKING_OVER',
      'SESSION_UNKNOWN',
      'SLOT_UNKNOWN',
      'NOT_MOVABLE',
      'CLAIMED_ELSEWHERE',
      'COOLING_DOWN',
      'NOT_ELIGIBLE',
      'DOSE_NOT_DUE',
      'SLOT_OVER',
      'DOSE_NOT_DUE',
      'RELEASE_ENDED',
      'SLOT_FULL',
    ],
    handler: async ({ account, body }) => {
      const { appointment_id: id, session_id: session, slot } = body;
      const moved = await appointments.reschedule(account, id, { session, slot });
      return isRefusal(moved) ? moved : { status: 204 };
    },
  });

const cancelRoute = ({ appointments, references }: AppointmentParts): Route =>
  route({
    ...shared,
    method: 'post',
    path: '/api/v2/appointment/cancel',
    name: 'cowin-cancel',
    summary: 'Give an appointment back',
    gates: { limit: 'answer', caller: 'account' },
    body: z.looseObject({ appointment_id: AppointmentId, beneficiariesToCancel: References14 }),
    answers: { 204: null },
    errors: [
      'BOOKING_UNKNOWN',
      'BOOKING_DISPLACED',
      'BOOKING_OVER',
      'BENEFICIARY_UNKNOWN',
      'NOT_CANCELLABLE',
      'ROUND_DRAWING',
    ],
    handler: async ({ account, body }) => {
      const persons = await references.personsOf(account, body.beneficiariesToCancel);
      if (isRefusal(persons)) return persons;
      const cancelled = await appointments.cancel(account, body.appointment_id, persons);
      return isRefusal(cancelled) ? cancelled : { status: 204 };
    },
  });

const PDF = 'application/pdf';

const slipRoute = ({ appointments }: AppointmentParts): Route =>
  route({
    ...shared,
    method: 'get',
    path: '/api/v2/appointment/appointmentslip/download',
    name: 'cowin-slip',
    summary: 'The slip of an appointment as PDF; one that is offered is taken by it',
    gates: { limit: 'slip', caller: 'account' },
    query: z.looseObject({ appointment_id: AppointmentId }),
    answers: { 200: { mediaType: PDF } },
    errors: [
      'BOOKING_UNKNOWN',
      'BOOKING_DISPLACED',
      'BOOKING_OVER',
      'OFFER_TOO_LATE',
      'SLIP_NOT_BOOKED',
    ],
    handler: async ({ account, query }) => {
      const slip = await appointments.slip(account, query.appointment_id);
      if (isRefusal(slip)) return slip;
      const headers = {
        'content-type': PDF,
        'content-disposition': 'attachment; filename="appointment-slip.pdf"',
        'cache-control': 'private, no-store',
      };
      return { status: 200, body: slip, headers };
    },
  });
