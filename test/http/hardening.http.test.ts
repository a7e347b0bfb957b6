/** What keeps hostile senders from costing others anything: over real sockets, byte by byte. */
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { openMonitor } from '../../src/http/monitor.ts';
import { sleep } from '../../src/lib/clock.ts';
import { createLog } from '../../src/log.ts';
import { ConfigError } from '../../src/config.ts';
import {
  call,
  configWith,
  OPERATOR_KEY,
  startApp,
  type TestApp,
  tokenOf,
  secrets,
} from '../support/app.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis();
let it: TestApp;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await it.server.close({ timeoutMs: 100 });
});

function dial(localAddress = '127.0.0.1'): Socket {
  const { port } = new URL(it.server.url);
  const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress });
  socket.on('error', () => undefined);
  sockets.push(socket);
  return socket;
}

/** Everything that comes back until the server hangs up. */
const untilClosed = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.once('close', () => resolve(Buffer.concat(chunks).toString()));
  });

async function exchange(bytes: string): Promise<string> {
  const socket = dial();
  const answer = untilClosed(socket);
  socket.write(bytes);
  return answer;
}

const THING = { name: 'a thing', sizes: [] };
const read = (headers: Record<string, string>, from = '127.0.0.1') =>
  it.call('GET', '/v1/things/one', { headers, from });

describe('limits behind proxies', () => {
  const forwarded = (...addresses: string[]) => ({ 'x-forwarded-for': addresses.join(', ') });

  test('count the client that a trusted proxy names, in every line of the header', async () => {
    it = await startApp(used.redis, {
      LIMIT_READ_PER_ADDRESS: '2',
      TRUSTED_PROXIES: '127.0.0.21,10.0.0.0/8',
    });
    const at = (headers: Record<string, string>) => read(headers, '127.0.0.21');
    expect((await at(forwarded('203.0.113.7'))).status).toBe(200);
    expect((await at(forwarded('203.0.113.7', '10.0.0.1'))).status).toBe(200);
    expect((await at(forwarded('::ffff:203.0.113.7'))).status).toBe(429);
    expect((await at(forwarded('203.0.113.8'))).status).toBe(200);
    const lines = 'x-forwarded-for: 203.0.113.9\r\nX-Forwarded-For: 203.0.113.7, 10.0.0.2';
    const socket = dial('127.0.0.21');
    const answer = untilClosed(socket);
    socket.write(`GET /v1/things/one HTTP/1.1\r\nhost: x\r\n${lines}\r\nconnection: close\r\n\r\n`);
    expect(await answer).toContain('HTTP/1.1 429');
  });

  test('are not escaped by a forged header, whoever sends it', async () => {
    it = await startApp(used.redis, {
      LIMIT_READ_PER_ADDRESS: '3',
      TRUSTED_PROXIES: '127.0.0.21',
    });
    // through the proxy, which appends the true address
    for (let request = 0; request < 3; request++)
      expect(
        (await read(forwarded(`198.51.100.${request}`, '203.0.113.7'), '127.0.0.21')).status,
      ).toBe(200);
    const refused = await read(forwarded('127.0.0.21', '203.0.113.7'), '127.0.0.21');
    expect(refused.status).toBe(429);
    // past the proxy
    for (let request = 0; request < 3; request++)
      await read(forwarded(`198.51.100.${request}`), '127.0.0.22');
    expect((await read(forwarded('127.0.0.21'), '127.0.0.22')).status).toBe(429);
    // and nobody else's limit was used up by it
    expect((await read(forwarded('198.51.100.1'), '127.0.0.21')).status).toBe(200);
  });

  test('believe nobody unless they are told to', async () => {
    it = await startApp(used.redis, { LIMIT_READ_PER_ADDRESS: '1' });
    expect((await read(forwarded('203.0.113.7'))).status).toBe(200);
    expect((await read(forwarded('203.0.113.8'))).status).toBe(429);
  });

  test('stand whatever garbage is sent', async () => {
    it = await startApp(used.redis, { TRUSTED_PROXIES: 'loopback' });
    for (const garbage of [
      '',
      ',,,',
      'unknown',
      '[',
      '999.1.1.1',
      '1'.repeat(4_000),
      '10.0.0.1,'.repeat(800),
    ])
      expect((await read({ 'x-forwarded-for': garbage })).status).toBe(200);
    const keys = await used.redis.keys('*limit:read-address*');
    expect(new Set(keys.map((key) => key.split('}:')[1]))).toEqual(
      new Set(['10.0.0.1', '127.0.0.1'].map((one) => secrets.pseudonym('limit', one))),
    );
  });

  test.each(['TRUSTED_PROXIES', 'CORS_ORIGINS', 'CONNECTIONS_PER_ADDRESS'])(
    'refuse to start with a %s that cannot be meant',
    async (setting) => {
      it = await startApp(used.redis);
      expect(() => configWith({ [setting]: 'https://example.org/path' })).toThrow(ConfigError);
    },
  );
});

