/**
 * Hot routes are served by node:http itself, all others behind Express: nobody can tell from an
 * answer which way it came. Every route is asked both ways, over bare sockets, so that what is
 * compared is all that a client gets: status line, headers in their order, body.
 */
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createEngine, type Engine } from '../../src/engine.ts';
import { createApp } from '../../src/http/app.ts';
import { createExpressApp } from '../../src/http/express.ts';
import { createHotFirst } from '../../src/http/hot.ts';
import { createListener, type Listener } from '../../src/http/node.ts';
import type { Route } from '../../src/http/route.ts';
import { listen, type Server } from '../../src/http/server.ts';
import { present } from '../../src/lib/assert.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics/server.ts';
import { allRoutes } from '../../src/routes.ts';
import { configWith, OPERATOR_KEY, secrets, tokenOf } from '../support/app.ts';
import { fresh, publishRelease, register } from '../support/engine.ts';
import { UNLIMITED } from '../support/limits.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);
const REQUEST_ID = '01890a5d-ac96-774b-bcce-b302099a8057';
const HUGE_BYTES = 200_000;
const SETTINGS = {
  ...UNLIMITED,
  SMS_DRIVER: 'inbox',
  CAPTCHA_DRIVER: 'none',
  DEVICES: 'optional',
  CORS_ORIGINS: 'https://front.example',
  LIMIT_DEVICE_PER_ADDRESS: '3',
};
/** What one way is asked with: equal to the other's but for the names, so that both start alike. */
type World = {
  readonly token: string;
  readonly release: string;
  readonly person: string;
  readonly slot: string;
  readonly address: string;
};
type Way = { readonly server: Server; readonly world: World };

let engine: Engine;
let routes: readonly Route[];
let ways: readonly [direct: Way, express: Way];
let servers: readonly [direct: Server, express: Server, hotFirst: Server];

/** Releases are one for both, an account and its people each way's own. */
async function createWorlds(): Promise<World[]> {
  const { release, slots } = await publishRelease(engine, used.redis, { seats: [3] });
  const slot = present(slots[0], 'a slot');
  const worlds: World[] = [];
  for (const address of ['127.0.7.1', '127.0.8.1']) {
    const account = fresh('account');
    const [token, person] = [await tokenOf(account), await register(engine, account)];
    worlds.push({ token, release, person, slot, address });
  }
  return worlds;
}

beforeAll(async () => {
  const { redis } = used;
  const config = configWith({ PORT: '0', ...SETTINGS });
  engine = createEngine(redis, config);
  const log = createLog('silent');
  const app = createApp({
    routes: allRoutes(engine, redis, config),
    redis,
    config,
    secrets,
    log,
    metrics: createMetrics(),
  });
  routes = app.routes;
  const listener = createListener(app.dispatch, log);
  const serve = (handler: Listener) => listen({ ...app, handler }, config);
  servers = [
    await serve(listener),
    await serve(createExpressApp(listener)),
    await listen(app, config),
  ];
});
beforeEach(async () => {
  const [direct, express] = await createWorlds();
  ways = [
    { server: servers[0], world: present(direct, 'a world') },
    { server: servers[1], world: present(express, 'a world') },
  ];
});
afterAll(() => Promise.all(servers.map((server) => server.close())));

/** All that comes back for these bytes, until the server hangs up. `end`: the sender does, first. */
function exchange(
  { server, world }: Way,
  sent: string,
  { end = false }: { readonly end?: boolean } = {},
): Promise<string> {
  const port = Number(new URL(server.url).port);
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: world.address });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => undefined); // hung up on while it was still sending
    socket.once('close', () => resolve(masked(world, Buffer.concat(chunks).toString('latin1'))));
    socket.setTimeout(10_000, () => socket.destroy());
    if (end) socket.end(sent);
    else socket.write(sent);
  });
}

/** Without what differs between two answers to the same: times, ids, counts, signatures. */
const masked = (world: World, text: string): string =>
  [world.person, world.release]
    .reduce((left, name, index) => left.replaceAll(name, `<name ${index}>`), text)
    .replaceAll(/^date: .*$/gim, 'date: <time>')
    .replaceAll(/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replaceAll(/\b[0-9a-f]{64}\b/g, '<hash>')
    .replaceAll(/\b[0-9a-f]{8}-[0-9a-f]{4}-[\w-]{22}\b/g, '<uuid>')
    .replaceAll(/(;r=\d{5,})?;t=\d+/g, ';t=<s>')
    .replaceAll(
      /"(securityCode|txnId|deviceToken|deviceId|signature|entryId|entry|bookingId|etag)":"[^"]*"/g,
      '"$1":"<own>"',
    )
    .replaceAll(/retry-after: \d+/g, 'retry-after: <s>')
    .replaceAll(/"uptime\w*":[\d.]+|etag: "[^"]+"|content-length: 1\d{3}\b/g, '<own>');

