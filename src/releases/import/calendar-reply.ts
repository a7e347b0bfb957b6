/**
 * A calendarByDistrict reply as CoWIN wrote it, read loosely: members that nobody needs are passed
 * over, null is as good as absent, and a number may stand in quotes. Bounds are the manifest's.
 */
import { z } from 'zod';
import { Centre, Directory, MANIFEST_LIMITS, Session } from '../manifest.ts';
import { slotBand, timeOf } from './slot-times.ts';
import { bandsFault } from './terms.ts';
import { textFault } from './text.ts';

const DIGITS = /^-?\d{1,9}$/;
const numeric = <S extends z.ZodType>(schema: S) =>
  z.preprocess(
    (value) => (typeof value === 'string' && DIGITS.test(value) ? Number(value) : value),
    schema,
  );
const text = (schema: z.ZodType<string, string>) =>
  z
    .string('not a text')
    .trim()
    .pipe(schema)
    .superRefine((value, context) => {
      const fault = textFault(value);
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
    });
const or = <S extends z.ZodType>(schema: S, fallback: z.output<S>) =>
  schema.nullish().transform((value) => value ?? fallback);
const time = (schema: z.ZodType<string, string>) =>
  z
    .string('not a time')
    .transform((value) => timeOf(value.trim()) ?? value)
    .pipe(schema);
/** Plus 0: there is no -0 in a manifest. */
const degrees = (schema: z.ZodType<number, number>) =>
  z
    .number('not a number')
    .transform((value) => Math.round(value) + 0)
    .pipe(schema);
const whole = (least: number, most: number) => {
  const error = `not a whole number from ${least} to ${most}`;
  return numeric(z.int(error).min(least, error).max(most, error));
};

const facts = Directory.shape;
const VACCINES_MOST = 20;

export const CalendarCentre = z
  .object({
    center_id: whole(1, MANIFEST_LIMITS.centreNumber),
    name: text(Centre.shape.name),
    state_name: text(facts.state_name),
    district_name: text(facts.district_name),
    block_name: or(text(facts.block_name), ''),
    pincode: numeric(facts.pincode),
    address: or(text(facts.address), ''),
    lat: or(degrees(facts.lat), 0),
    long: or(degrees(facts.long), 0),
    from: or(time(facts.from), '09:00'),
    to: or(time(facts.to), '17:00'),
    fee_type: or(facts.fee_type, 'Free'),
    vaccine_fees: or(
      z
        .array(z.object({ vaccine: z.string(), fee: numeric(Session.shape.fee.unwrap()) }))
        .max(VACCINES_MOST),
      [],
    ),
    sessions: or(z.array(z.unknown()), []),
  })
  .transform(({ center_id, name, vaccine_fees: fees, sessions: _sessions, ...directory }) => ({
    centre: String(center_id),
    name,
    directory,
    /** Rupees by vaccine, in capitals. */
    fees: new Map(fees.map(({ vaccine, fee }) => [vaccine.trim().toUpperCase(), fee])),
  }));
export type CalendarCentre = z.output<typeof CalendarCentre>;

/** The sessions of a centre that may be none. */
export function sessionsIn(centre: unknown): readonly unknown[] {
  const sessions = (centre as { sessions?: unknown } | null)?.sessions;
  return Array.isArray(sessions) ? sessions : [];
}

const Seats = whole(0, MANIFEST_LIMITS.seatsPerPool).nullish();
const capacity = {
  available_capacity: Seats,
  available_capacity_dose1: Seats,
  available_capacity_dose2: Seats,
};
type Capacity = { readonly [K in keyof typeof capacity]?: number | null | undefined };

/** Seats for dose 1 and dose 2; those of neither are for dose 1. */
function seatsByDose(of: Capacity): readonly [number, number] {
  const { available_capacity_dose1: first, available_capacity_dose2: second } = of;
  return (first ?? second ?? undefined) === undefined
    ? [of.available_capacity ?? 0, 0]
    : [first ?? 0, second ?? 0];
}

export const CalendarCapacity = z.object(capacity).transform(seatsByDose);

const Slot = z
  .union([z.string(), z.object({ time: z.string() }).transform((slot) => slot.time)], 'no slot')
  .transform((value, context) => {
    const band = slotBand(value);
    if (band !== undefined) return band;
    context.addIssue({ code: 'custom', message: 'not a slot as in 09:00AM-11:00AM' });
    return z.NEVER;
  });

const DATE = /^(\d\d)-(\d\d)-(\d{4})$/;

export const CalendarSession = z
  .object({
    ...capacity,
    session_id: z.guid('not a UUID').transform((id) => id.toLowerCase()),
    date: z
      .string('not a day as in 17-09-2021')
      .regex(DATE, 'not a day as in 17-09-2021')
      .transform((day) => day.replace(DATE, '$3-$2-$1'))
      .pipe(Session.shape.date),
    min_age_limit: or(numeric(Session.shape.min_age), 0),
    max_age_limit: or(numeric(Session.shape.max_age.unwrap()), Infinity),
    allow_all_age: z.boolean().nullish(),
    vaccine: text(Session.shape.service),
    slots: z.array(Slot, 'not a list of slots').superRefine((bands, context) => {
      const fault = bandsFault(bands);
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
    }),
  })
  .refine((session) => session.min_age_limit <= session.max_age_limit, {
    message: 'below min_age_limit',
    path: ['max_age_limit'],
  })
  .transform((session) => ({
    sessionId: session.session_id,
    date: session.date,
    vaccine: session.vaccine,
    minAge: session.min_age_limit,
    maxAge:
      session.allow_all_age === true || session.max_age_limit === Infinity
        ? null
        : session.max_age_limit,
    bands: session.slots,
    capacity: seatsByDose(session),
  }));
export type CalendarSession = z.output<typeof CalendarSession>;
