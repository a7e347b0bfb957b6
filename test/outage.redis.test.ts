/** A Redis that is away is said, and does not fill the log. */
import { expect, it } from 'vitest';
import { createLog } from '../src/log.ts';
import { createFaults, logConnection } from '../src/outage.ts';
import { NodeAwayError } from '../src/redis/away.ts';
import { connectRedis } from '../src/redis/client.ts';
import { plainRedis } from './support/redis-node.ts';

const logged = () => {
  const lines: string[] = [];
  const log = createLog('info', { write: (line) => void lines.push(line) });
  const said = () => lines.map((line) => JSON.parse(line) as { level: number; msg: string });
  return { log, said };
};

it('says once that there is no connection, and once more the next time', async () => {
  const server = await plainRedis();
  const redis = connectRedis(server.address);
  const { log, said } = logged();
  let errors = 0;
  redis.on('error', () => {
    errors += 1;
  });
  try {
    await expect.poll(() => redis.status, { timeout: 10_000 }).toBe('ready');
    logConnection(redis, log);
    for (const outage of [1, 2]) {
      await server.kill();
      const before = errors;
      await expect.poll(() => errors - before, { timeout: 20_000 }).toBeGreaterThan(5);
      expect(said().map(({ level, msg }) => [level, msg])).toEqual(
        Array.from({ length: outage }, () => [40, 'redis']),
      );
      await server.start();
      await expect.poll(() => redis.status, { timeout: 20_000 }).toBe('ready');
    }
  } finally {
    redis.disconnect();
    await server.close();
  }
});

it('says of each node once that it is away, however many it keeps from what', () => {
  const { log, said } = logged();
  const fault = createFaults(log);
  for (const release of ['one', 'two', 'three']) {
    fault(new NodeAwayError('10.0.0.1:6379'), 'a round could not be conducted', { release });
    fault(new NodeAwayError('10.0.0.2:6379'), 'a round could not be conducted', { release });
    fault(new NodeAwayError('10.0.0.1:6379'), 'a result was not told', { release });
    // Of a slot, of which there are many.
    const moved = Object.assign(new Error(`MOVED ${release.length} 10.0.0.1:6379`), {
      name: 'ReplyError',
    });
    fault(moved, 'a result was not told', { release });
  }
  expect(said()).toMatchObject([
    { level: 40, reason: 'Redis at 10.0.0.1:6379 does not answer', release: 'one' },
    { level: 40, reason: 'Redis at 10.0.0.2:6379 does not answer', release: 'one' },
    { level: 40, msg: 'a result was not told' },
    { level: 40, reason: 'MOVED 3 10.0.0.1:6379' },
  ]);
});

it('says once what fails for it, and each time what fails by a fault of ours', () => {
  const { log, said } = logged();
  const fault = createFaults(log);
  for (let time = 0; time < 3; time += 1) {
    fault(new Error('Connection is closed.'), 'the releases could not be read');
    fault(new Error('a bug'), 'the releases could not be read');
  }
  expect(said().map(({ level }) => level)).toEqual([40, 50, 50, 50]);
});
