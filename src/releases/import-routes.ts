/** Operators fill a draft: from CSV, or from a saved calendarByDistrict reply. */
import { z } from 'zod';
import { isRefusal, type Refusal } from '../refusal.ts';
import { route, type Route } from '../http/route.ts';
import { vaccineOf } from '../people/vaccines.ts';
import type { ImportTerms, Places } from './import.ts';
import { Bands } from './import/terms.ts';
import { MANIFEST_LIMITS, ReleaseId } from './manifest.ts';
import type { AddedTo, ReleaseService } from './service.ts';

const params = z.strictObject({ release: ReleaseId });

const ImportQuery = z
  .strictObject({
    date: z.iso.date().optional().meta({ description: 'Left out where every row has its own.' }),
    service: z.string().trim().min(1).max(60).default('COVISHIELD'),
    dose: z.coerce.number().int().min(1).max(9).default(1),
    minAge: z.coerce.number().int().min(0).max(130).default(0),
    maxAge: z.coerce.number().int().min(0).max(130).optional(),
    bands: z.string().default('09:00-11:00,11:00-13:00,13:00-15:00').pipe(Bands),
    centre: z.string().min(1).max(60).default('centre_id'),
    name: z.string().min(1).max(60).default('centre_name'),
    seats: z.string().min(1).max(60).default('seats'),
  })
  .refine(({ minAge, maxAge = Infinity }) => minAge <= maxAge, {
    message: 'maxAge is not below minAge',
    path: ['maxAge'],
  });

const importTerms = (query: z.output<typeof ImportQuery>): ImportTerms => ({
  date: query.date,
  service: query.service,
  dose: query.dose,
  minAge: query.minAge,
  maxAge: query.maxAge ?? null,
  bands: query.bands,
  columns: { centre: query.centre, name: query.name, seats: query.seats },
});

const CalendarQuery = z.strictObject({
  stateId: z.coerce.number().int().min(1).max(MANIFEST_LIMITS.stateId),
  districtId: z.coerce.number().int().min(1).max(MANIFEST_LIMITS.districtId),
});
/** Read loosely, and by its own rules: what is wrong with a centre is answered by its path. */
const Calendar = z.looseObject({ centers: z.array(z.looseObject({})) }).meta({
  description: 'A reply of calendarByDistrict (docs/import.md).',
});

/** A CSV of 10,000 centres fits well, and so does one of 20,000 sessions with a directory. */
const CSV_LIMIT_BYTES = 4 * 1024 * 1024;
/** 20,000 sessions of usual length. */
const CALENDAR_LIMIT_BYTES = 8 * 1024 * 1024;

const PlaceCount = z.object({
  centres: z.int(),
  sessions: z.int(),
  slots: z.int(),
  seats: z.int(),
  districts: z.int().meta({ description: 'Of the centres that stand in a directory.' }),
});

const SERVICES_MOST = 20;
const ImportAnswer = PlaceCount.extend({
  added: PlaceCount.omit({ districts: true }).meta({ description: 'By this file.' }),
  leftOut: z.int().meta({ description: 'Rows, or sessions of a reply, without seats.' }),
  otherServices: z
    .array(z.string())
    .max(SERVICES_MOST)
    .meta({ description: 'Of this file, that are no vaccine: no doses are recorded of them.' }),
});

export const placeCount = ({ centres, sessions, slots }: Places) => ({
  centres: centres.length,
  sessions: sessions.length,
  slots: slots.length,
  seats: slots.reduce(
    (sum, { pools }) => sum + pools.reduce((inner, { seats }) => inner + seats, 0),
    0,
  ),
  districts: new Set(centres.flatMap(({ directory }) => directory?.district_id ?? [])).size,
});

/** What the draft then holds, and what of it came from this file. */
function importView({ before, places, leftOut }: AddedTo): z.output<typeof ImportAnswer> {
  const [had, has] = [placeCount(before), placeCount(places)];
  const services = places.sessions.slice(had.sessions).map(({ service }) => service);
  return {
    ...has,
    added: {
      centres: has.centres - had.centres,
      sessions: has.sessions - had.sessions,
      slots: has.slots - had.slots,
      seats: has.seats - had.seats,
    },
    leftOut,
    otherServices: [...new Set(services)]
      .filter((service) => vaccineOf(service) === undefined)
      .slice(0, SERVICES_MOST),
  };
}

const counted = (added: AddedTo | Refusal) =>
  isRefusal(added) ? added : { status: 200, body: importView(added) };

const shared = {
  method: 'post',
  slice: 'releases',
  gates: { limit: 'admin', caller: 'operator', scope: 'import' },
  params,
  answers: { 200: ImportAnswer },
  errors: ['RELEASE_UNKNOWN', 'RELEASE_PUBLISHED', 'IMPORT_INVALID'],
} as const;

export const importRoutes = (releases: ReleaseService): Route[] => [
  route({
    ...shared,
    path: '/v1/admin/releases/:release/import',
    name: 'importPlaces',
    summary: 'Add centres and capacities from CSV to a draft: all rows or none',
    query: ImportQuery,
    body: z.string(),
    bodyType: 'text/csv',
    bodyLimitBytes: CSV_LIMIT_BYTES,
    handler: async ({ params, query, body }) =>
      counted(await releases.importInto(params.release, body, importTerms(query))),
  }),
  route({
    ...shared,
    path: '/v1/admin/releases/:release/calendar',
    name: 'importCalendar',
    summary: 'Add places from a saved calendarByDistrict reply to a draft: all sessions or none',
    query: CalendarQuery,
    body: Calendar,
    bodyLimitBytes: CALENDAR_LIMIT_BYTES,
    bodyListLimit: MANIFEST_LIMITS.centres,
    handler: async ({ params, query, body }) =>
      counted(await releases.importCalendarInto(params.release, body.centers, query)),
  }),
];
