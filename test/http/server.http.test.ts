import { Agent } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { connectRedis, disconnectRedis } from '../../src/redis/client.ts';
import { freePort, startEmbeddedRedis } from '../../src/redis/embedded.ts';
import { call, startApp, type TestApp, tokenOf } from '../support/app.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis();
let it: TestApp;
afterEach(() => it.server.close());

const THING = { name: 'a thing', sizes: [] };

describe('leaving', () => {
  test('answers what is in flight, sends the rest elsewhere, then ends', async () => {
    it = await startApp(used.redis);
    const held = it.hold();
    const agent = new Agent({ keepAlive: true });
    await it.call('GET', '/livez', { agent }); // leaves an idle connection behind
    const inFlight = it.call('PUT', '/v1/things/one', { token: await tokenOf('a'), body: THING });
    await held.started;

    const closing = it.server.close();
    await expect(call(it.server.url, 'GET', '/livez')).rejects.toThrow(/ECONNREFUSED/);
    expect(await Promise.race([closing, Promise.resolve('still waiting')])).toBe('still waiting');
    held.release();
    const answer = await inFlight;
    expect(answer.status).toBe(200);
    expect(answer.headers['connection']).toBe('close');
    await closing;
    agent.destroy();
  });

  test('is said by /readyz, and answers what comes on an open connection as its last', async () => {
    it = await startApp(used.redis);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await it.call('GET', '/livez', { agent });
    const closing = it.server.close({ idleMs: 5_000 });
    const write = { token: await tokenOf('a'), body: THING, agent };
    const answer = await it.call('PUT', '/v1/things/one', write);
    expect(answer.status).toBe(200);
    expect(answer.headers['connection']).toBe('close');
    await expect(it.call('GET', '/livez', { agent })).rejects.toThrow(/ECONNREFUSED/);
    await closing; // with the last connection, not after five seconds
    const left = { status: 503, code: 'SHUTTING_DOWN' };
    const body = () => Promise.resolve(Buffer.alloc(0));
    const from = { address: '127.0.0.1', header: () => undefined, body };
    const ready = await it.app.dispatch({ method: 'GET', url: '/readyz', ...from });
    expect(JSON.parse(ready.body as string)).toMatchObject(left);
  });

  test('waits no longer than it is told to', async () => {
    it = await startApp(used.redis);
    const held = it.hold();
    const stuck = it.call('PUT', '/v1/things/one', { token: await tokenOf('a'), body: THING });
    await held.started;
    const broken = expect(stuck).rejects.toThrow();
    await it.server.close({ timeoutMs: 100 });
    await broken;
  });
});

describe('a slow or oversized sender', () => {
  test('gets no further than 8 KiB of headers', async () => {
    it = await startApp(used.redis);
    const answer = await it.call('GET', '/livez', { headers: { 'x-filler': 'x'.repeat(9_000) } });
    expect(answer.status).toBe(431);
  });

  test('of something other than HTTP is hung up on', async () => {
    it = await startApp(used.redis);
    const socket = connect(Number(new URL(it.server.url).port), '127.0.0.1');
    socket.write('hello\r\n\r\n');
    const [reply] = await new Promise<[Buffer]>((resolve) => {
      socket.once('data', (...received: [Buffer]) => resolve(received));
    });
    expect(reply.toString()).toContain('400 Bad Request');
  });
});

describe('a Redis that is away', () => {
  test('makes 503 with Retry-After, and is forgotten when it is back', async () => {
    const port = await freePort();
    const start = () =>
      startEmbeddedRedis({ settings: ['--port', String(port), '--bind', '127.0.0.1'] });
    const first = await start();
    const redis = connectRedis({ url: `redis://127.0.0.1:${port}`, cluster: false });
    redis.on('error', () => undefined);
    it = await startApp(redis);
    expect((await it.call('GET', '/v1/stored')).status).toBe(200);

    process.kill(first.pid, 'SIGKILL');
    const refused = await it.call('GET', '/v1/stored');
    expect(refused.json).toMatchObject({ status: 503, code: 'UNAVAILABLE' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await it.call('GET', '/readyz')).status).toBe(503);
    expect((await it.call('GET', '/livez')).status).toBe(200);
    // This one asks Redis for nothing but its limits, which are then counted here.
    expect((await it.call('GET', '/v1/things/one')).status).toBe(200);
    await first.stop();

    const second = await start();
    await expect
      .poll(async () => (await it.call('GET', '/readyz')).status, { timeout: 30_000 })
      .toBe(200);
    expect((await it.call('GET', '/v1/stored')).status).toBe(200);
    await disconnectRedis(redis);
    await second.stop();
  }, 60_000);

  test.each(['READONLY', 'LOADING', 'MISCONF', 'OOM', 'CLUSTERDOWN'])(
    'is one that answers %s, too',
    async (word) => {
      it = await startApp(used.redis);
      it.held.started = () => {
        throw new Error(`${word} not now`);
      };
      const options = { token: await tokenOf('a'), body: THING };
      const answer = await it.call('PUT', '/v1/things/one', options);
      expect(answer.json).toMatchObject({ status: 503, code: 'UNAVAILABLE' });
    },
  );
});
