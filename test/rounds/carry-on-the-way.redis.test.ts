/** Standing entries on their way: out of one release, not yet settled in the next. */
import { beforeEach, describe, expect, it } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { keys } from '../../src/redis/keys.ts';
import type { Moving } from '../../src/rounds/carry/carry-store.ts';
import { entryIdOf } from '../../src/rounds/rules.ts';
import { unpackStanding } from '../../src/rounds/carry/standing.ts';
import { engineOn, granted, type TestRelease } from '../support/engine.ts';
import { useSeries } from './series.ts';

const series = useSeries();
const { open, stand, withdraw, end, state, entry, left, carry, handOut } = series;

describe('an entry on its way', () => {
  let second: TestRelease;
  let moving: Moving;
  const arriveInSecond = async (): Promise<void> => {
    const entrance = await series.engine.rounds.entrance(second.release);
    const { outcome } = await entrance.carryIn(unpackStanding(moving.standing));
    expect(outcome).toBe('ENTERED');
  };
  beforeEach(async () => {
    await stand(series.first);
    await end(series.first);
    second = await open({ opensInS: -50 });
    moving = present((await handOut(series.first, second)).moving[0], 'an entry');
  });

  it('that is withdrawn is so also if the release it was on its way to is over by then', async () => {
    await arriveInSecond();
    granted(await withdraw(series.first));
    await end(second);
    const third = await open({ opensInS: -40 });
    expect(await carry(third)).toEqual(['WITHDRAWN']);
    expect(await state(third)).toBe('NONE');
    expect(await Promise.all([series.first, second, third].map(left))).toEqual([0, 0, 0]);
  });

  it('that is withdrawn is so also if it is on its way from there as well by then', async () => {
    await arriveInSecond();
    await end(second);
    const third = await open({ opensInS: -40 });
    await handOut(second, third);
    granted(await withdraw(series.first));
    expect(await carry(third)).toEqual(['WITHDRAWN', 'WITHDRAWN']);
    expect(await state(third)).toBe('NONE');
  });

  it('that is withdrawn is so also if it has come into the release after that by then', async () => {
    await arriveInSecond();
    await end(second);
    const third = await open({ opensInS: -40 });
    const slow = engineOn(series.redis);
    const { done } = slow.stores.carry;
    slow.stores.carry.done = async (...parts) => {
      if (parts[0] === series.first.release) await withdraw(series.first);
      return done(...parts);
    };
    expect(await carry(third, slow)).toEqual(['ALREADY', 'ENTERED', 'WITHDRAWN']);
    expect(await state(third)).toBe('NONE');
    expect(await Promise.all([series.first, second, third].map(left))).toEqual([0, 0, 0]);
  });

  it('is known where it has come, however late the script is sent again', async () => {
    await arriveInSecond();
    const id = entryIdOf(series.engine.secrets, second.release, series.who.person);
    const packed = present(await series.redis.hget(keys.entering(second.release), id), 'an entry');
    const late = {
      id,
      packed,
      account: series.who.account,
      enterBeforeMs: 1,
      standing: moving.standing,
    };
    expect(await series.engine.stores.rounds.carry(second.release, late, 'CARRIED')).toEqual({
      outcome: 'ALREADY_CARRIED',
      entered: true,
    });
  });

  it('that is withdrawn is so also if it was taken back as not entered, and is', async () => {
    await series.engine.stores.carry.done(series.first.release, 'BACK', [moving]);
    await arriveInSecond(); // of another worker
    granted(await withdraw(series.first));
    expect(await state(series.first)).toBe('OVER');
    expect((await entry(series.first)).carryOver).toBeNull();
    expect(await carry(second)).toEqual(['WITHDRAWN']);
    expect(await state(second)).toBe('NONE');
    expect(await Promise.all([series.first, second].map(left))).toEqual([0, 0]);
  });

  it('into a release that is over goes to the next one at once', async () => {
    granted(await series.engine.releases.end(second.release));
    const third = await open({ opensInS: -40 });
    expect(await carry(third)).toEqual(['LATER', 'ENTERED']);
  });
});
