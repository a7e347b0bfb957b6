/** What a centre says on the day: who came, and what they were given. */
import { z } from 'zod';
import { BookingId } from '../bookings/routes.ts';
import { isRefusal } from '../refusal.ts';
import { route, type Route } from '../http/route.ts';
import { ID_TYPES, PersonId } from '../people/rules.ts';
import { VACCINATION_STATUSES, VACCINE_NAMES } from '../people/vaccines.ts';
import { CentreId } from '../releases/manifest.ts';
import type { ArrivalService } from './service.ts';

const SecurityCode = z
  .string()
  .regex(/^\d{4}$/, 'four digits')
  .meta({ id: 'SecurityCode', example: '0471' });
const Batch = z
  .string()
  .trim()
  .regex(/^[ -~]{1,40}$/, '1 to 40 printable characters')
  .meta({ id: 'Batch', example: '4121Z025' });
const VaccineWord = z.string().trim().min(1).max(60).meta({ example: 'COVISHIELD' });

const Vaccine = z.enum(VACCINE_NAMES);
const ArrivedPerson = z
  .object({
    beneficiaryId: PersonId,
    name: z.string(),
    birthYear: z.int(),
    gender: z.enum(['female', 'male', 'other']),
    idType: z.enum(ID_TYPES),
    idLast4: z.string().meta({ description: 'Fewer than four characters of a short number.' }),
    /** What the session gives; null where that is no vaccine. */
    vaccine: Vaccine.nullable(),
    dose: z.int(),
  })
  .meta({ id: 'ArrivedPerson' });
const Arrival = z
  .object({
    booking: BookingId,
    centre: CentreId,
    date: z.iso.date(),
    from: z.string(),
    service: z.string(),
    people: z.array(ArrivedPerson),
  })
  .meta({ id: 'Arrival' });
const RecordedDose = z
  .object({
    beneficiaryId: PersonId,
    dose: z.int(),
    vaccine: Vaccine,
    date: z.iso.date(),
    batch: z.string(),
    vaccinationStatus: z.enum(VACCINATION_STATUSES),
    /** First day for the next dose; null after the last. */
    nextDoseFrom: z.iso.date().nullable(),
  })
  .meta({ id: 'RecordedDose' });

const gates = { limit: 'admin', caller: 'operator', scope: 'vaccinator' } as const;

export const arrivalRoutes = (arrivals: ArrivalService): Route[] => [
  route({
    method: 'post',
    path: '/v1/arrivals',
    name: 'arrive',
    slice: 'arrivals',
    summary: 'Say that the people of a booking are there, on its day, by its security code',
    gates,
    body: z.strictObject({ booking: BookingId, securityCode: SecurityCode }),
    answers: { 200: Arrival },
    errors: [
      'ARRIVAL_CODE_WRONG',
      'ARRIVAL_TRIES_SPENT',
      'ARRIVAL_NOT_TODAY',
      'ARRIVAL_NOT_BOOKED',
    ],
    handler: async ({ operator, centres, body }) => {
      const by = { name: operator, centres };
      const arrival = await arrivals.arrive(by, body.booking, body.securityCode);
      return isRefusal(arrival) ? arrival : { status: 200, body: arrival };
    },
  }),
  route({
    method: 'post',
    path: '/v1/doses',
    name: 'recordDose',
    slice: 'arrivals',
    summary: 'Record the dose that one of the people of a booking was given',
    gates,
    body: z.strictObject({
      booking: BookingId,
      beneficiary: PersonId,
      vaccine: VaccineWord,
      batch: Batch,
    }),
    answers: { 200: RecordedDose },
    errors: ['ARRIVAL_MISSING', 'DOSE_MISMATCH', 'DOSE_NOT_DUE', 'DOSE_RECORDED'],
    handler: async ({ operator, centres, body }) => {
      const recorded = await arrivals.recordDose({ name: operator, centres }, body);
      return isRefusal(recorded) ? recorded : { status: 200, body: recorded };
    },
  }),
];
