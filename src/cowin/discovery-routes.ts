import { z } from 'zod';
import { createRecent } from '../lib/recent.ts';
import { type Answer, route, type Route } from '../http/route.ts';
import { refuse, type Refusal } from '../refusal.ts';
import type { Asked } from './asked.ts';
import { COWIN } from './dialect.ts';
import type { Discovery, Kind } from './discovery.ts';
import type { Area } from './places.ts';
import { answerWith } from '../http/prepared.ts';
import { dayOf } from './words.ts';

const shared = {
  method: 'get',
  slice: 'cowin',
  dialect: COWIN,
  hot: true,
  answers: { 200: { mediaType: 'application/json' } },
  errors: [],
} as const;
const anyone = { limit: 'discovery', caller: 'anyone' } as const;
const account = { limit: 'discovery', caller: 'account' } as const;

/** Shared by every cache on the way; what one account is shown is its own. */
const PUBLIC = 'public, max-age=1';
const PRIVATE = 'private, max-age=1';
const FOR_AN_HOUR = 'public, max-age=3600';

const Id = z
  .string()
  .regex(/^\d{1,9}$/, 'a number')
  .transform(Number);
/** Most ask for the same few days; reading one takes longer than all of the rest of a query. */
const days = createRecent<string, string | undefined>(1_000);
const Day = z
  .string()
  .max(20)
  .transform((text, context) => {
    const day = days.get(text, () => dayOf(text));
    if (day === undefined) context.addIssue({ code: 'custom', message: 'no day as DD-MM-YYYY' });
    return day ?? '';
  })
  .meta({ example: '17-09-2021' });
const Vaccine = z
  .string()
  .trim()
  .max(60)
  .transform((text) => (text === '' ? undefined : text.toUpperCase()))
  .optional();
const PINCODE = /^[1-9]\d{5}$/;

type Parts = { readonly discovery: Discovery; readonly asked: Asked };

export const discoveryRoutes = (parts: Parts): Route[] => [
  ...listRoutes(parts.discovery),
  ...sessionRoutes(parts),
  searchRoute,
];

const listRoutes = (discovery: Discovery): Route[] => [
  route({
    ...shared,
    path: '/api/v2/admin/location/states',
    name: 'cowinStates',
    summary: 'The states that have centres',
    gates: anyone,
    handler: async ({ header }) =>
      answerWith(await discovery.states(), header('accept-encoding'), FOR_AN_HOUR),
  }),
  route({
    ...shared,
    path: '/api/v2/admin/location/districts/:state',
    name: 'cowinDistricts',
    summary: 'The districts of a state that have centres',
    gates: anyone,
    params: z.strictObject({ state: Id }),
    handler: async ({ params, header }) =>
      answerWith(await discovery.districts(params.state), header('accept-encoding'), FOR_AN_HOUR),
  }),
];

/** Unknown members are ignored, as clients of the surface expect. */
const wanted = { date: Day, vaccine: Vaccine };
/** A pincode has an errorCode of its own, so that any text is taken here, and none at all. */
const PinQuery = z.looseObject({
  pincode: z.string().max(20).default('').meta({ example: '411001' }),
  ...wanted,
});
const DistrictQuery = z.looseObject({ district_id: Id, ...wanted });
const CentreQuery = z.looseObject({ center_id: Id, ...wanted });

type Wanted = { readonly date: string; readonly vaccine: string | undefined };
/** What a search goes by; no area for what is no pincode. */
type By = {
  readonly query: z.ZodObject;
  readonly areaOf: (query: unknown) => Area | undefined;
};
const by = <Q extends z.ZodObject>(
  query: Q,
  areaOf: (query: z.output<Q>) => Area | undefined,
): By => ({ query, areaOf: areaOf as By['areaOf'] });

const BY_PIN = by(PinQuery, ({ pincode }) =>
  PINCODE.test(pincode) ? `pin:${Number(pincode)}` : undefined,
);
const BY_DISTRICT = by(DistrictQuery, ({ district_id: id }): Area => `district:${id}`);
const BY_CENTRE = by(CentreQuery, ({ center_id: id }): Area => `centre:${id}`);

type Search = {
  /** Last part of the path. */
  readonly path: string;
  readonly kind: Kind;
  readonly by: By;
  readonly summary: string;
};
const SEARCHES: readonly Search[] = [
  {
    path: 'findByPin',
    kind: 'day',
    by: BY_PIN,
    summary: 'Sessions in a pincode on one day',
  },
  {
    path: 'findByDistrict',
    kind: 'day',
    by: BY_DISTRICT,
    summary: 'Sessions in a district on one day',
  },
  {
    path: 'calendarByPin',
    kind: 'calendar',
    by: BY_PIN,
    summary: 'Centres in a pincode with their sessions of seven days',
  },
  {
    path: 'calendarByDistrict',
    kind: 'calendar',
    by: BY_DISTRICT,
    summary: 'Centres in a district with their sessions of seven days',
  },
  {
    path: 'calendarByCenter',
    kind: 'centre',
    by: BY_CENTRE,
    summary: 'One centre with its sessions of seven days',
  },
];

function sessionRoutes({ discovery, asked }: Parts): Route[] {
  const answer = async (
    search: Search,
    query: unknown,
    { caller, acceptEncoding }: { caller: string; acceptEncoding: string | undefined },
  ): Promise<Answer | Refusal> => {
    const area = search.by.areaOf(query);
    if (area === undefined) return refuse('PINCODE_INVALID');
    const { date, vaccine } = query as Wanted;
    const question = { kind: search.kind, area, date, vaccine };
    const found = await discovery.find(
      question,
      caller === '' ? undefined : () => asked.in(caller),
    );
    return answerWith(found, acceptEncoding, caller === '' ? PUBLIC : PRIVATE);
  };

  return SEARCHES.flatMap((search) => {
    const name = `cowin${search.path[0]?.toUpperCase()}${search.path.slice(1)}`;
    const open = {
      ...shared,
      path: `/api/v2/appointment/sessions/public/${search.path}`,
      name: `${name}Public`,
      summary: search.summary,
      gates: anyone,
      query: search.by.query,
      errors: search.by === BY_PIN ? (['PINCODE_INVALID'] as const) : [],
    };
    return [
      route({
        ...open,
        handler: ({ query, header }) =>
          answer(search, query, {
            caller: '',
            acceptEncoding: header('accept-encoding'),
          }),
      }),
      route({
        ...open,
        path: `/api/v2/appointment/sessions/${search.path}`,
        name,
        summary: `${search.summary}; none left where this account has asked already`,
        gates: account,
        handler: ({ query, header, account: caller }) =>
          answer(search, query, {
            caller,
            acceptEncoding: header('accept-encoding'),
          }),
      }),
    ];
  });
}

/** A search that clients make for no answer. */
const searchRoute = route({
  ...shared,
  path: '/api/v2/appointment/sessions/search',
  name: 'cowinSearch',
  summary: 'Nothing: it is there because clients ask for it',
  gates: anyone,
  answers: { 204: null },
  query: z.looseObject({}),
  handler: async () => ({ status: 204 }),
});
