import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OPERATOR_KEY, startApp, type TestApp, tokenOf } from '../support/app.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis();
let it: TestApp;
let token: string;
beforeAll(async () => {
  it = await startApp(used.redis);
  token = await tokenOf('account-1');
});
afterAll(() => it.server.close());

const THING = { name: 'a thing', sizes: [1, 2] };
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

describe('an answer', () => {
  test('is the JSON of the handler, with parsed parameters and query', async () => {
    const answer = await it.call('GET', '/v1/things/caf%C3%A9?page=3');
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ thing: 'café', page: 3 });
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
  });

  test('is the same to the same query, read once, and a refusal too', async () => {
    const asked = async (query: string) => (await it.call('GET', `/v1/things/one${query}`)).json;
    expect(await asked('?page=4')).toEqual({ thing: 'one', page: 4 });
    expect(await asked('?page=4')).toEqual({ thing: 'one', page: 4 });
    expect(await asked('?page=5')).toEqual({ thing: 'one', page: 5 });
    for (const bad of ['?page=x', '?page=1&page=2', `?${'a'.repeat(300)}=1`]) {
      const { problems: first } = await asked(bad);
      expect(first).toHaveLength(1);
      expect((await asked(bad)).problems).toEqual(first);
    }
  });

  test('to an account names it to the handler', async () => {
    const answer = await it.call('PUT', '/v1/things/one', { token, body: THING });
    expect(answer.json).toMatchObject({ account: 'account-1', ...THING });
  });

  test('to an operator takes the media type of the route', async () => {
    const body = 'a,b\n'.repeat(9_000); // more than the default limit
    const headers = { 'content-type': 'text/csv; charset=UTF-8' };
    const answer = await it.call('POST', '/v1/admin/things', {
      token: OPERATOR_KEY,
      headers,
      body,
    });
    expect(answer.json).toEqual({ length: 36_000 });
  });

  test('may be a stream', async () => {
    const answer = await it.call('GET', '/v1/stream');
    expect(answer.text).toBe('1\n2\n');
    expect(answer.headers['content-type']).toBe('application/x-ndjson');
  });

  test('may have no body', async () => {
    const answer = await it.call('DELETE', '/v1/things/one', { token });
    expect(answer).toMatchObject({ status: 204, text: '' });
  });

  test('carries the limits', async () => {
    const { headers } = await it.call('GET', '/v1/things/one');
    expect(headers['ratelimit-policy']).toBe(
      '"read-address";q=600;w=60, "read-network";q=30000;w=60',
    );
    expect(headers['ratelimit']).toMatch(
      /^"read-address";r=\d+;t=\d+, "read-network";r=\d+;t=\d+$/,
    );
  });

  test('to HEAD is that to GET without its body', async () => {
    const got = await it.call('GET', '/v1/things/one');
    const head = await it.call('HEAD', '/v1/things/one');
    expect(head).toMatchObject({ status: 200, text: '' });
    expect(head.headers['content-length']).toBe(got.headers['content-length']);
    expect((await it.call('HEAD', '/v1/stream')).text).toBe('');
  });

  test.each(['"one"', 'W/"one"', '"other", "one"', '*'])(
    'that the client has, by If-None-Match %s, is 304',
    async (ifNoneMatch) => {
      const headers = { 'if-none-match': ifNoneMatch };
      const answer = await it.call('GET', '/v1/things/one', { headers });
      expect(answer).toMatchObject({ status: 304, text: '' });
      expect(answer.headers['etag']).toBe('"one"');
    },
  );

  test('that the client has in another version is sent', async () => {
    const headers = { 'if-none-match': '"two"' };
    expect((await it.call('GET', '/v1/things/one', { headers })).status).toBe(200);
  });
});

describe('the request id', () => {
  test('is ours, a UUID, in header and problem', async () => {
    const answer = await it.call('GET', '/v1/things/none');
    expect(answer.json['requestId']).toMatch(UUID);
    expect(answer.headers['x-request-id']).toBe(answer.json['requestId']);
  });

  test("is the client's where it is a UUID", async () => {
    const requestId = '0198c0de-0000-7000-8000-000000000001';
    const headers = { 'x-request-id': requestId };
    expect((await it.call('GET', '/v1/things/one', { headers })).headers['x-request-id']).toBe(
      requestId,
    );
  });

  test.each(['+919812345678', 'x', '{"a":1}'])('is never %s', async (presented) => {
    const headers = { 'x-request-id': presented };
    expect((await it.call('GET', '/v1/things/one', { headers })).headers['x-request-id']).toMatch(
      UUID,
    );
  });
});

