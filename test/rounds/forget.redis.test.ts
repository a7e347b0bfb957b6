/** What a worker keeps of a release from one step to the next: it reads again what it let go of. */
import { beforeEach, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { createLog } from '../../src/log.ts';
import { createFaults } from '../../src/outage.ts';
import { keys } from '../../src/redis/keys.ts';
import { createConductor, type Conductor } from '../../src/rounds/conduct.ts';
import { conductingWithLead } from '../../src/rounds/lead.ts';
import { entryIdOf, packEntry } from '../../src/rounds/rules.ts';
import { engineOn, fresh, letPass, publishRelease, verify } from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);
/** From opening to closing, and longer than a round of these releases takes. */
const TO_A_ROUND_S = 600;
const FAR_MS = 4_102_444_800_000;

let engine: Engine;
let release: string;
let worker: Conductor;
/** Rounds whose transcript was read, and how often the list of a round was. */
let transcriptsRead: number[];
let listsRead: number;
let isBeaconLate: boolean;

beforeEach(async () => {
  engine = engineOn(test.redis);
  ({ release } = await publishRelease(engine, test.redis, { seats: [3] }));
  [transcriptsRead, listsRead, isBeaconLate] = [[], 0, false];
  const { stores, releases, beaconOf } = engine;
  const conductor = createConductor({
    store: {
      ...stores.rounds,
      transcript: (of, round) => {
        transcriptsRead.push(round);
        return stores.rounds.transcript(of, round);
      },
    },
    drawing: {
      ...stores.drawing,
      sealedEntries: (...parts) => {
        listsRead += 1;
        return stores.drawing.sealedEntries(...parts);
      },
    },
    bookings: stores.bookings,
    releases,
    beaconOf: (manifest) => ({
      ...beaconOf(manifest),
      value: async (...parts) => (isBeaconLate ? 'NOT_YET' : beaconOf(manifest).value(...parts)),
    }),
    notify: async () => undefined,
    log: createLog('silent'),
    onFault: createFaults(createLog('silent')),
  });
  worker = conductingWithLead(conductor, stores.drawing, 'one');
});

const enter = async (): Promise<void> => {
  const id = entryIdOf(engine.secrets, release, fresh('person'));
  const packed = packEntry({ persons: [`person of ${id}`], prefs: [0], categories: [] });
  const entry = { id, packed, account: id, enterBeforeMs: Infinity };
  expect((await engine.stores.rounds.enter(release, entry)).outcome).toBe('ENTERED');
};
const draw = async (): Promise<number> => {
  await enter();
  await letPass(test.redis, TO_A_ROUND_S);
  for (let steps = 0; steps < 5; steps++) {
    const taken = await worker.step(release);
    if (taken.step === 'PUBLISHED') return taken.round;
  }
  throw new Error('no round was published');
};
/** Another worker leads for a while. */
const loseTheLead = async (): Promise<void> => {
  await test.redis.del(keys.lease(release));
  expect(await engine.stores.drawing.lead(release, 'two', 60_000)).toBe(true);
  expect(await worker.step(release)).toMatchObject({ step: 'WAITING' });
  await test.redis.del(keys.lease(release));
};

it('begins with the ledger at hand, and with none from before it lost the lead', async () => {
  expect([await draw(), await draw()]).toEqual([0, 1]);
  expect(transcriptsRead).toEqual([]);
  await loseTheLead();
  expect(await draw()).toBe(2);
  expect(transcriptsRead).toEqual([0, 1]);
  expect(await verify(engine, release)).toMatchObject({ accepted: true });
});

it('lets go of a sealed list with the lead, and draws the same of it again', async () => {
  isBeaconLate = true;
  await expect(draw()).rejects.toThrow('no round was published');
  expect(listsRead).toBe(1); // while it waits for the beacon's value
  await loseTheLead();
  isBeaconLate = false;
  expect(await worker.step(release)).toMatchObject({ step: 'PUBLISHED', round: 0 });
  expect(listsRead).toBe(2);
  expect(await verify(engine, release)).toMatchObject({ accepted: true });
});

it('keeps nothing of a release that is over', async () => {
  expect(await draw()).toBe(0);
  const place = keys.release(release);
  await test.redis.hset(place, 'ends_at_ms', 1);
  await letPass(test.redis, 24 * 60 * 60); // the offer lapses
  expect(await worker.step(release)).toEqual({ step: 'OVER' });
  // As no release is: seen is only that the ledger has gone.
  await test.redis.hset(place, 'ends_at_ms', FAR_MS);
  expect(await draw()).toBe(1);
  expect(transcriptsRead).toEqual([0]);
});
