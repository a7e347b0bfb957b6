/** Standing entries end: withdrawn, with a seat, at their time, or with somebody gone. */
import { describe, expect, it } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { keys } from '../../src/redis/keys.ts';
import { entryIdOf } from '../../src/rounds/rules.ts';
import { unpackStanding } from '../../src/rounds/carry/standing.ts';
import { bookingOf, codeOf, granted, letPass, nextRound } from '../support/engine.ts';
import { useSeries } from './series.ts';

const series = useSeries();
const { open, stand, withdraw, end, state, entry, left, carry, handOut, giveMobile, templates } =
  series;

describe('a standing entry is over', () => {
  it('when it is withdrawn, also from a release that has ended', async () => {
    await stand(series.first);
    await end(series.first);
    expect((await entry(series.first)).carryOver).not.toBeNull();
    granted(await withdraw(series.first));
    expect((await entry(series.first)).carryOver).toBeNull();
    expect(codeOf(await withdraw(series.first))).toBe('RELEASE_ENDED');
    expect(await carry(await open())).toEqual([]);
  });

  it('when it is withdrawn where it was carried to; where it was, nothing is left to withdraw', async () => {
    await stand(series.first);
    await end(series.first);
    const second = await open();
    await carry(second);
    expect(codeOf(await withdraw(series.first))).toBe('RELEASE_ENDED');
    expect(await state(second)).toBe('ENTERED');
    granted(await withdraw(second));
    await end(second);
    expect(await carry(await open())).toEqual([]);
  });

  it('when it is withdrawn from a release that could not take it', async () => {
    await stand(series.first);
    await end(series.first);
    const second = await open({ places: { dose: 2 } });
    await carry(second);
    granted(await withdraw(second));
    expect(await series.engine.rounds.list(series.who.account, second.release)).toEqual([]);
    expect(codeOf(await withdraw(second))).toBe('ENTRY_UNKNOWN');
    await end(second);
    expect(await carry(await open())).toEqual([]);
  });

  it.each(['OFFERED', 'BOOKED', 'CANCELLED', 'LAPSED'])(
    'when it was given a seat, whatever came of it: %s',
    async (wanted) => {
      await stand(series.first);
      await letPass(series.redis, 600);
      await nextRound(series.engine, series.first.release);
      const booking = await bookingOf(series.engine, series.who.account, series.first.release);
      if (wanted === 'BOOKED')
        granted(await series.engine.bookings.confirm(series.who.account, booking));
      if (wanted === 'CANCELLED')
        granted(await series.engine.bookings.cancel(series.who.account, booking));
      if (wanted === 'LAPSED') await letPass(series.redis, 901);
      expect(await state(series.first)).toBe(wanted);
      expect((await entry(series.first)).carryOver).toBeNull();
      await end(series.first);
      const second = await open();
      expect(await carry(second)).toEqual([]);
      expect(await state(second)).toBe('NONE');
      expect(await left(series.first)).toBe(0);
    },
  );

  it('when its time has come, which is told', async () => {
    await giveMobile();
    await stand(series.first);
    const id = entryIdOf(series.engine.secrets, series.first.release, series.who.person);
    const standing = String(await series.redis.hget(keys.standing(series.first.release), id));
    await end(series.first);
    await series.redis.hset(keys.standing(series.first.release), id, standing.replace(/^\d+/, '1'));
    const second = await open();
    expect(await carry(second)).toEqual(['EXPIRED']);
    expect(await templates()).toEqual(['standing-over']);
    expect(await state(second)).toBe('NONE');
    expect(await left(series.first)).toBe(0);
  });

  it('when its time has come, which nobody is told who was entered before that', async () => {
    await giveMobile();
    await stand(series.first);
    await end(series.first);
    const second = await open();
    const { moving, nowMs } = await handOut(series.first, second);
    const { id, standing } = present(moving[0], 'an entry');
    const over = standing.replace(/^\d+/, String(nowMs));
    const entrance = await series.engine.rounds.entrance(second.release);
    expect(await entrance.carryIn(unpackStanding(over))).toMatchObject({ outcome: 'ENTERED' });
    await series.redis.hset(keys.carrying(series.first.release), id, over);
    expect(await carry(second)).toEqual(['ALREADY']);
    expect(await state(second)).toBe('ENTERED');
    expect(await templates()).toEqual(['carried']);
  });

  it('when a person of it has left its account', async () => {
    await stand(series.first);
    await end(series.first);
    granted(await series.engine.people.removeBeneficiary(series.who.account, series.who.person));
    expect(await carry(await open())).toEqual(['LEFT']);
    expect(await left(series.first)).toBe(0);
  });
});