type Asked = {
  readonly method: string;
  readonly path: string;
  readonly headers?: readonly string[];
  readonly body?: string;
};

const textOf = ({ method, path, headers = [], body }: Asked): string => {
  const chunked = headers.some((one) => one.startsWith('transfer-encoding'));
  const sized = headers.some((one) => one.startsWith('content-length'));
  const length = body === undefined || chunked || sized ? [] : [`content-length: ${body.length}`];
  const lines = ['host: here', 'connection: close', `x-request-id: ${REQUEST_ID}`];
  return `${method} ${path} HTTP/1.1\r\n${[...lines, ...headers, ...length].join('\r\n')}\r\n\r\n${body ?? ''}`;
};
const JSON_BODY = 'content-type: application/json';
const bearer = (token: string): string => `authorization: Bearer ${token}`;

/** A route's address with what the world has of its parameters. */
const pathOf = ({ path }: Route, { release }: World): string =>
  path.replaceAll(/:(\w+)/g, (_part, name: string) =>
    name === 'release' ? release : name === 'round' ? '0' : 'none',
  );

/** What a route is asked: as it wants to be asked, refused by each gate, and not understood. */
function asked(route: Route, world: World): Asked[] {
  const method = route.method.toUpperCase();
  const path = pathOf(route, world);
  const account = bearer(world.token);
  const operator = bearer(OPERATOR_KEY);
  const chunk = '{"a":1}';
  return [
    { method, path },
    { method, path, headers: [account] },
    { method, path, headers: [operator] },
    { method, path, headers: [bearer('no.such.token')] },
    { method, path, headers: [account, 'device-token: none', 'captcha-solution: none'] },
    { method, path: `${path}?unknown=1&unknown=2`, headers: [account] },
    { method, path: `${path}/`, headers: [account] },
    { method: 'HEAD', path, headers: [account] },
    { method: 'OPTIONS', path },
    {
      method: 'OPTIONS',
      path,
      headers: ['origin: https://front.example', 'access-control-request-method: PUT'],
    },
    { method: 'PATCH', path, headers: ['origin: https://front.example'] },
    ...[account, operator].flatMap((who) => [
      { method, path, headers: [who, JSON_BODY], body: '{"unknown":1}' },
      { method, path, headers: [who, JSON_BODY], body: '{"un' },
      { method, path, headers: [who, 'content-type: text/plain'], body: 'text' },
      {
        method,
        path,
        headers: [who, JSON_BODY, 'transfer-encoding: chunked'],
        body: `${chunk.length.toString(16)}\r\n${chunk}\r\n0\r\n\r\n`,
      },
    ]),
  ];
}

const put = ({ token, release, person, slot }: World, more: readonly string[] = []): Asked => ({
  method: 'PUT',
  path: `/v1/releases/${release}/entry`,
  headers: [bearer(token), JSON_BODY, ...more],
  body: JSON.stringify({ beneficiaries: [person], preferences: [slot] }),
});
const SOME_KEY = 'idempotency-key: one-of-mine';

/** What is granted, in an order in which it is. */
const good: readonly ((world: World) => Asked)[] = [
  (world) => put(world),
  (world) => put(world, [SOME_KEY]),
  (world) => put(world, [SOME_KEY]), // a replay
  (world) => put(world, ['origin: https://front.example']),
  ({ token, release }) => ({
    method: 'GET',
    path: `/v1/releases/${release}/entry`,
    headers: [bearer(token)],
  }),
  ({ release }) => ({ method: 'GET', path: `/v1/releases/${release}/manifest` }),
  ({ release }) => ({
    method: 'GET',
    path: `/v1/releases/${release}/manifest`,
    headers: ['if-none-match: *'],
  }),
  ({ release }) => ({ method: 'HEAD', path: `/v1/releases/${release}` }),
  () => ({
    method: 'GET',
    path: '/api/v2/admin/location/states',
    headers: ['accept-encoding: gzip'],
  }),
  () => ({ method: 'GET', path: '/api/v2/appointment/sessions/search' }),
];

const head = (world: World, more: readonly string[]): string =>
  textOf({ ...put(world, more), body: '' });
const whole = (world: World): string => textOf(put(world));
const keptOpen = (text: string): string => text.replace('connection: close\r\n', '');

