import { z } from 'zod';
import { isoFromMs } from '../lib/clock.ts';
import { createFresh } from '../lib/fresh.ts';
import { isRefusal } from '../refusal.ts';
import { answerWith, BRIEFLY, BRIEFLY_KEPT, FOREVER, prepare } from '../http/prepared.ts';
import { route, type Route } from '../http/route.ts';
import { changesRoute, changingRoutes } from './change-routes.ts';
import { importRoutes, placeCount } from './import-routes.ts';
import { ReleaseId, Series } from './manifest.ts';
import { ReleaseTerms } from './rules.ts';
import type { ReleaseService } from './service.ts';

const Hash = z.string().regex(/^[0-9a-f]{64}$/);
const Instant = z.iso.datetime();
const params = z.strictObject({ release: ReleaseId });

const Release = z
  .object({
    release: ReleaseId,
    title: z.string(),
    mode: z.enum(['lottery', 'immediate']),
    series: Series.nullable().meta({ description: 'Entries may be carried over within it.' }),
    state: z.enum(['published', 'open', 'drawing', 'running', 'ended']),
    opensAt: Instant,
    closesAt: Instant.nullable(),
    endsAt: Instant,
    manifestHash: Hash,
    beacon: z.enum(['hash-chain', 'drand']).nullable(),
    trust: z.string().nullable().meta({ description: 'What the draw leaves to trust.' }),
    idTypes: z.array(z.string()),
    limits: z.object({
      preferences: z.int(),
      entriesPerAccount: z.int(),
      entriesPerDevice: z.int().nullable(),
      groupSize: z.int(),
    }),
    rounds: z.int(),
    nextRoundAt: Instant.nullable(),
    changedInRound: z.int().nullable().meta({
      description: 'The last round that settles what operators changed: see /changes.',
    }),
  })
  .meta({ id: 'Release' });

const Slots = z.object({
  slots: z.array(
    z.object({
      slot: z.string(),
      session: z.string(),
      centre: z.string(),
      centreName: z.string(),
      date: z.iso.date(),
      from: z.string(),
      to: z.string(),
      service: z.string(),
      dose: z.int(),
      minAge: z.int(),
      maxAge: z.int().nullable(),
      seats: z.int(),
    }),
  ),
});

/** A published manifest never changes, but its release id is only ours to promise for a while. */
const FOR_AN_HOUR = 'public, max-age=3600';

export const releaseRoutes = (releases: ReleaseService): Route[] => [
  listRoute(releases),
  stateRoute(releases),
  ...documentRoutes(releases),
  changesRoute(releases),
];

/** A reading of it is a script for each release. */
const listRoute = (releases: ReleaseService): Route => {
  const kept = createFresh({ ...BRIEFLY_KEPT, most: 1 }, async () =>
    prepare({ releases: await releases.list() }),
  );
  return route({
    method: 'get',
    path: '/v1/releases',
    name: 'listReleases',
    slice: 'releases',
    summary: 'The published releases, the latest to open first',
    gates: { limit: 'read', caller: 'anyone' },
    answers: { 200: z.object({ releases: z.array(Release) }) },
    errors: [],
    handler: async ({ header }) =>
      answerWith(await kept('all'), header('accept-encoding'), BRIEFLY),
  });
};

const stateRoute = (releases: ReleaseService): Route =>
  route({
    method: 'get',
    path: '/v1/releases/:release',
    name: 'readRelease',
    hot: true,
    slice: 'releases',
    summary: 'Times, rules and state of a release',
    gates: { limit: 'read', caller: 'anyone' },
    params,
    answers: { 200: Release },
    errors: ['RELEASE_UNKNOWN'],
    handler: async ({ params }) => {
      const found = await releases.describe(params.release);
      if (isRefusal(found)) return found;
      return { status: 200, headers: { 'cache-control': BRIEFLY }, body: found };
    },
  });