describe('browsers', () => {
  const NO_PAGE = "default-src 'none'; frame-ancestors 'none'";

  test.each([
    ['an answer', 'GET', '/v1/things/one', 200],
    ['a refusal', 'GET', '/v1/nothing', 404],
    ['a probe', 'GET', '/livez', 200],
    ['a stream', 'GET', '/v1/stream', 200],
  ])('may not show, sniff, frame or embed %s', async (_what, method, path, status) => {
    it = await startApp(used.redis);
    const answer = await it.call(method, path);
    expect(answer.status).toBe(status);
    expect(answer.headers).toMatchObject({
      'content-security-policy': NO_PAGE,
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': 'max-age=31536000',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    });
    for (const absent of [
      'x-powered-by',
      'server',
      'set-cookie',
      'access-control-allow-origin',
      'vary',
    ])
      expect(answer.headers[absent], absent).toBeUndefined();
  });

  test.each(['/docs', '/verify'])('run nothing on %s but its own files', async (path) => {
    it = await startApp(used.redis);
    const { headers } = await it.call('GET', path);
    const policy = String(headers['content-security-policy']);
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "frame-ancestors 'none'",
      "form-action 'none'",
      'base-uri',
    ])
      expect(policy).toContain(rule);
    expect(/script-src[^;]*unsafe/.test(policy)).toBe(false);
  });
});

describe('another origin', () => {
  const ORIGIN = 'https://book.example.org';
  const settings = {
    CORS_ORIGINS: `${ORIGIN}, http://localhost:3000`,
    LIMIT_READ_PER_ADDRESS: '3',
  };
  const preflight = (origin: string, path = '/v1/things/one') =>
    it.call('OPTIONS', path, {
      headers: {
        origin,
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'authorization',
      },
    });

  test('that is listed may read answers, refusals too', async () => {
    it = await startApp(used.redis, settings);
    for (const path of ['/v1/things/one', '/v1/nothing']) {
      const { headers } = await it.call('GET', path, { headers: { origin: ORIGIN } });
      expect(headers['access-control-allow-origin']).toBe(ORIGIN);
      expect(headers['vary']).toBe('Origin');
      expect(headers['access-control-allow-credentials']).toBeUndefined();
      for (const name of ['etag', 'ratelimit', 'ratelimit-policy', 'retry-after', 'x-request-id'])
        expect(headers['access-control-expose-headers']?.split(', ')).toContain(name);
    }
  });

  test.each([
    'https://book.example.org.evil.example',
    'http://book.example.org',
    'null',
    'https://BOOK.example.org',
    '*',
  ])('such as %s may not, and caches know', async (origin) => {
    it = await startApp(used.redis, settings);
    const answer = await it.call('GET', '/v1/things/one', { headers: { origin } });
    expect(answer.status).toBe(200);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    expect(answer.headers['vary']).toBe('Origin');
    const asked = await preflight(origin);
    expect(asked.json['code']).toBe('METHOD_NOT_ALLOWED');
    expect(asked.headers['access-control-allow-origin']).toBeUndefined();
  });

  test('is told what it may send, without a limit and without Redis', async () => {
    it = await startApp(used.redis, settings);
    for (let request = 0; request < 10; request++) {
      const answer = await preflight(ORIGIN);
      expect(answer).toMatchObject({ status: 204, text: '' });
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': ORIGIN,
        'access-control-allow-methods': 'GET, HEAD, PUT, DELETE',
        'access-control-max-age': '86400',
        vary: 'Origin',
      });
      expect(answer.headers['access-control-allow-headers']).toContain('idempotency-key');
      expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
    }
    expect(await used.redis.keys('*')).toEqual([]);
    expect((await preflight(ORIGIN, '/v1/nothing')).headers['access-control-allow-methods']).toBe(
      '',
    );
  });

  test('may not read anything unless it is listed', async () => {
    it = await startApp(used.redis);
    expect((await preflight(ORIGIN)).status).toBe(405);
    const { headers } = await it.call('GET', '/v1/things/one', { headers: { origin: ORIGIN } });
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });
});

