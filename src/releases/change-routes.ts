/** Changes of operators in a release under way: how to make them, and where everyone sees them. */
import { z } from 'zod';
import { isRefusal } from '../refusal.ts';
import {
  answerWith,
  BRIEFLY,
  BRIEFLY_KEPT,
  type Prepared,
  prepare,
  sizeOf,
} from '../http/prepared.ts';
import { route, type Route } from '../http/route.ts';
import { assert } from '../lib/assert.ts';
import { createFresh } from '../lib/fresh.ts';
import { CentreId, MANIFEST_LIMITS, PoolName, ReleaseId, SessionId, SlotId } from './manifest.ts';
import type { ReleaseService } from './service.ts';

const params = z.strictObject({ release: ReleaseId });

/** Slots named in one request; a centre or a session may have more. */
const SLOTS_NAMED = 200;

/** Of changes that a process keeps for a second; what is longest unused goes first. */
const KEPT_BYTES = 16 * 2 ** 20;
const LEAST_BYTES = 1_024;

const Round = z.int().meta({ description: 'The round that settles it.' });
const ClosedSlot = z.object({ slot: SlotId, round: Round }).meta({ id: 'ClosedSlot' });
const LostSeats = z
  .object({ slot: SlotId, pool: PoolName, seats: z.int(), round: Round })
  .meta({ id: 'LostSeats' });

const Closure = z.union([
  z.strictObject({ centre: CentreId }),
  z.strictObject({ session: SessionId }),
  z.strictObject({ slots: z.array(SlotId).min(1).max(SLOTS_NAMED) }),
]);
const Loss = z.strictObject({
  change: z
    .string()
    .regex(/^[\w-]{1,64}$/)
    .meta({ description: 'An id of your own: what is sent again under it is done once.' }),
  slot: SlotId,
  pool: PoolName,
  seats: z.int().min(1).max(MANIFEST_LIMITS.seatsPerPool),
});

/** A front end that shows slots shows this beside them. */
export const changesRoute = (releases: ReleaseService): Route => {
  const kept = createFresh<Prepared>(
    { ...BRIEFLY_KEPT, most: KEPT_BYTES, weigh: (one) => LEAST_BYTES + sizeOf(one) },
    async (release) => {
      const changes = await releases.changes(release);
      assert(!isRefusal(changes), `${release} is published`);
      return prepare(changes);
    },
  );
  return route({
    method: 'get',
    path: '/v1/releases/:release/changes',
    name: 'listChanges',
    slice: 'releases',
    summary: 'Slots that an operator closed and seats that were lost, each with the round of it',
    gates: { limit: 'read', caller: 'anyone' },
    params,
    answers: { 200: z.object({ closed: z.array(ClosedSlot), lost: z.array(LostSeats) }) },
    errors: ['RELEASE_UNKNOWN'],
    handler: async ({ params, header }) => {
      const found = await releases.published(params.release);
      if (isRefusal(found)) return found;
      return answerWith(await kept(params.release), header('accept-encoding'), BRIEFLY);
    },
  });
};

export const changingRoutes = (releases: ReleaseService): Route[] => [
  route({
    method: 'post',
    path: '/v1/admin/releases/:release/closures',
    name: 'closeSlots',
    slice: 'releases',
    summary: 'Close slots of a lottery: who has a seat there comes first in the next round',
    gates: { limit: 'admin', caller: 'operator', scope: 'ops' },
    params,
    body: Closure,
    answers: { 200: z.object({ closed: z.array(ClosedSlot) }) },
    errors: [
      'RELEASE_UNKNOWN',
      'NOT_A_LOTTERY',
      'CENTRE_UNKNOWN',
      'SESSION_UNKNOWN',
      'SLOT_UNKNOWN',
      'RELEASE_ENDED',
    ],
    handler: async ({ params, body }) => {
      const closed = await releases.close(params.release, body);
      return isRefusal(closed) ? closed : { status: 200, body: { closed } };
    },
  }),
  route({
    method: 'post',
    path: '/v1/admin/releases/:release/losses',
    name: 'loseSeats',
    slice: 'releases',
    summary: 'Take seats from a pool of a lottery: free ones, then those of whoever comes last',
    gates: { limit: 'admin', caller: 'operator', scope: 'ops' },
    params,
    body: Loss,
    answers: { 200: LostSeats },
    errors: [
      'RELEASE_UNKNOWN',
      'NOT_A_LOTTERY',
      'SLOT_UNKNOWN',
      'POOL_UNKNOWN',
      'CHANGE_ID_REUSED',
      'RELEASE_ENDED',
      'ROUND_DRAWING',
      'SLOT_CLOSED',
      'POOL_TOO_SMALL',
    ],
    handler: async ({ params, body }) => {
      const lost = await releases.lose(params.release, body);
      return isRefusal(lost) ? lost : { status: 200, body: lost };
    },
  }),
];
