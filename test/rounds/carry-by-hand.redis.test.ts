/** What people enter by hand goes before what stands for them. */
import { beforeEach, describe, expect, it } from 'vitest';
import { keys } from '../../src/redis/keys.ts';
import { unpackEntry } from '../../src/rounds/rules.ts';
import {
  bookingOf,
  granted,
  letPass,
  nextRound,
  register,
  type TestRelease,
} from '../support/engine.ts';
import { type Who, useSeries } from './series.ts';

const series = useSeries();
const { open, untilOf, stand, enter, withdraw, end, states, state, entry, left, carry } = series;

describe('whoever enters by hand', () => {
  it('says anew whether they stand', async () => {
    await stand(series.first);
    const until = await untilOf(series.first);
    expect((await entry(series.first)).carryOver).toEqual({ until, refused: null });
    await stand(series.first, undefined, 2);
    expect((await entry(series.first)).carryOver?.until).toBe(await untilOf(series.first, 2));
    granted(await enter(series.first));
    expect((await entry(series.first)).carryOver).toBeNull();
    await stand(series.first);
    const other = await register(series.engine, series.who.account);
    granted(await enter(series.first, series.who, [series.who.person, other]));
    expect(await left(series.first)).toBe(0);
  });

  it.each(['ENTERED', 'SEALED', 'WAITING', 'OFFERED', 'CANCELLED'])(
    'is not carried in as well: their entry is %s',
    async (wanted) => {
      await stand(series.first);
      await end(series.first);
      const second = await open({ endsInS: 90_000 });
      // One seat is none for two.
      const company =
        wanted === 'WAITING' ? [await register(series.engine, series.who.account)] : [];
      granted(await enter(second, series.who, [series.who.person, ...company]));
      if (wanted !== 'ENTERED') await letPass(series.redis, 600);
      if (wanted === 'SEALED') await series.engine.stores.drawing.cut(second.release);
      if (['WAITING', 'OFFERED', 'CANCELLED'].includes(wanted))
        await nextRound(series.engine, second.release);
      if (wanted === 'CANCELLED')
        granted(
          await series.engine.bookings.cancel(
            series.who.account,
            await bookingOf(series.engine, series.who.account, second.release),
          ),
        );
      expect(await state(second)).toBe(wanted);
      expect(await carry(second)).toEqual(['REPLACED']);
      expect(await state(second)).toBe(wanted);
      expect((await entry(second)).carryOver).toBeNull();
      expect((await left(series.first)) + (await left(second))).toBe(0);
    },
  );

  it('is not carried in after they withdrew there', async () => {
    await stand(series.first);
    await end(series.first);
    const second = await open();
    granted(await enter(second));
    granted(await withdraw(second));
    expect(await carry(second)).toEqual(['REPLACED']);
    expect(await state(second)).toBe('NONE');
    expect((await left(series.first)) + (await left(second))).toBe(0);
  });

  it('takes a whole group out, whoever of it comes, here or in another release of the series', async () => {
    const other = await register(series.engine, series.who.account);
    const group = { account: series.who.account, people: [series.who.person, other] };
    await stand(series.first, group);
    await end(series.first);
    const second = await open();
    granted(await enter(second, series.who, [other]));
    expect(await carry(second)).toEqual(['REPLACED']);
    await end(second);

    const third = await open();
    await stand(third, group);
    await end(third);
    const [fourth, fifth] = [await open({ opensInS: -50 }), await open({ opensInS: -40 })];
    granted(await enter(fifth, series.who, [other]));
    expect(await carry(fourth)).toEqual(['REPLACED']);
    expect(await Promise.all([series.first, second, third, fourth].map(left))).toEqual([
      0, 0, 0, 0,
    ]);
  });

  it('may do so in a release that could not take the entry', async () => {
    await stand(series.first);
    await end(series.first);
    const second = await open({ seats: [1], places: { service: 'COVAXIN' } });
    await carry(second);
    granted(await enter(second));
    expect(await entry(second)).toMatchObject({ state: 'entered', carryOver: null });
    expect(await left(second)).toBe(0);
  });
});

describe('a group of which one enters by hand', () => {
  let mate: Who;
  let group: { account: string; people: string[] };
  beforeEach(async () => {
    mate = {
      account: series.who.account,
      person: await register(series.engine, series.who.account),
    };
    group = { account: series.who.account, people: [series.who.person, mate.person] };
    await stand(series.first, group);
    await end(series.first);
  });
  const sizes = async ({ release }: TestRelease): Promise<number[]> =>
    (await series.redis.hvals(keys.entering(release))).map(
      (one) => unpackEntry(one).persons.length,
    );

  it('stands no longer in the release that had passed it over', async () => {
    const second = await open({ places: { service: 'COVAXIN' } });
    expect(await carry(second)).toEqual(['REFUSED']);
    expect(await states(second, series.who, mate)).toEqual(['STANDING', 'NONE']);
    granted(await enter(second, mate));
    expect(await left(second)).toBe(0);
    expect(await states(second, series.who, mate)).toEqual(['NONE', 'ENTERED']);
    await end(second);
    const third = await open();
    expect(await carry(third)).toEqual([]);
  });

  it('gives way to what that one has stand there', async () => {
    const second = await open({ places: { service: 'COVAXIN' } });
    await carry(second);
    await stand(second, { account: series.who.account, people: [mate.person] });
    await end(second);
    const third = await open({ places: { service: 'COVAXIN' } });
    expect(await carry(third)).toEqual(['ENTERED']);
    expect(await sizes(third)).toEqual([1]);
  });

  it('gives way to the wish of that one, where both are carried into the same release', async () => {
    const second = await open({ opensInS: -50 });
    await stand(second, { account: series.who.account, people: [mate.person] });
    await end(second); // nobody carried into it
    const third = await open({ opensInS: -40 });
    expect(await carry(third)).toEqual(['ENTERED', 'REPLACED']);
    expect(await sizes(third)).toEqual([1]);
    await end(third);
    const fourth = await open({ opensInS: -30 });
    expect(await carry(fourth)).toEqual(['ENTERED']);
    expect(await sizes(fourth)).toEqual([1]);
  });

  it('gives way also where that one can be entered no more than the group', async () => {
    const second = await open({ opensInS: -50 });
    await stand(second, { account: series.who.account, people: [mate.person] });
    await end(second);
    const third = await open({ opensInS: -40, places: { service: 'COVAXIN' } });
    expect(await carry(third)).toEqual(['REFUSED', 'REPLACED']);
    expect(await states(third, series.who, mate)).toEqual(['NONE', 'STANDING']);
  });

  it.each([{}, { places: { service: 'COVAXIN' } }])(
    'is not carried in after that one withdrew there (%j)',
    async (wishes) => {
      const second = await open(wishes);
      granted(await enter(second, mate));
      granted(await withdraw(second, mate));
      expect(await carry(second)).toEqual(['REPLACED']);
      expect((await left(series.first)) + (await left(second))).toBe(0);
    },
  );

  it('is not passed over beside the entry of that one', async () => {
    const second = await open({ places: { service: 'COVAXIN' } });
    granted(await enter(second, mate));
    expect(await carry(second)).toEqual(['REPLACED']);
    expect(await left(second)).toBe(0);
  });
});
