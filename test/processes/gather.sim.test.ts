/** What is scraped of a process that is not yet ready. */
import { afterEach, expect, it } from 'vitest';
import { createGather } from '../../src/processes/gather.ts';
import { createLaunch } from '../../src/processes/launch.ts';
import { environmentOn, kill } from '../support/processes.ts';
import { plainRedis } from '../support/redis-node.ts';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

it('has a worker on the page that was asked while it started', async () => {
  const redis = await plainRedis();
  ends.push(redis.close);
  // Until it goes on, the worker waits for its time and has no engine to read from.
  redis.signal('SIGSTOP');
  const settings = { SMS_DRIVER: 'inbox', LOG_LEVEL: 'silent' };
  const worker = createLaunch(environmentOn(redis.address, settings))('worker-1');
  ends.push(() => kill(worker, 'SIGKILL'));
  const gather = createGather();
  const scrape = async (): Promise<string> => (await gather([worker])).join('');

  expect(await scrape()).toBe('');
  redis.signal('SIGCONT');
  await expect
    .poll(scrape, { timeout: 20_000, interval: 100 })
    .toMatch(/^fairslot_rounds_published_total\{process="worker-1"\} 0$/m);
});
