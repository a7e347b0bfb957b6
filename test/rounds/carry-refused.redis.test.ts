/** Standing entries that a release of the series cannot take: why is said, and they stand on. */
import { describe, expect, it } from 'vitest';
import {
  granted,
  letPass,
  publishRelease,
  register,
  type ReleaseWishes,
  type TestRelease,
} from '../support/engine.ts';
import { useSeries } from './series.ts';

const series = useSeries();
const { open, untilOf, stand, enter, end, state, entry, carry, templates } = series;

describe('an entry that a release cannot take', () => {
  const cases: [code: string, next: Partial<ReleaseWishes>][] = [
    ['SLOT_UNKNOWN', { places: { service: 'COVAXIN' } }],
    ['NOT_ELIGIBLE', { places: { maxAge: 100 } }], // born in 1960, wanted in 2099
    ['ID_TYPE_NOT_ACCEPTED', { idTypes: ['aadhaar'] }],
  ];
  it.each(cases)('says why (%s), stands on, and is tried once', async (code, next) => {
    await stand(series.first);
    await end(series.first);
    const second = await open(next);
    expect(await carry(second)).toEqual(['REFUSED']);
    expect(await carry(second)).toEqual([]);
    expect(await entry(second)).toMatchObject({
      state: 'standing',
      beneficiaries: [series.who.person],
      preferences: [],
      carryOver: { until: await untilOf(series.first), refused: code },
    });
    expect(await templates()).toEqual([]);
    await end(second);
    const third = await open();
    expect(await carry(third)).toEqual(['ENTERED']);
    expect((await entry(third)).carryOver?.refused).toBeNull();
  });

  it('is a group that is too large, or more people than an account may enter', async () => {
    const other = await register(series.engine, series.who.account);
    await stand(series.first, { account: series.who.account, people: [series.who.person, other] });
    await end(series.first);
    const second = await open({ limits: { groupSize: 1 } });
    expect(await carry(second)).toEqual(['REFUSED']);
    expect(await entry(second)).toMatchObject({
      beneficiaries: [series.who.person, other],
      carryOver: { refused: 'GROUP_TOO_LARGE' },
    });
    await end(second);
    const third = await open({ entriesPerAccount: 1 });
    expect(await carry(third)).toEqual(['REFUSED']);
    expect((await entry(third)).carryOver?.refused).toBe('TOO_MANY_ENTRIES');
  });

  it('is one whose people are in a release of no series, or of another', async () => {
    await stand(series.first);
    await end(series.first);
    const elsewhere = await publishRelease(series.engine, series.redis, { seats: [1] });
    granted(await enter(elsewhere));
    const second = await open();
    expect(await carry(second)).toEqual(['REFUSED']);
    expect((await entry(second)).carryOver?.refused).toBe('CLAIMED_ELSEWHERE');
    expect(await state(elsewhere)).toBe('ENTERED');
  });

  it('is tried again where only time is in the way', async () => {
    await stand(series.first);
    granted(await series.engine.releases.end(series.first.release)); // its claim was used a moment ago
    const second = await open();
    expect(await carry(second)).toEqual(['LATER']);
    expect(await state(second)).toBe('NONE');
    await letPass(series.redis, 11);
    expect(await carry(second)).toEqual(['ENTERED']);
  });

  it('keeps no more wishes than the release takes, of those its people may have', async () => {
    const many = await open({ seats: [1, 1, 1] });
    await stand(many);
    await end(many);
    const second = await open({ seats: [1, 1, 1], limits: { preferences: 2 } });
    expect(await carry(second)).toEqual(['ENTERED']);
    expect((await entry(second)).preferences).toEqual(second.slots.slice(0, 2));
  });
});

describe('slots that an operator has closed', () => {
  /** Three evenings that are alike, of which a wish may name two. */
  const openDates = (): Promise<TestRelease> =>
    open({
      places: { date: '2099-01-02' },
      alsoOn: ['2099-01-03', '2099-01-04'],
      limits: { preferences: 2 },
    });

  it('take no room from those that are open, and none is left where all are closed', async () => {
    await stand(series.first);
    await end(series.first);
    const second = await openDates();
    granted(
      await series.engine.releases.close(second.release, { slots: second.slots.slice(0, 2) }),
    );
    expect(await carry(second)).toEqual(['ENTERED']);
    expect((await entry(second)).preferences).toEqual(second.slots.slice(2));
    await end(second);
    const third = await openDates();
    granted(await series.engine.releases.close(third.release, { slots: third.slots }));
    expect(await carry(third)).toEqual(['REFUSED']);
    expect((await entry(third)).carryOver?.refused).toBe('SLOTS_CLOSED');
  });
});
