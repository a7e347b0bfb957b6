import { Readable } from 'node:stream';
import { z } from 'zod';
import { originOf } from '../gates/origin.ts';
import { isRefusal } from '../refusal.ts';
import { answerWith, BRIEFLY, FOREVER } from '../http/prepared.ts';
import { route, type Route } from '../http/route.ts';
import { PersonId } from '../people/rules.ts';
import { Category, MANIFEST_LIMITS, ReleaseId, SlotId } from '../releases/manifest.ts';
import { ENTRY_ID } from './draw/entry-table.ts';
import { Proof } from './proofs.ts';
import { Receipt, type Receipts } from './receipts.ts';
import { Prefix, ResultFile } from './results/results.ts';
import type { RoundService } from './service.ts';

const EntryId = z
  .string()
  .regex(ENTRY_ID)
  .meta({ id: 'EntryId', example: 'f0Zk3vB1mQ2xJcT5wLxEgA' });
const Hash = z.string().regex(/^[0-9a-f]{64}$/);
const Instant = z.iso.datetime();

const EntryRequest = z.strictObject({
  beneficiaries: z
    .array(PersonId)
    .min(1)
    .max(2 * MANIFEST_LIMITS.groupSize)
    .meta({ description: 'The first is the lead; the others stay together with them.' }),
  preferences: z
    .array(SlotId)
    .min(1)
    .max(2 * MANIFEST_LIMITS.preferences),
  carryOverUntil: z.iso.datetime({ offset: true }).optional().meta({
    description:
      'Enter this in later releases of the series by itself, until then, while it has no seat. Left out: it is not, or no longer, carried over.',
    example: '2026-12-22T14:30:00.000Z',
  }),
});
const Entered = z
  .object({ entryId: EntryId, leaf: Hash, resultAt: Instant, receipt: Receipt })
  .meta({ id: 'Entered' });
const Entry = z
  .object({
    entryId: EntryId,
    beneficiaries: z.array(PersonId),
    preferences: z.array(SlotId),
    categories: z.array(Category),
    state: z
      .enum([
        'entered',
        'sealed',
        'waiting',
        'over',
        'offered',
        'booked',
        'cancelled',
        'lapsed',
        'standing',
      ])
      .meta({ description: 'standing: not entered here, only to be carried over.' }),
    receipt: Receipt.nullable().meta({
      description: 'While the entry may be edited; the last one counts.',
    }),
    carryOver: z.object({ until: Instant, refused: z.string().nullable() }).nullable().meta({
      description:
        'Of an entry that stands for later releases: until when, and the code of what kept it out of this one.',
    }),
    booking: z
      .object({
        bookingId: z.string(),
        slot: SlotId,
        state: z.string(),
        confirmBy: Instant.nullable(),
        securityCode: z.string().nullable().meta({
          description: 'Of a booking: what to tell the centre on the day.',
        }),
      })
      .nullable(),
  })
  .meta({ id: 'Entry' });

const Round = z
  .looseObject({
    release: ReleaseId,
    round: z.int(),
    seal: z.looseObject({}),
    signature: z.string().nullable().meta({
      description:
        "Of the seal, with the manifest's receipt key; null where that is not configured.",
    }),
    trust: z.string(),
    valueAt: Instant.optional().meta({
      description: 'Of a round that is being drawn: when its drand value comes into being.',
    }),
    results: z.object({ prefixLength: z.int(), files: z.int() }).optional().meta({
      description:
        'How its result files are cut: one for each value of so many first bits of an entry id. Not of a round from before there were any, nor once they are deleted.',
    }),
  })
  .meta({ id: 'Round' });

const release = z.strictObject({ release: ReleaseId });
const round = z.strictObject({
  release: ReleaseId,
  round: z
    .string()
    .regex(/^(?:0|[1-9]\d{0,4})$/)
    .transform(Number)
    .pipe(z.int().max(MANIFEST_LIMITS.rounds)),
});

export const roundRoutes = (rounds: RoundService, receipts: Receipts): Route[] => [
  enterRoute(rounds),
  ...standingRoutes(rounds),
  ...publishedRoutes(rounds),
  resultRoute(rounds),
  transcriptRoute(rounds),
  proofRoute(rounds),
  keysRoute(receipts),
];

