import { z } from 'zod';
import { route, type Route } from '../http/route.ts';
import { AUDIT_LIMITS, AUDITED, type AuditReader } from './audit.ts';

const StreamId = z.string().regex(/^\d{1,16}-\d{1,10}$/, 'the id of a line');

const AuditLine = z
  .object({
    id: StreamId,
    at: z.iso.datetime(),
    who: z.string().meta({ description: "Name of a key; `cli:` and a user's name." }),
    what: z.string().meta({ description: 'The operation.' }),
    subject: z.string().meta({ description: 'The release or key that it concerns.' }),
    requestId: z.string(),
    outcome: z.string().meta({ description: 'STARTED, then DONE, FAILED or an error code.' }),
  })
  .meta({ id: 'AuditLine' });

export const auditRoutes = (audit: AuditReader): Route[] => [
  route({
    method: 'get',
    path: '/v1/admin/audit',
    name: 'readAudit',
    slice: 'gates',
    summary: 'What operators, or centres, did, newest first',
    gates: { limit: 'admin', caller: 'operator', scope: 'audit' },
    query: z.strictObject({
      limit: z.coerce.number().int().min(1).max(AUDIT_LIMITS.page).default(100),
      before: StreamId.optional(),
      of: z.enum(AUDITED).default('operators').meta({
        description: 'Whose stream: that of centres, with scope `vaccinator`, is its own.',
      }),
    }),
    answers: { 200: z.object({ lines: z.array(AuditLine), next: StreamId.nullable() }) },
    errors: [],
    handler: async ({ query: { limit, before, of } }) => {
      const lines = await audit.page(limit, before, of);
      const next = lines.length === limit ? (lines.at(-1)?.id ?? null) : null;
      return { status: 200, body: { lines, next } };
    },
  }),
];
