import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient, type Client } from '../../src/demo/client.ts';
import { SELF_SIGNED } from '../support/gateway.ts';

/** Answers by path: who asked, a refusal, silence, or a connection that is cut on its second use. */
let server: Server;
let client: Client;
const uses = new WeakMap<object, number>();

beforeAll(async () => {
  server = createServer((request, response) => {
    const used = (uses.get(request.socket) ?? 0) + 1;
    uses.set(request.socket, used);
    if (request.url === '/cut-when-reused' && used > 1)
      return void request.socket.resetAndDestroy();
    if (request.url === '/silent') return void request.socket.destroy();
    if (request.url === '/limited') {
      response.writeHead(429, {
        'content-type': 'application/problem+json',
        'retry-after': '7',
        ratelimit: '"write-address";r=12;t=9, "write-account";r=0;t=7',
      });
      return void response.end('{"code":"TOO_MANY_REQUESTS"}');
    }
    response.setHeader('content-type', 'application/json');
    return void response.end(JSON.stringify({ from: request.socket.remoteAddress }));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => {
    server.once('listening', resolve);
  });
  const { port } = server.address() as AddressInfo;
  client = createClient(`http://127.0.0.1:${port}`, 'each');
});
afterAll(() => {
  client.close();
  server.close();
});

const get = (path: string) =>
  client.send<{ from: string }>({
    method: 'GET',
    path,
    address: '127.1.0.7',
    counter: 'bot/attempt',
  });

describe('the client', () => {
  it('asks from the address of the person', async () => {
    expect((await get('/')).body.from).toBe('127.1.0.7');
  });

  it('tells a refusal by its code, with how long to wait and how much is left', async () => {
    expect(await get('/limited')).toMatchObject({
      status: 429,
      code: 'TOO_MANY_REQUESTS',
      retryAfterMs: 7_000,
      left: 0,
    });
  });

  it('asks again where an idle connection was closed under it', async () => {
    await get('/');
    expect((await get('/cut-when-reused')).status).toBe(200);
  });

  it('answers, and does not throw, when no answer comes', async () => {
    const fresh = { method: 'GET', path: '/silent', address: '127.1.0.8' } as const;
    expect(await client.send(fresh)).toMatchObject({ status: 0, code: 'ECONNRESET' });
    await expect(client.read('/limited', '127.1.0.8')).rejects.toThrow('429');
  });

  it('counts every request for whom and what it was', () => {
    const counts = client.log.get('bot/attempt');
    expect(counts).toMatchObject({ accepted: 3, limited: 1, refused: 0, failed: 0 });
    expect(counts?.latenciesMs).toHaveLength(4);
  });
});

it('speaks TLS to https, and to nobody whose certificate it does not trust', async () => {
  const keys: unknown[] = [];
  const secure = createTlsServer(SELF_SIGNED, (request, response) => {
    keys.push(request.headers.authorization);
    response.end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => {
    secure.once('listening', resolve);
  });
  const { port } = secure.address() as AddressInfo;
  const call = { method: 'GET', path: '/', address: '127.1.0.9', bearer: 'a key' } as const;
  const ask = async () => {
    const safe = createClient(`https://127.0.0.1:${port}`, 'together');
    const { status, code } = await safe.send(call);
    safe.close();
    return { status, code };
  };
  try {
    expect(await ask()).toEqual({ status: 0, code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    expect(keys).toEqual([]);
    setDefaultCACertificates([...getCACertificates(), SELF_SIGNED.cert]);
    expect(await ask()).toMatchObject({ status: 200 });
    expect(keys).toEqual(['Bearer a key']);
  } finally {
    secure.close();
  }
});
