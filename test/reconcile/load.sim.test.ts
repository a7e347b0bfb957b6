/** No false alarm while a release is under way: people, operators and a worker never stop. */
import { expect, test } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';
import { seededRandom } from '../../src/demo/random.ts';
import { connectRedis, disconnectRedis } from '../../src/redis/client.ts';
import { isRefusal } from '../../src/refusal.ts';
import {
  engineOn,
  publishRelease,
  registerMany,
  type TestRelease,
  workerOn,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const it = useRedis(['--appendfsync', 'no']); // nothing outlives this Redis

const PEOPLE = 60;
/** So many checks, for at least and at most so long. */
const RUNS = 5;
const AT_LEAST_MS = 2_500;
const AT_MOST_MS = 30_000;
const SEED = 'reconcile under load';

type Someone = { readonly account: string; readonly person: string };

/** Somebody who enters, confirms, cancels and withdraws as fast as they are answered. */
async function restless(
  engine: Engine,
  { release, slots }: TestRelease,
  { account, person }: Someone,
  isOver: () => boolean,
): Promise<number> {
  const random = seededRandom(`${SEED} ${person}`);
  let done = 0;
  while (!isOver()) {
    const entries = await engine.rounds.list(account, release);
    const [entry] = isRefusal(entries) ? [] : entries;
    const wished = present(slots[Math.floor(random() * slots.length)], 'a slot');
    const booking = entry?.booking?.bookingId;
    let said: unknown;
    if (entry?.state === 'offered' && booking && random() < 0.6)
      said = await engine.bookings.confirm(account, booking);
    else if (booking && random() < 0.6) said = await engine.bookings.cancel(account, booking);
    else if (entry?.state === 'waiting' && random() < 0.3)
      said = await engine.rounds.withdraw(account, release, entry.entryId);
    else {
      const request = { beneficiaries: [person], preferences: [wished] };
      said = await engine.rounds.enter(account, release, request);
    }
    if (!isRefusal(said)) done += 1;
    await sleep(random() * 10);
  }
  return done;
}

/** Somebody who books at once, moves and cancels. */
async function impatient(
  engine: Engine,
  { release, slots }: TestRelease,
  { account, person }: Someone,
  isOver: () => boolean,
): Promise<number> {
  const random = seededRandom(`${SEED} ${person}`);
  let done = 0;
  while (!isOver()) {
    const slot = present(slots[Math.floor(random() * slots.length)], 'a slot');
    const booked = await engine.bookings.book(account, { release, beneficiary: person, slot });
    if (!isRefusal(booked)) {
      done += 1;
      if (random() < 0.5)
        await engine.bookings.move(account, booked.bookingId, Math.floor(random() * slots.length));
      await engine.bookings.cancel(account, booked.bookingId);
    }
  }
  return done;
}

async function conduct(engine: Engine, release: string, isOver: () => boolean): Promise<number> {
  const worker = workerOn(engine);
  let rounds = 0;
  while (!isOver()) {
    if ((await worker.step(release)).step === 'PUBLISHED') rounds += 1;
    await sleep(20);
  }
  return rounds;
}

test('the check of a release under way finds nothing', async () => {
  const { redis, server } = it;
  const [players, checker] = [connectRedis(server.address), connectRedis(server.address)];
  const [engine, checking] = [engineOn(players), engineOn(checker)];
  const wishes = { seats: [4, 3, 2], closesInS: 1, endsInS: 60, roundEveryS: 1, confirmWithinS: 1 };
  const lottery = await publishRelease(engine, redis, wishes);
  const atOnce = await publishRelease(engine, redis, { mode: 'immediate', seats: [3, 1, 2] });
  const people = await registerMany(engine, PEOPLE);
  const startMs = monotonicMs();
  const runs = { complete: 0, all: 0, isOver: false };
  const isOver = (): boolean => {
    const ms = monotonicMs() - startMs;
    return runs.isOver || ms > AT_MOST_MS || (runs.all >= RUNS && ms > AT_LEAST_MS);
  };
  const playing = people.map((one, at) =>
    at % 3 === 0 ? impatient(engine, atOnce, one, isOver) : restless(engine, lottery, one, isOver),
  );
  const conducting = conduct(engine, lottery.release, isOver);
  const lose = async (): Promise<void> => {
    const [slot = ''] = lottery.slots;
    for (let change = 1; !isOver(); change++) {
      await sleep(900);
      const loss = { change: `c${change}`, slot, pool: 'open', seats: 1 };
      await engine.releases.lose(lottery.release, loss);
    }
  };
  const losing = lose();
  try {
    while (!isOver()) {
      const report = await checking.reconciler.all();
      expect(report.releases.flatMap(({ findings }) => findings)).toEqual([]);
      runs.all += 1;
      if (report.isComplete) runs.complete += 1;
    }
    const done = (await Promise.all(playing)).reduce((sum, one) => sum + one, 0);
    const rounds = await conducting;
    await losing;
    // Otherwise nothing was tried.
    expect(done).toBeGreaterThan(200);
    expect(rounds).toBeGreaterThan(1);
    expect(runs.all).toBeGreaterThanOrEqual(RUNS);
    expect(runs.complete).toBe(runs.all);
    const last = await checking.reconciler.all({ verify: true });
    expect(last).toMatchObject({ isComplete: true, strays: [] });
    expect(last.releases.flatMap(({ findings }) => findings)).toEqual([]);
  } finally {
    runs.isOver = true;
    await Promise.allSettled([...playing, conducting, losing]);
    await Promise.all([disconnectRedis(players), disconnectRedis(checker)]);
  }
}, 60_000);