const enterRoute = (rounds: RoundService): Route =>
  route({
    method: 'put',
    path: '/v1/releases/:release/entry',
    name: 'enter',
    hot: true,
    slice: 'rounds',
    summary: 'Enter a person, or a group as one, for the next round; or edit the entry',
    gates: { limit: 'write', caller: 'account', captcha: 'enter', device: true },
    params: release,
    body: EntryRequest,
    answers: { 200: Entered },
    errors: [
      'RELEASE_UNKNOWN',
      'NOT_A_LOTTERY',
      'GROUP_TOO_LARGE',
      'BENEFICIARY_DUPLICATE',
      'TOO_MANY_PREFERENCES',
      'SLOT_UNKNOWN',
      'SLOT_OVER',
      'SLOT_DUPLICATE',
      'NO_SERIES',
      'CARRY_OVER_DATE',
      'BENEFICIARY_UNKNOWN',
      'CLAIMED_ELSEWHERE',
      'COOLING_DOWN',
      'ID_TYPE_NOT_ACCEPTED',
      'NOT_ELIGIBLE',
      'DOSE_NOT_DUE',
      'RELEASE_NOT_OPEN',
      'RELEASE_ENDED',
      'ENTRY_SEALED',
      'HAS_BOOKING',
      'SLOTS_CLOSED',
      'ENTRY_LAPSED',
      'IN_ANOTHER_ENTRY',
      'TOO_MANY_ENTRIES',
      'TOO_MANY_FROM_DEVICE',
    ],
    claims: true,
    ahead: ({ account, params, body }) => rounds.prepare(account, params.release, body),
    handler: async ({ account, device, address, params, body }, prepared) => {
      const from = originOf({ address, device });
      const entered = await rounds.enter(account, params.release, body, prepared, from);
      return isRefusal(entered) ? entered : { status: 200, body: entered };
    },
  });

const standingRoutes = (rounds: RoundService): Route[] => [
  route({
    method: 'get',
    path: '/v1/releases/:release/entry',
    name: 'listEntries',
    hot: true,
    slice: 'rounds',
    summary: 'Where the entries of this account stand',
    gates: { limit: 'read', caller: 'account' },
    params: release,
    answers: { 200: z.object({ entries: z.array(Entry) }) },
    errors: ['RELEASE_UNKNOWN'],
    ahead: ({ account, params }) => rounds.entriesOf(account, params.release),
    handler: async ({ account, params }, entriesOf) => {
      const entries = await rounds.list(account, params.release, entriesOf);
      return isRefusal(entries) ? entries : { status: 200, body: { entries } };
    },
  }),
  route({
    method: 'delete',
    path: '/v1/releases/:release/entry',
    name: 'withdraw',
    slice: 'rounds',
    summary: 'Withdraw an entry that has no seat; after its release, what is to be carried over',
    gates: { limit: 'write', caller: 'account' },
    params: release,
    query: z.strictObject({ entryId: EntryId }),
    answers: { 204: null },
    errors: [
      'RELEASE_UNKNOWN',
      'NOT_A_LOTTERY',
      'ENTRY_UNKNOWN',
      'ROUND_DRAWING',
      'HAS_BOOKING',
      'RELEASE_ENDED',
    ],
    ahead: ({ account, params }) => rounds.entriesOf(account, params.release),
    handler: async ({ account, params, query }, entriesOf) => {
      const withdrawn = await rounds.withdraw(account, params.release, query.entryId, entriesOf);
      return isRefusal(withdrawn) ? withdrawn : { status: 204 };
    },
  }),
];

const publishedRoutes = (rounds: RoundService): Route[] => [
  route({
    method: 'get',
    path: '/v1/releases/:release/rounds',
    name: 'listRounds',
    slice: 'rounds',
    summary: 'The published rounds and their digests',
    gates: { limit: 'read', caller: 'anyone' },
    params: release,
    answers: {
      200: z.object({
        rounds: z.array(z.object({ round: z.int(), digest: Hash, publishedAt: Instant })),
      }),
    },
    errors: ['RELEASE_UNKNOWN'],
    handler: async ({ params, header }) => {
      const list = await rounds.roundList(params.release);
      return isRefusal(list) ? list : answerWith(list, header('accept-encoding'), BRIEFLY);
    },
  }),
  route({
    method: 'get',
    path: '/v1/releases/:release/rounds/:round',
    name: 'readRound',
    hot: true,
    slice: 'rounds',
    summary: 'Seal, seed and digest of a round; its seal alone while it is being drawn',
    gates: { limit: 'read', caller: 'anyone' },
    params: round,
    answers: { 200: Round },
    errors: ['RELEASE_UNKNOWN', 'ROUND_UNKNOWN'],
    handler: async ({ params }) => {
      const record = await rounds.round(params.release, params.round);
      if (isRefusal(record)) return record;
      const headers = { 'cache-control': 'digest' in record ? FOREVER : BRIEFLY };
      return { status: 200, headers, body: record };
    },
  }),
];