describe('metrics', () => {
  test("on the API's port are for the operator", async () => {
    it = await startApp(used.redis);
    expect((await it.call('GET', '/metrics')).json).toMatchObject({
      status: 401,
      code: 'OPERATOR_KEY_INVALID',
    });
    const token = await tokenOf('account-1');
    expect((await it.call('GET', '/metrics', { token })).status).toBe(401);
    const answer = await it.call('GET', '/metrics', { token: OPERATOR_KEY });
    expect(answer.text).toContain('fairslot_http_requests_total');
  });

  test('have a port of their own, if it is free and wanted', async () => {
    it = await startApp(used.redis);
    const log = createLog('silent');
    const { registry } = it.metrics;
    const port = Number(new URL(it.server.url).port);
    expect(await openMonitor(registry, { host: '127.0.0.1', port }, log)).toBeUndefined();
    expect(await openMonitor(registry, { host: '127.0.0.1', port: 0 }, log)).toBeUndefined();
    await it.server.close();
    const monitor = await openMonitor(registry, { host: '127.0.0.1', port }, log);
    expect((await call(String(monitor?.url), 'GET', '/metrics')).text).toContain('fairslot_http');
    await monitor?.close();
  });
});

describe('what is not quite HTTP', () => {
  const head = (...lines: string[]) =>
    `${['PUT /v1/things/one HTTP/1.1', 'host: x', 'content-type: application/json', ...lines].join('\r\n')}\r\n\r\n`;
  const SMUGGLED = '0\r\n\r\nGET /v1/stream HTTP/1.1\r\nhost: x\r\n\r\n';

  test.each([
    [
      'both a length and chunks',
      head('content-length: 5', 'transfer-encoding: chunked') + SMUGGLED,
    ],
    ['two lengths', `${head('content-length: 5', 'content-length: 6')}12345`],
    ['two lengths in one line', `${head('content-length: 5, 5')}12345`],
    ['a negative length', head('content-length: -1')],
    ['a length with a sign', `${head('content-length: +5')}12345`],
    ['a length in hex', `${head('content-length: 0x5')}12345`],
    ['chunks that are not last', head('transfer-encoding: chunked, gzip') + SMUGGLED],
    ['chunks by another name', head('transfer-encoding: xchunked') + SMUGGLED],
    ['a chunk of no size', `${head('transfer-encoding: chunked')}z\r\n12345\r\n0\r\n\r\n`],
    ['a chunk longer than it says', `${head('transfer-encoding: chunked')}3\r\n12345\r\n0\r\n\r\n`],
    ['a chunk of an endless size', `${head('transfer-encoding: chunked')}fffffffffffffffff\r\n`],
    ['a space before the colon', head('content-length : 5')],
    ['a folded header', head('x-a: 1\r\n 2')],
    ['a header without a colon', head('nonsense')],
    ['a null byte in a header', head('x-a: a\0b')],
    ['a bare line feed', 'GET /v1/stream HTTP/1.1\nhost: x\n\n'],
    ['a null byte in the path', 'GET /v1/things/a\0b HTTP/1.1\r\nhost: x\r\n\r\n'],
    ['a space in the path', 'GET /v1/things/a b HTTP/1.1\r\nhost: x\r\n\r\n'],
    ['no host', 'GET /v1/stream HTTP/1.1\r\n\r\n'],
    ['a protocol of its own', 'GET /v1/stream HTCPCP/1.0\r\n\r\n'],
    ['HTTP/2 without asking', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('%s is refused, and nothing is smuggled', async (_what, bytes) => {
    it = await startApp(used.redis);
    const answer = await exchange(bytes);
    // 401: refused for its headers, before anybody looked at the rest
    expect(answer).toMatch(/^HTTP\/1\.1 40[01] /);
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(it.held.runs).toBe(0);
    expect((await it.call('GET', '/livez')).status).toBe(200);
  });

  test('is answered with a problem that is counted', async () => {
    it = await startApp(used.redis);
    const answer = await exchange('nonsense\r\n\r\n');
    const [headers = '', body = ''] = answer.split('\r\n\r\n');
    expect(headers).toContain('content-type: application/problem+json');
    expect(headers).toContain("content-security-policy: default-src 'none'");
    expect(headers).toContain('connection: close');
    expect(JSON.parse(body)).toMatchObject({ status: 400, code: 'REQUEST_MALFORMED' });
    const counted = await it.metrics.http.refusals.get();
    expect(counted.values).toMatchObject([{ labels: { code: 'REQUEST_MALFORMED' }, value: 1 }]);
  });

  test('never takes the place of the answer to an earlier request', async () => {
    it = await startApp(used.redis);
    const held = it.hold();
    const body = JSON.stringify(THING);
    const token = await tokenOf('account-1');
    const socket = dial();
    const answer = untilClosed(socket);
    socket.write(
      `${head(`authorization: Bearer ${token}`, `content-length: ${body.length}`)}${body}`,
    );
    await held.started;
    socket.write('nonsense\r\n\r\n');
    expect(await answer).toBe('');
    held.release();
  });

  test.each([
    ['one header', `x-filler: ${'x'.repeat(9_000)}`],
    ['many headers', Array.from({ length: 900 }, (_, index) => `x-${index}: 12345`).join('\r\n')],
  ])('is no request of more than 8 KiB of %s', async (_what, lines) => {
    it = await startApp(used.redis);
    const answer = await exchange(`GET /livez HTTP/1.1\r\nhost: x\r\n${lines}\r\n\r\n`);
    expect(answer).toContain('HTTP/1.1 431');
    expect(answer).toContain('HEADERS_TOO_LARGE');
  });

  test('is no request of a URL that long', async () => {
    it = await startApp(used.redis);
    const answer = await exchange(
      `GET /v1/things/${'x'.repeat(9_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
    );
    expect(answer).toContain('HEADERS_TOO_LARGE');
  });

  test('drops no header, however many there are', async () => {
    it = await startApp(used.redis);
    const token = await tokenOf('account-1');
    const many = Array.from({ length: 1_200 }, () => 'a:').join('\r\n');
    const answer = await exchange(
      `DELETE /v1/things/one HTTP/1.1\r\nhost: x\r\n${many}\r\nauthorization: Bearer ${token}\r\nconnection: close\r\n\r\n`,
    );
    expect(answer).toContain('HTTP/1.1 204');
  });
});

describe('a slow client', () => {
  const PATIENCE = { headersMs: 300, requestMs: 600, askingMs: 600, readerMs: 500, checkMs: 50 };
  const within = async (socket: Socket, mostMs: number): Promise<string> => {
    const answer = await Promise.race([untilClosed(socket), sleep(mostMs)]);
    expect(answer, 'the server hung up in time').toBeDefined();
    return String(answer);
  };

  test('that says nothing loses its connection', async () => {
    it = await startApp(used.redis, {}, PATIENCE);
    await within(dial(), 20_000);
  });

  test('that sends its headers byte by byte is refused', async () => {
    it = await startApp(used.redis, {}, PATIENCE);
    const socket = dial();
    socket.write('GET /livez HTTP/1.1\r\nhost: x\r\nx-a: ');
    const drip = setInterval(() => socket.write('a'), 50);
    const answer = await within(socket, 20_000);
    clearInterval(drip);
    expect(answer).toContain('HTTP/1.1 408');
    expect(answer).toContain('REQUEST_TOO_SLOW');
  });

  test('that sends its body byte by byte is refused, and runs no handler', async () => {
    it = await startApp(used.redis, {}, PATIENCE);
    const token = await tokenOf('account-1');
    const socket = dial();
    socket.write(
      `PUT /v1/things/one HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n` +
        'content-type: application/json\r\ncontent-length: 1000\r\n\r\n{"name":"',
    );
    const drip = setInterval(() => socket.write('a'), 50);
    const answer = await within(socket, 20_000);
    clearInterval(drip);
    expect(answer).toContain('REQUEST_TOO_SLOW');
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(it.held.runs).toBe(0);
  });

  test('that takes nothing of its answers loses its connection', async () => {
    it = await startApp(used.redis, {}, PATIENCE);
    const socket = dial();
    socket.pause();
    // Who reads nothing learns by writing that the other side is gone.
    const gone = new Promise((resolve) => void socket.once('error', resolve));
    socket.write('GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(20));
    const knocks = async (): Promise<unknown> => {
      for (let knock = 0; knock < 10; knock++) {
        const answer = await Promise.race([gone, sleep(4 * PATIENCE.readerMs)]);
        if (answer) return answer;
        socket.write('\r\n');
      }
      return undefined;
    };
    expect(await knocks(), 'the server hung up').toBeInstanceOf(Error);
  });

  test('keeps nobody else waiting', async () => {
    it = await startApp(used.redis, {}, { ...PATIENCE, headersMs: 5_000, requestMs: 10_000 });
    for (let slow = 0; slow < 200; slow++) dial().write('POST /v1/things HTTP/1.1\r\n');
    expect((await it.call('GET', '/v1/things/one')).status).toBe(200);
  });
});

describe('the connections of one address', () => {
  const reaches = async (from: string): Promise<boolean> =>
    (await it.call('GET', '/livez', { from }).catch(() => undefined))?.status === 200;
  const hold = (count: number, from: string) =>
    Promise.all(
      Array.from({ length: count }, () => {
        const socket = dial(from);
        return new Promise((resolve) => void socket.once('connect', resolve));
      }),
    );

  test('are so many and no more, and others are not concerned', async () => {
    it = await startApp(used.redis, { CONNECTIONS_PER_ADDRESS: '3' });
    await hold(3, '127.0.0.31');
    expect(await reaches('127.0.0.31')).toBe(false);
    expect(await reaches('127.0.0.32')).toBe(true);
    sockets.pop()?.destroy();
    await expect.poll(() => reaches('127.0.0.31')).toBe(true);
  });

  test("are not counted where they are a trusted proxy's", async () => {
    it = await startApp(used.redis, {
      CONNECTIONS_PER_ADDRESS: '3',
      TRUSTED_PROXIES: '127.0.0.31',
    });
    await hold(6, '127.0.0.31');
    expect(await reaches('127.0.0.31')).toBe(true);
  });
});
