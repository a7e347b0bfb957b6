/** A worker that is stopped while it leads a round, and wakes up when another has led it. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, expect, it } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { sleep } from '../../src/lib/clock.ts';
import { keys } from '../../src/redis/keys.ts';
import { entryIdOf, packEntry } from '../../src/rounds/rules.ts';
import { inBatches } from '../support/batches.ts';
import {
  engineOn,
  fresh,
  nextRound,
  publishRelease,
  restore,
  snapshot,
  stateOf,
  verify,
} from '../support/engine.ts';
import { kill, spawnWorker } from '../support/processes.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);
const ENTRIES = 6_000;
/** What two looks so far apart agree on stays. */
const SETTLE_MS = 1_000;

const workers: ChildProcess[] = [];
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => kill(worker, 'SIGKILL')));
});
const startWorker = async (): Promise<ChildProcess> => {
  const worker = await spawnWorker(used.server.address, { LOG_LEVEL: 'debug' });
  workers.push(worker);
  return worker;
};
/** Stops a worker as soon as it has said that this phase is over. */
function stopAfter(worker: ChildProcess, phase: string): Promise<unknown> {
  const lines = createInterface({ input: present(worker.stdout, 'its log') });
  const stopped = new AbortController();
  lines.on('line', (line) => {
    if (!line.includes(`"phase":"${phase}"`)) return;
    worker.kill('SIGSTOP');
    stopped.abort();
  });
  return once(stopped.signal, 'abort');
}

it.each(['tree', 'assign'])(
  'changes nothing when it was stopped after the phase %s and outlived its lead',
  async (phase) => {
    const engine = engineOn(used.redis);
    const { release } = await publishRelease(engine, used.redis, { seats: [500, 300, 200] });
    const people = Array.from({ length: ENTRIES }, () => fresh('person'));
    const enter = (person: string, number: number) => {
      const prefs = [number % 3, (number + 1) % 3];
      return engine.stores.rounds.enter(release, {
        id: entryIdOf(engine.secrets, release, person),
        packed: packEntry({ persons: [person], prefs, categories: [] }),
        account: person,
        enterBeforeMs: Infinity,
      });
    };
    await inBatches(people, enter);
    await used.redis.hset(keys.release(release), { closes_at_ms: 1, next_round_at_ms: 1 });
    await engine.stores.drawing.cut(release);
    const cut = await snapshot(used.redis);
    await nextRound(engine, release);
    const digest = async () => (await engine.stores.rounds.round(release, 0))?.digest;
    const undisturbed = present(await digest(), 'a digest');

    await used.redis.flushall();
    const first = await startWorker();
    const stopped = stopAfter(first, phase);
    await restore(used.redis, cut);
    await stopped;
    expect(await digest(), 'the round is due').toBeUndefined();
    expect(await used.redis.get(keys.lease(release)), 'its lead').not.toBeNull();
    await used.redis.del(keys.lease(release)); // as if its ten seconds were over
    await startWorker();
    await expect.poll(digest).toBe(undisturbed);
    // Who confirms now would lose it to a worker that writes its results again.
    let confirmed = 0;
    for (const person of people) {
      if ((await stateOf(engine, release, person)) !== 'OFFERED') continue;
      const ref = { release, entry: entryIdOf(engine.secrets, release, person), grant: '0' };
      const reply = await engine.stores.bookings.confirm(ref, Number.MAX_SAFE_INTEGER);
      expect(reply.outcome).toBe('BOOKED');
      if (++confirmed === 20) break;
    }
    expect(confirmed).toBe(20);
    await expect.poll(() => engine.stores.rounds.notified(release)).toBe(0);
    const of = async () =>
      (await snapshot(used.redis))
        .filter(([key]) => key !== keys.lease(release))
        .map(([key, dump]) => [key, dump.toString('hex')]);
    let published = await of();
    const changed = async (): Promise<boolean> => {
      const before = published;
      await sleep(SETTLE_MS);
      published = await of();
      return JSON.stringify(published) !== JSON.stringify(before);
    };
    await expect.poll(changed).toBe(false);

    first.kill('SIGCONT');
    await kill(first, 'SIGTERM'); // it comes to the end of its step before it ends
    expect(first.exitCode).toBe(0);
    expect(await of()).toEqual(published);
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  },
);