/** What never changes once it is published. */
const documentRoutes = (releases: ReleaseService): Route[] => [
  route({
    method: 'get',
    path: '/v1/releases/:release/manifest',
    name: 'readManifest',
    slice: 'releases',
    summary: 'The manifest as it is hashed: canonical JSON',
    gates: { limit: 'read', caller: 'anyone' },
    params,
    answers: { 200: { mediaType: 'application/json' } },
    errors: ['RELEASE_UNKNOWN'],
    handler: async ({ params, header }) => {
      const found = await releases.published(params.release);
      if (isRefusal(found)) return found;
      return answerWith(await found.manifestFile(), header('accept-encoding'), FOREVER);
    },
  }),
  route({
    method: 'get',
    path: '/v1/releases/:release/slots',
    name: 'listSlots',
    hot: true,
    slice: 'releases',
    summary: 'What can be asked for: the same bytes for everyone, without live counts',
    gates: { limit: 'read', caller: 'anyone' },
    params,
    answers: { 200: Slots },
    errors: ['RELEASE_UNKNOWN'],
    handler: async ({ params, header }) => {
      const found = await releases.published(params.release);
      if (isRefusal(found)) return found;
      return answerWith(await found.slotsFile(), header('accept-encoding'), FOR_AN_HOUR);
    },
  }),
];

/** `redisNowMs`: Redis's clock, which decides whether a window is already past. */
export const operatorRoutes = (
  releases: ReleaseService,
  redisNowMs: () => Promise<number>,
): Route[] => [
  createRoute(releases),
  ...importRoutes(releases),
  publishRoute(releases, redisNowMs),
  ...changingRoutes(releases),
  ...watchRoutes(releases),
];

const createRoute = (releases: ReleaseService): Route =>
  route({
    method: 'post',
    path: '/v1/admin/releases',
    name: 'createRelease',
    slice: 'releases',
    summary: 'Create a draft',
    gates: { limit: 'admin', caller: 'operator', scope: 'ops' },
    body: ReleaseTerms,
    answers: { 201: z.looseObject({ release: ReleaseId }) },
    errors: ['RELEASE_EXISTS'],
    handler: async ({ body }) => {
      const draft = await releases.create(body);
      return isRefusal(draft) ? draft : { status: 201, body: { ...draft.terms } };
    },
  });

const publishRoute = (releases: ReleaseService, redisNowMs: () => Promise<number>): Route =>
  route({
    method: 'post',
    path: '/v1/admin/releases/:release/publish',
    name: 'publishRelease',
    slice: 'releases',
    summary: 'Freeze the manifest and make it public',
    gates: { limit: 'admin', caller: 'operator', scope: 'ops' },
    params,
    answers: { 200: z.object({ manifestHash: Hash }) },
    errors: [
      'RELEASE_UNKNOWN',
      'RELEASE_PUBLISHED',
      'RELEASE_EMPTY',
      'RELEASE_TOO_LATE',
      'RELEASE_DATES',
      'RELEASE_TOO_LARGE',
    ],
    handler: async ({ params }) => {
      const done = await releases.publish(params.release, await redisNowMs());
      return isRefusal(done) ? done : { status: 200, body: done };
    },
  });

const watchRoutes = (releases: ReleaseService): Route[] => [
  route({
    method: 'get',
    path: '/v1/admin/releases/:release',
    name: 'showRelease',
    slice: 'releases',
    summary: 'A draft, or a published release with its seats by state',
    gates: { limit: 'admin', caller: 'operator', scope: 'ops' },
    params,
    answers: { 200: z.looseObject({ release: ReleaseId }) },
    errors: ['RELEASE_UNKNOWN'],
    handler: async ({ params }) => show(releases, params.release),
  }),
  route({
    method: 'post',
    path: '/v1/admin/releases/:release/end',
    name: 'endRelease',
    slice: 'releases',
    summary: 'End a release before its time: no further entry, booking or round',
    gates: { limit: 'admin', caller: 'operator', scope: 'ops' },
    params,
    answers: { 200: z.object({ endedAt: Instant }) },
    errors: ['RELEASE_UNKNOWN'],
    handler: async ({ params }) => {
      const found = await releases.published(params.release);
      if (isRefusal(found)) return found;
      const ended = await releases.end(params.release);
      if (ended.outcome === 'UNKNOWN') return { refused: 'RELEASE_UNKNOWN' };
      return { status: 200, body: { endedAt: isoFromMs(ended.endedAtMs) } };
    },
  }),
];

async function show(releases: ReleaseService, release: string) {
  const read = await releases.readDraft(release);
  if (!isRefusal(read)) {
    return {
      status: 200,
      body: { state: 'draft', ...read.draft.terms, places: placeCount(read.draft.places) },
    };
  }
  if (read.refused !== 'RELEASE_PUBLISHED') return read;
  const found = await releases.published(release);
  if (isRefusal(found)) return found;
  const [view, seats] = await Promise.all([
    releases.describe(release),
    releases.seats(found.manifest),
  ]);
  return isRefusal(view) ? view : { status: 200, body: { ...view, seats } };
}