/** Bytes that a client may send, and whether it then ends its half of the connection. */
const HOSTILE: (readonly [of: (world: World) => string, options?: { readonly end: boolean }])[] = [
  [(world) => `${head(world, ['content-length: 100'])}{"half`, { end: true }],
  [(world) => `${head(world, ['transfer-encoding: chunked'])}5\r\n{"hal`, { end: true }],
  [(world) => head(world, ['content-length: 30000'])],
  [(world) => head(world, [`content-length: ${HUGE_BYTES}`])],
  [
    (world) =>
      `${head(world, ['transfer-encoding: chunked'])}${HUGE_BYTES.toString(16)}\r\n${'x'.repeat(HUGE_BYTES)}\r\n0\r\n\r\n`,
  ],
  [(world) => `${head(world, ['transfer-encoding: chunked'])}no length\r\n`],
  [(world) => `${head(world, ['transfer-encoding: gzip, chunked'])}0\r\n\r\n`],
  [(world) => head(world, ['content-encoding: gzip', 'content-length: 0'])],
  [(world) => keptOpen(whole(world)) + whole(world)],
  [(world) => keptOpen(whole(world)) + keptOpen(whole(world)) + whole(world)],
  [() => textOf({ method: 'GET', path: '//' })],
  [() => textOf({ method: 'GET', path: '/v1/%zz' })],
  [() => textOf({ method: 'GET', path: '*' })],
  [() => textOf({ method: 'OPTIONS', path: '*' })],
  [() => textOf({ method: 'GET', path: 'http://elsewhere.example/v1/releases' })],
  [() => textOf({ method: 'GET', path: '/v1/releases\u00e9' })],
  [() => 'PUT /v1/releases HTTP/1.1\r\n\r\n'],
  [() => 'hello\r\n\r\n'],
];

async function bothWays(of: (world: World) => Asked): Promise<readonly [string, string]> {
  const [direct, express] = ways;
  return Promise.all([
    exchange(direct, textOf(of(direct.world))),
    exchange(express, textOf(of(express.world))),
  ]);
}

describe('an answer shows not which way it came', () => {
  test('of every route, asked well and badly', async () => {
    const seen = new Set<string>();
    // What ends an account comes last: each way has one.
    const last = routes.toSorted(
      (one, other) => Number(one.method === 'delete') - Number(other.method === 'delete'),
    );
    for (const route of last) {
      const cases = asked(route, ways[0].world).length;
      for (let index = 0; index < cases; index++) {
        const [direct, express] = await bothWays((world) =>
          present(asked(route, world)[index], 'a request'),
        );
        expect(express, `${route.name}, request ${index}`).toBe(direct);
        expect(direct).toMatch(/^HTTP\/1\.1 \d{3} /);
        seen.add(direct.slice(9, 12));
      }
    }
    for (const status of ['200', '204', '400', '401', '403', '404', '405', '415', '429'])
      expect(seen, `a ${status} among them`).toContain(status);
  });

  test('where it is done what is asked', async () => {
    for (const wanted of good) {
      const [direct, express] = await bothWays(wanted);
      expect(express, direct.slice(0, 60)).toBe(direct);
      expect(direct, wanted(ways[0].world).path).toMatch(/^HTTP\/1\.1 (?:200|201|204|304) /);
    }
  });

  test('where the sender breaks off, sends too much, or says no HTTP', async () => {
    for (const [sent, options] of HOSTILE) {
      const [direct, express] = [
        await exchange(ways[0], sent(ways[0].world), options),
        await exchange(ways[1], sent(ways[1].world), options),
      ];
      expect(express, sent(ways[1].world).slice(0, 200)).toBe(direct);
    }
  });

  test('and the listener in front takes hot routes to the one, the rest to the other', async () => {
    const [{ world }] = ways;
    const taken: string[] = [];
    const note =
      (name: string): Listener =>
      (_incoming, outgoing) => {
        taken.push(name);
        outgoing.end();
      };
    const server = await listen(
      { handler: createHotFirst(routes, note('direct'), note('express')), leave: () => undefined },
      { host: '127.0.0.1', port: 0 },
    );
    const path = `/v1/releases/${world.release}/entry`;
    const requests = [
      ['PUT', path, 'direct'],
      ['PUT', `${path}?a=1`, 'direct'],
      ['DELETE', path, 'express'],
      ['OPTIONS', path, 'express'],
      ['PUT', `${path}/`, 'express'],
      ['GET', '/livez', 'express'],
      ['GET', '//', 'express'],
    ] as const;
    for (const [method, at] of requests)
      await exchange({ server, world }, textOf({ method, path: at }));
    expect(taken).toEqual(requests.map(([, , way]) => way));
    await server.close();
    const answer = await exchange(
      { server: servers[2], world },
      textOf({ method: 'PUT', path, headers: [bearer(world.token), JSON_BODY], body: '{}' }),
    );
    expect(answer).toContain('REQUEST_INVALID');
  });
});