/** From memory once it was asked for, so it is counted there too. */
const resultRoute = (rounds: RoundService): Route =>
  route({
    method: 'get',
    path: '/v1/releases/:release/rounds/:round/results/:prefix',
    name: 'readResults',
    slice: 'rounds',
    summary: 'What a round gave to the entries whose ids begin with these bits (docs/draw.md)',
    gates: { limit: 'discovery', caller: 'anyone' },
    hot: true,
    params: round.extend({ prefix: Prefix }),
    answers: { 200: ResultFile },
    errors: ['RELEASE_UNKNOWN', 'ROUND_UNKNOWN', 'RESULT_FILE_UNKNOWN'],
    handler: async ({ params, header }) => {
      const file = await rounds.resultFile(params.release, params.round, params.prefix);
      return isRefusal(file) ? file : answerWith(file, header('accept-encoding'), FOREVER);
    },
  });

const transcriptRoute = (rounds: RoundService): Route =>
  route({
    method: 'get',
    path: '/v1/releases/:release/rounds/:round/transcript',
    name: 'readTranscript',
    slice: 'rounds',
    summary: 'All that is needed to recompute a round (docs/draw.md)',
    gates: { limit: 'read', caller: 'anyone' },
    params: round,
    answers: { 200: { mediaType: 'application/gzip' } },
    errors: ['RELEASE_UNKNOWN', 'ROUND_UNKNOWN'],
    handler: async ({ params }) => {
      const chunks = await rounds.transcript(params.release, params.round);
      if (isRefusal(chunks)) return chunks;
      const headers = {
        'content-type': 'application/gzip',
        'cache-control': FOREVER,
        'content-disposition': `attachment; filename="${params.release}-round-${params.round}.ndjson.gz"`,
      };
      return { status: 200, headers, body: Readable.from(chunks) };
    },
  });

const ProofQuery = z.strictObject({
  round: round.shape.round.optional().meta({
    description: 'The one that the entry was last new in, unless said.',
  }),
});
/** Who is gone may enter again, and is in another round then. */
const FOR_A_MINUTE = 'public, max-age=60';

const proofRoute = (rounds: RoundService): Route =>
  route({
    method: 'get',
    path: '/v1/releases/:release/proofs/:entry',
    name: 'readProof',
    slice: 'rounds',
    summary: 'That an entry is in a sealed list: its path in the Merkle tree (docs/draw.md)',
    gates: { limit: 'read', caller: 'anyone' },
    params: z.strictObject({ release: ReleaseId, entry: EntryId }),
    query: ProofQuery,
    answers: { 200: Proof },
    errors: ['RELEASE_UNKNOWN', 'PROOF_UNKNOWN'],
    handler: async ({ params, query }) => {
      const proof = await rounds.proof(params.release, params.entry, query.round);
      if (isRefusal(proof)) return proof;
      const headers = { 'cache-control': query.round === undefined ? FOR_A_MINUTE : FOREVER };
      return { status: 200, headers, body: proof };
    },
  });

const PublicKey = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string(),
  kid: z.string(),
  use: z.literal('sig'),
  alg: z.literal('EdDSA'),
});
/** A key is added long before a release needs it: the manifest names the one that counts. */
const FOR_FIVE_MINUTES = { 'cache-control': 'public, max-age=300' };

const keysRoute = (receipts: Receipts): Route =>
  route({
    method: 'get',
    path: '/v1/keys',
    name: 'listKeys',
    slice: 'rounds',
    summary: 'The public keys of receipts, newest first (JWKS, RFC 7517 and 8037)',
    gates: { limit: 'read', caller: 'anyone' },
    answers: { 200: z.object({ keys: z.array(PublicKey) }) },
    errors: [],
    handler: async () => ({
      status: 200,
      headers: FOR_FIVE_MINUTES,
      body: { keys: receipts.jwks },
    }),
  });