describe('a problem', () => {
  test("is RFC 9457 with the catalogue's code", async () => {
    const answer = await it.call('GET', '/v1/things/none');
    expect(answer.status).toBe(404);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.json).toEqual({
      type: 'urn:fairslot:error:RELEASE_UNKNOWN',
      title: 'There is no such release.',
      status: 404,
      code: 'RELEASE_UNKNOWN',
      detail: 'No such thing.',
      requestId: answer.headers['x-request-id'],
    });
  });

  test.each([
    ['ROUTE_UNKNOWN', 404, 'GET', '/v1/nothing'],
    ['ROUTE_UNKNOWN', 404, 'GET', '/v1/things/'],
    ['ROUTE_UNKNOWN', 404, 'GET', '/v1/things/one/'],
    ['ROUTE_UNKNOWN', 404, 'GET', '/v1/things/%zz'],
    ['ROUTE_UNKNOWN', 404, 'GET', '/'],
    ['METHOD_NOT_ALLOWED', 405, 'POST', '/v1/things/one'],
    ['REQUEST_INVALID', 400, 'GET', '/v1/things/far-too-long'],
    ['REQUEST_INVALID', 400, 'GET', '/v1/things/one?page=two'],
    ['REQUEST_INVALID', 400, 'GET', '/v1/things/one?page=1&page=2'],
    ['REQUEST_INVALID', 400, 'GET', '/v1/things/one?pages=1'],
    ['REQUEST_INVALID', 400, 'GET', '/v1/things/one?__proto__=1'],
    ['REQUEST_INVALID', 400, 'GET', '/v1/stream?anything'],
  ])('%s answers %i to %s %s', async (code, status, method, path) => {
    expect((await it.call(method, path)).json).toMatchObject({ code, status });
  });

  test('names the methods that an address does take', async () => {
    const answer = await it.call('POST', '/v1/things/one');
    expect(answer.headers['allow']).toBe('GET,HEAD,PUT,DELETE');
    expect(answer.json['allow']).toEqual(['GET', 'HEAD', 'PUT', 'DELETE']);
  });

  test('lists all that is wrong with a request, by path', async () => {
    const body = { sizes: [1, 'two', 2.5], colour: 'red' };
    const answer = await it.call('PUT', '/v1/things/far-too-long', { token, body });
    const problems: { path: string; message: string }[] = answer.json['problems'];
    expect(problems.map(({ path }) => path).toSorted()).toEqual([
      'body',
      'body.name',
      'body.sizes[1]',
      'body.sizes[2]',
      'params.thing',
    ]);
    expect(problems.find(({ path }) => path === 'body')?.message).toContain('colour');
  });

  test('repeats nothing that is not spelled like a member', async () => {
    const body = { name: 'x', sizes: [], '+919812345678': 1, 'Asha Kale': 2, colour: 3 };
    const answer = await it.call('PUT', '/v1/things/one', { token, body });
    expect(answer.json['problems']).toEqual([
      { path: 'body', message: 'No such member: colour, 2 more.' },
    ]);
  });

  test('lists no more than 20 of them', async () => {
    const body = { name: 'x', sizes: Array.from({ length: 900 }, () => 'x') };
    const answer = await it.call('PUT', '/v1/things/one', { token, body });
    expect(answer.json['problems']).toHaveLength(20);
  });
});

const head = (method: string, path: string, ...headers: string[]) =>
  [
    `${method} ${path} HTTP/1.1`,
    'host: x',
    `authorization: Bearer ${token}`,
    ...headers,
    '',
    '',
  ].join('\r\n');

/** Sends bytes, and gives what comes back until the answer seems complete. */
const exchange = (bytes: Buffer) =>
  new Promise<string>((resolve, reject) => {
    const socket = connect(Number(new URL(it.server.url).port), '127.0.0.1');
    socket.once('error', reject);
    socket.once('data', (answer) => {
      resolve(answer.toString());
      socket.destroy();
    });
    socket.write(bytes);
  });

/** Sends text, and gives what comes back until the server ends the connection. */
const conversation = (text: string) =>
  new Promise<string>((resolve, reject) => {
    const socket = connect(Number(new URL(it.server.url).port), '127.0.0.1');
    let answers = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      answers += chunk;
    });
    socket.once('error', reject);
    socket.once('close', () => resolve(answers));
    socket.write(text);
  });

const statusesOf = (answers: string): string[] =>
  Array.from(answers.matchAll(/HTTP\/1\.1 (\d{3})/g), ([, status = '']) => status);

const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
const LARGE = JSON.stringify({ name: 'x'.repeat(16 * 1024) });

