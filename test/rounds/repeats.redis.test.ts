/**
 * F7 with replicas: a repeat is acknowledged by the WAIT after it, which speaks of what its own
 * connection wrote. So a repeat writes again what it found.
 */
import { expect, it } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { keys } from '../../src/redis/keys.ts';
import { entryIdOf, packEntry } from '../../src/rounds/rules.ts';
import { engineOn, fresh, nextRound, publishRelease } from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis();

/** Bytes that Redis has handed to its append-only file, as to replicas. */
async function handedOn(): Promise<number> {
  const info = String(await used.redis.call('INFO', 'persistence'));
  return Number(present(/aof_current_size:(\d+)/.exec(info)?.[1], 'the size of the file'));
}

it('a repeated entry, confirmation and cancellation are handed on once more', async () => {
  const engine = engineOn(used.redis);
  const { release } = await publishRelease(engine, used.redis, { seats: [10] });
  const person = fresh('person');
  const entry = {
    id: entryIdOf(engine.secrets, release, person),
    packed: packEntry({ persons: [person], prefs: [0], categories: [] }),
    account: person,
    enterBeforeMs: Infinity,
  };
  const ref = { release, entry: entry.id, grant: '0' };
  const twice = async (act: () => Promise<{ outcome: string }>, outcome: string) => {
    expect((await act()).outcome).toBe(outcome);
    const before = await handedOn();
    expect((await act()).outcome).toBe(outcome);
    expect(await handedOn(), outcome).toBeGreaterThan(before);
  };
  await twice(() => engine.stores.rounds.enter(release, entry), 'ENTERED');
  await used.redis.hset(keys.release(release), { closes_at_ms: 1, next_round_at_ms: 1 });
  await nextRound(engine, release);
  const never = Number.MAX_SAFE_INTEGER;
  await twice(() => engine.stores.bookings.confirm(ref, never), 'BOOKED');
  const seen = { slot: 0, beginsAtMs: never };
  const cancel = async () => ({ outcome: await engine.stores.bookings.cancel(ref, seen) });
  await twice(cancel, 'CANCELLED');
});
