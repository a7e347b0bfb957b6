/** Dead letters, for operators: what they are, never to whom or what they say. */
import { z } from 'zod';
import { isoFromMs } from '../lib/clock.ts';
import { route, type Route } from '../http/route.ts';
import type { Outbox } from './outbox.ts';

/** Dead letters shown, or named, in one request. */
const AT_ONCE = 1_000;
const ID_LENGTH = 200;
const ids = z.array(z.string().min(1).max(ID_LENGTH)).min(1).max(AT_ONCE);
/** Which of them: by id, or all. */
const Which = z.union([z.strictObject({ ids }), z.strictObject({ all: z.literal(true) })]);
const BODY_LIMIT_BYTES = 256 * 1024;

const DeadLetter = z
  .object({
    id: z.string(),
    template: z.string(),
    reason: z.string(),
    queuedAt: z.iso.datetime(),
    diedAt: z.iso.datetime(),
    /** After this it is not sent, even if it is queued again. */
    worthUntil: z.iso.datetime(),
  })
  .meta({ id: 'DeadLetter' });

const shared = {
  slice: 'notify',
  gates: { limit: 'admin', caller: 'operator', scope: 'ops' },
  errors: [],
} as const;

export const notifyRoutes = (outbox: Outbox): Route[] => [
  route({
    ...shared,
    method: 'get',
    path: '/v1/admin/sms/dead',
    name: 'listDeadSms',
    summary: `The SMS that could not be sent: the ${AT_ONCE} that died first, and how many there are`,
    answers: { 200: z.object({ total: z.int(), deadLetters: z.array(DeadLetter) }) },
    handler: async () => {
      const { total, letters } = await outbox.dead(AT_ONCE);
      const deadLetters = letters.map(({ id, template, reason, ...times }) => ({
        id,
        template,
        reason,
        queuedAt: isoFromMs(times.queuedAtMs),
        diedAt: isoFromMs(times.diedAtMs),
        worthUntil: isoFromMs(times.worthUntilMs),
      }));
      return { status: 200, body: { total, deadLetters } };
    },
  }),
  route({
    ...shared,
    method: 'post',
    path: '/v1/admin/sms/retry',
    name: 'retrySms',
    summary: 'Queue dead letters again; those that are worth nothing any more stay dead',
    body: Which,
    bodyLimitBytes: BODY_LIMIT_BYTES,
    answers: { 200: z.object({ queued: z.int(), expired: z.int(), unknown: z.int() }) },
    handler: async ({ body }) => ({ status: 200, body: await outbox.retry(whichOf(body)) }),
  }),
  route({
    ...shared,
    method: 'post',
    path: '/v1/admin/sms/drop',
    name: 'dropSms',
    summary: 'Forget dead letters',
    body: Which,
    bodyLimitBytes: BODY_LIMIT_BYTES,
    answers: { 200: z.object({ dropped: z.int(), unknown: z.int() }) },
    handler: async ({ body }) => ({ status: 200, body: await outbox.drop(whichOf(body)) }),
  }),
];

const whichOf = (body: z.output<typeof Which>) => ('all' in body ? 'all' : body.ids);