describe('a body', () => {
  test.each([
    ['BODY_NOT_JSON', 'of broken JSON', '{"name":', {}],
    ['BODY_NOT_JSON', 'of two documents', '{}{}', {}],
    ['BODY_NOT_JSON', 'of nothing', '', {}],
    ['BODY_TOO_LARGE', 'over the limit', LARGE, {}],
    ['BODY_TOO_LARGE', 'over the limit in chunks', LARGE, { 'transfer-encoding': 'chunked' }],
    ['BODY_TYPE_UNSUPPORTED', 'of text', '{}', { 'content-type': 'text/plain' }],
    ['BODY_TYPE_UNSUPPORTED', 'of no type', '{}', { 'content-type': '' }],
    [
      'BODY_TYPE_UNSUPPORTED',
      'in UTF-16',
      '{}',
      { 'content-type': 'application/json; charset=utf-16' },
    ],
    ['BODY_TYPE_UNSUPPORTED', 'compressed', '{}', { 'content-encoding': 'gzip' }],
    ['BODY_TYPE_UNSUPPORTED', 'of JSON of a kind', '{}', { 'content-type': 'application/x+json' }],
    ['BODY_TYPE_UNSUPPORTED', 'of two types', '{}', { 'content-type': 'application/json, a/b' }],
    ['REQUEST_INVALID', 'nested too deep', nested(17), {}],
    ['REQUEST_INVALID', 'nested far too deep', nested(8_000), {}],
    [
      'REQUEST_INVALID',
      'with an endless list',
      `{"name":"x","sizes":[${'0,'.repeat(1_000)}0]}`,
      {},
    ],
    ['REQUEST_INVALID', 'with a prototype of its own', '{"name":"x","sizes":[],"prototype":1}', {}],
    ['REQUEST_INVALID', 'with a prototype', '{"name":"x","sizes":[],"__proto__":{"a":1}}', {}],
    ['REQUEST_INVALID', 'with a hidden one', '{"name":{"\\u005f_proto__":1},"sizes":[]}', {}],
    ['REQUEST_INVALID', 'with a constructor', '{"name":"x","sizes":[{"constructor":1}]}', {}],
    ['REQUEST_INVALID', 'that is a string', '"a string"', {}],
  ])('%s: %s', async (code, _case, body, headers: Record<string, string>) => {
    const answer = await it.call('PUT', '/v1/things/one', { token, body, headers });
    expect(answer.json['code']).toBe(code);
  });

  test('that is not UTF-8 is refused', async () => {
    const answer = await exchange(
      Buffer.concat([
        Buffer.from(
          head('PUT', '/v1/things/one', 'content-length: 3', 'content-type: application/json'),
        ),
        Buffer.from([0x22, 0xff, 0x22]),
      ]),
    );
    expect(answer).toContain('BODY_NOT_JSON');
  });

  test('is refused where the route takes none', async () => {
    const answer = await it.call('DELETE', '/v1/things/one', { token, body: {} });
    expect(answer.json['problems']).toEqual([
      { path: 'body', message: 'This route takes no body.' },
    ]);
  });

  test.each([
    ['PUT', '/v1/things/one', 9_000_000_000, 413],
    ['PUT', '/v1/things/one', 70_000, 413],
    ['POST', '/v1/nothing/here', 70_000, 404],
  ])('of %s %s with %i bytes is not read, and ends the connection', async (...one) => {
    const [method, path, bytes, status] = one;
    const type = 'content-type: application/json';
    const answer = await exchange(
      Buffer.from(head(method, path, `content-length: ${bytes}`, type)),
    );
    expect(answer).toContain(`HTTP/1.1 ${status}`);
    expect(answer.toLowerCase()).toContain('connection: close');
  });

  test.each([
    ['a little over the limit', ['content-length: 60000'], 'x'.repeat(60_000)],
    ['in chunks', ['transfer-encoding: chunked'], `4e20\r\n${'x'.repeat(20_000)}\r\n0\r\n\r\n`],
  ])('%s that has come leaves the connection as it was', async (_case, headers, body) => {
    const first = head('PUT', '/v1/things/one', 'content-type: application/json', ...headers);
    const second = head('GET', '/v1/things/one', 'connection: close');
    expect(statusesOf(await conversation(`${first}${body}${second}`))).toEqual(['413', '200']);
  });

  test('that its sender breaks off runs no handler', async () => {
    const before = it.held.runs;
    const socket = connect(Number(new URL(it.server.url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      head('PUT', '/v1/things/one', 'content-length: 100', 'content-type: application/json'),
    );
    socket.write('{"name":"x"');
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(it.held.runs).toBe(before);
  });
});

describe('a member that is there twice', () => {
  test('counts as it was said last', async () => {
    const body = '{"name":"first","sizes":[],"name":"last"}';
    const answer = await it.call('PUT', '/v1/things/one', { token, body });
    expect(answer.json['name']).toBe('last');
  });
});

describe('a method', () => {
  test.each(['x-http-method-override', 'x-http-method', 'x-method-override'])(
    'is not overridden by %s',
    async (header) => {
      const headers = { [header]: 'DELETE' };
      const answer = await it.call('POST', '/v1/things/one?_method=DELETE', { token, headers });
      expect(answer.json['code']).toBe('METHOD_NOT_ALLOWED');
    },
  );

  test.each(['OPTIONS', 'TRACE', 'PATCH', 'PROPFIND'])('%s is not taken', async (method) => {
    const answer = await it.call(method, '/v1/things/one');
    expect(answer.json['code']).toBe('METHOD_NOT_ALLOWED');
    expect(answer.headers['allow']).toBe('GET,HEAD,PUT,DELETE');
  });
});

describe('a path', () => {
  test.each([
    ['/v1/%74hings/one', 404, 'ROUTE_UNKNOWN'],
    ['/v1//things/one', 404, 'ROUTE_UNKNOWN'],
    ['//v1/things/one', 404, 'ROUTE_UNKNOWN'],
    ['/v1/./things/one', 404, 'ROUTE_UNKNOWN'],
    ['/v1/admin/../things/one', 404, 'ROUTE_UNKNOWN'],
    ['/v1/things/one%2fentry%2f', 400, 'REQUEST_INVALID'],
    ['/v1/things/%c0%ae', 404, 'ROUTE_UNKNOWN'],
    ['/v1/things/%', 404, 'ROUTE_UNKNOWN'],
    ['/V1/things/one', 404, 'ROUTE_UNKNOWN'],
    ['/v1/things;a=b/one', 404, 'ROUTE_UNKNOWN'],
    ['http://elsewhere/v1/things/one', 404, 'ROUTE_UNKNOWN'],
    ['/docs/..%2f..%2fpackage.json', 400, 'REQUEST_INVALID'],
    ['/verify/%2e%2e%2fpackage.json', 400, 'REQUEST_INVALID'],
    ['/verify/page.js%00', 400, 'REQUEST_INVALID'],
    ['/verify/__proto__', 400, 'REQUEST_INVALID'],
    ['/__proto__', 404, 'ROUTE_UNKNOWN'],
  ])('%s is %i', async (path, status, code) => {
    const answer = await exchange(
      Buffer.from(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`),
    );
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(answer).toContain(code);
  });
});

describe('a fault', () => {
  test('is INTERNAL, leaks nothing, and is in the log with its route and request id', async () => {
    const body = { ...THING, name: 'broken' };
    const answer = await it.call('PUT', '/v1/things/one', { token, body });
    expect(answer.json).toMatchObject({ status: 500, code: 'INTERNAL' });
    expect(answer.text).not.toContain('secret');
    const line = it.lines.map((text) => JSON.parse(text)).find(({ err }) => err);
    expect(line).toMatchObject({
      route: 'writeThing',
      requestId: answer.json['requestId'],
      err: { message: 'the secret of this handler' },
    });
  });
});

describe('the log', () => {
  test('holds no URL, address, token or body', async () => {
    await it.call('GET', '/v1/things/none?page=919812345678');
    await it.call('PUT', '/v1/things/one', { token, body: { ...THING, name: 'Asha Kale' } });
    const log = it.lines.join('');
    for (const secret of ['919812345678', '/v1/', '127.0.0.1', token, 'Asha'])
      expect(log).not.toContain(secret);
    expect(log).toContain('"route":"readThing","status":404');
  });
});

describe('metrics', () => {
  test('count by route, status and code', async () => {
    await it.call('GET', '/v1/nothing');
    const { text, headers } = await it.call('GET', '/metrics', { token: OPERATOR_KEY });
    expect(headers['content-type']).toMatch(/^text\/plain/);
    expect(text).toMatch(/^fairslot_http_requests_total\{route="readThing",status="200"\} \d+$/m);
    expect(text).toMatch(/^fairslot_http_requests_total\{route="unknown",status="404"\} \d+$/m);
    expect(text).toMatch(/^fairslot_http_refusals_total\{code="ROUTE_UNKNOWN",gate="none"\} \d+$/m);
    expect(text).toMatch(
      /^fairslot_http_request_duration_seconds_count\{route="readThing"\} \d+$/m,
    );
    expect(text).toContain('nodejs_eventloop_lag_seconds');
    expect(text).not.toContain('nothing');
  });
});

describe('the log', () => {
  test('has a line for one request in so many, with route, status and duration', async () => {
    const logged = await startApp(used.redis, { LOG_REQUESTS_ONE_IN: '3' });
    for (let request = 0; request < 4; request++) await logged.call('GET', '/v1/things/nothing');
    const lines = logged.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    await logged.server.close();
    const answered = lines.filter(({ msg, level }) => msg === 'answered' && level === 30);
    expect(answered).toHaveLength(2);
    expect(answered[0]).toMatchObject({
      route: 'readThing',
      status: 200,
      durationMs: expect.any(Number),
      requestId: expect.stringMatching(UUID),
    });
    expect(JSON.stringify(answered)).not.toContain('nothing');
  });
});
