/** Workers carry standing entries: in batches, beside one another, before they draw. */
import { describe, expect, it } from 'vitest';
import { createEngine } from '../../src/engine.ts';
import { createLog } from '../../src/log.ts';
import { createFaults } from '../../src/outage.ts';
import { NodeAwayError } from '../../src/redis/away.ts';
import { keys } from '../../src/redis/keys.ts';
import { isRefusal } from '../../src/refusal.ts';
import { carryingOver } from '../../src/rounds/carry/carry.ts';
import { entryIdOf, unpackEntry } from '../../src/rounds/rules.ts';
import {
  carrierOn,
  engineOn,
  granted,
  letPass,
  nextRound,
  registerMany,
  type TestRelease,
  workerOn,
} from '../support/engine.ts';
import { SECRET } from '../support/app.ts';
import { type Who, useSeries } from './series.ts';

const series = useSeries();
const {
  open,
  arrive,
  manifestOf,
  untilOf,
  stand,
  withdraw,
  end,
  states,
  state,
  left,
  carry,
  handOut,
} = series;

/** So many enter to be carried over, each under an account of their own. */
const standMany = async (one: TestRelease, count: number): Promise<Who[]> => {
  const people = await registerMany(series.engine, count);
  for (const { account, person } of people) await stand(one, { account, people: [person] });
  return people;
};

describe('two workers at once', () => {
  it('enter each once, and lose and withdraw nobody', async () => {
    const people = await standMany(series.first, 30);
    await end(series.first);
    const second = await open();
    const [here, there] = [engineOn(series.redis), engineOn(series.redis)];
    await Promise.all([carry(second, here), carry(second, there), carry(second)]);
    await carry(second);
    expect(new Set(await states(second, ...people))).toEqual(new Set(['ENTERED']));
    expect(await series.redis.hlen(keys.standing(second.release))).toBe(30);
    expect(await left(series.first)).toBe(0);
  });

  it('never enter who withdraws at the same time', async () => {
    const people = await standMany(series.first, 40);
    await end(series.first);
    const second = await open();
    const [answers] = await Promise.all([
      Promise.all(people.map((one) => withdraw(series.first, one))),
      carry(second),
      carry(second, engineOn(series.redis)),
    ]);
    await carry(second);
    const foretold = answers.map((answer) => (isRefusal(answer) ? 'ENTERED' : 'NONE'));
    expect(await states(second, ...people)).toEqual(foretold);
    expect(await left(series.first)).toBe(0);
    expect(await left(second)).toBe(foretold.filter((one) => one === 'ENTERED').length);
  });
});

describe('many', () => {
  it('are carried in batches, without a second look at what is empty', async () => {
    const count = 1_100;
    const people = await registerMany(series.engine, count);
    const until = await untilOf(series.first);
    const [slot = ''] = series.first.slots;
    await Promise.all(
      people.map(async ({ account, person }) =>
        granted(
          await series.engine.rounds.enter(account, series.first.release, {
            beneficiaries: [person],
            preferences: [slot],
            carryOverUntil: until,
          }),
        ),
      ),
    );
    await end(series.first);
    const second = await open();
    const carrier = carrierOn(series.engine);
    const manifest = await manifestOf(second);
    const index = () => series.redis.zrange(keys.series(series.name), '0', '-1');
    expect(await carrier(manifest)).toBe(true);
    expect(await series.redis.hlen(keys.entering(second.release))).toBe(500);
    expect(await carrier(manifest)).toBe(true);
    expect(await carrier(manifest)).toBe(false);
    expect(await series.redis.hlen(keys.entering(second.release))).toBe(count);
    expect(await index()).toEqual([series.first.release, second.release]);
    expect(await carrier(manifest)).toBe(false);
    expect(await index()).toEqual([second.release]);
    const held = await series.redis.hvals(keys.entering(second.release));
    expect(new Set(held.map((packed) => unpackEntry(packed).persons[0])).size).toBe(count);
  });
});

describe('a step', () => {
  it('takes a batch in all, and is in no hurry where only time helps', async () => {
    const before = await open({ opensInS: -90 });
    await standMany(before, 300);
    await standMany(series.first, 300);
    for (const { release } of [before, series.first])
      granted(await series.engine.releases.end(release));
    const second = await open({ opensInS: -50 });
    const carrier = carrierOn(series.engine);
    const manifest = await manifestOf(second);
    expect(await carrier(manifest)).toBe(false); // their claims were used a moment ago
    expect(await left(before)).toBe(300);
    await letPass(series.redis, 11);
    expect(await carrier(manifest)).toBe(true);
    expect(await series.redis.hlen(keys.entering(second.release))).toBe(500);
    expect(await carrier(manifest)).toBe(false);
    expect(await series.redis.hlen(keys.entering(second.release))).toBe(600);
  });
});

