/**
 * The HTTP room over real sockets, with sample routes that let tests watch and hold what a handler
 * does.
 */
import { type Agent, type IncomingHttpHeaders, request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { readConfig } from '../../src/config.ts';
import { createAccessTokens } from '../../src/gates/access-tokens.ts';
import { createApp } from '../../src/http/app.ts';
import { type Route, route } from '../../src/http/route.ts';
import { listen, type Patience } from '../../src/http/server.ts';
import { createSecrets } from '../../src/lib/secrets.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics/server.ts';
import type { Redis } from '../../src/redis/client.ts';
import { refuse } from '../../src/refusal.ts';

export const SECRET = 'a test secret of more than 32 characters';
export const OPERATOR_KEY = 'an-operator-key-of-more-than-32-characters';
export const secrets = createSecrets(SECRET);
export const accessTokens = createAccessTokens([SECRET]);

export const configWith = (settings: Record<string, string> = {}) =>
  readConfig({
    NODE_ENV: 'test',
    FAIRSLOT_SECRET: SECRET,
    FAIRSLOT_OPERATOR_KEY: OPERATOR_KEY,
    ...settings,
  });

export type Answered = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly bytes: Buffer;
  /** The body as JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look at what they expect
  readonly json: any;
};

export type CallOptions = {
  readonly token?: string;
  readonly headers?: Record<string, string>;
  /** A string goes out as it is, anything else as JSON. */
  readonly body?: unknown;
  /** Loopback address to call from: each of 127.0.0.x is another client. */
  readonly from?: string;
  readonly agent?: Agent;
  readonly signal?: AbortSignal;
};

export function call(
  url: string,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answered> {
  const { token, body, from, agent, signal } = options;
  const bytes = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const headers: Record<string, string> = {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(bytes !== undefined && {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(bytes)),
    }),
    ...options.headers,
  };
  if (headers['transfer-encoding']) delete headers['content-length'];
  return new Promise((resolve, reject) => {
    const settings = { method, headers, agent: agent ?? false, localAddress: from, signal };
    const sent = httpRequest(`${url}${path}`, settings, (received) => {
      const chunks: Buffer[] = [];
      received.on('data', (chunk: Buffer) => chunks.push(chunk));
      received.once('error', reject);
      received.once('end', () => {
        const bytes = Buffer.concat(chunks);
        const text = bytes.toString('utf8');
        resolve({
          bytes,
          status: received.statusCode ?? 0,
          headers: received.headers,
          text,
          get json() {
            return JSON.parse(text);
          },
        });
      });
    });
    sent.once('error', reject);
    sent.end(bytes);
  });
}

export type Held = {
  /** How often the write handler ran. */
  runs: number;
  /** What the write handler waits for before it answers. */
  gate: Promise<void>;
  /** Called by the write handler when it starts. */
  started: () => void;
};

const anyone = { limit: 'read', caller: 'anyone' } as const;
const account = { limit: 'write', caller: 'account' } as const;
const slice = 'sample';

export function sampleRoutes(redis: Redis, held: Held): Route[] {
  const shared = { slice, errors: [], answers: { 200: z.object({}) }, summary: 'A sample.' };
  return [
    route({
      ...shared,
      method: 'get',
      path: '/v1/things/:thing',
      name: 'readThing',
      gates: anyone,
      params: z.object({ thing: z.string().max(8) }),
      query: z.object({ page: z.coerce.number().int().optional() }),
      errors: ['RELEASE_UNKNOWN'],
      handler: async ({ params, query }) =>
        params.thing === 'none'
          ? refuse('RELEASE_UNKNOWN', { detail: 'No such thing.' })
          : { status: 200, body: { ...params, ...query }, headers: { ETag: `"${params.thing}"` } },
    }),
    route({
      ...shared,
      method: 'put',
      path: '/v1/things/:thing',
      name: 'writeThing',
      gates: account,
      params: z.object({ thing: z.string().max(8) }),
      body: z
        .object({ name: z.string(), sizes: z.array(z.int()).max(4_000) })
        .meta({ id: 'Thing' }),
      handler: async ({ account, body }) => {
        held.runs += 1;
        held.started();
        await held.gate;
        if (body.name === 'later') return refuse('ROUND_DRAWING', { retryAfterS: 3 });
        if (body.name === 'broken') throw new Error('the secret of this handler');
        return { status: 200, body: { account, run: held.runs, ...body } };
      },
    }),
    route({
      ...shared,
      method: 'post',
      path: '/v1/admin/things',
      name: 'importThings',
      gates: { limit: 'admin', caller: 'operator', scope: 'import' },
      body: z.string(),
      bodyType: 'text/csv',
      bodyLimitBytes: 40_000,
      handler: async ({ body }) => ({ status: 200, body: { length: body.length } }),
    }),
    route({
      ...shared,
      method: 'get',
      path: '/v1/stored',
      name: 'readStored',
      gates: anyone,
      handler: async () => ({
        status: 200,
        body: { stored: await redis.get('fs:v1:{test}:stored') },
      }),
    }),
    route({
      ...shared,
      method: 'get',
      path: '/v1/stream',
      name: 'readStream',
      gates: anyone,
      answers: { 200: { mediaType: 'application/x-ndjson' } },
      handler: async () => ({
        status: 200,
        headers: { 'content-type': 'application/x-ndjson' },
        body: Readable.from(['1\n', '2\n']),
      }),
    }),
    route({
      ...shared,
      method: 'delete',
      path: '/v1/things/:thing',
      name: 'deleteThing',
      gates: account,
      params: z.object({ thing: z.string() }),
      answers: { 204: null },
      handler: async () => ({ status: 204 }),
    }),
  ];
}

/** Holds the write handler until `release`; `started` resolves when it runs. */
function hold(held: Held) {
  const gate = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  held.gate = gate.promise;
  held.started = () => started.resolve();
  return { release: () => gate.resolve(), started: started.promise };
}

export type TestApp = Awaited<ReturnType<typeof startApp>>;

export async function startApp(
  redis: Redis,
  settings: Record<string, string> = {},
  patience?: Patience,
) {
  const held: Held = { runs: 0, gate: Promise.resolve(), started: () => undefined };
  const lines: string[] = [];
  const log = createLog('debug', { write: (line) => void lines.push(line) });
  const metrics = createMetrics();
  const routes = sampleRoutes(redis, held);
  const config = configWith({ PORT: '0', ...settings });
  const app = createApp({ routes, redis, config, secrets, log, metrics });
  const server = await listen(app, { ...config, ...(patience && { patience }) });
  return {
    app,
    server,
    held,
    hold: () => hold(held),
    routes,
    metrics,
    /** What was logged so far. */
    lines,
    call: (method: string, path: string, options?: CallOptions) =>
      call(server.url, method, path, options),
  };
}

export const tokenOf = async (account: string, epoch = 0): Promise<string> =>
  (await accessTokens.issue({ account, epoch })).accessToken;
