/** What is scraped of a process that is not yet ready. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { sleep } from '../../src/lib/clock.ts';
import { PATIENCE_MS } from '../../src/metrics/patience.ts';
import { createGather } from '../../src/processes/gather.ts';
import { createLaunch } from '../../src/processes/launch.ts';
import { connectRedis, disconnectRedis } from '../../src/redis/client.ts';
import { engineOn, publishRelease } from '../support/engine.ts';
import { environmentOn, kill } from '../support/processes.ts';
import { plainRedis } from '../support/redis-node.ts';

/** A way to a Redis on which every reply is late. */
async function slowLink(redisPort: number) {
  let delayMs = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const redis = connect(redisPort, '127.0.0.1');
    for (const socket of [client, redis]) {
      sockets.add(socket);
      socket.on('error', () => undefined); // either end is killed
    }
    client.pipe(redis);
    redis.on('data', (reply) => setTimeout(() => client.write(reply), delayMs));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    /** From now on. */
    delay: (ms: number): void => {
      delayMs = ms;
    },
    close: async (): Promise<void> => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

it('has a worker on the page that was asked while it started', async () => {
  const redis = await plainRedis();
  ends.push(redis.close);
  // Until it goes on, the worker waits for its time.
  redis.signal('SIGSTOP');
  const settings = { SMS_DRIVER: 'inbox', LOG_LEVEL: 'silent' };
  const worker = createLaunch(environmentOn(redis.address, settings))('worker-1');
  ends.push(() => kill(worker, 'SIGKILL'));
  const gather = createGather(PATIENCE_MS.process);
  const scrape = async (): Promise<string> => (await gather([worker])).join('');

  expect(await scrape()).not.toContain('fairslot_redis_up{process="worker-1"} 1');
  redis.signal('SIGCONT');
  await expect
    .poll(scrape, { timeout: 20_000, interval: 100 })
    .toMatch(/^fairslot_redis_up\{process="worker-1"\} 1$/m);
  expect(await scrape()).toMatch(/^fairslot_rounds_published_total\{process="worker-1"\} 0$/m);
});

it('has all that a worker tells on the page while Redis is slow', async () => {
  const server = await plainRedis();
  ends.push(server.close);
  const redis = connectRedis(server.address);
  ends.push(() => disconnectRedis(redis));
  await publishRelease(engineOn(redis), redis, { seats: [1] });
  const settings = { SMS_DRIVER: 'inbox', LOG_LEVEL: 'silent' };
  const link = await slowLink(server.port);
  ends.push(link.close);
  const address = { ...server.address, url: `redis://127.0.0.1:${link.port}` };
  const worker = createLaunch(environmentOn(address, settings))('worker-1');
  ends.push(() => kill(worker, 'SIGKILL'));
  const gather = createGather(PATIENCE_MS.process);
  const scrape = async (): Promise<string> => (await gather([worker])).join('');
  const count = /^fairslot_rounds_published_total\{process="worker-1"\} 0$/m;
  const census = /^fairslot_releases_releases\{phase="open",process="worker-1"\} 1$/m;
  await expect.poll(scrape, { timeout: 20_000, interval: 100 }).toMatch(census);

  // Four replies one after another are a census: longer than a scrape waits for it.
  link.delay(400);
  for (let times = 0; times < 5; times++) {
    await sleep(3_000);
    const page = await scrape();
    expect(page).toMatch(count);
    expect(page).toMatch(census);
    expect(page).toMatch(/^fairslot_redis_up\{process="worker-1"\} 1$/m);
  }
}, 60_000);
