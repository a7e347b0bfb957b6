import { z } from 'zod';
import { route, type Route } from '../../http/route.ts';
import { isRefusal } from '../../refusal.ts';
import { ReleaseId } from '../../releases/manifest.ts';
import { KINDS } from './report.ts';
import { type BotReports, REPORT_LIMITS } from './service.ts';
import { csvOf } from './text.ts';

const Name = z.string().meta({
  description:
    '`account:`, `device:` or `network:`, and an id that stands for no name and no address.',
  example: 'network:f0Zk3vB1mQ2xJcT5wLxEgA',
});
const Share = z.number().min(0).max(1);

const Entrants = z.object({
  kind: z.enum(KINDS),
  callers: z.int(),
  people: z.int().meta({
    description: 'Fewer than in all: who is carried over comes from no device and no network.',
  }),
  distribution: z.array(
    z.object({
      people: z.string().meta({ description: 'How many one of them entered.' }),
      callers: z.int(),
    }),
  ),
  top: z.array(z.object({ name: Name, people: z.int(), share: Share, refusals: z.int() })),
});
const refusals = {
  total: z.int(),
  byReason: z.array(z.object({ code: z.string(), count: z.int(), share: Share })),
  offenders: z.array(
    z.object({
      name: Name,
      refusals: z.int(),
      share: Share,
      people: z.int(),
      shareOfPeople: Share,
    }),
  ),
};
const Report = z
  .object({
    release: ReleaseId,
    at: z.iso.datetime(),
    exact: z.boolean().meta({ description: 'False where people came while they were counted.' }),
    people: z.int().meta({ description: 'Ever entered here, those who withdrew too.' }),
    entrants: z.array(Entrants),
    refusals: z.object(refusals),
    door: z
      .object({
        from: z.iso.datetime(),
        until: z.iso.datetime(),
        complete: z.boolean(),
        ...refusals,
      })
      .meta({
        description:
          'Of requests that name no release, from an hour before it opens until it closes.',
      }),
  })
  .meta({ id: 'BotReport' });

const shared = {
  method: 'get',
  slice: 'gates',
  gates: { limit: 'admin', caller: 'operator', scope: 'audit' },
  params: z.strictObject({ release: ReleaseId }),
  query: z.strictObject({
    top: z.coerce
      .number()
      .int()
      .min(1)
      .max(REPORT_LIMITS.top)
      .default(REPORT_LIMITS.topUnlessSaid)
      .meta({ description: 'Accounts, devices and networks to name, of each.' }),
  }),
  errors: ['RELEASE_UNKNOWN', 'RELEASE_DRAFT'],
} as const;

export const botRoutes = (bots: BotReports): Route[] => [
  route({
    ...shared,
    path: '/v1/admin/releases/:release/bots',
    name: 'readBots',
    summary: 'Who entered how many, and who was refused how often, by account, device and network',
    answers: { 200: Report },
    handler: async ({ params, query }) => {
      const report = await bots.report(params.release, query.top);
      return isRefusal(report) ? report : { status: 200, body: report };
    },
  }),
  // An address of its own and not a header or parameter: a route has one media type, which OpenAPI
  // names, and whoever opens it in a browser gets a file.
  route({
    ...shared,
    path: '/v1/admin/releases/:release/bots.csv',
    name: 'readBotsCsv',
    summary: 'The same as one table',
    answers: { 200: { mediaType: 'text/csv' } },
    handler: async ({ params, query }) => {
      const report = await bots.report(params.release, query.top);
      if (isRefusal(report)) return report;
      const headers = {
        'content-type': 'text/csv; charset=utf-8; header=present',
        'content-disposition': `attachment; filename="${params.release}-bots.csv"`,
      };
      return { status: 200, headers, body: csvOf(report) };
    },
  }),
];