describe('a release that is over by the clock alone', () => {
  it('is looked at again, in case the clock is set back and somebody enters', async () => {
    const second = await open({ opensInS: -50, closesInS: 90_000, endsInS: 100_000 });
    await letPass(series.redis, 600);
    await nextRound(series.engine, series.first.release); // nobody is in it
    await letPass(series.redis, 6_650);
    expect(await carry(second)).toEqual([]);
    const index = () => series.redis.zrange(keys.series(series.name), '0', '-1');
    expect(await index()).toEqual([series.first.release, second.release]);
    await letPass(series.redis, -60);
    await stand(series.first);
    await letPass(series.redis, 90);
    expect(await carry(second)).toEqual(['ENTERED']);
    expect(await carry(second)).toEqual([]);
    expect(await index()).toEqual([series.first.release, second.release]);
    await letPass(series.redis, 3_600);
    expect(await carry(second)).toEqual([]);
    expect(await index()).toEqual([second.release]);
  });
});

describe('the conductor of a release', () => {
  it('carries before it draws, and draws also where carrying fails', async () => {
    await stand(series.first);
    const lost = await arrive();
    await stand(series.first, { account: lost.account, people: [lost.person] });
    const id = entryIdOf(series.engine.secrets, series.first.release, lost.person);
    await series.redis.hset(keys.standing(series.first.release), id, 'nonsense');
    await end(series.first);
    const second = await open();
    const { releases } = series.engine;
    const onFault = createFaults(createLog('silent'));
    const worker = carryingOver(workerOn(series.engine), carrierOn(series.engine), {
      releases,
      onFault,
    });
    expect(await worker.step(second.release)).toMatchObject({ step: 'WAITING' });
    expect(await state(second)).toBe('ENTERED');
    await letPass(series.redis, 600);
    expect(await worker.step(second.release)).toMatchObject({ step: 'PUBLISHED', round: 0 });
    const failing = carryingOver(workerOn(series.engine), () => Promise.reject(new Error('died')), {
      releases,
      onFault,
    });
    expect(await failing.step(second.release)).toMatchObject({ step: 'WAITING' });
    expect(await state(second)).toBe('OFFERED');
  });
});

describe('while a shard is away', () => {
  const away = new NodeAwayError('127.0.0.1:7001');
  const failing = () => Promise.reject(away);
  type Line = { level: number; msg: string; reason?: string };
  const logged = () => {
    const lines: Line[] = [];
    const log = createLog('info', { write: (line) => void lines.push(JSON.parse(line) as Line) });
    return { lines, onFault: createFaults(log) };
  };
  const once = (msg: string) => [expect.objectContaining({ level: 40, msg, reason: away.message })];

  it('says once what keeps entries from being carried, and carries them after it', async () => {
    await standMany(series.first, 30);
    await end(series.first);
    const second = await open();
    const { lines, onFault } = logged();
    const { engine } = series;
    const rounds = { ...engine.rounds };
    const entrance = { isShut: false, carryIn: failing, find: failing };
    rounds.entrance = async () => entrance;
    const carrier = carrierOn({ ...engine, rounds }, undefined, onFault);
    for (let step = 0; step < 3; step++) await carrier(await manifestOf(second));
    expect(lines).toEqual(once('an entry was not carried over'));
    lines.length = 0;
    const worker = carryingOver(workerOn(engine), failing, { releases: engine.releases, onFault });
    for (let step = 0; step < 3; step++) await worker.step(second.release);
    expect(lines).toEqual(once('standing entries were not carried and are tried again'));
    expect(await carry(second)).toEqual(Array.from({ length: 30 }, () => 'ENTERED'));
  });

  it('says once that a result was not told, and tells it after it', async () => {
    const { engine, first } = series;
    await series.enter(first);
    await letPass(series.redis, 600);
    await nextRound(engine, first.release);
    const { lines, onFault } = logged();
    const worker = workerOn(engine, engine.stores.drawing, { notify: failing, onFault });
    for (let step = 0; step < 3; step++) await worker.step(first.release);
    expect(lines).toEqual(once('a result was not told and is told again'));
    expect(await engine.stores.rounds.notified(first.release)).toBe(-1);
    await workerOn(engine).step(first.release);
    expect(await engine.stores.rounds.notified(first.release)).toBe(0);
  });

  it('warns that people could not be told of what stood, and carries them all the same', async () => {
    await standMany(series.first, 3);
    await end(series.first);
    const second = await open();
    const { lines, onFault } = logged();
    const { engine } = series;
    const outbox = { ...engine.outbox, send: failing };
    const carrier = carrierOn({ ...engine, outbox }, undefined, onFault);
    await carrier(await manifestOf(second));
    expect(lines).toEqual(once('people were not told what became of their standing entries'));
    expect(await left(series.first)).toBe(0);
  });
});

describe('a release whose receipts cannot be signed', () => {
  it('is carried into by nobody, and its key is asked for once a step', async () => {
    await standMany(series.first, 3);
    await end(series.first);
    const second = await open();
    const logged: unknown[] = [];
    const log = createLog('silent');
    log.error = (what: unknown) => void logged.push(what);
    const keyless = createEngine(
      series.redis,
      { secret: SECRET, receiptSecrets: ['another secret, of at least thirty-two bytes'] },
      { log, onBeaconAnswer: () => undefined },
    );
    expect(await carry(second, keyless)).toEqual([]);
    expect(logged).toHaveLength(1);
    expect(await left(series.first)).toBe(3);
    await handOut(series.first, second);
    expect(await carry(second, keyless)).toEqual(['LATER', 'LATER', 'LATER']);
    expect(logged).toHaveLength(2);
    expect(await carry(second)).toEqual(['ENTERED', 'ENTERED', 'ENTERED']);
  });
});
