/** Standing entries are carried exactly once, at whatever call a worker dies. */
import { describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { keys } from '../../src/redis/keys.ts';
import { isRefusal } from '../../src/refusal.ts';
import { unpackStanding } from '../../src/rounds/carry/standing.ts';
import {
  carrierOn,
  engineOn,
  forgetSms,
  granted,
  letPass,
  nextRound,
  type TestRelease,
} from '../support/engine.ts';
import { type Who, useSeries } from './series.ts';

const series = useSeries();
const {
  open,
  arrive,
  manifestOf,
  stand,
  enter,
  withdraw,
  end,
  states,
  state,
  entry,
  left,
  carry,
  giveMobile,
  templates,
} = series;

class Died extends Error {}
/** An engine whose stores stop answering once so many calls are used up. */
function mortal(calls: number): Engine {
  const dying = engineOn(series.redis);
  let life = calls;
  for (const store of [...Object.values(dying.stores), dying.outbox] as Record<string, unknown>[])
    for (const [name, call] of Object.entries(store))
      store[name] = async (...parts: unknown[]): Promise<unknown> => {
        if (life-- <= 0) throw new Died();
        return (call as (...all: unknown[]) => Promise<unknown>)(...parts);
      };
  return dying;
}
/** More calls than carrying two entries needs. */
const CALLS = 44;
const everyCrash = Array.from({ length: CALLS }, (_crash, calls) => calls);

describe('whatever dies while entries are carried', () => {
  let other: Who;
  let second: TestRelease;
  /** The carrier dies after so many calls. */
  const dieAfter = async (calls: number): Promise<void> => {
    const dying = mortal(calls);
    const manifest = await manifestOf(second);
    await carrierOn(dying)(manifest).catch((error: unknown) => {
      expect(error).toBeInstanceOf(Died);
    });
  };
  const begin = async (): Promise<void> => {
    await series.begin();
    other = await arrive();
    await stand(series.first);
    await stand(series.first, { account: other.account, people: [other.person] });
    await end(series.first);
    second = await open();
  };
  const standingIn = async ({ release }: TestRelease): Promise<string[]> =>
    (await series.redis.hvals(keys.standing(release)))
      .map((packed) => present(unpackStanding(packed).persons[0], 'a lead'))
      .toSorted();
  const settle = async (): Promise<void> => {
    await carry(second);
    expect(await left(series.first)).toBe(0);
    expect(await carry(second)).toEqual([]);
  };

  it('the next worker carries each exactly once', async () => {
    let died = 0;
    for (const calls of everyCrash) {
      await begin();
      await dieAfter(calls);
      died += Number((await left(series.first)) > 0);
      await settle();
      expect(await states(second, series.who, other), `after ${calls}`).toEqual([
        'ENTERED',
        'ENTERED',
      ]);
      expect(await standingIn(second)).toEqual([series.who.person, other.person].toSorted());
      const events = await series.redis.xrange(keys.audit(second.release), '-', '+');
      expect(events.filter(([, [, event]]) => event?.startsWith('carried '))).toHaveLength(2);
    }
    expect(died).toBeGreaterThan(10);
    expect(died, 'some finish').toBeLessThan(CALLS);
  });

  it('who withdraws in the new release is not entered again', async () => {
    for (const calls of everyCrash) {
      await begin();
      await dieAfter(calls);
      const withdrawn = await withdraw(second);
      await settle();
      expect(await states(second, series.who, other), `after ${calls}`).toEqual([
        isRefusal(withdrawn) ? 'ENTERED' : 'NONE',
        'ENTERED',
      ]);
      expect(await left(second)).toBe(isRefusal(withdrawn) ? 2 : 1);
    }
  });

  it('who withdraws in the old release is not in the new one', async () => {
    let withdrawals = 0;
    for (const calls of everyCrash) {
      await begin();
      await dieAfter(calls);
      const withdrawn = await withdraw(series.first);
      withdrawals += isRefusal(withdrawn) ? 0 : 1;
      expect((await entry(series.first)).carryOver).toBeNull();
      await settle();
      expect(await states(second, series.who, other), `after ${calls}`).toEqual([
        isRefusal(withdrawn) ? 'ENTERED' : 'NONE',
        'ENTERED',
      ]);
      if (!isRefusal(withdrawn)) expect(await standingIn(second)).toEqual([other.person]);
    }
    expect(withdrawals).toBeGreaterThan(10);
  });

  it('who withdraws in the old release and enters the new one by hand is in it', async () => {
    for (const calls of everyCrash) {
      await begin();
      await dieAfter(calls);
      await withdraw(series.first);
      await letPass(series.redis, 11);
      granted(await enter(second));
      await settle();
      expect(await states(second, series.who, other), `after ${calls}`).toEqual([
        'ENTERED',
        'ENTERED',
      ]);
      expect(await standingIn(second)).toEqual([other.person]);
    }
  });

  it('what was on its way into a release that has ended goes to the next one, once', async () => {
    for (const calls of everyCrash) {
      await begin();
      await dieAfter(calls);
      await end(second);
      const third = await open({ opensInS: -40 });
      await carry(third);
      await letPass(series.redis, 11);
      await carry(third);
      expect(await states(third, series.who, other), `after ${calls}`).toEqual([
        'ENTERED',
        'ENTERED',
      ]);
      expect([await left(series.first), await left(second), await left(third)]).toEqual([0, 0, 2]);
    }
  });

  it('who withdraws in the old release between entry and clean-up is not in the new one', async () => {
    await begin();
    const slow = engineOn(series.redis);
    const { done } = slow.stores.carry;
    slow.stores.carry.done = async (...parts) => {
      if (parts[1] === 'ARRIVED') await withdraw(series.first);
      return done(...parts);
    };
    expect(await carry(second, slow)).toEqual(['ENTERED', 'ENTERED']);
    expect(await states(second, series.who, other)).toEqual(['ENTERED', 'ENTERED']);
    expect(await carry(second)).toEqual(['WITHDRAWN']);
    expect(await states(second, series.who, other)).toEqual(['NONE', 'ENTERED']);
    expect([await left(series.first), await left(second)]).toEqual([0, 1]);
  });

  it('who was to be told of an entry is told', async () => {
    for (const calls of everyCrash) {
      await begin();
      await giveMobile();
      await dieAfter(calls);
      await settle();
      const told = await templates();
      expect(told.length, `after ${calls}`).toBeGreaterThan(0);
      expect(told.length).toBeLessThan(3);
      await forgetSms(series.redis);
    }
  });

  it('a seat that was let go does not bring an entry back', async () => {
    for (const calls of everyCrash) {
      await begin();
      await dieAfter(calls);
      await letPass(series.redis, 600);
      await series.engine.stores.drawing.cut(second.release);
      await nextRound(series.engine, second.release);
      if ((await state(second)) !== 'OFFERED') continue;
      await letPass(series.redis, 901);
      await end(second);
      const third = await open({ opensInS: -40 });
      await carry(third);
      expect(await state(third), `after ${calls}`).toBe('NONE');
    }
  });

  it('a withdrawal while its round is drawn is seen to when it is over', async () => {
    const seen = new Set<string>();
    for (const calls of everyCrash) {
      await begin();
      await dieAfter(calls);
      const isWithdrawn = !isRefusal(await withdraw(series.first));
      await letPass(series.redis, 600);
      await series.engine.stores.drawing.cut(second.release);
      await carry(second);
      const drawing = present(await state(second), 'a state');
      await nextRound(series.engine, second.release);
      await carry(second);
      expect(await left(series.first)).toBe(0);
      if (!isWithdrawn) continue;
      const drawn = present(await state(second), 'a state');
      seen.add(`${drawing} ${drawn}`);
      // A seat that the draw gave is theirs to refuse.
      expect(['NONE NONE', 'SEALED NONE', 'SEALED OFFERED']).toContain(`${drawing} ${drawn}`);
    }
    expect(seen.size).toBeGreaterThan(1);
  });
});
